/* Tests of ui/canvas and terminal_dump: known drawings, and nothing outside an area. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ui/canvas.h"
#include "ui/terminal.h"

#define LINES_DRAWN 4
#define COLUMNS_DRAWN 20

static const struct canvas_area whole = {0, 0, LINES_DRAWN, COLUMNS_DRAWN};

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void open_screen(const char *theme)
{
    struct error error = {0};
    struct terminal_options options = {
        .theme = theme_named(theme),
        .script = true,
        .lines = LINES_DRAWN,
        .columns = COLUMNS_DRAWN,
    };
    assert_true(terminal_open(&options, &error));
}

static int open_mono(void **state)
{
    (void)state;
    setenv("LC_ALL", "C.UTF-8", 1);
    open_screen("mono");
    return 0;
}

static int close_screen(void **state)
{
    (void)state;
    terminal_close();
    return 0;
}

static void expect_screen(const char *expected)
{
    struct buffer screen = {0};
    struct error error = {0};
    terminal_show(false);
    assert_true(terminal_dump(&screen, &error));
    assert_string_equal(screen.data, expected);
    buffer_free(&screen);
}

static int put(int line, int column, const char *text)
{
    return canvas_put(whole, line, column, text, strlen(text), THEME_TEXT);
}

/* --- known drawings ---------------------------------------------------------------------- */

static void an_empty_screen_is_empty_lines(void **state)
{
    (void)state;
    expect_screen("\n\n\n\n");
}

static void texts_are_put(void **state)
{
    (void)state;
    assert_int_equal(put(0, 0, "plain"), 5);
    assert_int_equal(put(1, 2, "字e\u0301x"), 6);
    assert_int_equal(put(2, 0, "a\tb\x1B[31mc"), 12);
    assert_int_equal(put(3, 17, "abc"), 20);
    expect_screen("plain\n  字e\u0301x\na    b\u241B[31mc\n                 abc\n");
}

static void what_does_not_fit_is_not_drawn(void **state)
{
    (void)state;
    struct canvas_area area = {1, 4, 2, 5};
    assert_int_equal(canvas_put(area, 0, 0, "1234567", 7, THEME_TEXT), 5);
    assert_int_equal(canvas_put(area, 1, 0, "字字字", 9, THEME_TEXT), 4);
    assert_int_equal(canvas_put(area, 2, 0, "out", 3, THEME_TEXT), 3);
    assert_int_equal(canvas_put(area, -1, 0, "out", 3, THEME_TEXT), 3);
    assert_int_equal(canvas_put(area, 0, 9, "out", 3, THEME_TEXT), 9);
    expect_screen("\n    12345\n    字字\n\n");
}

static void labels_are_cut_visibly(void **state)
{
    (void)state;
    struct canvas_area area = {0, 0, 4, 8};
    assert_int_equal(canvas_label(area, 0, 0, "12345678", THEME_TEXT), 8);
    assert_int_equal(canvas_label(area, 1, 0, "123456789", THEME_TEXT), 8);
    assert_int_equal(canvas_label(area, 2, 1, "字字字字", THEME_TEXT), 8);
    assert_int_equal(canvas_right(area, 3, "end", THEME_TEXT), 5);
    assert_int_equal(canvas_label(area, 3, 8, "none", THEME_TEXT), 8);
    expect_screen("12345678\n1234567…\n 字字字…\n     end\n");
    assert_int_equal(canvas_right(area, 3, "much too long", THEME_TEXT), 0);
    assert_int_equal(canvas_format(area, 0, 0, THEME_TEXT, "%d of %d", 12, 5000), 8);
    expect_screen("12 of 5…\n1234567…\n 字字字…\nmuch to…\n");
}

static void hostile_text_is_shown_not_done(void **state)
{
    (void)state;
    struct canvas_area area = {0, 0, 4, 20};
    char flood[2 + 2 * 1000];
    flood[0] = 'Z';
    for (size_t i = 0; i < 1000; i++)
        memcpy(flood + 1 + 2 * i, "\u0335", 2);
    flood[sizeof(flood) - 1] = '!';
    assert_int_equal(canvas_put(area, 0, 0, flood, sizeof(flood), THEME_TEXT), 2);
    put(1, 0, "\u202Eab\xFF\xC2\x9B");
    put(2, 0, "👩\u200D👩\u200D👧🇩🇪👍🏽.");
    put(3, 0, "\x1B]52;c;eA==\x07\x1B[2J");
    expect_screen("Z\u0335\u0335\u0335\u0335!\n<U+202E>ab\uFFFD<U+009B>\n"
                  "👩DE👍.\n\u241B]52;c;eA==\u2407\u241B[2J\n");
}

static void attributes_are_dumped_as_letters(void **state)
{
    (void)state;
    canvas_label(whole, 0, 0, "bold", THEME_HEADING);
    canvas_label(whole, 0, 5, "字", THEME_SELECTED);
    canvas_label(whole, 0, 8, "f", THEME_DIM);
    canvas_label(whole, 1, 0, "hit", THEME_HIT);
    canvas_label(whole, 1, 4, "here", THEME_HIT_HERE);
    canvas_label(whole, 1, 9, "chosen", THEME_CHOSEN);
    put(2, 0, "restyled");
    canvas_restyle(whole, 2, 2, 4, THEME_CURSOR);
    canvas_restyle(whole, 2, 18, 40, THEME_SELECTED);
    canvas_restyle(whole, 9, 0, 4, THEME_SELECTED);
    expect_screen("bold 字 f\nhit here chosen\nrestyled\n\n--\n"
                  "bbbb rr f\nUUU RRRR ######\n  uuuu            rr\n");
}

static void shapes_are_drawn(void **state)
{
    (void)state;
    struct canvas_area area = {0, 0, 3, 6};
    canvas_vertical(area, 5, THEME_TEXT);
    canvas_horizontal(area, 1, THEME_TEXT);
    for (int i = 0; i < 8; i++)
        canvas_block(whole, 3, i, i, THEME_TEXT);
    canvas_bar(whole, 2, 8, 10, 0.35);
    canvas_bar(whole, 1, 8, 4, 1.5);
    canvas_bar(whole, 0, 8, 4, -1);
    struct buffer screen = {0};
    struct error error = {0};
    assert_true(terminal_dump(&screen, &error));
    const char *expected = "     │  ░░░░\n──────  ████\n     │  ███▌░░░░░░\n▁▂▃▄▅▆▇█\n--\n";
    assert_memory_equal(screen.data, expected, strlen(expected));
    buffer_free(&screen);
    canvas_clear(whole, THEME_TEXT);
    expect_screen("\n\n\n\n");
}

static void the_last_place_is_drawn_without_scrolling(void **state)
{
    (void)state;
    for (int line = 0; line < LINES_DRAWN; line++)
        put(line, 0, "abcdefghijklmnopqrst");
    expect_screen("abcdefghijklmnopqrst\nabcdefghijklmnopqrst\nabcdefghijklmnopqrst\n"
                  "abcdefghijklmnopqrst\n");
}

static void half_a_wide_character_leaves_no_trace(void **state)
{
    (void)state;
    put(0, 0, "字字");
    put(0, 1, "x");
    put(1, 0, "字字");
    put(1, 2, "x");
    put(1, 4, "y");
    put(2, 0, "字字字");
    put(2, 1, "字");
    expect_screen(" x字\n字x y\n 字 字\n\n");
}

static void the_screen_follows_its_size(void **state)
{
    (void)state;
    struct terminal_input input = {0};
    int lines, columns;
    put(3, 10, "here");
    terminal_resize(2, 5);
    assert_true(terminal_next(&input));
    assert_int_equal(input.stroke, STROKE_RESIZE);
    assert_false(terminal_next(&input));
    terminal_size(&lines, &columns);
    assert_int_equal(lines, 2);
    assert_int_equal(columns, 5);
    canvas_clear((struct canvas_area){0, 0, 50, 50}, THEME_TEXT);
    canvas_label((struct canvas_area){1, 3, 50, 50}, 0, 0, "xyz", THEME_TEXT);
    expect_screen("\n   xy\n");
    terminal_resize(0, -3);
    terminal_size(&lines, &columns);
    assert_int_equal(lines, 1);
    assert_int_equal(columns, 1);
    canvas_label((struct canvas_area){0, 0, 1, 1}, 0, 0, "字", THEME_TEXT);
    expect_screen("…\n");
}

/* --- any place --------------------------------------------------------------------------- */

/* The cells of a dump without wide characters, as Unicode characters. */
static void fill(char cell)
{
    char text[COLUMNS_DRAWN];
    memset(text, cell, sizeof(text));
    for (int line = 0; line < LINES_DRAWN; line++)
        canvas_put(whole, line, 0, text, sizeof(text), THEME_TEXT);
}

static void draw_something(struct canvas_area area, uint64_t *seed)
{
    static const char *const texts[] = {
        "word",     "字字字",   "\u202E", "e\u0301", "a b c d e f g h",
        "👩\u200D👩", "\xFF\xFE", "\t\t",   "",        "\x1B[2J"};
    const char *text = texts[next_random(seed) % (sizeof(texts) / sizeof(*texts))];
    int line = (int)(next_random(seed) % 9) - 3, column = (int)(next_random(seed) % 30) - 6;
    int count = (int)(next_random(seed) % 40) - 5;
    switch (next_random(seed) % 8) {
    case 0:
        canvas_clear(area, THEME_TEXT);
        break;
    case 1:
        canvas_label(area, line, column, text, THEME_TEXT);
        break;
    case 2:
        canvas_right(area, line, text, THEME_TEXT);
        break;
    case 3:
        canvas_restyle(area, line, column, count, THEME_SELECTED);
        break;
    case 4:
        canvas_vertical(area, column, THEME_TEXT);
        break;
    case 5:
        canvas_horizontal(area, line, THEME_TEXT);
        break;
    case 6:
        canvas_bar(area, line, column, count, (double)(next_random(seed) % 12) / 10);
        break;
    default:
        canvas_put(area, line, column, text, strlen(text), THEME_TEXT);
    }
}

/* Draws over a screen of dots what was drawn, but for the area: nothing but dots is left. */
static void nothing_is_drawn_outside_an_area(void **state)
{
    (void)state;
    uint64_t seed = 4242;
    struct buffer dots = {0}, screen = {0};
    struct error error = {0};
    fill('.');
    assert_true(terminal_dump(&dots, &error));
    for (int round = 0; round < 3000; round++) {
        unsigned long long before = seed;
        struct canvas_area area = {(int)(next_random(&seed) % 7) - 2,
                                   (int)(next_random(&seed) % 26) - 4,
                                   (int)(next_random(&seed) % 6), (int)(next_random(&seed) % 24)};
        fill('.');
        draw_something(area, &seed);
        for (int line = 0; line < area.lines; line++)
            for (int column = 0; column < area.columns; column++)
                canvas_put((struct canvas_area){0, 0, LINES_DRAWN, COLUMNS_DRAWN}, area.line + line,
                           area.column + column, ".", 1, THEME_TEXT);
        buffer_clear(&screen);
        assert_true(terminal_dump(&screen, &error));
        if (strcmp(screen.data, dots.data) != 0)
            fail_msg("seed %llu, area %d,%d of %dx%d:\n%s", before, area.line, area.column,
                     area.lines, area.columns, screen.data);
    }
    buffer_free(&dots);
    buffer_free(&screen);
}

/* --- other locales and themes ------------------------------------------------------------ */

static void a_locale_without_unicode_gets_question_marks(void **state)
{
    (void)state;
    terminal_close();
    setenv("LC_ALL", "C", 1);
    open_screen("mono");
    put(0, 0, "a\u00E9字\x1B.");
    canvas_label((struct canvas_area){1, 0, 1, 4}, 0, 0, "abcdef", THEME_TEXT);
    canvas_block(whole, 2, 0, 7, THEME_TEXT);
    canvas_bar(whole, 2, 2, 4, 0.5);
    struct buffer screen = {0};
    struct error error = {0};
    assert_true(terminal_dump(&screen, &error));
    const char *expected = "a?? ?.\nabc~\n7 ##..\n\n";
    assert_memory_equal(screen.data, expected, strlen(expected));
    buffer_free(&screen);
}

static void a_script_uses_the_theme_as_given(void **state)
{
    (void)state;
    setenv("NO_COLOR", "1", 1);
    terminal_set_theme(theme_named("dark"));
    canvas_label(whole, 0, 0, "hit", THEME_HIT);
    canvas_label(whole, 0, 4, "sel", THEME_SELECTED);
    expect_screen("hit sel\n\n\n\n--\nuuu\n");
    terminal_set_theme(theme_named("light"));
    canvas_label(whole, 0, 0, "hit", THEME_HIT_HERE);
    expect_screen("hit sel\n\n\n\n--\nbbb\n");
    unsetenv("NO_COLOR");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_mono, close_screen)

int main(void)
{
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 77;
    const struct CMUnitTest tests[] = {
        TEST(an_empty_screen_is_empty_lines),
        TEST(texts_are_put),
        TEST(what_does_not_fit_is_not_drawn),
        TEST(labels_are_cut_visibly),
        TEST(hostile_text_is_shown_not_done),
        TEST(attributes_are_dumped_as_letters),
        TEST(shapes_are_drawn),
        TEST(the_last_place_is_drawn_without_scrolling),
        TEST(half_a_wide_character_leaves_no_trace),
        TEST(the_screen_follows_its_size),
        TEST(nothing_is_drawn_outside_an_area),
        TEST(a_locale_without_unicode_gets_question_marks),
        TEST(a_script_uses_the_theme_as_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
