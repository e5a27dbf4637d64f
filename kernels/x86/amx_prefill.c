/* amx_prefill.c: the product of many rows by tiles of bf16.
 *
 * Two tiles of activations and two of weights make four tiles of sums:
 *
 *                      outputs 0-15   outputs 16-31
 *     rows 0-15        sum 0          sum 1           each step of 32 columns: four
 *     rows 16-31       sum 2          sum 3           loads, four products
 *
 * A load of 16 lines from the second-level cache takes as long as a product, so that at
 * least one factor must come from the first. A panel of weights is decoded once for all
 * rows of the pass (bf16.h) and stays in the second-level cache; its tiles are loaded with
 * a hint that leaves the first to 32 rows of activations, INNER tiles of each 16. While
 * these wait for the next columns, the sums of all the panel's outputs lie one tile after
 * the other in work memory, not in y, whose rows are pages apart. A sum runs over the
 * columns in order, whatever rows and outputs are beside it. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/bf16.h"

#include <string.h>

enum {
    SIDE = 16,
    ROW_BYTES = 64,
    TILE_FLOATS = SIDE * SIDE,
    INNER = 24, /* steps that 32 rows of activations stay for */
};

/* Where four tiles of sums lie: in y, or one after the other. */
struct sums {
    float *at;
    size_t stride;        /* bytes between rows of a tile */
    size_t down, outputs; /* floats to the tile below and to the one beside */
};

/* R x N tiles of sums, each 1 or 2. The tiles' numbers must be constants. Each factor is
 * loaded for the next step as soon as it has been used, so that loading hides behind the
 * products in between. (The last step loads the first one's again.) */
AMX_INLINE void block(const int R, const int N, const struct sums *from, const struct sums *to,
                      const uint16_t *a0, const uint16_t *a1, const uint16_t *b0,
                      const uint16_t *b1, size_t steps)
{
    _tile_loadd(4, a0, ROW_BYTES);
    _tile_stream_loadd(6, b0, ROW_BYTES);
    if (N > 1)
        _tile_stream_loadd(7, b1, ROW_BYTES);
    if (R > 1)
        _tile_loadd(5, a1, ROW_BYTES);
    if (from) {
        _tile_loadd(0, from->at, from->stride);
        if (N > 1)
            _tile_loadd(1, from->at + from->outputs, from->stride);
        if (R > 1)
            _tile_loadd(2, from->at + from->down, from->stride);
        if (R > 1 && N > 1)
            _tile_loadd(3, from->at + from->down + from->outputs, from->stride);
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
        _tile_stream_loadd(6, b0 + next, ROW_BYTES);
        if (R > 1 && N > 1)
            _tile_dpbf16ps(3, 5, 7);
        if (N > 1)
            _tile_stream_loadd(7, b1 + next, ROW_BYTES);
        if (R > 1)
            _tile_loadd(5, a1 + next, ROW_BYTES);
    }
    _tile_stored(0, to->at, to->stride);
    if (N > 1)
        _tile_stored(1, to->at + to->outputs, to->stride);
    if (R > 1)
        _tile_stored(2, to->at + to->down, to->stride);
    if (R > 1 && N > 1)
        _tile_stored(3, to->at + to->down + to->outputs, to->stride);
}

/* Up to 32 rows and 32 outputs over some columns of a panel. */
struct part {
    float *y;
    size_t y_stride, rows, outputs;
    const uint16_t *a, *b;
    size_t a_apart, b_apart; /* elements between tiles of 16 rows and of 16 outputs */
    size_t steps;
    bool first, last; /* of the panel's columns: sums come from y and go there */
    bool resume;      /* there are sums before the first */
    float *kept;      /* [4][TILE_FLOATS]: sums between the first and the last */
};

static void copy_sums(const struct part *p, bool to_y)
{
    for (size_t r = 0; r < p->rows; r++)
        for (size_t half = 0; half < 2 && half * SIDE < p->outputs; half++) {
            size_t count = p->outputs - half * SIDE;
            float *kept = p->kept + (r / SIDE * 2 + half) * TILE_FLOATS + r % SIDE * SIDE;
            float *y = p->y + r * p->y_stride + half * SIDE;
            size_t bytes = (count < SIDE ? count : SIDE) * sizeof *y;
            if (to_y)
                memcpy(y, kept, bytes);
            else
                memcpy(kept, y, bytes);
        }
}

static void product(const struct part *p)
{
    const bool two_rows = p->rows > SIDE, two_outputs = p->outputs > SIDE;
    const bool ragged = p->rows % SIDE || p->outputs % SIDE;
    const struct sums kept = {p->kept, ROW_BYTES, 2 * TILE_FLOATS, TILE_FLOATS};
    const struct sums in_y = {p->y, p->y_stride * sizeof *p->y, SIDE * p->y_stride, SIDE};
    const struct sums *from = p->first && !p->resume ? NULL : p->first && !ragged ? &in_y : &kept;
    const struct sums *to = p->last && !ragged ? &in_y : &kept;
    const uint16_t *a1 = p->a + p->a_apart, *b1 = p->b + p->b_apart;
    if (p->first && p->resume && ragged)
        copy_sums(p, false);
    amx_finish_writes();
    if (two_rows && two_outputs)
        block(2, 2, from, to, p->a, a1, p->b, b1, p->steps);
    else if (two_rows)
        block(2, 1, from, to, p->a, a1, p->b, b1, p->steps);
    else if (two_outputs)
        block(1, 2, from, to, p->a, a1, p->b, b1, p->steps);
    else
        block(1, 1, from, to, p->a, a1, p->b, b1, p->steps);
    amx_finish_writes();
    if (p->last && ragged)
        copy_sums(p, true);
}

/* A panel of `outputs` outputs and `steps` steps with all rows. `all` is the part at its
 * first row, output and column. */
static void with_panel(const struct part *all, size_t steps, float *sums)
{
    for (size_t r = 0; r < all->rows; r += 2 * SIDE)
        for (size_t step = 0; step < steps; step += INNER)
            for (size_t i = 0; i < all->outputs; i += 2 * SIDE) {
                struct part part = *all;
                part.y += r * all->y_stride + i;
                part.rows = all->rows - r < 2 * SIDE ? all->rows - r : 2 * SIDE;
                part.outputs = all->outputs - i < 2 * SIDE ? all->outputs - i : 2 * SIDE;
                part.a += r / SIDE * all->a_apart + step * BF16_TILE;
                part.b += i / SIDE * all->b_apart + step * BF16_TILE;
                part.steps = steps - step < INNER ? steps - step : INNER;
                part.first = step == 0;
                part.last = step + part.steps == steps;
                part.kept = sums + i / SIDE * 2 * TILE_FLOATS;
                product(&part);
            }
}

void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    uint16_t *panel = (void *)scratch, *work = panel + BF16_OUTPUTS * BF16_COLUMNS;
    float *sums = (void *)(work + 16 * 256);
    (void)x_stride;
    amx_configure(ROW_BYTES, SIDE, ROW_BYTES);
    for (size_t j = first; j < first + count; j += BF16_OUTPUTS) {
        size_t outputs = first + count - j < BF16_OUTPUTS ? first + count - j : BF16_OUTPUTS;
        for (size_t k = 0; k < w->columns; k += BF16_COLUMNS) {
            size_t columns = w->columns - k < BF16_COLUMNS ? w->columns - k : BF16_COLUMNS;
            size_t steps = bf16_steps(columns);
            bf16_panel(panel, steps, work, w, j, outputs, k, k + columns);
            const struct part all = {
                .y = y + j,
                .y_stride = y_stride,
                .rows = rows,
                .outputs = outputs,
                .a = (const uint16_t *)(const void *)x + bf16_steps(k) * BF16_TILE,
                .b = panel,
                .a_apart = bf16_apart(w->columns),
                .b_apart = steps * BF16_TILE,
                .resume = add || k > 0,
            };
            with_panel(&all, steps, sums);
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
