/* view.h: what fills the screen: one view at a time, on a stack. The last line of the
 * screen is the reader's own, for the prompt, messages and hints. */
#ifndef TIDEMARK_UI_VIEW_H
#define TIDEMARK_UI_VIEW_H

#include "ui/action.h"
#include "ui/canvas.h"

struct view;

struct view_kind {
    /* Which keys are meant. */
    enum action_place (*place)(const struct view *view);
    /* Draws all of the screen but its last line. */
    void (*draw)(struct view *view, int lines, int columns);
    /* False: this view does not know the action. `argument` is NULL for a key. */
    bool (*act)(struct view *view, enum action action, const char *argument);
    /* A click, or the wheel (-1 up, 1 down), at a place of the screen; may be NULL. */
    void (*click)(struct view *view, int line, int column);
    void (*wheel)(struct view *view, int line, int column, int direction);
    /* Hints for the last line: actions, ended by ACTION_NONE; may be NULL. */
    const enum action *(*hints)(const struct view *view);
    void (*free)(struct view *view);
};

/* The first member of every view. */
struct view {
    const struct view_kind *kind;
    struct view *below; /* on the stack */
};

#endif
