/* status.h: what is going on in a document, in two lines. */
#ifndef TIDEMARK_UI_STATUS_H
#define TIDEMARK_UI_STATUS_H

#include "ui/document_view.h"

/* The document's name, and how far it is read. */
void status_title(const struct document_view *v, struct canvas_area area);

/* Where the person is, and what is being done. */
void status_draw(struct document_view *v, struct canvas_area area);

#endif
