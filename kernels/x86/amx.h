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

#include <stddef.h>

enum { AMX_LANES = KERNELS_PACK_ROWS };

/* A stretch of 256 columns of two to 8, or to 16 lanes lies one array after the other,
 * each row of it as wide as there are places; absent lanes are zero. */
struct amx_stretch {
    int8_t *q;       /* [k / 4][place][k % 4] */
    float *scale;    /* [VNNI_BLOCKS][place]: of each block of 32 columns */
    float *sums;     /* [VNNI_BLOCKS][place]: as in struct vnni_stretch */
    int32_t *offset; /* [2 * VNNI_BLOCKS][place]: of each group of weights */
};

static inline size_t amx_places(size_t lanes)
{
    return lanes <= 8 ? 8 : 16;
}

static inline struct amx_stretch amx_stretch_at(const void *packed, size_t places, size_t index)
{
    const size_t bytes = places * (VNNI_STRETCH + 4 * 4 * VNNI_BLOCKS);
    char *q = (char *)(uintptr_t)packed + index * bytes, *scale = q + places * VNNI_STRETCH;
    char *sums = scale + places * 4 * VNNI_BLOCKS, *offset = sums + places * 4 * VNNI_BLOCKS;
    return (struct amx_stretch){(void *)q, (void *)scale, (void *)sums, (void *)offset};
}

void amx_pack(float *packed, const struct matrix *w, bool decode, const float *x, size_t x_stride,
              size_t first, size_t count);
void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch);
void amx_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                       size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                       float *scratch);

#endif
