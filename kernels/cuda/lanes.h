/* lanes.h: one generated token for each of 4 to 64 lanes where all weights are BF16;
 * private to token.cu, which does what this does not. C++.
 *
 * The bits are those of token.cu's own kernels: products are summed in the order that it
 * names, all else too. */
#ifndef TIDEMARK_KERNELS_CUDA_LANES_H
#define TIDEMARK_KERNELS_CUDA_LANES_H

#include "kernels/cuda/token.h"

/* Fewer lanes are faster through token.cu; any number would do. */
enum { LANES_LEAST = 4 };

struct lanes;

/* How a product is summed: of each of `cuts` stretches of `cut` units of 256 columns, units
 * k, k + slices ... make slice k; slices are added in order, then cuts. */
struct lanes_order {
    uint32_t units, cut, cuts, slices;
};

/* What lanes.cu and token.cu share. `layers`: the model's, on the host; x [TOKEN_LANES]
 * [embedding_stride] on the device, logits [TOKEN_LANES][vocabulary], too. */
struct lanes_request {
    const struct token_model *model;
    const struct token_layer *layers;
    struct lanes_order in, x_parts, dt, out, output;
    float *x, *logits;
    uint32_t embedding_stride;
};

/* NULL when the model or the device is none for it, or there is no room. */
struct lanes *lanes_new(const struct lanes_request *request);
void lanes_free(struct lanes *lanes);

/* x holds the tokens' embeddings. */
cudaError_t lanes_run(struct lanes *lanes, const struct token_states *states, uint32_t count,
                      cudaStream_t stream);

#endif
