/* vnni_prefill.c: the product of many rows by dot products of bf16 pairs.
 *
 * 8 rows x 32 outputs of float sums stay in 16 registers while the columns pass: each
 * pair of columns takes two vectors of weights, 8 broadcast pairs of activations and 16
 * instructions, each adding both products. A sum runs over the columns in order,
 * whatever rows are beside it. */
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_weights.h"
#include "kernels/x86/bf16.h"
#include "kernels/x86/vnni.h"

enum { ROWS = 8, PAIRS = BF16_TILE_COLUMNS / 2, COLUMNS = LEVELS_PANEL_COLUMNS };
_Static_assert(32 * COLUMNS <= BF16_OUTPUTS * BF16_COLUMNS, "a panel fits into the scratch");

struct panel {
    const uint16_t *tiles[2]; /* of outputs 0-15 and 16-31 */
    size_t steps;
    __mmask16 exists[2]; /* which outputs do */
};

AVX512_INLINE __m512bh broadcast_pair(const uint16_t *pair)
{
    int bits;
    memcpy(&bits, pair, sizeof bits);
    return (__m512bh)_mm512_set1_epi32(bits);
}

/* R rows from `x` on, at a place in their first tile. */
AVX512_INLINE void block(const size_t R, float *y, size_t y_stride, const struct panel *panel,
                         const uint16_t *x, bool resume)
{
    __m512 sum[ROWS][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; half++)
            sum[r][half] =
                resume ? _mm512_maskz_loadu_ps(panel->exists[half], y + r * y_stride + 16 * half)
                       : _mm512_setzero_ps();
    const uint16_t *low = panel->tiles[0], *high = panel->tiles[1];
    for (size_t step = 0; step < panel->steps; step++, x += BF16_TILE)
        for (size_t pair = 0; pair < PAIRS; pair++, low += 32, high += 32) {
            __m512bh w0 = (__m512bh)_mm512_loadu_si512(low);
            __m512bh w1 = (__m512bh)_mm512_loadu_si512(high);
#pragma GCC unroll 8
            for (size_t r = 0; r < R; r++) {
                __m512bh a = broadcast_pair(x + r * BF16_TILE_COLUMNS + 2 * pair);
                sum[r][0] = _mm512_dpbf16_ps(sum[r][0], w0, a);
                sum[r][1] = _mm512_dpbf16_ps(sum[r][1], w1, a);
            }
        }
#pragma GCC unroll 8
    for (size_t r = 0; r < R; r++)
#pragma GCC unroll 2
        for (size_t half = 0; half < 2; half++)
            _mm512_mask_storeu_ps(y + r * y_stride + 16 * half, panel->exists[half], sum[r][half]);
}

/* All rows; x is the first row's first tile of these columns. */
static void all_rows(float *y, size_t y_stride, const struct panel *panel, const uint16_t *x,
                     size_t tile_rows_apart, size_t rows, bool resume)
{
    for (size_t r = 0; r < rows;) {
        const uint16_t *at = x + r / 16 * tile_rows_apart + r % 16 * BF16_TILE_COLUMNS;
        float *out = y + r * y_stride;
        if (rows - r >= 8 && r % 8 == 0) {
            block(8, out, y_stride, panel, at, resume);
            r += 8;
        } else if (rows - r >= 4) {
            block(4, out, y_stride, panel, at, resume);
            r += 4;
        } else {
            block(1, out, y_stride, panel, at, resume);
            r++;
        }
    }
}

void vnni_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                         float *scratch)
{
    uint16_t *tiles = (void *)scratch, *work = tiles + BF16_OUTPUTS * BF16_COLUMNS;
    const uint16_t *packed = (const void *)x;
    (void)x_stride;
    for (size_t j = first; j < first + count; j += 32) {
        size_t outputs = first + count - j < 32 ? first + count - j : 32;
        for (size_t k = 0; k < w->columns; k += COLUMNS) {
            size_t columns = w->columns - k < COLUMNS ? w->columns - k : COLUMNS;
            size_t steps = bf16_steps(columns);
            bf16_panel(tiles, steps, work, w, j, outputs, k, k + columns);
            struct panel panel = {
                .tiles = {tiles, outputs > 16 ? tiles + steps * BF16_TILE : tiles},
                .steps = steps,
                .exists = {avx512_first(outputs), outputs > 16 ? avx512_first(outputs - 16) : 0},
            };
            all_rows(y + j, y_stride, &panel, packed + bf16_steps(k) * BF16_TILE,
                     bf16_apart(w->columns), rows, add || k > 0);
        }
    }
}

/* --- what is pinned ---------------------------------------------------------------- */

/* Sums that grow from products of many magnitudes and both signs: every step rounds. */
static uint32_t arithmetic_of_pairs(void)
{
    __m512 sum = _mm512_set1_ps(0x1.234567p-3f);
    uint32_t state = 1, hash = 0;
    for (int step = 0; step < 64; step++) {
        uint32_t a[16], b[16], bits[16];
        for (size_t i = 0; i < 16; i++) {
            a[i] = bf16_probe_pair(&state);
            b[i] = bf16_probe_pair(&state);
        }
        sum =
            _mm512_dpbf16_ps(sum, (__m512bh)_mm512_loadu_si512(a), (__m512bh)_mm512_loadu_si512(b));
        _mm512_storeu_ps(bits, sum);
        for (size_t i = 0; i < 16; i++)
            hash = hash * 31 + bits[i];
    }
    return hash;
}

bool levels_vnni_run(void)
{
    return arithmetic_of_pairs() == 0x61A06C02;
}
