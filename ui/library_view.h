/* library_view.h: the first view: the library's documents. */
#ifndef TIDEMARK_UI_LIBRARY_VIEW_H
#define TIDEMARK_UI_LIBRARY_VIEW_H

#include "ui/host.h"

/* NULL when out of memory. */
struct view *library_view_new(struct host *host);

#endif
