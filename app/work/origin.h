/* origin.h: the files that a document in the library was made of.
 *
 *     struct origin origin;
 *     if (origin_find(&origin, session, document, &error) && origin.there)
 *         take_in(origin.paths, origin.count);
 *     origin_free(&origin); */
#ifndef TIDEMARK_APP_WORK_ORIGIN_H
#define TIDEMARK_APP_WORK_ORIGIN_H

#include "app/work/session.h"

struct origin {
    char **paths; /* [count], as the library has them */
    size_t count;
    bool there; /* all of them can be read; else a note says why the text in the library has
                   to do */
};

/* To be freed after a failure, too. */
bool origin_find(struct origin *origin, struct session *session, int64_t document,
                 struct error *error) WARN_UNUSED;
void origin_free(struct origin *origin);

#endif
