/* layers.c: a pass by the prefill kernels, enqueued layer by layer. */
#include "engine/cuda/forward_cuda.h"

enum { AHEAD = 8 }; /* layers between two events; the host is two of these ahead at most */

uint32_t cuda_padded_rows(uint32_t rows)
{
    size_t i = 0;
    while (blas_row_counts[i] < rows)
        i++;
    return blas_row_counts[i];
}

/* y = W[first..) x for `outputs` rows of W. */
static bool product(struct forward *f, void *y, bool y_bf16, size_t y_stride,
                    const struct device_matrix *m, uint32_t first, uint32_t outputs, const void *x,
                    size_t x_stride, uint32_t rows, bool add, struct error *error)
{
    const void *w = f->panel;
    size_t size = f->precise ? 4 : 2;
    uint32_t padded = cuda_padded_rows(rows);
    if (m->form == DEVICE_PACKED)
        device_unpack(f->panel, f->precise, m, first, outputs, f->stream);
    else
        w = (const unsigned char *)m->data + (size_t)first * m->padded * size;
    if (f->precise) {
        device_product_f32(y, y_stride, w, m->padded, x, x_stride, padded, outputs, m->padded, add,
                           f->stream);
        return true;
    }
    if (!f->blas) {
        device_product_bf16(y, y_bf16, y_stride, w, m->padded, x, x_stride, padded, outputs,
                            m->padded, add, f->stream);
        return true;
    }
    struct blas_shape shape = {outputs, m->padded, y_stride, m->padded, x_stride, y_bf16, add};
    return blas_product(f->blas, &shape, y, w, x, padded, f->stream) ||
           error_set(error, ERROR_SYSTEM, "the GPU's matrix product failed (cuBLASLt)");
}

static bool run_layer(struct forward *f, size_t index, struct error *error)
{
    const struct token_layer *layer = &f->layers[index];
    struct device_layer_shape *s = &f->shape;
    const bool half = !f->precise;
    s->layer_offset = index * (s->states + s->taps - 1) * s->inner;
    device_norm(f->u, f->precise, f->embedding_stride, f->x, f->embedding_stride, NULL, layer->norm,
                f->model->shape.epsilon, (uint32_t)f->model->shape.embedding, f->rows, f->stream);
    if (!product(f, f->xz, half, s->wide_stride, &layer->in, 0, layer->in.rows, f->u,
                 f->embedding_stride, f->rows, false, error))
        return false;
    device_conv(f->xc, f->xz, layer->conv_weight, layer->conv_bias, f->plan.segments,
                f->plan.row_segment, f->rows, s, f->stream);
    if (!product(f, f->dbc, false, s->mixer_stride, &layer->x, 0, layer->x.rows, f->xc,
                 s->inner_stride, f->rows, false, error))
        return false;
    device_mixer(f->dt, f->bc, f->dbc, f->rows, s, f->stream);
    if (!product(f, f->delta, false, s->inner_stride, &layer->dt, 0, layer->dt.rows, f->dt,
                 s->rank_stride, f->rows, false, error))
        return false;
    struct device_scan scan = {.y = f->xc,
                               .delta = f->delta,
                               .xc = f->xc,
                               .xz = f->xz,
                               .bc = f->bc,
                               .a = layer->a,
                               .bias = layer->dt_bias,
                               .skip = layer->skip};
    device_scan(&scan, f->plan.segments, f->segment_count, s, f->stream);
    return product(f, f->x, false, f->embedding_stride, &layer->out, 0, layer->out.rows, f->xc,
                   s->inner_stride, f->rows, true, error) &&
           cuda_check(cudaGetLastError(), "reading", error);
}

static void nothing(void *context, size_t item, unsigned worker)
{
    (void)context;
    (void)item;
    (void)worker;
}

/* Looks for a cancellation, not far ahead of the device. */
static bool keep_pace(struct forward *f, size_t layer, struct error *error)
{
    cudaEvent_t event = f->ahead[layer / AHEAD % 4], before = f->ahead[(layer / AHEAD + 2) % 4];
    if (!cuda_check(cudaEventRecord(event, f->stream), "reading", error) ||
        !cuda_check(cudaEventSynchronize(before), "reading", error))
        return false;
    return pool_run(f->pool, nothing, NULL, 1) ||
           error_set(error, ERROR_INTERRUPTED, "interrupted");
}

bool cuda_layers_run(struct forward *f, struct error *error)
{
    device_embed(f->x, f->embedding_stride, &f->embedding, f->plan.tokens, f->rows, f->stream);
    for (size_t i = 0; i < f->model->shape.layers; i++)
        if ((i % AHEAD == 0 && !keep_pace(f, i, error)) || !run_layer(f, i, error))
            return false;
    return true;
}

/* Logits exist a part of the vocabulary at a time, so that their memory does not grow with
 * rows times vocabulary. */
bool cuda_logits_run(struct forward *f, struct error *error)
{
    if (f->logit_count == 0)
        return true;
    device_norm(f->u, f->precise, f->embedding_stride, f->x, f->embedding_stride, f->plan.index,
                f->output_norm, f->model->shape.epsilon, (uint32_t)f->model->shape.embedding,
                f->logit_count, f->stream);
    uint32_t vocabulary = (uint32_t)f->model->shape.vocabulary;
    for (uint32_t part = 0; part < f->parts; part++) {
        uint32_t first = part * f->vocabulary_part, rows = f->output.rows - first;
        uint32_t count = vocabulary - first;
        if (rows > f->vocabulary_part)
            rows = f->vocabulary_part;
        if (!product(f, f->logits, false, f->vocabulary_part, &f->output, first, rows, f->u,
                     f->embedding_stride, f->logit_count, false, error))
            return false;
        device_logits_part(f->logits, f->vocabulary_part, first, count < rows ? count : rows,
                           f->plan.logit_rows, f->logit_count, f->top + (size_t)part * f->most_rows,
                           f->sum + (size_t)part * f->most_rows, f->target, f->stream);
    }
    device_surprise(f->bits, f->top, f->sum, f->target, f->parts, f->most_rows, f->logit_count,
                    f->stream);
    return cuda_check(cudaGetLastError(), "computing logits", error);
}
