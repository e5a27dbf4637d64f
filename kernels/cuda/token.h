/* token.h: one generated token for each of up to 64 lanes, in one launch.
 *
 * The bits of a lane's token depend on its state and the weights alone, not on the lanes
 * beside it: 1 to 8 lanes and 9 to 64 go through two versions of one kernel, or with BF16
 * 4 to 64 through lanes.cu, and all sums run in the same order. How that order splits K depends on
 * the matrix's shape and on the number of the GPU's multiprocessors. */
#ifndef TIDEMARK_KERNELS_CUDA_TOKEN_H
#define TIDEMARK_KERNELS_CUDA_TOKEN_H

#include "kernels/cuda/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TOKEN_LANES = 64 };

struct token_layer {
    struct device_matrix in, x, dt, out;
    const float *norm, *conv_weight, *conv_bias, *dt_bias, *a, *skip;
};

/* What changes from token to token; it travels with the launch. */
struct token_states {
    float *of[TOKEN_LANES]; /* each lane's state on the device */
};

struct token_lanes {
    struct token_states states;
    int32_t tokens[TOKEN_LANES];
};

struct token_model {
    const struct token_layer *layers; /* [layer_count] on the device */
    uint32_t layer_count, embedding, vocabulary;
    struct device_layer_shape shape; /* not precise */
    struct device_matrix embedding_matrix, output;
    const float *output_norm;
    float epsilon;
    size_t state_logits; /* floats from a state's begin to its logits */
};

struct token;

/* NULL when the device cannot run it, or has no room: *why says in one line. */
struct token *token_new(const struct token_model *model, char why[256]);
void token_free(struct token *token);

/* lanes: on the host, read before it returns. logits: [count][vocabulary] on the device; they go
 * into the states too. */
cudaError_t token_run(struct token *token, const struct token_lanes *lanes, uint32_t count,
                      cudaStream_t stream);
const float *token_logits(const struct token *token);

#ifdef __cplusplus
}
#endif

#endif
