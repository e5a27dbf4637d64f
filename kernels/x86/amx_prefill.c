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
 * which all outputs of the panel share. Where the columns exceed a panel, sums are kept in
 * packed tiles of 1 KiB, in the order in which they are wanted, and go to y after the last
 * panel: of y's rows, which lie pages apart, two lines at a time came from far away.
 * Meanwhile the next 32 rows of activations are fetched into the second-level cache, and the
 * next four tiles of sums into the first. A sum runs over the columns in order, whatever rows
 * and outputs are beside it. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/bf16.h"

enum {
    SIDE = AMX_SIDE,
    ROW_BYTES = AMX_ROW_BYTES,
    PACKED_FLOATS = 4 * SIDE * SIDE, /* four tiles of sums */
    PACKED_LINES = PACKED_FLOATS * sizeof(float) / ROW_BYTES,
};

/* Tiles of 16 rows and of 16 outputs: steps of 32 columns one after the other. */
struct factors {
    const uint16_t *a[2], *b[2];
    size_t steps;
    struct amx_sums in, out;
    bool resume; /* sums are added to `in` */

    /* What is fetched meanwhile. */
    const char *next_a[2]; /* what will be a[]: of each tile, lines [begin, end) */
    size_t begin, end;
    const char *next_packed; /* the next packed sums, or NULL */
    const char *next_y;      /* those in y: rows of two lines; or NULL */
    size_t y_stride, y_rows; /* bytes, and how many */
};

AMX_INLINE void fetch_next(const struct factors *f, size_t step)
{
    for (size_t line = f->begin; line < f->end; line++) {
        _mm_prefetch(f->next_a[0] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
        _mm_prefetch(f->next_a[1] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
    }
    if (f->next_packed) {
        const size_t each = (PACKED_LINES + f->steps - 1) / f->steps;
        for (size_t i = step * each; i < (step + 1) * each && i < PACKED_LINES; i++)
            __builtin_prefetch(f->next_packed + i * ROW_BYTES, 1);
    }
    if (f->next_y) {
        const size_t each = (2 * SIDE + f->steps - 1) / f->steps;
        for (size_t r = step * each; r < (step + 1) * each && r < f->y_rows; r++) {
            __builtin_prefetch(f->next_y + r * f->y_stride, 1);
            __builtin_prefetch(f->next_y + r * f->y_stride + ROW_BYTES, 1);
        }
    }
}

/* R x N tiles of sums, each 1 or 2. The tiles' numbers must be constants. */
AMX_INLINE void block(const int R, const int N, const struct factors *f)
{
    if (f->resume) {
        amx_load_sums(R, N, &f->in);
    } else {
        amx_zero_sums();
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
    amx_store_sums(R, N, &f->out);
}

/* Up to 32 rows x 32 outputs: the tiles have the shape of what there is of them. */
static void product(const struct factors *f, size_t rows, size_t outputs, struct amx_shape *shape)
{
    amx_reshape(shape, rows, outputs);
    amx_finish_writes();
    if (rows > SIDE && outputs > SIDE)
        block(2, 2, f);
    else if (rows > SIDE)
        block(2, 1, f);
    else if (outputs > SIDE)
        block(1, 2, f);
    else
        block(1, 1, f);
    amx_finish_writes();
}

/* A panel's product with all rows. */
struct pass {
    float *y; /* the first output */
    size_t y_stride, rows, outputs;
    float *packed;             /* [rows / 32][outputs / 32][4][16][16]: sums between panels */
    bool from_packed, resume;  /* where sums come from; else from nowhere, or from y */
    bool to_packed;            /* where they go; else to y */
    const uint16_t *a, *panel; /* the first row's tiles */
    size_t a_apart, steps;     /* to the next 16 rows; in a row of tiles */
};

static size_t up_to_32(size_t left)
{
    return left < 2 * SIDE ? left : 2 * SIDE;
}

static size_t thirty_twos(size_t count)
{
    return (count + 2 * SIDE - 1) / (2 * SIDE);
}

static float *packed_at(const struct pass *p, size_t row, size_t corner)
{
    return p->packed + (row / (2 * SIDE) * thirty_twos(p->outputs) + corner) * PACKED_FLOATS;
}

static float *y_at(const struct pass *p, size_t row, size_t corner)
{
    return p->y + row * p->y_stride + corner * 2 * SIDE;
}

/* What the product of 32 rows and of outputs 32 i to 32 i + 31 takes and fetches. */
static void prepare(struct factors *f, const struct pass *p, size_t row, size_t i)
{
    const size_t corners = thirty_twos(p->outputs), lines = (SIDE + corners - 1) / corners;
    const uint16_t *a = p->a + row / SIDE * p->a_apart, *next_a = a + 2 * p->a_apart;
    const uint16_t *b = p->panel + i * 2 * p->steps * BF16_TILE;
    const struct amx_sums y = {y_at(p, row, i), p->y_stride * sizeof *p->y, SIDE * p->y_stride,
                               SIDE};
    const struct amx_sums packed = {packed_at(p, row, i), ROW_BYTES, PACKED_FLOATS / 2,
                                    PACKED_FLOATS / 4};
    const bool last_rows = p->rows - row <= 2 * SIDE, last = i + 1 == corners;
    const size_t next = last ? 0 : i + 1, next_row = !last ? row : last_rows ? 0 : row + 2 * SIDE;
    *f = (struct factors){
        .a = {a, a + p->a_apart},
        .b = {b, b + p->steps * BF16_TILE},
        .steps = p->steps,
        .in = p->from_packed ? packed : y,
        .out = p->to_packed ? packed : y,
        .resume = p->resume,
        .next_a = {(const char *)next_a, (const char *)(next_a + p->a_apart)},
        .begin = last_rows || i * lines > SIDE ? SIDE : i * lines,
        .end = last_rows || (i + 1) * lines > SIDE ? SIDE : (i + 1) * lines,
        .y_stride = p->y_stride * sizeof *p->y,
        .y_rows = up_to_32(p->rows - next_row),
    };
    if (p->from_packed || p->to_packed)
        f->next_packed = (const char *)packed_at(p, next_row, next);
    if (!p->to_packed || (p->resume && !p->from_packed))
        f->next_y = (const char *)y_at(p, next_row, next);
}

static void with_panel(const struct pass *p, struct amx_shape *shape)
{
    for (size_t row = 0; row < p->rows; row += 2 * SIDE)
        for (size_t i = 0; i < thirty_twos(p->outputs); i++) {
            struct factors f;
            prepare(&f, p, row, i);
            product(&f, up_to_32(p->rows - row), up_to_32(p->outputs - i * 2 * SIDE), shape);
        }
}

/* Up to BF16_OUTPUTS outputs from `first` on. */
static void multiply(struct pass *p, const struct matrix *w, size_t first, const uint16_t *x,
                     bool add, uint16_t *panel, struct amx_shape *shape)
{
    uint16_t *work = panel + BF16_OUTPUTS * BF16_COLUMNS;
    p->panel = panel;
    for (size_t k = 0; k < w->columns; k += BF16_COLUMNS) {
        const size_t columns = w->columns - k < BF16_COLUMNS ? w->columns - k : BF16_COLUMNS;
        p->steps = bf16_steps(columns);
        p->a = x + bf16_steps(k) * BF16_TILE;
        p->from_packed = k > 0;
        p->resume = add || k > 0;
        p->to_packed = k + columns < w->columns;
        bf16_panel(panel, p->steps, work, w, first, p->outputs, k, k + columns);
        with_panel(p, shape);
    }
}

void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    const uint16_t *packed = (const void *)x;
    struct amx_shape shape = {0};
    (void)x_stride;
    if (rows == 0 || count == 0)
        return;
    if (rows <= AMX_FEW) {
        amx_few_rows(y, y_stride, w, first, count, packed, rows, add, scratch);
        return;
    }
    struct pass pass = {.y_stride = y_stride, .packed = scratch, .a_apart = bf16_apart(w->columns)};
    uint16_t *panel = (void *)(scratch + LEVELS_BF16_OUTPUTS * KERNELS_PASS_ROWS);
    for (size_t r = 0; r < rows; r += KERNELS_PASS_ROWS)
        for (size_t j = first; j < first + count; j += BF16_OUTPUTS) {
            pass.y = y + r * y_stride + j;
            pass.rows = rows - r < KERNELS_PASS_ROWS ? rows - r : KERNELS_PASS_ROWS;
            pass.outputs = first + count - j < BF16_OUTPUTS ? first + count - j : BF16_OUTPUTS;
            multiply(&pass, w, j, packed + r / SIDE * pass.a_apart, add, panel, &shape);
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
