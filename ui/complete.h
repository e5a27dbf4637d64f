/* complete.h: what a line that is being typed may become.
 *
 *     complete_begin(&complete, desk, what, text, cursor, call, context);
 *     ... once it called back: complete_next(&complete, 1) */
#ifndef TIDEMARK_UI_COMPLETE_H
#define TIDEMARK_UI_COMPLETE_H

#include "ui/desk.h"

enum complete_what {
    COMPLETE_NOTHING,
    COMPLETE_FILES,    /* the whole line is a path */
    COMPLETE_COMMANDS, /* a command's name, then what its argument is */
};

/* A zeroed struct holds nothing. */
struct complete {
    char **items; /* what may stand in place of text[begin..) */
    size_t count;
    size_t begin;    /* byte of the line */
    size_t at;       /* the one that stands there; count: what was typed */
    char *typed;     /* what stood there */
    uint64_t number; /* of the listing that is awaited; it tells a stale one apart */
    uint64_t last;
};

/* Finds what the line up to its end may become; of commands those of a place (enum
 * action_place). Folders are listed by the desk: `call` comes then, when there is anything,
 * and for the rest at once. */
void complete_begin(struct complete *complete, struct desk *desk, enum complete_what what,
                    unsigned place, const char *text, void (*call)(void *context), void *context);

/* The next (1) or previous (-1) text for the line's end; NULL when there is none. */
const char *complete_next(struct complete *complete, int direction);

/* Forgets what may come. */
void complete_end(struct complete *complete);

#endif
