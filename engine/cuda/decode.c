/* decode.c: generated tokens by the kernel that is made for them (kernels/cuda/token.cu), and
 * which come next (kernels/cuda/choice.cu). */
#include "engine/cuda/forward_cuda.h"

#include <stdlib.h>

bool cuda_decode_new(struct forward *f, struct error *error)
{
    static const char doing[] = "preparing to generate";
    const struct model_shape *shape = &f->model->shape;
    size_t bytes = shape->layers * sizeof *f->token_layers;
    char why[256];
    if (f->precise || getenv("TIDEMARK_CUDA_PREFILL_ONLY"))
        return true;
    if (!cuda_check(cudaMalloc((void **)&f->token_layers, bytes), doing, error) ||
        !cuda_check(cudaMemcpy(f->token_layers, f->layers, bytes, cudaMemcpyHostToDevice), doing,
                    error))
        return false;
    const struct token_model model = {
        .layers = f->token_layers,
        .layer_count = (uint32_t)shape->layers,
        .embedding = (uint32_t)shape->embedding,
        .vocabulary = (uint32_t)shape->vocabulary,
        .shape = f->shape,
        .embedding_matrix = f->embedding,
        .output = f->output,
        .output_norm = f->output_norm,
        .epsilon = shape->epsilon,
        .state_logits = state_bytes(shape) / sizeof(float) - shape->vocabulary,
    };
    f->token = token_new(&model, why); /* NULL: the prefill kernels do it */
    return true;
}

void cuda_decode_free(struct forward *f)
{
    token_free(f->token);
    cudaFree(f->token_layers);
}

/* --- a step -------------------------------------------------------------------------- */

/* Nobody waits here: what comes next on the stream does, and who reads its results. */
static bool step(struct forward *f, struct state *const *states, const int32_t *tokens,
                 uint32_t count, struct error *error)
{
    static const char doing[] = "generating";
    struct token_lanes lanes = {0};
    for (uint32_t i = 0; i < count; i++) {
        struct cuda_mirror *mirror = cuda_mirror_of(f, states[i], error);
        if (!mirror)
            return false;
        lanes.states.of[i] = mirror->data;
        lanes.tokens[i] = tokens[i];
    }
    for (uint32_t i = 0; i < count; i++)
        cuda_mirror_written(states[i]);
    return cuda_check(token_run(f->token, &lanes, count, f->stream), doing, error);
}

static void nothing(void *context, size_t item, unsigned worker)
{
    (void)context;
    (void)item;
    (void)worker;
}

bool cuda_decode(struct forward *f, struct state *const *states, const int32_t *tokens,
                 size_t lanes, struct error *error)
{
    for (size_t at = 0; at < lanes; at += TOKEN_LANES) {
        size_t count = lanes - at < TOKEN_LANES ? lanes - at : TOKEN_LANES;
        if (!pool_run(f->pool, nothing, NULL, 1))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
        if (!step(f, states + at, tokens + at, (uint32_t)count, error))
            return false;
    }
    return true;
}

/* --- the choice ------------------------------------------------------------------------ */

static bool choose(struct forward *f, struct state *const *states, uint32_t count,
                   struct forward_choice *choices, struct error *error)
{
    static const char doing[] = "choosing tokens";
    struct device_choice_rows rows;
    for (uint32_t i = 0; i < count; i++) {
        const struct cuda_mirror *mirror = cuda_mirror_of(f, states[i], error);
        if (!mirror)
            return false;
        rows.logits[i] = cuda_mirror_logits(mirror);
    }
    device_choose(f->choices, f->choosing, &rows, (uint32_t)f->model->shape.vocabulary, count,
                  f->stream);
    if (!cuda_check(cudaGetLastError(), doing, error) ||
        !cuda_check(cudaStreamSynchronize(f->stream), doing, error))
        return false;
    for (uint32_t i = 0; i < count; i++)
        choices[i] = (struct forward_choice){f->choices[i].token, f->choices[i].log_probability};
    return true;
}

bool cuda_choose(struct forward *f, struct state *const *states, size_t lanes,
                 struct forward_choice *choices, struct error *error)
{
    for (size_t at = 0; at < lanes; at += DEVICE_CHOICE_ROWS) {
        size_t count = lanes - at < DEVICE_CHOICE_ROWS ? lanes - at : DEVICE_CHOICE_ROWS;
        if (!choose(f, states + at, (uint32_t)count, choices + at, error))
            return false;
    }
    return true;
}
