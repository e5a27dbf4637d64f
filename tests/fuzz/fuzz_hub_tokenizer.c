/* A tokenizer.json and, after a line of its own, its configuration: what is written from
 * them is read back by the engine, with as many tokens as the embedding has rows. The first
 * two bytes say how many these are. */
#include "tests/fuzz/harness.h"
#include "tests/fuzz/harness_wrap.h"

#include "convert/hub_tokenizer.h"
#include "engine/tokenizer.h"

#include <stdlib.h>
#include <string.h>

static struct error error;

static void read_back(struct plan *plan, size_t rows)
{
    struct buffer made = {0};
    struct gguf *file;
    struct tokenizer *tokenizer;
    plan_finish(plan);
    HARNESS_REQUIRE(plan_header(plan, &made, &error));
    harness_wrap_file(made.data, made.size);
    HARNESS_REQUIRE(gguf_open(&file, "fuzzed.gguf", &error));
    struct gguf_array tokens;
    HARNESS_REQUIRE(gguf_get_array(file, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, &error));
    HARNESS_REQUIRE(tokens.count == rows);
    if (!tokenizer_new(&tokenizer, file, &error))
        harness_require_error(&error);
    tokenizer_free(tokenizer);
    gguf_close(file);
    buffer_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char cut[] = "\n---\n";
    struct harness_input input = {bytes, size};
    size_t rows = (size_t)harness_number(&input, 2) % 1024 + 1;
    char *text = harness_copy(input);
    char *second = input.size ? memmem(text, input.size, cut, strlen(cut)) : NULL;
    size_t first_size = second ? (size_t)(second - text) : input.size;
    struct hub_tokenizer tokenizer = {.path = "fuzzed.json"};
    struct plan plan = {0};
    const char *note;
    json_t *json = NULL, *configuration = NULL;
    bool ok = json_read_text(&json, text, first_size, "fuzzed.json", &error);
    if (ok && second) {
        second += strlen(cut);
        ok = json_read_text(&configuration, second, (size_t)(text + input.size - second),
                            "configuration.json", &error);
    }
    tokenizer.tokenizer = json;
    tokenizer.configuration = configuration;
    tokenizer.model = configuration;
    ok = ok && hub_tokenizer_write(&plan, &tokenizer, rows, &note, &error);
    if (ok)
        read_back(&plan, rows);
    else
        harness_require_error(&error);
    plan_free(&plan);
    json_decref(json);
    json_decref(configuration);
    free(text);
    return 0;
}
