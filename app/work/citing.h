/* citing.h: how a place in a document is named: "p. xiv", "ch07.xhtml", "p. 214, §7.3". */
#ifndef TIDEMARK_APP_WORK_CITING_H
#define TIDEMARK_APP_WORK_CITING_H

#include "base/buffer.h"

#include <stdint.h>

#define CITING_SIZE 280 /* bytes of a place's name and what stands before it */

struct citing {
    int64_t page, line;      /* as position.h counts them */
    char place[CITING_SIZE]; /* "p. 214" of a PDF, "ch07.xhtml" of a book; empty for texts,
                               of which page and line say it. Of the document: it is not fit
                               for a terminal as it is */
};

/* Where the text at `offset` stands, from its section's position map. */
bool citing_find(struct citing *citing, const void *map, size_t map_size, size_t offset,
                 struct error *error) WARN_UNUSED;

/* Appends place and section as they are cited: "p. 214, §7.3" where the section's title
 * begins with a number, "p. 214" where not; "line 12" of a text. */
bool citing_append(struct buffer *out, const struct citing *citing, const char *title,
                   struct error *error) WARN_UNUSED;

#endif
