/* avx512_weights.h: 32 weights of any block type as two vectors of floats, bit
 * for bit what blocks_to_float() gives. Private to the AVX-512 level.
 *
 * A row is a run of chunks of 32 weights. Types with blocks of 256 decode their
 * eight scales once a block:
 *
 *     struct avx512_scales scales;
 *     for each block: avx512_scales(type, block, &scales);
 *                     for chunk 0..7: avx512_chunk(type, block, chunk, &scales, &w0, &w1);
 *
 * The functions are inlined with a constant type and chunk; what is left is
 * straight-line code for that type. */
#ifndef TIDEMARK_KERNELS_X86_AVX512_WEIGHTS_H
#define TIDEMARK_KERNELS_X86_AVX512_WEIGHTS_H

#include "kernels/blocks.h"
#include "kernels/x86/load.h"

#include <immintrin.h>
#include <string.h>

#define AVX512_INLINE static inline __attribute__((always_inline))

struct avx512_scales {
    __m512 scale, min; /* [8] for K types; one value in all lanes for the others */
};

/* Lane i of v in all lanes. */
AVX512_INLINE __m512 avx512_broadcast(__m512 v, int i)
{
    return _mm512_permutexvar_ps(_mm512_set1_epi32(i), v);
}

/* The 6-bit scales and mins of a Q4_K or Q5_K block (see blocks.c for the packing): eight
 * scales, then eight mins. The first shuffle brings what holds the low bits, the second
 * the high two. */
AVX512_INLINE void avx512_packed_scales(const unsigned char *block, struct avx512_scales *scales)
{
    const __m128i low = _mm_setr_epi8(4, 5, 6, 7, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m128i high = _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, -1, -1, -1, -1, 8, 9, 10, 11);
    const __m512i down = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4);
    const __m512i kept =
        _mm512_setr_epi32(63, 63, 63, 63, 15, 15, 15, 15, 63, 63, 63, 63, 15, 15, 15, 15);
    __m128i packed = x86_load16(block);
    __m512i a = _mm512_cvtepu8_epi32(_mm_shuffle_epi8(packed, low));
    __m512i b = _mm512_cvtepu8_epi32(_mm_shuffle_epi8(packed, high));
    a = _mm512_and_si512(_mm512_srlv_epi32(a, down), kept);
    b = _mm512_and_si512(_mm512_srli_epi32(b, 2), _mm512_set1_epi32(0x30));
    __m512 values = _mm512_cvtepi32_ps(_mm512_or_si512(a, b));
    __m128 both = _mm_cvtph_ps(packed); /* d, dmin, ... */
    scales->scale = _mm512_mul_ps(values, _mm512_broadcastss_ps(both));
    scales->min = _mm512_mul_ps(_mm512_shuffle_f32x4(values, values, _MM_SHUFFLE(1, 0, 3, 2)),
                                _mm512_broadcastss_ps(_mm_movehdup_ps(both)));
}

AVX512_INLINE void avx512_scales(enum blocks_type type, const unsigned char *block,
                                 struct avx512_scales *scales)
{
    switch (type) {
    case BLOCKS_Q4_K:
    case BLOCKS_Q5_K:
        avx512_packed_scales(block, scales);
        return;
    case BLOCKS_Q6_K: /* 16 scales, one for each 16 weights */
        scales->scale =
            _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x86_load16(block + 192))),
                          _mm512_set1_ps(x86_half(block + 208)));
        return;
    case BLOCKS_Q5_1:
        scales->min = _mm512_set1_ps(x86_half(block + 2));
        scales->scale = _mm512_set1_ps(x86_half(block));
        return;
    case BLOCKS_Q4_0:
    case BLOCKS_Q5_0:
    case BLOCKS_Q8_0:
        scales->scale = _mm512_set1_ps(x86_half(block));
        return;
    default:
        return;
    }
}

/* Four-bit weights by table: a permutation looks at the low four bits of each
 * index only, so that low nibbles need no masking. */
AVX512_INLINE void avx512_nibbles(__m512 table, __m128i bytes0, __m128i bytes1, int shift,
                                  __m512 *w0, __m512 *w1)
{
    __m512i q0 = _mm512_cvtepu8_epi32(bytes0), q1 = _mm512_cvtepu8_epi32(bytes1);
    if (shift) {
        q0 = _mm512_srli_epi32(q0, 4);
        q1 = _mm512_srli_epi32(q1, 4);
    }
    *w0 = _mm512_permutexvar_ps(q0, table);
    *w1 = _mm512_permutexvar_ps(q1, table);
}

AVX512_INLINE __m512 avx512_iota(float start)
{
    return _mm512_add_ps(_mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                         _mm512_set1_ps(start));
}

AVX512_INLINE void avx512_q4_0(const unsigned char *block, const struct avx512_scales *scales,
                               __m512 *w0, __m512 *w1)
{
    __m128i bytes = x86_load16(block + 2);
    __m512 table = _mm512_mul_ps(scales->scale, avx512_iota(-8));
    __m512i q = _mm512_cvtepu8_epi32(bytes);
    *w0 = _mm512_permutexvar_ps(q, table);
    *w1 = _mm512_permutexvar_ps(_mm512_srli_epi32(q, 4), table);
}

/* Five-bit weights with the fifth bits in one word: Q5_0 and Q5_1. */
AVX512_INLINE void avx512_q5(const unsigned char *high, const unsigned char *nibbles, __m512 *w0,
                             __m512 *w1)
{
    unsigned bits;
    memcpy(&bits, high, sizeof bits);
    __m512i q = _mm512_cvtepu8_epi32(x86_load16(nibbles));
    __m512i sixteen = _mm512_set1_epi32(16);
    __m512i q0 = _mm512_and_si512(q, _mm512_set1_epi32(15)), q1 = _mm512_srli_epi32(q, 4);
    q0 = _mm512_mask_add_epi32(q0, (__mmask16)bits, q0, sixteen);
    q1 = _mm512_mask_add_epi32(q1, (__mmask16)(bits >> 16), q1, sixteen);
    *w0 = _mm512_cvtepi32_ps(q0);
    *w1 = _mm512_cvtepi32_ps(q1);
}

AVX512_INLINE void avx512_q8_0(const unsigned char *block, const struct avx512_scales *scales,
                               __m512 *w0, __m512 *w1)
{
    __m512 q0 = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x86_load16(block + 2)));
    __m512 q1 = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(x86_load16(block + 18)));
    *w0 = _mm512_mul_ps(scales->scale, q0);
    *w1 = _mm512_mul_ps(scales->scale, q1);
}

AVX512_INLINE void avx512_q4_k(const unsigned char *block, int chunk,
                               const struct avx512_scales *scales, __m512 *w0, __m512 *w1)
{
    const unsigned char *q = block + 16 + chunk / 2 * 32;
    __m512 table =
        _mm512_sub_ps(_mm512_mul_ps(avx512_broadcast(scales->scale, chunk), avx512_iota(0)),
                      avx512_broadcast(scales->min, chunk));
    avx512_nibbles(table, x86_load16(q), x86_load16(q + 16), chunk % 2, w0, w1);
}

AVX512_INLINE void avx512_q5_k(const unsigned char *block, int chunk,
                               const struct avx512_scales *scales, __m512 *w0, __m512 *w1)
{
    __m256i q = x86_load32(block + 48 + chunk / 2 * 32);
    __m256i fifth = _mm256_and_si256(x86_load32(block + 16), _mm256_set1_epi8((char)(1 << chunk)));
    __mmask32 set = _mm256_test_epi8_mask(fifth, fifth);
    q = _mm256_and_si256(chunk % 2 ? _mm256_srli_epi16(q, 4) : q, _mm256_set1_epi8(15));
    q = _mm256_mask_add_epi8(q, set, q, _mm256_set1_epi8(16));
    __m512 scale = avx512_broadcast(scales->scale, chunk);
    __m512 min = avx512_broadcast(scales->min, chunk);
    __m512i q0 = _mm512_cvtepu8_epi32(_mm256_castsi256_si128(q));
    __m512i q1 = _mm512_cvtepu8_epi32(_mm256_extracti128_si256(q, 1));
    *w0 = _mm512_sub_ps(_mm512_mul_ps(scale, _mm512_cvtepi32_ps(q0)), min);
    *w1 = _mm512_sub_ps(_mm512_mul_ps(scale, _mm512_cvtepi32_ps(q1)), min);
}

AVX512_INLINE void avx512_q6_k(const unsigned char *block, int chunk,
                               const struct avx512_scales *scales, __m512 *w0, __m512 *w1)
{
    int half = chunk / 4, quarter = chunk % 4;
    __m256i low = x86_load32(block + 64 * half + 32 * (quarter % 2));
    __m256i high = x86_load32(block + 128 + 32 * half);
    low = _mm256_and_si256(quarter < 2 ? low : _mm256_srli_epi16(low, 4), _mm256_set1_epi8(15));
    high = _mm256_and_si256(_mm256_srl_epi16(high, _mm_cvtsi32_si128(2 * quarter)),
                            _mm256_set1_epi8(3));
    __m256i q = _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
    q = _mm256_sub_epi8(q, _mm256_set1_epi8(32));
    __m512i q0 = _mm512_cvtepi8_epi32(_mm256_castsi256_si128(q));
    __m512i q1 = _mm512_cvtepi8_epi32(_mm256_extracti128_si256(q, 1));
    *w0 = _mm512_mul_ps(avx512_broadcast(scales->scale, 2 * chunk), _mm512_cvtepi32_ps(q0));
    *w1 = _mm512_mul_ps(avx512_broadcast(scales->scale, 2 * chunk + 1), _mm512_cvtepi32_ps(q1));
}

AVX512_INLINE __m512 avx512_bf16(__m256i bits)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

/* The weights of a chunk; `block` is where its block begins (for F32, F16 and
 * BF16: where its 32 weights begin). */
AVX512_INLINE void avx512_chunk(enum blocks_type type, const unsigned char *block, int chunk,
                                const struct avx512_scales *scales, __m512 *w0, __m512 *w1)
{
    switch (type) {
    case BLOCKS_F32:
        *w0 = _mm512_loadu_ps(block);
        *w1 = _mm512_loadu_ps(block + 64);
        return;
    case BLOCKS_F16:
        *w0 = _mm512_cvtph_ps(x86_load32(block));
        *w1 = _mm512_cvtph_ps(x86_load32(block + 32));
        return;
    case BLOCKS_BF16:
        *w0 = avx512_bf16(x86_load32(block));
        *w1 = avx512_bf16(x86_load32(block + 32));
        return;
    case BLOCKS_Q4_0:
        avx512_q4_0(block, scales, w0, w1);
        return;
    case BLOCKS_Q5_0: {
        __m512 sixteen = _mm512_set1_ps(16);
        avx512_q5(block + 2, block + 6, w0, w1);
        *w0 = _mm512_mul_ps(scales->scale, _mm512_sub_ps(*w0, sixteen));
        *w1 = _mm512_mul_ps(scales->scale, _mm512_sub_ps(*w1, sixteen));
        return;
    }
    case BLOCKS_Q5_1:
        avx512_q5(block + 4, block + 8, w0, w1);
        *w0 = _mm512_add_ps(_mm512_mul_ps(scales->scale, *w0), scales->min);
        *w1 = _mm512_add_ps(_mm512_mul_ps(scales->scale, *w1), scales->min);
        return;
    case BLOCKS_Q8_0:
        avx512_q8_0(block, scales, w0, w1);
        return;
    case BLOCKS_Q4_K:
        avx512_q4_k(block, chunk, scales, w0, w1);
        return;
    case BLOCKS_Q5_K:
        avx512_q5_k(block, chunk, scales, w0, w1);
        return;
    case BLOCKS_Q6_K:
        avx512_q6_k(block, chunk, scales, w0, w1);
        return;
    default:
        *w0 = *w1 = _mm512_setzero_ps();
    }
}

/* 16 weights of an F32, F16 or BF16 row of which `mask` says which exist; the
 * others are 0 and not read. */
AVX512_INLINE __m512 avx512_ragged(enum blocks_type type, const unsigned char *at, __mmask16 mask)
{
    if (type == BLOCKS_F32)
        return _mm512_maskz_loadu_ps(mask, at);
    __m256i bits = _mm256_maskz_loadu_epi16(mask, at);
    return type == BLOCKS_F16 ? _mm512_cvtph_ps(bits) : avx512_bf16(bits);
}

AVX512_INLINE int avx512_is_plain(enum blocks_type type)
{
    return type == BLOCKS_F32 || type == BLOCKS_F16 || type == BLOCKS_BF16;
}

AVX512_INLINE size_t avx512_chunk_bytes(enum blocks_type type)
{
    return type == BLOCKS_F32 ? 128 : 64; /* plain types only */
}

AVX512_INLINE size_t avx512_block_bytes(enum blocks_type type)
{
    switch (type) {
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
    default:
        return avx512_chunk_bytes(type);
    }
}

AVX512_INLINE int avx512_block_chunks(enum blocks_type type)
{
    return type == BLOCKS_Q4_K || type == BLOCKS_Q5_K || type == BLOCKS_Q6_K ? 8 : 1;
}

#endif
