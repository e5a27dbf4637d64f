#include "kernels/peak_levels.h"

#include <immintrin.h>

/* Enough to hide the latency; GCC unrolls no longer loop of its own accord. */
enum { SUMS = 16, LANES = 16 };

static bool runs(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
}

static uint64_t multiply_add(size_t steps)
{
    static const volatile short hidden = 0x3f80; /* 1 in bf16 */
    const __m512bh ones = (__m512bh)_mm512_set1_epi32(hidden << 16 | hidden);
    __m512 sums[SUMS];
    for (size_t j = 0; j < SUMS; j++)
        sums[j] = _mm512_setzero_ps();
    for (size_t i = 0; i < steps; i++)
        for (size_t j = 0; j < SUMS; j++)
            sums[j] = _mm512_dpbf16_ps(sums[j], ones, ones);
    float lanes[SUMS][LANES];
    uint64_t total = 0;
    for (size_t j = 0; j < SUMS; j++) {
        _mm512_storeu_ps(lanes[j], sums[j]);
        for (size_t lane = 0; lane < LANES; lane++)
            total += (uint64_t)lanes[j][lane];
    }
    return total;
}

const struct peak_level peak_avx512bf16 = {"avx512-bf16", runs, 60000, multiply_add};
