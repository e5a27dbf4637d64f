/* Regular expressions over texts: what is found, and what no pattern can do. */
#include "app/work/searching.h"

#include "base/clock.h"
#include "tests/unit/work_fixture.h"

/* Wall time within which any text is searched, also on a loaded machine. */
#define PATIENCE 5.0

static struct searching *compile(const char *pattern)
{
    struct error error = {0};
    struct searching *search = searching_new(pattern, &error);
    if (!search)
        fail_msg("%s: %s", pattern, error.text);
    return search;
}

/* Looks the pattern up in the text; the hits as "begin-end begin-end". */
static void find(const char *pattern, const char *text, char *found, size_t capacity, bool *cut)
{
    struct error error = {0};
    struct searching_hits hits = {0};
    struct searching *search = compile(pattern);
    if (!searching_text(search, 7, text, strlen(text), &hits, &error))
        fail_msg("%s: %s", pattern, error.text);
    size_t used = 0;
    found[0] = '\0';
    for (size_t i = 0; i < hits.count; i++) {
        assert_int_equal(hits.items[i].section, 7);
        used += (size_t)snprintf(found + used, capacity - used, "%s%zu-%zu", i ? " " : "",
                                 hits.items[i].begin, hits.items[i].end);
        assert_true(used < capacity);
    }
    *cut = hits.cut;
    searching_hits_free(&hits);
    searching_free(search);
}

static void assert_found(const char *pattern, const char *text, const char *expected)
{
    char found[512];
    bool cut;
    find(pattern, text, found, sizeof found, &cut);
    if (strcmp(found, expected) != 0)
        fail_msg("%s in \"%s\": %s instead of %s", pattern, text, found, expected);
    assert_false(cut);
}

static void assert_refused(const char *pattern, const char *part)
{
    struct error error = {0};
    assert_null(searching_new(pattern, &error));
    assert_int_equal(error.kind, ERROR_USAGE);
    if (!strstr(error.text, part))
        fail_msg("\"%s\" does not hold \"%s\"", error.text, part);
}

static void test_hits(void **state)
{
    (void)state;
    assert_found("tid(e|al)", "the tide, tidal and tidy", "4-8 10-15");
    assert_found("aa", "aaaaa", "0-2 2-4");
    assert_found("x", "abc", "");
    assert_found("x", "", "");
    assert_found("^b.*$", "a\nbc\nab\nb", "2-4 8-9");
    assert_found("\\bc\\w+\\b", "a caf\xC3\xA9 closed", "2-7 8-14");
    assert_found("\xC3\x84", "\xC3\xA4 \xC3\x84", "3-5");
    assert_found("\xC3\xA4", "\xC3\xA4 \xC3\x84", "0-2 3-5");
    assert_found(".",
                 "\xF0\x9F\x98\x80"
                 "a",
                 "0-4 4-5");
    assert_found("\\Qa.b\\E", "a.b axb", "0-3");
}

static void test_smart_case(void **state)
{
    (void)state;
    assert_found("tide", "Tide tide", "0-4 5-9");
    assert_found("Tide", "Tide tide", "0-4");
    assert_found("\\Stide\\W", "xTide xtide.", "0-6 6-12");
    assert_found("\\p{L}b", "Ab AB", "0-2 3-5");
    assert_found("\\pLb", "Ab AB", "0-2 3-5");
    assert_found("(?<Name>a)\\k{Name}", "aA", "0-2");
    assert_found("(?P<Name>a)(?P=Name)", "aa", "0-2");
    assert_found("(*UCP)a", "A", "0-1");
    assert_found("(?<=x)a(?<!Y)", "xA", "");
    assert_found("\\x{C4}", "\xC3\xA4", "0-2");
    assert_found("(?i)Tide", "tide", "0-4");
    assert_found("\\\\A", "\\a \\A", "3-5");
}

/* What is empty is no place to go to; it neither stops nor repeats the search. */
static void test_empty_matches(void **state)
{
    (void)state;
    assert_found("a*",
                 "baac\xC3\xA9"
                 "a",
                 "1-3 6-7");
    assert_found("^", "a\nb", "");
    assert_found("(?=a)", "aaa", "");
    assert_found("\\b|b+", "a bb", "2-4");
    assert_found("a\\K", "aa", "");
    assert_found("a\\Kb", "abab", "1-2 3-4");
    assert_found("(?<=a)b", "ab bb", "1-2");
    assert_found("|a", "xa", "1-2");
}

static void test_patterns_that_are_wrong(void **state)
{
    (void)state;
    char pattern[1200];
    assert_refused("", "no pattern");
    assert_refused("a(b", "at character 3: missing");
    assert_refused("\xC3\xA4\xC3\xA4)", "at character");
    assert_refused("*", "at character 1");
    assert_refused("a\xFFz", "not UTF-8 at character 2");
    assert_refused("\xC3\xA4\xED\xA0\x80", "not UTF-8 at character 2");
    assert_refused("a\xC3", "not UTF-8 at character 2");
    assert_refused("a\\Cb", "\\C");
    assert_refused("(?<n>a)(?<n>b)", "at character");
    memset(pattern, 'a', sizeof pattern);
    pattern[1001] = '\0';
    assert_refused(pattern, "1001 bytes");
    pattern[1000] = '\0';
    searching_free(compile(pattern));
    memset(pattern, '(', 500);
    memset(pattern + 500, ')', 500);
    assert_refused(pattern, "at character");
    assert_refused("((((a{1,999}){1,999}){1,999}){1,999})", "at character");
}

/* A pattern that would take for ever ends soon, and says that something may be missing. */
static void assert_bounded(const char *pattern, const char *text, bool cut)
{
    struct error error = {0};
    struct searching_hits hits = {0};
    struct searching *search = compile(pattern);
    double begin = clock_seconds();
    if (!searching_text(search, 0, text, strlen(text), &hits, &error))
        fail_msg("%s: %s", pattern, error.text);
    double seconds = clock_seconds() - begin;
    if (seconds > PATIENCE)
        fail_msg("%s took %.1f seconds", pattern, seconds);
    if (cut && !hits.cut)
        fail_msg("%s was searched to the end with %zu hits", pattern, hits.count);
    searching_hits_free(&hits);
    searching_free(search);
}

static void test_hostile_patterns(void **state)
{
    (void)state;
    static char text[60000];
    static const char end[] = "!bcq=";
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - sizeof end, end, sizeof end);
    static const struct {
        const char *pattern;
        bool cut; /* else a version of PCRE2 may see through it */
    } hostile[] = {
        {"(a+)+$", true},
        {"(a|aa)+$", true},
        {"((a+)+)+$", true},
        {"^(([a-z])+.)+[A-Z]([a-z])+$", true},
        {"a*a*a*a*a*bb?!", true},
        {"(*NO_JIT)(a+)+$", true},
        {"(*NO_JIT)a*a*a*a*a*bb?!", true},
        {"(*NO_JIT)(*NO_START_OPT)(a|aa|b)*=!", true},
        {"(a*)*[xy]", false},
        {".*.*.*.*==", false},
        {"(?:(?:a{0,50}){0,50}){0,20}b", false},
        {"(?<=a{200})(?<=(a|b){100})a*a*a*b", false},
        {"(a*)\\1*\\1*b", false},
        {"(?R)?a+(?R)?a+b", false},
        {"(?:\\X*)*\\X*qq", false},
        {"(?=(a+))*(\\1+)+$", false},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        assert_bounded(hostile[i].pattern, text, hostile[i].cut);
}

/* The same text is searched to its end by what is harmless. */
static void test_long_text(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    char *text = malloc(SIZE + 1);
    struct error error = {0};
    struct searching_hits hits = {0};
    assert_non_null(text);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = i % 10 == 9 ? '\n' : (char)('a' + i % 10);
    text[SIZE] = '\0';
    struct searching *search = compile("^abc.*ghi$");
    assert_true(searching_text(search, 0, text, SIZE, &hits, &error));
    assert_int_equal(hits.count, SIZE / 10);
    assert_false(hits.cut);
    searching_free(search);
    searching_hits_free(&hits);
    search = compile(".");
    assert_true(searching_text(search, 0, text, SIZE, &hits, &error));
    assert_int_equal(hits.count, SEARCHING_MOST_HITS);
    assert_true(hits.cut);
    searching_free(search);
    searching_hits_free(&hits);
    free(text);
}

static void test_text_that_is_broken(void **state)
{
    (void)state;
    struct error error = {0};
    struct searching_hits hits = {0};
    struct searching *search = compile("a");
    assert_false(searching_text(search, 2,
                                "a\xFF"
                                "a",
                                3, &hits, &error));
    assert_int_equal(error.kind, ERROR_STORE);
    assert_non_null(strstr(error.text, "section 3"));
    assert_true(searching_text(search, 0, "a\0a", 3, &hits, &error));
    assert_int_equal(hits.count, 2);
    searching_hits_free(&hits);
    searching_free(search);
}

static void test_document(void **state)
{
    struct work *work = *state;
    struct searching_hits hits = {0};
    int64_t document = work_take_in(work, "tides.md",
                                    "# One\n\nThe tide rises.\n\n# Two\n\nNothing here.\n\n"
                                    "# Three\n\nTides, and again the tide.\n");
    struct searching *search = compile("tides?");
    int64_t calls = 0;
    for (int64_t at = 0; at < 3; calls++) {
        int64_t before = at;
        work_require(work,
                     searching_run(search, &work->session, document, at, &hits, &at, &work->error));
        assert_true(at > before && at <= 3);
    }
    assert_int_equal(hits.count, 3);
    const int64_t sections[] = {0, 2, 2};
    for (size_t i = 0; i < 3; i++) {
        struct library_section section;
        const struct searching_hit *hit = &hits.items[i];
        assert_int_equal(hit->section, sections[i]);
        work_require(work, library_get_section(work->session.library, document, hit->section,
                                               LIBRARY_TEXT, &section, &work->error));
        assert_true(strncasecmp(section.text + hit->begin, "tide", 4) == 0);
        library_section_free(&section);
    }
    searching_hits_free(&hits);
    int64_t next;
    assert_false(searching_run(search, &work->session, 99, 0, &hits, &next, &work->error));
    assert_int_equal(work->error.kind, ERROR_INPUT);
    atomic_bool cancel = true;
    session_watch(&work->session, &cancel);
    assert_false(searching_run(search, &work->session, document, 0, &hits, &next, &work->error));
    assert_int_equal(work->error.kind, ERROR_INTERRUPTED);
    searching_free(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hits),
        cmocka_unit_test(test_smart_case),
        cmocka_unit_test(test_empty_matches),
        cmocka_unit_test(test_patterns_that_are_wrong),
        cmocka_unit_test(test_hostile_patterns),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_text_that_is_broken),
        cmocka_unit_test_setup_teardown(test_document, work_set_up, work_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
