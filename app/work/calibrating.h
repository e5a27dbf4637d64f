/* calibrating.h: which weights of a model count, found by reading a text with it. */
#ifndef TIDEMARK_APP_WORK_CALIBRATING_H
#define TIDEMARK_APP_WORK_CALIBRATING_H

#include "app/work/session.h"
#include "convert/importance.h"

struct calibrating_text {
    const char *path;
    const char *encoding; /* NULL: found out */
};

/* Reads the text, or the first 100,000 tokens of it, on the processor. On success the
 * caller owns *importance, which borrows the model. ERROR_INPUT for a text that cannot be
 * read or is empty. */
bool calibrating_run(struct session *session, struct model *model, struct pool *pool,
                     const struct calibrating_text *text, struct importance **importance,
                     int64_t *tokens, struct error *error) WARN_UNUSED;

#endif
