/* amx.h: the functions of the AMX level; the rest it shares with the levels below.
 * Private to kernels/x86; contracts are those of struct kernels.
 *
 * Prefill multiplies tiles of bf16. Decode gives the bits of the VNNI level (vnni.h):
 * one lane is its kernel, several lanes take the same integer dot products from tiles of
 * bytes and treat them in the same order. */
#ifndef TIDEMARK_KERNELS_X86_AMX_H
#define TIDEMARK_KERNELS_X86_AMX_H

#include "kernels/levels.h"
#include "kernels/x86/vnni.h"

enum { AMX_LANES = KERNELS_PACK_ROWS };

/* 256 columns of two to 16 lanes; absent lanes are zero. */
struct amx_stretch {
    int8_t q[VNNI_STRETCH / 4][AMX_LANES][4];        /* [k / 4][lane][k % 4] */
    float scale[VNNI_BLOCKS][AMX_LANES];             /* of each block of 32 columns */
    float sums[VNNI_BLOCKS][AMX_LANES];              /* as in struct vnni_stretch */
    int32_t offset[2 * VNNI_BLOCKS][AMX_LANES];      /* of each group of weights */
};

void amx_pack(float *packed, const struct matrix *w, bool decode, const float *x, size_t x_stride,
              size_t first, size_t count);
void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch);
void amx_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                       size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                       float *scratch);

#endif
