#include "engine/forward_backend.h"

#include <assert.h>

/* A backend's struct forward as far as it is known here. */
static const struct forward_operations *operations_of(const struct forward *forward)
{
    return *(const struct forward_operations *const *)(const void *)forward;
}

struct forward *forward_new(const struct model *model, const struct kernels *kernels,
                            struct pool *pool, struct error *error)
{
    return forward_cpu_new(model, kernels, pool, error);
}

void forward_free(struct forward *forward)
{
    if (forward)
        operations_of(forward)->free(forward);
}

bool forward_prefill(struct forward *forward, const struct forward_lane *lanes, size_t count,
                     struct error *error)
{
    return operations_of(forward)->prefill(forward, lanes, count, error);
}

bool forward_decode(struct forward *forward, struct state *const *states, const int32_t *tokens,
                    size_t lanes, struct error *error)
{
    return operations_of(forward)->decode(forward, states, tokens, lanes, error);
}

bool forward_choose(struct forward *forward, struct state *const *states, size_t lanes,
                    struct forward_choice *choices, struct error *error)
{
    return operations_of(forward)->choose(forward, states, lanes, choices, error);
}

void forward_tag(const struct forward *forward, char tag[FORWARD_TAG_SIZE])
{
    operations_of(forward)->tag(forward, tag);
}

const char *forward_backend(const struct forward *forward)
{
    return operations_of(forward)->backend;
}

size_t forward_pass_tokens(const struct forward *forward)
{
    return operations_of(forward)->pass_tokens;
}

bool forward_snapshots(const struct forward *forward)
{
    return operations_of(forward)->snapshot != NULL;
}

bool forward_snapshot(struct forward *forward, struct state *state,
                      struct forward_snapshot **snapshot, struct error *error)
{
    return operations_of(forward)->snapshot(forward, state, snapshot, error);
}

bool forward_snapshot_wait(struct forward *forward, struct forward_snapshot *snapshot,
                           const float **data, struct error *error)
{
    return operations_of(forward)->snapshot_wait(snapshot, data, error);
}

void forward_snapshot_free(struct forward *forward, struct forward_snapshot *snapshot)
{
    if (snapshot)
        operations_of(forward)->snapshot_free(snapshot);
}

bool forward_device(struct forward *forward, struct forward_device *device, struct error *error)
{
    const struct forward_operations *operations = operations_of(forward);
    return operations->device && operations->device(forward, device, error);
}

bool forward_peak(struct forward *forward, struct forward_peak *peak, struct error *error)
{
    const struct forward_operations *operations = operations_of(forward);
    return operations->peak && operations->peak(forward, peak, error);
}

void forward_watch(struct forward *forward, forward_watcher *watcher, void *context)
{
    assert(operations_of(forward)->watch);
    operations_of(forward)->watch(forward, watcher, context);
}

size_t forward_progress_tokens(const struct forward_progress *progress)
{
    const double done = (double)progress->tokens * (double)progress->layers_done;
    return progress->before + (size_t)(done / ((double)progress->layers + progress->logits));
}

void forward_between_layers(struct forward *forward, forward_between *between, void *context)
{
    if (operations_of(forward)->between_layers)
        operations_of(forward)->between_layers(forward, between, context);
}
