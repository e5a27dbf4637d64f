#include "engine/state.h"

#include <stdlib.h>
#include <string.h>

static size_t layer_floats(const struct model_shape *shape)
{
    return (shape->states + shape->taps - 1) * shape->inner;
}

static size_t all_floats(const struct model_shape *shape)
{
    return shape->layers * layer_floats(shape) + shape->vocabulary;
}

size_t state_bytes(const struct model_shape *shape)
{
    return all_floats(shape) * sizeof(float);
}

struct state *state_new(const struct model_shape *shape, struct error *error)
{
    struct state *state = calloc(1, sizeof *state);
    float *data = state ? calloc(all_floats(shape), sizeof *data) : NULL;
    if (!data) {
        free(state);
        error_out_of_memory(error);
        return NULL;
    }
    state->data = data;
    state->floats = all_floats(shape);
    state->logits = data + shape->layers * layer_floats(shape);
    return state;
}

void state_free(struct state *state)
{
    if (!state)
        return;
    free(state->data);
    free(state);
}

void state_reset(struct state *state)
{
    memset(state->data, 0, state->floats * sizeof *state->data);
    state->tokens = 0;
}

void state_copy(struct state *to, const struct state *from)
{
    memcpy(to->data, from->data, from->floats * sizeof *from->data);
    to->tokens = from->tokens;
}

float *state_h(const struct state *state, const struct model_shape *shape, size_t layer)
{
    return state->data + layer * layer_floats(shape);
}

float *state_tail(const struct state *state, const struct model_shape *shape, size_t layer)
{
    return state_h(state, shape, layer) + shape->states * shape->inner;
}
