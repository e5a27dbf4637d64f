/* amx_lanes.c: the product for one generated token in each of a few lanes, by tiles of bytes
 * (vnni_lanes.h).
 *
 * A tile product with its loads and its store takes hardly longer for 16 rows than for 8. So it
 * has 16 of them: eight lanes' activations of a group of 32 columns beside 32 zeros, then those of
 * the next group behind as many zeros. Its sums are both groups' dot products as vnni_lanes.c
 * makes them; weights that the file keeps with an offset are multiplied as signed bytes.
 *
 * Tiles are loaded from memory only, and one that is loaded from lines that were just stored
 * waits until they have left the store buffer, much longer than it takes. So two groups are
 * multiplied when those after them have been unpacked.
 *
 * The dot products of two stretches wait in the first-level cache, so that the sums of a slot
 * stay in registers from one to the other.
 *
 * Left to vectors are groups of 16 columns (Q6_K), which would take twice as many tile products
 * and longer in all; fewer lanes, which would pay for all eight places; and more, whose sums and
 * dot products do not fit the first-level cache beside the left tiles. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/vnni_lanes.h"

enum {
    PLACES = 8, /* lanes; absent ones are zero */
    LEAST = 5,  /* lanes that are worth it */
    GROUP = 32, /* columns */
    ROWS = 16,  /* of each tile */
    ROW_BYTES = 64,
    PART = ROWS, /* vectors of unpacked weights: two groups of 16 outputs */
    PARTS = VNNI_FOURS / PART,
    BEHIND = 2, /* parts that are unpacked before one is multiplied */
};
_Static_assert((int)PLACES == (int)SOME_LANES && 2 * (int)PARTS == (int)VNNI_BLOCKS, "work memory");

/* A stretch of the lanes. */
struct packed {
    struct factors factors[PLACES];
    int8_t q[PARTS][2][PLACES][ROW_BYTES]; /* a left tile for each two groups */
};
_Static_assert(sizeof(struct packed) <= KERNELS_PACK_ROWS * VNNI_STRETCH * sizeof(float),
               "packed lanes fit where their rows did");

/* Whether a product of so many lanes is made here. */
static bool by_tiles(enum blocks_type type, size_t lanes)
{
    return vnni_group(type) == GROUP && lanes >= LEAST && lanes <= PLACES;
}

/* --- activations ----------------------------------------------------------------- */

static void put_lane(struct packed *packed, size_t lane, const int8_t *q)
{
    for (size_t part = 0; part < PARTS; part++, q += 2 * GROUP) {
        const __m512i both = _mm512_loadu_si512(q);
        _mm512_store_si512(packed->q[part][0][lane], _mm512_maskz_mov_epi64(0x0F, both));
        _mm512_store_si512(packed->q[part][1][lane], _mm512_maskz_mov_epi64(0xF0, both));
    }
}

/* Columns [begin, end) of a lane's row x. The first lane makes the absent ones' zeros, too. */
static void pack_lane(struct packed *packed, enum blocks_type type, const float *x, size_t lanes,
                      size_t lane, size_t begin, size_t end)
{
    static const int8_t zeros[VNNI_STRETCH];
    const size_t last = lane == 0 ? PLACES : 0;
    packed += begin / VNNI_STRETCH;
    for (size_t k = begin; k < end; k += VNNI_STRETCH, packed++) {
        struct vnni_quantized values;
        vnni_quantize(&values, x + k, left_blocks(end - k));
        put_factors(&packed->factors[lane], type, &values);
        put_lane(packed, lane, values.q);
        for (size_t absent = lanes; absent < last; absent++) {
            memset(&packed->factors[absent], 0, sizeof packed->factors[absent]);
            put_lane(packed, absent, zeros);
        }
    }
}

void amx_pack(float *packed, const struct matrix *w, const float *x, size_t x_stride, size_t first,
              size_t count, size_t begin, size_t end)
{
    if (!by_tiles(w->type, count)) {
        vnni_pack(packed, w, x, x_stride, first, count, begin, end);
        return;
    }
    packed += first * x_stride;
    for (size_t lane = 0; lane < count; lane++)
        pack_lane((void *)packed, w->type, x + (first + lane) * x_stride, count, lane, begin, end);
}

void amx_pack_row(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                  size_t first, size_t count, size_t row)
{
    if (!by_tiles(w->type, count))
        vnni_pack_row(packed, w, x, x_stride, first, count, row);
    else
        pack_lane((void *)(packed + first * x_stride), w->type, x + (first + row) * x_stride, count,
                  row, 0, w->columns);
}

/* --- dot products ---------------------------------------------------------------- */

/* turn: one of two sets of tile registers, so that a product need not wait for the one before. */
AVX512_INLINE void product(const size_t turn, __m512i *dots, const __m512i *weights, const void *x)
{
    amx_finish_writes();
    if (turn % 2) {
        _tile_zero(1);
        _tile_loadd(5, x, ROW_BYTES);
        _tile_loadd(7, weights, ROW_BYTES);
        _tile_dpbssd(1, 5, 7);
        _tile_stored(1, dots, ROW_BYTES);
    } else {
        _tile_zero(0);
        _tile_loadd(4, x, ROW_BYTES);
        _tile_loadd(6, weights, ROW_BYTES);
        _tile_dpbssd(0, 4, 6);
        _tile_stored(0, dots, ROW_BYTES);
    }
    amx_finish_writes();
}

/* Part number `part` of some stretches, from its place in the ring. */
AVX512_INLINE void multiply(const size_t turn, struct work *work, const struct packed *x,
                            size_t part)
{
    product(turn, work->dots + part * ROWS, work->weights + part % PARTS * PART,
            x[part / PARTS].q[part % PARTS]);
}

/* A left tile that is multiplied soon: all of them leave little room in the first-level cache. */
AVX512_INLINE void fetch_tile(const void *tile)
{
#pragma GCC unroll 16
    for (size_t row = 0; row < ROWS; row++)
        _mm_prefetch((const char *)tile + row * ROW_BYTES, _MM_HINT_T0);
}

/* --- sums ------------------------------------------------------------------------- */

/* A group's dot products in `count` stretches onto their sums, or onto zero when `fresh`. */
AVX512_INLINE void add_group(enum blocks_type type, struct work *work, const struct packed *x,
                             size_t count, size_t group, const bool fresh)
{
    __m512 *sums = work->sums + vnni_slot(type, group) * PLACES;
    __m512 *lows = work->sums + vnni_minimum_slot(type, group) % VNNI_SLOTS * PLACES;
    const __m512i *dots = work->dots + group * PLACES;
    __m512 sum[PLACES], low[PLACES];
#pragma GCC unroll 8
    for (size_t lane = 0; lane < PLACES; lane++) {
        sum[lane] = fresh ? _mm512_setzero_ps() : sums[lane];
        low[lane] = fresh ? _mm512_setzero_ps() : lows[lane];
    }
    for (size_t i = 0; i < count; i++, x++, dots += PARTS * ROWS) {
        const __m512 scale = work->scales[i][group];
#pragma GCC unroll 8
        for (size_t lane = 0; lane < PLACES; lane++)
            add_dots(type, &sum[lane], &low[lane], dots[lane], scale, work->minima[i][group],
                     &x->factors[lane], group);
    }
#pragma GCC unroll 8
    for (size_t lane = 0; lane < PLACES; lane++) {
        sums[lane] = sum[lane];
        if (vnni_has_minimum(type))
            lows[lane] = low[lane];
    }
}

AVX512_INLINE void add_stretches(enum blocks_type type, struct work *work, const struct packed *x,
                                 size_t count, bool fresh)
{
    for (size_t group = 0; group < VNNI_BLOCKS; group++)
        if (fresh)
            add_group(type, work, x, count, group, true);
        else
            add_group(type, work, x, count, group, false);
}

/* --- outputs --------------------------------------------------------------------- */

/* What the thread needs later, some lines for each part. */
struct aside {
    const char *at, *end;
    size_t lines;
};

AVX512_INLINE void fetch_aside(struct aside *aside)
{
    for (size_t i = 0; i < aside->lines && aside->at < aside->end; i++, aside->at += ROW_BYTES)
        _mm_prefetch(aside->at, _MM_HINT_T1);
}

/* Stretches [begin, begin + count) of 16 outputs' rows from `row` on; x: the first stretch's. */
AVX512_INLINE void multiply_stretches(enum blocks_type type, struct work *work,
                                      const unsigned char *row, size_t row_bytes, size_t outputs,
                                      size_t begin, size_t count, const struct packed *x,
                                      struct aside *aside)
{
    for (size_t i = 0; i < count; i++) {
        struct ragged ragged;
        const char *next = after(type, row, row_bytes, begin + i);
        const struct vnni_rows rows =
            stretch_rows(type, &ragged, row, row_bytes, outputs, begin + i);
        __m512i fifth[8];
#pragma GCC unroll 4
        for (size_t part = 0; part < PARTS; part++) {
            fetch(&next, lines_of(type, PARTS));
            fetch_aside(aside);
            fetch_tile(x[i].q[part]);
            vnni_part(type, work->weights + part * PART, &rows, part, true, fifth);
            if (part >= BEHIND || i > 0)
                multiply(part, work, x, i * PARTS + part - BEHIND);
        }
        vnni_scale_columns(type, work->scales[i], work->minima[i], &rows);
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < BEHIND; i++)
        multiply(i, work, x, count * PARTS - BEHIND + i);
}

AVX512_INLINE void all_outputs(enum blocks_type type, float *y, size_t y_stride,
                               const struct matrix *w, size_t first, size_t count,
                               const struct packed *x, size_t lanes, bool add,
                               struct kernels_memory ahead, struct work *work)
{
    const size_t stretches = (w->columns + VNNI_STRETCH - 1) / VNNI_STRETCH;
    if (vnni_group(type) != GROUP)
        return;
    const size_t parts = (count + VNNI_OUTPUTS - 1) / VNNI_OUTPUTS * stretches * PARTS;
    struct amx_shape shape = {0};
    struct aside aside = {ahead.at, (const char *)ahead.at + ahead.bytes, 0};
    aside.lines = parts ? (ahead.bytes / ROW_BYTES + parts - 1) / parts : 0;
    amx_reshape(&shape, 2 * ROWS, 2 * ROWS); /* whole tiles, whatever is in them */
    for (size_t j = first; j < first + count; j += VNNI_OUTPUTS) {
        const size_t outputs = first + count - j < VNNI_OUTPUTS ? first + count - j : VNNI_OUTPUTS;
        const unsigned char *row = w->data + j * w->row_bytes;
        for (size_t begin = 0; begin < stretches; begin += STRETCHES) {
            const size_t some = stretches - begin < STRETCHES ? stretches - begin : STRETCHES;
            multiply_stretches(type, work, row, w->row_bytes, outputs, begin, some, x + begin,
                               &aside);
            add_stretches(type, work, x + begin, some, begin == 0);
        }
        put(type, y + j, y_stride, work, outputs, lanes, PLACES, add);
    }
    _tile_release();
}

static void by_tiles_of_bytes(float *y, size_t y_stride, const struct matrix *w, size_t first,
                              size_t count, const void *x, size_t lanes, bool add,
                              struct kernels_memory ahead, float *scratch)
{
    WITH_BLOCK_TYPE(w->type, all_outputs, y, y_stride, w, first, count, x, lanes, add, ahead,
                    (void *)scratch);
}

static void decode_lanes(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const void *x, size_t lanes, bool add, float *scratch)
{
    if (by_tiles(w->type, lanes))
        by_tiles_of_bytes(y, y_stride, w, first, count, x, lanes, add, (struct kernels_memory){0},
                          scratch);
    else
        vnni_decode_lanes(y, y_stride, w, first, count, x, lanes, add, scratch);
}

void amx_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                       size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                       float *scratch)
{
    vnni_decode(decode_lanes, y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
}

void amx_decode_matmul_ahead(float *y, size_t y_stride, const struct matrix *w, size_t first,
                             size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                             struct kernels_memory ahead, float *scratch)
{
    if (vnni_rounds_to_bytes(w) && by_tiles(w->type, rows))
        by_tiles_of_bytes(y, y_stride, w, first, count, x, rows, add, ahead, scratch);
    else
        amx_decode_matmul(y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
}
