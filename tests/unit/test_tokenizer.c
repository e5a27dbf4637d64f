/* The tokenizer: equality with known ids, the rules of splitting one by one,
 * merging and user-defined tokens against slow references, odd vocabularies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "engine/merges.h"
#include "engine/pretokenizer.h"
#include "engine/tokenizer.h"
#include "engine/user_tokens.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/random.h"

#define BUNDLED TESTS_SOURCE_DIR "/models/tidemark-73m-v1-q4_k_m.gguf"
#define GOLDEN TESTS_SHARED_DIR "/golden/tokenizer/"

static struct tokenizer *open_tokenizer(const char *path)
{
    struct error error = {0};
    struct gguf *file = NULL;
    struct tokenizer *tokenizer = NULL;
    if (!gguf_open(&file, path, &error) || !tokenizer_new(&tokenizer, file, &error))
        fail_msg("%s", error.text);
    gguf_close(file);
    return tokenizer;
}

static bool make_tokenizer(struct tokenizer **tokenizer, struct gguf_writer *writer,
                           struct error *error)
{
    struct buffer bytes = gguf_writer_finish(writer);
    struct gguf *file = NULL;
    *tokenizer = NULL;
    *error = (struct error){0};
    if (!gguf_writer_open(&file, bytes.data, bytes.size, error))
        fail_msg("%s", error->text);
    bool ok = tokenizer_new(tokenizer, file, error);
    gguf_close(file);
    buffer_free(&bytes);
    return ok;
}

static struct tokenizer *make_sound(struct gguf_writer *writer)
{
    struct tokenizer *tokenizer;
    struct error error;
    if (!make_tokenizer(&tokenizer, writer, &error))
        fail_msg("%s", error.text);
    return tokenizer;
}

static void assert_refused(struct gguf_writer *writer, const char *because)
{
    struct tokenizer *tokenizer;
    struct error error;
    assert_false(make_tokenizer(&tokenizer, writer, &error));
    assert_null(tokenizer);
    assert_int_equal(error.kind, ERROR_MODEL);
    if (!strstr(error.text, because))
        fail_msg("expected \"%s\" in: %s", because, error.text);
}

static void assert_ids(struct tokenizer *tokenizer, const char *text, size_t size,
                       const int32_t *expected, size_t count)
{
    struct tokens tokens = {0};
    struct error error = {0};
    if (!tokenizer_encode(tokenizer, text, size, &tokens, &error))
        fail_msg("%s", error.text);
    assert_int_equal(tokens.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(tokens.data[i], expected[i]);
    tokens_free(&tokens);
}

static void assert_golden(const char *model, const char *ids)
{
    if (access(model, R_OK) != 0 || access(ids, R_OK) != 0)
        skip();
    struct tokenizer *tokenizer = open_tokenizer(model);
    struct file_map text;
    struct error error = {0};
    struct tokens tokens = {0};
    assert_true(file_map_open(&text, GOLDEN "text.txt", ERROR_INPUT, &error));
    assert_true(tokenizer_encode(tokenizer, (const char *)text.data, text.size, &tokens, &error));
    FILE *stream = fopen(ids, "r");
    assert_non_null(stream);
    size_t count = 0;
    int id;
    for (; fscanf(stream, "%d", &id) == 1; count++) {
        assert_true(count < tokens.count);
        if (tokens.data[count] != id)
            fail_msg("token %zu is %d, expected %d", count, (int)tokens.data[count], id);
    }
    assert_int_equal(count, tokens.count);
    fclose(stream);
    file_map_close(&text);
    tokens_free(&tokens);
    tokenizer_free(tokenizer);
}

static void test_golden_falcon(void **state)
{
    (void)state;
    assert_golden(GOLDEN "falcon-vocab.gguf", GOLDEN "text.falcon.ids");
}

static void test_golden_neox(void **state)
{
    (void)state;
    assert_golden(GOLDEN "gpt-neox-vocab.gguf", GOLDEN "text.gpt-neox.ids");
}

static void test_golden_bundled(void **state)
{
    (void)state;
    assert_golden(BUNDLED, GOLDEN "text.tidemark.ids");
}

/* The words with '|' between them. */
static void assert_split(const struct pretokenizer *pretokenizer, const char *text, size_t size,
                         const char *expected)
{
    struct pretokenizer_cursor cursor = {.text = text, .size = size};
    struct gguf_text word;
    struct buffer joined = {0};
    size_t covered = 0;
    while (pretokenizer_next(pretokenizer, &cursor, &word)) {
        assert_ptr_equal(word.data, text + covered);
        assert_true(word.size > 0);
        covered += word.size;
        assert_true(joined.size == 0 || buffer_append_byte(&joined, '/', NULL));
        assert_true(buffer_append(&joined, word.data, word.size, NULL));
    }
    assert_int_equal(covered, size);
    assert_string_equal(joined.data ? joined.data : "", expected);
    buffer_free(&joined);
}

static void test_splitting(void **state)
{
    (void)state;
    static const struct {
        const char *text, *gpt2, *falcon;
    } cases[] = {
        {"", "", ""},
        {"Hello world", "Hello/ world", "Hello/ world"},
        {"I'll we've they're it's I'm he'd don't",
         "I/'ll/ we/'ve/ they/'re/ it/'s/ I/'m/ he/'d/ don/'t",
         "I/'/ll/ we/'/ve/ they/'/re/ it/'/s/ I/'/m/ he/'/d/ don/'/t"},
        {"'sx 'LL ''s 's", "'s/x/ '/LL/ ''/s/ '/s", "'/sx/ /'/LL/ /''/s/ /'/s"},
        {"a  b   c \n d\n", "a/ / b/  / c/ \n/ d/\n", "a/ / b/  / c/ \n/ d/\n"},
        {"a\n\nb\tc\t\t d", "a/\n/\n/b/\t/c/\t\t/ d", "a/\n/\n/b/\t/c/\t\t/ d"},
        {"end.  (so)", "end/./ / (/so/)", "end/./  /(/so/)"},
        {"x ", "x/ ", "x/ "},
        {"   ", "   ", "   "},
        {"a, b!? $5+3=8", "a/,/ b/!?/ $/5/+/3/=/8", "a/,/ b/!?/ /$/5/+/3/=/8"},
        {"1 12 123 1234 1234567", "1/ 12/ 123/ 1234/ 1234567", "1/ 12/ /123/ /123/4/ /123/456/7"},
        {"a1b22c333", "a/1/b/22/c/333", "a/1/b/22/c/333"},
        /* Other scripts' digits are numbers, but threes are of ASCII digits. */
        {"1\u0663234", "1\u0663234", "1\u0663/234"},
        {" \u06634444", " \u06634444", " \u0663/444/4"},
        {"\u00BD\u2163x", "\u00BD\u2163/x", "\u00BD\u2163/x"},
        /* Marks and symbols are neither letters nor punctuation. */
        {"e\u0301 \u00A9!\u00A9", "e/\u0301/ \u00A9!\u00A9", "e/\u0301/ \u00A9/!/\u00A9"},
        {"\u201Cquoted\u201D \u2014 so", "\u201C/quoted/\u201D/ \u2014/ so",
         "\u201C/quoted/\u201D/ /\u2014/ so"},
        {"^~|`<>", "^~|`<>", "^~|`<>"},
        {"a\u00A0b \u3000c", "a/\u00A0/b/ /\u3000/c", "a/\u00A0/b/ /\u3000/c"},
        {"a\u2028\u2029\xC2\x85"
         "b",
         "a/\u2028\u2029/\xC2\x85/b", "a/\u2028\u2029/\xC2\x85/b"},
        /* The zero-width space is not white space. */
        {"a\u200Bb", "a/\u200B/b", "a/\u200B/b"},
        {"\u5927\u6D77 \u0436\u0438", "\u5927\u6D77/ \u0436\u0438", "\u5927\u6D77/ \u0436\u0438"},
        {"a\xFF\xC3 \xE2\x80q", "a/\xFF\xC3/ \xE2\x80/q", "a/\xFF\xC3/ \xE2\x80/q"},
    };
    struct pretokenizer gpt2, falcon;
    struct error error = {0};
    assert_true(pretokenizer_init(&gpt2, PRETOKENIZER_GPT2, &error));
    assert_true(pretokenizer_init(&falcon, PRETOKENIZER_FALCON, &error));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_split(&gpt2, cases[i].text, strlen(cases[i].text), cases[i].gpt2);
        assert_split(&falcon, cases[i].text, strlen(cases[i].text), cases[i].falcon);
    }
    pretokenizer_free(&gpt2);
    pretokenizer_free(&falcon);
}

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        uint32_t rune;
        enum unicode_class class;
    } cases[] = {
        {0, UNICODE_CLASS_OTHER},          {'\t', UNICODE_CLASS_SPACE},
        {'\r', UNICODE_CLASS_SPACE},       {0x0E, UNICODE_CLASS_OTHER},
        {0x1F, UNICODE_CLASS_OTHER},       {' ', UNICODE_CLASS_SPACE},
        {'a', UNICODE_CLASS_LETTER},       {'7', UNICODE_CLASS_NUMBER},
        {'_', UNICODE_CLASS_PUNCTUATION},  {'$', UNICODE_CLASS_OTHER},
        {0x85, UNICODE_CLASS_SPACE},       {0xA0, UNICODE_CLASS_SPACE},
        {0xAA, UNICODE_CLASS_LETTER},      {0xB2, UNICODE_CLASS_NUMBER},
        {0xAB, UNICODE_CLASS_PUNCTUATION}, {0xAD, UNICODE_CLASS_OTHER},
        {0x180E, UNICODE_CLASS_OTHER},     {0x2003, UNICODE_CLASS_SPACE},
        {0x200B, UNICODE_CLASS_OTHER},     {0x202F, UNICODE_CLASS_SPACE},
        {0x205F, UNICODE_CLASS_SPACE},     {0x2167, UNICODE_CLASS_NUMBER},
        {0xFEFF, UNICODE_CLASS_OTHER},     {0x1F600, UNICODE_CLASS_OTHER},
        {0x20000, UNICODE_CLASS_LETTER},   {0x1D7CE, UNICODE_CLASS_NUMBER},
        {0x10FFFF, UNICODE_CLASS_OTHER},   {0xD800, UNICODE_CLASS_OTHER},
    };
    struct unicode_class_table table;
    struct error error = {0};
    assert_true(unicode_class_build(&table, &error));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (unicode_class_of(&table, cases[i].rune) != cases[i].class)
            fail_msg("U+%04X", (unsigned)cases[i].rune);
    unicode_class_free(&table);
}

/* The definition, word for word: look at all pairs, merge the leftmost of the
 * lowest rank, begin again. Merge r joins pairs[r][0] and [1] into result[r]. */
static size_t slow_merge(int32_t *ids, size_t count, int32_t (*merges)[3], size_t merge_count)
{
    for (size_t rank = 0; rank < merge_count;) {
        size_t at = 0;
        while (at + 1 < count && (ids[at] != merges[rank][0] || ids[at + 1] != merges[rank][1]))
            at++;
        if (at + 1 >= count) {
            rank++;
            continue;
        }
        ids[at] = merges[rank][2];
        count--;
        for (size_t i = at + 1; i < count; i++)
            ids[i] = ids[i + 1];
        rank = 0;
    }
    return count;
}

/* Random merges of a few ids, also such as make a pair of a lower rank possible,
 * on words on both sides of the length where the method changes. */
static void test_merging(void **state)
{
    (void)state;
    enum { IDS = 8, MERGES = 20, LONGEST = 160 };
    struct random random = random_seeded();
    for (int round = 0; round < 400; round++) {
        struct error error = {0};
        struct merges *merges = merges_new(MERGES, &error);
        assert_non_null(merges);
        int32_t list[MERGES][3];
        size_t added = 0;
        for (int i = 0; i < MERGES; i++) {
            for (int part = 0; part < 3; part++)
                list[added][part] = (int32_t)random_below(&random, IDS);
            added += merges_add(merges, list[added][0], list[added][1], list[added][2]);
        }
        int32_t ids[LONGEST], expected[LONGEST];
        size_t count = random_below(&random, LONGEST + 1), letters = 1 + random_below(&random, IDS);
        for (size_t i = 0; i < count; i++)
            ids[i] = expected[i] = (int32_t)random_below(&random, letters);
        size_t expected_count = slow_merge(expected, count, list, added);
        assert_true(merges_apply(merges, ids, &count, &error));
        assert_int_equal(count, expected_count);
        assert_memory_equal(ids, expected, count * sizeof *ids);
        merges_free(merges);
    }
}

/* Longest tokens first over the whole text, each from left to right. */
static void slow_user_tokens(int32_t *marks, const char *text, size_t size, char (*tokens)[8],
                             size_t count)
{
    for (size_t i = 0; i < size; i++)
        marks[i] = -1;
    for (size_t length = 7; length > 0; length--) {
        for (size_t at = 0; at + length <= size; at++) {
            bool free_here = true;
            for (size_t i = 0; i < length; i++)
                free_here = free_here && marks[at + i] == -1;
            for (size_t id = 0; free_here && id < count; id++) {
                if (strlen(tokens[id]) != length || memcmp(tokens[id], text + at, length) != 0)
                    continue;
                for (size_t i = 0; i < length; i++)
                    marks[at + i] = -2;
                marks[at] = (int32_t)id;
                break;
            }
        }
    }
}

static void test_user_tokens(void **state)
{
    (void)state;
    enum { TOKENS = 6, LONGEST = 60 };
    struct random random = random_seeded();
    for (int round = 0; round < 400; round++) {
        struct error error = {0};
        struct user_tokens *user_tokens = user_tokens_new(&error);
        assert_non_null(user_tokens);
        char tokens[TOKENS][8] = {{0}}, text[LONGEST];
        for (size_t i = 0; i < TOKENS; i++) {
            size_t length = 1 + random_below(&random, 7);
            for (size_t j = 0; j < length; j++)
                tokens[i][j] = (char)('a' + random_below(&random, 3));
            assert_true(
                user_tokens_add(user_tokens, tokens[i], strlen(tokens[i]), (int32_t)i, &error));
        }
        for (size_t i = 0; i < LONGEST; i++)
            text[i] = (char)('a' + random_below(&random, 3));
        int32_t marks[LONGEST];
        slow_user_tokens(marks, text, LONGEST, tokens, TOKENS);
        struct user_tokens_match match;
        bool found;
        user_tokens_begin(user_tokens, text, LONGEST);
        for (size_t at = 0; at < LONGEST; at++) {
            if (marks[at] < 0)
                continue;
            assert_true(user_tokens_next(user_tokens, &match, &found, &error));
            assert_true(found);
            assert_int_equal(match.at, at);
            assert_int_equal(match.id, marks[at]);
            assert_int_equal(match.size, strlen(tokens[match.id]));
        }
        assert_true(user_tokens_next(user_tokens, &match, &found, &error));
        assert_false(found);
        user_tokens_free(user_tokens);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    enum { SIZE = 3000 };
    if (access(BUNDLED, R_OK) != 0)
        skip();
    struct tokenizer *tokenizer = open_tokenizer(BUNDLED);
    struct random random = random_seeded();
    assert_null(tokenizer_warning(tokenizer));
    for (int round = 0; round < 60; round++) {
        char text[SIZE];
        size_t size = random_below(&random, SIZE), kind = random_below(&random, 3), used = 0;
        while (used + UTF8_MAX_BYTES <= size) {
            if (kind == 0)
                text[used++] = (char)random_below(&random, 256);
            else if (kind == 1)
                text[used++] = "  \n'aest1290.,<|>"[random_below(&random, 17)];
            else
                used += utf8_encode(text + used, (uint32_t)random_below(&random, 0x11000));
        }
        struct tokens tokens = {0};
        struct buffer back = {0};
        struct error error = {0};
        assert_true(tokenizer_encode(tokenizer, text, used, &tokens, &error));
        for (size_t i = 0; i < tokens.count; i++) {
            assert_in_range(tokens.data[i], 8, tokenizer_vocabulary(tokenizer) - 1);
            assert_true(tokenizer_decode(tokenizer, tokens.data[i], &back, &error));
        }
        assert_int_equal(back.size, used);
        assert_true(used == 0 || memcmp(back.data, text, used) == 0);
        buffer_free(&back);
        tokens_free(&tokens);
    }
    tokenizer_free(tokenizer);
}

/* What the cache returns is what merging gives, also when words drive each other
 * out of it. */
static void test_cache_changes_nothing(void **state)
{
    (void)state;
    if (access(BUNDLED, R_OK) != 0)
        skip();
    struct tokenizer *warm = open_tokenizer(BUNDLED);
    struct random random = random_seeded();
    struct buffer text = {0};
    struct error error = {0};
    for (int i = 0; i < 200000; i++) {
        unsigned long long word = random_next(&random) >> random_below(&random, 60);
        assert_true(buffer_append_format(&text, &error, " w%llx", word));
    }
    struct tokens first = {0}, again = {0}, tail = {0};
    assert_true(tokenizer_encode(warm, text.data, text.size, &first, &error));
    assert_true(tokenizer_encode(warm, text.data, text.size, &again, &error));
    assert_int_equal(first.count, again.count);
    assert_memory_equal(first.data, again.data, first.count * sizeof *first.data);
    /* A cut before a space is a cut between words: the other tokenizer has seen
     * only the second half. */
    struct tokenizer *cold = open_tokenizer(BUNDLED);
    const char *half = strchr(text.data + text.size / 2, ' ');
    size_t rest = text.size - (size_t)(half - text.data);
    assert_true(tokenizer_encode(cold, half, rest, &tail, &error));
    assert_in_range(tail.count, 1, first.count);
    assert_memory_equal(first.data + first.count - tail.count, tail.data,
                        tail.count * sizeof *tail.data);
    tokens_free(&tail);
    tokens_free(&first);
    tokens_free(&again);
    buffer_free(&text);
    tokenizer_free(warm);
    tokenizer_free(cold);
}

/* A quadratic method would take hours for these. */
static void test_long_runs(void **state)
{
    (void)state;
    enum { SIZE = 1000000 };
    static const char *const merges[] = {"a a", "aa aa", "Ġ Ġ", "ĠĠ ĠĠ"};
    static const char *const tokens[] = {"aa", "aaaa", "ĠĠ", "ĠĠĠĠ", "\n\n", "bb", "bbb"};
    struct gguf_writer writer = {0};
    gguf_writer_vocabulary(&writer, tokens, (int32_t[]){1, 1, 1, 1, 4, 4, 4}, 7, merges, 4);
    gguf_writer_text(&writer, "tokenizer.ggml.pre", "falcon");
    struct tokenizer *tokenizer = make_sound(&writer);
    char *text = malloc(SIZE);
    assert_non_null(text);
    static const struct {
        char byte;
        size_t count;
        int32_t last;
    } cases[] = {
        {'a', SIZE / 4, 257},    {' ', SIZE / 4, 259},     {'\n', SIZE / 2, 260},
        {'b', SIZE / 3 + 1, 98}, {'7', SIZE, '7'},         {'.', SIZE, '.'},
        {'\0', SIZE, 0},         {(char)0xFF, SIZE, 0xFF}, {(char)0xE2, SIZE, 0xE2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tokens ids = {0};
        struct error error = {0};
        memset(text, cases[i].byte, SIZE);
        assert_true(tokenizer_encode(tokenizer, text, SIZE, &ids, &error));
        assert_int_equal(ids.count, cases[i].count);
        assert_int_equal(ids.data[ids.count - 1], cases[i].last);
        tokens_free(&ids);
    }
    free(text);
    tokenizer_free(tokenizer);
}

static void test_token_types(void **state)
{
    (void)state;
    /*                                   256    257   258      259   260      261 */
    static const char *const tokens[] = {"<c>", "th", "Ġthe", "the", "<0x41>", "u u",
                                         /* 262  263  264   265 */
                                         "the", "ab", "<u>", ""};
    static const int32_t types[] = {3, 1, 1, 1, 6, 4, 1, 5, 4, 4};
    static const char *const merges[] = {"t h", "th e", "Ġ the", "a b", "< c"};
    struct gguf_writer writer = {0};
    gguf_writer_vocabulary(&writer, tokens, types, 10, merges, 5);
    gguf_writer_text(&writer, "tokenizer.ggml.pre", "gpt-2");
    gguf_writer_u32(&writer, "tokenizer.ggml.bos_token_id", 256);
    gguf_writer_bool(&writer, "tokenizer.ggml.add_bos_token", true);
    struct tokenizer *tokenizer = make_sound(&writer);
    /* Neither the control token nor the unused one comes from text; the duplicate
     * "the" is its first self; the user-defined tokens hold bytes as they are. */
    assert_ids(tokenizer, "the the", 7, (int32_t[]){259, 258}, 2);
    assert_ids(tokenizer, "<c>", 3, (int32_t[]){'<', 'c', '>'}, 3);
    assert_ids(tokenizer, "ab", 2, (int32_t[]){'a', 'b'}, 2);
    assert_ids(tokenizer, "u u<u>th", 8, (int32_t[]){261, 264, 257}, 3);
    assert_ids(tokenizer, "\0A", 2, (int32_t[]){0, 'A'}, 2);
    assert_ids(tokenizer, NULL, 0, NULL, 0);
    assert_int_equal(tokenizer_find_control(tokenizer, "<c>"), 256);
    assert_int_equal(tokenizer_find_control(tokenizer, "<u>"), 264);
    assert_int_equal(tokenizer_find_control(tokenizer, "th"), TOKENIZER_NONE);
    assert_int_equal(tokenizer_find_control(tokenizer, "ab"), TOKENIZER_NONE);
    assert_int_equal(tokenizer_bos(tokenizer), 256);
    assert_int_equal(tokenizer_eos(tokenizer), TOKENIZER_NONE);
    assert_true(tokenizer_add_bos(tokenizer));
    assert_int_equal(tokenizer_vocabulary(tokenizer), 266);
    assert_non_null(strstr(tokenizer_warning(tokenizer), "2 of the model's 5 merges"));
    struct buffer text = {0};
    static const int32_t decoded[] = {256, 258, 260, 261, 263, 0xE9, -1, 266, INT32_MAX, 265};
    for (size_t i = 0; i < sizeof decoded / sizeof decoded[0]; i++)
        assert_true(tokenizer_decode(tokenizer, decoded[i], &text, NULL));
    assert_string_equal(text.data, " theAu u\xE9");
    buffer_free(&text);
    tokenizer_free(tokenizer);
}

static void test_missing_bytes(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "b", "<0x63>"};
    static const char *const merges[] = {"a b", "z z", "ab", " b", "", "a"};
    struct gguf_writer writer = {0};
    gguf_writer_text(&writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_text(&writer, "tokenizer.ggml.pre", "olmo");
    gguf_writer_texts(&writer, "tokenizer.ggml.tokens", tokens, 3);
    gguf_writer_i32s(&writer, "tokenizer.ggml.token_type", (int32_t[]){1, 1, 6}, 3);
    gguf_writer_texts(&writer, "tokenizer.ggml.merges", merges, 6);
    struct tokenizer *tokenizer = make_sound(&writer);
    assert_non_null(strstr(tokenizer_warning(tokenizer), "6 of the model's 6 merges"));
    assert_ids(tokenizer, "abc", 3, (int32_t[]){0, 1, 2}, 3);
    struct tokens ids = {0};
    struct error error = {0};
    assert_true(tokenizer_encode(tokenizer, "ab", 2, &ids, &error));
    assert_false(tokenizer_left_out(tokenizer));
    assert_true(tokenizer_encode(tokenizer, "ab ad", 5, &ids, &error));
    assert_true(tokenizer_left_out(tokenizer)); /* the blank and the d */
    assert_int_equal(ids.count, 5);
    assert_int_equal(ids.data[4], 0);
    tokens_free(&ids);
    tokenizer_free(tokenizer);
}

static void test_splitting_key(void **state)
{
    (void)state;
    static const char *const known[] = {"gpt-2", "mpt", "olmo", "falcon"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct gguf_writer writer = {0};
        gguf_writer_vocabulary(&writer, (const char *[]){"12"}, (int32_t[]){1}, 1,
                               (const char *[]){"1 2"}, 1);
        gguf_writer_text(&writer, "tokenizer.ggml.pre", known[i]);
        struct tokenizer *tokenizer = make_sound(&writer);
        assert_null(tokenizer_warning(tokenizer));
        bool falcon = strcmp(known[i], "falcon") == 0;
        assert_ids(tokenizer, "33312", 5, (int32_t[]){'3', '3', '3', 256}, 4);
        assert_ids(tokenizer, "3312", 4,
                   falcon ? (int32_t[]){'3', '3', '1', '2'} : (int32_t[]){'3', '3', 256},
                   falcon ? 4 : 3);
        tokenizer_free(tokenizer);
    }
    struct gguf_writer writer = {0};
    gguf_writer_vocabulary(&writer, NULL, NULL, 0, NULL, 0);
    struct tokenizer *tokenizer = make_sound(&writer);
    assert_non_null(strstr(tokenizer_warning(tokenizer), "tokenizer.ggml.pre"));
    assert_non_null(strstr(tokenizer_warning(tokenizer), "no merges"));
    assert_ids(tokenizer, "ab c", 4, (int32_t[]){'a', 'b', ' ', 'c'}, 4);
    tokenizer_free(tokenizer);
    gguf_writer_vocabulary(&writer, NULL, NULL, 0, NULL, 0);
    gguf_writer_text(&writer, "tokenizer.ggml.pre", "llama-bpe");
    assert_refused(&writer, "llama-bpe");
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "b"};
    struct gguf_writer writer = {0};
    gguf_writer_u32(&writer, "general.version", 1);
    assert_refused(&writer, "tokenizer.ggml.model");

    gguf_writer_text(&writer, "tokenizer.ggml.model", "llama");
    assert_refused(&writer, "llama");

    gguf_writer_text(&writer, "tokenizer.ggml.model", "gpt2");
    assert_refused(&writer, "tokenizer.ggml.tokens");

    gguf_writer_text(&writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_texts(&writer, "tokenizer.ggml.tokens", tokens, 0);
    assert_refused(&writer, "vocabulary of 0");

    gguf_writer_text(&writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_i32s(&writer, "tokenizer.ggml.tokens", (int32_t[]){1}, 1);
    assert_refused(&writer, "tokenizer.ggml.tokens");

    gguf_writer_text(&writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_texts(&writer, "tokenizer.ggml.tokens", (const char *[]){"xx", "yy"}, 2);
    assert_refused(&writer, "no token for any single byte");

    static const struct {
        int32_t types[3];
        size_t count;
        const char *because;
    } types[] = {
        {{1}, 1, "1 token types"},           {{1, 1, 1}, 3, "3 token types"},
        {{1, 7}, 2, "token 1 has a type"},   {{1, -1}, 2, "token 1 has a type"},
        {{1, 257}, 2, "token 1 has a type"}, {{6, 1}, 2, "token 0 is marked as a byte"},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        gguf_writer_text(&writer, "tokenizer.ggml.model", "gpt2");
        gguf_writer_texts(&writer, "tokenizer.ggml.tokens", tokens, 2);
        gguf_writer_i32s(&writer, "tokenizer.ggml.token_type", types[i].types, types[i].count);
        assert_refused(&writer, types[i].because);
    }

    gguf_writer_vocabulary(&writer, NULL, NULL, 0, NULL, 0);
    gguf_writer_u32(&writer, "tokenizer.ggml.eos_token_id", 256);
    assert_refused(&writer, "eos_token_id is 256");

    gguf_writer_vocabulary(&writer, NULL, NULL, 0, NULL, 0);
    gguf_writer_i32s(&writer, "tokenizer.ggml.merges", (int32_t[]){1}, 1);
    assert_refused(&writer, "tokenizer.ggml.merges");

    char longest[USER_TOKENS_MAX_BYTES + 2];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    gguf_writer_vocabulary(&writer, (const char *[]){longest}, (int32_t[]){4}, 1, NULL, 0);
    assert_refused(&writer, "1025 bytes long");
    tokenizer_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_falcon),  cmocka_unit_test(test_golden_neox),
        cmocka_unit_test(test_golden_bundled), cmocka_unit_test(test_splitting),
        cmocka_unit_test(test_classes),        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_user_tokens),    cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_long_runs),      cmocka_unit_test(test_token_types),
        cmocka_unit_test(test_missing_bytes),  cmocka_unit_test(test_splitting_key),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_cache_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
