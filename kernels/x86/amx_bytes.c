/* amx_bytes.c: products of bytes for many rows (amx_product.h): of Q4_K weights with rows that a
 * norm has made.
 *
 * A tile of bytes has twice the columns of one of bf16 and takes no longer. Rows and weights are
 * rounded to 8 bits in blocks of 256 columns, the largest of each becoming 127:
 *
 *     sum += (weights' scale x row's scale) x dot product
 *
 * for each block in the order of the columns. Rows that a norm has made have few values far above
 * the others; for other rows such blocks would be too wide. A group of Q4_K has 16 different
 * weights: these are rounded, and nibbles look them up, 64 at a time. A block's largest weight is
 * taken to be what its scales and minima allow.
 *
 * The dot products of a block, below 2^24 and exact, go to memory and are added to their sums
 * while the next block is multiplied, a tile of them after each step, so that the next ones can
 * take their place in the first-level cache. */
#include "kernels/x86/amx_product.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/vnni_columns.h"

enum { SIDE = AMX_SIDE, BLOCK = AMX_BYTES_BLOCK, COLUMNS = AMX_BYTES_COLUMNS };

bool amx_takes_bytes(const struct matrix *w)
{
    return w->normalized && w->type == BLOCKS_Q4_K;
}

AVX512_INLINE __mmask16 not_finite(__m512 size)
{
    return _mm512_cmp_ps_mask(size, _mm512_set1_ps(__builtin_inff()), _CMP_NLT_UQ);
}

/* The scales of 16 blocks whose largest values are `most`, and what brings those to 127. A block
 * of zeros, or of values too small to be divided by, becomes zeros; an odd one, which has an
 * infinity or NaN, becomes NaN. */
AVX512_INLINE __m512 scale_of(__m512 *inverse, __m512 most, __mmask16 odd)
{
    const __m512 full = _mm512_set1_ps(127);
    const __mmask16 used = _mm512_cmp_ps_mask(most, _mm512_set1_ps(0x1p-100f), _CMP_GT_OQ);
    *inverse = _mm512_maskz_div_ps(used, full, most);
    return _mm512_mask_mov_ps(_mm512_maskz_div_ps(used, most, full), odd,
                              _mm512_set1_ps(__builtin_nanf("")));
}

/* --- rows ------------------------------------------------------------------------------- */

/* Where the two groups of 32 columns of a tile begin in a block: in a byte of the file lie
 * weights of two groups that follow each other. */
static size_t place(size_t group)
{
    return (group / 4 * 2 + group % 2) * COLUMNS + group % 4 / 2 * 32;
}

/* A block of one row, and its scale. */
static float round_row(int8_t q[BLOCK], const float *x)
{
    __m512 most = _mm512_setzero_ps(), inverse;
    __mmask16 odd = 0;
    for (size_t i = 0; i < BLOCK; i += 16) {
        const __m512 size = _mm512_abs_ps(_mm512_loadu_ps(x + i));
        most = _mm512_max_ps(most, size);
        odd |= not_finite(size);
    }
    const __m512 scale =
        scale_of(&inverse, _mm512_set1_ps(_mm512_reduce_max_ps(most)), odd ? 0xFFFF : 0);
    for (size_t i = 0; i < BLOCK; i += 16) {
        const __m512i v = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
        _mm_storeu_si128((void *)(q + place(i / 32) + i % 32), _mm512_cvtsepi32_epi8(v));
    }
    return _mm512_cvtss_f32(scale);
}

void amx_bytes_pack(unsigned char *group, const struct matrix *w, const float *x, size_t x_stride,
                    size_t count, size_t begin, size_t end)
{
    int8_t q[SIDE][BLOCK];
    float *scale = (float *)(void *)(group + w->columns * SIDE) + begin / BLOCK * SIDE;
    unsigned char *tile = group + begin * SIDE;
    memset(q, 0, sizeof q);
    for (size_t k = begin; k < end; k += BLOCK, x += BLOCK, scale += SIDE) {
        _mm512_storeu_ps(scale, _mm512_setzero_ps());
        for (size_t r = 0; r < count; r++)
            scale[r] = round_row(q[r], x + r * x_stride);
        for (size_t column = 0; column < BLOCK; column += 16) {
            __m512i out[4];
            avx512_transpose(out, (const unsigned char *)q[0] + column, BLOCK);
            for (size_t i = 0; i < 4; i++, tile += AMX_ROW_BYTES)
                _mm512_storeu_si512(tile, out[i]);
        }
    }
}

/* --- weights ---------------------------------------------------------------------------- */

/* Of a block of 16 outputs: scales and minima in units of the block's own scale. */
struct scales {
    float scale[VNNI_BLOCKS][SIDE], minimum[VNNI_BLOCKS][SIDE];
};

AVX512_INLINE __m512 block_scales(struct scales *s, const struct vnni_rows *rows)
{
    __m512 scales[VNNI_BLOCKS], minima[VNNI_BLOCKS];
    __m512 most = _mm512_setzero_ps(), inverse;
    __mmask16 odd = 0;
    vnni_scale_columns_k(scales, minima, rows);
#pragma GCC unroll 8
    for (size_t group = 0; group < VNNI_BLOCKS; group++) {
        const __m512 least = _mm512_abs_ps(minima[group]);
        const __m512 greatest =
            _mm512_abs_ps(_mm512_fmsub_ps(_mm512_set1_ps(15), scales[group], minima[group]));
        most = _mm512_max_ps(most, _mm512_max_ps(least, greatest));
        odd |= not_finite(_mm512_add_ps(least, greatest));
    }
    const __m512 scale = scale_of(&inverse, most, odd);
#pragma GCC unroll 8
    for (size_t group = 0; group < VNNI_BLOCKS; group++) {
        _mm512_storeu_ps(s->scale[group], _mm512_mul_ps(scales[group], inverse));
        _mm512_storeu_ps(s->minimum[group], _mm512_mul_ps(minima[group], inverse));
    }
    return scale;
}

/* What the 16 nibbles of a group of output o stand for, in dwords. */
AVX512_INLINE __m512i sixteen(const struct scales *s, size_t group, size_t o)
{
    const __m512 q = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_cvtps_epi32(_mm512_fmsub_ps(q, _mm512_set1_ps(s->scale[group][o]),
                                              _mm512_set1_ps(s->minimum[group][o])));
}

/* 128 weights of output o, groups `group` to group + 3: its rows of two tiles. */
AVX512_INLINE void two_rows(unsigned char *tiles, const unsigned char *nibbles,
                            const struct scales *s, size_t group, size_t o)
{
    /* Each lane: four weights of each group. */
    const __m512i fours =
        _mm512_packs_epi16(_mm512_packs_epi32(sixteen(s, group, o), sixteen(s, group + 1, o)),
                           _mm512_packs_epi32(sixteen(s, group + 2, o), sixteen(s, group + 3, o)));
    const __m512i of_low = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 2, 6, 10, 14, 2, 6, 10, 14);
    const __m512i of_high = _mm512_setr_epi32(1, 5, 9, 13, 1, 5, 9, 13, 3, 7, 11, 15, 3, 7, 11, 15);
    const __m512i both = _mm512_loadu_si512(nibbles);
    _mm512_storeu_si512(tiles, _mm512_shuffle_epi8(_mm512_permutexvar_epi32(of_low, fours),
                                                   vnni_low_nibbles(both)));
    _mm512_storeu_si512(
        tiles + AMX_TILE_BYTES,
        _mm512_shuffle_epi8(_mm512_permutexvar_epi32(of_high, fours), vnni_high_nibbles(both)));
}

/* A block of up to 16 outputs: their rows of four tiles; the same columns of the next 16 are
 * fetched. */
static void fill_tiles(unsigned char *tiles, float *scale, const struct vnni_rows *rows,
                       size_t count)
{
    struct scales scales;
    struct vnni_rows sixteen_rows = *rows;
    unsigned char copies[SIDE][16];
    if (count < SIDE) { /* the rows that are not there are the last one's */
        for (size_t o = 0; o < SIDE; o++)
            memcpy(copies[o], rows->at + (o < count ? o : count - 1) * rows->row_bytes, 16);
        sixteen_rows = (struct vnni_rows){copies[0], sizeof copies[0]};
    }
    _mm512_storeu_ps(scale, block_scales(&scales, &sixteen_rows));
    const unsigned char *nibbles = rows->at + 16;
    const size_t row_bytes = rows->row_bytes;
    for (size_t o = 0; o < count; o++, nibbles += row_bytes, tiles += AMX_ROW_BYTES) {
        vnni_fetch_stretch(BLOCKS_Q4_K, rows, o, SIDE * row_bytes);
        two_rows(tiles, nibbles, &scales, 0, o);
        two_rows(tiles + 2 * AMX_TILE_BYTES, nibbles + 64, &scales, 4, o);
    }
}

void amx_bytes_panel(unsigned char *panel, float *scales, size_t steps, const struct matrix *w,
                     size_t first, size_t count, size_t begin, size_t end)
{
    for (size_t i = 0; i < count; i += SIDE) {
        unsigned char *tiles = panel + i / SIDE * steps * AMX_TILE_BYTES;
        float *scale = scales + i / SIDE * AMX_BYTES_SCALES;
        for (size_t k = begin; k < end; k += BLOCK, scale += SIDE) {
            const struct vnni_rows rows = vnni_rows_of(BLOCKS_Q4_K, w, first + i, k);
            fill_tiles(tiles, scale, &rows, amx_first(count - i));
            tiles += AMX_BYTES_STEPS * AMX_TILE_BYTES;
        }
    }
}

/* --- the product -------------------------------------------------------------------------- */

/* A row of a tile's dot products: one output, 16 rows. */
AVX512_INLINE void add_row(const bool resume, float *sums, const int32_t *dots, float w_scale,
                           __m512 x_scale)
{
    const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(w_scale), x_scale);
    const __m512 before = resume ? _mm512_loadu_ps(sums) : _mm512_setzero_ps();
    _mm512_storeu_ps(sums,
                     _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(dots)), scale, before));
}

AVX512_INLINE void add_tile(const bool resume, const struct amx_dots *d, size_t tile)
{
    const size_t count = d->outputs - tile / 2 * SIDE;
    const float *w_scale = d->w_scale[tile / 2];
    const int32_t *dots = d->at + tile * AMX_SUMS;
    float *sums = d->sums + tile * AMX_SUMS;
    const __m512 x_scale = _mm512_loadu_ps(d->x_scale[tile % 2]);
    if (count >= SIDE) {
#pragma GCC unroll 16
        for (size_t o = 0; o < SIDE; o++)
            add_row(resume, sums + o * SIDE, dots + o * SIDE, w_scale[o], x_scale);
        return;
    }
    for (size_t o = 0; o < count; o++)
        add_row(resume, sums + o * SIDE, dots + o * SIDE, w_scale[o], x_scale);
}

/* Tile 0 to 3 of what waits, if there is one. */
AVX512_INLINE void add_waiting(const struct amx_dots *d, size_t tile)
{
    if (!d->wait || d->outputs <= tile / 2 * SIDE || d->rows <= tile % 2 * SIDE)
        return;
    if (d->resume)
        add_tile(true, d, tile);
    else
        add_tile(false, d, tile);
}

/* R x N tiles of dot products, each 1 or 2. The tiles' numbers must be constants. */
AMX_INLINE void step(const int R, const int N, const struct amx_factors *f, size_t at)
{
    _tile_stream_loadd(4, f->w[0] + at, AMX_ROW_BYTES);
    _tile_loadd(6, f->x[0] + at, AMX_ROW_BYTES);
    _tile_dpbssd(0, 4, 6);
    if (R > 1) {
        _tile_stream_loadd(5, f->w[1] + at, AMX_ROW_BYTES);
        _tile_dpbssd(2, 5, 6);
    }
    if (N > 1) {
        _tile_loadd(7, f->x[1] + at, AMX_ROW_BYTES);
        _tile_dpbssd(1, 4, 7);
    }
    if (R > 1 && N > 1)
        _tile_dpbssd(3, 5, 7);
}

AMX_INLINE void blocks(const int R, const int N, const struct amx_factors *f, struct amx_dots *dots)
{
    for (size_t block = 0; block < f->steps / AMX_BYTES_STEPS; block++) {
        amx_zero_sums();
        for (size_t i = 0; i < AMX_BYTES_STEPS; i++) {
            const size_t at = block * AMX_BYTES_STEPS + i;
            step(R, N, f, at * AMX_TILE_BYTES);
            amx_fetch_next(f, at);
            add_waiting(dots, i);
        }
        amx_finish_writes();
        amx_store_sums(R, N, (float *)(void *)dots->at);
        amx_finish_writes();
        *dots = (struct amx_dots){
            .at = dots->at,
            .wait = true,
            .w_scale = {f->w_scale[0] + block * SIDE, f->w_scale[1] + block * SIDE},
            .x_scale = {f->x_scale[0] + block * SIDE, f->x_scale[1] + block * SIDE},
            .outputs = f->outputs,
            .rows = f->rows,
            .sums = f->sums,
            .resume = f->resume || block > 0,
        };
    }
}

void amx_bytes_product(const struct amx_factors *f, struct amx_dots *dots)
{
    if (f->rows > SIDE && f->outputs > SIDE)
        blocks(2, 2, f, dots);
    else if (f->outputs > SIDE)
        blocks(2, 1, f, dots);
    else if (f->rows > SIDE)
        blocks(1, 2, f, dots);
    else
        blocks(1, 1, f, dots);
}

void amx_bytes_finish(struct amx_dots *dots)
{
    for (size_t tile = 0; tile < 4; tile++)
        add_waiting(dots, tile);
    dots->wait = false;
}
