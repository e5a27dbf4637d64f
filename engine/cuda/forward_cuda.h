/* forward_cuda.h: the forward pass on an NVIDIA GPU; private to the module.
 *
 * Weights lie on the device for as long as the forward lives, quantized ones in tiles
 * (kernels/cuda/packed.cuh). A state's newest copy lies there too, as its mirror
 * (state.h), logits too; only surprise comes back after a pass, and what is asked for. One
 * stream computes; a second one carries snapshots to the host beside it. */
#ifndef TIDEMARK_ENGINE_CUDA_FORWARD_CUDA_H
#define TIDEMARK_ENGINE_CUDA_FORWARD_CUDA_H

#include "engine/forward_backend.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/token.h"

/* A state's copy on the device. */
struct cuda_mirror {
    struct state_mirror base;
    struct forward *forward; /* NULL once that is freed */
    struct state *state;
    struct cuda_mirror *next, *before; /* of the forward's living ones, or its spare ones */
    float *data;
};

/* What goes to the device before a pass, in one piece of pinned memory and its copy. */
struct cuda_plan {
    struct device_segment *segments;       /* [most_rows] */
    struct device_logit_row *logit_rows;   /* [most_rows] */
    int32_t *row_segment, *tokens, *index; /* [most_rows] */
};

struct forward {
    const struct forward_operations *operations; /* first: forward.c looks here */
    const struct model *model;
    struct pool *pool;
    struct cudaDeviceProp properties;
    cudaStream_t stream, copying;
    cudaEvent_t ahead[4]; /* keep the host from running far ahead of the device */

    bool precise; /* the model's weights are F32, so that all is */
    struct device_layer_shape shape;
    uint32_t embedding_stride;
    void *weights;              /* one block on the device */
    struct token_layer *layers; /* on the host */
    struct device_matrix embedding, output;
    const float *output_norm;
    struct blas *blas; /* NULL: products of our own */

    /* Work memory on the device, of most_rows rows. */
    uint32_t most_rows, vocabulary_part, parts;
    void *work;
    size_t work_bytes;
    float *x, *dbc, *delta, *bc, *logits;
    void *u, *xz, *xc, *dt, *panel;
    float *top, *sum, *target, *bits;
    struct device_choice_work *choosing;
    int *different;
    float *all_logits; /* [256][V], made when first wanted */
    struct cuda_plan plan, host_plan;
    void *plan_memory, *host_plan_memory;
    size_t plan_bytes;

    /* Pinned memory. */
    void *staging; /* two halves of staging_bytes */
    size_t staging_bytes;
    cudaEvent_t staged[2];
    float *host_bits;              /* [most_rows] */
    struct device_choice *choices; /* [DEVICE_CHOICE_ROWS], which the device writes itself */

    /* The pass in progress. */
    uint32_t rows, segment_count, logit_count;
    float **bits_to; /* [most_rows] where each row's surprise goes, or NULL */
    float **copies;  /* [most_rows] where all logits of a row go */
    bool want_all;

    struct token *token;              /* NULL: decode by the prefill kernels */
    struct token_layer *token_layers; /* on the device */

    struct cuda_mirror *living, *spare;
    struct forward_snapshot *snapshots; /* idle ones */
    struct error failure;               /* of a copy that could not say so; kind NONE: none */
};

/* False, with one line, unless status is cudaSuccess. */
bool cuda_check(cudaError_t status, const char *doing, struct error *error) WARN_UNUSED;

/* weights.c */
bool cuda_weights_load(struct forward *f, struct error *error) WARN_UNUSED;

/* work.c: work memory, pinned memory, algorithms. */
bool cuda_work_new(struct forward *f, struct error *error) WARN_UNUSED;
void cuda_work_free(struct forward *f);

/* layers.c: the arithmetic of a pass whose plan is on the device. */
bool cuda_layers_run(struct forward *f, struct error *error) WARN_UNUSED;
bool cuda_logits_run(struct forward *f, struct error *error) WARN_UNUSED;
uint32_t cuda_padded_rows(uint32_t rows);

/* states.c */
struct cuda_mirror *cuda_mirror_of(struct forward *f, struct state *state, struct error *error);
float *cuda_mirror_logits(const struct cuda_mirror *mirror); /* [V] on the device */
void cuda_mirror_written(struct state *state);               /* it is ahead of its state */
void cuda_mirrors_free(struct forward *f);
bool cuda_snapshot(struct forward *f, struct state *state, struct forward_snapshot **snapshot,
                   struct error *error) WARN_UNUSED;
bool cuda_snapshot_wait(struct forward_snapshot *snapshot, const float **data,
                        struct error *error) WARN_UNUSED;
void cuda_snapshot_free(struct forward_snapshot *snapshot);

/* decode.c: generated tokens by the kernel that is made for them, and which come next. */
bool cuda_decode_new(struct forward *f, struct error *error) WARN_UNUSED;
void cuda_decode_free(struct forward *f);
bool cuda_decode(struct forward *f, struct state *const *states, const int32_t *tokens,
                 size_t lanes, struct error *error) WARN_UNUSED;
bool cuda_choose(struct forward *f, struct state *const *states, size_t lanes,
                 struct forward_choice *choices, struct error *error) WARN_UNUSED;

/* peak.c */
bool cuda_peak(struct forward *f, struct forward_peak *peak, struct error *error) WARN_UNUSED;

#endif
