/* amx_prefill.c: the product of many rows by tiles of bf16; amx_bytes.c's go the same way.
 *
 * Two tiles of weights and two of activations make four tiles of sums (amx_tiles.h); each step
 * of 32 columns is four loads and four products. A load of 16 lines from the second-level cache
 * takes as long as a product. A panel of weights is decoded once for LEVELS_BF16_ROWS rows, whose
 * sums stay in the second-level cache with it; its tiles are loaded with the hint that keeps the
 * first for the activations, which all outputs of the panel share. Sums are kept in packed tiles
 * of 1 KiB, in the order in which they are wanted, and go to y after the last panel, when the sums
 * after them have been made: what a tile has just stored is slow to come back. A y too large to be
 * found in a cache later is written past them: its lines would come from memory first. Meanwhile
 * the next 32 rows of activations are fetched into the second-level cache; sums lie in the order in
 * which they are loaded and need no fetching. A sum runs over the columns in order, whatever rows
 * and outputs are beside it. */
#include "kernels/x86/amx_product.h"
#include "kernels/x86/bf16.h"

enum {
    SIDE = AMX_SIDE,
    ROW_BYTES = AMX_ROW_BYTES,
    FAR_BYTES = 1 << 24, /* y, from which on it goes past the caches */
};
_Static_assert(BF16_TILE * sizeof(uint16_t) == AMX_TILE_BYTES &&
                   (int)AMX_PANEL_COLUMNS == (int)BF16_COLUMNS,
               "a panel of bf16");

/* R x N tiles of sums, each 1 or 2. The tiles' numbers must be constants. */
AMX_INLINE void block(const int R, const int N, const struct amx_factors *f)
{
    if (f->resume)
        amx_load_sums(R, N, f->sums);
    else
        amx_zero_sums();
    for (size_t step = 0; step < f->steps; step++) {
        _tile_stream_loadd(4, f->w[0] + step * AMX_TILE_BYTES, ROW_BYTES);
        _tile_loadd(6, f->x[0] + step * AMX_TILE_BYTES, ROW_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (R > 1) {
            _tile_stream_loadd(5, f->w[1] + step * AMX_TILE_BYTES, ROW_BYTES);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (N > 1) {
            _tile_loadd(7, f->x[1] + step * AMX_TILE_BYTES, ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (R > 1 && N > 1)
            _tile_dpbf16ps(3, 5, 7);
        amx_fetch_next(f, step);
    }
    amx_store_sums(R, N, f->sums);
}

static void bf16_product(const struct amx_factors *f)
{
    if (f->rows > SIDE && f->outputs > SIDE)
        block(2, 2, f);
    else if (f->outputs > SIDE)
        block(2, 1, f);
    else if (f->rows > SIDE)
        block(1, 2, f);
    else
        block(1, 1, f);
}

/* A panel's product with all rows. */
struct pass {
    float *y; /* the first output */
    size_t y_stride, rows, outputs;
    float *sums;                  /* [rows / 32][outputs / 32][4][16][16] */
    bool resume, last, away;      /* sums go on; they go to y; past the caches */
    const unsigned char *x;       /* the first row's tiles */
    const unsigned char *later_x; /* the next panel's */
    size_t x_apart, steps;        /* bytes to the next 16 rows; tiles of a panel's row */
    unsigned char *panel;

    /* Of bytes. */
    bool bytes;
    const float *x_scale; /* the first row's, as x */
    float *panel_scale;
    struct amx_dots dots;
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

/* The scales of the 16 rows after those of x_scale. */
static const float *scales_after(const struct pass *p, const float *x_scale)
{
    return (const float *)(const void *)((const unsigned char *)x_scale + p->x_apart);
}

static struct amx_factors factors_at(const struct pass *p, struct place at)
{
    const size_t corners = corners_of(p), lines = (SIDE + corners - 1) / corners;
    const bool last_rows = p->rows - at.row <= 2 * SIDE;
    const size_t row_bytes = at.row / SIDE * p->x_apart;
    const unsigned char *x = p->x + row_bytes;
    const unsigned char *next_x = last_rows ? p->later_x : x + 2 * p->x_apart;
    const unsigned char *w = p->panel + at.corner * 2 * p->steps * AMX_TILE_BYTES;
    struct amx_factors factors = {
        .w = {w, w + p->steps * AMX_TILE_BYTES},
        .x = {x, x + p->x_apart},
        .steps = p->steps,
        .outputs = outputs_at(p, at),
        .rows = rows_at(p, at),
        .sums = sums_at(p, at),
        .resume = p->resume,
        .next_x = {next_x, next_x + p->x_apart},
        .begin = smaller(at.corner * lines, SIDE),
        .end = smaller((at.corner + 1) * lines, SIDE),
    };
    if (p->bytes) {
        const float *x_scale = (const float *)(const void *)((const char *)p->x_scale + row_bytes);
        factors.w_scale[0] = p->panel_scale + at.corner * 2 * AMX_BYTES_SCALES;
        factors.w_scale[1] = factors.w_scale[0] + AMX_BYTES_SCALES;
        factors.x_scale[0] = x_scale;
        factors.x_scale[1] = scales_after(p, x_scale);
    }
    return factors;
}

static void give(const struct pass *p, struct place at)
{
    amx_give_sums(y_at(p, at), p->y_stride, sums_at(p, at), outputs_at(p, at), rows_at(p, at),
                  p->away);
}

/* The tiles have the shape of what there is of outputs and rows. */
static void product(struct pass *p, struct place at, struct amx_shape *shape)
{
    const struct amx_factors f = factors_at(p, at);
    amx_reshape(shape, f.outputs, f.rows);
    amx_finish_writes();
    if (p->bytes)
        amx_bytes_product(&f, &p->dots);
    else
        bf16_product(&f);
    amx_finish_writes();
}

static void with_panel(struct pass *p, struct amx_shape *shape)
{
    struct place at = {0, 0}, before = at;
    for (size_t i = 0; i < products_of(p); i++, before = at, at = after(p, at)) {
        product(p, at, shape);
        if (p->last && i > 0)
            give(p, before);
    }
    amx_bytes_finish(&p->dots);
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

/* Columns [k, end) of the outputs from `first` on. */
static void decode(const struct pass *p, const struct matrix *w, size_t first, size_t k, size_t end)
{
    if (p->bytes)
        amx_bytes_panel(p->panel, p->panel_scale, p->steps, w, first, p->outputs, k, end);
    else
        amx_panel((void *)p->panel, p->steps, w, first, p->outputs, k, end);
}

/* Up to BF16_OUTPUTS outputs from `first` on. x: the first row's tiles. */
static void multiply(struct pass *p, const struct matrix *w, size_t first, const unsigned char *x,
                     bool add, struct amx_shape *shape)
{
    const size_t tile_columns = p->bytes ? AMX_BYTES_COLUMNS : BF16_TILE_COLUMNS;
    if (add)
        take_up(p);
    for (size_t k = 0; k < w->columns; k += AMX_PANEL_COLUMNS) {
        const size_t end = smaller(w->columns, k + AMX_PANEL_COLUMNS);
        p->steps = (end - k + tile_columns - 1) / tile_columns;
        p->x = x + k / tile_columns * AMX_TILE_BYTES;
        p->x_scale =
            (const float *)(const void *)(x + w->columns * SIDE) + k / AMX_BYTES_BLOCK * SIDE;
        p->resume = add || k > 0;
        p->last = end == w->columns;
        p->later_x = p->last ? x : x + end / tile_columns * AMX_TILE_BYTES;
        decode(p, w, first, k, end);
        with_panel(p, shape);
    }
}

void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    const bool bytes = amx_takes_bytes(w);
    struct amx_shape shape = {0};
    (void)x_stride;
    if (rows == 0 || count == 0)
        return;
    if (rows <= AMX_FEW && !bytes) {
        amx_few_rows(y, y_stride, w, first, count, (const void *)x, rows, add, scratch);
        return;
    }
    float *panel = scratch + LEVELS_BF16_OUTPUTS * LEVELS_BF16_ROWS;
    float *panel_scale = panel + BF16_OUTPUTS * BF16_COLUMNS / 2;
    struct pass pass = {
        .y_stride = y_stride,
        .sums = scratch,
        .x_apart = amx_apart(w),
        .away = !add && rows * y_stride * sizeof *y >= FAR_BYTES,
        .panel = (void *)panel,
        .bytes = bytes,
        .panel_scale = panel_scale,
        .dots.at = (void *)(panel_scale + BF16_OUTPUTS / SIDE * AMX_BYTES_SCALES),
    };
    for (size_t j = first; j < first + count; j += BF16_OUTPUTS)
        for (size_t r = 0; r < rows; r += LEVELS_BF16_ROWS) {
            const unsigned char *at = (const void *)amx_packed_from(x, w, r);
            pass.y = y + r * y_stride + j;
            pass.rows = smaller(rows - r, LEVELS_BF16_ROWS);
            pass.outputs = smaller(first + count - j, BF16_OUTPUTS);
            multiply(&pass, w, j, at, add, &shape);
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
