/* answers_pane.h: what was asked about a document, and what came back. */
#ifndef TIDEMARK_UI_ANSWERS_PANE_H
#define TIDEMARK_UI_ANSWERS_PANE_H

#include "ui/book.h"
#include "ui/canvas.h"
#include "ui/scroll.h"

enum answers_part { /* what a row is of */
                    ANSWERS_QUESTION,
                    ANSWERS_ANSWER,
                    ANSWERS_QUOTE,
                    ANSWERS_PLACE, /* of a quote, or of the answer */
                    ANSWERS_GAP,
                    ANSWERS_PENDING, /* the question being answered */
                    ANSWERS_DRAFT,
};

struct answers_row {
    enum answers_part part;
    size_t turn, quote; /* indexes */
    char *text;
    bool verified; /* of a quote */
};

struct answers_pane {
    struct book *book;
    struct scroll scroll;
    struct canvas_area area;
    struct answers_row *rows; /* of the conversation, for ... */
    size_t count, capacity;
    size_t kept; /* ... so many of them the conversation at `edition` and `columns`, the
                    others the draft */
    unsigned edition;
    int columns;
    int64_t show; /* question that the cursor is to go to once it is there; 0: none */
};

void answers_pane_free(struct answers_pane *pane);
void answers_pane_draw(struct answers_pane *pane, struct canvas_area area, bool focused);

/* The turn and quote under the cursor; NULL: none. */
const struct conversing_turn *answers_pane_turn(const struct answers_pane *pane);
const struct asking_quote *answers_pane_quote(const struct answers_pane *pane);

/* To the beginning of the next or the previous turn. */
void answers_pane_step(struct answers_pane *pane, int direction);

/* Puts the cursor on the first quote of a question's answer, or on the question. */
void answers_pane_show(struct answers_pane *pane, int64_t question);

#endif
