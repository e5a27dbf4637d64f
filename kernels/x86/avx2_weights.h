/* avx2_weights.h: a chunk of 32 weights of any block type as four vectors of
 * floats. Private to the AVX2 level.
 *
 *     struct avx2_scales scales;
 *     for each block: avx2_scales(type, block, &scales);
 *                     for each chunk of the block: avx2_quants(type, block, chunk, q);
 *                                                  w = scale q - min
 *
 * Plain types (F32, F16, BF16) have neither scales nor mins: their quants are the
 * weights. scale q - min with one rounding each gives the bits of
 * blocks_to_float(). The functions are inlined with a constant type and chunk. */
#ifndef TIDEMARK_KERNELS_X86_AVX2_WEIGHTS_H
#define TIDEMARK_KERNELS_X86_AVX2_WEIGHTS_H

#include "kernels/blocks.h"
#include "kernels/x86/avx2_math.h"
#include "kernels/x86/load.h"

#include <stdbool.h>
#include <string.h>

/* In memory, from where one broadcast each fetches them. (By value: the compiler keeps an
 * address for every broadcast that is given one.) */
struct avx2_scales {
    float scale[16]; /* Q6_K: of 16 weights each; Q4_K, Q5_K: of 32; else one */
    float min[8];
};

AVX2_INLINE bool avx2_is_plain(enum blocks_type type)
{
    return type == BLOCKS_F32 || type == BLOCKS_F16 || type == BLOCKS_BF16;
}

AVX2_INLINE bool avx2_has_min(enum blocks_type type)
{
    return type == BLOCKS_Q4_K || type == BLOCKS_Q5_K || type == BLOCKS_Q5_1;
}

/* Chunks of a block: 8 for the types with blocks of 256. */
AVX2_INLINE int avx2_block_chunks(enum blocks_type type)
{
    return type == BLOCKS_Q4_K || type == BLOCKS_Q5_K || type == BLOCKS_Q6_K ? 8 : 1;
}

/* Bytes of a block; of 32 weights for the plain types. */
AVX2_INLINE size_t avx2_block_bytes(enum blocks_type type)
{
    switch (type) {
    case BLOCKS_F32:
        return 128;
    case BLOCKS_F16:
    case BLOCKS_BF16:
        return 64;
    case BLOCKS_Q4_0:
        return 18;
    case BLOCKS_Q5_0:
        return 22;
    case BLOCKS_Q5_1:
        return 24;
    case BLOCKS_Q8_0:
        return 34;
    case BLOCKS_Q4_K:
        return 144;
    case BLOCKS_Q5_K:
        return 176;
    case BLOCKS_Q6_K:
        return 210;
    case BLOCKS_TYPES:
        break;
    }
    return 0;
}

/* --- scales ------------------------------------------------------------------------ */

/* The 6-bit scales and mins of a Q4_K or Q5_K block (see blocks.c for the packing). */
AVX2_INLINE void avx2_packed_scales(const unsigned char *block, struct avx2_scales *scales)
{
    unsigned packed[3];
    memcpy(packed, block + 4, sizeof packed);
    unsigned scale_low = packed[0] & 0x3F3F3F3Fu;
    unsigned scale_high = (packed[2] & 0x0F0F0F0Fu) | (packed[0] >> 6 & 0x03030303u) << 4;
    unsigned min_low = packed[1] & 0x3F3F3F3Fu;
    unsigned min_high = (packed[2] >> 4 & 0x0F0F0F0Fu) | (packed[1] >> 6 & 0x03030303u) << 4;
    __m128i scale = _mm_set_epi32(0, 0, (int)scale_high, (int)scale_low);
    __m128i min = _mm_set_epi32(0, 0, (int)min_high, (int)min_low);
    _mm256_storeu_ps(scales->scale, _mm256_mul_ps(_mm256_set1_ps(x86_half(block)),
                                                  _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scale))));
    _mm256_storeu_ps(scales->min, _mm256_mul_ps(_mm256_set1_ps(x86_half(block + 2)),
                                                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(min))));
}

AVX2_INLINE void avx2_scales(enum blocks_type type, const unsigned char *block,
                             struct avx2_scales *scales)
{
    switch (type) {
    case BLOCKS_Q4_K:
    case BLOCKS_Q5_K:
        avx2_packed_scales(block, scales);
        return;
    case BLOCKS_Q6_K: {
        __m128i packed = x86_load16(block + 192);
        __m256 d = _mm256_set1_ps(x86_half(block + 208));
        __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(packed));
        __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(packed, 8)));
        _mm256_storeu_ps(scales->scale, _mm256_mul_ps(d, low));
        _mm256_storeu_ps(scales->scale + 8, _mm256_mul_ps(d, high));
        return;
    }
    case BLOCKS_Q5_1:
        scales->min[0] = -x86_half(block + 2);
        scales->scale[0] = x86_half(block);
        return;
    case BLOCKS_Q4_0:
    case BLOCKS_Q5_0:
    case BLOCKS_Q8_0:
        scales->scale[0] = x86_half(block);
        return;
    default:
        return;
    }
}

/* The scale of weights 8 i .. 8 i + 7 of a chunk. */
AVX2_INLINE __m256 avx2_scale(enum blocks_type type, const struct avx2_scales *scales, int chunk,
                              int i)
{
    return _mm256_set1_ps(scales->scale[type == BLOCKS_Q6_K ? 2 * chunk + i / 2 : chunk]);
}

/* The scale of each weight that avx2_signed_places puts into a lane: of Q6_K, whose first 16
 * weights lie in the lower lanes, two. */
AVX2_INLINE __m256 avx2_chunk_scale(enum blocks_type type, const struct avx2_scales *scales,
                                    int chunk)
{
    if (type != BLOCKS_Q6_K)
        return avx2_scale(type, scales, chunk, 0);
    double two;
    memcpy(&two, &scales->scale[2 * chunk], sizeof two);
    return _mm256_permutevar_ps(_mm256_castpd_ps(_mm256_set1_pd(two)),
                                _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

AVX2_INLINE __m256 avx2_min(const struct avx2_scales *scales, int chunk)
{
    return _mm256_set1_ps(scales->min[chunk]);
}

/* --- quants -------------------------------------------------------------------------- */

/* The four bits of 16 bytes: low nibbles, then high ones. */
AVX2_INLINE __m256i avx2_two_nibbles(__m128i bytes)
{
    __m256i both = _mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

/* 16 in byte i where bit i of the word is set. */
AVX2_INLINE __m256i avx2_fifth_bits(const unsigned char *word)
{
    int bits;
    memcpy(&bits, word, sizeof bits);
    const __m256i which = _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101,
                                             0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), which);
    __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
    return _mm256_and_si256(set, _mm256_set1_epi8(16));
}

/* What is subtracted from a type's stored quants. */
AVX2_INLINE int avx2_bias(enum blocks_type type)
{
    return type == BLOCKS_Q4_0 ? 8 : type == BLOCKS_Q5_0 ? 16 : type == BLOCKS_Q6_K ? 32 : 0;
}

AVX2_INLINE bool avx2_has_nibbles_only(enum blocks_type type)
{
    return type == BLOCKS_Q4_0 || type == BLOCKS_Q4_K;
}

/* The 32 quants of a chunk in the file's own numbers, a byte each in order: signed for
 * Q8_0, else from 0. Of Q4_0 and Q4_K the low four bits of each byte only. */
AVX2_INLINE __m256i avx2_bytes(enum blocks_type type, const unsigned char *block, int chunk)
{
    const __m256i fifteen = _mm256_set1_epi8(15);
    switch (type) {
    case BLOCKS_Q8_0:
        return x86_load32(block + 2);
    case BLOCKS_Q4_0:
        return _mm256_srlv_epi32(_mm256_broadcastsi128_si256(x86_load16(block + 2)),
                                 _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
    case BLOCKS_Q5_0:
        return _mm256_or_si256(avx2_two_nibbles(x86_load16(block + 6)), avx2_fifth_bits(block + 2));
    case BLOCKS_Q5_1:
        return _mm256_or_si256(avx2_two_nibbles(x86_load16(block + 8)), avx2_fifth_bits(block + 4));
    case BLOCKS_Q4_K: {
        __m256i q = x86_load32(block + 16 + chunk / 2 * 32);
        return chunk % 2 ? _mm256_srli_epi32(q, 4) : q;
    }
    case BLOCKS_Q5_K: {
        __m256i q = x86_load32(block + 48 + chunk / 2 * 32), fifth = x86_load32(block + 16);
        fifth = chunk < 4 ? _mm256_slli_epi32(fifth, 4 - chunk)
                          : _mm256_srli_epi32(fifth, chunk < 4 ? 0 : chunk - 4);
        q = _mm256_and_si256(chunk % 2 ? _mm256_srli_epi32(q, 4) : q, fifteen);
        return _mm256_or_si256(q, _mm256_and_si256(fifth, _mm256_set1_epi8(16)));
    }
    case BLOCKS_Q6_K: {
        int half = chunk / 4, quarter = chunk % 4;
        __m256i low = x86_load32(block + 64 * half + 32 * (quarter % 2));
        __m256i high = x86_load32(block + 128 + 32 * half);
        low = _mm256_and_si256(quarter < 2 ? low : _mm256_srli_epi32(low, 4), fifteen);
        high = quarter == 0   ? _mm256_slli_epi32(high, 4)
               : quarter == 1 ? _mm256_slli_epi32(high, 2)
               : quarter == 2 ? high
                              : _mm256_srli_epi32(high, 2);
        return _mm256_or_si256(low, _mm256_and_si256(high, _mm256_set1_epi8(0x30)));
    }
    default:
        return _mm256_setzero_si256();
    }
}

/* The quants proper: without other bits, the bias subtracted. */
AVX2_INLINE __m256i avx2_signed_bytes(enum blocks_type type, const unsigned char *block, int chunk)
{
    __m256i bytes = avx2_bytes(type, block, chunk);
    if (avx2_has_nibbles_only(type))
        bytes = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
    if (avx2_bias(type))
        bytes = _mm256_sub_epi8(bytes, _mm256_set1_epi8((char)avx2_bias(type)));
    return bytes;
}

/* 8 plain weights. */
AVX2_INLINE __m256 avx2_plain(enum blocks_type type, const unsigned char *at)
{
    if (type == BLOCKS_F32)
        return _mm256_loadu_ps((const float *)(const void *)at);
    __m128i bits = x86_load16(at);
    if (type == BLOCKS_F16)
        return _mm256_cvtph_ps(bits);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

/* The first `count` < 8 of 8 plain weights, the others 0; no byte beyond them is read. */
AVX2_INLINE __m256 avx2_ragged(enum blocks_type type, const unsigned char *at, size_t count)
{
    unsigned char copy[32] = {0};
    memcpy(copy, at, count * (avx2_block_bytes(type) / 32));
    return avx2_plain(type, copy);
}

/* The chunk's quants as floats in order; `block` is where its block (for plain types:
 * the chunk itself) begins. */
AVX2_INLINE void avx2_quants(enum blocks_type type, const unsigned char *block, int chunk,
                             __m256 q[4])
{
    if (avx2_is_plain(type)) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            q[i] = avx2_plain(type, block + (size_t)i * avx2_block_bytes(type) / 4);
        return;
    }
    __m256i bytes = avx2_signed_bytes(type, block, chunk);
    __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    q[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
    q[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)));
    q[2] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
    q[3] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)));
}

/* --- in place ------------------------------------------------------------------------- */

/* A chunk in the order that comes cheapest: byte j of word i, which is column 4 i + j,
 * goes to lane i of vector j, and becomes a number where it stands in its word, a power
 * of two too large: one mask and one conversion.
 *
 * Without mins: q[j] holds 2^24 (quant - bias), signed bytes moved to the word's top. */
AVX2_INLINE void avx2_signed_places(enum blocks_type type, const unsigned char *block, int chunk,
                                    __m256 q[4])
{
    const __m256i top = _mm256_set1_epi32((int)0xFF000000);
    __m256i bytes = avx2_signed_bytes(type, block, chunk);
    q[0] = _mm256_cvtepi32_ps(_mm256_slli_epi32(bytes, 24));
    q[1] = _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_slli_epi32(bytes, 16), top));
    q[2] = _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_slli_epi32(bytes, 8), top));
    q[3] = _mm256_cvtepi32_ps(_mm256_and_si256(bytes, top));
}

/* For types with mins: 2^(-8 j) scale. */
struct avx2_places {
    float scale[4][8];
};

AVX2_INLINE void avx2_place_scales(enum blocks_type type, const struct avx2_scales *scales,
                                   struct avx2_places *places)
{
    if (type == BLOCKS_Q5_1) {
        for (int j = 0; j < 4; j++)
            places->scale[j][0] = scales->scale[0] / (float)(1 << 8 * j);
        return;
    }
    __m256 scale = _mm256_loadu_ps(scales->scale);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        _mm256_storeu_ps(places->scale[j],
                         _mm256_mul_ps(scale, _mm256_set1_ps(1 / (float)(1 << 8 * j))));
}

/* With mins: the weights themselves. scale quant has at most 22 significant bits, so
 * that the multiply-add rounds once where blocks_to_float() does. */
AVX2_INLINE void avx2_min_places(enum blocks_type type, const unsigned char *block, int chunk,
                                 const struct avx2_scales *scales, const struct avx2_places *places,
                                 __m256 w[4])
{
    const int mask = avx2_has_nibbles_only(type) ? 15 : 31;
    __m256i bytes = avx2_bytes(type, block, chunk);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++)
        w[j] = _mm256_fmsub_ps(
            _mm256_cvtepi32_ps(_mm256_and_si256(bytes, _mm256_set1_epi32(mask << 8 * j))),
            _mm256_set1_ps(places->scale[j][chunk]), avx2_min(scales, chunk));
}

#endif
