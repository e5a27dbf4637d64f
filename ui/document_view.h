/* document_view.h: a document: its outline, its text, what was asked about it. */
#ifndef TIDEMARK_UI_DOCUMENT_VIEW_H
#define TIDEMARK_UI_DOCUMENT_VIEW_H

#include "ui/answers_pane.h"
#include "ui/book.h"
#include "ui/layout.h"
#include "ui/outline_pane.h"
#include "ui/text_pane.h"

enum { DOCUMENT_VIEW_JUMPS = 100 };

struct document_view_jump {
    struct book_place place;
    enum layout_pane focus;
};

struct document_view {
    struct view view;
    struct host *host;
    struct book *book;
    bool outline, answers; /* these panes are wanted */
    enum layout_pane focus;
    struct layout layout; /* when drawn last */
    struct outline_pane outline_pane;
    struct text_pane text_pane;
    struct answers_pane answers_pane;
    struct document_view_jump jumps[DOCUMENT_VIEW_JUMPS];
    size_t jump_count, jump_at; /* jump_at == jump_count: not among them */
    int64_t as_of;              /* of the question being typed; -1: the whole document */
    int64_t after;              /* that it follows up; 0: none */
    size_t turns_before;        /* of the conversation, when it was asked */
    bool answer_waits;          /* its answer is to be shown when it comes */
    bool begins;                /* at a place that was given, not where the person was */
    bool search_waits;          /* the first hit is to be gone to when it is known */
    struct library_note note;   /* being typed: where it belongs */
};

/* NULL when out of memory. */
struct view *document_view_new(struct host *host, int64_t document);

/* Goes to a place of the text, to come back from with ACTION_BACK; `end` beyond the
 * place's offset marks the passage up to there. */
void document_view_go(struct document_view *v, struct book_place place, size_t end);

/* For document_tools.h: notes the present place, to come back to with ACTION_BACK; gives a
 * pane the focus. */
void document_view_remember(struct document_view *v);
void document_view_focus(struct document_view *v, enum layout_pane pane);

#endif
