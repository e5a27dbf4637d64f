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
 * number of as many bits. Chunks come in pairs, m and m + 4, so that one mask finds a tensor core's
 * operand in a word of nibbles. Four words in a row are numbers 0 .. 3 of row g, of row g + 8, and
 * 4 .. 7 of both, as a product takes them. In a tile:
 *
 *   nibbles   [4 pairs][32 lanes] uint4: in each byte the low nibble is chunk m's, the high
 *             one chunk (m + 4)'s
 *   fifth     [32] uint4 (5 bits): word m; bit r of a byte belongs to word r of the nibbles,
 *             bit 4 + r to the high nibble
 *   six       [4][32] uint4, then [4][32] uint2 (Q6_K, instead of these): six words, three a
 *             chunk. The upper six bits of word k < 3's bytes are what would be word k; the
 *             lower two, of words 0, 1 and 2 in a row, are word 3
 *   bytes     [8 chunks][32] uint4 (Q8_0, instead of all these); in odd chunks the two rows
 *             change places
 *   scales    [8][2] of 16 bytes: of row g + 8 h, then of the other of g and g + 8, chunks h,
 *             h + 4, h + 2 and h + 6 (packed_place); by type, below
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
    /* Q4_0, Q5_0, Q8_0: half d. Q5_1: all d, then all m. Q4_K, Q5_K: bytes, scales of both
     * rows and then minima of both; behind them half d, dmin [16]. Q6_K: int8, two a chunk;
     * behind them half d [16]. */
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

/* Where the scales of a row's chunk are, `each` of them, counted in scales. */
__host__ __device__ __forceinline__ constexpr int packed_place(int row, int chunk, int each)
{
    const int h = chunk % 2, second = (row / 8) ^ h;
    return ((row % 8 * 2 + h) * 2 + second) * 4 * each + (chunk % 4 / 2 * 2 + chunk / 4) * each;
}

/* The same for the bytes of Q4_K and Q5_K; minima are 8 further. */
__host__ __device__ __forceinline__ constexpr int packed_byte_place(int row, int chunk)
{
    const int h = chunk % 2, second = (row / 8) ^ h;
    return (row % 8 * 2 + h) * 16 + second * 4 + chunk % 4 / 2 * 2 + chunk / 4;
}

/* Scale and minimum of a row's group of 32 columns (of 16: Q6_K, where `group` counts
 * those), as a weight is scale * q - minimum. */
template <int TYPE>
__device__ __forceinline__ void packed_scale(const uint8_t *tile, int row, int group, float &scale,
                                             float &minimum)
{
    const uint8_t *s = tile + packed<TYPE>::scales;
    if constexpr (packed<TYPE>::k) {
        const int at = packed_byte_place(row, group);
        uint32_t d = *(const uint32_t *)(s + 256 + row * 4);
        scale = __fmul_rn(packed_half(d), (float)s[at]);
        minimum = __fmul_rn(packed_half(d >> 16), (float)s[at + 8]);
    } else if constexpr (packed<TYPE>::six) {
        float d = packed_half(*(const uint16_t *)(s + 256 + row * 2));
        const int at = packed_place(row, group / 2, 2) + group % 2;
        scale = __fmul_rn(d, (float)((const int8_t *)s)[at]);
        minimum = 0;
    } else {
        const uint16_t *at = (const uint16_t *)s + packed_place(row, group, 1);
        scale = packed_half(*at);
        minimum = TYPE == BLOCKS_Q5_1 ? -packed_half(at[128]) : 0.0f;
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

/* What a thread's four words of a chunk would be as bytes, as the file counts quants. */
template <int TYPE>
__device__ __forceinline__ void packed_bytes(uint32_t out[4], const uint8_t *tile, int lane,
                                             int chunk)
{
    constexpr uint32_t middle = packed_middle<TYPE>::value * 0x01010101u;
    const int at = chunk % 4 * 32 + lane, shift = chunk / 4 * 4;
    if constexpr (packed<TYPE>::bytes) {
        const uint4 q = ((const uint4 *)tile)[chunk * 32 + lane];
        const bool odd = chunk % 2;
        out[0] = odd ? q.y : q.x, out[1] = odd ? q.x : q.y;
        out[2] = odd ? q.w : q.z, out[3] = odd ? q.z : q.w;
    } else if constexpr (packed<TYPE>::six) {
        const uint4 a = ((const uint4 *)tile)[at];
        const uint2 b = ((const uint2 *)(tile + packed<TYPE>::quants))[at];
        const uint32_t word[3] = {chunk < 4 ? a.x : a.w, chunk < 4 ? a.y : b.x,
                                  chunk < 4 ? a.z : b.y};
        uint32_t last = 0;
        for (int k = 0; k < 3; k++) {
            out[k] = (word[k] >> 2 & 0x3F3F3F3Fu) ^ middle;
            last = last << 2 | (word[k] & 0x03030303u);
        }
        out[3] = last ^ middle;
    } else {
        const uint4 q = ((const uint4 *)tile)[at];
        const uint32_t word[4] = {q.x, q.y, q.z, q.w};
        uint32_t high = 0;
        if constexpr (packed<TYPE>::five)
            high = ((const uint32_t *)(tile + packed<TYPE>::quants))[lane * 4 + chunk % 4] >> shift;
        for (int r = 0; r < 4; r++)
            out[r] = ((word[r] >> shift & 0x0F0F0F0Fu) | (high >> r & 0x01010101u) << 4) ^ middle;
    }
}

/* A thread's eight weights of row g (upper false) or g + 8 in a chunk, from its bytes and with
 * the roundings of blocks_to_float. */
template <int TYPE>
__device__ __forceinline__ void packed_weights(float w[8], const uint32_t bytes[4],
                                               const uint8_t *tile, int lane, int chunk, bool upper)
{
    constexpr bool six = packed<TYPE>::six;
    int row = lane / 4 + (upper ? 8 : 0);
    float scale[2], minimum[2];
    packed_scale<TYPE>(tile, row, six ? chunk * 2 : chunk, scale[0], minimum[0]);
    scale[1] = scale[0];
    minimum[1] = minimum[0];
    if constexpr (six)
        packed_scale<TYPE>(tile, row, chunk * 2 + 1, scale[1], minimum[1]);
    for (int i = 0; i < 8; i++) {
        const uint32_t word = i < 4 ? (upper ? bytes[1] : bytes[0]) : (upper ? bytes[3] : bytes[2]);
        const uint32_t byte = word >> i % 4 * 8 & 255;
        const int q = packed<TYPE>::bytes ? (int8_t)byte : (int)byte - packed_middle<TYPE>::value;
        w[i] = __fmul_rn(scale[i / 4], (float)q);
        if constexpr (packed<TYPE>::k || TYPE == BLOCKS_Q5_1)
            w[i] = __fsub_rn(w[i], minimum[i / 4]);
    }
}

#endif
