/* text_pane.h: the text of a document, row by row through all its sections, with a cursor
 * that is a row. */
#ifndef TIDEMARK_UI_TEXT_PANE_H
#define TIDEMARK_UI_TEXT_PANE_H

#include "ui/book.h"
#include "ui/canvas.h"

struct text_pane {
    struct book *book;
    struct book_place top;    /* first row seen */
    struct book_place cursor; /* the row that holds it */
    int above;     /* so many rows are to be seen above it, when their texts are there; -1: as it
                      comes */
    bool choosing; /* a passage, from anchor to cursor */
    struct book_place anchor;
    int64_t passage_section; /* of a passage that was gone to; -1: none */
    size_t passage_begin, passage_end;
    unsigned columns; /* of text, when drawn last */
    int lines;
    struct canvas_area area;
};

void text_pane_draw(struct text_pane *pane, struct canvas_area area, bool focused);

/* Brings cursor and all within the document, which may have become shorter. */
void text_pane_fit(struct text_pane *pane);

/* Moves the cursor by rows, as far as texts are there. */
void text_pane_move(struct text_pane *pane, long rows);
void text_pane_end(struct text_pane *pane); /* to the last row of the document */
/* Puts the cursor at a place, which is brought to the upper third of the pane unless it
 * is seen already. */
void text_pane_go(struct text_pane *pane, struct book_place place);

/* The row under the cursor, or the passage being chosen: [begin, end) of *section's text.
 * False while the text is not there. */
bool text_pane_passage(struct text_pane *pane, int64_t *section, size_t *begin, size_t *end);

/* The cursor goes to a row of the pane. */
void text_pane_click(struct text_pane *pane, int line);

#endif
