/* What is printed: visible text, shell words, aligned tables, JSON, quantities. */
#include "app/output.h"
#include "base/quantity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Takes what was gathered. */
static void assert_output(struct output *out, const char *wanted)
{
    assert_int_equal(out->error.kind, ERROR_NONE);
    assert_string_equal(out->text.data ? out->text.data : "", wanted);
    output_free(out);
}

static void test_text_is_made_visible(void **state)
{
    (void)state;
    struct output out = {0};
    output_line(&out, "a\033[31m\nb\xE2\x80\xAE\xFF");
    assert_output(&out, "a\u241B[31m\u240Ab<U+202E>\uFFFD");
    output_text(&out, "a\nb\033");
    assert_output(&out, "a\nb\u241B");
}

static void test_words_suit_a_shell(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"book", "book"}, {"a b", "'a b'"},   {"", "''"},     {"it's", "'it'\\''s'"},
        {"-rf", "'-rf'"}, {"$(x)", "'$(x)'"}, {"a:b", "a:b"}, {"~", "'~'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct output out = {0};
        output_word(&out, cases[i][0]);
        assert_output(&out, cases[i][1]);
    }
}

/* Wide characters take two columns, marks none. */
static void test_columns_are_aligned(void **state)
{
    (void)state;
    static const char *const cells[] = {"1", "\u6F6E\u6C50", "x", "20", "e\u0301t\u00E9", "y"};
    struct output_table table = {.columns = 3, .right = 1};
    struct output out = {0};
    for (size_t i = 0; i < 6; i++)
        output_cell(&table, cells[i]);
    output_rows(&out, &table);
    assert_output(&out, " 1  \u6F6E\u6C50  x\n20  e\u0301t\u00E9   y\n");
    output_rows(&out, &table); /* it is empty again */
    assert_output(&out, "");
}

static void test_json_is_ascii(void **state)
{
    (void)state;
    struct output out = {0};
    output_json(&out,
                json_pack("{s:o, s:o, s:o}", "text", output_json_text("\033\u202E\xFF"), "none",
                          output_json_text(NULL), "real", output_json_real((double)NAN, true)));
    assert_output(&out, "{\"text\": \"\\u001B\\u202E\\uFFFD\", \"none\": null, \"real\": null}\n");
}

static void test_failure_is_remembered(void **state)
{
    (void)state;
    struct output out = {0};
    struct error error = {0};
    output_json(&out, NULL);
    output_format(&out, "never seen");
    assert_false(output_flush(&out, &error));
    assert_int_equal(error.kind, ERROR_SYSTEM);
    output_free(&out);
}

static void test_quantities(void **state)
{
    (void)state;
    char text[QUANTITY_SIZE];
    assert_string_equal(quantity_count(text, 0), "0");
    assert_string_equal(quantity_count(text, 999), "999");
    assert_string_equal(quantity_count(text, 1000), "1,000");
    assert_string_equal(quantity_count(text, -123456), "-123,456");
    assert_string_equal(quantity_count(text, INT64_MAX), "9,223,372,036,854,775,807");
    assert_string_equal(quantity_bytes(text, 1023), "1023 B");
    assert_string_equal(quantity_bytes(text, 1536), "1.5 KiB");
    assert_string_equal(quantity_bytes(text, 1048575), "1.0 MiB");
    assert_string_equal(quantity_bytes(text, INT64_MAX), "8.0 EiB");
    assert_string_equal(quantity_time(text, 0.26), "0.3 s");
    assert_string_equal(quantity_time(text, 59.9), "1 min 00 s");
    assert_string_equal(quantity_time(text, 3661), "1 h 01 min");
    assert_string_equal(quantity_time(text, (double)NAN), "?");
    assert_string_equal(quantity_time(text, -1), "?");
    assert_string_equal(quantity_rate(text, 1234), "1234");
    assert_string_equal(quantity_rate(text, 95.23), "95.2");
    assert_string_equal(quantity_rate(text, 1.13e12), "1130 G");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_made_visible),  cmocka_unit_test(test_words_suit_a_shell),
        cmocka_unit_test(test_columns_are_aligned),   cmocka_unit_test(test_json_is_ascii),
        cmocka_unit_test(test_failure_is_remembered), cmocka_unit_test(test_quantities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
