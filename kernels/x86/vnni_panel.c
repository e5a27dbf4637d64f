/* vnni_panel.c: weights and activations as bf16 tiles (bf16.h).
 *
 * Sixteen outputs' rows are decoded 256 columns at a time, as they lie, rounded to bf16
 * and then transposed in pairs of columns; Q4_K is transposed first (bf16_q4_k.h). Weights are
 * rounded from the float values that blocks_to_float() gives. */
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_transpose.h"
#include "kernels/x86/avx512_weights.h"
#include "kernels/x86/bf16.h"
#include "kernels/x86/bf16_q4_k.h"
#include "kernels/x86/by_type.h"

enum { STEP = BF16_STRETCH }; /* columns decoded at once */

/* whole: columns % 32 == 0 */
AVX512_INLINE void pack(const bool whole, uint16_t *tiles, const float *x, size_t x_stride,
                        size_t count, size_t columns)
{
    for (size_t k = 0; k < columns; k += BF16_TILE_COLUMNS, tiles += BF16_TILE) {
        __mmask16 low = avx512_first(columns - k);
        __mmask16 high = columns - k > 16 ? avx512_first(columns - k - 16) : 0;
        for (size_t r = 0; r < 16; r++) {
            __m512i pair = _mm512_setzero_si512();
            if (r < count)
                pair = bf16_round_pair(avx512_load(whole, low, x + r * x_stride + k),
                                       avx512_load(whole, high, x + r * x_stride + k + 16));
            _mm512_storeu_si512(tiles + r * BF16_TILE_COLUMNS, pair);
        }
    }
}

void bf16_pack(uint16_t *tiles, const float *x, size_t x_stride, size_t count, size_t columns)
{
    if (columns % BF16_TILE_COLUMNS == 0)
        pack(true, tiles, x, x_stride, count, columns);
    else
        pack(false, tiles, x, x_stride, count, columns);
}

/* --- decoding ------------------------------------------------------------------ */

/* Columns [begin, end), at most 256, filled up with zeros to a multiple of 32. The same
 * columns `ahead` bytes on are fetched: a panel takes a short piece of each row, which is not
 * what the processor's own prefetcher looks for. Beyond the matrix this is harmless. */
AVX512_INLINE void decode(enum blocks_type type, uint16_t *out, size_t apart,
                          const unsigned char *row, size_t begin, size_t end, size_t ahead)
{
    const size_t chunks = (size_t)avx512_block_chunks(type), block_columns = 32 * chunks;
    const unsigned char *block = row + begin / block_columns * avx512_block_bytes(type);
    const size_t bytes = (end - begin) / block_columns * avx512_block_bytes(type);
    size_t k = begin;
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)block + ahead + i, _MM_HINT_T0);
    for (; k + block_columns <= end; k += block_columns, block += avx512_block_bytes(type)) {
        struct avx512_scales scales;
        avx512_scales(type, block, &scales);
#pragma GCC unroll 8
        for (int chunk = 0; chunk < (int)chunks; chunk++) {
            __m512 w0, w1;
            avx512_chunk(type, block, chunk, &scales, &w0, &w1);
            _mm512_storeu_si512(out + ((k - begin) / 32 + (size_t)chunk) * apart,
                                bf16_round_pair(w0, w1));
        }
    }
    if (avx512_is_plain(type) && k < end) {
        size_t left = end - k, half = avx512_chunk_bytes(type) / 2;
        __m512 w0 = avx512_ragged(type, block, avx512_first(left)), w1 = _mm512_setzero_ps();
        if (left > 16)
            w1 = avx512_ragged(type, block + half, avx512_first(left - 16));
        _mm512_storeu_si512(out + (k - begin) / 32 * apart, bf16_round_pair(w0, w1));
    }
}

void bf16_decode_row(uint16_t *out, size_t apart, const struct matrix *w, size_t output,
                     size_t begin, size_t end, size_t ahead)
{
    WITH_TYPE(w->type, decode, out, apart, w->data + output * w->row_bytes, begin, end, ahead);
}

/* --- transposing ----------------------------------------------------------------- */

static void transpose(uint16_t *tile, const uint16_t *rows)
{
#pragma GCC unroll 4
    for (size_t q = 0; q < 4; q++, tile += BF16_TILE / 4) {
        __m512i pairs[4];
        avx512_transpose(pairs, (const void *)(rows + 8 * q), STEP * sizeof *rows);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            _mm512_storeu_si512(tile + 32 * i, pairs[i]);
    }
}

/* --- Q4_K ------------------------------------------------------------------------ */

/* 16 outputs x 256 columns into eight tiles; what lies `ahead` bytes on is wanted soon. */
static void q4_k(uint16_t *tiles, const struct vnni_rows *rows, size_t ahead)
{
    __m512 scales[VNNI_BLOCKS], minima[VNNI_BLOCKS];
    vnni_scale_columns_k(scales, minima, rows);
    for (size_t part = 0; part < BF16_Q4_K_PARTS; part++) {
        vnni_fetch_stretch(BLOCKS_Q4_K, rows, 2 * part, ahead);
        vnni_fetch_stretch(BLOCKS_Q4_K, rows, 2 * part + 1, ahead);
        bf16_q4_k_part(tiles, rows, part, scales, minima);
    }
}

/* --- panels ------------------------------------------------------------------------ */

/* Up to 16 outputs x 256 columns from `k` on into consecutive tiles. */
static void fill_tiles(uint16_t *tiles, uint16_t *rows, const struct matrix *w, size_t first,
                       size_t count, size_t k, size_t stop, size_t ahead)
{
    if (w->type == BLOCKS_Q4_K && count == BF16_TILE_OUTPUTS) {
        const struct vnni_rows q4_k_rows = vnni_rows_of(BLOCKS_Q4_K, w, first, k);
        q4_k(tiles, &q4_k_rows, ahead);
        return;
    }
    if (count < BF16_TILE_OUTPUTS)
        memset(rows, 0, BF16_WORK * sizeof *rows);
    for (size_t i = 0; i < count; i++)
        bf16_decode_row(rows + i * STEP, BF16_TILE_COLUMNS, w, first + i, k, stop,
                        BF16_TILE_OUTPUTS * w->row_bytes);
    for (size_t c = k; c < stop; c += BF16_TILE_COLUMNS, tiles += BF16_TILE)
        transpose(tiles, rows + (c - k));
}

/* The columns go by 256 at a time, so that what comes next in the same rows has been fetched
 * when it is wanted; after the last ones come those of the next `count` outputs. */
void bf16_panel(uint16_t *panel, size_t steps, uint16_t *rows, const struct matrix *w, size_t first,
                size_t count, size_t begin, size_t end)
{
    const size_t bytes = vnni_stretch_bytes(BLOCKS_Q4_K);
    for (size_t k = begin; k < end; k += STEP, panel += STEP / BF16_TILE_COLUMNS * BF16_TILE) {
        const size_t stop = end - k < STEP ? end : k + STEP;
        const size_t ahead = stop < w->columns ? bytes : count * w->row_bytes - k / STEP * bytes;
        for (size_t i = 0; i < count; i += BF16_TILE_OUTPUTS) {
            size_t outputs = count - i < BF16_TILE_OUTPUTS ? count - i : BF16_TILE_OUTPUTS;
            fill_tiles(panel + i / BF16_TILE_OUTPUTS * steps * BF16_TILE, rows, w, first + i,
                       outputs, k, stop, ahead);
        }
    }
}
