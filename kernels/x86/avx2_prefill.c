/* avx2_prefill.c: the product of many rows of activations with weights.
 *
 * 16 outputs at a time are decoded into a panel that lies [column][output]. Then
 * 6 rows x 16 outputs of sums stay in 12 registers while the columns pass; each
 * step is 2 loads of weights, 6 broadcasts of activations, 12 multiply-adds.
 *
 * Every sum is ((start + w0 x0) + w1 x1) + ..., one fused multiply-add a column,
 * however many rows are beside it and wherever a panel ends. */
#include "kernels/x86/avx2.h"
#include "kernels/x86/avx2_weights.h"
#include "kernels/x86/by_type.h"

enum {
    ROWS = 6,      /* of one register tile */
    WIDTH = 16,    /* outputs of one panel */
    STEP = 256,    /* columns that are decoded before they are transposed */
    COLUMNS = 512, /* of a panel: 32 KiB, which the second-level cache holds beside the rows */
};

/* --- decoding ------------------------------------------------------------------ */

AVX2_INLINE void decode(enum blocks_type type, float *out, const unsigned char *row, size_t begin,
                        size_t end)
{
    const size_t chunks = (size_t)avx2_block_chunks(type), block_columns = 32 * chunks;
    const unsigned char *block = row + begin / block_columns * avx2_block_bytes(type);
    size_t k = begin;
    for (; k + block_columns <= end; k += block_columns) {
        struct avx2_scales scales;
        avx2_scales(type, block, &scales);
#pragma GCC unroll 8
        for (int chunk = 0; chunk < (int)chunks; chunk++) {
            __m256 w[4];
            avx2_quants(type, block, chunk, w);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                if (!avx2_is_plain(type))
                    w[i] = _mm256_mul_ps(avx2_scale(type, &scales, chunk, i), w[i]);
                if (avx2_has_min(type))
                    w[i] = _mm256_sub_ps(w[i], avx2_min(&scales, chunk));
                _mm256_storeu_ps(out + (k - begin) + 32 * chunk + 8 * i, w[i]);
            }
        }
        block += avx2_block_bytes(type);
    }
    if (!avx2_is_plain(type))
        return;
    const size_t bytes = avx2_block_bytes(type) / 32; /* of a weight */
    for (; k < end; k += 8, block += 8 * bytes) {
        size_t left = end - k;
        __m256 w = left >= 8 ? avx2_plain(type, block) : avx2_ragged(type, block, left);
        avx2_store(out + (k - begin), left, w);
    }
}

void avx2_decode_columns(float *out, enum blocks_type type, const unsigned char *row, size_t begin,
                         size_t end)
{
    WITH_TYPE(type, decode, out, row, begin, end);
}

/* --- the panel ----------------------------------------------------------------- */

/* Transposes 8 rows x 8 columns: in[i * in_stride + j] to out[j * WIDTH + i]. */
static void transpose(float *out, const float *in, size_t in_stride)
{
    __m256 r[8], t[8];
    for (size_t i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(in + i * in_stride);
    for (size_t i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4)
        for (size_t j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + 2 + j], _MM_SHUFFLE(1, 0, 1, 0));
            r[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + 2 + j], _MM_SHUFFLE(3, 2, 3, 2));
        }
    /* r[c] and r[4 + c] now hold columns c and 4 + c of rows 0-3 and 4-7. */
    for (size_t c = 0; c < 4; c++) {
        _mm256_storeu_ps(out + c * WIDTH, _mm256_permute2f128_ps(r[c], r[4 + c], 0x20));
        _mm256_storeu_ps(out + (4 + c) * WIDTH, _mm256_permute2f128_ps(r[c], r[4 + c], 0x31));
    }
}

/* Decodes columns [begin, end) of outputs [first, first + count), count <= 16. */
static void fill_panel(float *panel, float *decoded, const struct matrix *w, size_t first,
                       size_t count, size_t begin, size_t end)
{
    for (size_t half = 0; half < count; half += 8) {
        size_t rows = count - half < 8 ? count - half : 8;
        if (rows < 8)
            memset(decoded, 0, 8 * STEP * sizeof *decoded);
        for (size_t k = begin; k < end; k += STEP) {
            size_t stop = end - k < STEP ? end : k + STEP;
            for (size_t i = 0; i < rows; i++)
                avx2_decode_columns(decoded + i * STEP, w->type,
                                    w->data + (first + half + i) * w->row_bytes, k, stop);
            for (size_t c = k; c < stop; c += 8)
                transpose(panel + (c - begin) * WIDTH + half, decoded + (c - k), STEP);
        }
    }
}

/* --- the product --------------------------------------------------------------- */

/* R rows x `outputs` <= 16 outputs over `columns` columns of the panel; sums
 * continue from y when `resume`. */
AVX2_INLINE void tile(const size_t R, float *y, size_t y_stride, const float *panel, const float *x,
                      size_t x_stride, size_t columns, size_t outputs, bool resume)
{
    const size_t high = outputs > 8 ? outputs - 8 : 0;
    __m256 sum[ROWS][2];
#pragma GCC unroll 6
    for (size_t r = 0; r < R; r++) {
        sum[r][0] = resume ? avx2_load(y + r * y_stride, outputs) : _mm256_setzero_ps();
        sum[r][1] = resume && high ? avx2_load(y + r * y_stride + 8, high) : _mm256_setzero_ps();
    }
    for (size_t k = 0; k < columns; k++) {
        __m256 w0 = _mm256_loadu_ps(panel + k * WIDTH);
        __m256 w1 = _mm256_loadu_ps(panel + k * WIDTH + 8);
#pragma GCC unroll 6
        for (size_t r = 0; r < R; r++) {
            __m256 a = _mm256_broadcast_ss(x + r * x_stride + k);
            sum[r][0] = _mm256_fmadd_ps(w0, a, sum[r][0]);
            sum[r][1] = _mm256_fmadd_ps(w1, a, sum[r][1]);
        }
    }
#pragma GCC unroll 6
    for (size_t r = 0; r < R; r++) {
        avx2_store(y + r * y_stride, outputs, sum[r][0]);
        if (high)
            avx2_store(y + r * y_stride + 8, high, sum[r][1]);
    }
}

static void tiles(float *y, size_t y_stride, const float *panel, const float *x, size_t x_stride,
                  size_t rows, size_t columns, size_t outputs, bool resume)
{
    for (; rows >= 6; rows -= 6, x += 6 * x_stride, y += 6 * y_stride)
        tile(6, y, y_stride, panel, x, x_stride, columns, outputs, resume);
    for (; rows >= 3; rows -= 3, x += 3 * x_stride, y += 3 * y_stride)
        tile(3, y, y_stride, panel, x, x_stride, columns, outputs, resume);
    for (; rows; rows--, x += x_stride, y += y_stride)
        tile(1, y, y_stride, panel, x, x_stride, columns, outputs, resume);
}

void avx2_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                         float *scratch)
{
    float *panel = scratch, *decoded = scratch + (size_t)WIDTH * COLUMNS;
    for (size_t j = first; j < first + count; j += WIDTH) {
        size_t outputs = first + count - j < WIDTH ? first + count - j : WIDTH;
        for (size_t k = 0; k < w->columns; k += COLUMNS) {
            size_t columns = w->columns - k < COLUMNS ? w->columns - k : COLUMNS;
            fill_panel(panel, decoded, w, j, outputs, k, k + columns);
            tiles(y + j, y_stride, panel, x + k, x_stride, rows, columns, outputs, add || k > 0);
        }
    }
}
