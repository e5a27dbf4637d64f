/* scroll.h: a cursor in a list of lines, and the part of the list that is seen. */
#ifndef TIDEMARK_UI_SCROLL_H
#define TIDEMARK_UI_SCROLL_H

#include "ui/action.h"

struct scroll {
    size_t at;    /* the line that the cursor is on */
    size_t first; /* the first one seen */
};

/* Does what an action of moving asks for in a list of `count` lines of which `seen` are
 * seen; false for any other action. */
bool scroll_act(struct scroll *scroll, enum action action, size_t count, size_t seen);

/* Moves by so many lines, within the list. */
void scroll_by(struct scroll *scroll, ptrdiff_t lines, size_t count);

/* Brings both within the list, and the cursor into what is seen. To be called before
 * drawing. */
void scroll_fit(struct scroll *scroll, size_t count, size_t seen);

#endif
