/* forward.h: the forward pass over one or several independent lanes.
 *
 *     struct forward *forward = forward_new(model, kernels_best(), pool, &error);
 *     (or forward_open(), backend.h, for a device that may be there)
 *     struct forward_lane lane = {.state = state, .tokens = tokens, .count = n};
 *     if (!forward_prefill(forward, &lane, 1, &error)) ...
 *     if (!forward_choose(forward, &state, 1, &choice, &error)) ...
 *     (or state_fetch_logits(), and a sampler chooses)
 *     if (!forward_decode(forward, &state, &choice.token, 1, &error)) ...
 *
 * A token's result depends on its lane's state and tokens alone (kernels.h), so
 * lanes may be grouped and stretches cut at will. Work memory is allocated once
 * and does not depend on how much is read. */
#ifndef TIDEMARK_ENGINE_FORWARD_H
#define TIDEMARK_ENGINE_FORWARD_H

#include "base/pool.h"
#include "engine/state.h"

/* Raised when the pass's own arithmetic, that of engine/cpu, changes bits. */
#define FORWARD_REVISION 1

#define FORWARD_TAG_SIZE 64

struct forward;

/* A stretch of tokens for one lane. */
struct forward_lane {
    struct state *state;   /* in, out; its logits are those after the last token, once
                              state_fetch_logits() was asked for them */
    const int32_t *tokens; /* [count] */
    size_t count;
    float *bits;   /* NULL, or out [count]: surprise of each token, -log2 of the
                      probability it had; 0 for the first token of an empty state */
    float *logits; /* NULL, or out [count][V]: logits after each token */
};

/* On the processor's cores. Borrows all three. NULL and an error when out of memory. */
struct forward *forward_new(const struct model *model, const struct kernels *kernels,
                            struct pool *pool, struct error *error);
void forward_free(struct forward *forward);

/* Document text, prompts and question tails. Tokens out of range are refused
 * with ERROR_MODEL before anything is computed. When the pool was cancelled:
 * ERROR_INTERRUPTED, and the lanes' states hold nothing of use. */
bool forward_prefill(struct forward *forward, const struct forward_lane *lanes, size_t count,
                     struct error *error) WARN_UNUSED;

/* One generated token for each lane. Same errors. A device may still be computing when this
 * returns: what asks for its results waits, and tells of its failure. */
bool forward_decode(struct forward *forward, struct state *const *states, const int32_t *tokens,
                    size_t lanes, struct error *error) WARN_UNUSED;

/* A state's likeliest next token. */
struct forward_choice {
    int32_t token;         /* SAMPLER_NONE: no logit is a number */
    float log_probability; /* natural */
};

/* What sampler_likeliest() (sampler.h) says of the logits of each state, which has read something:
 * found where they lie, so that a device's need not come to the host. There the log probability
 * may be off by 4e-6 and what float rounds. choices: out [lanes]. */
bool forward_choose(struct forward *forward, struct state *const *states, size_t lanes,
                    struct forward_choice *choices, struct error *error) WARN_UNUSED;

/* What is told of every product: the matrix, and [rows][stride] of what it is multiplied by,
 * matrix->columns of each row in use. Called on the thread that runs the pass. */
typedef void forward_watcher(void *context, const struct matrix *matrix, const float *x,
                             size_t stride, size_t rows);

/* From now on; NULL: nobody is told. Results do not change. Only for what forward_new
 * makes. */
void forward_watch(struct forward *forward, forward_watcher *watcher, void *context);

/* Where a call of forward_prefill is, all of its lanes counted. */
struct forward_progress {
    size_t before; /* tokens of the passes that are over */
    size_t tokens; /* of the pass in progress */
    size_t layers_done, layers;
    double logits; /* what the logits after the last layer cost, in layers: by the weights that
                      are multiplied, of the rows whose logits are wanted */
};

/* Tokens of the call that count as done: of the pass in progress in proportion to its layers, so
 * that, where logits are to come, the last layer's are not yet all of them.
 * For those who watch: a state holds nothing of a pass that is not over. */
size_t forward_progress_tokens(const struct forward_progress *progress);

/* What is told after each layer of a pass of forward_prefill, on the thread that called it. The
 * pool is idle and may be used, the forward may not. */
typedef void forward_between(void *context, const struct forward_progress *progress);

/* From now on; NULL: nobody is told. Results do not change, and what the callback takes is the
 * pass's delay. Where layers are handed to a device, which works them on its own, nothing is
 * told. */
void forward_between_layers(struct forward *forward, forward_between *between, void *context);

/* The numerics tag: what, besides weights and input, the bits depend on. */
void forward_tag(const struct forward *forward, char tag[FORWARD_TAG_SIZE]);

const char *forward_backend(const struct forward *forward); /* "cpu", "cuda" */

/* Tokens of a full pass: fewer at a time are read more slowly. */
size_t forward_pass_tokens(const struct forward *forward);

/* --- states while the work goes on ---------------------------------------------- */

/* A state as it was at one moment, on its way to the host:
 *
 *     forward_snapshot(forward, state, &snapshot, &error)       on the forward's thread
 *     forward_snapshot_wait(forward, snapshot, &data, &error)   on any one thread, once
 *     forward_snapshot_free(forward, snapshot)
 *
 * The forward may go on with the state at once. data: state->floats floats, as in
 * state->data, valid until the snapshot is freed, which must be before the forward is. */
struct forward_snapshot;

/* Whether taking one is worth a thread that waits for it: a copy runs beside the work. */
bool forward_snapshots(const struct forward *forward);

bool forward_snapshot(struct forward *forward, struct state *state,
                      struct forward_snapshot **snapshot, struct error *error) WARN_UNUSED;
bool forward_snapshot_wait(struct forward *forward, struct forward_snapshot *snapshot,
                           const float **data, struct error *error) WARN_UNUSED;
void forward_snapshot_free(struct forward *forward, struct forward_snapshot *snapshot);

/* --- the device ------------------------------------------------------------------- */

struct forward_device {
    char name[128];     /* "NVIDIA H200" */
    double memory_used; /* bytes of the device's memory in use, by others too */
    double memory_all;
};

/* What the device can do, measured now (takes some tenths of a second). */
struct forward_peak {
    const char *matrix_kind; /* "bf16" */
    double matrix_flops;     /* a large product, multiply and add counted as two */
    double copy_bytes;       /* a large copy, bytes read plus bytes written, a second */
};

/* Both false without an error text where the backend is the processor. */
bool forward_device(struct forward *forward, struct forward_device *device,
                    struct error *error) WARN_UNUSED;
bool forward_peak(struct forward *forward, struct forward_peak *peak,
                  struct error *error) WARN_UNUSED;

#endif
