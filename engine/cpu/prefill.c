/* prefill.c: a layer for many tokens, in six runs of the pool:
 *
 *     norm                        16 rows an item      u, rounded
 *     ssm_in, convolution         256 outputs          xc, rounded; the gate
 *     ssm_x                       256 outputs          dt, B, C
 *     norms of dt, B, C           16 rows              dt, rounded
 *     ssm_dt, scan                128 channels         y, rounded
 *     ssm_out                     256 outputs          added to x
 *
 * The convolution's input, delta, and y where only its rounded form is wanted stay in an item's
 * own memory, which the second-level cache holds: as arrays of the whole pass each of them
 * would go to memory and come back. */
#include "engine/cpu/forward_cpu.h"

enum {
    CONV_ROWS = 8 * CPU_ROW_BLOCK, /* that are convolved, then rounded */
    SCAN_CHANNELS = 128,           /* of an item, at most */
    UNIT = KERNELS_PACK_UNIT,      /* what an item's channels are a multiple of */
};

/* --- ssm_in and the convolution ------------------------------------------------------- */

/* x: `channels` channels of all rows, in a tile. */
static void convolve(const struct forward *f, const float *x, size_t channel, size_t channels)
{
    struct cpu_stretch s = {.channel = channel, .channels = channels};
    for (size_t i = 0; i < f->segment_count; i++) {
        s.segment = &f->segments[i];
        for (s.token = 0; s.token < s.segment->count; s.token += s.count) {
            const size_t row = s.segment->row + s.token, first = row / CONV_ROWS * CONV_ROWS;
            s.count = cpu_smaller(s.segment->count - s.token, first + CONV_ROWS - row);
            cpu_convolve(f, &s, x + row * CPU_TILE_STRIDE, CPU_TILE_STRIDE);
            const size_t end = row + s.count;
            if (end == first + CONV_ROWS || end == f->rows)
                cpu_round(f, &f->layer->x, f->rounded[1], f->xc + first * f->inner + channel,
                          f->inner, first, end - first, channel, channel + channels);
        }
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
        cpu_multiply(f, f->gate + first, f->inner, in, inner + first, count, false, worker);
        return;
    }
    float *x = cpu_tile(f, worker);
    cpu_multiply(f, x, CPU_TILE_STRIDE, in, first, count, false, worker);
    convolve(f, x, first, count);
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
static void scan_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const size_t inner = f->model->shape.inner, first = item * f->channel_block;
    const size_t channels = cpu_smaller(inner - first, f->channel_block);
    const bool kept = cpu_keeps(f, &f->layer->out);
    float *delta = cpu_tile(f, worker), *y = kept ? f->xc + first : delta;
    const size_t y_stride = kept ? f->inner : CPU_TILE_STRIDE;
    cpu_multiply(f, delta, CPU_TILE_STRIDE, &f->layer->dt, first, channels, false, worker);
    for (size_t i = 0; i < f->segment_count; i++) {
        const struct cpu_segment *segment = &f->segments[i];
        const size_t row = segment->row;
        const struct cpu_stretch s = {
            .segment = segment,
            .count = segment->count,
            .channel = first,
            .channels = channels,
            .next = i + 1 < f->segment_count ? segment + 1 : NULL,
        };
        const struct cpu_scan_rows rows = {
            .y = y + row * y_stride,
            .delta = delta + row * CPU_TILE_STRIDE,
            .gate = f->gate + row * f->inner + first,
            .y_stride = y_stride,
            .delta_stride = CPU_TILE_STRIDE,
            .gate_stride = f->inner,
        };
        cpu_scan(f, &s, &rows);
    }
    cpu_round(f, &f->layer->out, f->rounded[1], y, y_stride, 0, f->rows, first, first + channels);
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
