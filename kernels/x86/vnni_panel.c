/* vnni_panel.c: weights and activations as bf16 tiles (bf16.h).
 *
 * Sixteen outputs' rows are decoded 256 columns at a time, as they lie, rounded to bf16
 * and then transposed in pairs of columns. Weights are rounded from the float values
 * that blocks_to_float() gives. */
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_transpose.h"
#include "kernels/x86/avx512_weights.h"
#include "kernels/x86/bf16.h"
#include "kernels/x86/by_type.h"

enum { STEP = 256 }; /* columns decoded at once */

AVX512_INLINE __m512i round_pair(__m512 w0, __m512 w1)
{
    return (__m512i)_mm512_cvtne2ps_pbh(w1, w0);
}

void bf16_pack(uint16_t *tiles, const float *x, size_t x_stride, size_t count, size_t columns)
{
    for (size_t k = 0; k < columns; k += BF16_TILE_COLUMNS, tiles += BF16_TILE) {
        __mmask16 low = avx512_first(columns - k);
        __mmask16 high = columns - k > 16 ? avx512_first(columns - k - 16) : 0;
        for (size_t r = 0; r < 16; r++) {
            __m512i pair = _mm512_setzero_si512();
            if (r < count)
                pair = round_pair(_mm512_maskz_loadu_ps(low, x + r * x_stride + k),
                                  _mm512_maskz_loadu_ps(high, x + r * x_stride + k + 16));
            _mm512_storeu_si512(tiles + r * BF16_TILE_COLUMNS, pair);
        }
    }
}

/* --- decoding ------------------------------------------------------------------ */

/* The scales and minima of a block's eight groups, in memory, from where a load
 * broadcasts them; the compiler would rather permute them, and permutations are what this
 * waits for. */
struct q4_k_scales {
    float scale[16], min[16];
};

/* The 16 values that each of two groups' four-bit weights may have, rounded: those of
 * group 2p in the lower half, of 2p + 1 in the upper. */
AVX512_INLINE __m512i q4_k_table(const struct q4_k_scales *scales, int p)
{
    __m512 values[2];
    for (int i = 0; i < 2; i++)
        values[i] =
            _mm512_sub_ps(_mm512_mul_ps(_mm512_set1_ps(scales->scale[2 * p + i]), avx512_iota(0)),
                          _mm512_set1_ps(scales->min[2 * p + i]));
    return round_pair(values[0], values[1]);
}

AVX512_INLINE void q4_k(uint16_t *out, const unsigned char *block)
{
    struct avx512_scales values;
    struct q4_k_scales scales;
    avx512_scales(BLOCKS_Q4_K, block, &values);
    _mm512_storeu_ps(scales.scale, values.scale);
    _mm512_storeu_ps(scales.min, values.min);
    __asm__ volatile("" : "+m"(scales));
#pragma GCC unroll 4
    for (int p = 0; p < 4; p++) {
        __m512i table = q4_k_table(&scales, p);
        __m512i q = _mm512_cvtepu8_epi16(x86_load32(block + 16 + 32 * p));
        __m512i low = _mm512_and_si512(q, _mm512_set1_epi16(15));
        __m512i high = _mm512_or_si512(_mm512_srli_epi16(q, 4), _mm512_set1_epi16(16));
        _mm512_storeu_si512(out + 64 * p, _mm512_permutexvar_epi16(low, table));
        _mm512_storeu_si512(out + 64 * p + 32, _mm512_permutexvar_epi16(high, table));
    }
}

/* Columns [begin, end), at most 256, filled up with zeros to a multiple of 32. The same
 * columns `ahead` bytes on are fetched: a panel takes a short piece of each row, which is not
 * what the processor's own prefetcher looks for. Beyond the matrix this is harmless. */
AVX512_INLINE void decode(enum blocks_type type, uint16_t *out, const unsigned char *row,
                          size_t begin, size_t end, size_t ahead)
{
    const size_t chunks = (size_t)avx512_block_chunks(type), block_columns = 32 * chunks;
    const unsigned char *block = row + begin / block_columns * avx512_block_bytes(type);
    const size_t bytes = (end - begin) / block_columns * avx512_block_bytes(type);
    size_t k = begin;
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)block + ahead + i, _MM_HINT_T0);
    for (; k + block_columns <= end; k += block_columns, block += avx512_block_bytes(type)) {
        if (type == BLOCKS_Q4_K) {
            q4_k(out + (k - begin), block);
            continue;
        }
        struct avx512_scales scales;
        avx512_scales(type, block, &scales);
#pragma GCC unroll 8
        for (int chunk = 0; chunk < (int)chunks; chunk++) {
            __m512 w0, w1;
            avx512_chunk(type, block, chunk, &scales, &w0, &w1);
            _mm512_storeu_si512(out + (k - begin) + 32 * chunk, round_pair(w0, w1));
        }
    }
    if (avx512_is_plain(type) && k < end) {
        size_t left = end - k, half = avx512_chunk_bytes(type) / 2;
        __m512 w0 = avx512_ragged(type, block, avx512_first(left)), w1 = _mm512_setzero_ps();
        if (left > 16)
            w1 = avx512_ragged(type, block + half, avx512_first(left - 16));
        _mm512_storeu_si512(out + (k - begin), round_pair(w0, w1));
    }
}

static void decode_columns(uint16_t *out, const struct matrix *w, size_t output, size_t begin,
                           size_t end)
{
    WITH_TYPE(w->type, decode, out, w->data + output * w->row_bytes, begin, end,
              BF16_TILE_OUTPUTS * w->row_bytes);
}

/* --- transposing ----------------------------------------------------------------- */

/* 16 rows of 32 columns become 16 rows of pairs of columns. */
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

static void fill_outputs(uint16_t *tiles, uint16_t *rows, const struct matrix *w, size_t first,
                         size_t count, size_t begin, size_t end)
{
    if (count < BF16_TILE_OUTPUTS)
        memset(rows, 0, BF16_TILE_OUTPUTS * STEP * sizeof *rows);
    for (size_t k = begin; k < end; k += STEP) {
        size_t stop = end - k < STEP ? end : k + STEP;
        for (size_t i = 0; i < count; i++)
            decode_columns(rows + i * STEP, w, first + i, k, stop);
        for (size_t c = k; c < stop; c += BF16_TILE_COLUMNS, tiles += BF16_TILE)
            transpose(tiles, rows + (c - k));
    }
}

void bf16_panel(uint16_t *panel, size_t steps, uint16_t *rows, const struct matrix *w, size_t first,
                size_t count, size_t begin, size_t end)
{
    for (size_t i = 0; i < count; i += BF16_TILE_OUTPUTS, panel += steps * BF16_TILE) {
        size_t outputs = count - i < BF16_TILE_OUTPUTS ? count - i : BF16_TILE_OUTPUTS;
        fill_outputs(panel, rows, w, first + i, outputs, begin, end);
    }
}
