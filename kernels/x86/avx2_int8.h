/* avx2_int8.h: decode products by bytes with AVX2. Private to kernels/x86.
 *
 * Activations are rounded to 8 bits in blocks of 32 columns and multiplied with the
 * integers that the file holds, 32 at a time: products of bytes are added in pairs to 16
 * bits, which they cannot exceed, and in fours to 32. What is left of a block, eight sums,
 * becomes floats and takes both scales. Prefill and all else is the AVX2 level's, and so
 * are F32, F16 and BF16 weights and rows of fewer than 256 columns. */
#ifndef TIDEMARK_KERNELS_X86_AVX2_INT8_H
#define TIDEMARK_KERNELS_X86_AVX2_INT8_H

#include "kernels/levels.h"

#include <stdint.h>

enum { AVX2_INT8_STRETCH = 256, AVX2_INT8_BLOCKS = AVX2_INT8_STRETCH / 32 };

/* 256 columns of a row: x = scale * q. */
struct avx2_int8_stretch {
    int8_t q[AVX2_INT8_BLOCKS][32];
    int32_t offset[AVX2_INT8_BLOCKS][8]; /* what the weights' own offset adds to the sums */
    float scale[AVX2_INT8_BLOCKS];
    float sums[AVX2_INT8_BLOCKS]; /* +- scale * sum of q, for the minima */
};

bool avx2_int8_packs(const struct matrix *w, bool decode);
void avx2_int8_pack(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                    size_t first, size_t count, size_t begin, size_t end);
void avx2_int8_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                             size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                             float *scratch);

#endif
