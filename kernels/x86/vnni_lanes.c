/* vnni_lanes.c: the product for one generated token in each of several lanes.
 *
 * 16 outputs at a time lie in the lanes of a vector, unpacked and transposed once for all
 * lanes (vnni_columns.h). One instruction multiplies four columns of all 16 with four of a
 * lane, and a group's dot products add up where they stand, nothing to be brought together.
 * A few stretches of 256 columns at a time:
 *
 *     for each stretch:  dots[group][lane] = weights[group] . x[lane][group]
 *     for each group:    for each stretch:
 *         slot[lane] += float(dots[group][lane]) * scale[output] * scale[lane]
 *
 * so that the slots stay in registers from stretch to stretch. The integers are exact in any
 * order. They become floats and are added slot by slot with the operations and in the order
 * of vnni_decode.c: a lane has the bits it has alone. */
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/by_type.h"
#include "kernels/x86/vnni_columns.h"

enum {
    MOST_LANES = KERNELS_PACK_ROWS,
    SOME_LANES = 8, /* whose sums fit the registers */
    STRETCHES = 4,  /* at a time, or fewer so that there are no more than ... */
    MOST_DOTS = 256 /* vectors of dot products */
};

/* A stretch of one lane, its columns in order. */
struct lane {
    int8_t q[VNNI_STRETCH];
    float scale[VNNI_BLOCKS];       /* of each block of 32 columns */
    float sums[VNNI_BLOCKS];        /* +- scale * sum of q, for the minima */
    int32_t start[2 * VNNI_BLOCKS]; /* of each group: less what the weights' offset adds */
};

struct work {
    __m512i weights[VNNI_FOURS];
    __m512 scales[STRETCHES][2 * VNNI_BLOCKS]; /* of each group */
    __m512 minima[STRETCHES][VNNI_BLOCKS];
    __m512i dots[MOST_DOTS];              /* [stretch][group][lane] */
    __m512 sums[VNNI_SLOTS * MOST_LANES]; /* [slot][lane] */
};
_Static_assert(sizeof(struct work) <= LEVELS_LANES_FLOATS * sizeof(float),
               "kernels_scratch_floats");
_Static_assert(MOST_LANES * sizeof(struct lane) <= KERNELS_PACK_ROWS * VNNI_STRETCH * sizeof(float),
               "packed lanes fit where their rows did");

/* --- activations ----------------------------------------------------------------- */

/* Lanes are multiplied 4, 8 or 16 at a time; absent ones are zero. */
static size_t places(size_t lanes)
{
    return lanes <= 4 ? 4 : lanes <= 8 ? 8 : 16;
}

static void put_lane(struct lane *lane, enum blocks_type type, const struct vnni_quantized *values)
{
    const int offset = vnni_offset(type);
    memcpy(lane->q, values->q, sizeof lane->q);
    memcpy(lane->scale, values->scale, sizeof lane->scale);
    for (size_t i = 0; i < VNNI_BLOCKS; i++) {
        int sum = values->sums[2 * i] + values->sums[2 * i + 1];
        float part = values->scale[i] * (float)sum;
        lane->sums[i] = type == BLOCKS_Q5_1 ? part : -part;
        lane->start[i] = -offset * sum;
    }
    if (vnni_group(type) == 16)
        for (size_t i = 0; i < 2 * VNNI_BLOCKS; i++)
            lane->start[i] = -offset * values->sums[i];
}

void vnni_pack_lanes(void *packed, enum blocks_type type, const float *x, size_t x_stride,
                     size_t lanes, size_t begin, size_t end)
{
    struct lane *at = (struct lane *)packed + begin / VNNI_STRETCH * places(lanes);
    for (size_t k = begin; k < end; k += VNNI_STRETCH, at += places(lanes)) {
        const size_t blocks = (end - k) / 32;
        for (size_t lane = 0; lane < lanes; lane++) {
            struct vnni_quantized values;
            vnni_quantize(&values, x + lane * x_stride + k,
                          blocks < VNNI_BLOCKS ? blocks : VNNI_BLOCKS);
            put_lane(&at[lane], type, &values);
        }
        memset(at + lanes, 0, (places(lanes) - lanes) * sizeof *at);
    }
}

/* --- dot products ---------------------------------------------------------------- */

AVX512_INLINE __m512i broadcast4(const int8_t *bytes)
{
    int four;
    memcpy(&four, bytes, sizeof four);
    return _mm512_set1_epi32(four);
}

/* Bytes that will be read next, fetched a few lines at a time: many at once would hold up
 * what is read now. Beyond the matrix this is harmless. */
struct ahead {
    const char *at, *end;
};

AVX512_INLINE void fetch(struct ahead *ahead, size_t lines)
{
    for (size_t i = 0; i < lines && ahead->at < ahead->end; i++, ahead->at += 64)
        _mm_prefetch(ahead->at, _MM_HINT_T1);
}

/* All groups' dot products of one stretch with L lanes. */
AVX512_INLINE void multiply(enum blocks_type type, const size_t L, __m512i *dots,
                            const __m512i *weights, const struct lane *x, struct ahead *ahead)
{
    const size_t columns = vnni_group(type), groups = VNNI_STRETCH / columns;
    const size_t lines = (VNNI_OUTPUTS * vnni_stretch_bytes(type) / 64 + groups) / groups;
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

/* --- sums ------------------------------------------------------------------------ */

/* A group's dot products in `count` stretches with L lanes from `first` on, of `all`, onto
 * their sums, or onto zero when `fresh`. */
AVX512_INLINE void add_group(enum blocks_type type, const size_t L, const size_t all,
                             struct work *work, const struct lane *x, size_t count, size_t group,
                             size_t first, const bool fresh)
{
    const size_t groups = VNNI_STRETCH / vnni_group(type);
    const size_t block = groups == VNNI_BLOCKS ? group : group / 2;
    __m512 *sums = work->sums + vnni_slot(type, group) * all + first;
    __m512 *lows = work->sums + vnni_minimum_slot(type, group) % VNNI_SLOTS * all + first;
    const __m512i *dots = work->dots + group * all + first;
    __m512 sum[SOME_LANES], low[SOME_LANES];
#pragma GCC unroll 8
    for (size_t lane = 0; lane < L; lane++) {
        sum[lane] = fresh ? _mm512_setzero_ps() : sums[lane];
        low[lane] = fresh ? _mm512_setzero_ps() : lows[lane];
    }
    x += first;
    for (size_t i = 0; i < count; i++, x += all, dots += groups * all) {
        const __m512 scale = work->scales[i][group];
#pragma GCC unroll 8
        for (size_t lane = 0; lane < L; lane++) {
            __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x[lane].scale[block]));
            sum[lane] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[lane]), both, sum[lane]);
            if (vnni_has_minimum(type))
                low[lane] = _mm512_fmadd_ps(_mm512_set1_ps(x[lane].sums[block]),
                                            work->minima[i][block], low[lane]);
        }
    }
#pragma GCC unroll 8
    for (size_t lane = 0; lane < L; lane++) {
        sums[lane] = sum[lane];
        if (vnni_has_minimum(type))
            lows[lane] = low[lane];
    }
}

AVX512_INLINE void add_stretches(enum blocks_type type, const size_t L, struct work *work,
                                 const struct lane *x, size_t count, bool fresh)
{
    const size_t some = L < SOME_LANES ? L : SOME_LANES;
    for (size_t group = 0; group < VNNI_STRETCH / vnni_group(type); group++)
        for (size_t first = 0; first < L; first += some)
            if (fresh)
                add_group(type, some, L, work, x, count, group, first, true);
            else
                add_group(type, some, L, work, x, count, group, first, false);
}

/* The slots that are sums; the others are zero. */
AVX512_INLINE __mmask16 used_slots(enum blocks_type type)
{
    unsigned used = 0;
    for (size_t group = 0; group < VNNI_STRETCH / vnni_group(type); group++) {
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

/* --- outputs --------------------------------------------------------------------- */

/* 16 rows' blocks of a stretch, of which not all exist: the others are zero. */
struct ragged {
    unsigned char blocks[VNNI_OUTPUTS][VNNI_BLOCKS * 34];
};

static struct vnni_rows fill_up(struct ragged *ragged, const struct vnni_rows *rows, size_t outputs,
                                size_t bytes)
{
    memset(ragged, 0, sizeof *ragged);
    for (size_t o = 0; o < outputs; o++)
        memcpy(ragged->blocks[o], rows->at + o * rows->row_bytes, bytes);
    return (struct vnni_rows){ragged->blocks[0], sizeof ragged->blocks[0]};
}

/* Stretch number i of the outputs from `row` on, into work's place `at`. */
AVX512_INLINE void one_stretch(enum blocks_type type, const size_t L, struct work *work, size_t at,
                               const unsigned char *row, size_t row_bytes, size_t outputs, size_t i,
                               const struct lane *x)
{
    const size_t bytes = vnni_stretch_bytes(type), left = row_bytes - i * bytes;
    const char *next = (const char *)row + VNNI_OUTPUTS * (row_bytes + i * bytes);
    struct ahead ahead = {next, next + VNNI_OUTPUTS * bytes};
    struct vnni_rows rows = {row + i * bytes, row_bytes};
    struct ragged ragged;
    if (left < bytes || outputs < VNNI_OUTPUTS)
        rows = fill_up(&ragged, &rows, outputs, left < bytes ? left : bytes);
    vnni_columns(type, work->weights, &rows);
    vnni_scale_columns(type, work->scales[at], work->minima[at], &rows);
    multiply(type, L, work->dots + at * (VNNI_STRETCH / vnni_group(type)) * L, work->weights,
             x + i * L, &ahead);
}

AVX512_INLINE void outputs_of(enum blocks_type type, const size_t L, float *y, size_t y_stride,
                              const struct matrix *w, size_t first, size_t count,
                              const struct lane *x, size_t lanes, bool add, struct work *work)
{
    const size_t stretches = (w->columns + VNNI_STRETCH - 1) / VNNI_STRETCH;
    const size_t fit = MOST_DOTS / (VNNI_STRETCH / vnni_group(type) * L);
    const size_t most = fit < STRETCHES ? fit : STRETCHES;
    for (size_t j = first; j < first + count; j += VNNI_OUTPUTS) {
        const size_t outputs = first + count - j < VNNI_OUTPUTS ? first + count - j : VNNI_OUTPUTS;
        const unsigned char *row = w->data + j * w->row_bytes;
        for (size_t begin = 0; begin < stretches; begin += most) {
            const size_t end = stretches - begin < most ? stretches : begin + most;
            for (size_t i = begin; i < end; i++)
                one_stretch(type, L, work, i - begin, row, w->row_bytes, outputs, i, x);
            add_stretches(type, L, work, x + begin * L, end - begin, begin == 0);
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
