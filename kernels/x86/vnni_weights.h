/* vnni_weights.h: a stretch of 256 weights as four vectors of unsigned bytes and one
 * of floats, the slots' scales and minima. Private to the levels with VNNI.
 *
 * Vector i of four holds, in its 128-bit lane j:
 *
 *     Q4_K, Q5_K    groups 0 0 2 2 | 1 1 3 3 | 4 4 6 6 | 5 5 7 7, low and high nibbles of
 *                   64 bytes in turn
 *     Q6_K, Q8_0    the columns as they are
 *     Q4_0, Q5_0,   the first 16 columns of block j | the last 16 | the same of block 4 + j
 *     Q5_1
 *
 * The functions are inlined with a constant type. */
#ifndef TIDEMARK_KERNELS_X86_VNNI_WEIGHTS_H
#define TIDEMARK_KERNELS_X86_VNNI_WEIGHTS_H

#include "kernels/x86/avx512_weights.h"
#include "kernels/x86/vnni.h"

AVX512_INLINE bool vnni_is_nibbles(enum blocks_type type)
{
    return type == BLOCKS_Q4_0 || type == BLOCKS_Q5_0 || type == BLOCKS_Q5_1;
}

AVX512_INLINE bool vnni_has_minimum(enum blocks_type type)
{
    return type == BLOCKS_Q4_K || type == BLOCKS_Q5_K || type == BLOCKS_Q5_1;
}

/* What is added to the integers of a type to make them unsigned. */
AVX512_INLINE int vnni_offset(enum blocks_type type)
{
    return type == BLOCKS_Q8_0   ? 128
           : type == BLOCKS_Q6_K ? 32
           : type == BLOCKS_Q5_0 ? 16
           : type == BLOCKS_Q4_0 ? 8
                                 : 0;
}

AVX512_INLINE size_t vnni_group(enum blocks_type type) /* weights of one scale */
{
    return type == BLOCKS_Q6_K ? 16 : 32;
}

/* The slot of a group's dot product, and that of its minimum. */
AVX512_INLINE size_t vnni_slot(enum blocks_type type, size_t group)
{
    if (vnni_is_nibbles(type))
        return 4 * (group % 4) + group / 4;
    if (type == BLOCKS_Q6_K)
        return 4 * (group % 4) + group / 4;
    if (type == BLOCKS_Q8_0)
        return 8 * (group % 2) + group / 2;
    return 8 * (group / 2 % 2) + 2 * (group / 4) + group % 2; /* Q4_K, Q5_K */
}

AVX512_INLINE size_t vnni_minimum_slot(enum blocks_type type, size_t group)
{
    return vnni_slot(type, group) + (vnni_is_nibbles(type) ? 2 : 4);
}

/* The slots of dot products. */
AVX512_INLINE __mmask16 vnni_products(enum blocks_type type)
{
    return vnni_is_nibbles(type) ? 0x3333 : type == BLOCKS_Q6_K ? 0xFFFF : 0x0F0F;
}

/* --- integers -------------------------------------------------------------------- */

AVX512_INLINE __m512i vnni_load64(const unsigned char *bytes)
{
    return _mm512_loadu_si512((const void *)bytes);
}

AVX512_INLINE void vnni_split(const unsigned char *bytes, __m512i *low, __m512i *high)
{
    __m512i q = vnni_load64(bytes), fifteen = _mm512_set1_epi8(15);
    *low = _mm512_and_si512(q, fifteen);
    *high = _mm512_and_si512(_mm512_srli_epi16(q, 4), fifteen);
}

/* In each byte of q the bits `mask` of `bits`, whose 32 bytes serve both halves, turned
 * left by a number of its own in either half. */
AVX512_INLINE __m512i vnni_high_bits(__m512i q, __m512i bits, int mask, int left0, int left1)
{
    __m512i turn =
        _mm512_inserti64x4(_mm512_set1_epi32(left0 & 31), _mm256_set1_epi32(left1 & 31), 1);
    bits = _mm512_and_si512(_mm512_rolv_epi32(bits, turn), _mm512_set1_epi8((char)mask));
    return _mm512_or_si512(q, bits);
}

AVX512_INLINE void vnni_q5_k(const unsigned char *block, __m512i z[4])
{
    __m512i fifth = _mm512_broadcast_i64x4(x86_load32(block + 16));
    vnni_split(block + 48, &z[0], &z[1]);
    vnni_split(block + 112, &z[2], &z[3]);
    z[0] = vnni_high_bits(z[0], fifth, 16, 4, 2);
    z[1] = vnni_high_bits(z[1], fifth, 16, 3, 1);
    z[2] = vnni_high_bits(z[2], fifth, 16, 0, -2);
    z[3] = vnni_high_bits(z[3], fifth, 16, -1, -3);
}

AVX512_INLINE void vnni_q6_k(const unsigned char *block, __m512i z[4])
{
    vnni_split(block, &z[0], &z[1]);
    vnni_split(block + 64, &z[2], &z[3]);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i high = _mm512_broadcast_i64x4(x86_load32(block + 128 + 32 * half));
        z[2 * half] = vnni_high_bits(z[2 * half], high, 48, 4, 2);
        z[2 * half + 1] = vnni_high_bits(z[2 * half + 1], high, 48, 0, -2);
    }
}

AVX512_INLINE void vnni_q8_0(const unsigned char *block, __m512i z[4])
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512i q = _mm512_castsi256_si512(x86_load32(block + 68 * i + 2));
        q = _mm512_inserti64x4(q, x86_load32(block + 68 * i + 36), 1);
        z[i] = _mm512_xor_si512(q, _mm512_set1_epi8((char)-128));
    }
}

/* Four blocks' nibbles, `size` bytes apart, with their fifth bits where there are any. */
AVX512_INLINE void vnni_nibbles(enum blocks_type type, const unsigned char *block, size_t size,
                                __m512i *first, __m512i *last)
{
    const size_t at = size - 16;
    __m512i q = _mm512_castsi128_si512(x86_load16(block + at));
    q = _mm512_inserti32x4(q, x86_load16(block + size + at), 1);
    q = _mm512_inserti32x4(q, x86_load16(block + 2 * size + at), 2);
    q = _mm512_inserti32x4(q, x86_load16(block + 3 * size + at), 3);
    *first = _mm512_and_si512(q, _mm512_set1_epi8(15));
    *last = _mm512_and_si512(_mm512_srli_epi16(q, 4), _mm512_set1_epi8(15));
    if (type == BLOCKS_Q4_0)
        return;
    uint64_t low = 0, high = 0;
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        uint32_t bits;
        memcpy(&bits, block + j * size + at - 4, sizeof bits);
        low |= (uint64_t)(bits & 0xFFFF) << 16 * j;
        high |= (uint64_t)(bits >> 16) << 16 * j;
    }
    const __m512i sixteen = _mm512_set1_epi8(16);
    *first = _mm512_mask_add_epi8(*first, low, *first, sixteen);
    *last = _mm512_mask_add_epi8(*last, high, *last, sixteen);
}

AVX512_INLINE void vnni_unpack(enum blocks_type type, const unsigned char *block, __m512i z[4])
{
    const size_t size = avx512_block_bytes(type);
    if (type == BLOCKS_Q4_K) {
        vnni_split(block + 16, &z[0], &z[1]);
        vnni_split(block + 80, &z[2], &z[3]);
    } else if (type == BLOCKS_Q5_K) {
        vnni_q5_k(block, z);
    } else if (type == BLOCKS_Q6_K) {
        vnni_q6_k(block, z);
    } else if (type == BLOCKS_Q8_0) {
        vnni_q8_0(block, z);
    } else {
        vnni_nibbles(type, block, size, &z[0], &z[1]);
        vnni_nibbles(type, block + 4 * size, size, &z[2], &z[3]);
    }
}

/* --- scales ---------------------------------------------------------------------- */

/* Scales of groups 0 1 4 5, their minima, scales of 2 3 6 7, their minima. Packing: see
 * blocks.c. The first shuffle brings what holds the low bits, the second the high two. */
AVX512_INLINE __m512 vnni_scales_k(const unsigned char *block)
{
    const __m128i low = _mm_setr_epi8(4, 5, 12, 13, 8, 9, 12, 13, 6, 7, 14, 15, 10, 11, 14, 15);
    const __m128i high = _mm_setr_epi8(-1, -1, 4, 5, -1, -1, 8, 9, -1, -1, 6, 7, -1, -1, 10, 11);
    const __m512i down = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 4, 4, 0, 0, 0, 0, 0, 0, 4, 4);
    const __m512i kept =
        _mm512_setr_epi32(63, 63, 15, 15, 63, 63, 15, 15, 63, 63, 15, 15, 63, 63, 15, 15);
    __m128i packed = x86_load16(block);
    __m512i a = _mm512_cvtepu8_epi32(_mm_shuffle_epi8(packed, low));
    __m512i b = _mm512_cvtepu8_epi32(_mm_shuffle_epi8(packed, high));
    a = _mm512_and_si512(_mm512_srlv_epi32(a, down), kept);
    b = _mm512_and_si512(_mm512_srli_epi32(b, 2), _mm512_set1_epi32(0x30));
    __m512 values = _mm512_cvtepi32_ps(_mm512_or_si512(a, b));
    __m512 both = _mm512_castps128_ps512(_mm_cvtph_ps(packed)); /* d, dmin, ... */
    const __m512i which = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1);
    return _mm512_mul_ps(values, _mm512_permutexvar_ps(which, both));
}

AVX512_INLINE __m512 vnni_scales_q6_k(const unsigned char *block)
{
    const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m128i scales = _mm_shuffle_epi8(x86_load16(block + 192), order);
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(scales)),
                         _mm512_set1_ps(x86_half(block + 208)));
}

AVX512_INLINE uint64_t vnni_bits(const unsigned char *bytes, size_t size)
{
    uint64_t bits = 0;
    memcpy(&bits, bytes, size);
    return bits;
}

/* The first two bytes of four blocks, and the first four of two, n bytes apart: put
 * together by the integer units, which have nothing else to do. */
AVX512_INLINE long long vnni_four_halves(const unsigned char *b, size_t n)
{
    return (long long)(vnni_bits(b, 2) | vnni_bits(b + n, 2) << 16 | vnni_bits(b + 2 * n, 2) << 32 |
                       vnni_bits(b + 3 * n, 2) << 48);
}

AVX512_INLINE long long vnni_two_pairs(const unsigned char *b, size_t n)
{
    return (long long)(vnni_bits(b, 4) | vnni_bits(b + n, 4) << 32);
}

AVX512_INLINE __m512 vnni_scales_blocks(enum blocks_type type, const unsigned char *b)
{
    const size_t n = avx512_block_bytes(type);
    if (type == BLOCKS_Q5_1) { /* d and m of each */
        const __m512i order =
            _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
        __m256i pairs =
            _mm256_setr_epi64x(vnni_two_pairs(b, n), vnni_two_pairs(b + 2 * n, n),
                               vnni_two_pairs(b + 4 * n, n), vnni_two_pairs(b + 6 * n, n));
        return _mm512_permutexvar_ps(order, _mm512_cvtph_ps(pairs));
    }
    __m128i halves = _mm_set_epi64x(vnni_four_halves(b + 4 * n, n), vnni_four_halves(b, n));
    const __m512i pairwise = _mm512_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0, 1, 3, 5, 7, 0, 0, 0, 0);
    const __m512i apart = _mm512_setr_epi32(0, 4, 0, 0, 1, 5, 0, 0, 2, 6, 0, 0, 3, 7, 0, 0);
    return _mm512_maskz_permutexvar_ps(vnni_products(type), type == BLOCKS_Q8_0 ? pairwise : apart,
                                       _mm512_castps256_ps512(_mm256_cvtph_ps(halves)));
}

/* The weight's scale or minimum of each slot. */
AVX512_INLINE __m512 vnni_scales(enum blocks_type type, const unsigned char *block)
{
    if (type == BLOCKS_Q4_K || type == BLOCKS_Q5_K)
        return vnni_scales_k(block);
    return type == BLOCKS_Q6_K ? vnni_scales_q6_k(block) : vnni_scales_blocks(type, block);
}

/* Bytes of a whole stretch, and of what is left of a row in it. */
AVX512_INLINE size_t vnni_stretch_bytes(enum blocks_type type)
{
    return avx512_block_bytes(type) * (avx512_block_chunks(type) == 8 ? 1 : 8);
}

#endif
