/* states.c: states on the device, and their way back. */
#include "engine/cuda/forward_cuda.h"

#include <stdlib.h>
#include <string.h>

/* --- copies through pinned memory ----------------------------------------------------- */

enum { COPY_ITEM = 2 << 20 };

struct copy {
    unsigned char *to;
    const unsigned char *from;
    size_t size;
};

static void copy_item(void *context, size_t item, unsigned worker)
{
    const struct copy *copy = context;
    size_t begin = item * COPY_ITEM;
    size_t size = copy->size - begin < COPY_ITEM ? copy->size - begin : COPY_ITEM;
    (void)worker;
    memcpy(copy->to + begin, copy->from + begin, size);
}

/* By all threads; by this one alone when the work was cancelled, since a state that is
 * half copied is none. */
static void copy_bytes(struct forward *f, void *to, const void *from, size_t size)
{
    struct copy copy = {to, from, size};
    if (!pool_run(f->pool, copy_item, &copy, (size + COPY_ITEM - 1) / COPY_ITEM))
        memcpy(to, from, size);
}

/* --- mirrors ---------------------------------------------------------------------------- */

static size_t bytes_of(const struct forward *f)
{
    return state_bytes(&f->model->shape);
}

static void unlink_mirror(struct cuda_mirror *mirror)
{
    struct forward *f = mirror->forward;
    if (mirror->before)
        mirror->before->next = mirror->next;
    else
        f->living = mirror->next;
    if (mirror->next)
        mirror->next->before = mirror->before;
}

static void free_mirror(struct state_mirror *base)
{
    struct cuda_mirror *mirror = (struct cuda_mirror *)base;
    struct forward *f = mirror->forward;
    if (!f) {
        free(mirror);
        return;
    }
    unlink_mirror(mirror);
    mirror->state = NULL;
    mirror->before = NULL;
    mirror->next = f->spare;
    f->spare = mirror;
}

/* Who asks for no error hears of it from the next pass. */
static bool fetch(struct state *state, struct error *error)
{
    struct cuda_mirror *mirror = (struct cuda_mirror *)state->mirror;
    struct forward *f = mirror->forward;
    size_t bytes = bytes_of(f);
    error = error ? error : &f->failure;
    if (!cuda_check(
            cudaMemcpyAsync(f->staging, mirror->data, bytes, cudaMemcpyDeviceToHost, f->stream),
            "bringing a state back", error) ||
        !cuda_check(cudaStreamSynchronize(f->stream), "bringing a state back", error))
        return false;
    copy_bytes(f, state->data, f->staging, bytes);
    return true;
}

float *cuda_mirror_logits(const struct cuda_mirror *mirror)
{
    const struct forward *f = mirror->forward;
    return mirror->data + bytes_of(f) / sizeof(float) - f->model->shape.vocabulary;
}

void cuda_mirror_written(struct state *state)
{
    state->ahead = state->logits_ahead = true;
}

static bool fetch_logits(struct state *state, struct error *error)
{
    struct cuda_mirror *mirror = (struct cuda_mirror *)state->mirror;
    struct forward *f = mirror->forward;
    size_t bytes = f->model->shape.vocabulary * sizeof(float);
    if (!cuda_check(cudaMemcpyAsync(f->staging, cuda_mirror_logits(mirror), bytes,
                                    cudaMemcpyDeviceToHost, f->stream),
                    "bringing logits back", error) ||
        !cuda_check(cudaStreamSynchronize(f->stream), "bringing logits back", error))
        return false;
    memcpy(state->logits, f->staging, bytes);
    return true;
}

static struct cuda_mirror *attach(struct forward *f, struct state *state, struct error *error);

static bool copy(struct state *to, const struct state *from)
{
    struct cuda_mirror *source = (struct cuda_mirror *)from->mirror;
    struct forward *f = source->forward;
    struct cuda_mirror *target = attach(f, to, NULL);
    if (!target)
        return false;
    return cuda_check(cudaMemcpyAsync(target->data, source->data, bytes_of(f),
                                      cudaMemcpyDeviceToDevice, f->stream),
                      "copying a state", &f->failure);
}

static struct cuda_mirror *new_mirror(struct forward *f, struct error *error)
{
    struct cuda_mirror *mirror = f->spare;
    if (mirror) {
        f->spare = mirror->next;
    } else {
        mirror = calloc(1, sizeof *mirror);
        if (!mirror) {
            error_out_of_memory(error);
            return NULL;
        }
        if (cudaMalloc((void **)&mirror->data, bytes_of(f)) != cudaSuccess) {
            (void)cudaGetLastError();
            free(mirror);
            error_set(error, ERROR_SYSTEM,
                      "no room for another state in the GPU's memory: use fewer lanes, or "
                      "--backend cpu");
            return NULL;
        }
    }
    mirror->base = (struct state_mirror){
        .fetch = fetch, .fetch_logits = fetch_logits, .copy = copy, .free = free_mirror};
    mirror->forward = f;
    mirror->before = NULL;
    mirror->next = f->living;
    if (f->living)
        f->living->before = mirror;
    f->living = mirror;
    return mirror;
}

/* The state's mirror, whatever it holds. One of another forward is given up. */
static struct cuda_mirror *attach(struct forward *f, struct state *state, struct error *error)
{
    struct cuda_mirror *mirror = (struct cuda_mirror *)state->mirror;
    if (mirror && mirror->forward == f)
        return mirror;
    if (mirror) {
        if (!state_fetch(state, error))
            return NULL;
        free_mirror(state->mirror);
        state->mirror = NULL;
    }
    mirror = new_mirror(f, error);
    if (!mirror)
        return NULL;
    mirror->state = state;
    state->mirror = &mirror->base;
    state->behind = true;
    return mirror;
}

struct cuda_mirror *cuda_mirror_of(struct forward *f, struct state *state, struct error *error)
{
    if (!state->mirror && !state_fetch(state, error)) /* lost with another device */
        return NULL;
    struct cuda_mirror *mirror = attach(f, state, error);
    size_t bytes = bytes_of(f);
    if (!mirror || !state->behind)
        return mirror;
    bool ok;
    if (state->tokens == 0) {
        ok = cuda_check(cudaMemsetAsync(mirror->data, 0, bytes, f->stream), "clearing a state",
                        error);
    } else {
        /* The staging memory may still be on its way from the state before. */
        ok = cuda_check(cudaEventSynchronize(f->staged[0]), "sending a state", error);
        if (ok) {
            copy_bytes(f, f->staging, state->data, bytes);
            ok = cuda_check(cudaMemcpyAsync(mirror->data, f->staging, bytes, cudaMemcpyHostToDevice,
                                            f->stream),
                            "sending a state", error) &&
                 cuda_check(cudaEventRecord(f->staged[0], f->stream), "sending a state", error);
        }
    }
    state->behind = !ok;
    return ok ? mirror : NULL;
}

void cuda_mirrors_free(struct forward *f)
{
    for (struct cuda_mirror *mirror = f->living, *next; mirror; mirror = next) {
        next = mirror->next;
        if (mirror->state->ahead && fetch(mirror->state, NULL))
            mirror->state->ahead = mirror->state->logits_ahead = false;
        mirror->state->mirror = NULL;
        cudaFree(mirror->data);
        free(mirror);
    }
    for (struct cuda_mirror *mirror = f->spare, *next; mirror; mirror = next) {
        next = mirror->next;
        cudaFree(mirror->data);
        free(mirror);
    }
    f->living = f->spare = NULL;
}

/* --- snapshots ---------------------------------------------------------------------------- */

/* Device and pinned memory of one state. The device's copy is made on the stream that
 * computes, in microseconds; from there it goes to the host on a stream of its own. */
struct forward_snapshot {
    struct forward *forward;
    struct forward_snapshot *next;
    float *device, *host;
    cudaEvent_t copied, arrived;
    int ordinal; /* of the device: another thread waits */
};

static void destroy_snapshot(struct forward_snapshot *s)
{
    cudaFree(s->device);
    cudaFreeHost(s->host);
    if (s->copied)
        cudaEventDestroy(s->copied);
    if (s->arrived)
        cudaEventDestroy(s->arrived);
    free(s);
}

static struct forward_snapshot *new_snapshot(struct forward *f, struct error *error)
{
    struct forward_snapshot *s = calloc(1, sizeof *s);
    if (!s) {
        error_out_of_memory(error);
        return NULL;
    }
    s->forward = f;
    if (cuda_check(cudaGetDevice(&s->ordinal), "keeping a state", error) &&
        cuda_check(cudaMalloc((void **)&s->device, bytes_of(f)), "keeping a state", error) &&
        cuda_check(cudaHostAlloc((void **)&s->host, bytes_of(f), cudaHostAllocDefault),
                   "keeping a state", error) &&
        cuda_check(cudaEventCreateWithFlags(&s->copied, cudaEventDisableTiming), "keeping a state",
                   error) &&
        cuda_check(
            cudaEventCreateWithFlags(&s->arrived, cudaEventDisableTiming | cudaEventBlockingSync),
            "keeping a state", error))
        return s;
    destroy_snapshot(s);
    return NULL;
}

bool cuda_snapshot(struct forward *f, struct state *state, struct forward_snapshot **snapshot,
                   struct error *error)
{
    struct cuda_mirror *mirror = cuda_mirror_of(f, state, error);
    if (!mirror)
        return false;
    struct forward_snapshot *s = f->snapshots;
    if (s)
        f->snapshots = s->next;
    else
        s = new_snapshot(f, error);
    if (!s)
        return false;
    *snapshot = s;
    static const char doing[] = "keeping a state";
    if (cuda_check(cudaMemcpyAsync(s->device, mirror->data, bytes_of(f), cudaMemcpyDeviceToDevice,
                                   f->stream),
                   doing, error) &&
        cuda_check(cudaEventRecord(s->copied, f->stream), doing, error) &&
        cuda_check(cudaStreamWaitEvent(f->copying, s->copied, 0), doing, error) &&
        cuda_check(
            cudaMemcpyAsync(s->host, s->device, bytes_of(f), cudaMemcpyDeviceToHost, f->copying),
            doing, error) &&
        cuda_check(cudaEventRecord(s->arrived, f->copying), doing, error))
        return true;
    cuda_snapshot_free(s);
    return false;
}

bool cuda_snapshot_wait(struct forward_snapshot *s, const float **data, struct error *error)
{
    *data = s->host;
    return cuda_check(cudaSetDevice(s->ordinal), "keeping a state", error) &&
           cuda_check(cudaEventSynchronize(s->arrived), "keeping a state", error);
}

void cuda_snapshot_free(struct forward_snapshot *s)
{
    s->next = s->forward->snapshots;
    s->forward->snapshots = s;
}
