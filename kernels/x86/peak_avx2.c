#include "kernels/peak_levels.h"

#include <immintrin.h>

enum { SUMS = 12, LANES = 8 };

static bool runs(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static uint64_t multiply_add(size_t steps)
{
    static const volatile float hidden = 1;
    const __m256 one = _mm256_set1_ps(hidden);
    __m256 sums[SUMS];
    for (size_t j = 0; j < SUMS; j++)
        sums[j] = _mm256_setzero_ps();
    for (size_t i = 0; i < steps; i++)
        for (size_t j = 0; j < SUMS; j++)
            sums[j] = _mm256_fmadd_ps(sums[j], one, one);
    float lanes[SUMS][LANES];
    uint64_t total = 0;
    for (size_t j = 0; j < SUMS; j++) {
        _mm256_storeu_ps(lanes[j], sums[j]);
        for (size_t lane = 0; lane < LANES; lane++)
            total += (uint64_t)lanes[j][lane];
    }
    return total;
}

const struct peak_level peak_avx2 = {"f32-fma", runs, 150000, multiply_add};
