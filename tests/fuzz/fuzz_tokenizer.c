/* Any text under a fixed small vocabulary that has all bytes: what is encoded decodes
 * to the same bytes, and no control token comes from text. The first byte chooses the
 * rule by which text is split into words; a second text may follow a byte FF. */
#include "tests/fuzz/harness.h"
#include "tests/fuzz/harness_wrap.h"

#include "engine/prompt.h"
#include "tests/support/gguf_writer.h"

#define FIRST_CONTROL 256 /* the bytes come before them */
#define CONTROLS 3

struct setup {
    struct tokenizer *tokenizer;
    struct prompt prompt;
};

static struct error error;

static void set_up(struct setup *setup, const char *rule)
{
    static const char *const tokens[] = {
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "th", "the",    "Ġthe",  "in", "Ġt",
        "ing",           "00",           "ĊĊ",         "ee", "<tool>", "<tool", "é "};
    static const int32_t types[] = {3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 4};
    static const char *const merges[] = {"t h",  "Ġ t", "th e", "Ġ the", "i n",
                                         "in g", "0 0", "Ċ Ċ",  "e e",   "Ġt he"};
    struct gguf_writer writer = {0};
    struct gguf *file;
    gguf_writer_vocabulary(&writer, tokens, types, sizeof tokens / sizeof *tokens, merges,
                           sizeof merges / sizeof *merges);
    gguf_writer_text(&writer, "tokenizer.ggml.pre", rule);
    gguf_writer_u32(&writer, "tokenizer.ggml.bos_token_id", FIRST_CONTROL);
    gguf_writer_u32(&writer, "tokenizer.ggml.eos_token_id", FIRST_CONTROL);
    gguf_writer_bool(&writer, "tokenizer.ggml.add_bos_token", true);
    struct buffer bytes = gguf_writer_finish(&writer);
    harness_wrap_file(bytes.data, bytes.size);
    HARNESS_REQUIRE(gguf_open(&file, "small.gguf", &error));
    HARNESS_REQUIRE(tokenizer_new(&setup->tokenizer, file, &error));
    HARNESS_REQUIRE(prompt_new(&setup->prompt, file, setup->tokenizer, &error));
    HARNESS_REQUIRE(setup->prompt.shape == PROMPT_CHATML);
    gguf_close(file);
    buffer_free(&bytes);
}

static size_t controls(const struct tokens *tokens)
{
    size_t count = 0;
    for (size_t i = 0; i < tokens->count; i++)
        count += tokens->data[i] >= FIRST_CONTROL && tokens->data[i] < FIRST_CONTROL + CONTROLS;
    return count;
}

static void check_round_trip(const struct setup *setup, struct harness_input input)
{
    struct tokens tokens = {0};
    struct buffer text = {0};
    char *copy = harness_copy(input);
    HARNESS_REQUIRE(tokenizer_encode(setup->tokenizer, copy, input.size, &tokens, &error));
    HARNESS_REQUIRE(controls(&tokens) == 0);
    for (size_t i = 0; i < tokens.count; i++)
        HARNESS_REQUIRE(tokenizer_decode(setup->tokenizer, tokens.data[i], &text, &error));
    HARNESS_REQUIRE(text.size == input.size);
    HARNESS_REQUIRE(input.size == 0 || memcmp(text.data, copy, input.size) == 0);
    HARNESS_REQUIRE(!tokenizer_left_out(setup->tokenizer));
    free(copy);
    tokens_free(&tokens);
    buffer_free(&text);
}

/* As many control tokens as the form has, whatever is written in question and text. */
static void check_prompts(const struct setup *setup, struct harness_input question,
                          struct harness_input text)
{
    struct tokens tokens = {0};
    char *asked = harness_text(question), *read = harness_copy(text);
    HARNESS_REQUIRE(prompt_preamble(&setup->prompt, setup->tokenizer, &tokens, &error));
    HARNESS_REQUIRE(prompt_question(&setup->prompt, setup->tokenizer, asked, &tokens, &error));
    HARNESS_REQUIRE(controls(&tokens) == 4); /* begin, start; end, start */
    HARNESS_REQUIRE(prompt_follow_up(&setup->prompt, setup->tokenizer, asked, &tokens, &error));
    HARNESS_REQUIRE(controls(&tokens) == 8); /* end, start; end, start */
    tokens.count = 0;
    HARNESS_REQUIRE(prompt_question_first(&setup->prompt, setup->tokenizer, asked, read, text.size,
                                          &tokens, &error));
    HARNESS_REQUIRE(controls(&tokens) == 4);
    free(asked);
    free(read);
    tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct setup setups[2];
    if (!setups[0].tokenizer) {
        set_up(&setups[0], "gpt-2");
        set_up(&setups[1], "falcon");
    }
    struct harness_input input = {bytes, size};
    const struct setup *setup = &setups[harness_byte(&input) & 1];
    check_round_trip(setup, input);
    const uint8_t *end = input.size > 0 ? memchr(input.bytes, 0xFF, input.size) : NULL;
    struct harness_input question = harness_part(&input, end ? (size_t)(end - input.bytes) : 0);
    check_prompts(setup, question, input);
    return 0;
}
