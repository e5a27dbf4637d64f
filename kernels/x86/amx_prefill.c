/* amx_prefill.c: the product of many rows by tiles of bf16.
 *
 * Two tiles of activations and two of weights make four tiles of sums:
 *
 *                      outputs 0-15   outputs 16-31
 *     rows 0-15        sum 0          sum 1           each step of 32 columns: four
 *     rows 16-31       sum 2          sum 3           loads, four products
 *
 * A load of 16 lines from the second-level cache takes as long as a product. A panel of
 * weights is decoded once for all rows of the pass (bf16.h) and stays in the second-level
 * cache; its tiles are loaded with the hint that keeps the first for the activations,
 * which all outputs of the panel share. Meanwhile the next 32 rows of activations are
 * fetched into the second, and the next tiles of y into the first. Where the columns exceed a
 * panel, sums are stored and taken up again. A sum runs over the columns in order, whatever rows
 * and outputs are beside it. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/bf16.h"

#include <string.h>

enum { SIDE = 16, ROW_BYTES = 64, TILE_FLOATS = SIDE * SIDE };

/* Where four tiles of sums lie: in y, or one after the other. */
struct sums {
    float *at;
    size_t stride;        /* bytes between rows of a tile */
    size_t down, outputs; /* floats to the tile below and to the one beside */
};

/* Tiles of 16 rows and of 16 outputs: steps of 32 columns one after the other. */
struct factors {
    const uint16_t *a[2], *b[2];
    size_t steps;
    const char *next[2]; /* what will be a[] next: of each tile, lines [begin, end) */
    size_t begin, end;
    const float *next_y; /* the sums of the next product, 32 rows of two lines */
    size_t y_stride;
};

AMX_INLINE void fetch_next(const struct factors *f, size_t step)
{
    for (size_t line = f->begin; line < f->end; line++) {
        _mm_prefetch(f->next[0] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
        _mm_prefetch(f->next[1] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
    }
    const size_t each = (2 * SIDE + f->steps - 1) / f->steps;
    for (size_t r = step * each; r < (step + 1) * each && r < 2 * SIDE; r++) {
        __builtin_prefetch(f->next_y + r * f->y_stride, 1);
        __builtin_prefetch(f->next_y + r * f->y_stride + SIDE, 1);
    }
}

/* R x N tiles of sums, each 1 or 2, added to what is there when `resume`. The tiles'
 * numbers must be constants. */
AMX_INLINE void block(const int R, const int N, const struct sums *sums, const struct factors *f,
                      bool resume)
{
    if (resume) {
        _tile_loadd(0, sums->at, sums->stride);
        if (N > 1)
            _tile_loadd(1, sums->at + sums->outputs, sums->stride);
        if (R > 1)
            _tile_loadd(2, sums->at + sums->down, sums->stride);
        if (R > 1 && N > 1)
            _tile_loadd(3, sums->at + sums->down + sums->outputs, sums->stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (size_t step = 0; step < f->steps; step++) {
        _tile_stream_loadd(6, f->b[0] + step * BF16_TILE, ROW_BYTES);
        _tile_loadd(4, f->a[0] + step * BF16_TILE, ROW_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (N > 1) {
            _tile_stream_loadd(7, f->b[1] + step * BF16_TILE, ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (R > 1) {
            _tile_loadd(5, f->a[1] + step * BF16_TILE, ROW_BYTES);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (R > 1 && N > 1)
            _tile_dpbf16ps(3, 5, 7);
        fetch_next(f, step);
    }
    _tile_stored(0, sums->at, sums->stride);
    if (N > 1)
        _tile_stored(1, sums->at + sums->outputs, sums->stride);
    if (R > 1)
        _tile_stored(2, sums->at + sums->down, sums->stride);
    if (R > 1 && N > 1)
        _tile_stored(3, sums->at + sums->down + sums->outputs, sums->stride);
}

/* Up to 32 rows and 32 outputs of y. */
struct corner {
    float *y;
    size_t y_stride, rows, outputs;
    float *ragged; /* [4][TILE_FLOATS]: sums where some rows or outputs do not exist */
};

static void copy_ragged(const struct corner *c, bool to_y)
{
    for (size_t r = 0; r < c->rows; r++)
        for (size_t half = 0; half < 2 && half * SIDE < c->outputs; half++) {
            size_t count = c->outputs - half * SIDE;
            float *ragged = c->ragged + (r / SIDE * 2 + half) * TILE_FLOATS + r % SIDE * SIDE;
            float *y = c->y + r * c->y_stride + half * SIDE;
            size_t bytes = (count < SIDE ? count : SIDE) * sizeof *y;
            if (to_y)
                memcpy(y, ragged, bytes);
            else
                memcpy(ragged, y, bytes);
        }
}

static void product(const struct corner *c, const struct factors *f, bool resume)
{
    const bool two_rows = c->rows > SIDE, two_outputs = c->outputs > SIDE;
    const bool ragged = c->rows % SIDE || c->outputs % SIDE;
    struct sums sums = {c->y, c->y_stride * sizeof *c->y, SIDE * c->y_stride, SIDE};
    if (ragged)
        sums = (struct sums){c->ragged, ROW_BYTES, 2 * TILE_FLOATS, TILE_FLOATS};
    if (ragged && resume)
        copy_ragged(c, false);
    amx_finish_writes();
    if (two_rows && two_outputs)
        block(2, 2, &sums, f, resume);
    else if (two_rows)
        block(2, 1, &sums, f, resume);
    else if (two_outputs)
        block(1, 2, &sums, f, resume);
    else
        block(1, 1, &sums, f, resume);
    amx_finish_writes();
    if (ragged)
        copy_ragged(c, true);
}

/* A panel with all rows. `all` is y from its first output on, a the first row's tiles. */
static void with_panel(const struct corner *all, const uint16_t *a, size_t a_apart,
                       const uint16_t *panel, size_t steps, bool resume)
{
    const size_t corners = (all->outputs + 2 * SIDE - 1) / (2 * SIDE);
    const size_t lines = (SIDE + corners - 1) / corners;
    for (size_t r = 0; r < all->rows; r += 2 * SIDE, a += 2 * a_apart) {
        const size_t rows = all->rows - r;
        for (size_t i = 0; i < corners; i++, panel += 2 * steps * BF16_TILE) {
            const size_t outputs = all->outputs - i * 2 * SIDE;
            const size_t next_r = rows > 2 * SIDE ? r + 2 * SIDE : r;
            struct corner corner = *all;
            corner.y += r * all->y_stride + i * 2 * SIDE;
            corner.rows = rows < 2 * SIDE ? rows : 2 * SIDE;
            corner.outputs = outputs < 2 * SIDE ? outputs : 2 * SIDE;
            struct factors f = {
                .a = {a, a + a_apart},
                .b = {panel, panel + steps * BF16_TILE},
                .steps = steps,
                .next = {(const char *)(a + 2 * a_apart), (const char *)(a + 3 * a_apart)},
                .begin = i * lines,
                .end = (i + 1) * lines < SIDE ? (i + 1) * lines : SIDE,
                .next_y = i + 1 < corners ? corner.y + 2 * SIDE : all->y + next_r * all->y_stride,
                .y_stride = all->y_stride};
            if (rows <= 2 * SIDE)
                f.end = f.begin;
            product(&corner, &f, resume);
        }
        panel -= 2 * corners * steps * BF16_TILE;
    }
}

void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    uint16_t *panel = (void *)scratch, *work = panel + BF16_OUTPUTS * BF16_COLUMNS;
    const uint16_t *packed = (const void *)x;
    (void)x_stride;
    amx_configure(ROW_BYTES, SIDE, ROW_BYTES);
    for (size_t j = first; j < first + count; j += BF16_OUTPUTS) {
        size_t outputs = first + count - j < BF16_OUTPUTS ? first + count - j : BF16_OUTPUTS;
        for (size_t k = 0; k < w->columns; k += BF16_COLUMNS) {
            size_t columns = w->columns - k < BF16_COLUMNS ? w->columns - k : BF16_COLUMNS;
            size_t steps = bf16_steps(columns);
            const struct corner all = {y + j, y_stride, rows, outputs, (void *)(work + BF16_WORK)};
            bf16_panel(panel, steps, work, w, j, outputs, k, k + columns);
            with_panel(&all, packed + bf16_steps(k) * BF16_TILE, bf16_apart(w->columns), panel,
                       steps, add || k > 0);
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
