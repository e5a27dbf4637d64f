/* decode.c: a layer for one token of each lane. */
#include "engine/cpu/forward_cpu.h"

enum {
    SCAN_ITEM = 384, /* channels of a lane that are worth handing out */
    CONV_ITEM = 4096,
    LARGE_SHARE = 2048, /* channels of a thread */
};

/* Item number = lane x channel block. */
static struct cpu_stretch stretch_of(const struct forward *f, size_t item)
{
    const size_t inner = f->model->shape.inner, blocks = cpu_divide_up(inner, f->channel_block);
    const size_t channel = item % blocks * f->channel_block;
    return (struct cpu_stretch){&f->segments[item / blocks], 0, 1, channel,
                                cpu_smaller(inner - channel, f->channel_block)};
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
        cpu_divide_up(cpu_divide_up(inner, cpu_divide_up(inner, worth)), CPU_LINE_OUTPUTS) *
        CPU_LINE_OUTPUTS;
    const size_t blocks = cpu_divide_up(inner, f->channel_block);
    f->packs_for = blocks == 1 && cpu_takes_packed(f, next) ? next : NULL;
    return pool_run(f->pool, work, f, f->rows * blocks) &&
           cpu_take(f, next, f->xc, f->inner, f->rows, NULL);
}

bool cpu_decode_layer(struct forward *f)
{
    const struct model_layer *layer = f->layer;
    return cpu_norm(f, layer->norm, &layer->in, NULL, f->rows) &&
           cpu_product(f, f->xz, f->wide, &layer->in, false) &&
           over_time(f, conv_item, CONV_ITEM, &layer->x) &&
           cpu_product(f, f->dbc, f->mixer, &layer->x, false) && cpu_mixer_norms(f) &&
           cpu_take(f, &layer->dt, f->dbc, f->mixer, f->rows, NULL) &&
           cpu_product(f, f->delta, f->inner, &layer->dt, false) &&
           over_time(f, scan_item, SCAN_ITEM, &layer->out) &&
           cpu_product(f, f->x, f->embedding, &layer->out, true);
}
