/* evaluating.h: how well a model predicts a text, and how fast it reads it.
 *
 * The text is fed as a reading feeds it, and nothing is kept. Bits are the tokens'
 * surprise, -log2 of the probability that each had; divided by the bytes of the
 * normalized text they can be compared between models of any vocabulary. */
#ifndef TIDEMARK_APP_WORK_EVALUATING_H
#define TIDEMARK_APP_WORK_EVALUATING_H

#include "app/work/session.h"

#define EVALUATING_FIRST 1024 /* tokens in the first span; each further end is twice as far */
#define EVALUATING_SPANS 40

struct evaluating_span {
    int64_t begin, end; /* tokens of the document */
    int64_t bytes;
    double bits, seconds;
};

struct evaluating_result {
    int64_t bytes, characters, tokens; /* of the document, without the preamble */
    int64_t source_bytes;
    double bits, seconds; /* seconds of computing alone */
    struct evaluating_span spans[EVALUATING_SPANS];
    size_t span_count;
};

/* `encoding` may be NULL. */
bool evaluating_run(struct session *session, const char *path, const char *encoding,
                    struct evaluating_result *result, struct error *error) WARN_UNUSED;

#endif
