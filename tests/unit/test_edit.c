/* A line being typed: every key, characters of every width, history, pasting, limits, and
 * where it is drawn. */
#include "ui/edit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tests/support/random.h"
#include "ui/cluster.h"
#include "ui/terminal.h"

#include <cmocka.h>

#define ACUTE "\xCC\x81"          /* U+0301, combining */
#define WIDE "\xE4\xB8\x96"       /* U+4E16 */
#define EMOJI "\xF0\x9F\x98\x80"  /* U+1F600 */
#define WOMAN "\xF0\x9F\x91\xA9"  /* U+1F469 */
#define GIRL "\xF0\x9F\x91\xA7"   /* U+1F467 */
#define JOINER "\xE2\x80\x8D"     /* U+200D */
#define FAMILY WOMAN JOINER GIRL  /* one cluster */
#define FLAG_D "\xF0\x9F\x87\xA9" /* U+1F1E9 */
#define FLAG_E "\xF0\x9F\x87\xAA" /* U+1F1EA */

/* --- what is drawn: kept here instead of on a screen ---------------------------------- */

static struct {
    struct canvas_area cleared, area;
    int line, column;
    char text[EDIT_MOST + 1];
    int cursor_line, cursor_column;
    int calls;
} drawn;

void canvas_clear(struct canvas_area area, enum theme_style style)
{
    (void)style;
    drawn.cleared = area;
    drawn.calls++;
}

int canvas_put(struct canvas_area area, int line, int column, const char *text, size_t size,
               enum theme_style style)
{
    (void)style;
    drawn.area = area;
    drawn.line = line;
    drawn.column = column;
    memcpy(drawn.text, text, size);
    drawn.text[size] = '\0';
    drawn.calls++;
    return column;
}

void terminal_cursor(int line, int column)
{
    drawn.cursor_line = line;
    drawn.cursor_column = column;
    drawn.calls++;
}

/* --- typing --------------------------------------------------------------------------- */

/* Strokes by name, blanks as they are; returns what came of the last. */
static enum edit_outcome type(struct edit *edit, const char *keys)
{
    enum edit_outcome outcome = EDIT_IGNORED;
    while (*keys) {
        uint32_t stroke = ' ';
        if (*keys == ' ')
            keys++;
        else if (!stroke_next(&stroke, &keys))
            fail_msg("no key: \"%s\"", keys);
        outcome = edit_stroke(edit, stroke);
    }
    return outcome;
}

/* `expected` is the text with a bar where the cursor is. */
static void assert_line(const struct edit *edit, const char *expected)
{
    char line[2 * EDIT_MOST];
    const char *text = edit->text.data ? edit->text.data : "";
    assert_true(edit->cursor <= edit->text.size);
    snprintf(line, sizeof line, "%.*s|%s", (int)edit->cursor, text, text + edit->cursor);
    assert_string_equal(line, expected);
}

/* What these keys make of a line that they begin with. */
static void assert_types(const char *keys, const char *expected, enum edit_outcome outcome)
{
    struct edit edit = {0};
    enum edit_outcome last = type(&edit, keys);
    assert_line(&edit, expected);
    if (last != outcome)
        fail_msg("%s: outcome %u instead of %u", keys, last, outcome);
    edit_free(&edit);
}

static void test_characters_and_moves(void **state)
{
    (void)state;
    assert_types("", "|", EDIT_IGNORED);
    assert_types("abc", "abc|", EDIT_CHANGED);
    assert_types("abc<Left><Left>x", "ax|bc", EDIT_CHANGED);
    assert_types("abc<C-b>", "ab|c", EDIT_MOVED);
    assert_types("abc<C-b><C-f><Right>", "abc|", EDIT_MOVED);
    assert_types("abc<Home><Left>", "|abc", EDIT_MOVED);
    assert_types("abc<C-a>x<C-e>y<Home>z<End>", "zxabcy|", EDIT_MOVED);
    assert_types("a<lt> b", "a< b|", EDIT_CHANGED);
    assert_types("\xC3\xBC" WIDE EMOJI "<Left><Left>", "\xC3\xBC|" WIDE EMOJI, EDIT_MOVED);
}

static void test_words(void **state)
{
    (void)state;
    assert_types("one two-three <A-b>", "one two-|three ", EDIT_MOVED);
    assert_types("one two-three <A-b><A-b><A-b><A-b>", "|one two-three ", EDIT_MOVED);
    assert_types("one two-three<Home><A-f>", "one| two-three", EDIT_MOVED);
    assert_types("one two-three<Home><A-f><A-f><A-f><A-f>", "one two-three|", EDIT_MOVED);
    assert_types("\xC3\xBC"
                 "ber " WIDE WIDE "!<A-b>",
                 "\xC3\xBC"
                 "ber |" WIDE WIDE "!",
                 EDIT_MOVED);
    assert_types("one two-three <C-w>", "one |", EDIT_CHANGED);
    assert_types("one two-three <A-Backspace>", "one two-|", EDIT_CHANGED);
    assert_types("one two-three<Home><A-d>", "| two-three", EDIT_CHANGED);
    assert_types("one two-three<Home><A-d><A-d>", "|-three", EDIT_CHANGED);
    assert_types("<C-w>", "|", EDIT_MOVED);
    assert_types("  <A-d>", "  |", EDIT_MOVED);
}

static void test_deleting(void **state)
{
    (void)state;
    assert_types("abc<Backspace>", "ab|", EDIT_CHANGED);
    assert_types("abc<C-h><C-h>", "a|", EDIT_CHANGED);
    assert_types("abc<Home><Backspace>", "|abc", EDIT_MOVED);
    assert_types("abc<Home><Delete><C-d>", "|c", EDIT_CHANGED);
    assert_types("abc<Delete>", "abc|", EDIT_MOVED);
    assert_types("<C-d>", "|", EDIT_MOVED);
    assert_types("abcd<Left><C-u>", "|d", EDIT_CHANGED);
    assert_types("abcd<Left><C-k>", "abc|", EDIT_CHANGED);
    assert_types("abc<C-k>", "abc|", EDIT_MOVED);
    assert_types("abc<C-u><C-y><C-y>", "abcabc|", EDIT_CHANGED);
    assert_types("one two<C-w><Home><C-y> ", "two |one ", EDIT_CHANGED);
    assert_types("abc<Backspace><C-y>", "ab|", EDIT_MOVED); /* was not kept */
}

static void test_exchanging(void **state)
{
    (void)state;
    assert_types("abc<C-t>", "acb|", EDIT_CHANGED);
    assert_types("abc<Left><C-t>", "acb|", EDIT_CHANGED);
    assert_types("abc<Left><Left><C-t>", "ba|c", EDIT_CHANGED);
    assert_types("abc<Home><C-t>", "|abc", EDIT_MOVED);
    assert_types("a<C-t>", "a|", EDIT_MOVED);
    assert_types("<C-t>", "|", EDIT_MOVED);
    assert_types("ae" ACUTE "<C-t>", "e" ACUTE "a|", EDIT_CHANGED);
}

/* The cursor never stands inside of what is shown as one. */
static void test_clusters(void **state)
{
    (void)state;
    assert_types("ae" ACUTE "<Left>", "a|e" ACUTE, EDIT_MOVED);
    assert_types("ae" ACUTE "<Backspace>", "a|", EDIT_CHANGED);
    assert_types("e" ACUTE "b<Home><Delete>", "|b", EDIT_CHANGED);
    assert_types("x" FAMILY "y<Left><Left>", "x|" FAMILY "y", EDIT_MOVED);
    assert_types("x" FAMILY "<C-h>", "x|", EDIT_CHANGED);
    /* What comes between parts of a cluster, or goes from there. */
    assert_types(ACUTE "<Home>e", "e" ACUTE "|", EDIT_CHANGED);
    assert_types(WOMAN "x" GIRL "<Left><Backspace>" JOINER, WOMAN JOINER GIRL "|", EDIT_CHANGED);
    assert_types(FLAG_D "x" FLAG_E "<Left><Backspace>", FLAG_D FLAG_E "|", EDIT_CHANGED);
}

static void test_outcomes(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        enum edit_outcome outcome;
    } cases[] = {
        {"<Enter>", EDIT_ACCEPTED}, {"<Escape>", EDIT_CANCELLED}, {"<C-c>", EDIT_CANCELLED},
        {"<C-g>", EDIT_CANCELLED},  {"<Tab>", EDIT_COMPLETE},     {"<S-Tab>", EDIT_COMPLETE_BACK},
        {"<F1>", EDIT_IGNORED},     {"<PageUp>", EDIT_IGNORED},   {"<A-x>", EDIT_IGNORED},
        {"<C-l>", EDIT_IGNORED},    {"<C-z>", EDIT_IGNORED},      {"<Insert>", EDIT_IGNORED},
        {"<A-Left>", EDIT_IGNORED}, {"<Up>", EDIT_MOVED},         {"<C-n>", EDIT_MOVED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char keys[32];
        snprintf(keys, sizeof keys, "ab<Left>%s", cases[i].keys);
        assert_types(keys, "a|b", cases[i].outcome);
    }
    assert_types("<Backspace>", "|", EDIT_CANCELLED);
    assert_types("a<Backspace><C-h>", "|", EDIT_CANCELLED);
    struct edit edit = {0};
    static const uint32_t others[] = {STROKE_PASTE, STROKE_RESIZE, STROKE_CLICK, STROKE_HANGUP,
                                      0x9B,         0xD800,        UINT32_MAX,   0x10FFFF + 0x8000};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(edit_stroke(&edit, others[i]), EDIT_IGNORED);
    assert_line(&edit, "|");
    edit_free(&edit);
}

/* --- history -------------------------------------------------------------------------- */

static void remember(struct edit_history *history, const char *line)
{
    struct error error = {0};
    assert_true(edit_remember(history, line, &error));
}

static void test_history(void **state)
{
    (void)state;
    struct edit_history history = {0};
    struct edit edit = {.history = &history};
    assert_int_equal(type(&edit, "<Up>"), EDIT_MOVED);
    remember(&history, "first");
    remember(&history, "second");
    assert_int_equal(type(&edit, "new<Left><Up>"), EDIT_CHANGED);
    assert_line(&edit, "second|");
    assert_int_equal(type(&edit, "<C-p>"), EDIT_CHANGED);
    assert_line(&edit, "first|");
    assert_int_equal(type(&edit, "<Up>"), EDIT_MOVED);
    type(&edit, "!<Down>");
    assert_line(&edit, "second|"); /* the change was to the shown line alone */
    type(&edit, "<C-p>");
    assert_line(&edit, "first|");
    type(&edit, "<Down><C-n>");
    assert_line(&edit, "new|");
    assert_int_equal(type(&edit, "<Down>"), EDIT_MOVED);
    type(&edit, "<Up>");
    edit_clear(&edit);
    assert_line(&edit, "|");
    type(&edit, "<Up>");
    assert_line(&edit, "second|");
    type(&edit, "<Down>");
    assert_line(&edit, "|");
    edit_free(&edit);
    assert_ptr_equal(edit.history, &history);
    edit_history_free(&history);
    assert_int_equal(history.count, 0);
}

static void test_history_is_bounded(void **state)
{
    (void)state;
    struct edit_history history = {0};
    char line[EDIT_MOST + 2];
    for (int i = 0; i < EDIT_HISTORY_MOST + 10; i++) {
        snprintf(line, sizeof line, "line %d", i);
        remember(&history, line);
    }
    assert_int_equal(history.count, EDIT_HISTORY_MOST);
    assert_string_equal(history.lines[0], "line 10");
    remember(&history, "line 20"); /* moves to the end */
    assert_int_equal(history.count, EDIT_HISTORY_MOST);
    assert_string_equal(history.lines[EDIT_HISTORY_MOST - 1], "line 20");
    assert_string_equal(history.lines[10], "line 21");
    remember(&history, history.lines[0]); /* of its own */
    assert_string_equal(history.lines[EDIT_HISTORY_MOST - 1], "line 10");
    remember(&history, NULL);
    remember(&history, "");
    memset(line, 'x', sizeof line);
    line[EDIT_MOST + 1] = '\0';
    remember(&history, line);
    assert_string_equal(history.lines[history.count - 1], "line 10");
    line[EDIT_MOST] = '\0';
    remember(&history, line);
    struct edit edit = {.history = &history};
    assert_int_equal(type(&edit, "<Up>"), EDIT_CHANGED);
    assert_int_equal(edit.text.size, EDIT_MOST);
    assert_int_equal(type(&edit, "x"), EDIT_FULL);
    edit_free(&edit);
    edit_history_free(&history);
}

/* --- whole texts ---------------------------------------------------------------------- */

static void assert_pastes(const char *text, size_t size, const char *expected)
{
    struct edit edit = {0};
    type(&edit, "[]<Left>");
    assert_int_equal(edit_paste(&edit, text, size),
                     strlen(expected) > 3 ? EDIT_CHANGED : EDIT_MOVED);
    assert_line(&edit, expected);
    edit_free(&edit);
}

static void test_pasting(void **state)
{
    (void)state;
#define PASTES(text, expected) assert_pastes(text, sizeof text - 1, expected)
    PASTES("", "[|]");
    PASTES("plain", "[plain|]");
    PASTES("a\nb\r\nc\rd\te", "[a b c d e|]");
    PASTES("a\r\rb\n\n", "[a  b  |]");
    PASTES("a\xC2\x85"
           "b\xE2\x80\xA8"
           "c\xE2\x80\xA9"
           "d",
           "[a b c d|]");
    PASTES("\x1B[31mred\x07\x7F\0\x08!", "[[31mred!|]");
    PASTES("\xC2\x9B"
           "31m",
           "[31m|]");
    PASTES("\x1B\x01\x7F", "[|]");
    PASTES("a\xFF"
           "b\xED\xA0\x80"
           "c",
           "[a\xEF\xBF\xBD"
           "b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
           "c|]");
    PASTES("a\xE4\xB8", "[a\xEF\xBF\xBD|]");
    PASTES(WIDE FAMILY "e" ACUTE, "[" WIDE FAMILY "e" ACUTE "|]");
    PASTES(ACUTE, "[" ACUTE "|]");
#undef PASTES
}

static void test_full(void **state)
{
    (void)state;
    struct edit edit = {0};
    struct error error = {0};
    char text[EDIT_MOST + 8];
    memset(text, 'x', sizeof text);
    text[EDIT_MOST + 1] = '\0';
    assert_false(edit_set(&edit, text, &error));
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_line(&edit, "|");
    text[EDIT_MOST - 2] = '\0';
    assert_true(edit_set(&edit, text, &error));
    assert_int_equal(edit_stroke(&edit, 0x4E16), EDIT_FULL); /* three bytes */
    assert_int_equal(edit.text.size, EDIT_MOST - 2);
    assert_int_equal(edit_paste(&edit, "a" WIDE "b", 5), EDIT_FULL);
    assert_int_equal(edit.text.size, EDIT_MOST - 1);
    assert_int_equal(edit.text.data[EDIT_MOST - 2], 'a');
    assert_int_equal(type(&edit, "b"), EDIT_CHANGED);
    assert_int_equal(type(&edit, "c"), EDIT_FULL);
    assert_int_equal(edit_paste(&edit, "c", 1), EDIT_FULL);
    assert_int_equal(edit_paste(&edit, "\x01", 1), EDIT_MOVED);
    assert_int_equal(edit.text.size, EDIT_MOST);
    type(&edit, "<C-u>");
    assert_int_equal(edit_paste(&edit, text, EDIT_MOST - 2), EDIT_CHANGED);
    assert_int_equal(type(&edit, "<C-y>"), EDIT_FULL);
    assert_int_equal(edit.text.size, EDIT_MOST - 2);
    edit_free(&edit);
}

static void test_setting(void **state)
{
    (void)state;
    struct edit edit = {0};
    struct error error = {0};
    type(&edit, "some text<C-w>");
    assert_true(edit_set(&edit, "raw \xFF bytes\x1B", &error)); /* of a file's name */
    assert_line(&edit, "raw \xFF bytes\x1B|");
    type(&edit, "<Backspace><C-y>");
    assert_line(&edit, "raw \xFF bytestext|");
    assert_true(edit_set(&edit, "", &error));
    assert_line(&edit, "|");
    assert_non_null(edit.text.data);
    edit_free(&edit);
}

/* --- anything at all ------------------------------------------------------------------ */

static bool is_boundary(const struct edit *edit)
{
    struct cluster cluster;
    size_t at = 0;
    for (; at < edit->cursor; at += cluster.size)
        cluster_next(&cluster, edit->text.data, edit->text.size, at);
    return at == edit->cursor;
}

static void test_any_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "a",     "b",           " ",      "-",       WIDE,     EMOJI,           ACUTE,
        JOINER,  FLAG_D,        "<Left>", "<Right>", "<Home>", "<End>",         "<A-b>",
        "<A-f>", "<Backspace>", "<C-d>",  "<C-w>",   "<A-d>",  "<C-u>",         "<C-k>",
        "<C-y>", "<C-t>",       "<Up>",   "<Down>",  "<C-y>",  "<A-Backspace>", GIRL,
        WOMAN,   "\xC3\xBC"};
    struct random random = random_seeded();
    struct edit_history history = {0};
    remember(&history, "one " FAMILY " line");
    remember(&history, "another");
    for (int round = 0; round < 300; round++) {
        struct edit edit = {.history = &history};
        char typed[2048] = "";
        for (int i = 0; i < 60; i++) {
            const char *key = keys[random_below(&random, sizeof keys / sizeof keys[0])];
            strcat(typed, key);
            char *before = strdup(edit.text.data ? edit.text.data : "");
            assert_non_null(before);
            enum edit_outcome outcome = type(&edit, key);
            const char *now = edit.text.data ? edit.text.data : "";
            if (outcome == EDIT_MOVED && strcmp(before, now) != 0)
                fail_msg("text changed without a word: %s", typed);
            if (edit.cursor > edit.text.size || !is_boundary(&edit) ||
                !utf8_is_valid(now, strlen(now)) || strlen(now) != edit.text.size)
                fail_msg("cursor at %zu of \"%s\" after %s", edit.cursor, now, typed);
            free(before);
        }
        edit_free(&edit);
    }
    edit_history_free(&history);
}

/* --- drawing -------------------------------------------------------------------------- */

static void draw(const struct edit *edit, int width)
{
    struct canvas_area area = {.line = 7, .column = 5, .lines = 3, .columns = 2 + width};
    memset(&drawn, 0, sizeof drawn);
    edit_draw(edit, area, 1, 2, THEME_PROMPT);
    assert_int_equal(drawn.cleared.line, 8);
    assert_int_equal(drawn.cleared.column, 7);
    assert_int_equal(drawn.cleared.columns, width);
    assert_int_equal(drawn.cursor_line, 8);
    drawn.cursor_column -= 7;
}

static void test_drawing(void **state)
{
    (void)state;
    struct edit edit = {0};
    draw(&edit, 10);
    assert_string_equal(drawn.text, "");
    assert_int_equal(drawn.cursor_column, 0);
    type(&edit, "a" WIDE "e" ACUTE "x<Left>");
    draw(&edit, 10);
    assert_string_equal(drawn.text, "a" WIDE "e" ACUTE "x");
    assert_int_equal(drawn.cursor_column, 4);
    edit_clear(&edit);
    type(&edit, "0123456789abcdef");
    draw(&edit, 10); /* 16 is beyond 10: by 10 columns */
    assert_string_equal(drawn.text, "abcdef");
    assert_int_equal(drawn.cursor_column, 6);
    type(&edit, "<Left>");
    for (int i = 15; i >= 10; i--) {
        draw(&edit, 10);
        assert_int_equal(drawn.cursor_column, i - (i == 15 ? 10 : 5));
        type(&edit, "<Left>");
    }
    draw(&edit, 10); /* what is left of it is seen again */
    assert_string_equal(drawn.text, "0123456789abcdef");
    assert_int_equal(drawn.cursor_column, 9);
    edit_free(&edit);
}

static void test_nothing_is_drawn_outside(void **state)
{
    (void)state;
    struct edit edit = {0};
    struct canvas_area area = {.lines = 2, .columns = 5};
    static const int places[][2] = {{-1, 0}, {2, 0}, {0, -1}, {0, 5}, {0, 99}};
    type(&edit, "text");
    memset(&drawn, 0, sizeof drawn);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        edit_draw(&edit, area, places[i][0], places[i][1], THEME_PROMPT);
    assert_int_equal(drawn.calls, 0);
    edit_free(&edit);
}

/* In every width, for every cursor: it is within, and at what it stands on. */
static void test_the_cursor_is_seen(void **state)
{
    (void)state;
    struct edit edit = {0};
    struct error error = {0};
    assert_true(edit_set(
        &edit, WIDE WIDE "abc" FAMILY "e" ACUTE "\t" WIDE "\x1B\xFF" WIDE "xyz" WIDE, &error));
    for (int width = 1; width < 30; width++) {
        type(&edit, "<Home>");
        for (size_t last = SIZE_MAX; last != edit.cursor; type(&edit, "<Right>")) {
            draw(&edit, width);
            assert_in_range(drawn.cursor_column, 0, width - 1);
            const char *rest = edit.text.data + edit.cursor;
            size_t shown = strlen(drawn.text), behind = strlen(rest);
            if (shown < behind || strcmp(drawn.text + shown - behind, rest) != 0 ||
                cluster_columns(drawn.text, shown - behind) != (size_t)drawn.cursor_column)
                fail_msg("width %d, cursor %zu: column %d of \"%s\"", width, edit.cursor,
                         drawn.cursor_column, drawn.text);
            last = edit.cursor;
        }
    }
    edit_free(&edit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_and_moves),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_deleting),
        cmocka_unit_test(test_exchanging),
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_history_is_bounded),
        cmocka_unit_test(test_pasting),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_setting),
        cmocka_unit_test(test_any_keys),
        cmocka_unit_test(test_drawing),
        cmocka_unit_test(test_nothing_is_drawn_outside),
        cmocka_unit_test(test_the_cursor_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
