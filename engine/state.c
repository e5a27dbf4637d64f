#include "engine/state.h"

#include "engine/floats.h"

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

static float *zeros_new(size_t count)
{
    float *zeros = floats_new(count);
    if (zeros)
        memset(zeros, 0, count * sizeof *zeros);
    return zeros;
}

struct state *state_new(const struct model_shape *shape, struct error *error)
{
    struct state *state = calloc(1, sizeof *state);
    float *data = state ? zeros_new(all_floats(shape)) : NULL;
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
    if (state->mirror)
        state->mirror->free(state->mirror);
    free(state->data);
    free(state);
}

static bool has_mirror(const struct state *state, struct error *error)
{
    return state->mirror ||
           error_set(error, ERROR_SYSTEM, "a state was lost with the device that held it");
}

bool state_fetch(struct state *state, struct error *error)
{
    if (!state->ahead)
        return true;
    if (!has_mirror(state, error) || !state->mirror->fetch(state, error))
        return false;
    state->ahead = state->logits_ahead = false;
    return true;
}

bool state_fetch_logits(struct state *state, struct error *error)
{
    if (!state->logits_ahead)
        return true;
    if (!has_mirror(state, error) || !state->mirror->fetch_logits(state, error))
        return false;
    state->logits_ahead = false;
    return true;
}

void state_written(struct state *state)
{
    state->ahead = state->logits_ahead = false;
    state->behind = true;
}

void state_reset(struct state *state)
{
    memset(state->data, 0, state->floats * sizeof *state->data);
    state->tokens = 0;
    state_written(state);
}

static void copy_logits(struct state *to, const struct state *from)
{
    size_t count = from->floats - (size_t)(from->logits - from->data);
    if (!from->logits_ahead)
        memcpy(to->logits, from->logits, count * sizeof *from->logits);
}

/* As a state is whose device has gone, or failed: whoever fetches it is told. */
static void lose(struct state *state)
{
    if (state->mirror)
        state->mirror->free(state->mirror);
    state->mirror = NULL;
    state->ahead = state->logits_ahead = true;
    state->behind = false;
}

void state_copy(struct state *to, const struct state *from)
{
    to->tokens = from->tokens;
    if (from->mirror && !from->behind && from->mirror->copy(to, from)) {
        copy_logits(to, from);
        to->logits_ahead = from->logits_ahead;
        to->ahead = true;
        to->behind = false;
        return;
    }
    /* A mirror that is ahead of its state and cannot be copied on the device: by way of
     * the copy's own memory. */
    if (from->ahead) {
        struct state through = *to;
        through.mirror = from->mirror;
        if (!from->mirror || !from->mirror->fetch(&through, NULL)) {
            lose(to);
            return;
        }
        copy_logits(to, from);
    } else {
        memcpy(to->data, from->data, from->floats * sizeof *from->data);
    }
    state_written(to);
}

float *state_h(const struct state *state, const struct model_shape *shape, size_t layer)
{
    return state->data + layer * layer_floats(shape);
}

float *state_tail(const struct state *state, const struct model_shape *shape, size_t layer)
{
    return state_h(state, shape, layer) + shape->states * shape->inner;
}
