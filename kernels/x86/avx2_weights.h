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

#include <stdbool.h>
#include <string.h>

/* In memory, from where one broadcast each fetches them. */
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

AVX2_INLINE float avx2_half(const unsigned char *bytes)
{
    unsigned short half;
    memcpy(&half, bytes, sizeof half);
    return _cvtsh_ss(half);
}

AVX2_INLINE __m128i avx2_load16(const unsigned char *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

AVX2_INLINE __m256i avx2_load32(const unsigned char *bytes)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
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
    _mm256_storeu_ps(scales->scale, _mm256_mul_ps(_mm256_set1_ps(avx2_half(block)),
                                                  _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(scale))));
    _mm256_storeu_ps(scales->min, _mm256_mul_ps(_mm256_set1_ps(avx2_half(block + 2)),
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
        __m128i packed = avx2_load16(block + 192);
        __m256 d = _mm256_set1_ps(avx2_half(block + 208));
        __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(packed));
        __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(packed, 8)));
        _mm256_storeu_ps(scales->scale, _mm256_mul_ps(d, low));
        _mm256_storeu_ps(scales->scale + 8, _mm256_mul_ps(d, high));
        return;
    }
    case BLOCKS_Q5_1:
        scales->min[0] = -avx2_half(block + 2);
        scales->scale[0] = avx2_half(block);
        return;
    case BLOCKS_Q4_0:
    case BLOCKS_Q5_0:
    case BLOCKS_Q8_0:
        scales->scale[0] = avx2_half(block);
        return;
    default:
        return;
    }
}

/* The scale of weights 8 i .. 8 i + 7 of a chunk. */
AVX2_INLINE __m256 avx2_scale(enum blocks_type type, const struct avx2_scales *scales, int chunk,
                              int i)
{
    return _mm256_broadcast_ss(&scales->scale[type == BLOCKS_Q6_K ? 2 * chunk + i / 2 : chunk]);
}

AVX2_INLINE __m256 avx2_min(const struct avx2_scales *scales, int chunk)
{
    return _mm256_broadcast_ss(&scales->min[chunk]);
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

/* 32 signed bytes. */
AVX2_INLINE __m256i avx2_bytes(enum blocks_type type, const unsigned char *block, int chunk)
{
    const __m256i fifteen = _mm256_set1_epi8(15);
    switch (type) {
    case BLOCKS_Q8_0:
        return avx2_load32(block + 2);
    case BLOCKS_Q4_0:
        return _mm256_sub_epi8(avx2_two_nibbles(avx2_load16(block + 2)), _mm256_set1_epi8(8));
    case BLOCKS_Q5_0:
        return _mm256_sub_epi8(
            _mm256_or_si256(avx2_two_nibbles(avx2_load16(block + 6)), avx2_fifth_bits(block + 2)),
            _mm256_set1_epi8(16));
    case BLOCKS_Q5_1:
        return _mm256_or_si256(avx2_two_nibbles(avx2_load16(block + 8)),
                               avx2_fifth_bits(block + 4));
    case BLOCKS_Q4_K: {
        __m256i q = avx2_load32(block + 16 + chunk / 2 * 32);
        return _mm256_and_si256(chunk % 2 ? _mm256_srli_epi16(q, 4) : q, fifteen);
    }
    case BLOCKS_Q5_K: {
        __m256i q = avx2_load32(block + 48 + chunk / 2 * 32);
        __m256i bit = _mm256_set1_epi8((char)(1 << chunk));
        __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(avx2_load32(block + 16), bit), bit);
        q = _mm256_and_si256(chunk % 2 ? _mm256_srli_epi16(q, 4) : q, fifteen);
        return _mm256_or_si256(q, _mm256_and_si256(set, _mm256_set1_epi8(16)));
    }
    case BLOCKS_Q6_K: {
        int half = chunk / 4, quarter = chunk % 4;
        __m256i low = avx2_load32(block + 64 * half + 32 * (quarter % 2));
        __m256i high = avx2_load32(block + 128 + 32 * half);
        low = _mm256_and_si256(quarter < 2 ? low : _mm256_srli_epi16(low, 4), fifteen);
        high = quarter == 0   ? _mm256_slli_epi16(high, 4)
               : quarter == 1 ? _mm256_slli_epi16(high, 2)
               : quarter == 2 ? high
                              : _mm256_srli_epi16(high, 2);
        high = _mm256_and_si256(high, _mm256_set1_epi8(0x30));
        return _mm256_sub_epi8(_mm256_or_si256(low, high), _mm256_set1_epi8(32));
    }
    default:
        return _mm256_setzero_si256();
    }
}

/* 8 plain weights. */
AVX2_INLINE __m256 avx2_plain(enum blocks_type type, const unsigned char *at)
{
    if (type == BLOCKS_F32)
        return _mm256_loadu_ps((const float *)(const void *)at);
    __m128i bits = avx2_load16(at);
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

/* The chunk's quants as floats; `block` is where its block (for plain types: the
 * chunk itself) begins. */
AVX2_INLINE void avx2_quants(enum blocks_type type, const unsigned char *block, int chunk,
                             __m256 q[4])
{
    if (avx2_is_plain(type)) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            q[i] = avx2_plain(type, block + (size_t)i * avx2_block_bytes(type) / 4);
        return;
    }
    __m256i bytes = avx2_bytes(type, block, chunk);
    __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    q[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
    q[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(low, 8)));
    q[2] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
    q[3] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(high, 8)));
}

#endif
