/* state.h: everything the model remembers of what it has read.
 *
 * One block of float32, whose bytes are the checkpoint's payload as they stand
 * (docs/FORMAT.md, "State"):
 *
 *     for each layer: h [S][D], convolution tail [taps - 1][D] (oldest first)
 *     then the logits after the last token [V]
 *
 * so that generation starts with no token fed again. */
#ifndef TIDEMARK_ENGINE_STATE_H
#define TIDEMARK_ENGINE_STATE_H

#include "engine/model.h"

#define STATE_FORMAT 1

struct state {
    float *data;   /* the whole block, owned; maybe not up to date: see state_fetch */
    float *logits; /* [V], the block's end; maybe not up to date: see state_fetch_logits;
                      meaningless while tokens is 0 */
    size_t floats; /* of the whole block */
    size_t tokens; /* read so far */

    /* A backend's copy in its device's memory, which saves going back and forth. */
    struct state_mirror *mirror; /* NULL: none; owned */
    bool ahead;                  /* the mirror is newer than data */
    bool logits_ahead;           /* its logits are newer than these; never but while `ahead` */
    bool behind;                 /* the mirror is older than data */
};

/* What a backend's mirror begins with. */
struct state_mirror {
    bool (*fetch)(struct state *state, struct error *error); /* into state->data */
    bool (*fetch_logits)(struct state *state, struct error *error);
    bool (*copy)(struct state *to, const struct state *from); /* of the mirror; false: cannot */
    void (*free)(struct state_mirror *mirror);
};

/* A state that has read nothing. NULL when out of memory. */
struct state *state_new(const struct model_shape *shape, struct error *error);
void state_free(struct state *state);

/* Before anybody reads `data`: brings it up to date. Fails only when a device does. */
bool state_fetch(struct state *state, struct error *error) WARN_UNUSED;

/* Before anybody reads `logits` and no more. forward_choose() (forward.h) does without. */
bool state_fetch_logits(struct state *state, struct error *error) WARN_UNUSED;

/* After somebody else than the forward pass has written to `data`. */
void state_written(struct state *state);

void state_reset(struct state *state);

/* Should a device fail here, the next pass or fetch of the copy says so. */
void state_copy(struct state *to, const struct state *from);

size_t state_bytes(const struct model_shape *shape);

float *state_h(const struct state *state, const struct model_shape *shape, size_t layer);
float *state_tail(const struct state *state, const struct model_shape *shape, size_t layer);

#endif
