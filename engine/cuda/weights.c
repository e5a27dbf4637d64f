/* weights.c: the model's weights on their way to the device. */
#include "engine/cuda/forward_cuda.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 256, COPY_ITEM = 4 << 20 };

/* Goes through all tensors twice: first to add up their sizes, then to fill. */
struct loading {
    struct forward *f;
    unsigned char *base; /* NULL while sizes are added up */
    size_t used;
    void *raw[2]; /* device halves that the file's bytes are copied to */
    int half;
};

static void *take(struct loading *l, size_t bytes)
{
    void *at = l->base ? l->base + l->used : NULL;
    l->used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

/* --- through the pinned halves ------------------------------------------------------- */

struct copy {
    unsigned char *to;
    const unsigned char *from;
    size_t size;
};

static void copy_item(void *context, size_t item, unsigned worker)
{
    const struct copy *copy = context;
    size_t begin = item * COPY_ITEM;
    size_t size = copy->size - begin < COPY_ITEM ? copy->size - begin : COPY_ITEM;
    (void)worker;
    memcpy(copy->to + begin, copy->from + begin, size);
}

/* Copies one stretch of host memory to the half whose turn it is. *device: where it will
 * lie, for work on the stream. */
static bool stage(struct loading *l, const void *from, size_t size, const void **device,
                  struct error *error)
{
    struct forward *f = l->f;
    int half = l->half ^= 1;
    unsigned char *pinned = (unsigned char *)f->staging + (size_t)half * f->staging_bytes;
    if (!cuda_check(cudaEventSynchronize(f->staged[half]), "loading the model", error))
        return false;
    struct copy copy = {pinned, from, size};
    if (!pool_run(f->pool, copy_item, &copy, (size + COPY_ITEM - 1) / COPY_ITEM))
        return error_set(error, ERROR_INTERRUPTED, "interrupted");
    *device = l->raw[half];
    return cuda_check(
        cudaMemcpyAsync(l->raw[half], pinned, size, cudaMemcpyHostToDevice, f->stream),
        "loading the model", error);
}

static bool staged(struct loading *l, struct error *error)
{
    return cuda_check(cudaGetLastError(), "loading the model", error) &&
           cuda_check(cudaEventRecord(l->f->staged[l->half], l->f->stream), "loading the model",
                      error);
}

static bool load_floats(struct loading *l, const float **to, const float *from, size_t count,
                        struct error *error)
{
    unsigned char *device = take(l, count * sizeof *from);
    *to = (const float *)(const void *)device;
    if (!l->base)
        return true;
    for (size_t at = 0; at < count * sizeof *from; at += l->f->staging_bytes) {
        size_t size = count * sizeof *from - at;
        const void *raw;
        if (size > l->f->staging_bytes)
            size = l->f->staging_bytes;
        if (!stage(l, (const unsigned char *)from + at, size, &raw, error) ||
            !cuda_check(
                cudaMemcpyAsync(device + at, raw, size, cudaMemcpyDeviceToDevice, l->f->stream),
                "loading the model", error) ||
            !staged(l, error))
            return false;
    }
    return true;
}

static bool is_plain(enum blocks_type type)
{
    return type == BLOCKS_F32 || type == BLOCKS_F16 || type == BLOCKS_BF16;
}

/* keep_f32: an embedding that is only looked up need not lose bits. */
static bool load_matrix(struct loading *l, struct device_matrix *to, const struct matrix *from,
                        bool keep_f32, struct error *error)
{
    struct forward *f = l->f;
    bool f32 = f->precise || (keep_f32 && from->type == BLOCKS_F32);
    *to = (struct device_matrix){
        .form = !is_plain(from->type) ? DEVICE_PACKED
                : f32                 ? DEVICE_F32
                                      : DEVICE_BF16,
        .type = (int)from->type,
        .outputs = (uint32_t)from->outputs,
        .rows = device_round_up((uint32_t)from->outputs, 16),
        .columns = (uint32_t)from->columns,
        .padded = device_round_up((uint32_t)from->columns, 256),
    };
    to->data = take(l, device_matrix_bytes(to->form, to->type, to->outputs, to->columns));
    size_t some = f->staging_bytes / from->row_bytes / 16 * 16;
    if (some == 0)
        return error_set(error, ERROR_MODEL, "a matrix of the model has rows of %zu bytes",
                         from->row_bytes);
    for (size_t at = 0; l->base && at < from->outputs; at += some) {
        size_t count = from->outputs - at < some ? from->outputs - at : some;
        const void *raw;
        if (!stage(l, from->data + at * from->row_bytes, count * from->row_bytes, &raw, error))
            return false;
        device_matrix_load(to, raw, (int)from->type, from->row_bytes, (uint32_t)at, (uint32_t)count,
                           f->stream);
        if (!staged(l, error))
            return false;
    }
    return true;
}

/* --- the whole ------------------------------------------------------------------------- */

static bool load_layer(struct loading *l, struct token_layer *to, const struct model_layer *from,
                       struct error *error)
{
    const struct model_shape *s = &l->f->model->shape;
    return load_matrix(l, &to->in, &from->in, false, error) &&
           load_matrix(l, &to->x, &from->x, false, error) &&
           load_matrix(l, &to->dt, &from->dt, false, error) &&
           load_matrix(l, &to->out, &from->out, false, error) &&
           load_floats(l, &to->norm, from->norm, s->embedding, error) &&
           load_floats(l, &to->conv_weight, from->conv_weight, s->taps * s->inner, error) &&
           load_floats(l, &to->conv_bias, from->conv_bias, s->inner, error) &&
           load_floats(l, &to->dt_bias, from->dt_bias, s->inner, error) &&
           load_floats(l, &to->a, from->a, s->states * s->inner, error) &&
           load_floats(l, &to->skip, from->skip, s->inner, error);
}

static bool load_all(struct loading *l, struct error *error)
{
    struct forward *f = l->f;
    const struct model *model = f->model;
    l->used = 0;
    for (size_t i = 0; i < model->shape.layers; i++)
        if (!load_layer(l, &f->layers[i], &model->layers[i], error))
            return false;
    bool tied = model->output.data == model->embedding.data;
    if (!load_floats(l, &f->output_norm, model->output_norm, model->shape.embedding, error) ||
        !load_matrix(l, &f->output, &model->output, false, error))
        return false;
    if (tied)
        f->embedding = f->output;
    return tied || load_matrix(l, &f->embedding, &model->embedding, true, error);
}

bool cuda_weights_load(struct forward *f, struct error *error)
{
    struct loading l = {.f = f};
    size_t available = 0, all = 0;
    f->layers = calloc(f->model->shape.layers, sizeof *f->layers);
    if (!f->layers)
        return error_out_of_memory(error);
    if (!load_all(&l, error) ||
        !cuda_check(cudaMemGetInfo(&available, &all), "asking for its memory", error))
        return false;
    if (cudaMalloc(&f->weights, l.used) != cudaSuccess) {
        (void)cudaGetLastError();
        return error_set(error, ERROR_SYSTEM,
                         "the model needs %.1f GB of the GPU's memory, of which %.1f GB are free",
                         (double)l.used / 1e9, (double)available / 1e9);
    }
    l.base = f->weights;
    bool ok = cuda_check(cudaMalloc(&l.raw[0], f->staging_bytes), "loading the model", error) &&
              cuda_check(cudaMalloc(&l.raw[1], f->staging_bytes), "loading the model", error) &&
              load_all(&l, error) &&
              cuda_check(cudaStreamSynchronize(f->stream), "loading the model", error);
    cudaFree(l.raw[0]);
    cudaFree(l.raw[1]);
    return ok;
}
