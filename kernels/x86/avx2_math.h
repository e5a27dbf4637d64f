/* avx2_math.h: elementary functions on 8 floats. Private to the AVX2 level.
 *
 * The polynomials are those of avx512_math.h, and so are the errors, but for what
 * 2^t gives in the half octave before it overflows (infinity) and where its result
 * would be subnormal (zero). tests/kernels/test_math_avx2.c measures them. */
#ifndef TIDEMARK_KERNELS_X86_AVX2_MATH_H
#define TIDEMARK_KERNELS_X86_AVX2_MATH_H

#include <immintrin.h>
#include <stddef.h>

#define AVX2_INLINE static inline __attribute__((always_inline))

/* 2^t within 2 units in the last place. */
AVX2_INLINE __m256 avx2_exp2(__m256 t)
{
    /* The constant first: what is no number comes through. */
    t = _mm256_max_ps(_mm256_set1_ps(-127.0f), _mm256_min_ps(_mm256_set1_ps(128.0f), t));
    __m256 n = _mm256_round_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 f = _mm256_sub_ps(t, n); /* exact, |f| <= 1/2 */
    __m256 p = _mm256_set1_ps(0x1.41d334p-13f);
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.5f456ap-10f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.3b2dbcp-7f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.c6aed4p-5f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.ebfbdap-3f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.62e430p-1f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f));
    /* An exponent field of 0 is zero, one of 255 infinity. */
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}

/* e^x, relative error at most (|x| + 2) 2^-23. */
AVX2_INLINE __m256 avx2_exp(__m256 x)
{
    return avx2_exp2(_mm256_mul_ps(x, _mm256_set1_ps(0x1.715476p+0f)));
}

/* log(1 + y), 0 <= y <= 1, as 2 atanh(y / (2 + y)); relative error below 2^-21. */
AVX2_INLINE __m256 avx2_log_one_plus(__m256 y)
{
    __m256 s = _mm256_div_ps(y, _mm256_add_ps(y, _mm256_set1_ps(2.0f)));
    __m256 u = _mm256_mul_ps(s, s);
    __m256 p = _mm256_set1_ps(0x1.208bd0p-3f);
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(0x1.1e510ap-3f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(0x1.99dae6p-3f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(0x1.5554e0p-2f));
    p = _mm256_fmadd_ps(p, u, _mm256_set1_ps(1.0f));
    return _mm256_mul_ps(_mm256_add_ps(s, s), p);
}

/* log(1 + e^x), and x itself above 20, where the model was trained so. */
AVX2_INLINE __m256 avx2_softplus(__m256 x)
{
    __m256 y = avx2_exp(_mm256_or_ps(x, _mm256_set1_ps(-0.0f))); /* e^-|x| */
    __m256 positive = _mm256_max_ps(_mm256_setzero_ps(), x);
    __m256 sum = _mm256_add_ps(positive, avx2_log_one_plus(y));
    return _mm256_blendv_ps(sum, x, _mm256_cmp_ps(x, _mm256_set1_ps(20.0f), _CMP_GT_OQ));
}

/* x / (1 + e^-x) */
AVX2_INLINE __m256 avx2_silu(__m256 x)
{
    __m256 e = avx2_exp(_mm256_sub_ps(_mm256_setzero_ps(), x));
    return _mm256_div_ps(x, _mm256_add_ps(e, _mm256_set1_ps(1.0f)));
}

/* The sum of 8 lanes as one fixed tree: halves, quarters, pairs. */
AVX2_INLINE float avx2_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    s = _mm_add_ss(s, _mm_shuffle_ps(s, s, 1));
    return _mm_cvtss_f32(s);
}

/* The largest of 8 lanes: exact in any order. */
AVX2_INLINE float avx2_largest(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    m = _mm_max_ss(m, _mm_shuffle_ps(m, m, 1));
    return _mm_cvtss_f32(m);
}

/* All bits in the first `count` lanes. */
AVX2_INLINE __m256i avx2_first(size_t count)
{
    int lanes = count < 8 ? (int)count : 8;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first `count` of 8 floats, the others 0; memory beyond them is not touched. */
AVX2_INLINE __m256 avx2_load(const float *at, size_t count)
{
    return count >= 8 ? _mm256_loadu_ps(at) : _mm256_maskload_ps(at, avx2_first(count));
}

AVX2_INLINE void avx2_store(float *at, size_t count, __m256 v)
{
    if (count >= 8)
        _mm256_storeu_ps(at, v);
    else
        _mm256_maskstore_ps(at, avx2_first(count), v);
}

#endif
