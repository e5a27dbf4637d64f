/* avx512_decode.c: the product for one generated token in each of several lanes.
 *
 * Bound by reading the weights. One lane: four outputs at a time, each weight
 * decoded into a register and multiplied there. More lanes: two outputs are
 * decoded into scratch, then multiplied with up to eight lanes from there.
 *
 * Where columns are few, folding the sums is what takes time: 16 outputs' are folded at once.
 *
 * Either way an output's sum is one vector of 16 partial sums over the columns in
 * order, folded at the end by one fixed tree, so that a lane's bits do not depend
 * on its neighbours. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_weights.h"
#include "kernels/x86/by_type.h"

enum {
    OUTPUTS = 4,
    LANES = 8,
    FOLDED = 16,       /* outputs */
    FEW_COLUMNS = 512, /* so that the scratch holds as many decoded outputs */
};

/* The next outputs' rows: four short streams in one page are not what the
 * processor's own prefetcher looks for. Reading beyond the matrix is harmless. */
AVX512_INLINE void prefetch(const unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + i, _MM_HINT_T0);
}

/* --- one lane ------------------------------------------------------------------ */

/* R outputs whose rows begin at `row`, row_bytes apart. */
AVX512_INLINE void one_lane(enum blocks_type type, const int R, float *y, const unsigned char *row,
                            size_t row_bytes, const float *x, size_t columns, bool add)
{
    const size_t chunks = (size_t)avx512_block_chunks(type), block_columns = 32 * chunks;
    __m512 sum[OUTPUTS];
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
        sum[r] = _mm512_setzero_ps();
    size_t k = 0;
    for (; k + block_columns <= columns; k += block_columns) {
        struct avx512_scales scales[OUTPUTS];
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
            prefetch(row + (size_t)(r + R) * row_bytes, avx512_block_bytes(type));
            avx512_scales(type, row + (size_t)r * row_bytes, &scales[r]);
        }
#pragma GCC unroll 8
        for (int chunk = 0; chunk < (int)chunks; chunk++) {
            __m512 x0 = _mm512_loadu_ps(x + k + 32 * chunk);
            __m512 x1 = _mm512_loadu_ps(x + k + 32 * chunk + 16);
#pragma GCC unroll 4
            for (int r = 0; r < R; r++) {
                __m512 w0, w1;
                avx512_chunk(type, row + (size_t)r * row_bytes, chunk, &scales[r], &w0, &w1);
                sum[r] = _mm512_fmadd_ps(w0, x0, sum[r]);
                sum[r] = _mm512_fmadd_ps(w1, x1, sum[r]);
            }
        }
        row += avx512_block_bytes(type);
    }
    for (; avx512_is_plain(type) && k < columns; k += 16, row += avx512_chunk_bytes(type) / 2) {
        __mmask16 mask = avx512_first(columns - k);
        __m512 x0 = _mm512_maskz_loadu_ps(mask, x + k);
        for (int r = 0; r < R; r++)
            sum[r] =
                _mm512_fmadd_ps(avx512_ragged(type, row + (size_t)r * row_bytes, mask), x0, sum[r]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
        y[r] = add ? y[r] + avx512_sum(sum[r]) : avx512_sum(sum[r]);
}

AVX512_INLINE void one_lane_outputs(enum blocks_type type, float *y, const struct matrix *w,
                                    size_t first, size_t count, const float *x, bool add)
{
    const unsigned char *row = w->data + first * w->row_bytes;
    y += first;
    for (; count >= OUTPUTS; count -= OUTPUTS, y += OUTPUTS, row += OUTPUTS * w->row_bytes)
        one_lane(type, OUTPUTS, y, row, w->row_bytes, x, w->columns, add);
    for (; count; count--, y++, row += w->row_bytes)
        one_lane(type, 1, y, row, w->row_bytes, x, w->columns, add);
}

static void decode_one(float *y, const struct matrix *w, size_t first, size_t count, const float *x,
                       bool add)
{
    WITH_TYPE(w->type, one_lane_outputs, y, w, first, count, x, add);
}

/* --- several lanes --------------------------------------------------------------- */

AVX512_INLINE void put(float *out, __m512 sum, bool add)
{
    float total = avx512_sum(sum);
    *out = add ? *out + total : total;
}

/* Two decoded outputs with L lanes; y points at the first output of lane 0. whole:
 * columns % 16 == 0. */
AVX512_INLINE void two_outputs(const bool whole, const size_t L, float *y, size_t y_stride,
                               size_t outputs, const float *weights, const float *x,
                               size_t x_stride, size_t columns, bool add)
{
    __m512 sum[2][LANES];
#pragma GCC unroll 8
    for (size_t lane = 0; lane < L; lane++)
        sum[0][lane] = sum[1][lane] = _mm512_setzero_ps();
    for (size_t k = 0; k < columns; k += 16) {
        __mmask16 mask = avx512_first(columns - k);
        __m512 w0 = avx512_load(whole, mask, weights + k);
        __m512 w1 = avx512_load(whole, mask, weights + columns + k);
#pragma GCC unroll 8
        for (size_t lane = 0; lane < L; lane++) {
            __m512 a = avx512_load(whole, mask, x + lane * x_stride + k);
            sum[0][lane] = _mm512_fmadd_ps(w0, a, sum[0][lane]);
            sum[1][lane] = _mm512_fmadd_ps(w1, a, sum[1][lane]);
        }
    }
    /* Unrolled, so that no sum is found by a computed index: then they would live in
     * memory throughout. */
#pragma GCC unroll 8
    for (size_t lane = 0; lane < L; lane++) {
        float *out = &y[lane * y_stride];
        put(&out[0], sum[0][lane], add);
        if (outputs > 1)
            put(&out[1], sum[1][lane], add);
    }
}

AVX512_INLINE void some_lanes(const bool whole, float *y, size_t y_stride, size_t outputs,
                              const float *weights, const float *x, size_t x_stride, size_t columns,
                              size_t rows, bool add)
{
    for (; rows >= LANES; rows -= LANES, x += LANES * x_stride, y += LANES * y_stride)
        two_outputs(whole, LANES, y, y_stride, outputs, weights, x, x_stride, columns, add);
    for (; rows >= 4; rows -= 4, x += 4 * x_stride, y += 4 * y_stride)
        two_outputs(whole, 4, y, y_stride, outputs, weights, x, x_stride, columns, add);
    for (; rows; rows--, x += x_stride, y += y_stride)
        two_outputs(whole, 1, y, y_stride, outputs, weights, x, x_stride, columns, add);
}

static void decode_lanes(float *y, size_t y_stride, size_t outputs, const float *weights,
                         const float *x, size_t x_stride, size_t columns, size_t rows, bool add)
{
    if (columns % 16 == 0)
        some_lanes(true, y, y_stride, outputs, weights, x, x_stride, columns, rows, add);
    else
        some_lanes(false, y, y_stride, outputs, weights, x, x_stride, columns, rows, add);
}

/* The trees of avx512_sum() over each of 16 vectors, into the lanes of one. Halves of two
 * vectors are added, quarters of four, pairs of eight. */
AVX512_INLINE __m512 fold(const __m512 v[FOLDED])
{
    __m512 quarters[4], pairs[2];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) { /* outputs i, i + 4, i + 8, i + 12 */
        __m512 a = _mm512_add_ps(_mm512_shuffle_f32x4(v[i], v[i + 4], 0x44),
                                 _mm512_shuffle_f32x4(v[i], v[i + 4], 0xEE));
        __m512 b = _mm512_add_ps(_mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0x44),
                                 _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0xEE));
        quarters[i] =
            _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xDD));
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++) {
        __m512d a = _mm512_castps_pd(quarters[2 * i]), b = _mm512_castps_pd(quarters[2 * i + 1]);
        pairs[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                                 _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    }
    return _mm512_add_ps(_mm512_shuffle_ps(pairs[0], pairs[1], 0x88),
                         _mm512_shuffle_ps(pairs[0], pairs[1], 0xDD));
}

/* 16 decoded outputs, of which `outputs` exist, with all lanes. whole: columns % 16 == 0. */
AVX512_INLINE void folded_outputs(const bool whole, float *y, size_t y_stride, size_t outputs,
                                  const float *weights, const float *x, size_t x_stride,
                                  size_t columns, size_t rows, bool add)
{
    const __mmask16 exist = avx512_first(outputs);
    for (size_t lane = 0; lane < rows; lane++, x += x_stride, y += y_stride) {
        __m512 sum[FOLDED];
#pragma GCC unroll 16
        for (size_t i = 0; i < FOLDED; i++)
            sum[i] = _mm512_setzero_ps();
        for (size_t k = 0; k < columns; k += 16) {
            const __mmask16 mask = avx512_first(columns - k);
            const __m512 a = avx512_load(whole, mask, x + k);
#pragma GCC unroll 16
            for (size_t i = 0; i < FOLDED; i++)
                sum[i] =
                    _mm512_fmadd_ps(avx512_load(whole, mask, weights + i * columns + k), a, sum[i]);
        }
        __m512 total = fold(sum);
        if (add)
            total = _mm512_add_ps(_mm512_maskz_loadu_ps(exist, y), total);
        _mm512_mask_storeu_ps(y, exist, total);
    }
}

static void few_columns(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    for (size_t j = first; j < first + count; j += FOLDED) {
        size_t outputs = first + count - j < FOLDED ? first + count - j : FOLDED;
        if (outputs == FOLDED) /* as one long row */
            avx512_decode_columns(scratch, w->type, w->data + j * w->row_bytes, 0,
                                  FOLDED * w->columns);
        for (size_t i = 0; i < FOLDED && outputs < FOLDED; i++) /* the last one fills up */
            avx512_decode_columns(scratch + i * w->columns, w->type,
                                  w->data + (j + (i < outputs ? i : outputs - 1)) * w->row_bytes, 0,
                                  w->columns);
        if (w->columns % 16 == 0)
            folded_outputs(true, y + j, y_stride, outputs, scratch, x, x_stride, w->columns, rows,
                           add);
        else
            folded_outputs(false, y + j, y_stride, outputs, scratch, x, x_stride, w->columns, rows,
                           add);
    }
}

void avx512_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                          size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                          float *scratch)
{
    if (rows == 1) {
        decode_one(y, w, first, count, x, add);
        return;
    }
    if (w->columns <= FEW_COLUMNS) {
        few_columns(y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
        return;
    }
    for (size_t j = first; j < first + count; j += 2) {
        size_t outputs = first + count - j < 2 ? 1 : 2;
        for (size_t i = 0; i < 2; i++) /* an odd last output is decoded twice */
            avx512_decode_columns(scratch + i * w->columns, w->type,
                                  w->data + (j + (i < outputs ? i : 0)) * w->row_bytes, 0,
                                  w->columns);
        decode_lanes(y + j, y_stride, outputs, scratch, x, x_stride, w->columns, rows, add);
    }
}
