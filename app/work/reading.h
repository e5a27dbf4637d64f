/* reading.h: a file becomes a document in the library, and a model reads it.
 *
 * First text and outline, then section by section: tokens, surprise, and a prefix
 * state at section ends. A state is written before the library says so; killed at
 * any moment, what was read since the last state is read again. */
#ifndef TIDEMARK_APP_WORK_READING_H
#define TIDEMARK_APP_WORK_READING_H

#include "app/work/session.h"

struct reading_options {
    const char *const *paths; /* the files of one document, in order */
    size_t path_count;
    int64_t document;     /* without paths: go on with this one, from its files where they
                             are there, else, with a note, from the text in the library */
    const char *name;     /* --as, or NULL: the first file's name without folder */
    bool text_only;       /* --no-model: text and outline, no reading */
    int64_t keep_every;   /* tokens between states; 0: at every section's end */
    bool mix;             /* go on under other numerics than before */
    const char *encoding; /* --encoding, or NULL */
    bool follow;          /* go on as the files grow, until cancelled */
    bool alone;           /* no other job will wait for a pause: tokens are read in whole
                             passes, unless these take very long */
};

struct reading_result {
    int64_t document;
    int64_t sections;
    int64_t tokens;      /* of the whole document, preamble included; 0 with text_only */
    int64_t tokens_read; /* by this run */
    int64_t resumed_at;  /* token at which this run began */
    double seconds;      /* spent reading */
    double bits;         /* of the whole document */
    bool followed;       /* it was read to its end at least once before the run ended */
    bool was_complete;   /* nothing was left to do */
};

/* With `follow` it ends only by failing: by ERROR_INTERRUPTED, if all goes well. */
bool reading_run(struct session *session, const struct reading_options *options,
                 struct reading_result *result, struct error *error) WARN_UNUSED;

#endif
