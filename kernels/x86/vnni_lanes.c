/* vnni_lanes.c: the product for one generated token in each of several lanes (vnni_lanes.h).
 *
 * One instruction multiplies four columns of all 16 outputs with four of a lane, and a group's
 * dot products add up where they stand, nothing to be brought together. */
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

AVX512_INLINE __m512i broadcast4(const int8_t *bytes)
{
    int four;
    memcpy(&four, bytes, sizeof four);
    return _mm512_set1_epi32(four);
}

/* All groups' dot products of one stretch with L lanes. */
AVX512_INLINE void multiply(enum blocks_type type, const size_t L, __m512i *dots,
                            const __m512i *weights, const unsigned char *stretch,
                            struct ahead *ahead)
{
    const size_t columns = vnni_group(type), groups = groups_of(type);
    const size_t lines = (VNNI_OUTPUTS * vnni_stretch_bytes(type) / 64 + groups) / groups;
    const struct lane *x = lanes_of(stretch, L);
    const int8_t *q = x->q;
    for (size_t group = 0; group < groups; group++, dots += L, q += columns) {
        __m512i sum[MOST_LANES];
        fetch(ahead, lines);
#pragma GCC unroll 16
        for (size_t lane = 0; lane < L; lane++)
            sum[lane] = vnni_offset(type) ? _mm512_set1_epi32(x[lane].start[group])
                                          : _mm512_setzero_si512();
#pragma GCC unroll 8
        for (size_t i = 0; i < columns / 4; i++, weights++)
#pragma GCC unroll 16
            for (size_t lane = 0; lane < L; lane++)
                sum[lane] = _mm512_dpbusd_epi32(sum[lane], *weights,
                                                broadcast4(q + lane * sizeof *x + 4 * i));
#pragma GCC unroll 16
        for (size_t lane = 0; lane < L; lane++)
            dots[lane] = sum[lane];
    }
}

/* --- outputs --------------------------------------------------------------------- */

/* Stretch number i of the outputs from `row` on, into work's place `at`. */
AVX512_INLINE void one_stretch(enum blocks_type type, const size_t L, struct work *work, size_t at,
                               const unsigned char *row, size_t row_bytes, size_t outputs, size_t i,
                               const unsigned char *x)
{
    struct ragged ragged;
    struct ahead ahead = after(type, row, row_bytes, i);
    const struct vnni_rows rows = stretch_rows(type, &ragged, row, row_bytes, outputs, i);
    vnni_columns(type, work->weights, &rows);
    vnni_scale_columns(type, work->scales[at], work->minima[at], &rows);
    multiply(type, L, work->dots + at * groups_of(type) * L, work->weights, x + i * bytes_of(L),
             &ahead);
}

/* Stretches that are multiplied before their dot products are added up. */
AVX512_INLINE size_t most_stretches(enum blocks_type type, const size_t L)
{
    const size_t fit = MOST_DOTS / (groups_of(type) * L);
    return fit < STRETCHES ? fit : STRETCHES;
}

AVX512_INLINE void outputs_of(enum blocks_type type, const size_t L, float *y, size_t y_stride,
                              const struct matrix *w, size_t first, size_t count,
                              const unsigned char *x, size_t lanes, bool add, struct work *work)
{
    const size_t stretches = (w->columns + VNNI_STRETCH - 1) / VNNI_STRETCH;
    const size_t most = most_stretches(type, L);
    for (size_t j = first; j < first + count; j += VNNI_OUTPUTS) {
        const size_t outputs = first + count - j < VNNI_OUTPUTS ? first + count - j : VNNI_OUTPUTS;
        const unsigned char *row = w->data + j * w->row_bytes;
        for (size_t begin = 0; begin < stretches; begin += most) {
            const size_t end = stretches - begin < most ? stretches : begin + most;
            for (size_t i = begin; i < end; i++)
                one_stretch(type, L, work, i - begin, row, w->row_bytes, outputs, i, x);
            add_stretches(type, L, work, x + begin * bytes_of(L), bytes_of(L), end - begin,
                          begin == 0);
        }
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
