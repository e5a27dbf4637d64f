/* flow.h: the elements of HTML, one after the other, become blocks.
 *
 *     flow_begin(&options);
 *     flow_open("p", attribute, context); flow_text(...); flow_close("p");
 *     flow_end();
 *
 * Whoever walks a tree or parses XML calls these in the document's order, with each
 * flow_open closed. Names are lower case. Navigation, scripts and what is hidden are left
 * out; lists, rows, notes and code keep their sense. */
#ifndef TIDEMARK_EXTRACT_FLOW_H
#define TIDEMARK_EXTRACT_FLOW_H

#include <stdbool.h>
#include <stddef.h>

#define FLOW_DEPTH_MOST 1000 /* elements within each other */

/* The value of an attribute of the element that is opened, or NULL. */
typedef const char *flow_attribute(void *context, const char *name);

struct flow_options {
    bool main_only; /* only what is in <main>, since there is one */
    /* The level of the heading that belongs where `id` stands ("": at the beginning), 0
     * when none does. With a *title it is put there unless an own one is the first that
     * comes; without, only the level of the next own one. May be NULL. */
    unsigned (*landmark)(void *context, const char *id, const char **title);
    void *landmark_context;
};

/* Is this the element that holds what the page is for? */
bool flow_is_main(const char *name, flow_attribute *attribute, void *context);

void flow_begin(const struct flow_options *options);
void flow_open(const char *name, flow_attribute *attribute, void *context);
void flow_text(const char *text, size_t size);
void flow_close(void);
void flow_end(void);

#endif
