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
    float *data;   /* the whole block, owned */
    float *logits; /* [V], the block's end; meaningless while tokens is 0 */
    size_t floats; /* of the whole block */
    size_t tokens; /* read so far */
};

/* A state that has read nothing. NULL when out of memory. */
struct state *state_new(const struct model_shape *shape, struct error *error);
void state_free(struct state *state);

void state_reset(struct state *state);
void state_copy(struct state *to, const struct state *from);

size_t state_bytes(const struct model_shape *shape);

float *state_h(const struct state *state, const struct model_shape *shape, size_t layer);
float *state_tail(const struct state *state, const struct model_shape *shape, size_t layer);

#endif
