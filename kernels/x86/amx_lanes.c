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
    BEHIND = 2,   /* parts that are unpacked before one is multiplied */
    TOGETHER = 2, /* stretches: what they touch stays in the first-level cache */
};
_Static_assert((int)TOGETHER <= (int)STRETCHES && TOGETHER * PARTS * ROWS <= (int)MOST_DOTS,
               "work memory");

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

static void configure(void)
{
    _Alignas(64) struct amx_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = ROW_BYTES;
        config.rows[i] = ROWS;
    }
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

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

/* --- outputs --------------------------------------------------------------------- */

/* Stretches [begin, begin + count) of 16 outputs' rows from `row` on; x: the first stretch's. */
AVX512_INLINE void multiply_stretches(enum blocks_type type, struct work *work,
                                      const unsigned char *row, size_t row_bytes, size_t outputs,
                                      size_t begin, size_t count, const struct packed *x)
{
    const size_t lines = VNNI_OUTPUTS * vnni_stretch_bytes(type) / 64 / PARTS + 1;
    for (size_t i = 0; i < count; i++) {
        struct ragged ragged;
        struct ahead ahead = after(type, row, row_bytes, begin + i);
        const struct vnni_rows rows =
            stretch_rows(type, &ragged, row, row_bytes, outputs, begin + i);
        __m512i fifth[8];
#pragma GCC unroll 4
        for (size_t part = 0; part < PARTS; part++) {
            fetch(&ahead, lines);
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
                               const struct packed *x, size_t lanes, bool add, struct work *work)
{
    const size_t stretches = (w->columns + VNNI_STRETCH - 1) / VNNI_STRETCH;
    if (vnni_group(type) != GROUP)
        return;
    configure();
    for (size_t j = first; j < first + count; j += VNNI_OUTPUTS) {
        const size_t outputs = first + count - j < VNNI_OUTPUTS ? first + count - j : VNNI_OUTPUTS;
        const unsigned char *row = w->data + j * w->row_bytes;
        for (size_t begin = 0; begin < stretches; begin += TOGETHER) {
            const size_t some = stretches - begin < TOGETHER ? stretches - begin : TOGETHER;
            multiply_stretches(type, work, row, w->row_bytes, outputs, begin, some, x + begin);
            add_stretches(type, PLACES, work, (const void *)&x[begin], sizeof *x, some, begin == 0);
        }
        put(type, y + j, y_stride, work, outputs, lanes, PLACES, add);
    }
    _tile_release();
}

static void decode_lanes(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const void *x, size_t lanes, bool add, float *scratch)
{
    if (by_tiles(w->type, lanes))
        WITH_BLOCK_TYPE(w->type, all_outputs, y, y_stride, w, first, count, x, lanes, add,
                        (void *)scratch);
    else
        vnni_decode_lanes(y, y_stride, w, first, count, x, lanes, add, scratch);
}

void amx_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                       size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                       float *scratch)
{
    vnni_decode(decode_lanes, y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
}
