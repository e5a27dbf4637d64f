/* lists.h: the lists that come over a view. NULL when out of memory. */
#ifndef TIDEMARK_UI_LISTS_H
#define TIDEMARK_UI_LISTS_H

#include "ui/host.h"

struct document_view;

/* Every key, from action_table and the keymap. */
struct view *lists_help(struct host *host);
/* What the words of a query are found in, in all documents. */
struct view *lists_finds(struct host *host, const char *query);

/* Of a document, whose view must lie below. */
struct view *lists_notes(struct document_view *document);
struct view *lists_summaries(struct document_view *document);
struct view *lists_hits(struct document_view *document);
struct view *lists_questions(struct document_view *document);
struct view *lists_map(struct document_view *document);

#endif
