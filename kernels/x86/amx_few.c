/* amx_few.c: the product of up to 32 rows, by the tiles that amx_prefill.c takes for many.
 *
 * Here nearly all of the time goes to decoding weights. 32 outputs at a time go through all
 * columns, 256 of them a stretch, and their sums stay in tiles. While a stretch is decoded into
 * one half of a ring of 32 KiB, which does not leave the first-level cache, the stretch before it
 * is multiplied from the other half: a step of tile products after every few vectors, so that the
 * tile unit works beside the vector units, and does not wait for lines that are still on their way
 * into the cache. The sums run over the columns in the order of amx_prefill.c: the bits are the
 * same. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/bf16_q4_k.h"

#include <string.h>

enum {
    SIDE = AMX_SIDE,
    PARTS = BF16_Q4_K_PARTS, /* of 16 outputs' stretch, after each of which there may be a step */
    STEPS = BF16_STRETCH / BF16_TILE_COLUMNS,
    HALF = STEPS * BF16_TILE, /* elements of 16 outputs' stretch */
    AHEAD = 2,                /* stretches from what is decoded to what is fetched */
};

/* Steps of a decoded stretch. */
struct steps {
    const uint16_t *a, *b; /* of the next one */
    size_t a_apart, left;
    bool two_rows, two_outputs;
};

/* 32 columns. The tiles' numbers must be constants. */
AMX_INLINE void take_step(struct steps *s)
{
    if (s->left == 0)
        return;
    amx_finish_writes();
    _tile_loadd(6, s->b, AMX_ROW_BYTES);
    _tile_loadd(4, s->a, AMX_ROW_BYTES);
    _tile_dpbf16ps(0, 4, 6);
    if (s->two_rows) {
        _tile_loadd(5, s->a + s->a_apart, AMX_ROW_BYTES);
        _tile_dpbf16ps(2, 5, 6);
    }
    if (s->two_outputs) {
        _tile_loadd(7, s->b + HALF, AMX_ROW_BYTES);
        _tile_dpbf16ps(1, 4, 7);
        if (s->two_rows)
            _tile_dpbf16ps(3, 5, 7);
    }
    s->a += BF16_TILE;
    s->b += BF16_TILE;
    s->left--;
}

/* What is decoded: columns [begin, end) of up to 16 outputs. What is fetched meanwhile lies
 * `ahead` bytes on; beyond the matrix this is harmless. */
struct piece {
    const struct matrix *w;
    size_t first, count, begin, end, ahead;
    size_t parts_a_step;
};

static void decode_q4_k(uint16_t *tiles, const struct piece *p, struct steps *steps)
{
    const size_t row_bytes = p->w->row_bytes;
    const struct vnni_rows rows = {
        p->w->data + p->first * row_bytes + p->begin / BF16_STRETCH * BF16_Q4_K_BYTES, row_bytes};
    __m512 scales[VNNI_BLOCKS], minima[VNNI_BLOCKS];
    vnni_scale_columns_k(scales, minima, &rows);
    for (size_t part = 0; part < PARTS; part++) {
        bf16_q4_k_fetch(&rows, 2 * part, p->ahead);
        bf16_q4_k_fetch(&rows, 2 * part + 1, p->ahead);
        bf16_q4_k_part(tiles, &rows, part, scales, minima);
        if ((part + 1) % p->parts_a_step == 0)
            take_step(steps);
    }
}

/* The same of any type and any number of outputs: by rows, then transposed. */
static void decode_any(uint16_t *tiles, uint16_t *rows, const struct piece *p, struct steps *steps)
{
    if (p->count < SIDE)
        memset(rows, 0, BF16_WORK * sizeof *rows);
    for (size_t i = 0; i < p->count; i++) {
        bf16_decode_row(rows + i * BF16_STRETCH, p->w, p->first + i, p->begin, p->end, p->ahead);
        if ((i + 1) % (2 * p->parts_a_step) == 0)
            take_step(steps);
    }
    for (size_t k = p->begin; k < p->end; k += BF16_TILE_COLUMNS, tiles += BF16_TILE)
        bf16_transpose(tiles, rows + (k - p->begin));
}

/* 32 outputs, or what there is of them. */
struct group {
    struct amx_sums y;
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

static void decode(uint16_t *tiles, uint16_t *rows, const struct piece *p, struct steps *steps)
{
    if (p->w->type == BLOCKS_Q4_K && p->count == SIDE)
        decode_q4_k(tiles, p, steps);
    else
        decode_any(tiles, rows, p, steps);
}

/* Decodes columns [k, end) of the group's outputs, with the steps of the stretch before. */
static void decode_stretch(uint16_t *tiles, uint16_t *rows, const struct matrix *w,
                           const struct group *g, size_t k, size_t end, struct steps *steps)
{
    const bool two_outputs = g->outputs > SIDE;
    struct piece piece = {.w = w,
                          .first = g->first,
                          .count = two_outputs ? SIDE : g->outputs,
                          .begin = k,
                          .end = end,
                          .ahead = bytes_ahead(w, k),
                          .parts_a_step = two_outputs ? 2 : 1};
    decode(tiles, rows, &piece, steps);
    if (two_outputs) {
        piece.first += SIDE;
        piece.count = g->outputs - SIDE;
        decode(tiles + HALF, rows, &piece, steps);
    }
    while (steps->left > 0)
        take_step(steps);
}

/* Tiles of 16 that `count` takes. */
static int tiles_of(size_t count)
{
    return count > SIDE ? 2 : 1;
}

static void begin_sums(const struct group *g, size_t rows, struct amx_shape *shape, bool add)
{
    amx_reshape(shape, rows, g->outputs);
    amx_finish_writes();
    if (add)
        amx_load_sums(tiles_of(rows), tiles_of(g->outputs), &g->y);
    else
        amx_zero_sums();
}

void amx_few_rows(float *y, size_t y_stride, const struct matrix *w, size_t first, size_t count,
                  const uint16_t *a, size_t rows, bool add, float *scratch)
{
    uint16_t *ring = (void *)scratch, *work = ring + 4 * HALF, *tiles = ring;
    struct amx_shape shape = {0};
    struct steps steps = {.a_apart = bf16_apart(w->columns), .two_rows = rows > SIDE};
    struct group group = {.y = {y, y_stride * sizeof *y, SIDE * y_stride, SIDE}}, before = group;
    for (size_t j = first; j < first + count; j += 2 * SIDE, before = group) {
        group.y.at = y + j;
        group.first = j;
        group.outputs = first + count - j < 2 * SIDE ? first + count - j : 2 * SIDE;
        for (size_t k = 0; k < w->columns; k += BF16_STRETCH) {
            const size_t end = w->columns - k < BF16_STRETCH ? w->columns : k + BF16_STRETCH;
            decode_stretch(tiles, work, w, &group, k, end, &steps);
            if (k == 0 && before.outputs > 0)
                amx_store_sums(tiles_of(rows), tiles_of(before.outputs), &before.y);
            if (k == 0)
                begin_sums(&group, rows, &shape, add);
            steps.a = a + bf16_steps(k) * BF16_TILE;
            steps.b = tiles;
            steps.left = bf16_steps(end - k);
            steps.two_outputs = group.outputs > SIDE;
            tiles = tiles == ring ? ring + 2 * HALF : ring;
        }
    }
    while (steps.left > 0)
        take_step(&steps);
    amx_store_sums(tiles_of(rows), tiles_of(group.outputs), &group.y);
    amx_finish_writes();
    _tile_release();
}
