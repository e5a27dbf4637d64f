/* avx2_decode.c: the product for one generated token in each of several lanes.
 *
 * Bound by reading and unpacking the weights. Scales are factored out of the sums
 * over a chunk of 32 weights: for each output and lane
 *
 *     group = q0 x0 + q1 x1 + q2 x2 + q3 x3        (vectors of 8 columns)
 *     sum = sum + scale group - min (x0 + x1 + x2 + x3)
 *
 * so that a weight costs its unpacking and one multiply-add. What a min is
 * multiplied with is the same for all outputs and computed once a call.
 *
 * A chunk is unpacked once for up to four lanes, or once each for four outputs of
 * one lane. An output's sum is one vector of 8 partial sums over the chunks in
 * order, folded at the end by one fixed tree, so that a lane's bits do not depend
 * on its neighbours. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_weights.h"

enum { OUTPUTS = 4, LANES = 4 };

/* The next outputs' rows: four short streams in one page are not what the
 * processor's own prefetcher looks for. Reading beyond the matrix is harmless. */
AVX2_INLINE void prefetch(const unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + i, _MM_HINT_T0);
}

/* For each chunk of 32 columns the sum of its four vectors: [columns / 4]. */
static void sum_chunks(float *sums, const float *x, size_t columns)
{
    for (size_t k = 0; k + 32 <= columns; k += 32) {
        __m256 low = _mm256_add_ps(_mm256_loadu_ps(x + k), _mm256_loadu_ps(x + k + 8));
        __m256 high = _mm256_add_ps(_mm256_loadu_ps(x + k + 16), _mm256_loadu_ps(x + k + 24));
        _mm256_storeu_ps(sums + k / 4, _mm256_add_ps(low, high));
    }
}

/* One unpacked chunk onto the sum of one lane. */
AVX2_INLINE __m256 add_chunk(enum blocks_type type, __m256 sum, const __m256 q[4],
                             const struct avx2_scales *scales, int chunk, const float *x,
                             const float *x_sum)
{
    __m256 x0 = _mm256_loadu_ps(x), x1 = _mm256_loadu_ps(x + 8);
    __m256 x2 = _mm256_loadu_ps(x + 16), x3 = _mm256_loadu_ps(x + 24);
    if (avx2_is_plain(type)) {
        sum = _mm256_fmadd_ps(q[0], x0, sum);
        sum = _mm256_fmadd_ps(q[1], x1, sum);
        sum = _mm256_fmadd_ps(q[2], x2, sum);
        return _mm256_fmadd_ps(q[3], x3, sum);
    }
    __m256 group = _mm256_fmadd_ps(q[1], x1, _mm256_mul_ps(q[0], x0));
    if (type == BLOCKS_Q6_K) { /* two scales a chunk */
        sum = _mm256_fmadd_ps(avx2_scale(type, scales, chunk, 0), group, sum);
        group = _mm256_fmadd_ps(q[3], x3, _mm256_mul_ps(q[2], x2));
        return _mm256_fmadd_ps(avx2_scale(type, scales, chunk, 2), group, sum);
    }
    group = _mm256_fmadd_ps(q[3], x3, _mm256_fmadd_ps(q[2], x2, group));
    sum = _mm256_fmadd_ps(avx2_scale(type, scales, chunk, 0), group, sum);
    if (avx2_has_min(type))
        sum = _mm256_fnmadd_ps(avx2_min(scales, chunk), _mm256_loadu_ps(x_sum), sum);
    return sum;
}

struct lanes {
    float *y; /* of the first output */
    const float *x, *x_sums;
    size_t y_stride, x_stride, columns;
    bool add;
};

/* R outputs whose rows begin at `row`, row_bytes apart, for L lanes. */
AVX2_INLINE void outputs(enum blocks_type type, const size_t R, const size_t L,
                         const struct lanes *lanes, size_t j, const unsigned char *row,
                         size_t row_bytes)
{
    const size_t chunks = (size_t)avx2_block_chunks(type), block_columns = 32 * chunks;
    const size_t columns = lanes->columns, sums_stride = columns / 4;
    __m256 sum[OUTPUTS][LANES];
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 4
        for (size_t lane = 0; lane < L; lane++)
            sum[r][lane] = _mm256_setzero_ps();
    size_t k = 0;
    for (; k + block_columns <= columns; k += block_columns, row += avx2_block_bytes(type)) {
        struct avx2_scales scales[OUTPUTS];
#pragma GCC unroll 4
        for (size_t r = 0; r < R; r++) {
            prefetch(row + (r + R) * row_bytes, avx2_block_bytes(type));
            avx2_scales(type, row + r * row_bytes, &scales[r]);
        }
#pragma GCC unroll 8
        for (int chunk = 0; chunk < (int)chunks; chunk++)
#pragma GCC unroll 4
            for (size_t r = 0; r < R; r++) {
                const size_t at = k + 32 * (size_t)chunk;
                __m256 q[4];
                avx2_quants(type, row + r * row_bytes, chunk, q);
#pragma GCC unroll 4
                for (size_t lane = 0; lane < L; lane++)
                    sum[r][lane] = add_chunk(type, sum[r][lane], q, &scales[r], chunk,
                                             lanes->x + lane * lanes->x_stride + at,
                                             lanes->x_sums + lane * sums_stride + at / 4);
            }
    }
    for (const size_t bytes = avx2_block_bytes(type) / 32; avx2_is_plain(type) && k < columns;
         k += 8, row += 8 * bytes) {
        size_t left = columns - k;
        for (size_t r = 0; r < R; r++) {
            const unsigned char *at = row + r * row_bytes;
            __m256 w = left >= 8 ? avx2_plain(type, at) : avx2_ragged(type, at, left);
            for (size_t lane = 0; lane < L; lane++)
                sum[r][lane] = _mm256_fmadd_ps(
                    w, avx2_load(lanes->x + lane * lanes->x_stride + k, left), sum[r][lane]);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 4
        for (size_t lane = 0; lane < L; lane++) {
            float *out = &lanes->y[lane * lanes->y_stride + j + r], total = avx2_sum(sum[r][lane]);
            *out = lanes->add ? *out + total : total;
        }
}

/* One lane, four outputs at a time; or L lanes, one output at a time. */
AVX2_INLINE void all_outputs(enum blocks_type type, const size_t L, const struct lanes *lanes,
                             const struct matrix *w, size_t first, size_t count)
{
    const size_t end = first + count;
    size_t j = first;
    for (; L == 1 && j + OUTPUTS <= end; j += OUTPUTS)
        outputs(type, OUTPUTS, 1, lanes, j, w->data + j * w->row_bytes, w->row_bytes);
    for (; j < end; j++)
        outputs(type, 1, L, lanes, j, w->data + j * w->row_bytes, w->row_bytes);
}

AVX2_INLINE void some_lanes(enum blocks_type type, size_t L, const struct lanes *lanes,
                            const struct matrix *w, size_t first, size_t count)
{
    if (L == LANES)
        all_outputs(type, LANES, lanes, w, first, count);
    else
        all_outputs(type, 1, lanes, w, first, count);
}

static void typed(size_t L, const struct lanes *lanes, const struct matrix *w, size_t first,
                  size_t count)
{
    switch (w->type) {
    case BLOCKS_F32:
        some_lanes(BLOCKS_F32, L, lanes, w, first, count);
        break;
    case BLOCKS_F16:
        some_lanes(BLOCKS_F16, L, lanes, w, first, count);
        break;
    case BLOCKS_BF16:
        some_lanes(BLOCKS_BF16, L, lanes, w, first, count);
        break;
    case BLOCKS_Q4_0:
        some_lanes(BLOCKS_Q4_0, L, lanes, w, first, count);
        break;
    case BLOCKS_Q5_0:
        some_lanes(BLOCKS_Q5_0, L, lanes, w, first, count);
        break;
    case BLOCKS_Q5_1:
        some_lanes(BLOCKS_Q5_1, L, lanes, w, first, count);
        break;
    case BLOCKS_Q8_0:
        some_lanes(BLOCKS_Q8_0, L, lanes, w, first, count);
        break;
    case BLOCKS_Q4_K:
        some_lanes(BLOCKS_Q4_K, L, lanes, w, first, count);
        break;
    case BLOCKS_Q5_K:
        some_lanes(BLOCKS_Q5_K, L, lanes, w, first, count);
        break;
    case BLOCKS_Q6_K:
        some_lanes(BLOCKS_Q6_K, L, lanes, w, first, count);
        break;
    case BLOCKS_TYPES:
        break;
    }
}

void avx2_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    while (rows) {
        size_t L = rows >= LANES ? LANES : 1;
        for (size_t lane = 0; lane < L && avx2_has_min(w->type); lane++)
            sum_chunks(scratch + lane * (w->columns / 4), x + lane * x_stride, w->columns);
        struct lanes lanes = {y, x, scratch, y_stride, x_stride, w->columns, add};
        typed(L, &lanes, w, first, count);
        rows -= L;
        x += L * x_stride;
        y += L * y_stride;
    }
}
