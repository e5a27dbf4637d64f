/* decode.c: a layer for one token of each lane. */
#include "engine/cpu/forward_cpu.h"

enum {
    SCAN_ITEM = 384, /* channels of a lane that are worth handing out */
    CONV_ITEM = 4096,
    LARGE_SHARE = 2048, /* channels of a thread */
    AHEAD = 256 << 10, /* bytes of states that a thread fetches: a part of its second-level cache */
};

/* Item number = lane x channel block. */
static struct cpu_stretch stretch_of(const struct forward *f, size_t item)
{
    const size_t inner = f->model->shape.inner, blocks = cpu_divide_up(inner, f->channel_block);
    const size_t channel = item % blocks * f->channel_block;
    return (struct cpu_stretch){
        .segment = &f->segments[item / blocks],
        .count = 1,
        .channel = channel,
        .channels = cpu_smaller(inner - channel, f->channel_block),
    };
}

/* A lane's row, all of which a step over time has just made, is rounded for the product
 * that comes next while it is at hand. */
static void pack_behind(const struct forward *f, const struct cpu_stretch *s)
{
    if (!f->packs_for)
        return;
    const size_t row = s->segment->row, first = row / KERNELS_PACK_ROWS * KERNELS_PACK_ROWS;
    f->kernels->pack_row(f->packed, f->packs_for, f->xc, f->inner, first,
                         cpu_smaller(f->rows - first, KERNELS_PACK_ROWS), row - first);
}

static void conv_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct cpu_stretch s = stretch_of(f, item);
    (void)worker;
    cpu_convolve(f, &s, f->xz + s.segment->row * f->wide + s.channel, f->wide);
    pack_behind(f, &s);
}

static void scan_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct cpu_stretch s = stretch_of(f, item);
    const size_t row = s.segment->row;
    const struct cpu_scan_rows rows = {
        .y = f->xc + row * f->inner + s.channel,
        .delta = f->delta + row * f->inner + s.channel,
        .gate = f->xz + row * f->wide + f->model->shape.inner + s.channel,
        .y_stride = f->inner,
        .delta_stride = f->inner,
        .gate_stride = f->wide,
    };
    (void)worker;
    cpu_scan(f, &s, &rows);
    pack_behind(f, &s);
}

/* Items are equal shares, one for each thread, or two where they are large, and at least `least`
 * channels: of a state's rows, which lie far apart, long stretches are read faster than short
 * ones. next: the product that follows. */
static bool over_time(struct forward *f, pool_work *work, size_t least, const struct matrix *next)
{
    const size_t inner = f->model->shape.inner;
    const size_t share = cpu_divide_up(f->rows * inner, pool_threads(f->pool));
    const size_t worth = cpu_larger(least, share < LARGE_SHARE ? share : share / 2);
    f->channel_block =
        cpu_next_multiple(cpu_divide_up(inner, cpu_divide_up(inner, worth)), CPU_LINE_OUTPUTS);
    const size_t blocks = cpu_divide_up(inner, f->channel_block);
    f->packs_for = blocks == 1 && cpu_takes_packed(f, next) ? next : NULL;
    return pool_run(f->pool, work, f, f->rows * blocks) &&
           cpu_take(f, next, f->xc, f->inner, f->rows, NULL);
}

/* --- ssm_in ----------------------------------------------------------------------------- */

/* Of each lane, half of the layer's states: the scan waits for memory where this product, of
 * several lanes, hardly does. More of them was no gain. */
static size_t ahead_bytes(const struct forward *f)
{
    return f->model->shape.states / 2 * f->model->shape.inner * sizeof(float);
}

/* The lanes' states are shared out over the items in the order in which the scan's items are
 * shared out, so that most are fetched by the thread that scans them. What an item would fetch
 * of a second lane is left. */
static struct kernels_memory ahead_of(const struct forward *f, size_t item)
{
    const size_t items = cpu_divide_up(f->layer->in.outputs, f->outputs_per_item);
    const size_t lane_bytes = ahead_bytes(f), all = f->rows * lane_bytes;
    const size_t begin = item * all / items, lane = begin / lane_bytes, at = begin % lane_bytes;
    const float *h = state_h(f->segments[lane].state, &f->model->shape, f->layer_index);
    return (struct kernels_memory){(const char *)h + at,
                                   cpu_smaller(cpu_divide_up(all, items), lane_bytes - at)};
}

static void in_item(void *context, size_t item, unsigned worker)
{
    struct forward *f = context;
    const struct matrix *in = &f->layer->in;
    const size_t first = item * f->outputs_per_item;
    f->kernels->decode_matmul_ahead(f->xz, f->wide, in, first,
                                    cpu_smaller(in->outputs - first, f->outputs_per_item), f->in,
                                    f->in_stride, f->in_rows, false, ahead_of(f, item),
                                    f->scratch + worker * f->scratch_floats);
}

/* Fetches the states that the scan takes up, where those of a layer fit the cache until then. */
static bool multiply_in(struct forward *f)
{
    const struct matrix *in = &f->layer->in;
    const size_t bytes = f->rows * ahead_bytes(f);
    if (!f->kernels->decode_matmul_ahead || !bytes || bytes > AHEAD * pool_threads(f->pool))
        return cpu_product(f, f->xz, f->wide, in, false);
    f->outputs_per_item = cpu_item_outputs(f, in->outputs);
    return pool_run(f->pool, in_item, f, cpu_divide_up(in->outputs, f->outputs_per_item));
}

bool cpu_decode_layer(struct forward *f)
{
    const struct model_layer *layer = f->layer;
    return cpu_norm(f, layer->norm, &layer->in, NULL, f->rows) && multiply_in(f) &&
           over_time(f, conv_item, CONV_ITEM, &layer->x) &&
           cpu_product(f, f->dbc, f->mixer, &layer->x, false) && cpu_mixer_norms(f) &&
           cpu_take(f, &layer->dt, f->dbc, f->mixer, f->rows, NULL) &&
           cpu_product(f, f->delta, f->inner, &layer->dt, false) &&
           over_time(f, scan_item, SCAN_ITEM, &layer->out) &&
           cpu_product(f, f->x, f->embedding, &layer->out, true);
}
