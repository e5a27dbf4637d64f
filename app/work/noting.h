/* noting.h: marks, bookmarks and notes of a person, found again in a text that may have
 * changed since. */
#ifndef TIDEMARK_APP_WORK_NOTING_H
#define TIDEMARK_APP_WORK_NOTING_H

#include "app/work/session.h"

struct noting_note {
    struct library_note note; /* section, begin and end are where it is now */
    bool lost;                /* its passage is no longer in the document */
};

struct noting {
    struct noting_note *items; /* by section and begin */
    size_t count, capacity;
};

/* All notes of a document. A passage that does not stand where it was noted is looked for
 * in its section and, if it has four words or is long, in those that hold its words, white
 * space and typographic marks folded, and as it was in all others. */
bool noting_list(struct session *session, int64_t document, struct noting *notes,
                 struct error *error) WARN_UNUSED;
void noting_free(struct noting *notes);

/* Adds or replaces (library_put_note). The passage is taken from the text at [begin, end),
 * for an empty one from the line at `begin`, and need not be given. */
bool noting_put(struct session *session, struct library_note *note,
                struct error *error) WARN_UNUSED;

#endif
