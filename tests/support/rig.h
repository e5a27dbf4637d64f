/* rig.h: a model, threads and kernels ready to run, for tests and tools of the engine.
 *
 *     struct rig rig;
 *     rig_open(&rig, path, kernels_at(i), 2);
 *     struct state *state = rig_state(&rig);
 *     rig_prefill(&rig, state, tokens, count, NULL);
 *     state_free(state);
 *     rig_close(&rig);
 *
 * What fails stops the program with one line. */
#ifndef TIDEMARK_TESTS_SUPPORT_RIG_H
#define TIDEMARK_TESTS_SUPPORT_RIG_H

#include "engine/forward.h"
#include "engine/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sanitizers and unoptimized code are several times slower: fewer rounds there. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RIG_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RIG_SLOW 1
#endif
#endif
#ifndef RIG_SLOW
#define RIG_SLOW 0
#endif

struct rig {
    struct model *model;
    struct pool *pool;
    struct forward *forward;
};

static inline void rig_require(bool ok, const struct error *error)
{
    if (!ok) {
        fprintf(stderr, "%s\n", error->text);
        abort();
    }
}

static inline void *rig_memory(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        perror("rig");
        abort();
    }
    return memory;
}

static inline void rig_open(struct rig *rig, const char *path, const struct kernels *kernels,
                            unsigned threads)
{
    struct error error = {0};
    *rig = (struct rig){0};
    rig_require(model_open(&rig->model, path, &error), &error);
    rig_require((rig->pool = pool_new(threads, &error)) != NULL, &error);
    rig->forward = forward_new(rig->model, kernels, rig->pool, &error);
    rig_require(rig->forward != NULL, &error);
}

static inline void rig_close(struct rig *rig)
{
    forward_free(rig->forward);
    pool_free(rig->pool);
    model_close(rig->model);
    *rig = (struct rig){0};
}

static inline struct state *rig_state(const struct rig *rig)
{
    struct error error = {0};
    struct state *state = state_new(&rig->model->shape, &error);
    rig_require(state != NULL, &error);
    return state;
}

static inline void rig_lanes(struct rig *rig, const struct forward_lane *lanes, size_t count)
{
    struct error error = {0};
    rig_require(forward_prefill(rig->forward, lanes, count, &error), &error);
    for (size_t i = 0; i < count; i++)
        rig_require(state_fetch_logits(lanes[i].state, &error), &error);
}

/* logits: NULL or [count][V]. */
static inline void rig_prefill(struct rig *rig, struct state *state, const int32_t *tokens,
                               size_t count, float *logits)
{
    struct forward_lane lane = {.state = state, .tokens = tokens, .count = count, .logits = logits};
    rig_lanes(rig, &lane, 1);
}

static inline void rig_decode(struct rig *rig, struct state *const *states, const int32_t *tokens,
                              size_t lanes)
{
    struct error error = {0};
    rig_require(forward_decode(rig->forward, states, tokens, lanes, &error), &error);
    for (size_t i = 0; i < lanes; i++)
        rig_require(state_fetch_logits(states[i], &error), &error);
}

/* Whether forward_choose() says what sampler_likeliest() does of the same logits. */
static inline bool rig_chooses(struct rig *rig, struct state *const *states, size_t lanes)
{
    struct error error = {0};
    struct forward_choice *choices = rig_memory(lanes, sizeof *choices);
    rig_require(forward_choose(rig->forward, states, lanes, choices, &error), &error);
    bool same = true;
    for (size_t i = 0; i < lanes; i++) {
        float log_probability;
        rig_require(state_fetch_logits(states[i], &error), &error);
        int32_t token =
            sampler_likeliest(states[i]->logits, rig->model->shape.vocabulary, &log_probability);
        same = same && token == choices[i].token &&
               fabsf(choices[i].log_probability - log_probability) <=
                   4e-6f + 0x1p-23f * fabsf(log_probability);
    }
    free(choices);
    return same;
}

static inline bool rig_same(const struct state *a, const struct state *b)
{
    return a->tokens == b->tokens && a->floats == b->floats &&
           memcmp(a->data, b->data, a->floats * sizeof *a->data) == 0;
}

/* ||a - b|| / ||b||; NaN compares as wrong wherever `<=` is asked. */
static inline double rig_distance(const float *a, const float *b, size_t count)
{
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = (double)a[i] - (double)b[i];
        apart += difference * difference;
        size += (double)b[i] * (double)b[i];
    }
    return size > 0 ? sqrt(apart / size) : apart;
}

#endif
