/* A hostile vocabulary, and a text under it. The input:
 *
 *     flags     1 falcon's rule, 2 no rule, 4 no types, 8 no merges, 16 a begin token,
 *               32 add_bos_token, 64 the 256 bytes come first
 *     records   0 to 6 and a length: a token of this type; 7 and a length: a merge;
 *               8: the rest is the text */
#include "tests/fuzz/harness.h"
#include "tests/fuzz/harness_wrap.h"

#include "engine/prompt.h"
#include "tests/support/gguf_writer.h"

enum {
    FLAG_FALCON = 1,
    FLAG_NO_RULE = 2,
    FLAG_NO_TYPES = 4,
    FLAG_NO_MERGES = 8,
    FLAG_BEGIN = 16,
    FLAG_ADD_BEGIN = 32,
    FLAG_BYTES = 64,
};

enum { RECORD_MERGE = 7, RECORD_TEXT = 8, RECORDS = 9 };

struct lists {
    struct buffer tokens, types, merges;
    size_t token_count, merge_count;
};

static struct error error;

static void add_token(struct lists *lists, unsigned type, const void *text, size_t size)
{
    gguf_writer_string(&lists->tokens, text, size);
    gguf_writer_number(&lists->types, type, 4);
    lists->token_count++;
}

/* The bytes in GPT-2's alphabet. */
static void add_bytes(struct lists *lists)
{
    for (unsigned byte = 0, next = 0x100; byte < 256; byte++) {
        bool prints = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        unsigned rune = prints ? byte : next++;
        char text[2] = {(char)(rune < 0x80 ? rune : 0xC0 | rune >> 6),
                        (char)(0x80 | (rune & 0x3F))};
        add_token(lists, 1, text, rune < 0x80 ? 1 : 2);
    }
}

static void take_records(struct lists *lists, struct harness_input *input)
{
    while (input->size > 0) {
        unsigned record = harness_byte(input) % RECORDS;
        if (record == RECORD_TEXT)
            return;
        struct harness_input part = harness_part(input, harness_byte(input));
        if (record == RECORD_MERGE) {
            gguf_writer_string(&lists->merges, (const char *)part.bytes, part.size);
            lists->merge_count++;
        } else {
            add_token(lists, record, part.bytes, part.size);
        }
    }
}

static struct buffer make_file(struct lists *lists, unsigned flags)
{
    struct gguf_writer writer = {0};
    gguf_writer_text(&writer, "tokenizer.ggml.model", "gpt2");
    if (!(flags & FLAG_NO_RULE))
        gguf_writer_text(&writer, "tokenizer.ggml.pre", flags & FLAG_FALCON ? "falcon" : "gpt-2");
    gguf_writer_array(&writer, "tokenizer.ggml.tokens", GGUF_STRING, lists->token_count);
    gguf_writer_bytes(&writer.entries, lists->tokens.data, lists->tokens.size);
    if (!(flags & FLAG_NO_TYPES)) {
        gguf_writer_array(&writer, "tokenizer.ggml.token_type", GGUF_I32, lists->token_count);
        gguf_writer_bytes(&writer.entries, lists->types.data, lists->types.size);
    }
    if (!(flags & FLAG_NO_MERGES)) {
        gguf_writer_array(&writer, "tokenizer.ggml.merges", GGUF_STRING, lists->merge_count);
        gguf_writer_bytes(&writer.entries, lists->merges.data, lists->merges.size);
    }
    if (flags & FLAG_BEGIN)
        gguf_writer_u32(&writer, "tokenizer.ggml.bos_token_id", flags);
    if (flags & FLAG_ADD_BEGIN)
        gguf_writer_bool(&writer, "tokenizer.ggml.add_bos_token", true);
    buffer_free(&lists->tokens);
    buffer_free(&lists->types);
    buffer_free(&lists->merges);
    return gguf_writer_finish(&writer);
}

static void encode(struct tokenizer *tokenizer, struct harness_input input)
{
    struct tokens tokens = {0};
    struct buffer text = {0};
    char *copy = harness_copy(input);
    HARNESS_REQUIRE(tokenizer_encode(tokenizer, copy, input.size, &tokens, &error));
    HARNESS_REQUIRE(tokens.count <= input.size);
    size_t count = tokens.count;
    HARNESS_REQUIRE(tokenizer_encode(tokenizer, copy, input.size, &tokens, &error));
    HARNESS_REQUIRE(tokens.count == 2 * count); /* from the cache as by merging */
    for (size_t i = 0; i < tokens.count; i++) {
        HARNESS_REQUIRE(tokens.data[i] >= 0);
        HARNESS_REQUIRE((size_t)tokens.data[i] < tokenizer_vocabulary(tokenizer));
        HARNESS_REQUIRE(tokens.data[i] == tokens.data[i % count]);
        HARNESS_REQUIRE(tokenizer_decode(tokenizer, tokens.data[i], &text, &error));
    }
    free(copy);
    tokens_free(&tokens);
    buffer_free(&text);
}

static void use(struct tokenizer *tokenizer, const struct gguf *file, struct harness_input input)
{
    struct prompt prompt;
    struct tokens tokens = {0};
    encode(tokenizer, input);
    if (!prompt_new(&prompt, file, tokenizer, &error)) {
        harness_require_error(&error);
        return;
    }
    char *question = harness_text(input);
    HARNESS_REQUIRE(prompt_preamble(&prompt, tokenizer, &tokens, &error));
    HARNESS_REQUIRE(prompt_question(&prompt, tokenizer, question, &tokens, &error));
    HARNESS_REQUIRE(prompt_follow_up(&prompt, tokenizer, question, &tokens, &error));
    HARNESS_REQUIRE(prompt_question_first(&prompt, tokenizer, question, question, strlen(question),
                                          &tokens, &error));
    free(question);
    tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    struct lists lists = {0};
    unsigned flags = harness_byte(&input);
    if (flags & FLAG_BYTES)
        add_bytes(&lists);
    take_records(&lists, &input);
    struct buffer made = make_file(&lists, flags);
    struct gguf *file;
    struct tokenizer *tokenizer;
    harness_wrap_file(made.data, made.size);
    HARNESS_REQUIRE(gguf_open(&file, "fuzzed.gguf", &error));
    if (tokenizer_new(&tokenizer, file, &error))
        use(tokenizer, file, input);
    else
        harness_require_error(&error);
    tokenizer_free(tokenizer);
    gguf_close(file);
    buffer_free(&made);
    return 0;
}
