/* packed.cuh: how quantized weights lie on the device.
 *
 * A matrix is cut into tiles of 16 rows x 256 columns, [row tile][column tile], each in
 * one piece, so that a tile can be copied as it is and read with 16 bytes a thread, side
 * by side. Lane l = 4 g + t of a warp owns, in each chunk of 32 columns, eight columns of
 * the rows g and g + 8: number i < 4 is column 4t + i, number i >= 4 column 12 + 4t + i.
 * That is what a tensor core product of 16 x 8 x 32 bytes takes from it.
 *
 * A weight is scale * q - minimum (Q8_0, Q4_0, Q5_0, Q6_K: scale * q, with a sign). Where
 * the file counts from a middle, the quant's top bit is flipped, which makes it a signed
 * number of as many bits. In a tile:
 *
 *   nibbles   [4][32 lanes] uint4: chunks 2i (x: row g, y: row g + 8) and 2i + 1 (z, w);
 *             in a word's byte i the low nibble is number i, the high one number i + 4
 *   fifth     [32] uint4 (5 bits): word i holds chunks 2i (bits 0 .. 3 of a byte) and
 *             2i + 1 (4 .. 7); in byte i: number i of rows g and g + 8, number i + 4 of both
 *   high      [2][32] uint4 (6 bits): word i of 8 is chunk i; 2 bits each, in the same order
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
 * those), as a weight is scale * q - minimum. */
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

/* What the file's quants are counted from. */
template <int TYPE> struct packed_middle {
    static constexpr int value = TYPE == BLOCKS_Q4_0   ? 8
                                 : TYPE == BLOCKS_Q5_0 ? 16
                                 : TYPE == BLOCKS_Q6_K ? 32
                                                       : 0;
};

/* The column in its chunk of number i of a thread's eight. */
__host__ __device__ __forceinline__ constexpr int packed_column(int t, int i)
{
    return 4 * t + i + (i < 4 ? 0 : 12);
}

/* The eight quants of `lane` in a chunk, of row g (upper false) or g + 8, as the file
 * counts them. */
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
            q[i] = (int)(low >> (i % 4 * 8 + i / 4 * 4) & 15);
        const uint32_t *high = (const uint32_t *)(tile + packed<TYPE>::quants);
        if constexpr (packed<TYPE>::five) {
            uint32_t w = high[lane * 4 + chunk / 2] >> (chunk % 2 * 4 + (upper ? 1 : 0));
            for (int i = 0; i < 8; i++)
                q[i] |= (int)(w >> (i % 4 * 8 + i / 4 * 2) & 1) << 4;
        }
        if constexpr (packed<TYPE>::six) {
            uint32_t w = high[((chunk / 4) * 32 + lane) * 4 + chunk % 4] >> (upper ? 2 : 0);
            for (int i = 0; i < 8; i++)
                q[i] |= (int)(w >> (i % 4 * 8 + i / 4 * 4) & 3) << 4;
        }
        for (int i = 0; i < 8; i++)
            q[i] ^= packed_middle<TYPE>::value;
    }
}

/* The same as weights, with the roundings of blocks_to_float. */
template <int TYPE>
__device__ __forceinline__ void packed_weights(float w[8], const uint8_t *tile, int lane, int chunk,
                                               bool upper)
{
    constexpr bool six = packed<TYPE>::six;
    int q[8];
    int row = lane / 4 + (upper ? 8 : 0);
    float scale[2], minimum[2];
    packed_quants<TYPE>(q, tile, lane, chunk, upper);
    packed_scale<TYPE>(tile, row, six ? chunk * 2 : chunk, scale[0], minimum[0]);
    scale[1] = scale[0];
    minimum[1] = minimum[0];
    if constexpr (six)
        packed_scale<TYPE>(tile, row, chunk * 2 + 1, scale[1], minimum[1]);
    for (int i = 0; i < 8; i++) {
        w[i] = __fmul_rn(scale[i / 4], (float)(q[i] - packed_middle<TYPE>::value));
        if constexpr (packed<TYPE>::k || TYPE == BLOCKS_Q5_1)
            w[i] = __fsub_rn(w[i], minimum[i / 4]);
    }
}

#endif
