/* What is shown of documents: positions, questions, summaries, surprise, finds. */
#include "app/work/browsing.h"

#include "base/utf8.h"
#include "tests/support/random.h"
#include "tests/unit/work_fixture.h"

static int64_t add_model(struct work *work, const char *name)
{
    struct hash fingerprint = hash_of(name, strlen(name));
    int64_t model;
    work_require(work, library_touch_model(work->session.library, &fingerprint, name, "/m.gguf",
                                           &model, &work->error));
    return model;
}

/* --- sections ------------------------------------------------------------------------- */

static void test_text_and_positions(void **state)
{
    struct work *work = *state;
    int64_t document =
        work_take_in(work, "a.txt", "One line.\nAnother line.\n\fThe second page.\nIts end.\n");
    struct browsing_text text;
    work_require(work, browsing_text(&work->session, document, 0, &text, &work->error));
    assert_int_equal(text.document, document);
    assert_int_equal(text.size, strlen(text.text));
    static const struct {
        const char *words;
        int64_t page, line;
    } places[] = {{"One", 1, 1}, {"Another", 1, 2}, {"The second", 2, 3}, {"end", 2, 4}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *at = strstr(text.text, places[i].words);
        int64_t page, line;
        assert_non_null(at);
        assert_true(browsing_position(&text, (size_t)(at - text.text), &page, &line));
        assert_int_equal(page, places[i].page);
        assert_int_equal(line, places[i].line);
    }
    browsing_text_free(&text);
    assert_false(browsing_text(&work->session, document, 1, &text, &work->error));
    assert_int_equal(work->error.kind, ERROR_INPUT);
    assert_null(text.text);
    browsing_text_free(&text);
}

static void test_broken_maps(void **state)
{
    (void)state;
    const uint64_t seed = 20;
    struct random random = {seed};
    int64_t page, line;
    for (int round = 0; round < 20000; round++) {
        unsigned char map[24];
        size_t size = random_below(&random, sizeof map + 1);
        for (size_t i = 0; i < size; i++)
            map[i] = (unsigned char)(random_below(&random, 3) ? random_below(&random, 256) : 0xFF);
        struct browsing_text text = {.map = map, .map_size = size};
        bool ok = browsing_position(&text, random_below(&random, 300), &page, &line);
        if (ok ? page < 1 || line < 1 : page != 0 || line != 0)
            fail_msg("seed %llu, round %d: %d, page %lld, line %lld", (unsigned long long)seed,
                     round, ok, (long long)page, (long long)line);
    }
    struct browsing_text none = {0};
    assert_false(browsing_position(&none, 0, &page, &line));
    assert_int_equal(page, 0);
    assert_int_equal(line, 0);
}

/* --- questions and summaries --------------------------------------------------------------- */

static void ask(struct work *work, int64_t document, const char *question)
{
    struct library_question row = {
        .document = document,
        .model = add_model(work, "one"),
        .scope = (char[]){""},
        .question = (char *)(uintptr_t)question,
        .detail = (char[]){"{}"},
    };
    int64_t id;
    work_require(work, library_add_question(work->session.library, &row, &id, &work->error));
}

static void test_last_questions(void **state)
{
    struct work *work = *state;
    struct browsing_questions questions;
    work_require(work, browsing_last_questions(&work->session, &questions, &work->error));
    assert_int_equal(questions.count, 0);
    browsing_questions_free(&questions);
    int64_t ids[20];
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.txt", i);
        ids[i] = work_take_in(work, name, "Some text.\n");
    }
    ask(work, ids[1], "first?");
    ask(work, ids[1], "second?");
    ask(work, ids[19], "third?");
    work_require(work, browsing_last_questions(&work->session, &questions, &work->error));
    assert_int_equal(questions.count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(questions.documents[i], ids[i]);
        if (i == 1)
            assert_string_equal(questions.questions[i], "second?");
        else if (i == 19)
            assert_string_equal(questions.questions[i], "third?");
        else
            assert_null(questions.questions[i]);
    }
    browsing_questions_free(&questions);
}

static void summarize(struct work *work, int64_t document, enum library_summary_kind kind,
                      int64_t section, const char *text)
{
    struct hash made_from = hash_of(text, strlen(text));
    work_require(work, library_put_summary(work->session.library, document, add_model(work, "one"),
                                           kind, section, &made_from, text, &work->error));
}

static void test_summaries(void **state)
{
    struct work *work = *state;
    struct browsing_summaries summaries;
    int64_t document = work_take_in(work, "a.md", "# A\n\nText.\n\n# B\n\nText.\n");
    int64_t other = work_take_in(work, "b.txt", "Text.\n");
    summarize(work, document, LIBRARY_SUMMARY_DOCUMENT, -1, "whole");
    summarize(work, document, LIBRARY_SUMMARY_PART, 0, "part");
    summarize(work, document, LIBRARY_SUMMARY_SECTION, 1, "second");
    summarize(work, document, LIBRARY_SUMMARY_SECTION, 0, "first");
    summarize(work, document, LIBRARY_SUMMARY_CHAPTER, 0, "chapter");
    summarize(work, other, LIBRARY_SUMMARY_SECTION, 0, "of another");
    work_require(work, browsing_summaries(&work->session, document, &summaries, &work->error));
    static const char *const texts[] = {"first", "second", "whole", "chapter"};
    assert_int_equal(summaries.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(summaries.items[i].text, texts[i]);
    assert_int_equal(summaries.items[1].section, 1);
    assert_int_equal(summaries.items[2].section, -1);
    assert_int_equal(summaries.items[3].kind, LIBRARY_SUMMARY_CHAPTER);
    browsing_summaries_free(&summaries);
}

/* --- surprise ---------------------------------------------------------------------------- */

static int64_t begin_reading(struct work *work, int64_t document, int64_t sections)
{
    struct library_reading reading = {
        .document = document,
        .model = add_model(work, "one"),
        .sections = sections,
        .tokens = 100,
        .numerics = (char[]){"tag"},
    };
    work_require(work, library_put_reading(work->session.library, &reading, &work->error));
    return reading.id;
}

/* `values` in 1/256 bit; bytes: of them that are stored. */
static void put_surprise(struct work *work, int64_t reading, int64_t section, int64_t tokens,
                         const unsigned *values, size_t bytes)
{
    unsigned char encoded[64];
    for (size_t i = 0; i < bytes; i++)
        encoded[i] = (unsigned char)(values[i / 2] >> 8 * (i % 2));
    struct library_section_reading row = {
        .section = section,
        .tokens = tokens,
        .end_token = 10 * (section + 1),
        .surprise = bytes ? encoded : NULL,
        .surprise_size = bytes,
    };
    work_require(work,
                 library_put_section_reading(work->session.library, reading, &row, &work->error));
}

static void assert_bits(const float *bits, const double *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if ((double)bits[i] < expected[i] - 1e-6 || (double)bits[i] > expected[i] + 1e-6)
            fail_msg("column %zu: %f instead of %f", i, (double)bits[i], expected[i]);
}

static void test_surprise(void **state)
{
    struct work *work = *state;
    float bits[8 * 4];
    int64_t document = work_take_in(work, "a.md",
                                    "# A\n\na\n\n# B\n\nb\n\n# C\n\nc\n\n# D\n\nd\n\n# E\n\ne\n\n"
                                    "# F\n\nf\n\n# G\n\ng\n");
    work_require(work, browsing_surprise(&work->session, document, 0, 8, 4, bits, &work->error));
    for (size_t i = 0; i < 32; i++)
        assert_true(bits[i] < 0);
    int64_t reading = begin_reading(work, document, 6);
    static const unsigned eight[] = {256, 512, 0, 128, 65535, 65535, 2560, 0};
    static const unsigned six[] = {256, 512, 768, 1024, 1280, 1536};
    static const unsigned two[] = {256, 512};
    put_surprise(work, reading, 0, 8, eight, 16);
    put_surprise(work, reading, 1, 6, six, 12);
    put_surprise(work, reading, 2, 2, two, 4);
    put_surprise(work, reading, 3, 2, two, 3); /* half a value */
    put_surprise(work, reading, 4, 3, two, 4); /* fewer than tokens */
    put_surprise(work, reading, 5, 0, two, 0);
    put_surprise(work, reading, 6, 2, two, 4); /* beyond what the reading says was read */
    work_require(work, browsing_surprise(&work->session, document, 0, 8, 4, bits, &work->error));
    static const double expected[8][4] = {
        {1.5, 0.25, 65535 / 256.0, 5},
        {1, 2.5, 4, 5.5},
        {1, 1, 2, 2},
        {-1, -1, -1, -1},
        {-1, -1, -1, -1},
        {-1, -1, -1, -1},
        {-1, -1, -1, -1},
        {-1, -1, -1, -1},
    };
    for (size_t i = 0; i < 8; i++)
        assert_bits(bits + 4 * i, expected[i], 4);
    work_require(work, browsing_surprise(&work->session, document, 1, 1, 1, bits, &work->error));
    assert_bits(bits, (const double[]){3.5}, 1);
    work_require(work, browsing_surprise(&work->session, document, 900, 2, 1, bits, &work->error));
    assert_bits(bits, (const double[]){-1, -1}, 2);
}

/* --- all documents ------------------------------------------------------------------------ */

static void test_find_all(void **state)
{
    struct work *work = *state;
    struct browsing_finds finds;
    char text[6000];
    size_t used = 0;
    for (int i = 0; i < 60; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "Filling number %d, so. ", i);
    used += (size_t)snprintf(text + used, sizeof text - used, "The Caf\xC3\xA9 stood open. ");
    for (int i = 0; i < 60; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "Filling number %d, so. ", i);
    assert_true(used < sizeof text);
    int64_t first = work_take_in(work, "harbour.md",
                                 "# Harbour\n\nShips come in.\n\n"
                                 "# Lighthouse\n\nThe keeper was running\nup the stairs.\n\n"
                                 "Another paragraph.\n");
    int64_t second = work_take_in(work, "long.txt", text);

    work_require(work, browsing_find_all(&work->session, "Who runs?", 10, &finds, &work->error));
    assert_int_equal(finds.count, 1);
    assert_int_equal(finds.items[0].document, first);
    assert_int_equal(finds.items[0].section, 1);
    assert_string_equal(finds.items[0].name, "harbour");
    assert_string_equal(finds.items[0].title, "Lighthouse");
    assert_string_equal(finds.items[0].excerpt, "The keeper was running up the stairs.");
    browsing_finds_free(&finds);

    work_require(work, browsing_find_all(&work->session, "cafe", 10, &finds, &work->error));
    assert_int_equal(finds.count, 1);
    assert_int_equal(finds.items[0].document, second);
    const char *excerpt = finds.items[0].excerpt;
    assert_non_null(strstr(excerpt, "The Caf\xC3\xA9 stood open. Filling number 0"));
    assert_true(strlen(excerpt) < 220);
    assert_int_equal(strncmp(excerpt, "\xE2\x80\xA6", 3), 0);
    assert_string_equal(excerpt + strlen(excerpt) - 3, "\xE2\x80\xA6");
    browsing_finds_free(&finds);

    work_require(work,
                 browsing_find_all(&work->session, "keeper caf\xC3\xA9", 1, &finds, &work->error));
    assert_int_equal(finds.count, 1);
    browsing_finds_free(&finds);
    static const char *const nothing[] = {"zebra", "", "?!", "\"", "\xFF"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        work_require(work, browsing_find_all(&work->session, nothing[i], 10, &finds, &work->error));
        assert_int_equal(finds.count, 0);
        browsing_finds_free(&finds);
    }
}

/* A text of one endless word has an excerpt, too. */
static void test_excerpt_without_blanks(void **state)
{
    struct work *work = *state;
    struct browsing_finds finds;
    char text[4002] = "";
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 4 * i, i == 500 ? ".\xC3\xA4!" : "\xE2\x82\xAC-", 4);
    work_take_in(work, "signs.txt", text);
    work_require(work, browsing_find_all(&work->session, "\xC3\x84", 5, &finds, &work->error));
    assert_int_equal(finds.count, 1);
    assert_true(utf8_is_valid(finds.items[0].excerpt, strlen(finds.items[0].excerpt)));
    assert_non_null(strstr(finds.items[0].excerpt, "\xC3\xA4!"));
    browsing_finds_free(&finds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_and_positions, work_set_up, work_tear_down),
        cmocka_unit_test(test_broken_maps),
        cmocka_unit_test_setup_teardown(test_last_questions, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_summaries, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_surprise, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_find_all, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_excerpt_without_blanks, work_set_up, work_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
