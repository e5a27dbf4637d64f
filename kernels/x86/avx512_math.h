/* avx512_math.h: elementary functions on 16 floats. Private to the AVX-512 level.
 *
 * Polynomials are minimax in the relative error, fitted by the Remez exchange and
 * rounded to float; tests/kernels/test_math_avx512.c measures the errors stated here. */
#ifndef TIDEMARK_KERNELS_X86_AVX512_MATH_H
#define TIDEMARK_KERNELS_X86_AVX512_MATH_H

#include <immintrin.h>

/* 2^t within 2 units in the last place; 0 and infinity beyond float's range. */
static inline __m512 avx512_exp2(__m512 t)
{
    __m512 n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 f = _mm512_sub_ps(t, n); /* exact, |f| <= 1/2 */
    __m512 p = _mm512_set1_ps(0x1.41d334p-13f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.5f456ap-10f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.3b2dbcp-7f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.c6aed4p-5f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.ebfbdap-3f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.62e430p-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

/* e^x. The error of the one rounding in x log2(e) grows with |x|: relative error
 * at most (|x| + 2) 2^-23. */
static inline __m512 avx512_exp(__m512 x)
{
    return avx512_exp2(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)));
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

#endif
