/* amx_prefill.c: the product of many rows by tiles of bf16.
 *
 * Two tiles of weights and two of activations make four tiles of sums (amx_tiles.h); each step
 * of 32 columns is four loads and four products. A load of 16 lines from the second-level cache
 * takes as long as a product. A panel of weights is decoded once for LEVELS_BF16_ROWS rows, whose
 * sums stay in the second-level cache with it; its tiles are loaded with the hint that keeps the
 * first for the activations, which all outputs of the panel share. Sums are kept in packed tiles
 * of 1 KiB, in the order in which they are wanted, and go to y after the last panel, when the sums
 * after them have been made: what a tile has just stored is slow to come back. A y too large to be
 * found in a cache later is written past them: its lines would come from memory first. Meanwhile
 * the next 32 rows of activations are fetched into the second-level cache, and the next four tiles
 * of sums into the first. A sum runs over the columns in order, whatever rows and outputs are
 * beside it. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/bf16.h"

enum {
    SIDE = AMX_SIDE,
    ROW_BYTES = AMX_ROW_BYTES,
    SUMS_LINES = AMX_FOUR_SUMS * sizeof(float) / ROW_BYTES,
    FAR_BYTES = 1 << 24, /* y, from which on it goes past the caches */
};

/* Tiles of 16 outputs and of 16 rows: steps of 32 columns one after the other. */
struct factors {
    const uint16_t *w[2], *x[2];
    size_t steps;
    float *sums;
    bool resume; /* what `sums` holds is added to */

    /* What is fetched meanwhile. */
    const char *next_x[2]; /* what will be x[]: of each tile, lines [begin, end) */
    size_t begin, end;
    const char *next_sums;
    const char *next_y;      /* rows of two lines; or NULL */
    size_t y_stride, y_rows; /* bytes, and how many */
};

AMX_INLINE void fetch_next(const struct factors *f, size_t step)
{
    for (size_t line = f->begin; line < f->end; line++) {
        _mm_prefetch(f->next_x[0] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
        _mm_prefetch(f->next_x[1] + (step * SIDE + line) * ROW_BYTES, _MM_HINT_T1);
    }
    const size_t lines = (SUMS_LINES + f->steps - 1) / f->steps;
    for (size_t i = step * lines; i < (step + 1) * lines && i < SUMS_LINES; i++)
        __builtin_prefetch(f->next_sums + i * ROW_BYTES, 1);
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
    if (f->resume)
        amx_load_sums(R, N, f->sums);
    else
        amx_zero_sums();
    for (size_t step = 0; step < f->steps; step++) {
        _tile_stream_loadd(4, f->w[0] + step * BF16_TILE, ROW_BYTES);
        _tile_loadd(6, f->x[0] + step * BF16_TILE, ROW_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (R > 1) {
            _tile_stream_loadd(5, f->w[1] + step * BF16_TILE, ROW_BYTES);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (N > 1) {
            _tile_loadd(7, f->x[1] + step * BF16_TILE, ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (R > 1 && N > 1)
            _tile_dpbf16ps(3, 5, 7);
        fetch_next(f, step);
    }
    amx_store_sums(R, N, f->sums);
}

/* Up to 32 outputs x 32 rows: the tiles have the shape of what there is of them. */
static void product(const struct factors *f, size_t outputs, size_t rows, struct amx_shape *shape)
{
    amx_reshape(shape, outputs, rows);
    amx_finish_writes();
    if (rows > SIDE && outputs > SIDE)
        block(2, 2, f);
    else if (outputs > SIDE)
        block(2, 1, f);
    else if (rows > SIDE)
        block(1, 2, f);
    else
        block(1, 1, f);
    amx_finish_writes();
}

/* A panel's product with all rows. */
struct pass {
    float *y; /* the first output */
    size_t y_stride, rows, outputs;
    float *sums;               /* [rows / 32][outputs / 32][4][16][16] */
    bool resume, last, away;   /* sums go on; they go to y; past the caches */
    const uint16_t *x, *panel; /* the first row's tiles */
    const uint16_t *later_x;   /* the next panel's */
    size_t x_apart, steps;     /* to the next 16 rows; in a row of tiles */
};

/* 32 rows and the panel's outputs 32 corner to 32 corner + 31, or what there is of them. */
struct place {
    size_t row, corner;
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t up_to_32(size_t left)
{
    return smaller(left, 2 * SIDE);
}

static size_t corners_of(const struct pass *p)
{
    return (p->outputs + 2 * SIDE - 1) / (2 * SIDE);
}

/* The one after it, and after the last the first one. */
static struct place after(const struct pass *p, struct place at)
{
    if (at.corner + 1 < corners_of(p))
        return (struct place){at.row, at.corner + 1};
    return (struct place){p->rows - at.row > 2 * SIDE ? at.row + 2 * SIDE : 0, 0};
}

static float *sums_at(const struct pass *p, struct place at)
{
    return p->sums + (at.row / (2 * SIDE) * corners_of(p) + at.corner) * AMX_FOUR_SUMS;
}

static float *y_at(const struct pass *p, struct place at)
{
    return p->y + at.row * p->y_stride + at.corner * 2 * SIDE;
}

static size_t rows_at(const struct pass *p, struct place at)
{
    return up_to_32(p->rows - at.row);
}

static size_t outputs_at(const struct pass *p, struct place at)
{
    return up_to_32(p->outputs - at.corner * 2 * SIDE);
}

static size_t products_of(const struct pass *p)
{
    return (p->rows + 2 * SIDE - 1) / (2 * SIDE) * corners_of(p);
}

static struct factors factors_at(const struct pass *p, struct place at)
{
    const size_t corners = corners_of(p), lines = (SIDE + corners - 1) / corners;
    const bool last_rows = p->rows - at.row <= 2 * SIDE;
    const uint16_t *x = p->x + at.row / SIDE * p->x_apart;
    const uint16_t *next_x = last_rows ? p->later_x : x + 2 * p->x_apart;
    const uint16_t *w = p->panel + at.corner * 2 * p->steps * BF16_TILE;
    const struct place next = after(p, at);
    return (struct factors){
        .w = {w, w + p->steps * BF16_TILE},
        .x = {x, x + p->x_apart},
        .steps = p->steps,
        .sums = sums_at(p, at),
        .resume = p->resume,
        .next_x = {(const char *)next_x, (const char *)(next_x + p->x_apart)},
        .begin = smaller(at.corner * lines, SIDE),
        .end = smaller((at.corner + 1) * lines, SIDE),
        .next_sums = (const char *)sums_at(p, next),
        .next_y = p->last && !p->away ? (const char *)y_at(p, at) : NULL,
        .y_stride = p->y_stride * sizeof *p->y,
        .y_rows = rows_at(p, at),
    };
}

static void give(const struct pass *p, struct place at)
{
    amx_give_sums(y_at(p, at), p->y_stride, sums_at(p, at), outputs_at(p, at), rows_at(p, at),
                  p->away);
}

static void with_panel(const struct pass *p, struct amx_shape *shape)
{
    struct place at = {0, 0}, before = at;
    for (size_t i = 0; i < products_of(p); i++, before = at, at = after(p, at)) {
        const struct factors f = factors_at(p, at);
        product(&f, outputs_at(p, at), rows_at(p, at), shape);
        if (p->last && i > 0)
            give(p, before);
    }
    if (p->last)
        give(p, before);
}

static void take_up(const struct pass *p)
{
    for (struct place at = {0, 0}; at.row < p->rows; at.row += 2 * SIDE)
        for (at.corner = 0; at.corner < corners_of(p); at.corner++)
            amx_take_sums(sums_at(p, at), y_at(p, at), p->y_stride, outputs_at(p, at),
                          rows_at(p, at));
}

/* Up to BF16_OUTPUTS outputs from `first` on. */
static void multiply(struct pass *p, const struct matrix *w, size_t first, const uint16_t *x,
                     bool add, uint16_t *panel, struct amx_shape *shape)
{
    p->panel = panel;
    if (add)
        take_up(p);
    for (size_t k = 0; k < w->columns; k += BF16_COLUMNS) {
        const size_t columns = smaller(w->columns - k, BF16_COLUMNS);
        p->steps = bf16_steps(columns);
        p->x = x + bf16_steps(k) * BF16_TILE;
        p->resume = add || k > 0;
        p->last = k + columns == w->columns;
        p->later_x = p->last ? x : x + bf16_steps(k + columns) * BF16_TILE;
        amx_panel(panel, p->steps, w, first, p->outputs, k, k + columns);
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
    struct pass pass = {.y_stride = y_stride,
                        .sums = scratch,
                        .x_apart = bf16_apart(w->columns),
                        .away = !add && rows * y_stride * sizeof *y >= FAR_BYTES};
    uint16_t *panel = (void *)(scratch + LEVELS_BF16_OUTPUTS * LEVELS_BF16_ROWS);
    for (size_t j = first; j < first + count; j += BF16_OUTPUTS)
        for (size_t r = 0; r < rows; r += LEVELS_BF16_ROWS) {
            pass.y = y + r * y_stride + j;
            pass.rows = smaller(rows - r, LEVELS_BF16_ROWS);
            pass.outputs = smaller(first + count - j, BF16_OUTPUTS);
            multiply(&pass, w, j, packed + r / SIDE * pass.x_apart, add, panel, &shape);
        }
    _tile_release();
    if (pass.away)
        _mm_sfence();
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
