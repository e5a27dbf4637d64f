/* amx_prefill.c: the product of many rows by tiles of bf16.
 *
 * Two tiles of activations and two of weights make four tiles of sums:
 *
 *                      outputs 0-15   outputs 16-31
 *     rows 0-15        sum 0          sum 1           each step of 32 columns: four
 *     rows 16-31       sum 2          sum 3           loads, four products
 *
 * A panel of weights is decoded once for all rows of the pass (bf16.h) and stays in the
 * second-level cache; 32 rows of activations stay in the first while its outputs go by.
 * Where the columns exceed a panel, sums are stored and taken up again. A sum runs over
 * the columns in order, whatever rows and outputs are beside it. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/bf16.h"

#include <string.h>

enum {
    SIDE = 16,
    ROW_BYTES = 64,
    INNER = 24, /* steps; sums are stored and taken up again after so many */
};

/* The sums of a tile: where they lie in y, or in `ragged` while some of its rows or
 * outputs do not exist. */
struct sums {
    float *y;
    size_t rows, outputs;
    float *at;
    size_t stride; /* bytes */
};

static struct sums sums_of(float *y, size_t y_stride, size_t rows, size_t outputs, float *ragged)
{
    struct sums sums = {y, rows < SIDE ? rows : SIDE, outputs < SIDE ? outputs : SIDE, y,
                        y_stride * sizeof *y};
    if (sums.rows < SIDE || sums.outputs < SIDE) {
        sums.at = ragged;
        sums.stride = ROW_BYTES;
    }
    return sums;
}

static void take_up(const struct sums *sums, size_t y_stride)
{
    if (sums->at == sums->y)
        return;
    for (size_t r = 0; r < sums->rows; r++)
        memcpy(sums->at + r * SIDE, sums->y + r * y_stride, sums->outputs * sizeof *sums->y);
}

static void put_back(const struct sums *sums, size_t y_stride)
{
    if (sums->at == sums->y)
        return;
    for (size_t r = 0; r < sums->rows; r++)
        memcpy(sums->y + r * y_stride, sums->at + r * SIDE, sums->outputs * sizeof *sums->y);
}

/* R x N tiles of sums, each 1 or 2. The tiles' numbers must be constants. Each factor is
 * loaded for the next step as soon as it has been used, so that loading hides behind the
 * products in between. (The last step loads the first one's again.) */
AMX_INLINE void block(const int R, const int N, const struct sums sums[4], const uint16_t *a0,
                      const uint16_t *a1, const uint16_t *b0, const uint16_t *b1, size_t steps,
                      bool resume)
{
    _tile_loadd(4, a0, ROW_BYTES);
    _tile_loadd(6, b0, ROW_BYTES);
    if (N > 1)
        _tile_loadd(7, b1, ROW_BYTES);
    if (R > 1)
        _tile_loadd(5, a1, ROW_BYTES);
    if (resume) {
        _tile_loadd(0, sums[0].at, sums[0].stride);
        if (N > 1)
            _tile_loadd(1, sums[1].at, sums[1].stride);
        if (R > 1)
            _tile_loadd(2, sums[2].at, sums[2].stride);
        if (R > 1 && N > 1)
            _tile_loadd(3, sums[3].at, sums[3].stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t i = 1; i <= steps; i++) {
        size_t next = (i < steps ? i : 0) * BF16_TILE;
        _tile_dpbf16ps(0, 4, 6);
        if (N > 1)
            _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(4, a0 + next, ROW_BYTES);
        if (R > 1)
            _tile_dpbf16ps(2, 5, 6);
        _tile_loadd(6, b0 + next, ROW_BYTES);
        if (R > 1 && N > 1)
            _tile_dpbf16ps(3, 5, 7);
        if (N > 1)
            _tile_loadd(7, b1 + next, ROW_BYTES);
        if (R > 1)
            _tile_loadd(5, a1 + next, ROW_BYTES);
    }
    _tile_stored(0, sums[0].at, sums[0].stride);
    if (N > 1)
        _tile_stored(1, sums[1].at, sums[1].stride);
    if (R > 1)
        _tile_stored(2, sums[2].at, sums[2].stride);
    if (R > 1 && N > 1)
        _tile_stored(3, sums[3].at, sums[3].stride);
}

/* Up to 32 rows and 32 outputs. */
static void product(float *y, size_t y_stride, size_t rows, size_t outputs, const uint16_t *a,
                    size_t a_apart, const uint16_t *b, size_t b_apart, size_t steps, bool resume,
                    float *ragged)
{
    const bool two_rows = rows > SIDE, two_outputs = outputs > SIDE;
    struct sums sums[4];
    for (size_t i = 0; i < 4; i++) {
        size_t r = i / 2 * SIDE, j = i % 2 * SIDE;
        bool there = rows > r && outputs > j;
        sums[i] = sums_of(there ? y + r * y_stride + j : NULL, y_stride, there ? rows - r : 0,
                          there ? outputs - j : 0, ragged + i * SIDE * SIDE);
        if (resume && there)
            take_up(&sums[i], y_stride);
    }
    const uint16_t *a1 = a + a_apart, *b1 = b + b_apart;
    amx_finish_writes();
    if (two_rows && two_outputs)
        block(2, 2, sums, a, a1, b, b1, steps, resume);
    else if (two_rows)
        block(2, 1, sums, a, a1, b, b1, steps, resume);
    else if (two_outputs)
        block(1, 2, sums, a, a1, b, b1, steps, resume);
    else
        block(1, 1, sums, a, a1, b, b1, steps, resume);
    amx_finish_writes();
    for (size_t i = 0; i < 4; i++)
        if (sums[i].y)
            put_back(&sums[i], y_stride);
}

void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    uint16_t *panel = (void *)scratch, *work = panel + BF16_OUTPUTS * BF16_COLUMNS;
    float *ragged = (void *)(work + 16 * 256);
    const uint16_t *packed = (const void *)x;
    const size_t a_apart = 32 * x_stride; /* elements between groups of 16 rows */
    amx_configure(ROW_BYTES, SIDE, ROW_BYTES);
    for (size_t j = first; j < first + count; j += BF16_OUTPUTS) {
        size_t outputs = first + count - j < BF16_OUTPUTS ? first + count - j : BF16_OUTPUTS;
        for (size_t k = 0; k < w->columns; k += BF16_COLUMNS) {
            size_t columns = w->columns - k < BF16_COLUMNS ? w->columns - k : BF16_COLUMNS;
            size_t steps = bf16_steps(columns);
            bf16_panel(panel, steps, work, w, j, outputs, k, k + columns);
            for (size_t step = 0; step < steps; step += INNER)
                for (size_t r = 0; r < rows; r += 2 * SIDE)
                    for (size_t i = 0; i < outputs; i += 2 * SIDE)
                        product(y + r * y_stride + j + i, y_stride, rows - r, outputs - i,
                                packed + r / SIDE * a_apart + (bf16_steps(k) + step) * BF16_TILE,
                                a_apart, panel + (i / SIDE * steps + step) * BF16_TILE,
                                steps * BF16_TILE, steps - step < INNER ? steps - step : INNER,
                                add || k + step > 0, ragged);
        }
    }
    _tile_release();
}

/* --- what is pinned ---------------------------------------------------------------- */

static uint32_t arithmetic_of_tiles(void)
{
    uint32_t a[SIDE][SIDE], b[SIDE][SIDE], sums[SIDE][SIDE], state = 1, hash = 0;
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) {
            a[i][j] = bf16_probe_pair(&state);
            b[i][j] = bf16_probe_pair(&state);
        }
    amx_configure(ROW_BYTES, SIDE, ROW_BYTES);
    amx_finish_writes();
    _tile_zero(0);
    _tile_loadd(4, a, ROW_BYTES);
    _tile_loadd(6, b, ROW_BYTES);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(0, 4, 6);
    _tile_stored(0, sums, ROW_BYTES);
    _tile_release();
    amx_finish_writes();
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++)
            hash = hash * 31 + sums[i][j];
    return hash;
}

bool levels_amx_run(void)
{
    return arithmetic_of_tiles() == 0xBE8E71FE;
}
