/* over_time.c: a stretch of tokens and channels, handed to the kernels that run in order of
 * time. */
#include "engine/cpu/forward_cpu.h"

void cpu_convolve(const struct forward *f, const struct cpu_stretch *s, const float *x,
                  size_t x_stride)
{
    const struct model_shape *shape = &f->model->shape;
    const struct model_layer *layer = f->layer;
    const size_t row = s->segment->row + s->token, d = s->channel;
    struct conv conv = {
        .y = f->xc + row * f->inner + d,
        .tail = state_tail(s->segment->state, shape, f->layer_index) + d,
        .x = x,
        .weight = layer->conv_weight + d,
        .bias = layer->conv_bias + d,
        .y_stride = f->inner,
        .tail_stride = shape->inner,
        .x_stride = x_stride,
        .tokens = s->count,
        .channels = s->channels,
        .width = shape->taps,
    };
    f->kernels->conv_silu(&conv);
}

void cpu_scan(const struct forward *f, const struct cpu_stretch *s,
              const struct cpu_scan_rows *rows)
{
    const struct model_shape *shape = &f->model->shape;
    const struct model_layer *layer = f->layer;
    const size_t row = s->segment->row + s->token, d = s->channel;
    const float *b = f->dbc + row * f->mixer + shape->rank;
    struct scan scan = {
        .y = rows->y,
        .h = state_h(s->segment->state, shape, f->layer_index) + d,
        .delta = rows->delta,
        .bias = layer->dt_bias + d,
        .a = layer->a + d,
        .b = b,
        .c = b + shape->states,
        .x = f->xc + row * f->inner + d,
        .skip = layer->skip + d,
        .gate = rows->gate,
        .next = s->next ? state_h(s->next->state, shape, f->layer_index) + d : NULL,
        .y_stride = rows->y_stride,
        .h_stride = shape->inner,
        .delta_stride = rows->delta_stride,
        .bc_stride = f->mixer,
        .x_stride = f->inner,
        .gate_stride = rows->gate_stride,
        .tokens = s->count,
        .channels = s->channels,
        .states = shape->states,
    };
    f->kernels->scan(&scan);
}
