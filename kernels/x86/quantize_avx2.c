/* The parts of the search for scales with AVX2: eight elements a step, in the
 * reference's order and with its roundings. */
#include "kernels/quantize_private.h"

#include <immintrin.h>

struct vectors {
    __m256 offset, inverse, low, high;
};

static inline struct vectors vectors_of(const struct quantize_group *group, float offset,
                                        float inverse)
{
    return (struct vectors){_mm256_set1_ps(offset), _mm256_set1_ps(inverse),
                            _mm256_set1_ps(group->low), _mm256_set1_ps(group->high)};
}

static inline __m256 quantized(const struct vectors *v, __m256 x)
{
    __m256 q = _mm256_mul_ps(_mm256_sub_ps(x, v->offset), v->inverse);
    q = _mm256_min_ps(_mm256_max_ps(q, v->low), v->high);
    return _mm256_round_ps(q, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline float folded(__m256 s)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static void range(float *least, float *most, const float *x, size_t count)
{
    __m256 low = _mm256_loadu_ps(x), high = low;
    for (size_t i = QUANTIZE_LANES; i < count; i += QUANTIZE_LANES) {
        __m256 v = _mm256_loadu_ps(x + i);
        low = _mm256_min_ps(v, low);
        high = _mm256_max_ps(v, high);
    }
    float lows[QUANTIZE_LANES], highs[QUANTIZE_LANES];
    _mm256_storeu_ps(lows, low);
    _mm256_storeu_ps(highs, high);
    *least = lows[0];
    *most = highs[0];
    for (int i = 1; i < QUANTIZE_LANES; i++) {
        *least = lows[i] < *least ? lows[i] : *least;
        *most = highs[i] > *most ? highs[i] : *most;
    }
}

static void sums(struct quantize_sums *out, const struct quantize_group *group, float offset,
                 float inverse)
{
    const struct vectors v = vectors_of(group, offset, inverse);
    __m256 wq = _mm256_setzero_ps(), wqq = wq, wqx = wq;
    for (size_t i = 0; i < group->count; i += QUANTIZE_LANES) {
        __m256 x = _mm256_loadu_ps(group->x + i), q = quantized(&v, x);
        __m256 t = _mm256_mul_ps(_mm256_loadu_ps(group->w + i), q);
        wq = _mm256_add_ps(wq, t);
        wqq = _mm256_add_ps(wqq, _mm256_mul_ps(t, q));
        wqx = _mm256_add_ps(wqx, _mm256_mul_ps(t, x));
    }
    *out = (struct quantize_sums){folded(wq), folded(wqq), folded(wqx)};
}

static float error(const struct quantize_group *group, float scale, float offset, float inverse)
{
    const struct vectors v = vectors_of(group, offset, inverse);
    const __m256 d = _mm256_set1_ps(scale);
    __m256 all = _mm256_setzero_ps();
    for (size_t i = 0; i < group->count; i += QUANTIZE_LANES) {
        __m256 x = _mm256_loadu_ps(group->x + i), w = _mm256_loadu_ps(group->w + i);
        __m256 value = _mm256_add_ps(_mm256_mul_ps(d, quantized(&v, x)), v.offset);
        __m256 e = _mm256_sub_ps(value, x);
        all = _mm256_add_ps(all, _mm256_mul_ps(_mm256_mul_ps(w, e), e));
    }
    return folded(all);
}

static void round_all(int8_t *q, const struct quantize_group *group, float offset, float inverse)
{
    const struct vectors v = vectors_of(group, offset, inverse);
    for (size_t i = 0; i < group->count; i += QUANTIZE_LANES) {
        __m256i wide = _mm256_cvtps_epi32(quantized(&v, _mm256_loadu_ps(group->x + i)));
        __m128i half =
            _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
        _mm_storel_epi64((__m128i *)(void *)(q + i), _mm_packs_epi16(half, half));
    }
}

const struct quantize_level quantize_avx2 = {
    .name = "avx2",
    .range = range,
    .sums = sums,
    .error = error,
    .round = round_all,
};
