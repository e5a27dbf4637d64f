/* vnni.h: the functions of the AVX-512 VNNI/BF16 level, which the AMX level shares.
 * Private to kernels/x86; contracts are those of struct kernels.
 *
 * Prefill rounds activations to bf16 (bf16.h). Decode rounds them to 8 bits in blocks
 * of 32 columns and multiplies them with the integers that the file holds; F32, F16 and
 * BF16 weights, and rows of fewer than 256 columns, are left to the AVX-512 level.
 *
 * A decode product of 256 columns (a "stretch") is made of integer dot products, one for
 * each group of weights that has its own scale, exact in any order. Then each becomes a
 * float, takes its scales, and is added to a sum of its own: the 16 sums of an output
 * (the lanes of a vector, "slots") are folded by one fixed tree after the last stretch.
 * Types with a minimum add minimum x sum of activations in slots of their own. Which
 * group belongs to which slot follows from how the vectors are unpacked. */
#ifndef TIDEMARK_KERNELS_X86_VNNI_H
#define TIDEMARK_KERNELS_X86_VNNI_H

#include "kernels/levels.h"

#include <stdint.h>

enum {
    VNNI_STRETCH = 256,
    VNNI_SLOTS = 16,
    VNNI_BLOCKS = VNNI_STRETCH / 32,
};

/* A stretch of one row: activations in the order of the type's vectors, and for each slot
 * what its sum needs. x = scale * q. */
struct vnni_stretch {
    int8_t q[VNNI_STRETCH];
    float scale[VNNI_SLOTS];    /* 0 where the slot is no dot product's */
    float sums[VNNI_SLOTS];     /* +- scale * sum of q, where it is a minimum's */
    int32_t offset[VNNI_SLOTS]; /* what the weights' own offset adds to a dot product */
};

/* The activations of a stretch as integers, the columns in order: x = scale * q. */
struct vnni_quantized {
    int8_t q[VNNI_STRETCH];
    float scale[VNNI_BLOCKS];      /* of each block of 32 columns */
    int32_t sums[2 * VNNI_BLOCKS]; /* of each 16 columns' q */
};

/* `blocks` <= VNNI_BLOCKS blocks of 32 columns; the rest becomes zeros. */
void vnni_quantize(struct vnni_quantized *values, const float *x, size_t blocks);

bool vnni_packs(const struct matrix *w, bool decode);
bool vnni_rounds_to_bytes(const struct matrix *w); /* in decode */
/* Columns [begin, end) of a lane's row x, of `lanes` <= KERNELS_PACK_ROWS, for
 * vnni_decode_lanes(), in the memory of so many rows. */
void vnni_pack_lane(void *packed, enum blocks_type type, const float *x, size_t lanes, size_t lane,
                    size_t begin, size_t end);
const float *vnni_packed_from(const float *packed, const struct matrix *w, size_t row);
void vnni_pack_pass(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                    size_t first, size_t count, size_t begin, size_t end);
void vnni_pack(float *packed, const struct matrix *w, const float *x, size_t x_stride, size_t first,
               size_t count, size_t begin, size_t end);
void vnni_pack_row(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                   size_t first, size_t count, size_t row);

/* One packed row; several. */
void vnni_decode_row(float *y, const struct matrix *w, size_t first, size_t count,
                     const struct vnni_stretch *x, bool add);
typedef void vnni_lanes_product(float *y, size_t y_stride, const struct matrix *w, size_t first,
                                size_t count, const void *x, size_t lanes, bool add,
                                float *scratch);

vnni_lanes_product vnni_decode_lanes;

/* decode_matmul() with `several` for more than one row of bytes. */
void vnni_decode(vnni_lanes_product *several, float *y, size_t y_stride, const struct matrix *w,
                 size_t first, size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                 float *scratch);

void vnni_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                         float *scratch);
void vnni_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch);

#endif
