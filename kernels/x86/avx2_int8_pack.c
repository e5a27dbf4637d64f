/* avx2_int8_pack.c: activations rounded to bytes (avx2_int8.h), and the level's table. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_int8.h"
#include "kernels/x86/avx2_weights.h"

bool avx2_int8_packs(const struct matrix *w, bool decode)
{
    return decode && !avx2_is_plain(w->type) && w->columns >= AVX2_INT8_STRETCH;
}

/* A block's largest value becomes 127. A block of zeros, or of values too small to be
 * divided by, becomes zeros; one with an infinity or NaN becomes NaN. Returns its scale. */
static float round_block(int8_t q[32], const float *x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 v[4], largest = _mm256_setzero_ps(), total = largest;
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        __m256 size = _mm256_andnot_ps(sign, v[i]);
        largest = _mm256_max_ps(largest, size);
        total = _mm256_add_ps(total, size); /* max() may drop a NaN, the sum does not */
    }
    bool odd =
        _mm256_movemask_ps(_mm256_cmp_ps(total, _mm256_set1_ps(__builtin_inff()), _CMP_NLT_UQ));
    float most = avx2_largest(largest), inverse = most > 0x1p-100f ? 127.0f / most : 0;
    __m256i n[4];
    for (int i = 0; i < 4; i++)
        n[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
    __m256i words0 = _mm256_packs_epi32(n[0], n[1]), words1 = _mm256_packs_epi32(n[2], n[3]);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words0, words1), order);
    _mm256_storeu_si256((void *)q, bytes);
    return odd ? __builtin_nanf("") : inverse > 0 ? most / 127.0f : 0;
}

/* The sums of each four of 32 bytes. */
AVX2_INLINE __m256i sums_of_fours(const int8_t *q)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), x86_load32((const void *)q));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

static void pack_row(struct avx2_int8_stretch *packed, enum blocks_type type, const float *x,
                     size_t columns)
{
    const __m256i offset = _mm256_set1_epi32(avx2_bias(type));
    for (size_t k = 0; k < columns; k += AVX2_INT8_STRETCH, packed++) {
        memset(packed, 0, sizeof *packed);
        for (size_t i = 0; i < AVX2_INT8_BLOCKS && k + 32 * i < columns; i++) {
            float scale = round_block(packed->q[i], x + k + 32 * i);
            __m256i fours = sums_of_fours(packed->q[i]);
            int32_t parts[8], sum = 0;
            _mm256_storeu_si256((void *)parts, fours);
            for (int j = 0; j < 8; j++)
                sum += parts[j];
            _mm256_storeu_si256((void *)packed->offset[i], _mm256_mullo_epi32(fours, offset));
            packed->scale[i] = scale;
            packed->sums[i] = scale * (float)sum;
        }
    }
}

void avx2_int8_pack(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                    size_t first, size_t count, size_t begin, size_t end)
{
    for (size_t r = first; r < first + count; r++) {
        struct avx2_int8_stretch *row = (void *)(packed + r * x_stride);
        pack_row(row + begin / AVX2_INT8_STRETCH, w->type, x + r * x_stride + begin, end - begin);
    }
}

static void pack_row_of(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                        size_t first, size_t count, size_t row)
{
    (void)count;
    avx2_int8_pack(packed, w, x, x_stride, first + row, 1, 0, w->columns);
}

const struct kernels levels_avx2_int8 = {
    .name = "avx2_int8",
    .revision = 1,
    .rounds = true,
    .pass_rows = 256,
    .product_rows = 256,
    .packs = avx2_int8_packs,
    .pack = avx2_int8_pack,
    .pack_row = pack_row_of,
    .prefill_matmul = avx2_prefill_matmul,
    .decode_matmul = avx2_int8_decode_matmul,
    .rms_norm = avx2_rms_norm,
    .conv_silu = avx2_conv_silu,
    .scan = avx2_scan,
    .row = avx2_row,
    .sum_exp = avx2_sum_exp,
};
