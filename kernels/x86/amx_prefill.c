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

enum { SIDE = AMX_SIDE, ROW_BYTES = AMX_ROW_BYTES };

/* Tiles of 16 rows and of 16 outputs: steps of 32 columns one after the other. */
struct factors {
    const uint16_t *a[2], *b[2];
    size_t steps;
    const char *next[2]; /* what will be a[] next: of each tile, lines [begin, end) */
    size_t begin, end;
    const float *next_y; /* the sums of the next product: rows of two lines */
    size_t y_stride, y_rows;
};

AMX_INLINE void fetch_next(const struct factors *f, size_t step)
{
    for (size_t line = f->begin; line < f->end; line++) {
        _mm_prefetch(f->next[0] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
        _mm_prefetch(f->next[1] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
    }
    const size_t each = (2 * SIDE + f->steps - 1) / f->steps;
    for (size_t r = step * each; r < (step + 1) * each && r < f->y_rows; r++) {
        __builtin_prefetch(f->next_y + r * f->y_stride, 1);
        __builtin_prefetch(f->next_y + r * f->y_stride + SIDE, 1);
    }
}

/* R x N tiles of sums, each 1 or 2, added to what is there when `resume`. The tiles'
 * numbers must be constants. */
AMX_INLINE void block(const int R, const int N, float *y, const struct factors *f, bool resume)
{
    const size_t stride = f->y_stride * sizeof *y;
    float *below = y + SIDE * f->y_stride;
    if (resume) {
        _tile_loadd(0, y, stride);
        if (N > 1)
            _tile_loadd(1, y + SIDE, stride);
        if (R > 1)
            _tile_loadd(2, below, stride);
        if (R > 1 && N > 1)
            _tile_loadd(3, below + SIDE, stride);
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
    _tile_stored(0, y, stride);
    if (N > 1)
        _tile_stored(1, y + SIDE, stride);
    if (R > 1)
        _tile_stored(2, below, stride);
    if (R > 1 && N > 1)
        _tile_stored(3, below + SIDE, stride);
}

/* Up to 32 rows x 32 outputs of y. The tiles have the shape of what there is of them. */
struct corner {
    float *y;
    size_t rows, outputs;
};

static void product(const struct corner *c, const struct factors *f, struct amx_shape *shape,
                    bool resume)
{
    const bool two_rows = c->rows > SIDE, two_outputs = c->outputs > SIDE;
    amx_reshape(shape, c->rows, c->outputs);
    amx_finish_writes();
    if (two_rows && two_outputs)
        block(2, 2, c->y, f, resume);
    else if (two_rows)
        block(2, 1, c->y, f, resume);
    else if (two_outputs)
        block(1, 2, c->y, f, resume);
    else
        block(1, 1, c->y, f, resume);
    amx_finish_writes();
}

/* A panel with all rows: `outputs` of y, a the first row's tiles. */
struct pass {
    float *y;
    size_t rows, outputs;
    const uint16_t *a;
    size_t a_apart; /* to the next 16 rows */
};

static size_t up_to_32(size_t left)
{
    return left < 2 * SIDE ? left : 2 * SIDE;
}

static void with_panel(const struct pass *pass, size_t y_stride, const uint16_t *panel,
                       size_t steps, struct amx_shape *shape, bool resume)
{
    const size_t corners = (pass->outputs + 2 * SIDE - 1) / (2 * SIDE);
    const size_t lines = (SIDE + corners - 1) / corners;
    const uint16_t *a = pass->a;
    for (size_t r = 0; r < pass->rows; r += 2 * SIDE, a += 2 * pass->a_apart) {
        float *y = pass->y + r * y_stride;
        const bool last = pass->rows - r <= 2 * SIDE;
        for (size_t i = 0; i < corners; i++) {
            const uint16_t *b = panel + i * 2 * steps * BF16_TILE;
            const struct corner corner = {y + i * 2 * SIDE, up_to_32(pass->rows - r),
                                          up_to_32(pass->outputs - i * 2 * SIDE)};
            struct factors f = {.a = {a, a + pass->a_apart},
                                .b = {b, b + steps * BF16_TILE},
                                .steps = steps,
                                .next = {(const char *)(a + 2 * pass->a_apart),
                                         (const char *)(a + 3 * pass->a_apart)},
                                .begin = i * lines,
                                .end = (i + 1) * lines < SIDE ? (i + 1) * lines : SIDE,
                                .next_y = i + 1 < corners ? corner.y + 2 * SIDE
                                          : last          ? y
                                                          : y + 2 * SIDE * y_stride,
                                .y_stride = y_stride,
                                .y_rows = corner.rows};
            if (last)
                f.end = f.begin;
            product(&corner, &f, shape, resume);
        }
    }
}

void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    uint16_t *panel = (void *)scratch, *work = panel + BF16_OUTPUTS * BF16_COLUMNS;
    const uint16_t *packed = (const void *)x;
    const size_t apart = bf16_apart(w->columns);
    struct amx_shape shape = {0};
    (void)x_stride;
    if (rows <= AMX_FEW) {
        if (rows > 0)
            amx_few_rows(y, y_stride, w, first, count, packed, rows, add, scratch);
        return;
    }
    for (size_t j = first; j < first + count; j += BF16_OUTPUTS) {
        size_t outputs = first + count - j < BF16_OUTPUTS ? first + count - j : BF16_OUTPUTS;
        for (size_t k = 0; k < w->columns; k += BF16_COLUMNS) {
            size_t columns = w->columns - k < BF16_COLUMNS ? w->columns - k : BF16_COLUMNS;
            size_t steps = bf16_steps(columns);
            const struct pass pass = {y + j, rows, outputs, packed + bf16_steps(k) * BF16_TILE,
                                      apart};
            bf16_panel(panel, steps, work, w, j, outputs, k, k + columns);
            with_panel(&pass, y_stride, panel, steps, &shape, add || k > 0);
        }
    }
    if (count > 0)
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
    struct amx_shape shape = {0};
    amx_reshape(&shape, SIDE, SIDE);
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
