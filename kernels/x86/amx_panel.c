/* amx_panel.c: both factors of a tile product (amx_tiles.h), and the way of its sums to y. */
#include "kernels/x86/amx_product.h"
#include "kernels/x86/amx_weights.h"
#include "kernels/x86/avx512_math.h"

enum { SIDE = AMX_SIDE };

/* --- activations ----------------------------------------------------------------- */

/* 32 columns of `count` rows, or what is left of them, as pairs of bf16; other rows are zero. */
AVX512_INLINE void round_rows(__m512i pairs[SIDE], const float *x, size_t x_stride, size_t count,
                              size_t left)
{
    const __mmask16 low = avx512_first(left), high = left > 16 ? avx512_first(left - 16) : 0;
    for (size_t r = 0; r < count; r++, x += x_stride)
        pairs[r] =
            bf16_round_pair(_mm512_maskz_loadu_ps(low, x), _mm512_maskz_loadu_ps(high, x + 16));
    for (size_t r = count; r < SIDE; r++)
        pairs[r] = _mm512_setzero_si512();
}

size_t amx_apart(const struct matrix *w)
{
    return amx_takes_bytes(w) ? amx_bytes_apart(w->columns)
                              : bf16_apart(w->columns) * sizeof(uint16_t);
}

const float *amx_packed_from(const float *packed, const struct matrix *w, size_t row)
{
    return (const void *)((const unsigned char *)(const void *)packed + row / SIDE * amx_apart(w));
}

void amx_pack_pass(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                   size_t first, size_t count, size_t begin, size_t end)
{
    unsigned char *group = (unsigned char *)(void *)packed + first / SIDE * amx_apart(w);
    if (amx_takes_bytes(w)) {
        amx_bytes_pack(group, w, x, x_stride, count, begin, end);
        return;
    }
    uint16_t *tile = (uint16_t *)(void *)group + begin / BF16_TILE_COLUMNS * BF16_TILE;
    for (size_t k = begin; k < end; k += BF16_TILE_COLUMNS, x += BF16_TILE_COLUMNS) {
        __m512i pairs[SIDE], out[4];
        round_rows(pairs, x, x_stride, count, end - k);
#pragma GCC unroll 4
        for (size_t q = 0; q < 4; q++) {
            avx512_transpose(out, (const unsigned char *)pairs + 16 * q, AMX_ROW_BYTES);
            for (size_t i = 0; i < 4; i++, tile += 2 * SIDE)
                _mm512_storeu_si512(tile, out[i]);
        }
    }
}

/* --- weights --------------------------------------------------------------------- */

/* Up to 16 outputs x 256 columns from k on; the same columns of the next 16 are fetched. */
static void fill_tiles(uint16_t *tiles, const struct matrix *w, size_t first, size_t count,
                       size_t k, size_t stop)
{
    if (w->type == BLOCKS_Q4_K && count == SIDE) {
        const struct vnni_rows rows = vnni_rows_of(BLOCKS_Q4_K, w, first, k);
        struct amx_q4_k_scales scales;
        amx_q4_k_scales(&scales, &rows);
        for (size_t o = 0; o < SIDE; o += 2)
            amx_q4_k_two_rows(tiles, &rows, o, &scales, SIDE * w->row_bytes);
        return;
    }
    for (size_t o = 0; o < count; o++)
        bf16_decode_row(tiles + o * BF16_TILE_COLUMNS, BF16_TILE, w, first + o, k, stop,
                        SIDE * w->row_bytes);
}

void amx_panel(uint16_t *panel, size_t steps, const struct matrix *w, size_t first, size_t count,
               size_t begin, size_t end)
{
    for (size_t k = begin; k < end; k += BF16_STRETCH) {
        const size_t stop = end - k < BF16_STRETCH ? end : k + BF16_STRETCH;
        uint16_t *tiles = panel + (k - begin) / BF16_TILE_COLUMNS * BF16_TILE;
        for (size_t i = 0; i < count; i += SIDE, tiles += steps * BF16_TILE)
            fill_tiles(tiles, w, first + i, amx_first(count - i), k, stop);
    }
}

/* --- sums ------------------------------------------------------------------------ */

/* A tile of sums, up to 16 x 16. */
AVX512_INLINE void give_tile(const bool away, float *y, size_t y_stride, const float *sums,
                             size_t outputs, size_t rows)
{
    const __mmask16 exist = avx512_first(outputs);
    for (size_t r = 0; r < rows; r += 4) {
        __m512i out[4];
        avx512_transpose(out, (const void *)(sums + r), AMX_ROW_BYTES);
        for (size_t i = 0; i < 4 && r + i < rows; i++)
            if (away)
                _mm512_stream_si512((void *)(y + (r + i) * y_stride), out[i]);
            else
                _mm512_mask_storeu_ps(y + (r + i) * y_stride, exist, _mm512_castsi512_ps(out[i]));
    }
}

static void take_tile(float *sums, const float *y, size_t y_stride, size_t outputs, size_t rows)
{
    const __mmask16 exist = avx512_first(outputs);
    float there[AMX_SUMS];
    for (size_t r = 0; r < rows; r++)
        _mm512_storeu_ps(there + r * SIDE, _mm512_maskz_loadu_ps(exist, y + r * y_stride));
    for (size_t r = rows; r < SIDE; r++)
        _mm512_storeu_ps(there + r * SIDE, _mm512_setzero_ps());
    for (size_t o = 0; o < SIDE; o += 4) {
        __m512i out[4];
        avx512_transpose(out, (const void *)(there + o), AMX_ROW_BYTES);
        for (size_t i = 0; i < 4; i++)
            _mm512_storeu_si512(sums + (o + i) * SIDE, out[i]);
    }
}

void amx_give_sums(float *y, size_t y_stride, const float *sums, size_t outputs, size_t rows,
                   bool away)
{
    for (size_t o = 0; o < outputs; o += SIDE)
        for (size_t r = 0; r < rows; r += SIDE) {
            float *at = y + r * y_stride + o;
            const float *tile = sums + (o / SIDE * 2 + r / SIDE) * AMX_SUMS;
            const size_t some = amx_first(outputs - o), here = amx_first(rows - r);
            if (away && some == SIDE && (uintptr_t)at % AMX_ROW_BYTES == 0 && y_stride % SIDE == 0)
                give_tile(true, at, y_stride, tile, some, here);
            else
                give_tile(false, at, y_stride, tile, some, here);
        }
}

void amx_take_sums(float *sums, const float *y, size_t y_stride, size_t outputs, size_t rows)
{
    for (size_t o = 0; o < outputs; o += SIDE)
        for (size_t r = 0; r < rows; r += SIDE)
            take_tile(sums + (o / SIDE * 2 + r / SIDE) * AMX_SUMS, y + r * y_stride + o, y_stride,
                      amx_first(outputs - o), amx_first(rows - r));
}
