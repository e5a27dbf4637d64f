/* edit.h: one line of text being typed, with the keys of readline, and the lines typed
 * before.
 *
 *     struct edit edit = {0};
 *     switch (edit_stroke(&edit, stroke)) ...
 *     edit_remember(&history, edit.text.data)
 *
 * The cursor moves by grapheme clusters. */
#ifndef TIDEMARK_UI_EDIT_H
#define TIDEMARK_UI_EDIT_H

#include "ui/canvas.h"
#include "ui/stroke.h"

#define EDIT_MOST 4096 /* bytes of a line */

/* Lines typed before, oldest first. */
struct edit_history {
    char **lines;
    size_t count, capacity;
};
#define EDIT_HISTORY_MOST 500

/* A line that comes again moves to the end; beyond EDIT_HISTORY_MOST the oldest one goes.
 * NULL, an empty line and one longer than EDIT_MOST are not kept. */
bool edit_remember(struct edit_history *history, const char *line, struct error *error) WARN_UNUSED;
void edit_history_free(struct edit_history *history);

struct edit {
    struct buffer text;
    size_t cursor;                /* byte of text */
    struct buffer killed;         /* for <C-y> */
    struct edit_history *history; /* borrowed; may be NULL */
    size_t recalled;              /* lines back from the end of history; 0: the new line */
    struct buffer fresh;          /* the new line, while an old one is shown */
};

enum edit_outcome {
    EDIT_IGNORED,       /* not a key of editing */
    EDIT_MOVED,         /* or nothing changed */
    EDIT_CHANGED,       /* the text is another */
    EDIT_ACCEPTED,      /* <Enter> */
    EDIT_CANCELLED,     /* <Escape>, <C-c>, <C-g>, or <Backspace> or <C-h> in an empty line */
    EDIT_COMPLETE,      /* <Tab> */
    EDIT_COMPLETE_BACK, /* <S-Tab> */
    EDIT_FULL,          /* no memory, or EDIT_MOST reached: unchanged */
};

/* <Left> <Right> <C-b> <C-f> <Home> <End> <C-a> <C-e> <A-b> <A-f> <Backspace> <C-h>
 * <Delete> <C-d> <C-w> <A-Backspace> <A-d> <C-u> <C-k> <C-y> <C-t>, <Up> <Down> <C-p>
 * <C-n> in the history; characters are inserted. A word ends at a blank for <C-w>, at any
 * ASCII sign for the others. What was changed in a recalled line is lost with the next. */
enum edit_outcome edit_stroke(struct edit *edit, uint32_t stroke);

/* Inserts a text as pasted: line ends and tabs become blanks, other control characters go,
 * broken UTF-8 becomes U+FFFD; the end that does not fit is left out (EDIT_FULL). */
enum edit_outcome edit_paste(struct edit *edit, const char *text, size_t size);

/* Puts another text in place, byte for byte, cursor at its end. ERROR_INPUT beyond
 * EDIT_MOST: unchanged. */
bool edit_set(struct edit *edit, const char *text, struct error *error) WARN_UNUSED;
void edit_clear(struct edit *edit); /* an empty new line; killed text stays */
void edit_free(struct edit *edit);  /* not the history */

/* Draws it in line `line` from `column` to the area's right edge, scrolled so that the
 * cursor is within, which is put there. Nothing happens outside the area. */
void edit_draw(const struct edit *edit, struct canvas_area area, int line, int column,
               enum theme_style style);

#endif
