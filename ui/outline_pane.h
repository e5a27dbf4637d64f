/* outline_pane.h: the sections of a document, with what was read of them and what is kept.
 *
 * At the left of each title: "." not read, "o" read, "*" read and a state is kept; then "="
 * where a summary is kept. Below the section under the cursor stand its summaries. */
#ifndef TIDEMARK_UI_OUTLINE_PANE_H
#define TIDEMARK_UI_OUTLINE_PANE_H

#include "ui/book.h"
#include "ui/canvas.h"
#include "ui/scroll.h"

struct outline_pane {
    struct book *book;
    struct scroll scroll; /* lines are sections */
    struct canvas_area area;
    int summary_lines; /* below the cursor's line, when drawn last */
};

/* `here`: the section that the text is at. Without the focus the cursor stays with it. */
void outline_pane_draw(struct outline_pane *pane, struct canvas_area area, int64_t here,
                       bool focused);

/* The section on a line of the pane; -1: none. */
int64_t outline_pane_at(const struct outline_pane *pane, int line);

#endif
