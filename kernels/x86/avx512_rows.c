/* avx512_rows.c: what works on one row at a time, and the level's table. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_weights.h"

AVX512_INLINE void rms_norm(const bool whole, float *y, const float *x, const float *weight,
                            float epsilon, size_t size)
{
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (size_t i = 0; i < size; i += 16) {
        __m512 v = avx512_load(whole, avx512_first(size - i), x + i);
        sum[i / 16 % 2] = _mm512_fmadd_ps(v, v, sum[i / 16 % 2]);
    }
    float mean = avx512_sum(_mm512_add_ps(sum[0], sum[1])) / (float)size;
    float scale = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean + epsilon)));
    for (size_t i = 0; i < size; i += 16) {
        __mmask16 mask = avx512_first(size - i);
        __m512 v = _mm512_mul_ps(avx512_load(whole, mask, x + i), _mm512_set1_ps(scale));
        if (weight)
            v = _mm512_mul_ps(v, avx512_load(whole, mask, weight + i));
        avx512_store(whole, y + i, mask, v);
    }
}

void avx512_rms_norm(float *y, const float *x, const float *weight, float epsilon, size_t size)
{
    if (size % 16 == 0)
        rms_norm(true, y, x, weight, epsilon, size);
    else
        rms_norm(false, y, x, weight, epsilon, size);
}

void avx512_row(float *out, const struct matrix *w, size_t index)
{
    avx512_decode_columns(out, w->type, w->data + index * w->row_bytes, 0, w->columns);
}

float avx512_sum_exp(float *top, const float *x, size_t size)
{
    __m512 lowest = _mm512_set1_ps(-__builtin_inff()), largest = lowest;
    for (size_t i = 0; i < size; i += 16)
        largest =
            _mm512_max_ps(largest, _mm512_mask_loadu_ps(lowest, avx512_first(size - i), x + i));
    *top = _mm512_reduce_max_ps(largest); /* exact in any order */
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < size; i += 16) {
        __mmask16 mask = avx512_first(size - i);
        __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(*top));
        sum = _mm512_mask_add_ps(sum, mask, sum, avx512_exp(v));
    }
    return avx512_sum(sum);
}

const struct kernels levels_avx512 = {
    .name = "avx512",
    .revision = 2,
    .pass_rows = 256,
    .product_rows = 256,
    .prefill_matmul = avx512_prefill_matmul,
    .decode_matmul = avx512_decode_matmul,
    .rms_norm = avx512_rms_norm,
    .conv_silu = avx512_conv_silu,
    .scan = avx512_scan,
    .row = avx512_row,
    .sum_exp = avx512_sum_exp,
};
