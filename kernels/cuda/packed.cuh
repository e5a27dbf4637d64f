/* packed.cuh: how quantized weights lie on the device.
 *
 * A matrix is cut into tiles of 16 rows x 256 columns, [row tile][column tile], each in
 * one piece, so that a warp reads its weights with 16 bytes a thread, side by side. Lane
 * l = 4 g + t of a warp owns, in each chunk of 32 columns, the eight columns 8t .. 8t + 7
 * of the rows g and g + 8: exactly what two tensor core products of 16 x 8 x 16 take
 * from it, when their 16 columns are numbered so that products 0 and 1 get columns
 * 8t .. 8t + 3 and 8t + 4 .. 8t + 7.
 *
 * Quants are kept unsigned, as in the file; a weight is scale * q - minimum (Q8_0:
 * scale * q). In a tile:
 *
 *   nibbles   [4][32 lanes] uint4: chunks 2i (x: row g, y: row g + 8) and 2i + 1 (z, w);
 *             in a word nibble p < 4 is column 2p, nibble p + 4 column 2p + 1
 *   fifth     [32] uint4 (5 bits): word i holds chunks 2i and 2i + 1; in each half word
 *             (low: even columns, high: odd ones) four bits for row g, four for g + 8,
 *             then the same for the next chunk
 *   high      [2][32] uint4 (6 bits): word i of 8 is chunk i; in each half word 2 bits a
 *             column: four for row g, four for row g + 8
 *   bytes     [8][32] uint4 (Q8_0, instead of all these): x, y: row g; z, w: row g + 8
 *   scales    by type, below
 */
#ifndef TIDEMARK_KERNELS_CUDA_PACKED_CUH
#define TIDEMARK_KERNELS_CUDA_PACKED_CUH

#include "kernels/blocks.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

template <int TYPE> struct packed {
    static constexpr bool five = TYPE == BLOCKS_Q5_0 || TYPE == BLOCKS_Q5_1 || TYPE == BLOCKS_Q5_K;
    static constexpr bool six = TYPE == BLOCKS_Q6_K;
    static constexpr bool bytes = TYPE == BLOCKS_Q8_0;
    static constexpr bool k = TYPE == BLOCKS_Q4_K || TYPE == BLOCKS_Q5_K;
    static constexpr int quants = bytes ? 4096 : 2048;
    static constexpr int high = five ? 512 : six ? 1024 : 0;
    static constexpr int scales = quants + high; /* where they begin */
    /* Q4_0, Q5_0, Q8_0: half d [16][8]. Q5_1: half d, m [16][8]. Q4_K, Q5_K: scale and
     * minimum bytes [16][8], then half d, dmin [16]. Q6_K: int8 [16][16], then half d [16]. */
    static constexpr int scale_bytes = k                     ? 256 + 64
                                       : six                 ? 256 + 32
                                       : TYPE == BLOCKS_Q5_1 ? 512
                                                             : 256;
    static constexpr int tile = scales + scale_bytes;
};

__device__ __forceinline__ float packed_half(uint32_t bits)
{
    return __half2float(__ushort_as_half((unsigned short)bits));
}

/* Scale and minimum of a row's group of 32 columns (of 16: Q6_K, where `group` counts
 * those), as a weight is scale * (q - middle) - minimum for the middles below. */
template <int TYPE>
__device__ __forceinline__ void packed_scale(const uint8_t *tile, int row, int group, float &scale,
                                             float &minimum)
{
    const uint8_t *s = tile + packed<TYPE>::scales;
    if constexpr (packed<TYPE>::k) {
        uint32_t pair = *(const uint16_t *)(s + row * 16 + group * 2);
        uint32_t d = *(const uint32_t *)(s + 256 + row * 4);
        scale = __fmul_rn(packed_half(d), (float)(pair & 255));
        minimum = __fmul_rn(packed_half(d >> 16), (float)(pair >> 8));
    } else if constexpr (packed<TYPE>::six) {
        float d = packed_half(*(const uint16_t *)(s + 256 + row * 2));
        scale = __fmul_rn(d, (float)*(const int8_t *)(s + row * 16 + group));
        minimum = 0;
    } else if constexpr (TYPE == BLOCKS_Q5_1) {
        uint32_t d = *(const uint32_t *)(s + row * 32 + group * 4);
        scale = packed_half(d);
        minimum = -packed_half(d >> 16);
    } else {
        scale = packed_half(*(const uint16_t *)(s + row * 16 + group * 2));
        minimum = 0;
    }
}

/* What is taken from a stored quant first. */
template <int TYPE> struct packed_middle {
    static constexpr int value = TYPE == BLOCKS_Q4_0   ? 8
                                 : TYPE == BLOCKS_Q5_0 ? 16
                                 : TYPE == BLOCKS_Q6_K ? 32
                                                       : 0;
};

/* The eight quants of `lane` in a chunk, of row g (upper false) or g + 8, in order. */
template <int TYPE>
__device__ __forceinline__ void packed_quants(int q[8], const uint8_t *tile, int lane, int chunk,
                                              bool upper)
{
    if constexpr (packed<TYPE>::bytes) {
        const int8_t *b = (const int8_t *)(tile + (chunk * 32 + lane) * 16 + (upper ? 8 : 0));
        for (int i = 0; i < 8; i++)
            q[i] = b[i];
        return;
    } else {
        const uint32_t *words = (const uint32_t *)tile;
        uint32_t low = words[((chunk / 2) * 32 + lane) * 4 + (chunk % 2) * 2 + (upper ? 1 : 0)];
        for (int i = 0; i < 8; i++)
            q[i] = (int)(low >> 4 * (i / 2 + (i % 2) * 4) & 15);
        const uint32_t *high = (const uint32_t *)(tile + packed<TYPE>::quants);
        if constexpr (packed<TYPE>::five) {
            uint32_t w = high[lane * 4 + chunk / 2] >> ((chunk % 2) * 8 + (upper ? 4 : 0));
            for (int i = 0; i < 8; i++)
                q[i] |= (int)(w >> (i / 2 + (i % 2) * 16) & 1) << 4;
        }
        if constexpr (packed<TYPE>::six) {
            uint32_t w = high[((chunk / 4) * 32 + lane) * 4 + chunk % 4] >> (upper ? 8 : 0);
            for (int i = 0; i < 8; i++)
                q[i] |= (int)(w >> (2 * (i / 2) + (i % 2) * 16) & 3) << 4;
        }
    }
}

/* The same as weights, with the roundings of blocks_to_float. */
template <int TYPE>
__device__ __forceinline__ void packed_weights(float w[8], const uint8_t *tile, int lane, int chunk,
                                               bool upper)
{
    int q[8];
    int row = lane / 4 + (upper ? 8 : 0);
    int group = packed<TYPE>::six ? chunk * 2 + (lane % 4) / 2 : chunk;
    float scale, minimum;
    packed_quants<TYPE>(q, tile, lane, chunk, upper);
    packed_scale<TYPE>(tile, row, group, scale, minimum);
    for (int i = 0; i < 8; i++) {
        w[i] = __fmul_rn(scale, (float)(q[i] - packed_middle<TYPE>::value));
        if constexpr (packed<TYPE>::k || TYPE == BLOCKS_Q5_1)
            w[i] = __fsub_rn(w[i], minimum);
    }
}

#endif
