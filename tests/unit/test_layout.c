/* Where panes lie: on every screen up to 250x100 what the header promises. */
#include "ui/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COLUMNS_MOST 250
#define LINES_MOST 100

static struct layout make(int lines, int columns, bool outline, bool answers,
                          enum layout_pane focus)
{
    struct layout layout;
    struct layout_wish wish = {lines, columns, outline, answers, focus};
    layout_make(&layout, &wish);
    return layout;
}

static bool is_there(struct canvas_area area)
{
    return area.lines > 0 && area.columns > 0;
}

static bool is_none(struct canvas_area area)
{
    static const struct canvas_area none;
    return memcmp(&area, &none, sizeof area) == 0;
}

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s: %d columns, %d lines, outline %d, answers %d, focus %d", #condition,     \
                     wish->columns, wish->lines, wish->outline, wish->answers, wish->focus);       \
    } while (0)

/* Each cell of the screen belongs to one area at most. */
static void check_cells(const struct layout_wish *wish, const struct layout *layout)
{
    static unsigned char cells[LINES_MOST][COLUMNS_MOST];
    const struct canvas_area areas[] = {layout->title,
                                        layout->panes[LAYOUT_OUTLINE],
                                        layout->panes[LAYOUT_TEXT],
                                        layout->panes[LAYOUT_ANSWERS],
                                        layout->map,
                                        layout->status,
                                        layout->prompt};
    size_t count = sizeof areas / sizeof areas[0] - (wish->lines < 3); /* prompt is status */
    for (int line = 0; line < wish->lines; line++)
        memset(cells[line], 0, (size_t)wish->columns);
    for (size_t i = 0; i < count; i++) {
        struct canvas_area area = areas[i];
        REQUIRE(is_there(area) || is_none(area));
        REQUIRE(area.line >= 0 && area.line + area.lines <= wish->lines);
        REQUIRE(area.column >= 0 && area.column + area.columns <= wish->columns);
        for (int line = area.line; line < area.line + area.lines; line++)
            for (int column = area.column; column < area.column + area.columns; column++)
                REQUIRE(cells[line][column]++ == 0);
    }
    struct canvas_area text = layout->panes[LAYOUT_TEXT], answers = layout->panes[LAYOUT_ANSWERS];
    if (layout->outline_border >= 0) {
        struct canvas_area outline = layout->panes[LAYOUT_OUTLINE];
        REQUIRE(layout->outline_border == outline.column + outline.columns);
        for (int i = 0; i < outline.lines; i++)
            REQUIRE(cells[outline.line + i][layout->outline_border]++ == 0);
    }
    if (layout->answers == LAYOUT_RIGHT) {
        REQUIRE(layout->answers_border == answers.column - 1);
        for (int i = 0; i < answers.lines; i++)
            REQUIRE(cells[answers.line + i][layout->answers_border]++ == 0);
    }
    if (layout->answers == LAYOUT_BELOW) {
        REQUIRE(layout->answers_border == answers.line - 1);
        for (int i = 0; i < text.columns; i++)
            REQUIRE(cells[layout->answers_border][text.column + i]++ == 0);
    }
    for (int line = 0; line < wish->lines; line++) /* and to one at least */
        for (int column = 0; column < wish->columns; column++)
            REQUIRE(cells[line][column] == 1);
}

static void check_lines(const struct layout_wish *wish, const struct layout *layout)
{
    REQUIRE(is_there(layout->title) == (wish->lines >= 8));
    REQUIRE(is_there(layout->map) == (wish->lines >= 12));
    REQUIRE(layout->title.line == 0 && layout->title.lines <= 1);
    REQUIRE(layout->prompt.line == wish->lines - 1 && layout->prompt.lines == 1);
    REQUIRE(layout->status.line == wish->lines - (wish->lines < 3 ? 1 : 2));
    REQUIRE(layout->status.lines == 1 && layout->status.columns == wish->columns);
    REQUIRE(layout->prompt.columns == wish->columns);
    if (is_there(layout->map))
        REQUIRE(layout->map.line == layout->status.line - 1 && layout->map.lines == 1);
}

static void check_panes(const struct layout_wish *wish, const struct layout *layout)
{
    struct canvas_area outline = layout->panes[LAYOUT_OUTLINE], text = layout->panes[LAYOUT_TEXT],
                       answers = layout->panes[LAYOUT_ANSWERS];
    bool outline_wanted = wish->outline || wish->focus == LAYOUT_OUTLINE;
    bool answers_wanted = wish->answers || wish->focus == LAYOUT_ANSWERS;
    REQUIRE(layout->single == (wish->columns < 60));
    REQUIRE((layout->answers_border >= 0) == (layout->answers != LAYOUT_HIDDEN));
    REQUIRE(wish->lines == 1 || is_there(layout->panes[wish->focus]));
    if (layout->single || wish->lines == 1) {
        REQUIRE(is_there(outline) + is_there(text) + is_there(answers) == (wish->lines > 1));
        REQUIRE(layout->outline_border == -1 && layout->answers == LAYOUT_HIDDEN);
        return;
    }
    REQUIRE(is_there(outline) == outline_wanted);
    REQUIRE((layout->outline_border >= 0) == outline_wanted);
    REQUIRE(!outline_wanted || (outline.columns >= 20 && outline.columns <= 36));
    REQUIRE(!is_there(text) || text.columns >= 30);
    REQUIRE(is_there(text) || is_there(answers));
    REQUIRE(answers_wanted || !is_there(answers));
    if (layout->answers == LAYOUT_HIDDEN) {
        REQUIRE(is_there(answers) == (wish->focus == LAYOUT_ANSWERS));
        REQUIRE(is_there(text) == (wish->focus != LAYOUT_ANSWERS));
        return;
    }
    REQUIRE(answers_wanted && is_there(text) && is_there(answers));
    REQUIRE(layout->answers == LAYOUT_BELOW || (text.columns >= 50 && answers.columns >= 50));
    REQUIRE(layout->answers == LAYOUT_BELOW || text.columns >= answers.columns);
    REQUIRE(layout->answers == LAYOUT_RIGHT || text.columns < 101);
    REQUIRE(layout->answers == LAYOUT_RIGHT || (answers.lines >= 4 && text.lines >= 5));
}

static void check(const struct layout_wish *wish)
{
    struct layout layout;
    memset(&layout, 0xAA, sizeof layout);
    layout_make(&layout, wish);
    check_cells(wish, &layout);
    check_lines(wish, &layout);
    check_panes(wish, &layout);
}

static void test_every_size(void **state)
{
    (void)state;
    for (int lines = 1; lines <= LINES_MOST; lines++)
        for (int columns = 1; columns <= COLUMNS_MOST; columns++)
            /* All wishes where something changes with the size, else each in its turn. */
            for (int i = 0; i < (lines < 16 && columns < 170 ? 12 : 1); i++) {
                int wish = (lines * 5 + columns + i) % 12;
                struct layout_wish w = {lines, columns, wish & 1, wish >> 1 & 1,
                                        (enum layout_pane)(wish >> 2)};
                check(&w);
            }
}

static void test_small_screens(void **state)
{
    (void)state;
    struct layout one = make(1, 1, true, true, LAYOUT_TEXT);
    assert_true(is_there(one.status) && is_there(one.prompt));
    assert_true(is_none(one.panes[LAYOUT_TEXT]) && is_none(one.title) && is_none(one.map));

    struct layout least = make(5, 20, true, true, LAYOUT_ANSWERS); /* 20x5 */
    assert_true(least.single);
    assert_int_equal(least.panes[LAYOUT_ANSWERS].lines, 3);
    assert_int_equal(least.panes[LAYOUT_ANSWERS].columns, 20);
    assert_int_equal(least.answers, LAYOUT_HIDDEN);
    assert_int_equal(least.status.line, 3);
    assert_int_equal(least.prompt.line, 4);
}

static void test_usual_screens(void **state)
{
    (void)state;
    struct layout usual = make(24, 80, true, true, LAYOUT_TEXT); /* 80x24 */
    assert_false(usual.single);
    assert_int_equal(usual.panes[LAYOUT_OUTLINE].columns, 20);
    assert_int_equal(usual.outline_border, 20);
    assert_int_equal(usual.panes[LAYOUT_TEXT].column, 21);
    assert_int_equal(usual.panes[LAYOUT_TEXT].columns, 59);
    assert_int_equal(usual.answers, LAYOUT_BELOW);
    assert_int_equal(usual.panes[LAYOUT_ANSWERS].lines, 8); /* of 20 */
    assert_int_equal(usual.panes[LAYOUT_TEXT].lines, 11);
    assert_int_equal(usual.answers_border, 12);

    struct layout large = make(60, 200, true, true, LAYOUT_TEXT); /* 200x60 */
    assert_int_equal(large.panes[LAYOUT_OUTLINE].columns, 36);
    assert_int_equal(large.answers, LAYOUT_RIGHT);
    assert_int_equal(large.panes[LAYOUT_TEXT].columns + large.panes[LAYOUT_ANSWERS].columns, 162);
    assert_int_equal(large.panes[LAYOUT_ANSWERS].lines, 56);
}

/* Each side of the sizes at which something changes. */
static void test_thresholds(void **state)
{
    (void)state;
    assert_true(make(24, 59, true, false, LAYOUT_TEXT).single);
    assert_false(make(24, 60, true, false, LAYOUT_TEXT).single);
    assert_int_equal(make(24, 100, false, true, LAYOUT_TEXT).answers, LAYOUT_BELOW);
    assert_int_equal(make(24, 101, false, true, LAYOUT_TEXT).answers, LAYOUT_RIGHT);
    assert_int_equal(make(13, 80, false, true, LAYOUT_TEXT).answers, LAYOUT_HIDDEN);
    assert_int_equal(make(14, 80, false, true, LAYOUT_TEXT).answers, LAYOUT_BELOW);
    assert_int_equal(make(14, 80, false, true, LAYOUT_TEXT).panes[LAYOUT_ANSWERS].lines, 4);
    struct layout both = make(11, 80, true, true, LAYOUT_ANSWERS); /* no map: 8 lines */
    assert_true(is_there(both.panes[LAYOUT_ANSWERS]) && is_none(both.panes[LAYOUT_TEXT]));
    both = make(11, 80, true, true, LAYOUT_OUTLINE);
    assert_true(is_none(both.panes[LAYOUT_ANSWERS]) && is_there(both.panes[LAYOUT_TEXT]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_small_screens),
        cmocka_unit_test(test_usual_screens),
        cmocka_unit_test(test_thresholds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
