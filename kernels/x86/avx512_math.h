/* avx512_math.h: elementary functions on 16 floats. Private to the AVX-512 level.
 *
 * Polynomials are minimax in the relative error, fitted by the Remez exchange and
 * rounded to float; tests/kernels/test_math_avx512.c measures the errors stated here. */
#ifndef TIDEMARK_KERNELS_X86_AVX512_MATH_H
#define TIDEMARK_KERNELS_X86_AVX512_MATH_H

#include <immintrin.h>
#include <stdbool.h>

/* 2^(x y), relative error below 2^-21.3 and 1 exactly at 0; 0 and infinity beyond
 * float's range. Good for |x y| < 2^17, and 0 below.
 *
 * x y is split into a whole number, a multiple i / 32 and a rest |f| <= 1/64. Adding
 * 1.5 * 2^18 rounds to multiples of 1/32 and leaves i in the lowest five bits, where
 * the permutation finds 2^(i/32). Of the rest, 2^f = A ((f + B)^2 + C) within 2^-22.3:
 * B = 46/32 lies on the grid of 1/32, so that one subtraction takes off both the magic
 * number and B, and the table holds A and what B does to the whole part (scalef rounds
 * its exponent down). With A (B^2 + C) = 1 the free choice was one number. */
static inline __m512 avx512_exp2_product(__m512 x, __m512 y)
{
    const __m512 low =
        _mm512_set_ps(0x1.55aaf2p-1f, 0x1.4e58b4p-1f, 0x1.472ea2p+0f, 0x1.402bdcp+0f,
                      0x1.394f8ap+0f, 0x1.3298dcp+0f, 0x1.2c0700p+0f, 0x1.259930p+0f,
                      0x1.1f4ea4p+0f, 0x1.19269ap+0f, 0x1.132056p+0f, 0x1.0d3b1cp+0f,
                      0x1.07763cp+0f, 0x1.01d100p+0f, 0x1.f89578p-1f, 0x1.edc58cp-1f);
    const __m512 high =
        _mm512_set_ps(0x1.e330f0p-1f, 0x1.d8d65ep-1f, 0x1.ceb498p-1f, 0x1.c4ca66p-1f,
                      0x1.bb1698p-1f, 0x1.b19802p-1f, 0x1.a84d82p-1f, 0x1.9f35f8p-1f,
                      0x1.965050p-1f, 0x1.8d9b74p-1f, 0x1.85165cp-1f, 0x1.7cc000p-1f,
                      0x1.749760p-1f, 0x1.6c9b82p-1f, 0x1.64cb70p-1f, 0x1.5d2638p-1f);
    const __m512 magic = _mm512_set1_ps(0x1.8p+18f), magic_b = _mm512_set1_ps(0x1.8p+18f + 1.4375f);
    __m512 rounded = _mm512_fmadd_ps(x, y, magic);
    __m512 whole = _mm512_sub_ps(rounded, magic_b); /* exact */
    __m512 f = _mm512_fmsub_ps(x, y, whole);        /* f + B */
    __m512 p = _mm512_fmadd_ps(f, f, _mm512_set1_ps(0x1.0a66b8p+1f));
    __m512 table = _mm512_permutex2var_ps(low, _mm512_castps_si512(rounded), high);
    return _mm512_scalef_ps(_mm512_mul_ps(table, p), whole);
}

/* e^x. The error of log2(e) grows with |x|: relative error at most 2^-21.3 + |x| 2^-26. */
static inline __m512 avx512_exp(__m512 x)
{
    return avx512_exp2_product(x, _mm512_set1_ps(0x1.715476p+0f));
}

/* log(1 + y), 0 <= y <= 1, as 2 atanh(y / (2 + y)); relative error below 2^-21. */
static inline __m512 avx512_log_one_plus(__m512 y)
{
    __m512 s = _mm512_div_ps(y, _mm512_add_ps(y, _mm512_set1_ps(2.0f)));
    __m512 u = _mm512_mul_ps(s, s);
    __m512 p = _mm512_set1_ps(0x1.208bd0p-3f);
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(0x1.1e510ap-3f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(0x1.99dae6p-3f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(0x1.5554e0p-2f));
    p = _mm512_fmadd_ps(p, u, _mm512_set1_ps(1.0f));
    return _mm512_mul_ps(_mm512_add_ps(s, s), p);
}

/* log(1 + e^x), and x itself above 20, where the model was trained so. */
static inline __m512 avx512_softplus(__m512 x)
{
    __m512 y = avx512_exp(_mm512_sub_ps(_mm512_setzero_ps(), _mm512_abs_ps(x)));
    __m512 sum = _mm512_add_ps(_mm512_max_ps(x, _mm512_setzero_ps()), avx512_log_one_plus(y));
    __mmask16 large = _mm512_cmp_ps_mask(x, _mm512_set1_ps(20.0f), _CMP_GT_OQ);
    return _mm512_mask_mov_ps(sum, large, x);
}

/* x / (1 + e^-x) */
static inline __m512 avx512_silu(__m512 x)
{
    __m512 e = avx512_exp(_mm512_sub_ps(_mm512_setzero_ps(), x));
    return _mm512_div_ps(x, _mm512_add_ps(e, _mm512_set1_ps(1.0f)));
}

/* The sum of 16 lanes as one fixed tree: halves, quarters, pairs. */
static inline float avx512_sum(__m512 v)
{
    v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, _MM_SHUFFLE(1, 0, 3, 2)));
    v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, _MM_SHUFFLE(2, 3, 0, 1)));
    v = _mm512_add_ps(v, _mm512_permute_ps(v, _MM_SHUFFLE(1, 0, 3, 2)));
    v = _mm512_add_ps(v, _mm512_permute_ps(v, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm512_cvtss_f32(v);
}

static inline __mmask16 avx512_first(size_t count)
{
    unsigned bits = count >= 16 ? 0xFFFFu : (1u << count) - 1;
    return (__mmask16)bits;
}

/* Of 16 floats those that `mask` says; all of them where `whole` is true, a constant: a load
 * under a mask also takes up a unit that adds and multiplies. */
static inline __attribute__((always_inline)) __m512 avx512_load(bool whole, __mmask16 mask,
                                                                const float *x)
{
    return whole ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps(mask, x);
}

static inline __attribute__((always_inline)) void avx512_store(bool whole, float *y, __mmask16 mask,
                                                               __m512 v)
{
    if (whole)
        _mm512_storeu_ps(y, v);
    else
        _mm512_mask_storeu_ps(y, mask, v);
}

#endif
