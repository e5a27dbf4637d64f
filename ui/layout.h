/* layout.h: where the panes of a document lie on a screen of a given size. */
#ifndef TIDEMARK_UI_LAYOUT_H
#define TIDEMARK_UI_LAYOUT_H

#include "ui/canvas.h"

enum layout_pane { LAYOUT_OUTLINE, LAYOUT_TEXT, LAYOUT_ANSWERS, LAYOUT_PANES };

enum layout_answers {
    LAYOUT_HIDDEN, /* or in the place of the text */
    LAYOUT_RIGHT,
    LAYOUT_BELOW,
};

struct layout_wish {
    int lines, columns;     /* of the screen, at least 1 each */
    bool outline, answers;  /* these panes are wanted */
    enum layout_pane focus; /* the pane that must be seen, and so is wanted */
};

/* An area that is not there is all 0; on a screen of one line that is every pane. */
struct layout {
    struct canvas_area title; /* the first line; not there under 8 lines */
    struct canvas_area panes[LAYOUT_PANES];
    struct canvas_area map;    /* one line above the status; not there under 12 lines */
    struct canvas_area status; /* one line; always there */
    struct canvas_area prompt; /* the last line; under 3 lines the same as status */
    int outline_border;        /* column of the screen right of the outline; -1: none */
    int answers_border;        /* column of the screen left of the answers, or line above
                                  them; -1: none */
    enum layout_answers answers;
    bool single; /* one pane at a time: the screen has under 60 columns */
};

/* Panes, title, map, status and prompt lie within the screen and do not overlap. With 60
 * columns and more the text has at least 30 and the outline a quarter, 20 to 36;
 * answers stand at the right when text and answers then have at least 50 columns each,
 * else below the text with two fifths of its lines, at least 4, when there are at least 10
 * for both; otherwise the one of the two that has the focus, or else the text, has all. */
void layout_make(struct layout *layout, const struct layout_wish *wish);

#endif
