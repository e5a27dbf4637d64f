/* forward_cpu.c: work memory, and how lanes become passes. */
#include "engine/cpu/forward_cpu.h"
#include "engine/floats.h"
#include "engine/sampler.h"

#include <stdio.h>
#include <stdlib.h>

/* --- work memory ------------------------------------------------------------- */

static size_t decode_rows(const struct forward *f)
{
    return cpu_smaller(f->most_rows, CPU_DECODE_ROWS);
}

/* What pack_pass() makes of a pass's rows for one product or another. */
static size_t rounded_floats(const struct forward *f, size_t columns, size_t other_columns)
{
    return f->most_rows * kernels_packed_floats(cpu_larger(columns, other_columns));
}

static bool allocate(struct forward *f)
{
    const struct model_shape *shape = &f->model->shape;
    const size_t threads = pool_threads(f->pool), rows = f->most_rows, few = decode_rows(f);
    const size_t tiles = cpu_divide_up(f->vocabulary, CPU_TILE_OUTPUTS);
    const size_t widest = cpu_larger(cpu_larger(f->embedding, f->inner), f->mixer);
    const bool packs = f->kernels->pack, rounds = f->kernels->pack_pass;
    const size_t together = cpu_larger(f->kernels->product_rows, few);
    f->tile_floats = cpu_larger(together * CPU_TILE_STRIDE, CPU_ROW_BLOCK * f->embedding);
    const struct {
        float **at;
        size_t count; /* 0: not needed */
    } wanted[] = {
        {&f->x, rows * f->embedding},
        {&f->u, rows * f->embedding},
        {&f->xc, rows * f->inner},
        {&f->dbc, rows * f->mixer},
        {&f->gate, rows * f->inner},
        {&f->rounded[0], rounds ? rounded_floats(f, shape->embedding, shape->rank) : 0},
        {&f->rounded[1], rounds ? rounded_floats(f, shape->inner, 0) : 0},
        {&f->xz, few * f->wide},
        {&f->delta, few * f->inner},
        {&f->packed, packs ? few * widest : 0},
        {&f->scratch, threads * f->scratch_floats},
        {&f->tile, threads * f->tile_floats},
        {&f->tile_top, tiles * rows},
        {&f->tile_sum, tiles * rows},
    };
    _Static_assert(sizeof wanted / sizeof wanted[0] == CPU_ARRAYS, "each is freed");
    for (size_t i = 0; i < CPU_ARRAYS; i++) {
        if (wanted[i].count && !(f->arrays[i] = floats_new(wanted[i].count)))
            return false;
        *wanted[i].at = f->arrays[i];
    }
    return true;
}

static void free_forward(struct forward *f)
{
    for (size_t i = 0; i < CPU_ARRAYS; i++)
        free(f->arrays[i]);
    free(f);
}

static const struct forward_operations operations;

struct forward *forward_cpu_new(const struct model *model, const struct kernels *kernels,
                                struct pool *pool, struct error *error)
{
    const struct model_shape *shape = &model->shape;
    struct forward *f = calloc(1, sizeof *f);
    if (!f) {
        error_out_of_memory(error);
        return NULL;
    }
    f->own = operations;
    f->own.pass_tokens = kernels->pass_rows;
    f->operations = &f->own;
    f->model = model;
    f->kernels = kernels;
    f->pool = pool;
    f->most_rows = kernels->pass_rows;
    f->embedding = cpu_padded(shape->embedding);
    f->inner = cpu_padded(shape->inner);
    f->wide = cpu_padded(2 * shape->inner);
    f->mixer = cpu_padded(shape->rank + 2 * shape->states);
    f->vocabulary = shape->vocabulary;
    const struct model_cost cost = model_cost(model);
    f->output_layers = cost.output_weights * (double)shape->layers / cost.layer_weights;
    size_t columns = cpu_larger(cpu_larger(shape->inner, shape->embedding), shape->rank);
    f->scratch_floats = cpu_padded(kernels_scratch_floats(columns));
    if (!allocate(f)) {
        free_forward(f);
        error_out_of_memory(error);
        return NULL;
    }
    return f;
}

static void tag_forward(const struct forward *f, char tag[FORWARD_TAG_SIZE])
{
    snprintf(tag, FORWARD_TAG_SIZE, "cpu/%s.%u/%d", f->kernels->name, f->kernels->revision,
             FORWARD_REVISION);
}

static void watch_forward(struct forward *f, forward_watcher *watcher, void *context)
{
    f->watcher = watcher;
    f->watcher_context = context;
}

static void tell_between_layers(struct forward *f, forward_between *between, void *context)
{
    f->between = between;
    f->between_context = context;
}

/* --- passes -------------------------------------------------------------------------------- */

static void tell_progress(struct forward *f)
{
    if (f->decoding || !f->between)
        return;
    f->progress.tokens = f->rows;
    f->progress.layers_done = f->layer_index + 1;
    f->progress.layers = f->model->shape.layers;
    f->progress.logits = f->output_layers * (double)f->logit_count / (double)f->rows;
    f->between(f->between_context, &f->progress);
}

static bool run_pass(struct forward *f, struct error *error)
{
    bool done = cpu_embed(f);
    for (size_t i = 0; done && i < f->model->shape.layers; i++) {
        f->layer = &f->model->layers[i];
        f->layer_index = i;
        done = f->decoding ? cpu_decode_layer(f) : cpu_prefill_layer(f);
        if (done)
            tell_progress(f);
    }
    if (!done || !cpu_logits(f))
        return error_set(error, ERROR_INTERRUPTED, "interrupted");
    return true;
}

static void begin_pass(struct forward *f, bool decoding)
{
    f->decoding = decoding;
    f->rows = f->segment_count = f->logit_count = 0;
}

static void want_logits(struct forward *f, const struct forward_lane *lane, size_t at, size_t row)
{
    bool last = at + 1 == lane->count;
    struct cpu_logit_row want = {.row = row, .target = -1};
    if (lane->bits && !last) {
        want.target = lane->tokens[at + 1];
        want.bits = &lane->bits[at + 1];
    }
    if (last)
        want.copies[0] = lane->state->logits;
    if (lane->logits)
        want.copies[1] = lane->logits + at * f->vocabulary;
    if (want.target >= 0 || want.copies[0] || want.copies[1])
        f->logit_rows[f->logit_count++] = want;
}

/* Adds as many of the lane's tokens from `begin` on as fit; returns their number. */
static size_t add_segment(struct forward *f, const struct forward_lane *lane, size_t begin)
{
    size_t count = lane->count - begin;
    if (count > f->most_rows - f->rows)
        count = f->most_rows - f->rows;
    f->segments[f->segment_count++] = (struct cpu_segment){lane->state, f->rows, count};
    for (size_t i = 0; i < count; i++) {
        f->tokens[f->rows] = &lane->tokens[begin + i];
        want_logits(f, lane, begin + i, f->rows);
        f->rows++;
    }
    return count;
}

static bool check_tokens(const struct forward *f, const int32_t *tokens, size_t count,
                         struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= f->vocabulary)
            return error_set(error, ERROR_MODEL, "token %d is not in the model's vocabulary of %zu",
                             tokens[i], f->vocabulary);
    return true;
}

static bool prefill(struct forward *f, const struct forward_lane *lanes, size_t count,
                    struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (!check_tokens(f, lanes[i].tokens, lanes[i].count, error))
            return false;
        cpu_first_bits(f, &lanes[i]);
    }
    begin_pass(f, false);
    f->progress.before = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < lanes[i].count;) {
            at += add_segment(f, &lanes[i], at);
            if (f->rows < f->most_rows)
                continue;
            if (!run_pass(f, error))
                return false;
            f->progress.before += f->rows;
            begin_pass(f, false);
        }
    if (f->rows && !run_pass(f, error))
        return false;
    for (size_t i = 0; i < count; i++)
        lanes[i].state->tokens += lanes[i].count;
    return true;
}

static bool decode(struct forward *f, struct state *const *states, const int32_t *tokens,
                   size_t lanes, struct error *error)
{
    if (!check_tokens(f, tokens, lanes, error))
        return false;
    for (size_t begin = 0; begin < lanes; begin += decode_rows(f)) {
        begin_pass(f, true);
        for (size_t i = begin; i < lanes && f->rows < decode_rows(f); i++) {
            struct forward_lane lane = {.state = states[i], .tokens = &tokens[i], .count = 1};
            add_segment(f, &lane, 0);
        }
        if (!run_pass(f, error))
            return false;
    }
    for (size_t i = 0; i < lanes; i++)
        states[i]->tokens++;
    return true;
}

struct choosing {
    const struct forward *forward;
    struct state *const *states;
    struct forward_choice *choices;
};

static void choose_item(void *context, size_t lane, unsigned worker)
{
    const struct choosing *c = context;
    struct forward_choice *choice = &c->choices[lane];
    (void)worker;
    choice->token = sampler_likeliest(c->states[lane]->logits, c->forward->vocabulary,
                                      &choice->log_probability);
}

static bool choose(struct forward *f, struct state *const *states, size_t lanes,
                   struct forward_choice *choices, struct error *error)
{
    struct choosing choosing = {f, states, choices};
    for (size_t i = 0; i < lanes; i++)
        if (!state_fetch_logits(states[i], error))
            return false;
    return pool_run(f->pool, choose_item, &choosing, lanes) ||
           error_set(error, ERROR_INTERRUPTED, "interrupted");
}

static const struct forward_operations operations = {
    .backend = "cpu",
    .prefill = prefill,
    .decode = decode,
    .choose = choose,
    .tag = tag_forward,
    .free = free_forward,
    .watch = watch_forward,
    .between_layers = tell_between_layers,
};
