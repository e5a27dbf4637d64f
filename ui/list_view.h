/* list_view.h: a list over a view, one line an entry. */
#ifndef TIDEMARK_UI_LIST_VIEW_H
#define TIDEMARK_UI_LIST_VIEW_H

#include "ui/host.h"
#include "ui/scroll.h"

/* What a list is made of. `context` is what list_view_new was given. */
struct list_view_kind {
    const char *title;
    const char *nothing; /* shown when the list is empty */
    size_t (*count)(void *context);
    /* At line 0 of the area, which has one. */
    void (*draw)(void *context, size_t index, struct canvas_area line, enum theme_style style);
    /* Appends all that there is to say about an entry, which is shown below the list where
     * the screen has room; NULL: the line says it all. */
    bool (*detail)(void *context, size_t index, struct buffer *text, struct error *error);
    /* What <Enter> does; the list may be gone after it. NULL: nothing. */
    void (*open)(void *context, size_t index);
    /* Other actions of ACTION_LIST; false when not known. May be NULL. */
    bool (*act)(void *context, size_t index, enum action action, const char *argument);
    void (*free)(void *context);
};

/* Takes the context, which is freed when NULL is returned. `at`: where the cursor is. */
struct view *list_view_new(struct host *host, const struct list_view_kind *kind, void *context,
                           size_t at);

#endif
