/* work.c: memory that is allocated once, and the algorithms of the products. */
#include "engine/cuda/forward_cuda.h"

#include <stdlib.h>
#include <string.h>

enum {
    VOCABULARY_PART = 8192, /* logits that exist at a time, for each row */
    STAGING = 64 << 20,
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* --- device ----------------------------------------------------------------------------- */

/* Adds up, or hands out from `base`. */
static void *take(unsigned char *base, size_t *used, size_t bytes)
{
    void *at = base ? base + *used : NULL;
    *used += (bytes + 255) / 256 * 256;
    return at;
}

static size_t panel_bytes(const struct forward *f)
{
    size_t most = 0, size = f->precise ? 4 : 2;
    const struct token_layer *layer = &f->layers[0];
    for (size_t i = 0; i < f->model->shape.layers; i++, layer++) {
        const struct device_matrix *all[] = {&layer->in, &layer->x, &layer->dt, &layer->out};
        for (size_t j = 0; j < 4; j++)
            if (all[j]->form == DEVICE_PACKED)
                most = larger(most, (size_t)all[j]->rows * all[j]->padded * size);
    }
    if (f->output.form == DEVICE_PACKED)
        most = larger(most, (size_t)f->vocabulary_part * f->output.padded * size);
    return most;
}

static void plan_layout(struct cuda_plan *plan, unsigned char *base, size_t rows, size_t *used)
{
    plan->segments = take(base, used, rows * sizeof *plan->segments);
    plan->logit_rows = take(base, used, rows * sizeof *plan->logit_rows);
    plan->row_segment = take(base, used, rows * sizeof *plan->row_segment);
    plan->tokens = take(base, used, rows * sizeof *plan->tokens);
    plan->index = take(base, used, rows * sizeof *plan->index);
}

static size_t layout(struct forward *f, unsigned char *base)
{
    const struct device_layer_shape *s = &f->shape;
    size_t rows = f->most_rows, size = f->precise ? 4 : 2, used = 0;
    f->x = take(base, &used, rows * f->embedding_stride * sizeof(float));
    f->u = take(base, &used, rows * f->embedding_stride * size);
    f->xz = take(base, &used, rows * s->wide_stride * size);
    f->xc = take(base, &used, rows * s->inner_stride * size);
    f->dbc = take(base, &used, rows * s->mixer_stride * sizeof(float));
    f->delta = take(base, &used, rows * s->inner_stride * sizeof(float));
    f->bc = take(base, &used, rows * 2 * s->states * sizeof(float));
    f->dt = take(base, &used, rows * s->rank_stride * size);
    f->logits = take(base, &used, rows * f->vocabulary_part * sizeof(float));
    f->panel = take(base, &used, panel_bytes(f));
    f->top = take(base, &used, rows * f->parts * sizeof(float));
    f->sum = take(base, &used, rows * f->parts * sizeof(float));
    f->target = take(base, &used, rows * sizeof(float));
    f->bits = take(base, &used, rows * sizeof(float));
    f->choosing = take(base, &used, sizeof *f->choosing);
    f->different = take(base, &used, sizeof(int));
    size_t before = used;
    plan_layout(&f->plan, base, rows, &used);
    f->plan_memory = base ? base + before : NULL;
    f->plan_bytes = used - before;
    return used;
}

/* The largest passes that there is room for, with as much again left for states. */
static bool allocate_work(struct forward *f, struct error *error)
{
    size_t available, all;
    if (!cuda_check(cudaMemGetInfo(&available, &all), "asking for its memory", error))
        return false;
    for (size_t i = BLAS_ROW_COUNTS; i-- > 0;) {
        f->most_rows = blas_row_counts[i];
        f->work_bytes = layout(f, NULL);
        if (i > 0 && f->work_bytes > available / 2)
            continue;
        if (cudaMalloc(&f->work, f->work_bytes) == cudaSuccess) {
            layout(f, f->work);
            return cuda_check(cudaMemsetAsync(f->work, 0, f->work_bytes, f->stream),
                              "clearing its memory", error);
        }
        (void)cudaGetLastError();
    }
    return error_set(error, ERROR_SYSTEM,
                     "the model leaves no room in the GPU's memory to work in: %.1f GB are free, "
                     "%.1f GB are needed",
                     (double)available / 1e9, (double)f->work_bytes / 1e9);
}

/* --- pinned ------------------------------------------------------------------------------ */

static bool pinned(void *to, size_t bytes, struct error *error)
{
    return cuda_check(cudaHostAlloc(to, bytes, cudaHostAllocDefault),
                      "asking for memory that it can reach", error);
}

static bool allocate_pinned(struct forward *f, struct error *error)
{
    size_t used = 0;
    if (!pinned(&f->host_plan_memory, f->plan_bytes, error) ||
        !pinned(&f->host_bits, f->most_rows * sizeof(float), error) ||
        !pinned(&f->choices, DEVICE_CHOICE_ROWS * sizeof *f->choices, error))
        return false;
    plan_layout(&f->host_plan, f->host_plan_memory, f->most_rows, &used);
    f->bits_to = calloc(f->most_rows, sizeof *f->bits_to);
    f->copies = calloc(f->most_rows, sizeof *f->copies);
    return (f->bits_to && f->copies) || error_out_of_memory(error);
}

/* --- algorithms -------------------------------------------------------------------------- */

static struct blas_shape shape_of(const struct device_matrix *m, size_t x_stride, size_t y_stride,
                                  bool y_bf16, bool add)
{
    return (struct blas_shape){.outputs = m->rows,
                               .columns = m->padded,
                               .y_stride = y_stride,
                               .w_stride = m->padded,
                               .x_stride = x_stride,
                               .y_bf16 = y_bf16,
                               .add = add};
}

/* Tries one shape in the work memory: `logits` holds y, `xz` the random rows. */
static bool prepare(struct forward *f, const struct blas_shape *shape)
{
    size_t rows = f->most_rows, y_bytes = rows * shape->y_stride * (shape->y_bf16 ? 2 : 4);
    size_t x_bytes = rows * shape->x_stride * 2;
    size_t w_bytes = (size_t)shape->outputs * shape->w_stride * 2;
    unsigned char *memory = NULL;
    if (cudaMalloc((void **)&memory, 2 * y_bytes + 2 * x_bytes + w_bytes) != cudaSuccess) {
        (void)cudaGetLastError();
        return false;
    }
    unsigned char *x = memory + 2 * y_bytes, *w = x + 2 * x_bytes;
    /* The library's bulk stores are none for initcheck, which then takes y for unwritten. */
    bool ok = cudaMemsetAsync(memory, 0, 2 * y_bytes, f->stream) == cudaSuccess;
    device_fill_random(x, false, x_bytes / 2, 1, f->stream);
    device_fill_random(w, false, w_bytes / 2, 2, f->stream);
    ok = ok && blas_prepare(f->blas, shape, f->most_rows, memory, memory + y_bytes, w, x,
                            x + x_bytes, f->different, f->stream);
    cudaFree(memory);
    return ok;
}

/* Without an algorithm for each shape, cuBLASLt is not used at all: a model's numerics
 * then do not depend on which shape found one. */
static void choose_products(struct forward *f)
{
    char why[256];
    const struct token_layer *layer = &f->layers[0];
    const struct device_layer_shape *s = &f->shape;
    if (f->precise || getenv("TIDEMARK_CUDA_OWN_PRODUCTS") || !(f->blas = blas_new(8, why)))
        return;
    struct device_matrix part = f->output, last = f->output;
    part.rows = f->vocabulary_part;
    last.rows = f->output.rows - (f->parts - 1) * f->vocabulary_part;
    const struct blas_shape shapes[] = {
        shape_of(&layer->in, f->embedding_stride, s->wide_stride, true, false),
        shape_of(&layer->x, s->inner_stride, s->mixer_stride, false, false),
        shape_of(&layer->dt, s->rank_stride, s->inner_stride, false, false),
        shape_of(&layer->out, s->inner_stride, f->embedding_stride, false, true),
        shape_of(&part, f->embedding_stride, f->vocabulary_part, false, false),
        shape_of(&last, f->embedding_stride, f->vocabulary_part, false, false),
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (!prepare(f, &shapes[i])) {
            blas_free(f->blas);
            f->blas = NULL;
            return;
        }
}

bool cuda_work_new(struct forward *f, struct error *error)
{
    const struct model_shape *shape = &f->model->shape;
    uint32_t outputs = device_round_up((uint32_t)shape->vocabulary, 16);
    f->vocabulary_part = outputs < VOCABULARY_PART ? outputs : VOCABULARY_PART;
    f->parts = (outputs + f->vocabulary_part - 1) / f->vocabulary_part;
    f->staging_bytes = larger(STAGING, (state_bytes(shape) + 4095) / 4096 * 4096);
    if (!pinned(&f->staging, 2 * f->staging_bytes, error) || !cuda_weights_load(f, error) ||
        !allocate_work(f, error) || !allocate_pinned(f, error))
        return false;
    choose_products(f);
    return cuda_check(cudaStreamSynchronize(f->stream), "trying out its products", error);
}

void cuda_work_free(struct forward *f)
{
    blas_free(f->blas);
    cudaFree(f->weights);
    cudaFree(f->work);
    cudaFree(f->all_logits);
    cudaFreeHost(f->staging);
    cudaFreeHost(f->host_plan_memory);
    cudaFreeHost(f->host_bits);
    cudaFreeHost(f->choices);
    free(f->bits_to);
    free(f->copies);
    free(f->layers);
}
