#include "kernels/peak_levels.h"

#include <immintrin.h>

/* Enough to hide the latency; GCC unrolls no longer loop of its own accord. */
enum { SUMS = 16, LANES = 16 };

static bool runs(void)
{
    return __builtin_cpu_supports("avx512f");
}

static uint64_t multiply_add(size_t steps)
{
    static const volatile float hidden = 1;
    const __m512 one = _mm512_set1_ps(hidden);
    __m512 sums[SUMS];
    for (size_t j = 0; j < SUMS; j++)
        sums[j] = _mm512_setzero_ps();
    for (size_t i = 0; i < steps; i++)
        for (size_t j = 0; j < SUMS; j++)
            sums[j] = _mm512_fmadd_ps(sums[j], one, one);
    float lanes[SUMS][LANES];
    uint64_t total = 0;
    for (size_t j = 0; j < SUMS; j++) {
        _mm512_storeu_ps(lanes[j], sums[j]);
        for (size_t lane = 0; lane < LANES; lane++)
            total += (uint64_t)lanes[j][lane];
    }
    return total;
}

const struct peak_level peak_avx512 = {"f32-fma", runs, 60000, multiply_add};

/* Four streams side by side keep more lines on their way than one. */
uint64_t peak_avx512_sum(const uint64_t *words, size_t count)
{
    const size_t stream = count / 4;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (const uint64_t *at = words; at < words + stream; at += 8) {
        a = _mm512_add_epi64(a, _mm512_load_si512(at));
        b = _mm512_add_epi64(b, _mm512_load_si512(at + stream));
        c = _mm512_add_epi64(c, _mm512_load_si512(at + 2 * stream));
        d = _mm512_add_epi64(d, _mm512_load_si512(at + 3 * stream));
    }
    uint64_t sums[8], total = 0;
    _mm512_storeu_si512(sums, _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d)));
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        total += sums[i];
    return total;
}
