/* vnni_lanes.c: the product for one generated token in each of several lanes (vnni_lanes.h).
 *
 * One instruction multiplies four columns of all 16 outputs with four of a lane, and a group's
 * dot products add up where they stand, nothing to be brought together. They go to their sums
 * from the registers: sums, which lie in the first-level cache, take less of it and of what is
 * loaded and stored than dot products that wait there. */
#include "kernels/x86/vnni_lanes.h"

/* Lanes are multiplied 4, 8 or 16 at a time; absent ones are zero. */
AVX512_INLINE size_t places(size_t lanes)
{
    return lanes <= 4 ? 4 : lanes <= 8 ? 8 : 16;
}

/* --- activations ----------------------------------------------------------------- */

/* A stretch of one lane, its columns in order, between the factors of all lanes' stretch and the
 * next one's. */
struct lane {
    int8_t q[VNNI_STRETCH];
    int32_t start[2 * VNNI_BLOCKS]; /* of each group: less what the weights' offset adds */
};
_Static_assert(MOST_LANES *(sizeof(struct lane) + sizeof(struct factors)) <=
                   KERNELS_PACK_ROWS * VNNI_STRETCH * sizeof(float),
               "packed lanes fit where their rows did");

AVX512_INLINE size_t bytes_of(size_t L)
{
    return L * (sizeof(struct lane) + sizeof(struct factors));
}

AVX512_INLINE struct lane *lanes_of(const void *stretch, size_t L)
{
    return (struct lane *)((struct factors *)stretch + L);
}

static void put_lane(struct lane *lane, enum blocks_type type, const struct vnni_quantized *values)
{
    const int offset = vnni_offset(type);
    memcpy(lane->q, values->q, sizeof lane->q);
    for (size_t i = 0; i < 2 * VNNI_BLOCKS; i++)
        lane->start[i] =
            -offset * (vnni_group(type) == 16 ? values->sums[i]
                       : i < VNNI_BLOCKS      ? values->sums[2 * i] + values->sums[2 * i + 1]
                                              : 0);
}

/* The first lane makes the absent ones' zeros, too. */
void vnni_pack_lane(void *packed, enum blocks_type type, const float *x, size_t lanes, size_t lane,
                    size_t begin, size_t end)
{
    const size_t L = places(lanes), absent = lane == 0 ? L - lanes : 0;
    unsigned char *at = (unsigned char *)packed + begin / VNNI_STRETCH * bytes_of(L);
    for (size_t k = begin; k < end; k += VNNI_STRETCH, at += bytes_of(L)) {
        struct factors *factors = (void *)at;
        struct vnni_quantized values;
        vnni_quantize(&values, x + k, left_blocks(end - k));
        put_factors(&factors[lane], type, &values);
        put_lane(&lanes_of(at, L)[lane], type, &values);
        memset(factors + lanes, 0, absent * sizeof *factors);
        memset(lanes_of(at, L) + lanes, 0, absent * sizeof(struct lane));
    }
}

/* --- dot products ---------------------------------------------------------------- */

/* Four columns' products onto `sum`. By hand: compilers broadcast the lane's four bytes by an
 * instruction of its own. */
AVX512_INLINE __m512i add_four(__m512i sum, __m512i weights, const int8_t *x)
{
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*(const int8_t(*)[4])x));
    return sum;
}

/* A group of L lanes, onto their sums, or onto zero when `fresh`. */
AVX512_INLINE void multiply_group(enum blocks_type type, const size_t L, __m512 *sums, __m512 *lows,
                                  const struct work *work, const struct lane *x,
                                  const struct factors *factors, size_t group, const bool fresh)
{
    const size_t columns = vnni_group(type), block = columns == 32 ? group : group / 2;
    const __m512i *weights = work->weights + group * (columns / 4);
    const int8_t *q = x->q + group * columns;
    const __m512 scale = work->scales[0][group], zero = _mm512_setzero_ps();
    __m512i dots[SOME_LANES];
#pragma GCC unroll 8
    for (size_t lane = 0; lane < L; lane++)
        dots[lane] =
            vnni_offset(type) ? _mm512_set1_epi32(x[lane].start[group]) : _mm512_setzero_si512();
#pragma GCC unroll 8
    for (size_t i = 0; i < columns / 4; i++)
#pragma GCC unroll 8
        for (size_t lane = 0; lane < L; lane++)
            dots[lane] = add_four(dots[lane], weights[i], q + lane * sizeof *x + 4 * i);
#pragma GCC unroll 8
    for (size_t lane = 0; lane < L; lane++) {
        __m512 sum = fresh ? zero : sums[lane], low = fresh ? zero : lows[lane];
        add_dots(type, &sum, &low, dots[lane], scale, work->minima[0][block], &factors[lane],
                 block);
        sums[lane] = sum;
        if (vnni_has_minimum(type))
            lows[lane] = low;
    }
}

/* A stretch of L lanes. next: fetched meanwhile. */
AVX512_INLINE void multiply(enum blocks_type type, const size_t L, struct work *work,
                            const unsigned char *stretch, const char *next, const bool fresh)
{
    const size_t some = L < SOME_LANES ? L : SOME_LANES;
#pragma GCC unroll 1
    for (size_t group = 0; group < groups_of(type); group++) {
        const size_t slot = vnni_slot(type, group);
        const size_t low = vnni_minimum_slot(type, group) % VNNI_SLOTS;
        fetch(&next, lines_of(type, groups_of(type)));
#pragma GCC unroll 2
        for (size_t first = 0; first < L; first += some)
            multiply_group(type, some, work->sums + slot * L + first, work->sums + low * L + first,
                           work, lanes_of(stretch, L) + first,
                           (const struct factors *)(const void *)stretch + first, group, fresh);
    }
}

/* --- outputs --------------------------------------------------------------------- */

/* Stretch number i of the outputs from `row` on; x: the first stretch's lanes. */
AVX512_INLINE void one_stretch(enum blocks_type type, const size_t L, struct work *work,
                               const unsigned char *row, size_t row_bytes, size_t outputs, size_t i,
                               const unsigned char *x)
{
    struct ragged ragged;
    const char *next = after(type, row, row_bytes, i);
    const struct vnni_rows rows = stretch_rows(type, &ragged, row, row_bytes, outputs, i);
    vnni_columns(type, work->weights, &rows);
    vnni_scale_columns(type, work->scales[0], work->minima[0], &rows);
    if (i == 0)
        multiply(type, L, work, x, next, true);
    else
        multiply(type, L, work, x + i * bytes_of(L), next, false);
}

AVX512_INLINE void outputs_of(enum blocks_type type, const size_t L, float *y, size_t y_stride,
                              const struct matrix *w, size_t first, size_t count,
                              const unsigned char *x, size_t lanes, bool add, struct work *work)
{
    const size_t stretches = (w->columns + VNNI_STRETCH - 1) / VNNI_STRETCH;
    for (size_t j = first; j < first + count; j += VNNI_OUTPUTS) {
        const size_t outputs = first + count - j < VNNI_OUTPUTS ? first + count - j : VNNI_OUTPUTS;
        const unsigned char *row = w->data + j * w->row_bytes;
        for (size_t i = 0; i < stretches; i++)
            one_stretch(type, L, work, row, w->row_bytes, outputs, i, x);
        put(type, y + j, y_stride, work, outputs, lanes, L, add);
    }
}

AVX512_INLINE void some_lanes(enum blocks_type type, float *y, size_t y_stride,
                              const struct matrix *w, size_t first, size_t count, const void *x,
                              size_t lanes, bool add, struct work *work)
{
    if (places(lanes) == 4)
        outputs_of(type, 4, y, y_stride, w, first, count, x, lanes, add, work);
    else if (places(lanes) == 8)
        outputs_of(type, 8, y, y_stride, w, first, count, x, lanes, add, work);
    else
        outputs_of(type, 16, y, y_stride, w, first, count, x, lanes, add, work);
}

void vnni_decode_lanes(float *y, size_t y_stride, const struct matrix *w, size_t first,
                       size_t count, const void *x, size_t lanes, bool add, float *scratch)
{
    WITH_BLOCK_TYPE(w->type, some_lanes, y, y_stride, w, first, count, x, lanes, add,
                    (void *)scratch);
}
