/* avx512_prefill.c: the product of many rows of activations with weights.
 *
 * 32 outputs at a time are decoded into a panel that lies [column][output]. Then
 * 12 rows x 32 outputs of sums stay in 24 registers while the columns pass:
 *
 *             outputs 0-15   outputs 16-31
 *     row 0   sum[0][0]      sum[0][1]         each step: 2 loads of weights,
 *     ...     ...            ...               12 broadcasts of activations,
 *     row 11  sum[11][0]     sum[11][1]        24 multiply-adds
 *
 * Every sum is ((start + w0 x0) + w1 x1) + ..., one fused multiply-add a column,
 * however many rows are beside it and wherever a panel ends. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_weights.h"
#include "kernels/x86/by_type.h"

enum {
    ROWS = 12,  /* of one register tile */
    WIDTH = 32, /* outputs of one panel */
    STEP = 256, /* columns that are decoded before they are transposed */
};

/* --- decoding ------------------------------------------------------------------ */

AVX512_INLINE void decode(enum blocks_type type, float *out, const unsigned char *row, size_t begin,
                          size_t end)
{
    const size_t chunks = (size_t)avx512_block_chunks(type), block_columns = 32 * chunks;
    const unsigned char *block = row + begin / block_columns * avx512_block_bytes(type);
    size_t k = begin;
    for (; k + block_columns <= end; k += block_columns) {
        struct avx512_scales scales;
        avx512_scales(type, block, &scales);
#pragma GCC unroll 8
        for (int chunk = 0; chunk < (int)chunks; chunk++) {
            __m512 w0, w1;
            avx512_chunk(type, block, chunk, &scales, &w0, &w1);
            _mm512_storeu_ps(out + (k - begin) + 32 * chunk, w0);
            _mm512_storeu_ps(out + (k - begin) + 32 * chunk + 16, w1);
        }
        block += avx512_block_bytes(type);
    }
    for (; avx512_is_plain(type) && k < end; k += 16, block += avx512_chunk_bytes(type) / 2) {
        __mmask16 mask = avx512_first(end - k);
        _mm512_mask_storeu_ps(out + (k - begin), mask, avx512_ragged(type, block, mask));
    }
}

void avx512_decode_columns(float *out, enum blocks_type type, const unsigned char *row,
                           size_t begin, size_t end)
{
    WITH_TYPE(type, decode, out, row, begin, end);
}

/* --- the panel ----------------------------------------------------------------- */

/* Transposes 16 rows x 16 columns: in[i * in_stride + j] to out[j * WIDTH + i]. */
static void transpose(float *out, const float *in, size_t in_stride)
{
    __m512 r[16], t[16];
    for (size_t i = 0; i < 16; i++)
        r[i] = _mm512_loadu_ps(in + i * in_stride);
    for (size_t i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (size_t i = 0; i < 16; i += 4)
        for (size_t j = 0; j < 2; j++) {
            __m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + 2 + j]);
            r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    /* r[4g + c] now holds column c of each 128-bit lane for rows 4g .. 4g + 3. */
    for (size_t c = 0; c < 4; c++) {
        __m512 low01 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88);
        __m512 low23 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
        __m512 high01 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xDD);
        __m512 high23 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xDD);
        _mm512_storeu_ps(out + c * WIDTH, _mm512_shuffle_f32x4(low01, low23, 0x88));
        _mm512_storeu_ps(out + (4 + c) * WIDTH, _mm512_shuffle_f32x4(high01, high23, 0x88));
        _mm512_storeu_ps(out + (8 + c) * WIDTH, _mm512_shuffle_f32x4(low01, low23, 0xDD));
        _mm512_storeu_ps(out + (12 + c) * WIDTH, _mm512_shuffle_f32x4(high01, high23, 0xDD));
    }
}

/* Decodes columns [begin, end) of outputs [first, first + count), count <= 32. */
static void fill_panel(float *panel, float *decoded, const struct matrix *w, size_t first,
                       size_t count, size_t begin, size_t end)
{
    for (size_t half = 0; half < count; half += 16) {
        size_t rows = count - half < 16 ? count - half : 16;
        if (rows < 16)
            memset(decoded, 0, 16 * STEP * sizeof *decoded);
        for (size_t k = begin; k < end; k += STEP) {
            size_t stop = end - k < STEP ? end : k + STEP;
            for (size_t i = 0; i < rows; i++)
                avx512_decode_columns(decoded + i * STEP, w->type,
                                      w->data + (first + half + i) * w->row_bytes, k, stop);
            for (size_t c = k; c < stop; c += 16)
                transpose(panel + (c - begin) * WIDTH + half, decoded + (c - k), STEP);
        }
    }
}

/* --- the product --------------------------------------------------------------- */

/* R rows x 32 outputs over `columns` columns of the panel. low and high mask the
 * outputs that exist; sums continue from y when `resume`. */
AVX512_INLINE void tile(const size_t R, float *y, size_t y_stride, const float *panel,
                        const float *x, size_t x_stride, size_t columns, __mmask16 low,
                        __mmask16 high, bool resume)
{
    __m512 sum[ROWS][2];
#pragma GCC unroll 12
    for (size_t r = 0; r < R; r++) {
        sum[r][0] = resume ? _mm512_maskz_loadu_ps(low, y + r * y_stride) : _mm512_setzero_ps();
        sum[r][1] =
            resume ? _mm512_maskz_loadu_ps(high, y + r * y_stride + 16) : _mm512_setzero_ps();
    }
    for (size_t k = 0; k < columns; k++) {
        __m512 w0 = _mm512_loadu_ps(panel + k * WIDTH);
        __m512 w1 = _mm512_loadu_ps(panel + k * WIDTH + 16);
#pragma GCC unroll 12
        for (size_t r = 0; r < R; r++) {
            __m512 a = _mm512_set1_ps(x[r * x_stride + k]);
            sum[r][0] = _mm512_fmadd_ps(w0, a, sum[r][0]);
            sum[r][1] = _mm512_fmadd_ps(w1, a, sum[r][1]);
        }
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < R; r++) {
        _mm512_mask_storeu_ps(y + r * y_stride, low, sum[r][0]);
        _mm512_mask_storeu_ps(y + r * y_stride + 16, high, sum[r][1]);
    }
}

static void tiles(float *y, size_t y_stride, const float *panel, const float *x, size_t x_stride,
                  size_t rows, size_t columns, size_t outputs, bool resume)
{
    __mmask16 low = avx512_first(outputs);
    __mmask16 high = outputs > 16 ? avx512_first(outputs - 16) : 0;
    for (; rows >= 12; rows -= 12, x += 12 * x_stride, y += 12 * y_stride)
        tile(12, y, y_stride, panel, x, x_stride, columns, low, high, resume);
    for (; rows >= 4; rows -= 4, x += 4 * x_stride, y += 4 * y_stride)
        tile(4, y, y_stride, panel, x, x_stride, columns, low, high, resume);
    for (; rows; rows--, x += x_stride, y += y_stride)
        tile(1, y, y_stride, panel, x, x_stride, columns, low, high, resume);
}

void avx512_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                           size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                           float *scratch)
{
    float *panel = scratch, *decoded = scratch + (size_t)WIDTH * LEVELS_PANEL_COLUMNS;
    for (size_t j = first; j < first + count; j += WIDTH) {
        size_t outputs = first + count - j < WIDTH ? first + count - j : WIDTH;
        for (size_t k = 0; k < w->columns; k += LEVELS_PANEL_COLUMNS) {
            size_t columns = w->columns - k;
            if (columns > LEVELS_PANEL_COLUMNS)
                columns = LEVELS_PANEL_COLUMNS;
            fill_panel(panel, decoded, w, j, outputs, k, k + columns);
            tiles(y + j, y_stride, panel, x + k, x_stride, rows, columns, outputs, add || k > 0);
        }
    }
}
