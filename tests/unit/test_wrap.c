/* Tests of ui/wrap: rows that fit, in order, and lose nothing but blanks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "ui/cluster.h"
#include "ui/wrap.h"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The rows of a text, each as "indent:kind:bytes", joined by "|". */
static void expect_rows(const char *text, unsigned columns, const char *expected)
{
    struct wrap wrap = {0};
    struct error error = {0};
    char joined[2000] = "";
    size_t size = 0;
    assert_true(wrap_text(&wrap, text, strlen(text), columns, &error));
    for (size_t i = 0; i < wrap.count; i++) {
        const struct wrap_row *row = &wrap.rows[i];
        static const char kinds[] = "bhcq";
        size += (size_t)snprintf(joined + size, sizeof(joined) - size, "%s%u%c:%.*s",
                                 i > 0 ? "|" : "", row->indent, kinds[row->kind],
                                 (int)(row->end - row->begin), text + row->begin);
    }
    assert_string_equal(joined, expected);
    wrap_free(&wrap);
}

static void rows_break_at_blanks(void **state)
{
    (void)state;
    expect_rows("", 10, "");
    expect_rows("\n", 10, "0b:");
    expect_rows("a\n\nb", 10, "0b:a|0b:|0b:b");
    expect_rows("a\nb\n", 10, "0b:a|0b:b");
    expect_rows("a\r\nb\r\n", 10, "0b:a|0b:b");
    expect_rows("the quick brown fox", 10, "0b:the quick|0b:brown fox");
    expect_rows("the quick brown fox", 9, "0b:the quick|0b:brown fox");
    expect_rows("the   quick", 5, "0b:the|0b:quick");
    expect_rows("one     ", 3, "0b:one");
    expect_rows("one  ", 9, "0b:one  ");
    expect_rows("  one two", 6, "0b:  one|0b:two");
    expect_rows("  abcdefgh", 5, "0b:  abc|0b:defgh");
    expect_rows("a abcdefgh", 5, "0b:a|0b:abcde|0b:fgh");
    expect_rows("a\tb", 4, "0b:a|0b:b");
    expect_rows("a\u3000b", 2, "0b:a|0b:b");
}

static void words_without_blanks_break_between_clusters(void **state)
{
    (void)state;
    expect_rows("abcdef", 1, "0b:a|0b:b|0b:c|0b:d|0b:e|0b:f");
    expect_rows("e\u0301e\u0301e\u0301", 2, "0b:e\u0301e\u0301|0b:e\u0301");
    expect_rows("한국어", 1, "0b:한|0b:국|0b:어");
    expect_rows("\u202E\u202E", 5, "0b:\u202E|0b:\u202E");
}

static void wide_characters_break_between_each_other(void **state)
{
    (void)state;
    expect_rows("字字字", 4, "0b:字字|0b:字");
    expect_rows("字字字", 5, "0b:字字|0b:字");
    expect_rows("abc字字", 5, "0b:abc字|0b:字");
    expect_rows("字abc", 4, "0b:字|0b:abc");
    /* Not before what closes, not after what opens. */
    expect_rows("字字字。字", 6, "0b:字字|0b:字。字");
    expect_rows("字字「字」", 6, "0b:字字|0b:「字」");
    expect_rows("字字, a", 4, "0b:字|0b:字,|0b:a");
    expect_rows("。。。", 2, "0b:。|0b:。|0b:。");
}

static void list_items_and_quotes_hang(void **state)
{
    (void)state;
    expect_rows("- one two three", 9, "0b:- one two|2b:three");
    expect_rows("12. one two", 8, "0b:12. one|4b:two");
    expect_rows("* one\n    - in the list", 10, "0b:* one|0b:    - in|0b:the list");
    expect_rows("* one\n    - in the list", 12, "0b:* one|0b:    - in the|6b:list");
    expect_rows("* one\n  goes on there", 10, "0b:* one|0b:  goes on|2b:there");
    expect_rows("• one two", 6, "0b:• one|2b:two");
    expect_rows("> one two", 6, "0q:> one|2q:two");
    expect_rows("> - one two", 8, "0q:> - one|4q:two");
    expect_rows("-one two", 5, "0b:-one|0b:two");
    expect_rows("1) a b", 4, "0b:1) a|0b:b");
}

static void headings_and_code_are_told(void **state)
{
    (void)state;
    expect_rows("# one two", 6, "0h:# one|0h:two");
    expect_rows("#one", 6, "0b:#one");
    expect_rows("####### a", 20, "0b:####### a");
    expect_rows("    a  b c", 7, "0c:    a  |0c:b c");
    expect_rows("\ta  b", 6, "0c:\ta |0c: b");
    expect_rows("```c\na  b c\n# x\n```\na b c", 3,
                "0c:```|0c:c|0c:a  |0c:b c|0c:# x|0c:```|0b:a b|0b:c");
    expect_rows("~~~\n```\n~~~\nx y", 3, "0c:~~~|0c:```|0c:~~~|0b:x y");
    expect_rows("````\n```\n````\n- a", 5, "0c:````|0c:```|0c:````|0b:- a");
    expect_rows("``` a ``` b", 20, "0b:``` a ``` b");
}

static void a_byte_is_found_in_its_row(void **state)
{
    (void)state;
    struct wrap wrap = {0};
    struct error error = {0};
    const char *text = "one two\n\nthree";
    assert_int_equal(wrap_find(&wrap, 3), 0);
    assert_true(wrap_text(&wrap, text, strlen(text), 4, &error));
    assert_int_equal(wrap.count, 5); /* one|two||thre|e */
    static const size_t rows[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4, 4};
    for (size_t at = 0; at < sizeof(rows) / sizeof(*rows); at++)
        assert_int_equal(wrap_find(&wrap, at), rows[at]);
    wrap_free(&wrap);
    assert_null(wrap.rows);
}

/* --- any text ---------------------------------------------------------------------------- */

static bool is_only_blank(const char *text, size_t begin, size_t end)
{
    struct cluster cluster;
    for (size_t at = begin; at < end; at += cluster.size) {
        cluster_next(&cluster, text, end, at);
        if (!cluster.blank)
            return false;
    }
    return true;
}

static void check(const char *text, size_t size, unsigned columns, const struct wrap *wrap,
                  unsigned long long seed)
{
    size_t at = 0;
    for (size_t i = 0; i < wrap->count; i++) {
        const struct wrap_row *row = &wrap->rows[i];
        if (row->begin < at || row->end < row->begin || row->end > size ||
            !is_only_blank(text, at, row->begin))
            fail_msg("seed %llu, %u columns: row %zu is %zu to %zu after %zu", seed, columns, i,
                     row->begin, row->end, at);
        struct cluster cluster;
        size_t wide = row->indent + cluster_columns(text + row->begin, row->end - row->begin);
        if (row->end > row->begin)
            cluster_next(&cluster, text, row->end, row->begin);
        bool alone = row->end > row->begin && cluster.size == row->end - row->begin;
        if (wide > columns && !alone)
            fail_msg("seed %llu: row %zu has %zu of %u columns", seed, i, wide, columns);
        at = row->end;
    }
    if (!is_only_blank(text, at, size))
        fail_msg("seed %llu, %u columns: the end after %zu is lost", seed, columns, at);
}

static void any_text_fits_and_loses_only_blanks(void **state)
{
    (void)state;
    static const char *const pieces[] = {" ",          "  ",
                                         "\t",         "\n",
                                         "\r\n",       "a",
                                         "word",       "- ",
                                         "> ",         "# ",
                                         "```\n",      "    ",
                                         "1. ",        "字",
                                         "。",         "「",
                                         "한",         "😀",
                                         "é",          "\u0301",
                                         "\u200B",     "\x1B[31m",
                                         "\u202E",     "\xFF",
                                         "\xE2\x82",   "\r",
                                         "\u3000",     "🇩🇪",
                                         "~~~",        "\u200D",
                                         "\U000E0041", "...",
                                         ")",          "supercalifrag",
                                         "\x00"};
    uint64_t seed = 77;
    struct wrap wrap = {0};
    struct error error = {0};
    for (int round = 0; round < 400; round++) {
        unsigned long long before = seed;
        char bytes[600];
        size_t size = 0;
        while (size + 20 < sizeof(bytes)) {
            const char *piece = pieces[next_random(&seed) % (sizeof(pieces) / sizeof(*pieces))];
            size_t length = *piece == '\0' ? 1 : strlen(piece);
            memcpy(bytes + size, piece, length);
            size += length;
            if (next_random(&seed) % 50 == 0)
                break;
        }
        char *text = malloc(size);
        assert_non_null(text);
        memcpy(text, bytes, size);
        unsigned columns = 1 + (unsigned)(next_random(&seed) % 40);
        assert_true(wrap_text(&wrap, text, size, columns, &error));
        check(text, size, columns, &wrap, before);
        free(text);
    }
    wrap_free(&wrap);
}

/* Sanitizers and busy machines make it slower; it must not be quadratic. */
static void long_lines_take_no_time(void **state)
{
    (void)state;
    size_t size = 600000;
    char *text = malloc(size);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 7 == 6 && i > size / 2 ? ' ' : 'x';
    struct wrap wrap = {0};
    struct error error = {0};
    double begin = clock_seconds();
    assert_true(wrap_text(&wrap, text, size, 72, &error));
    double took = clock_seconds() - begin;
    assert_true(took < 1.0);
    print_message("%.3f ms for 6,000 characters\n", took * 1000 / 100);
    check(text, size, 72, &wrap, 0);
    wrap_free(&wrap);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_break_at_blanks),
        cmocka_unit_test(words_without_blanks_break_between_clusters),
        cmocka_unit_test(wide_characters_break_between_each_other),
        cmocka_unit_test(list_items_and_quotes_hang),
        cmocka_unit_test(headings_and_code_are_told),
        cmocka_unit_test(a_byte_is_found_in_its_row),
        cmocka_unit_test(any_text_fits_and_loses_only_blanks),
        cmocka_unit_test(long_lines_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
