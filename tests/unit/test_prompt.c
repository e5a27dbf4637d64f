/* The prompt: which shape a model gets, the exact tokens of each part, where an
 * answer stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/prompt.h"
#include "tests/support/gguf_writer.h"

#define BUNDLED TESTS_SOURCE_DIR "/models/tidemark-73m-v1-q4_k_m.gguf"

struct setting {
    struct gguf *file;
    struct tokenizer *tokenizer;
    struct prompt prompt;
};

static bool set_up(struct setting *setting, struct gguf_writer *writer, struct error *error)
{
    struct buffer bytes = gguf_writer_finish(writer);
    *setting = (struct setting){0};
    bool ok = gguf_writer_open(&setting->file, bytes.data, bytes.size, error) &&
              tokenizer_new(&setting->tokenizer, setting->file, error) &&
              prompt_new(&setting->prompt, setting->file, setting->tokenizer, error);
    buffer_free(&bytes);
    return ok;
}

static void tear_down(struct setting *setting)
{
    tokenizer_free(setting->tokenizer);
    gguf_close(setting->file);
}

/* A vocabulary of bytes with ChatML's tokens as 256 and 257 and the end of text as
 * 258, of the given type. */
static void write_chatml(struct gguf_writer *writer, int32_t type)
{
    static const char *const tokens[] = {"<|im_start|>", "<|im_end|>", "<|endoftext|>"};
    gguf_writer_vocabulary(writer, tokens, (int32_t[]){type, type, 3}, 3, NULL, 0);
    gguf_writer_text(writer, "tokenizer.ggml.pre", "falcon");
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 258);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 65);
}

/* Writes the tokens as text: those of the vocabulary above that are not bytes, and
 * control tokens of the bundled model, as {id}. */
static void assert_tokens(const struct setting *setting, struct tokens *tokens,
                          const char *expected)
{
    struct buffer shown = {0};
    for (size_t i = 0; i < tokens->count; i++) {
        size_t before = shown.size;
        assert_true(tokenizer_decode(setting->tokenizer, tokens->data[i], &shown, NULL));
        bool special = shown.size == before || tokens->data[i] == setting->prompt.message_start ||
                       tokens->data[i] == setting->prompt.message_end;
        if (!special)
            continue;
        shown.size = before;
        assert_true(buffer_append_format(&shown, NULL, "{%d}", (int)tokens->data[i]));
    }
    assert_string_equal(shown.data ? shown.data : "", expected);
    buffer_free(&shown);
    tokens_free(tokens);
}

static void assert_parts(struct setting *setting, const char *preamble, const char *question,
                         const char *follow_up, const char *question_first)
{
    struct tokens tokens = {0};
    const struct prompt *prompt = &setting->prompt;
    struct tokenizer *tokenizer = setting->tokenizer;
    assert_true(prompt_preamble(prompt, tokenizer, &tokens, NULL));
    assert_tokens(setting, &tokens, preamble);
    assert_true(prompt_question(prompt, tokenizer, "Who <|im_end|>?", &tokens, NULL));
    assert_tokens(setting, &tokens, question);
    assert_true(prompt_follow_up(prompt, tokenizer, "Why?", &tokens, NULL));
    assert_tokens(setting, &tokens, follow_up);
    assert_true(prompt_question_first(prompt, tokenizer, "Who?", "The text\0.", 10, &tokens, NULL));
    /* A text is bytes, not a C string: its NUL is token 0, shown as a digit. */
    for (size_t i = 0; i < tokens.count; i++)
        if (tokens.data[i] == 0)
            tokens.data[i] = '0';
    assert_tokens(setting, &tokens, question_first);
}

static void test_chatml(void **state)
{
    (void)state;
    struct gguf_writer writer = {0};
    write_chatml(&writer, 3);
    gguf_writer_bool(&writer, "tokenizer.ggml.add_bos_token", true);
    struct setting setting;
    struct error error = {0};
    assert_true(set_up(&setting, &writer, &error));
    assert_int_equal(setting.prompt.shape, PROMPT_CHATML);
    assert_string_equal(prompt_name(&setting.prompt), "ChatML");
    assert_parts(&setting, "{258}{256}user\n", "\n\nWho <|im_end|>?{257}\n{256}assistant\n",
                 "{257}\n{256}user\nWhy?{257}\n{256}assistant\n",
                 "{258}{256}user\nWho?\n\nThe text0.\n\nWho?{257}\n{256}assistant\n");
    assert_true(prompt_stops(&setting.prompt, 257, "", 0));
    assert_true(prompt_stops(&setting.prompt, 258, "x", 1));
    assert_true(prompt_stops(&setting.prompt, 65, "x", 1));
    assert_false(prompt_stops(&setting.prompt, 256, "a\n\n", 3));
    assert_false(prompt_stops(&setting.prompt, TOKENIZER_NONE, "", 0));
    tear_down(&setting);
}

static void test_plain(void **state)
{
    (void)state;
    struct gguf_writer writer = {0};
    write_chatml(&writer, 5);
    struct setting setting;
    struct error error = {0};
    assert_true(set_up(&setting, &writer, &error));
    assert_int_equal(setting.prompt.shape, PROMPT_PLAIN);
    assert_int_equal(setting.prompt.begin, TOKENIZER_NONE);
    assert_int_equal(setting.prompt.message_end, TOKENIZER_NONE);
    assert_string_equal(prompt_name(&setting.prompt), "plain");
    assert_parts(&setting, "", "\n\nQuestion: Who <|im_end|>?\nAnswer:",
                 "\n\nQuestion: Why?\nAnswer:", "Who?\n\nThe text0.\n\nQuestion: Who?\nAnswer:");
    assert_true(prompt_stops(&setting.prompt, 258, "", 0));
    assert_true(prompt_stops(&setting.prompt, 65, "", 0));
    assert_false(prompt_stops(&setting.prompt, 257, "a\n", 2));
    assert_true(prompt_stops(&setting.prompt, 10, "a\n\n", 3));
    assert_false(prompt_stops(&setting.prompt, 10, "\n\na", 3));
    tear_down(&setting);
}

static void test_shape_follows_template_and_vocabulary(void **state)
{
    (void)state;
    static const struct {
        const char *template;
        int32_t type;
        enum prompt_shape shape;
    } cases[] = {
        {"{{'<|im_start|>' + message}}", 3, PROMPT_CHATML},
        {"{{'<|im_start|>' + message}}", 4, PROMPT_CHATML},
        {"{{'[INST]' + message}}", 3, PROMPT_PLAIN},
        {"", 3, PROMPT_PLAIN},
        {"{{'<|im_start|>' + message}}", 1, PROMPT_PLAIN},
        {NULL, 3, PROMPT_CHATML},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gguf_writer writer = {0};
        write_chatml(&writer, cases[i].type);
        if (cases[i].template)
            gguf_writer_text(&writer, "tokenizer.chat_template", cases[i].template);
        struct setting setting;
        struct error error = {0};
        assert_true(set_up(&setting, &writer, &error));
        assert_int_equal(setting.prompt.shape, cases[i].shape);
        tear_down(&setting);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct gguf_writer writer = {0};
    struct setting setting;
    struct error error = {0};
    gguf_writer_vocabulary(&writer, NULL, NULL, 0, NULL, 0);
    gguf_writer_bool(&writer, "tokenizer.ggml.add_bos_token", true);
    assert_false(set_up(&setting, &writer, &error));
    assert_int_equal(error.kind, ERROR_MODEL);
    assert_non_null(strstr(error.text, "add_bos_token"));
    tear_down(&setting);

    write_chatml(&writer, 3);
    gguf_writer_u32(&writer, "tokenizer.chat_template", 1);
    assert_false(set_up(&setting, &writer, &error));
    assert_int_equal(error.kind, ERROR_MODEL);
    tear_down(&setting);
}

static void test_bundled_model(void **state)
{
    (void)state;
    if (access(BUNDLED, R_OK) != 0)
        skip();
    struct setting setting = {0};
    struct error error = {0};
    assert_true(gguf_open(&setting.file, BUNDLED, &error));
    assert_true(tokenizer_new(&setting.tokenizer, setting.file, &error));
    assert_true(prompt_new(&setting.prompt, setting.file, setting.tokenizer, &error));
    assert_int_equal(setting.prompt.shape, PROMPT_CHATML);
    assert_int_equal(setting.prompt.message_start, 1);
    assert_int_equal(setting.prompt.message_end, 2);
    struct tokens tokens = {0};
    struct tokenizer *tokenizer = setting.tokenizer;
    assert_true(prompt_preamble(&setting.prompt, tokenizer, &tokens, &error));
    assert_tokens(&setting, &tokens, "{0}{1}user\n");
    assert_true(prompt_question(&setting.prompt, tokenizer, "Who was it?", &tokens, &error));
    assert_tokens(&setting, &tokens, "\n\nWho was it?{2}\n{1}assistant\n");
    assert_true(prompt_follow_up(&setting.prompt, tokenizer, "<|im_start|>", &tokens, &error));
    assert_tokens(&setting, &tokens, "{2}\n{1}user\n<|im_start|>{2}\n{1}assistant\n");
    assert_true(prompt_stops(&setting.prompt, 0, "", 0));
    assert_true(prompt_stops(&setting.prompt, 2, "", 0));
    assert_false(prompt_stops(&setting.prompt, 1, "\n\n", 2));
    tear_down(&setting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chatml),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_shape_follows_template_and_vocabulary),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bundled_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
