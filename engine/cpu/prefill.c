/* prefill.c: a layer for many tokens, in six runs of the pool:
 *
 *     norm                        16 rows an item      u, rounded
 *     ssm_in, convolution         256 outputs          xc, rounded; the gate
 *     ssm_x                       block, 256 outputs   dt, B, C
 *     norms of dt, B, C           16 rows              dt, rounded
 *     ssm_dt, scan                128 channels         y, rounded
 *     ssm_out                     block, 256 outputs   added to x
 *
 * The convolution's input, delta, and y where only its rounded form is wanted stay in an item's
 * own memory, which the second-level cache holds: as arrays of the whole pass each of them
 * would go to memory and come back. So that it does, items take the pass's rows in blocks, as many
 * as the kernels multiply with weights that they have decoded; of products by themselves an item
 * is of one block. */
#include "engine/cpu/forward_cpu.h"

enum {
    CONV_ROWS = 8 * CPU_ROW_BLOCK, /* that are convolved, then rounded */
    SCAN_CHANNELS = 128,           /* of an item, at most */
    UNIT = KERNELS_PACK_UNIT,      /* what an item's channels are a multiple of */
};

/* The rows of an item that are multiplied at a time, from `row` on. */
static struct cpu_block rows_from(const struct forward *f, size_t row, size_t first, size_t count)
{
    return (struct cpu_block){first, count, row, cpu_smaller(f->rows - row, cpu_block_rows(f))};
}

/* What one lane has of rows [row, end). Rows are asked for in their order. */
static void take_stretch(const struct forward *f, struct cpu_stretch *s, size_t row, size_t end)
{
    const struct cpu_segment *last = &f->segments[f->segment_count - 1];
    while (s->segment->row + s->segment->count <= row)
        s->segment++;
    s->token = row - s->segment->row;
    s->count = cpu_smaller(s->segment->count - s->token, end - row);
    s->next = s->segment < last && s->token + s->count == s->segment->count ? s->segment + 1 : NULL;
}

/* --- ssm_in and the convolution ------------------------------------------------------- */

/* x: the block, in a tile. */
static void convolve(const struct forward *f, const float *x, const struct cpu_block *block)
{
    struct cpu_stretch s = {
        .segment = f->segments, .channel = block->first, .channels = block->count};
    const size_t end = block->row + block->rows;
    for (size_t row = block->row; row < end; row += s.count) {
        const size_t first = row - (row - block->row) % CONV_ROWS;
        const size_t last = cpu_smaller(end, first + CONV_ROWS);
        take_stretch(f, &s, row, last);
        cpu_convolve(f, &s, x + (row - block->row) * CPU_TILE_STRIDE, CPU_TILE_STRIDE);
        if (row + s.count == last)
            cpu_round(f, &f->layer->x, f->rounded[1], f->xc + first * f->inner + block->first,
                      f->inner, first, last - first, block->first, block->first + block->count);
    }
}

/* Item number: first those of x, then as many of the gate. */
static void in_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct matrix *in = &f->layer->in;
    const size_t inner = f->model->shape.inner, items = cpu_divide_up(inner, f->outputs_per_item);
    const size_t first = item % items * f->outputs_per_item;
    const size_t count = cpu_smaller(inner - first, f->outputs_per_item);
    if (item >= items) {
        const struct cpu_block gate = {inner + first, count, 0, f->rows};
        cpu_multiply(f, f->gate + first, f->inner, in, &gate, false, worker);
        return;
    }
    float *x = cpu_tile(f, worker);
    for (size_t row = 0; row < f->rows;) {
        const struct cpu_block block = rows_from(f, row, first, count);
        cpu_multiply(f, x, CPU_TILE_STRIDE, in, &block, false, worker);
        convolve(f, x, &block);
        row += block.rows;
    }
}

static bool in_and_convolution(struct forward *f)
{
    const size_t inner = f->model->shape.inner, outputs = cpu_item_outputs(f, 2 * inner);
    f->outputs_per_item = cpu_next_multiple(outputs, UNIT);
    return pool_run(f->pool, in_item, f, 2 * cpu_divide_up(inner, f->outputs_per_item)) &&
           cpu_take(f, &f->layer->x, f->xc, f->inner, f->rows, f->rounded[1]);
}

/* --- ssm_dt and the scan ------------------------------------------------------------------ */

/* y takes the place of delta, and goes to xc where somebody wants it. */
static void scan(const struct forward *f, float *delta, const struct cpu_block *block)
{
    struct cpu_stretch s = {
        .segment = f->segments, .channel = block->first, .channels = block->count};
    const bool kept = cpu_keeps(f, &f->layer->out);
    float *y = kept ? f->xc + block->row * f->inner + block->first : delta;
    const size_t y_stride = kept ? f->inner : CPU_TILE_STRIDE;
    for (size_t r = 0; r < block->rows; r += s.count) {
        take_stretch(f, &s, block->row + r, block->row + block->rows);
        const struct cpu_scan_rows rows = {
            .y = y + r * y_stride,
            .delta = delta + r * CPU_TILE_STRIDE,
            .gate = f->gate + (block->row + r) * f->inner + block->first,
            .y_stride = y_stride,
            .delta_stride = CPU_TILE_STRIDE,
            .gate_stride = f->inner,
        };
        cpu_scan(f, &s, &rows);
    }
    cpu_round(f, &f->layer->out, f->rounded[1], y, y_stride, block->row, block->rows, block->first,
              block->first + block->count);
}

static void scan_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const size_t inner = f->model->shape.inner, first = item * f->channel_block;
    const size_t channels = cpu_smaller(inner - first, f->channel_block);
    float *delta = cpu_tile(f, worker);
    for (size_t row = 0; row < f->rows;) {
        const struct cpu_block block = rows_from(f, row, first, channels);
        cpu_multiply(f, delta, CPU_TILE_STRIDE, &f->layer->dt, &block, false, worker);
        scan(f, delta, &block);
        row += block.rows;
    }
}

/* Each thread has two items at least, if there are channels enough. */
static bool dt_and_scan(struct forward *f)
{
    const size_t inner = f->model->shape.inner;
    const size_t share = cpu_divide_up(inner, 2 * pool_threads(f->pool));
    f->channel_block = cpu_smaller(cpu_next_multiple(share, UNIT), SCAN_CHANNELS);
    return cpu_take(f, &f->layer->dt, f->dbc, f->mixer, f->rows, f->rounded[0]) &&
           pool_run(f->pool, scan_item, f, cpu_divide_up(inner, f->channel_block)) &&
           cpu_take(f, &f->layer->out, f->xc, f->inner, f->rows, f->rounded[1]);
}

/* --- the layer ------------------------------------------------------------------------------ */

bool cpu_prefill_layer(struct forward *f)
{
    const struct model_layer *layer = f->layer;
    return cpu_norm(f, layer->norm, &layer->in, NULL, f->rows) && in_and_convolution(f) &&
           cpu_product(f, f->dbc, f->mixer, &layer->x, false) && cpu_mixer_norms(f) &&
           dt_and_scan(f) && cpu_product(f, f->x, f->embedding, &layer->out, true);
}
