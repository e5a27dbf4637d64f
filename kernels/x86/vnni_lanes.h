/* vnni_lanes.h: what the products of several lanes share (vnni_lanes.c, amx_lanes.c).
 * Private to the levels with VNNI.
 *
 * 16 outputs at a time lie in the lanes of a vector, unpacked and transposed once for all
 * lanes (vnni_columns.h). For each stretch of 256 columns and each group of them:
 *
 *     dots[lane] = weights[group] . x[lane][group]
 *     slot[lane] += float(dots[lane]) * scale[output] * scale[lane]
 *
 * The integers are exact in any order. They become floats and are added slot by slot with the
 * operations and in the order of vnni_decode.c: a lane has the bits it has alone.
 *
 * The functions are inlined with a constant type and number of lanes. */
#ifndef TIDEMARK_KERNELS_X86_VNNI_LANES_H
#define TIDEMARK_KERNELS_X86_VNNI_LANES_H

#include "kernels/x86/avx512_math.h"
#include "kernels/x86/by_type.h"
#include "kernels/x86/vnni_columns.h"

enum {
    MOST_LANES = KERNELS_PACK_ROWS,
    SOME_LANES = 8, /* whose dot products fit the registers */
    STRETCHES = 2,  /* whose dot products may wait in memory */
};

/* What a lane's sums need of a stretch. */
struct factors {
    float scale[VNNI_BLOCKS]; /* of each block of 32 columns */
    float sums[VNNI_BLOCKS];  /* +- scale * sum of q, for the minima */
};

struct work {
    __m512i weights[VNNI_FOURS];
    __m512 scales[STRETCHES][2 * VNNI_BLOCKS];          /* of each group */
    __m512i dots[STRETCHES * VNNI_BLOCKS * SOME_LANES]; /* [stretch][group][lane] */
    __m512 sums[VNNI_SLOTS * MOST_LANES];               /* [slot][lane] */
    __m512 minima[STRETCHES][VNNI_BLOCKS];
};
_Static_assert(sizeof(struct work) <= LEVELS_LANES_FLOATS * sizeof(float),
               "kernels_scratch_floats");

AVX512_INLINE size_t groups_of(enum blocks_type type)
{
    return VNNI_STRETCH / vnni_group(type);
}

/* Blocks of the next stretch's, of `columns` that are left. */
static inline size_t left_blocks(size_t columns)
{
    return columns < VNNI_STRETCH ? columns / 32 : VNNI_BLOCKS;
}

static inline void put_factors(struct factors *factors, enum blocks_type type,
                               const struct vnni_quantized *values)
{
    memcpy(factors->scale, values->scale, sizeof factors->scale);
    for (size_t i = 0; i < VNNI_BLOCKS; i++) {
        float part = values->scale[i] * (float)(values->sums[2 * i] + values->sums[2 * i + 1]);
        factors->sums[i] = type == BLOCKS_Q5_1 ? part : -part;
    }
}

/* --- weights --------------------------------------------------------------------- */

/* `lines` cache lines of what will be read next, a few at a time: many at once would hold up
 * what is read now. Beyond the matrix this is harmless. */
AVX512_INLINE void fetch(const char **at, const size_t lines)
{
#pragma GCC unroll 16
    for (size_t i = 0; i < lines; i++)
        _mm_prefetch(*at + 64 * i, _MM_HINT_T1);
    *at += 64 * lines;
}

/* Lines of a stretch of 16 outputs for each of `parts`. */
AVX512_INLINE size_t lines_of(enum blocks_type type, size_t parts)
{
    return (VNNI_OUTPUTS * vnni_stretch_bytes(type) / 64 + parts - 1) / parts;
}

/* 16 rows' blocks of a stretch, of which not all exist: the others are zero. */
struct ragged {
    unsigned char blocks[VNNI_OUTPUTS][VNNI_BLOCKS * 34];
};

static inline struct vnni_rows fill_up(struct ragged *ragged, const struct vnni_rows *rows,
                                       size_t outputs, size_t bytes)
{
    memset(ragged, 0, sizeof *ragged);
    for (size_t o = 0; o < outputs; o++)
        memcpy(ragged->blocks[o], rows->at + o * rows->row_bytes, bytes);
    return (struct vnni_rows){ragged->blocks[0], sizeof ragged->blocks[0]};
}

/* Stretch number i of `outputs` rows from `row` on. */
AVX512_INLINE struct vnni_rows stretch_rows(enum blocks_type type, struct ragged *ragged,
                                            const unsigned char *row, size_t row_bytes,
                                            size_t outputs, size_t i)
{
    const size_t bytes = vnni_stretch_bytes(type), left = row_bytes - i * bytes;
    const struct vnni_rows rows = {row + i * bytes, row_bytes};
    if (left < bytes || outputs < VNNI_OUTPUTS)
        return fill_up(ragged, &rows, outputs, left < bytes ? left : bytes);
    return rows;
}

/* What comes after these 16 outputs, at stretch number i. */
AVX512_INLINE const char *after(enum blocks_type type, const unsigned char *row, size_t row_bytes,
                                size_t i)
{
    return (const char *)row + VNNI_OUTPUTS * (row_bytes + i * vnni_stretch_bytes(type));
}

/* --- sums ------------------------------------------------------------------------ */

/* A group's dot products with a lane onto the lane's sums. */
AVX512_INLINE void add_dots(enum blocks_type type, __m512 *sum, __m512 *low, __m512i dots,
                            __m512 scale, __m512 minimum, const struct factors *lane, size_t block)
{
    const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(lane->scale[block]));
    *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), both, *sum);
    if (vnni_has_minimum(type))
        *low = _mm512_fmadd_ps(_mm512_set1_ps(lane->sums[block]), minimum, *low);
}

/* The slots that are sums; the others are zero. */
AVX512_INLINE __mmask16 used_slots(enum blocks_type type)
{
    unsigned used = 0;
    for (size_t group = 0; group < groups_of(type); group++) {
        used |= 1u << vnni_slot(type, group);
        if (vnni_has_minimum(type))
            used |= 1u << vnni_minimum_slot(type, group);
    }
    return (__mmask16)used;
}

/* The tree of avx512_sum(), 16 outputs at once. */
AVX512_INLINE void put(enum blocks_type type, float *y, size_t y_stride, const struct work *work,
                       size_t outputs, size_t lanes, size_t L, bool add)
{
    const __mmask16 exist = avx512_first(outputs), used = used_slots(type);
    for (size_t lane = 0; lane < lanes; lane++, y += y_stride) {
        __m512 v[VNNI_SLOTS];
#pragma GCC unroll 16
        for (size_t slot = 0; slot < VNNI_SLOTS; slot++)
            v[slot] = used >> slot & 1 ? work->sums[slot * L + lane] : _mm512_setzero_ps();
#pragma GCC unroll 4
        for (size_t step = VNNI_SLOTS / 2; step; step /= 2)
#pragma GCC unroll 8
            for (size_t i = 0; i < step; i++)
                v[i] = _mm512_add_ps(v[i], v[i + step]);
        if (add)
            v[0] = _mm512_add_ps(_mm512_maskz_loadu_ps(exist, y), v[0]);
        _mm512_mask_storeu_ps(y, exist, v[0]);
    }
}

#endif
