#include "ui/layout.h"

#include <assert.h>

/* Lines of the screen from which on there is room for these. */
#define TITLE_FROM 8
#define MAP_FROM 12
#define PROMPT_FROM 3

/* Columns. */
#define PANES_FROM 60
#define OUTLINE_LEAST 20
#define OUTLINE_MOST 36
#define SIDE_LEAST 50 /* of text and answers beside each other */

/* Lines of text and answers, with what parts them. */
#define BELOW_FROM 10
#define BELOW_LEAST 4

static int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

/* Lays out the lines of one pane's width; returns what is left for the panes. */
static struct canvas_area place_lines(struct layout *layout, int lines, int columns)
{
    struct canvas_area line = {.lines = 1, .columns = columns};
    struct canvas_area body = {.lines = lines, .columns = columns};
    line.line = lines - 1;
    layout->prompt = line;
    body.lines--;
    if (lines >= PROMPT_FROM) {
        line.line--;
        body.lines--;
    }
    layout->status = line;
    if (lines >= MAP_FROM) {
        line.line--;
        body.lines--;
        layout->map = line;
    }
    if (lines >= TITLE_FROM) {
        line.line = 0;
        layout->title = line;
        body.line++;
        body.lines--;
    }
    return body;
}

/* Cuts the outline and its border from the left of the body. */
static void place_outline(struct layout *layout, struct canvas_area *body)
{
    struct canvas_area *outline = &layout->panes[LAYOUT_OUTLINE];
    *outline = *body;
    outline->columns = clamp(body->columns / 4, OUTLINE_LEAST, OUTLINE_MOST);
    layout->outline_border = outline->columns;
    body->column = outline->columns + 1;
    body->columns -= outline->columns + 1;
}

/* Parts the body between text and answers; false when there is no room for both. */
static bool place_both(struct layout *layout, struct canvas_area body)
{
    struct canvas_area text = body, answers = body;
    if (body.columns >= 2 * SIDE_LEAST + 1) {
        int columns = body.columns - 1;
        answers.columns = clamp(columns * 2 / 5, SIDE_LEAST, columns - SIDE_LEAST);
        text.columns = columns - answers.columns;
        answers.column = text.column + text.columns + 1;
        layout->answers = LAYOUT_RIGHT;
        layout->answers_border = answers.column - 1;
    } else if (body.lines >= BELOW_FROM) {
        answers.lines = clamp(body.lines * 2 / 5, BELOW_LEAST, body.lines);
        text.lines = body.lines - 1 - answers.lines;
        answers.line = text.line + text.lines + 1;
        layout->answers = LAYOUT_BELOW;
        layout->answers_border = answers.line - 1;
    } else {
        return false;
    }
    layout->panes[LAYOUT_TEXT] = text;
    layout->panes[LAYOUT_ANSWERS] = answers;
    return true;
}

void layout_make(struct layout *layout, const struct layout_wish *wish)
{
    assert(wish->lines > 0 && wish->columns > 0);
    assert(wish->focus < LAYOUT_PANES);
    *layout = (struct layout){.outline_border = -1, .answers_border = -1};
    layout->single = wish->columns < PANES_FROM;
    struct canvas_area body = place_lines(layout, wish->lines, wish->columns);
    if (body.lines == 0)
        return;
    if (layout->single) {
        layout->panes[wish->focus] = body;
        return;
    }
    if (wish->outline || wish->focus == LAYOUT_OUTLINE)
        place_outline(layout, &body);
    bool answers = wish->answers || wish->focus == LAYOUT_ANSWERS;
    if (answers && place_both(layout, body))
        return;
    layout->panes[wish->focus == LAYOUT_ANSWERS ? LAYOUT_ANSWERS : LAYOUT_TEXT] = body;
}
