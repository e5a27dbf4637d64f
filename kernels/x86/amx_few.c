/* amx_few.c: the product of up to 32 rows, by the tiles that amx_prefill.c takes for many.
 *
 * Here nearly all of the time goes to decoding weights. 32 outputs at a time go through all
 * columns, 256 of them a stretch, and their sums stay in tiles. While a stretch is decoded into
 * one half of a ring of 32 KiB, which does not leave the first-level cache, the stretch before it
 * is multiplied from the other half: a step of tile products after every few rows of weights, so
 * that tiles do not wait for lines that are still on their way into the cache. The sums run over
 * the columns in the order of amx_prefill.c: the bits are the same. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/amx_weights.h"

enum {
    SIDE = AMX_SIDE,
    STEPS = BF16_STRETCH / BF16_TILE_COLUMNS,
    HALF = STEPS * BF16_TILE, /* elements of 16 outputs' stretch */
    AHEAD = 2,                /* stretches from what is decoded to what is fetched */
};

/* Steps of a decoded stretch. */
struct steps {
    const uint16_t *w, *x; /* of the next one */
    size_t x_apart, left;
    bool two_rows, two_outputs;
};

/* 32 columns. The tiles' numbers must be constants. */
AMX_INLINE void take_step(struct steps *s)
{
    if (s->left == 0)
        return;
    amx_finish_writes();
    _tile_loadd(4, s->w, AMX_ROW_BYTES);
    _tile_loadd(6, s->x, AMX_ROW_BYTES);
    _tile_dpbf16ps(0, 4, 6);
    if (s->two_rows) {
        _tile_loadd(7, s->x + s->x_apart, AMX_ROW_BYTES);
        _tile_dpbf16ps(1, 4, 7);
    }
    if (s->two_outputs) {
        _tile_loadd(5, s->w + HALF, AMX_ROW_BYTES);
        _tile_dpbf16ps(2, 5, 6);
        if (s->two_rows)
            _tile_dpbf16ps(3, 5, 7);
    }
    s->w += BF16_TILE;
    s->x += BF16_TILE;
    s->left--;
}

/* What is decoded: columns [begin, end) of up to 16 outputs. What is fetched meanwhile lies
 * `ahead` bytes on; beyond the matrix this is harmless. */
struct piece {
    const struct matrix *w;
    size_t first, count, begin, end, ahead;
    size_t rows_a_step;
};

static void decode_q4_k(uint16_t *tiles, const struct piece *p, struct steps *steps)
{
    const struct vnni_rows rows = vnni_rows_of(BLOCKS_Q4_K, p->w, p->first, p->begin);
    struct amx_q4_k_scales scales;
    amx_q4_k_scales(&scales, &rows);
    for (size_t o = 0; o < SIDE; o += 2) {
        amx_q4_k_two_rows(tiles, &rows, o, &scales, p->ahead);
        if ((o + 2) % p->rows_a_step == 0)
            take_step(steps);
    }
}

static void decode(uint16_t *tiles, const struct piece *p, struct steps *steps)
{
    if (p->w->type == BLOCKS_Q4_K && p->count == SIDE) {
        decode_q4_k(tiles, p, steps);
        return;
    }
    for (size_t o = 0; o < p->count; o++) {
        bf16_decode_row(tiles + o * BF16_TILE_COLUMNS, BF16_TILE, p->w, p->first + o, p->begin,
                        p->end, p->ahead);
        if ((o + 1) % p->rows_a_step == 0)
            take_step(steps);
    }
}

/* 32 outputs, or what there is of them. */
struct group {
    size_t first, outputs;
};

/* Bytes from a stretch to the one that is fetched while it is decoded: of the same rows, or
 * at the beginning of the next 32. */
static size_t bytes_ahead(const struct matrix *w, size_t k)
{
    const size_t stretches = (w->columns + BF16_STRETCH - 1) / BF16_STRETCH;
    const size_t here = k / BF16_STRETCH, bytes = w->row_bytes / stretches;
    if (here + AHEAD < stretches)
        return AHEAD * bytes;
    return 2 * SIDE * w->row_bytes - here * bytes + (here + AHEAD) % stretches * bytes;
}

/* Decodes columns [k, end) of the group's outputs, with the steps of the stretch before. */
static void decode_stretch(uint16_t *tiles, const struct matrix *w, const struct group *g, size_t k,
                           size_t end, struct steps *steps)
{
    const bool two_outputs = g->outputs > SIDE;
    struct piece piece = {.w = w,
                          .first = g->first,
                          .count = amx_first(g->outputs),
                          .begin = k,
                          .end = end,
                          .ahead = bytes_ahead(w, k),
                          .rows_a_step = two_outputs ? 4 : 2};
    decode(tiles, &piece, steps);
    if (two_outputs) {
        piece.first += SIDE;
        piece.count = g->outputs - SIDE;
        decode(tiles + HALF, &piece, steps);
    }
    while (steps->left > 0)
        take_step(steps);
}

/* Where sums go. */
struct target {
    float *y;
    size_t y_stride, rows;
    bool add;
};

/* Tiles of 16 that `count` takes. */
static int tiles_of(size_t count)
{
    return count > SIDE ? 2 : 1;
}

static void begin_sums(const struct target *t, const struct group *g, struct amx_shape *shape)
{
    _Alignas(AMX_ROW_BYTES) float sums[AMX_FOUR_SUMS];
    amx_reshape(shape, g->outputs, t->rows);
    if (t->add)
        amx_take_sums(sums, t->y + g->first, t->y_stride, g->outputs, t->rows);
    amx_finish_writes();
    if (t->add)
        amx_load_sums(tiles_of(g->outputs), tiles_of(t->rows), sums);
    else
        amx_zero_sums();
}

static void end_sums(const struct target *t, const struct group *g)
{
    _Alignas(AMX_ROW_BYTES) float sums[AMX_FOUR_SUMS];
    amx_store_sums(tiles_of(g->outputs), tiles_of(t->rows), sums);
    amx_finish_writes();
    amx_give_sums(t->y + g->first, t->y_stride, sums, g->outputs, t->rows, false);
}

void amx_few_rows(float *y, size_t y_stride, const struct matrix *w, size_t first, size_t count,
                  const uint16_t *x, size_t rows, bool add, float *scratch)
{
    uint16_t *ring = (void *)scratch, *tiles = ring;
    const struct target target = {y, y_stride, rows, add};
    struct amx_shape shape = {0};
    struct steps steps = {.x_apart = bf16_apart(w->columns), .two_rows = rows > SIDE};
    struct group group = {0}, before = group;
    for (size_t j = first; j < first + count; j += 2 * SIDE, before = group) {
        group.first = j;
        group.outputs = first + count - j < 2 * SIDE ? first + count - j : 2 * SIDE;
        for (size_t k = 0; k < w->columns; k += BF16_STRETCH) {
            const size_t end = w->columns - k < BF16_STRETCH ? w->columns : k + BF16_STRETCH;
            decode_stretch(tiles, w, &group, k, end, &steps);
            if (k == 0 && before.outputs > 0)
                end_sums(&target, &before);
            if (k == 0)
                begin_sums(&target, &group, &shape);
            steps.x = x + bf16_steps(k) * BF16_TILE;
            steps.w = tiles;
            steps.left = bf16_steps(end - k);
            steps.two_outputs = group.outputs > SIDE;
            tiles = tiles == ring ? ring + 2 * HALF : ring;
        }
    }
    while (steps.left > 0)
        take_step(&steps);
    end_sums(&target, &group);
    _tile_release();
}
