/* Tests of ui/cluster: what is counted is what a terminal shows, whatever the bytes are. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "base/visible.h"
#include "ui/cluster.h"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void print_bytes(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        print_error("\\x%02X", (unsigned char)text[i]);
    print_error("\n");
}

/* One cluster that takes all of the text. */
static void expect_one(const char *text, unsigned columns, const wchar_t *shown)
{
    struct cluster cluster;
    cluster_next(&cluster, text, strlen(text), 0);
    if (cluster.size != strlen(text) || cluster.columns != columns ||
        wcscmp(cluster.shown, shown) != 0) {
        print_bytes(text, strlen(text));
        fail_msg("size %zu, columns %u, shown \"%ls\"", cluster.size, cluster.columns,
                 cluster.shown);
    }
}

/* --- single clusters --------------------------------------------------------------------- */

static void plain_characters_are_themselves(void **state)
{
    (void)state;
    expect_one("a", 1, L"a");
    expect_one("~", 1, L"~");
    expect_one("é", 1, L"é");
    expect_one("e\u0301", 1, L"e\u0301");
    expect_one("字", 2, L"字");
    expect_one("한", 2, L"한");
    expect_one("ｱ", 1, L"ｱ");
    expect_one("…", 1, L"…");
    expect_one("😀", 2, L"😀");
    expect_one("\u0928\u093F", 2, L"\u0928\u093F"); /* a consonant and a spacing vowel */
}

static void blanks_and_line_ends_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned columns;
        bool blank;
    } cases[] = {{" ", 1, true},       {"\t", 4, true},     {"\n", 0, true},
                 {"\r\n", 0, true},    {"\u3000", 2, true}, {"\u2009", 1, true},
                 {"\u00A0", 1, false}, {"x", 1, false},     {" \u0301", 1, false},
                 {"\u200B", 0, true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cluster cluster;
        cluster_next(&cluster, cases[i].text, strlen(cases[i].text), 0);
        assert_int_equal(cluster.size, strlen(cases[i].text));
        assert_int_equal(cluster.columns, cases[i].columns);
        assert_int_equal(cluster.blank, cases[i].blank);
    }
    expect_one("\t", 4, L"    ");
    expect_one("\u00A0", 1, L" ");
    expect_one("\u3000", 2, L"  ");
}

static void scripts_without_spaces_are_wide(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool wide;
    } cases[] = {{"字", true}, {"か", true},  {"。", true},      {"😀", true},
                 {"a", false}, {"한", false}, {"\u3000", false}, {"ñ", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cluster cluster;
        cluster_next(&cluster, cases[i].text, strlen(cases[i].text), 0);
        assert_int_equal(cluster.wide, cases[i].wide);
    }
}

static void what_a_terminal_would_act_on_is_written(void **state)
{
    (void)state;
    expect_one("\x1B", 1, L"\u241B");
    expect_one("\x7F", 1, L"\u2421");
    expect_one("\r", 1, L"\u240D");
    expect_one("\x07", 1, L"\u2407");
    expect_one("\xC2\x9B", 8, L"<U+009B>");
    expect_one("\u202E", 8, L"<U+202E>");
    expect_one("\u2066", 8, L"<U+2066>");
    expect_one("\u2028", 8, L"<U+2028>");
    expect_one("\uFEFF", 8, L"<U+FEFF>");
    expect_one("\U000E0041", 9, L"<U+E0041>");
    expect_one("\xFF", 1, L"\uFFFD");
    expect_one("\xE2\x82", 1, L"\uFFFD");
    expect_one("\U00010EEF", 1, L"\uFFFD"); /* not assigned */
}

static void what_terminals_disagree_about_is_not_sent(void **state)
{
    (void)state;
    expect_one("👩\u200D👩\u200D👧\u200D👦", 2, L"👩");
    expect_one("👍🏽", 2, L"👍");
    expect_one("👩🏽\u200D🚀", 2, L"👩");
    expect_one("❤\uFE0F", 1, L"❤");
    expect_one("1\uFE0F\u20E3", 1, L"1");
    expect_one("🇩🇪", 2, L"DE");
    expect_one("🇫", 1, L"F");
    expect_one("\u200D", 0, L"");
    expect_one("\u00AD", 0, L"");
    expect_one("葛\U000E0100", 2, L"葛");
    expect_one("\u4DC0", 1, L"\uFFFD");
}

static void flags_in_a_row_are_taken_by_pairs(void **state)
{
    (void)state;
    const char *text = "🇩🇪🇫🇷🇮";
    struct cluster cluster;
    size_t sizes[] = {8, 8, 4}, at = 0;
    for (size_t i = 0; i < 3; i++, at += cluster.size) {
        cluster_next(&cluster, text, strlen(text), at);
        assert_int_equal(cluster.size, sizes[i]);
    }
    assert_int_equal(at, strlen(text));
}

static void a_mark_alone_gets_a_circle(void **state)
{
    (void)state;
    expect_one("\u0301", 1, L"\u25CC\u0301");
    struct cluster cluster;
    const char *text = "\n\u0301";
    cluster_next(&cluster, text, strlen(text), 0);
    assert_int_equal(cluster.size, 1);
    cluster_next(&cluster, text, strlen(text), 1);
    assert_int_equal(cluster.size, 2);
}

static void a_flood_of_marks_is_one_cluster_of_five(void **state)
{
    (void)state;
    char text[1 + 2 * 1000];
    text[0] = 'Z';
    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 1 + 2 * i, "\u0335", 2);
    struct cluster cluster;
    cluster_next(&cluster, text, sizeof(text), 0);
    assert_int_equal(cluster.size, sizeof(text));
    assert_int_equal(cluster.columns, 1);
    assert_int_equal(wcslen(cluster.shown), 5);
    assert_int_equal(cluster_before(text, sizeof(text), sizeof(text)), 0);
}

/* --- more than one ----------------------------------------------------------------------- */

static void texts_are_measured_and_fitted(void **state)
{
    (void)state;
    const char *text = "a字e\u0301😀b";
    size_t size = strlen(text);
    assert_int_equal(cluster_columns(text, size), 7);
    assert_int_equal(cluster_columns(text, 0), 0);
    assert_int_equal(cluster_fit(text, size, 0), 0);
    assert_int_equal(cluster_fit(text, size, 2), 1);
    assert_int_equal(cluster_fit(text, size, 3), 4);
    assert_int_equal(cluster_fit(text, size, 4), 7);
    assert_int_equal(cluster_fit(text, size, 5), 7);
    assert_int_equal(cluster_fit(text, size, 6), 11);
    assert_int_equal(cluster_fit(text, size, 100), size);
}

/* --- any bytes --------------------------------------------------------------------------- */

/* Characters that make trouble, so that random texts are made of them more often. */
static const uint32_t trouble[] = {
    'a',     ' ',     '\n',   '\r',   '\t',    0x1B,    0x85,    0x9B,    0xAD,    0x301,   0x335,
    0x34F,   0x600,   0x61C,  0x903,  0x915,   0x94D,   0x93F,   0xE33,   0x1100,  0x1161,  0x11A8,
    0xAC00,  0x200B,  0x200C, 0x200D, 0x200E,  0x202E,  0x2060,  0x2066,  0x20E3,  0x2028,  0x2764,
    0x302E,  0x3042,  0x4E00, 0x4DC0, 0xFE0F,  0xFEFF,  0xFFFD,  0x1F1E6, 0x1F1FF, 0x1F3FB, 0x1F468,
    0x1F469, 0x1F600, 0xE000, 0x378,  0xE0001, 0xE0041, 0xE0100, 0x110BD, 0x1D173, 0x10FFFF};

static size_t make_text(char *text, size_t most, uint64_t *seed)
{
    size_t size = 0;
    while (size + UTF8_MAX_BYTES < most) {
        uint64_t choice = next_random(seed) % 10;
        if (choice == 0)
            text[size++] = (char)(next_random(seed) & 0xFF);
        else if (choice == 1)
            size += utf8_encode(text + size, (uint32_t)(next_random(seed) % 0x250));
        else
            size += utf8_encode(text + size,
                                trouble[next_random(seed) % (sizeof(trouble) / sizeof(*trouble))]);
    }
    return size;
}

/* False when the C library counts other columns than cluster_next does. */
static bool check_cluster(const struct cluster *cluster)
{
    unsigned sum = 0;
    assert_in_range(cluster->columns, 0, 10);
    assert_true(wcslen(cluster->shown) < CLUSTER_SHOWN);
    for (const wchar_t *at = cluster->shown; *at != L'\0'; at++) {
        int columns = wcwidth(*at);
        if (!visible_is_safe((unsigned)*at))
            fail_msg("U+%04X is sent", (unsigned)*at);
        /* The C library may know fewer characters; the canvas then sends another. */
        if (columns < 0)
            return true;
        if (at == cluster->shown && columns == 0)
            fail_msg("U+%04X of no width comes first", (unsigned)*at);
        sum += (unsigned)columns;
    }
    return sum == cluster->columns;
}

static void any_text_is_taken_apart_safely(void **state)
{
    (void)state;
    uint64_t seed = 20250301;
    for (int round = 0; round < 300; round++) {
        uint64_t before = seed;
        char bytes[240];
        size_t size = make_text(bytes, sizeof(bytes), &seed);
        /* At the end of its own memory, so that a sanitizer sees what reads beyond. */
        char *text = malloc(size);
        assert_non_null(text);
        memcpy(text, bytes, size);
        struct cluster cluster;
        size_t sum = 0, columns = 0, last = 0;
        for (size_t at = 0; at < size; at += cluster.size) {
            if (at > 0) {
                size_t found = cluster_before(text, size, at);
                if (found != last) {
                    print_bytes(text, size);
                    fail_msg("seed %llu: before %zu is %zu, not %zu", (unsigned long long)before,
                             at, found, last);
                }
            }
            last = at;
            cluster_next(&cluster, text, size, at);
            assert_true(cluster.size >= 1 && cluster.size <= size - at);
            if (!check_cluster(&cluster))
                fail_msg("seed %llu: other columns than %u are shown: \"%ls\"",
                         (unsigned long long)before, cluster.columns, cluster.shown);
            sum += cluster.size;
            columns += cluster.columns;
        }
        assert_int_equal(sum, size);
        assert_int_equal(cluster_columns(text, size), columns);
        assert_int_equal(cluster_fit(text, size, columns), size);
        free(text);
    }
}

/* utf8proc and the C library may follow Unicode versions that are years apart: a few hundred
 * characters have become wide, or known, in between. */
static void nearly_every_character_has_the_width_counted(void **state)
{
    (void)state;
    unsigned different = 0;
    for (uint32_t rune = 1; rune < 0x110000; rune++) {
        char text[UTF8_MAX_BYTES];
        struct cluster cluster;
        size_t size = utf8_encode(text, rune);
        cluster_next(&cluster, text, size, 0);
        assert_int_equal(cluster.size, size);
        if (!check_cluster(&cluster))
            different++;
    }
    assert_in_range(different, 0, 500);
}

int main(void)
{
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_characters_are_themselves),
        cmocka_unit_test(blanks_and_line_ends_are_told),
        cmocka_unit_test(scripts_without_spaces_are_wide),
        cmocka_unit_test(what_a_terminal_would_act_on_is_written),
        cmocka_unit_test(what_terminals_disagree_about_is_not_sent),
        cmocka_unit_test(flags_in_a_row_are_taken_by_pairs),
        cmocka_unit_test(a_mark_alone_gets_a_circle),
        cmocka_unit_test(a_flood_of_marks_is_one_cluster_of_five),
        cmocka_unit_test(texts_are_measured_and_fitted),
        cmocka_unit_test(any_text_is_taken_apart_safely),
        cmocka_unit_test(nearly_every_character_has_the_width_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
