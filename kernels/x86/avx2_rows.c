/* avx2_rows.c: what works on one row at a time, and the level's table. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_math.h"

void avx2_rms_norm(float *y, const float *x, const float *weight, float epsilon, size_t size)
{
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t i = 0; i < size; i += 8) {
        __m256 v = avx2_load(x + i, size - i);
        sum[i / 8 % 2] = _mm256_fmadd_ps(v, v, sum[i / 8 % 2]);
    }
    float mean = avx2_sum(_mm256_add_ps(sum[0], sum[1])) / (float)size;
    float scale = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean + epsilon)));
    for (size_t i = 0; i < size; i += 8) {
        __m256 v = _mm256_mul_ps(avx2_load(x + i, size - i), _mm256_set1_ps(scale));
        if (weight)
            v = _mm256_mul_ps(v, avx2_load(weight + i, size - i));
        avx2_store(y + i, size - i, v);
    }
}

void avx2_row(float *out, const struct matrix *w, size_t index)
{
    avx2_decode_columns(out, w->type, w->data + index * w->row_bytes, 0, w->columns);
}

float avx2_sum_exp(float *top, const float *x, size_t size)
{
    const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
    __m256 largest = lowest;
    for (size_t i = 0; i < size; i += 8) {
        __m256 first = _mm256_castsi256_ps(avx2_first(size - i));
        largest =
            _mm256_max_ps(largest, _mm256_blendv_ps(lowest, avx2_load(x + i, size - i), first));
    }
    *top = avx2_largest(largest);
    __m256 sum = _mm256_setzero_ps();
    for (size_t i = 0; i < size; i += 8) {
        __m256 v = _mm256_sub_ps(avx2_load(x + i, size - i), _mm256_set1_ps(*top));
        __m256 first = _mm256_castsi256_ps(avx2_first(size - i));
        sum = _mm256_add_ps(sum, _mm256_and_ps(avx2_exp(v), first));
    }
    return avx2_sum(sum);
}

const struct kernels levels_avx2 = {
    .name = "avx2",
    .revision = 2,
    .pass_rows = 256,
    .product_rows = 256,
    .prefill_matmul = avx2_prefill_matmul,
    .decode_matmul = avx2_decode_matmul,
    .rms_norm = avx2_rms_norm,
    .conv_silu = avx2_conv_silu,
    .scan = avx2_scan,
    .row = avx2_row,
    .sum_exp = avx2_sum_exp,
};
