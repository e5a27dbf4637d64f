/* What is told between the layers of a pass: when, of what, and that it changes nothing. */
#include "engine/forward_backend.h"
#include "tests/support/rig.h"
#include "tests/support/saved_model.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LANES = 3 };

/* Lanes that fill two passes and most of a third, cut anywhere. */
struct text {
    struct rig rig;
    size_t total;
    int32_t *tokens; /* [total] */
    float *bits;     /* [total] */
    struct state *states[LANES];
    struct forward_lane lanes[LANES];
};

static void open_text(struct text *t)
{
    rig_open(&t->rig, saved_model, kernels_best(), 2);
    const size_t pass = forward_pass_tokens(t->rig.forward);
    const size_t counts[LANES] = {pass + 7, 1, pass + pass / 2};
    *t = (struct text){.rig = t->rig, .total = counts[0] + counts[1] + counts[2]};
    t->tokens = rig_memory(t->total, sizeof *t->tokens);
    t->bits = rig_memory(t->total, sizeof *t->bits);
    for (size_t i = 0; i < t->total; i++)
        t->tokens[i] = (int32_t)(i * 7919 % t->rig.model->shape.vocabulary);
    for (size_t i = 0, at = 0; i < LANES; at += counts[i++]) {
        t->states[i] = rig_state(&t->rig);
        t->lanes[i] = (struct forward_lane){.state = t->states[i],
                                            .tokens = t->tokens + at,
                                            .count = counts[i],
                                            .bits = t->bits + at};
    }
}

static void close_text(struct text *t)
{
    for (size_t i = 0; i < LANES; i++)
        state_free(t->states[i]);
    free(t->tokens);
    free(t->bits);
    rig_close(&t->rig);
}

struct heard {
    struct text *text;
    pthread_t thread;
    size_t calls;
    size_t told;         /* tokens, last */
    atomic_size_t items; /* worked by the pool in between */
    size_t cancel_at;    /* call in which the pool is cancelled; 0: never */
    atomic_bool cancel;
};

static void count_item(void *context, size_t item, unsigned worker)
{
    (void)item;
    (void)worker;
    atomic_fetch_add((atomic_size_t *)context, 1);
}

/* Every row's, or that of the last token of each lane that ends in this pass. */
static void assert_wanted_logits(const struct text *t, const struct forward_progress *progress)
{
    const struct model_cost cost = model_cost(t->rig.model);
    const double of_layer = cost.layer_weights / (double)progress->layers;
    size_t wanted = 0, end = 0;
    for (size_t i = 0; i < LANES; i++) {
        end += t->lanes[i].count;
        wanted += end > progress->before && end <= progress->before + progress->tokens;
    }
    const double rows = (double)(t->lanes[0].bits ? progress->tokens : wanted);
    const double logits = rows * cost.output_weights / ((double)progress->tokens * of_layer);
    assert_true(fabs(progress->logits - logits) <= 1e-12 * logits);
}

/* Each call is the next layer, of the next pass after the last one. */
static void hear(void *context, const struct forward_progress *progress)
{
    struct heard *heard = context;
    const struct text *t = heard->text;
    const size_t layers = t->rig.model->shape.layers, pass = forward_pass_tokens(t->rig.forward);
    const size_t before = heard->calls / layers * pass;
    const size_t rest = t->total - before;
    assert_true(pthread_equal(heard->thread, pthread_self()));
    assert_int_equal(progress->before, before);
    assert_int_equal(progress->tokens, rest < pass ? rest : pass);
    assert_int_equal(progress->layers, layers);
    assert_int_equal(progress->layers_done, heard->calls % layers + 1);
    assert_wanted_logits(t, progress);
    const size_t told = forward_progress_tokens(progress);
    const bool over = progress->layers_done == layers && progress->logits == 0;
    assert_true(told > heard->told && told <= before + progress->tokens);
    assert_int_equal(told == before + progress->tokens, over);
    heard->told = told;
    heard->calls++;
    if (heard->calls == heard->cancel_at)
        atomic_store(&heard->cancel, true);
    else
        assert_true(pool_run(t->rig.pool, count_item, &heard->items, 5));
}

static struct heard listen(struct text *t)
{
    return (struct heard){.text = t, .thread = pthread_self()};
}

static void test_layers_in_order(void **state)
{
    struct text quiet, told;
    (void)state;
    open_text(&quiet);
    open_text(&told);
    struct heard heard = listen(&told);
    forward_between_layers(told.rig.forward, hear, &heard);
    rig_lanes(&quiet.rig, quiet.lanes, LANES);
    rig_lanes(&told.rig, told.lanes, LANES);
    assert_int_equal(heard.calls, 3 * told.rig.model->shape.layers);
    assert_in_range(heard.told, 1, told.total - 1);
    assert_int_equal(heard.items, 5 * heard.calls);
    assert_memory_equal(quiet.bits, told.bits, told.total * sizeof *told.bits);
    for (size_t i = 0; i < LANES; i++)
        assert_memory_equal(quiet.states[i]->data, told.states[i]->data,
                            told.states[i]->floats * sizeof *told.states[i]->data);
    close_text(&quiet);
    close_text(&told);
}

static void test_neither_decoding_nor_removed(void **state)
{
    struct text t;
    (void)state;
    open_text(&t);
    rig_lanes(&t.rig, t.lanes, LANES);
    struct heard heard = listen(&t);
    forward_between_layers(t.rig.forward, hear, &heard);
    rig_decode(&t.rig, t.states, t.tokens, LANES);
    assert_int_equal(heard.calls, 0);
    rig_lanes(&t.rig, t.lanes, LANES);
    const size_t calls = heard.calls;
    assert_true(calls > 0);
    forward_between_layers(t.rig.forward, NULL, NULL);
    rig_lanes(&t.rig, t.lanes, LANES);
    assert_int_equal(heard.calls, calls);
    close_text(&t);
}

/* Logits of few rows are a small share. */
static void test_few_logits(void **state)
{
    struct text t;
    (void)state;
    open_text(&t);
    for (size_t i = 0; i < LANES; i++)
        t.lanes[i].bits = NULL;
    struct heard heard = listen(&t);
    forward_between_layers(t.rig.forward, hear, &heard);
    rig_lanes(&t.rig, t.lanes, LANES);
    assert_int_equal(heard.calls, 3 * t.rig.model->shape.layers);
    close_text(&t);
}

/* A layer that was not worked to its end is not told, and nothing after it. */
static void test_cancelled(void **state)
{
    struct text t;
    struct error error = {0};
    (void)state;
    open_text(&t);
    struct heard heard = listen(&t);
    heard.cancel_at = t.rig.model->shape.layers + 2; /* in the second pass */
    pool_set_cancel(t.rig.pool, &heard.cancel);
    forward_between_layers(t.rig.forward, hear, &heard);
    assert_false(forward_prefill(t.rig.forward, t.lanes, LANES, &error));
    assert_int_equal(error.kind, ERROR_INTERRUPTED);
    assert_int_equal(heard.calls, heard.cancel_at);
    heard = listen(&t); /* the next call begins anew */
    for (size_t i = 0; i < LANES; i++)
        state_reset(t.states[i]);
    pool_set_cancel(t.rig.pool, &heard.cancel);
    rig_lanes(&t.rig, t.lanes, LANES);
    assert_int_equal(heard.calls, 3 * t.rig.model->shape.layers);
    close_text(&t);
}

/* A backend that tells nothing: the first member is all that is looked at. */
static void test_backend_without(void **state)
{
    static const struct forward_operations operations = {.backend = "silent"};
    const struct forward_operations *backend = &operations;
    (void)state;
    forward_between_layers((struct forward *)(void *)&backend, hear, NULL);
    assert_string_equal(forward_backend((struct forward *)(void *)&backend), "silent");
}

static void test_share_of_a_pass(void **state)
{
    struct forward_progress at = {.before = 2048, .tokens = 1024, .layers_done = 12, .layers = 64};
    (void)state;
    assert_int_equal(forward_progress_tokens(&at), 2048 + 192);
    at.layers_done = 64;
    assert_int_equal(forward_progress_tokens(&at), 3072);
    at.logits = 64; /* as much again as all layers */
    assert_int_equal(forward_progress_tokens(&at), 2560);
    at.logits = 1e-3;
    assert_int_equal(forward_progress_tokens(&at), 3071);
    at = (struct forward_progress){.tokens = 1, .layers_done = 63, .layers = 64};
    assert_int_equal(forward_progress_tokens(&at), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_in_order), cmocka_unit_test(test_neither_decoding_nor_removed),
        cmocka_unit_test(test_few_logits),      cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_backend_without), cmocka_unit_test(test_share_of_a_pass),
    };
    return cmocka_run_group_tests(tests, saved_model_falcon, saved_model_remove);
}
