/* The forward pass on the processor's own cores. */
#include "engine/floats.h"
#include "engine/forward_backend.h"
#include "engine/sampler.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_ROWS = KERNELS_PASS_ROWS,
    ROW_BLOCK = KERNELS_PACK_ROWS, /* rows of one work item where rows are independent */
    CHANNEL_BLOCK = 128,           /* channels of one work item over time, or more so that */
    SCAN_ITEM = 384,               /* so many channels of a token are worth handing out */
    CONV_ITEM = 4096,
    CONV_BLOCK = 512,   /* rows that are read in longer stretches than the scan's */
    LARGE_SHARE = 2048, /* channels of a thread */
    PACK_ITEM = 16384,  /* numbers to round that are worth handing out */
    MOST_OUTPUTS = 256, /* outputs of one work item, and what they are a multiple of: */
    PANEL_OUTPUTS = 32, /* full panels in prefill; in decode */
    LINE_OUTPUTS = 16,  /* a cache line, so that no two threads write one */
    LOGIT_OUTPUTS = 256,
};

/* A stretch of consecutive tokens of one lane within a pass. */
struct segment {
    struct state *state;
    size_t row, count; /* first row, rows */
};

/* What is wanted of a row's logits. */
struct logit_row {
    size_t row;       /* in the pass */
    int32_t target;   /* token whose surprise is wanted, or -1 */
    float *bits;      /* where it goes */
    float *copies[2]; /* full logits go here; NULL: nowhere */
};

struct forward {
    const struct forward_operations *operations; /* first: forward.c looks here */
    struct forward_operations own;               /* with the kernels' passes */
    const struct model *model;
    const struct kernels *kernels;
    struct pool *pool;

    /* Strides are padded by a cache line, so that rows do not fall into the same
     * cache sets. */
    size_t wide, inner, mixer, vocabulary; /* 2D, D (and E), R + 2S */

    float *x;       /* [rows][inner]: the residual stream, E used */
    float *u;       /* [rows][inner]: normalized, E used */
    float *xz;      /* [rows][wide]: x and gate */
    float *xc;      /* [rows][inner]: after the convolution, then the scan's y */
    float *dbc;     /* [rows][mixer]: dt, B, C */
    float *delta;   /* [rows][inner] */
    float *packed;  /* [rows][inner]: activations as the kernels round them, or NULL */
    float *scratch; /* [threads][scratch_floats] */
    size_t scratch_floats;

    forward_watcher *watcher; /* NULL: none */
    void *watcher_context;
    size_t most_rows; /* of a pass: kernels->pass_rows */

    /* The pass in progress. */
    size_t rows;
    bool decoding;
    const int32_t *tokens[MAX_ROWS];
    struct segment segments[MAX_ROWS];
    size_t segment_count;
    const struct model_layer *layer;
    size_t layer_index;
    size_t channel_block;           /* of the step over time in progress */
    const struct matrix *packs_for; /* the product that a step rounds its rows for, or NULL */

    struct logit_row logit_rows[MAX_ROWS];
    size_t logit_count;
    float *tile;     /* [threads][most_rows][LOGIT_OUTPUTS] */
    float *tile_top; /* [tiles][most_rows] */
    float *tile_sum; /* [tiles][most_rows] */
    float target_logit[MAX_ROWS];

    /* The product in progress. */
    const struct matrix *matrix;
    float *out;
    const float *in;
    size_t out_stride, in_stride, in_rows, outputs_per_item;
    size_t pack_columns; /* of one work item when rows are rounded */
    bool add;
};

static size_t padded(size_t floats)
{
    return (floats + 15) / 16 * 16 + 16;
}

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* --- work memory ------------------------------------------------------------- */

static bool allocate(struct forward *f)
{
    size_t threads = pool_threads(f->pool), rows = f->most_rows;
    size_t tiles = divide_up(f->vocabulary, LOGIT_OUTPUTS);
    f->x = floats_new(rows * f->inner);
    f->u = floats_new(rows * f->inner);
    f->xz = floats_new(rows * f->wide);
    f->xc = floats_new(rows * f->inner);
    f->dbc = floats_new(rows * f->mixer);
    f->delta = floats_new(rows * f->inner);
    if (f->kernels->pack)
        f->packed = floats_new(rows * f->inner);
    f->scratch = floats_new(threads * f->scratch_floats);
    f->tile = floats_new(threads * rows * LOGIT_OUTPUTS);
    f->tile_top = floats_new(tiles * rows);
    f->tile_sum = floats_new(tiles * rows);
    return f->x && f->u && f->xz && f->xc && f->dbc && f->delta &&
           (f->packed || !f->kernels->pack) && f->scratch && f->tile && f->tile_top && f->tile_sum;
}

static void free_forward(struct forward *f);
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
    f->wide = padded(2 * shape->inner);
    f->inner = padded(larger(shape->inner, shape->embedding));
    f->mixer = padded(shape->rank + 2 * shape->states);
    f->vocabulary = shape->vocabulary;
    size_t columns = larger(larger(shape->inner, shape->embedding), shape->rank);
    f->scratch_floats = padded(kernels_scratch_floats(columns));
    if (!allocate(f)) {
        free_forward(f);
        error_out_of_memory(error);
        return NULL;
    }
    return f;
}

static void free_forward(struct forward *f)
{
    float *all[] = {f->x,      f->u,       f->xz,   f->xc,       f->dbc,     f->delta,
                    f->packed, f->scratch, f->tile, f->tile_top, f->tile_sum};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    free(f);
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

static void tell_watcher(const struct forward *f, const struct matrix *matrix, const float *in,
                         size_t stride, size_t rows)
{
    if (f->watcher)
        f->watcher(f->watcher_context, matrix, in, stride, rows);
}

/* --- products ------------------------------------------------------------------ */

/* Item number = rows x piece of the columns. */
static void pack_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const size_t columns = f->matrix->columns, pieces = divide_up(columns, f->pack_columns);
    const size_t first = item / pieces * KERNELS_PACK_ROWS, count = f->in_rows - first;
    const size_t begin = item % pieces * f->pack_columns;
    (void)worker;
    f->kernels->pack(f->packed, f->matrix, f->decoding, f->in, f->in_stride, first,
                     count < KERNELS_PACK_ROWS ? count : KERNELS_PACK_ROWS, begin,
                     columns - begin < f->pack_columns ? columns : begin + f->pack_columns);
}

/* A few rows' columns are shared among the threads where that is worth waking them. */
static size_t pack_columns(const struct forward *f, size_t columns, size_t rows)
{
    const size_t threads = pool_threads(f->pool), items = larger(rows * columns / PACK_ITEM, 1);
    const size_t pieces = rows > KERNELS_PACK_ROWS ? 1 : items < threads ? items : threads;
    return divide_up(divide_up(columns, pieces), KERNELS_PACK_COLUMNS) * KERNELS_PACK_COLUMNS;
}

static bool takes_packed(const struct forward *f, const struct matrix *matrix)
{
    return f->kernels->pack && f->kernels->packs(matrix, f->decoding);
}

/* Sets the product's input: `rows` rows of `in`, rounded once where the level does that,
 * unless the step before did it. */
static bool prepare_input(struct forward *f, const struct matrix *matrix, const float *in,
                          size_t in_stride, size_t rows)
{
    const bool packed = f->packs_for == matrix;
    f->packs_for = NULL;
    f->matrix = matrix;
    f->in = packed ? f->packed : in;
    f->in_stride = in_stride;
    f->in_rows = rows;
    if (packed || !takes_packed(f, matrix))
        return true;
    f->pack_columns = pack_columns(f, matrix->columns, rows);
    if (!pool_run(f->pool, pack_item, f,
                  divide_up(rows, KERNELS_PACK_ROWS) * divide_up(matrix->columns, f->pack_columns)))
        return false;
    f->in = f->packed;
    return true;
}

static void multiply(const struct forward *f, float *out, size_t out_stride,
                     const struct matrix *matrix, size_t first, size_t count, bool add,
                     unsigned worker)
{
    float *scratch = f->scratch + worker * f->scratch_floats;
    if (f->decoding)
        f->kernels->decode_matmul(out, out_stride, matrix, first, count, f->in, f->in_stride,
                                  f->in_rows, add, scratch);
    else
        f->kernels->prefill_matmul(out, out_stride, matrix, first, count, f->in, f->in_stride,
                                   f->in_rows, add, scratch);
}

static void product_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    size_t first = item * f->outputs_per_item, count = f->matrix->outputs - first;
    if (count > f->outputs_per_item)
        count = f->outputs_per_item;
    multiply(f, f->out, f->out_stride, f->matrix, first, count, f->add, worker);
}

/* Many outputs share what they read of the activations; every thread gets as many of
 * them, in a few items each, so that one that is held up leaves its share to the others. Where
 * that would not be a full panel each, equal shares count for more. */
static size_t item_outputs(const struct forward *f, size_t outputs)
{
    const size_t threads = pool_threads(f->pool), each = divide_up(outputs, threads);
    if (!f->decoding && each < MOST_OUTPUTS)
        return divide_up(each, LINE_OUTPUTS) * LINE_OUTPUTS;
    const size_t items = larger(divide_up(each, MOST_OUTPUTS), f->decoding ? 4 : 2);
    const size_t unit = f->decoding ? LINE_OUTPUTS : PANEL_OUTPUTS;
    return divide_up(divide_up(each, items), unit) * unit;
}

static bool product(struct forward *f, float *out, size_t out_stride, const struct matrix *matrix,
                    const float *in, size_t in_stride, bool add)
{
    tell_watcher(f, matrix, in, in_stride, f->rows);
    f->out = out;
    f->out_stride = out_stride;
    f->add = add;
    f->outputs_per_item = item_outputs(f, matrix->outputs);
    return prepare_input(f, matrix, in, in_stride, f->rows) &&
           pool_run(f->pool, product_item, f, divide_up(matrix->outputs, f->outputs_per_item));
}

/* --- steps over rows --------------------------------------------------------------- */

static size_t last_row(const struct forward *f, size_t item)
{
    size_t end = (item + 1) * ROW_BLOCK;
    return end < f->rows ? end : f->rows;
}

static bool over_rows(struct forward *f, pool_work *work)
{
    return pool_run(f->pool, work, f, divide_up(f->rows, ROW_BLOCK));
}

static void embed_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    (void)worker;
    for (size_t r = item * ROW_BLOCK; r < last_row(f, item); r++)
        f->kernels->row(f->x + r * f->inner, &f->model->embedding, (size_t)*f->tokens[r]);
}

static void norm_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    (void)worker;
    for (size_t r = item * ROW_BLOCK; r < last_row(f, item); r++)
        f->kernels->rms_norm(f->u + r * f->inner, f->x + r * f->inner, f->layer->norm,
                             f->model->shape.epsilon, f->model->shape.embedding);
    if (f->packs_for)
        f->kernels->pack(f->packed, f->packs_for, false, f->u, f->inner, item * ROW_BLOCK,
                         last_row(f, item) - item * ROW_BLOCK, 0, f->packs_for->columns);
}

/* In prefill rows are rounded with their norm, while they are in a cache. */
static bool norm_rows(struct forward *f)
{
    const struct matrix *next = &f->layer->in;
    f->packs_for = !f->decoding && takes_packed(f, next) ? next : NULL;
    return over_rows(f, norm_item);
}

static void mixer_norm_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct model_shape *shape = &f->model->shape;
    (void)worker;
    for (size_t r = item * ROW_BLOCK; r < last_row(f, item); r++) {
        float *dt = f->dbc + r * f->mixer, *b = dt + shape->rank, *c = b + shape->states;
        f->kernels->rms_norm(dt, dt, NULL, shape->mixer_epsilon, shape->rank);
        f->kernels->rms_norm(b, b, NULL, shape->mixer_epsilon, shape->states);
        f->kernels->rms_norm(c, c, NULL, shape->mixer_epsilon, shape->states);
    }
}

/* --- steps over time ------------------------------------------------------------------ */

struct stretch {
    const struct segment *segment;
    size_t channel, channels;
};

/* Item number = segment x channel block. */
static struct stretch stretch_of(const struct forward *f, size_t item)
{
    size_t blocks = divide_up(f->model->shape.inner, f->channel_block);
    size_t channel = item % blocks * f->channel_block;
    size_t left = f->model->shape.inner - channel;
    return (struct stretch){&f->segments[item / blocks], channel,
                            left < f->channel_block ? left : f->channel_block};
}

/* A single token's row, all of which a step over time has just made, is rounded for the product
 * that comes next while it is at hand. */
static void pack_behind(const struct forward *f, const struct stretch *s)
{
    if (!f->packs_for)
        return;
    const size_t row = s->segment->row, first = row / KERNELS_PACK_ROWS * KERNELS_PACK_ROWS;
    const size_t count = f->rows - first;
    f->kernels->pack_row(f->packed, f->packs_for, f->xc, f->inner, first,
                         count < KERNELS_PACK_ROWS ? count : KERNELS_PACK_ROWS, row - first);
}

static void conv_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    struct stretch s = stretch_of(f, item);
    const struct model_shape *shape = &f->model->shape;
    (void)worker;
    struct conv conv = {
        .y = f->xc + s.segment->row * f->inner + s.channel,
        .tail = state_tail(s.segment->state, shape, f->layer_index) + s.channel,
        .x = f->xz + s.segment->row * f->wide + s.channel,
        .weight = f->layer->conv_weight + s.channel,
        .bias = f->layer->conv_bias + s.channel,
        .y_stride = f->inner,
        .tail_stride = shape->inner,
        .x_stride = f->wide,
        .tokens = s.segment->count,
        .channels = s.channels,
        .width = shape->taps,
    };
    f->kernels->conv_silu(&conv);
    pack_behind(f, &s);
}

static void scan_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    struct stretch s = stretch_of(f, item);
    const struct model_shape *shape = &f->model->shape;
    const size_t row = s.segment->row, d = s.channel;
    const float *b = f->dbc + row * f->mixer + shape->rank;
    (void)worker;
    struct scan scan = {
        .y = f->xc + row * f->inner + d,
        .h = state_h(s.segment->state, shape, f->layer_index) + d,
        .delta = f->delta + row * f->inner + d,
        .bias = f->layer->dt_bias + d,
        .a = f->layer->a + d,
        .b = b,
        .c = b + shape->states,
        .x = f->xc + row * f->inner + d,
        .skip = f->layer->skip + d,
        .gate = f->xz + row * f->wide + shape->inner + d,
        .y_stride = f->inner,
        .h_stride = shape->inner,
        .delta_stride = f->inner,
        .bc_stride = f->mixer,
        .x_stride = f->inner,
        .gate_stride = f->wide,
        .tokens = s.segment->count,
        .channels = s.channels,
        .states = shape->states,
    };
    f->kernels->scan(&scan);
    pack_behind(f, &s);
}

/* An item is at least `least` channels of a token; of many tokens `block` channels, or fewer so
 * that each thread has two items. Single tokens' items are equal shares, one for each thread,
 * or two where they are large: of a state's rows, which lie far apart, long stretches are read
 * faster than short ones. next: the product that follows. */
static bool over_time(struct forward *f, pool_work *work, size_t least, size_t block,
                      const struct matrix *next)
{
    const size_t tokens = f->rows / f->segment_count, inner = f->model->shape.inner;
    size_t share = divide_up(f->segment_count * inner, pool_threads(f->pool));
    block = share / 2 < block ? larger(share / 32 * 16, CHANNEL_BLOCK) : block;
    f->channel_block = larger(block, padded(least / tokens));
    if (tokens == 1) {
        share = larger(f->channel_block, share < LARGE_SHARE ? share : share / 2);
        f->channel_block = divide_up(divide_up(inner, divide_up(inner, share)), 16) * 16;
    }
    size_t blocks = divide_up(inner, f->channel_block);
    f->packs_for = f->decoding && blocks == 1 && takes_packed(f, next) ? next : NULL;
    return pool_run(f->pool, work, f, f->segment_count * blocks);
}

/* --- layers --------------------------------------------------------------------------- */

static bool run_layer(struct forward *f, size_t index)
{
    const struct model_layer *layer = &f->model->layers[index];
    f->layer = layer;
    f->layer_index = index;
    return norm_rows(f) && product(f, f->xz, f->wide, &layer->in, f->u, f->inner, false) &&
           over_time(f, conv_item, CONV_ITEM, CONV_BLOCK, &layer->x) &&
           product(f, f->dbc, f->mixer, &layer->x, f->xc, f->inner, false) &&
           (!f->model->shape.mixer_norm || over_rows(f, mixer_norm_item)) &&
           product(f, f->delta, f->inner, &layer->dt, f->dbc, f->mixer, false) &&
           over_time(f, scan_item, SCAN_ITEM, CHANNEL_BLOCK, &layer->out) &&
           product(f, f->x, f->inner, &layer->out, f->xc, f->inner, true);
}

/* --- logits ------------------------------------------------------------------------------ */

static void logit_norm_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    size_t end = (item + 1) * ROW_BLOCK;
    (void)worker;
    for (size_t i = item * ROW_BLOCK; i < end && i < f->logit_count; i++)
        f->kernels->rms_norm(f->u + i * f->inner, f->x + f->logit_rows[i].row * f->inner,
                             f->model->output_norm, f->model->shape.epsilon,
                             f->model->shape.embedding);
}

/* One stretch of the vocabulary for all wanted rows: the logits exist only here,
 * a tile at a time, so that their memory does not grow with rows x vocabulary. */
static void logit_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    size_t first = item * LOGIT_OUTPUTS, count = f->vocabulary - first;
    if (count > LOGIT_OUTPUTS)
        count = LOGIT_OUTPUTS;
    float *tile = f->tile + worker * f->most_rows * LOGIT_OUTPUTS;
    struct matrix part = f->model->output;
    part.data += first * part.row_bytes;
    part.outputs = count;
    multiply(f, tile, LOGIT_OUTPUTS, &part, 0, count, false, worker);
    for (size_t i = 0; i < f->logit_count; i++) {
        const struct logit_row *row = &f->logit_rows[i];
        const float *logits = tile + i * LOGIT_OUTPUTS;
        for (size_t c = 0; c < 2; c++)
            if (row->copies[c])
                memcpy(row->copies[c] + first, logits, count * sizeof *logits);
        if (row->target < 0)
            continue;
        size_t at = item * f->most_rows + i;
        f->tile_sum[at] = f->kernels->sum_exp(&f->tile_top[at], logits, count);
        if ((size_t)row->target >= first && (size_t)row->target < first + count)
            f->target_logit[i] = logits[(size_t)row->target - first];
    }
}

/* -log2 of the probability behind a logit, from parts of the softmax's sum. */
static float surprise(float logit, const float *tops, const float *sums, size_t parts,
                      size_t stride)
{
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < parts; i++)
        if ((double)tops[i * stride] > top)
            top = (double)tops[i * stride];
    for (size_t i = 0; i < parts; i++)
        sum += (double)sums[i * stride] * exp((double)tops[i * stride] - top);
    return (float)((top + log(sum) - (double)logit) / M_LN2);
}

static void surprise_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    size_t end = (item + 1) * ROW_BLOCK;
    (void)worker;
    for (size_t i = item * ROW_BLOCK; i < end && i < f->logit_count; i++)
        if (f->logit_rows[i].target >= 0)
            *f->logit_rows[i].bits =
                surprise(f->target_logit[i], f->tile_top + i, f->tile_sum + i,
                         divide_up(f->vocabulary, LOGIT_OUTPUTS), f->most_rows);
}

static bool run_logits(struct forward *f)
{
    if (f->logit_count == 0)
        return true;
    if (!pool_run(f->pool, logit_norm_item, f, divide_up(f->logit_count, ROW_BLOCK)))
        return false;
    tell_watcher(f, &f->model->output, f->u, f->inner, f->logit_count);
    return prepare_input(f, &f->model->output, f->u, f->inner, f->logit_count) &&
           pool_run(f->pool, logit_item, f, divide_up(f->vocabulary, LOGIT_OUTPUTS)) &&
           pool_run(f->pool, surprise_item, f, divide_up(f->logit_count, ROW_BLOCK));
}

/* --- passes -------------------------------------------------------------------------------- */

static bool run_pass(struct forward *f, struct error *error)
{
    bool done = over_rows(f, embed_item);
    for (size_t i = 0; done && i < f->model->shape.layers; i++)
        done = run_layer(f, i);
    if (!done || !run_logits(f))
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
    struct logit_row want = {.row = row, .target = -1};
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
    f->segments[f->segment_count++] = (struct segment){lane->state, f->rows, count};
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

/* Summed in the same parts as in a pass, so that it does not matter where a call begins. */
static void first_bits(struct forward *f, const struct forward_lane *lane)
{
    if (!lane->bits || lane->count == 0)
        return;
    lane->bits[0] = 0;
    if (lane->state->tokens == 0)
        return;
    const float *logits = lane->state->logits;
    size_t tiles = divide_up(f->vocabulary, LOGIT_OUTPUTS);
    for (size_t i = 0; i < tiles; i++) {
        size_t first = i * LOGIT_OUTPUTS, count = f->vocabulary - first;
        f->tile_sum[i * f->most_rows] =
            f->kernels->sum_exp(&f->tile_top[i * f->most_rows], logits + first,
                                count < LOGIT_OUTPUTS ? count : LOGIT_OUTPUTS);
    }
    lane->bits[0] =
        surprise(logits[lane->tokens[0]], f->tile_top, f->tile_sum, tiles, f->most_rows);
}

static bool prefill(struct forward *f, const struct forward_lane *lanes, size_t count,
                    struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (!check_tokens(f, lanes[i].tokens, lanes[i].count, error))
            return false;
        first_bits(f, &lanes[i]);
    }
    begin_pass(f, false);
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < lanes[i].count;) {
            at += add_segment(f, &lanes[i], at);
            if (f->rows < f->most_rows)
                continue;
            if (!run_pass(f, error))
                return false;
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
    for (size_t begin = 0; begin < lanes; begin += f->most_rows) {
        begin_pass(f, true);
        for (size_t i = begin; i < lanes && f->rows < f->most_rows; i++) {
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
};
