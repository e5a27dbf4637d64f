/* avx2_int8_decode.c: the product for one generated token in each of several lanes, by
 * products of bytes (avx2_int8.h).
 *
 * Four outputs of one lane or one output of up to eight lanes at a time. For each block of
 * 32 columns, whose integers dot products are exact in any order,
 *
 *     sum += float(dots - offset) * (scale of the weights * scale of x)    8 partial sums
 *     low += minimum * (+- scale of x * sum of x)                          of types with one
 *
 * in the columns' order; sum + low is folded at the end by one fixed tree. So a lane has the
 * bits that it has alone. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_int8.h"
#include "kernels/x86/avx2_weights.h"
#include "kernels/x86/by_type.h"

enum { OUTPUTS = 4, LANES = 8 };

/* What the outputs or lanes at hand need of a stretch: in memory, from where a load
 * broadcasts it. */
struct factors {
    float both[LANES][16]; /* weights' scale * x's: of each block, of Q6_K each half */
};

/* x is packed, x_stride floats apart. */
struct lanes {
    float *y;
    const float *x;
    size_t y_stride, x_stride, columns;
    bool add;
    struct factors *factors;
};

AVX2_INLINE const struct avx2_int8_stretch *stretch_at(const struct lanes *lanes, size_t lane,
                                                       size_t index)
{
    return (const struct avx2_int8_stretch *)(const void *)(lanes->x + lane * lanes->x_stride) +
           index;
}

/* The weights' scales and minima of a stretch's eight blocks, the scales of Q6_K's 16 halves. */
struct scales {
    __m256 scale[2], min;
};

AVX2_INLINE void load_scales(enum blocks_type type, const unsigned char *at, size_t blocks,
                             struct scales *scales)
{
    struct avx2_scales values;
    scales->scale[1] = scales->min = _mm256_setzero_ps();
    if (avx2_block_chunks(type) == 8) {
        avx2_scales(type, at, &values);
        scales->scale[0] = _mm256_loadu_ps(values.scale);
        if (type == BLOCKS_Q6_K)
            scales->scale[1] = _mm256_loadu_ps(values.scale + 8);
        else
            scales->min = _mm256_sub_ps(_mm256_setzero_ps(), _mm256_loadu_ps(values.min));
        return;
    }
    const size_t bytes = avx2_block_bytes(type);
    uint16_t halves[2][AVX2_INT8_BLOCKS] = {{0}};
    for (size_t i = 0; i < blocks; i++) {
        memcpy(&halves[0][i], at + i * bytes, 2);
        if (type == BLOCKS_Q5_1)
            memcpy(&halves[1][i], at + i * bytes + 2, 2);
    }
    scales->scale[0] = _mm256_cvtph_ps(x86_load16((const void *)halves[0]));
    if (type == BLOCKS_Q5_1)
        scales->min = _mm256_cvtph_ps(x86_load16((const void *)halves[1]));
}

/* Both scales of each block, in order. */
AVX2_INLINE void multiply_scales(enum blocks_type type, float both[16], const struct scales *scales,
                                 const struct avx2_int8_stretch *x)
{
    __m256 of_x = _mm256_loadu_ps(x->scale);
    if (type != BLOCKS_Q6_K) {
        _mm256_storeu_ps(both, _mm256_mul_ps(scales->scale[0], of_x));
        return;
    }
    const __m256i low = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    const __m256i high = _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7);
    _mm256_storeu_ps(both, _mm256_mul_ps(scales->scale[0], _mm256_permutevar8x32_ps(of_x, low)));
    _mm256_storeu_ps(both + 8,
                     _mm256_mul_ps(scales->scale[1], _mm256_permutevar8x32_ps(of_x, high)));
}

/* Both scales of block `i` in each place: of Q6_K one for either half. */
AVX2_INLINE __m256 scale_of(enum blocks_type type, const float both[16], size_t i)
{
    if (type != BLOCKS_Q6_K)
        return _mm256_set1_ps(both[i]);
    double two;
    memcpy(&two, &both[2 * i], sizeof two);
    return _mm256_permutevar_ps(_mm256_castpd_ps(_mm256_set1_pd(two)),
                                _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

/* 32 integers of the file. */
AVX2_INLINE __m256i integers(enum blocks_type type, const unsigned char *at, size_t i)
{
    const int chunks = avx2_block_chunks(type);
    if (chunks == 1)
        at += i * avx2_block_bytes(type);
    __m256i bytes = avx2_bytes(type, at, chunks == 1 ? 0 : (int)i);
    return avx2_has_nibbles_only(type) ? _mm256_and_si256(bytes, _mm256_set1_epi8(15)) : bytes;
}

AVX2_INLINE __m256 block_of(enum blocks_type type, __m256 sum, __m256i w, __m256 scale,
                            const struct avx2_int8_stretch *x, size_t i)
{
    __m256i q = x86_load32((const void *)x->q[i]), pairs;
    if (type == BLOCKS_Q8_0) /* 2 x 128 x 127 is less than 2^15 */
        pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
    else
        pairs = _mm256_maddubs_epi16(w, q);
    __m256i dots = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    if (avx2_bias(type))
        dots = _mm256_sub_epi32(dots, x86_load32((const void *)x->offset[i]));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots), scale, sum);
}

/* Bytes of a whole stretch. */
AVX2_INLINE size_t stretch_bytes(enum blocks_type type)
{
    return avx2_block_bytes(type) * (avx2_block_chunks(type) == 8 ? 1 : AVX2_INT8_BLOCKS);
}

/* Stretch number `index` of R outputs with L lanes, one of which is 1. */
AVX2_INLINE void stretch(enum blocks_type type, const size_t R, const size_t L,
                         const struct lanes *lanes, size_t index, size_t blocks,
                         const unsigned char *row, size_t row_bytes, __m256 sum[LANES],
                         __m256 low[LANES])
{
    struct factors *factors = lanes->factors;
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++) {
        struct scales scales;
        load_scales(type, row + r * row_bytes, blocks, &scales);
        for (size_t i = 0; i < stretch_bytes(type); i += 64)
            _mm_prefetch((const char *)row + (r + R) * row_bytes + i, _MM_HINT_T0);
#pragma GCC unroll 8
        for (size_t lane = 0; lane < L; lane++) {
            const struct avx2_int8_stretch *x = stretch_at(lanes, lane, index);
            multiply_scales(type, factors->both[r + lane], &scales, x);
            if (avx2_has_min(type))
                low[r + lane] =
                    _mm256_fmadd_ps(scales.min, _mm256_loadu_ps(x->sums), low[r + lane]);
        }
    }
    __asm__ volatile("" : "+m"(*factors)); /* loads broadcast, not shuffles */
#pragma GCC unroll 8
    for (size_t i = 0; i < blocks; i++)
#pragma GCC unroll 4
        for (size_t r = 0; r < R; r++) {
            __m256i w = integers(type, row + r * row_bytes, i);
#pragma GCC unroll 8
            for (size_t lane = 0; lane < L; lane++)
                sum[r + lane] =
                    block_of(type, sum[r + lane], w, scale_of(type, factors->both[r + lane], i),
                             stretch_at(lanes, lane, index), i);
        }
}

AVX2_INLINE void outputs(enum blocks_type type, const size_t R, const size_t L,
                         const struct lanes *given, size_t j, const unsigned char *row,
                         size_t row_bytes)
{
    const struct lanes own = *given, *lanes = &own; /* so that no store may change it */
    const size_t whole = lanes->columns / AVX2_INT8_STRETCH;
    const size_t left = lanes->columns % AVX2_INT8_STRETCH / 32;
    __m256 sum[LANES], low[LANES];
#pragma GCC unroll 8
    for (size_t i = 0; i < R * L; i++)
        sum[i] = low[i] = _mm256_setzero_ps();
    for (size_t index = 0; index < whole; index++, row += stretch_bytes(type))
        stretch(type, R, L, lanes, index, AVX2_INT8_BLOCKS, row, row_bytes, sum, low);
    if (avx2_block_chunks(type) == 1 && left)
        stretch(type, R, L, lanes, whole, left, row, row_bytes, sum, low);
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 8
        for (size_t lane = 0; lane < L; lane++) {
            float *out = &lanes->y[lane * lanes->y_stride + j + r];
            float total = avx2_sum(_mm256_add_ps(sum[r + lane], low[r + lane]));
            *out = lanes->add ? *out + total : total;
        }
}

AVX2_INLINE void all_outputs(enum blocks_type type, size_t L, const struct lanes *lanes,
                             const struct matrix *w, size_t first, size_t count)
{
    const size_t end = first + count;
    size_t j = first;
    for (; L == 1 && j + OUTPUTS <= end; j += OUTPUTS)
        outputs(type, OUTPUTS, 1, lanes, j, w->data + j * w->row_bytes, w->row_bytes);
    for (; j < end; j++) {
        const unsigned char *row = w->data + j * w->row_bytes;
        if (L == 8)
            outputs(type, 1, 8, lanes, j, row, w->row_bytes);
        else if (L == 4)
            outputs(type, 1, 4, lanes, j, row, w->row_bytes);
        else if (L == 2)
            outputs(type, 1, 2, lanes, j, row, w->row_bytes);
        else
            outputs(type, 1, 1, lanes, j, row, w->row_bytes);
    }
}

static void typed(size_t L, const struct lanes *lanes, const struct matrix *w, size_t first,
                  size_t count)
{
    WITH_BLOCK_TYPE(w->type, all_outputs, L, lanes, w, first, count);
}

void avx2_int8_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                             size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                             float *scratch)
{
    if (!avx2_int8_packs(w, true)) {
        avx2_decode_matmul(y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
        return;
    }
    struct factors factors;
    struct lanes lanes = {y, x, y_stride, x_stride, w->columns, add, &factors};
    for (size_t L; rows; rows -= L, lanes.x += L * x_stride, lanes.y += L * y_stride) {
        L = rows >= 8 ? 8 : rows >= 4 ? 4 : rows >= 2 ? 2 : 1;
        typed(L, &lanes, w, first, count);
    }
}
