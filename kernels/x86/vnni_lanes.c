/* vnni_lanes.c: the product for one generated token in each of several lanes.
 *
 * 16 outputs at a time, in the lanes of a vector. A stretch of each is unpacked as for one
 * lane (vnni_weights.h), then transposed by four bytes, so that one instruction multiplies
 * four columns of all 16 outputs with four of a lane, and a group's dot products add up
 * where they stand, nothing to be brought together. What has been unpacked serves all
 * lanes.
 *
 *     for each group:  sum[lane] += weights[column / 4] . x[lane][column / 4]
 *                      slot[lane] += float(sum[lane]) * scale[output] * scale[lane]
 *
 * The integers are exact in any order. They become floats and are added slot by slot with
 * the operations and in the order of vnni_decode.c: a lane has the bits it has alone. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/avx512_transpose.h"
#include "kernels/x86/by_type.h"
#include "kernels/x86/vnni_weights.h"

enum { OUTPUTS = 16, MOST_LANES = KERNELS_PACK_ROWS };

/* A stretch of one lane, its columns in order. */
struct lane {
    int8_t q[VNNI_STRETCH];
    float scale[VNNI_BLOCKS];       /* of each block of 32 columns */
    float sums[VNNI_BLOCKS];        /* +- scale * sum of q, for the minima */
    int32_t start[2 * VNNI_BLOCKS]; /* of each group: less what the weights' offset adds */
};

struct work {
    unsigned char weights[OUTPUTS][VNNI_STRETCH];
    float scales[OUTPUTS][VNNI_SLOTS];            /* as unpacked */
    float of_slot[VNNI_SLOTS][OUTPUTS];           /* transposed */
    float sums[VNNI_SLOTS * MOST_LANES][OUTPUTS]; /* [slot][lane] */
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
                     size_t lanes, size_t columns)
{
    struct lane *at = packed;
    for (size_t k = 0; k < columns; k += VNNI_STRETCH, at += places(lanes)) {
        const size_t blocks = (columns - k) / 32;
        for (size_t lane = 0; lane < lanes; lane++) {
            struct vnni_quantized values;
            vnni_quantize(&values, x + lane * x_stride + k,
                          blocks < VNNI_BLOCKS ? blocks : VNNI_BLOCKS);
            put_lane(&at[lane], type, &values);
        }
        memset(at + lanes, 0, (places(lanes) - lanes) * sizeof *at);
    }
}

/* --- weights --------------------------------------------------------------------- */

/* Where the first and the last 16 columns of a group lie in an unpacked stretch. */
AVX512_INLINE size_t place(enum blocks_type type, size_t group, size_t half)
{
    size_t vector, quarter;
    if (vnni_group(type) == 16)
        return 16 * group;
    if (type == BLOCKS_Q8_0)
        return 32 * group + 16 * half;
    if (vnni_is_nibbles(type)) {
        vector = group / 4 * 2 + half;
        quarter = group % 4;
    } else {
        vector = group / 4 * 2 + group % 2;
        quarter = group % 4 / 2 * 2 + half;
    }
    return 64 * vector + 16 * quarter;
}

/* The stretches at `at`, row_bytes apart; `ahead` bytes on lies what comes next. */
AVX512_INLINE void unpack(enum blocks_type type, struct work *work, const unsigned char *at,
                          size_t row_bytes, size_t outputs, size_t ahead)
{
    for (size_t o = 0; o < outputs; o++, at += row_bytes) {
        __m512i z[4];
        for (size_t i = 0; i < vnni_stretch_bytes(type); i += 64)
            _mm_prefetch((const char *)at + ahead + i, _MM_HINT_T0);
        vnni_unpack(type, at, z);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            _mm512_store_si512((void *)(work->weights[o] + 64 * i), z[i]);
        _mm512_store_ps(work->scales[o], vnni_scales(type, at));
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < VNNI_SLOTS; i += 4) {
        __m512i slots[4];
        avx512_transpose(slots, (const unsigned char *)&work->scales[0][i], sizeof work->scales[0]);
#pragma GCC unroll 4
        for (size_t slot = 0; slot < 4; slot++)
            _mm512_store_si512((void *)work->of_slot[i + slot], slots[slot]);
    }
}

/* --- products -------------------------------------------------------------------- */

AVX512_INLINE __m512i broadcast4(const int8_t *bytes)
{
    int four;
    memcpy(&four, bytes, sizeof four);
    return _mm512_set1_epi32(four);
}

/* A group's dot products with L lanes. */
AVX512_INLINE void dots(enum blocks_type type, const size_t L, __m512i sum[],
                        const struct work *work, const struct lane *x, size_t group)
{
    const size_t columns = vnni_group(type);
#pragma GCC unroll 16
    for (size_t lane = 0; lane < L; lane++)
        sum[lane] =
            vnni_offset(type) ? _mm512_set1_epi32(x[lane].start[group]) : _mm512_setzero_si512();
#pragma GCC unroll 2
    for (size_t half = 0; half < columns / 16; half++) {
        const int8_t *q = x->q + columns * group + 16 * half;
        __m512i w[4];
        avx512_transpose(w, &work->weights[0][place(type, group, half)], sizeof work->weights[0]);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
#pragma GCC unroll 16
            for (size_t lane = 0; lane < L; lane++)
                sum[lane] = _mm512_dpbusd_epi32(sum[lane], w[i],
                                                broadcast4(q + lane * sizeof(struct lane) + 4 * i));
    }
}

/* An unpacked stretch with L lanes, onto the sums. */
AVX512_INLINE void stretch(enum blocks_type type, const size_t L, struct work *work,
                           const struct lane *x)
{
    const size_t groups = VNNI_STRETCH / vnni_group(type);
    for (size_t group = 0; group < groups; group++) {
        const size_t block = groups == VNNI_BLOCKS ? group : group / 2;
        const size_t slot = vnni_slot(type, group), low = vnni_minimum_slot(type, group) % 16;
        __m512i sum[MOST_LANES];
        dots(type, L, sum, work, x, group);
        const __m512 scale = _mm512_load_ps(work->of_slot[slot]);
        const __m512 minimum = _mm512_load_ps(work->of_slot[low]);
#pragma GCC unroll 16
        for (size_t lane = 0; lane < L; lane++) {
            float *to = work->sums[slot * L + lane];
            __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x[lane].scale[block]));
            _mm512_store_ps(
                to, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[lane]), both, _mm512_load_ps(to)));
            if (vnni_has_minimum(type)) {
                to = work->sums[low * L + lane];
                _mm512_store_ps(to, _mm512_fmadd_ps(_mm512_set1_ps(x[lane].sums[block]), minimum,
                                                    _mm512_load_ps(to)));
            }
        }
    }
}

/* The tree of avx512_sum(), 16 outputs at once. */
static void put(float *y, size_t y_stride, const struct work *work, size_t outputs, size_t lanes,
                size_t L, bool add)
{
    const __mmask16 exist = avx512_first(outputs);
    for (size_t lane = 0; lane < lanes; lane++, y += y_stride) {
        __m512 v[VNNI_SLOTS];
#pragma GCC unroll 16
        for (size_t slot = 0; slot < VNNI_SLOTS; slot++)
            v[slot] = _mm512_load_ps(work->sums[slot * L + lane]);
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

/* The last blocks of 16 rows, filled up with blocks of zeros. */
struct last {
    unsigned char blocks[OUTPUTS][VNNI_BLOCKS * 34];
};

static const unsigned char *fill_up(struct last *last, const unsigned char *at, size_t row_bytes,
                                    size_t outputs, size_t left)
{
    memset(last, 0, sizeof *last);
    for (size_t o = 0; o < outputs; o++)
        memcpy(last->blocks[o], at + o * row_bytes, left);
    return last->blocks[0];
}

AVX512_INLINE void outputs_of(enum blocks_type type, const size_t L, float *y, size_t y_stride,
                              const struct matrix *w, size_t first, size_t count,
                              const struct lane *x, size_t lanes, bool add, struct work *work)
{
    const size_t bytes = vnni_stretch_bytes(type), whole = w->columns / VNNI_STRETCH;
    const size_t left = w->row_bytes - whole * bytes;
    struct last last;
    for (size_t j = first; j < first + count; j += OUTPUTS) {
        const size_t outputs = first + count - j < OUTPUTS ? first + count - j : OUTPUTS;
        const unsigned char *at = w->data + j * w->row_bytes;
        size_t row_bytes = w->row_bytes;
        memset(work->sums, 0, VNNI_SLOTS * L * sizeof work->sums[0]);
        for (size_t i = 0; i < whole + (left > 0); i++, at += bytes) {
            if (i == whole) {
                at = fill_up(&last, at, row_bytes, outputs, left);
                row_bytes = sizeof last.blocks[0];
            }
            unpack(type, work, at, row_bytes, outputs, OUTPUTS * w->row_bytes);
            stretch(type, L, work, x + i * L);
        }
        put(y + j, y_stride, work, outputs, lanes, L, add);
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
    struct work *work = (void *)scratch;
    memset(work, 0, sizeof *work); /* for outputs that do not exist */
    WITH_BLOCK_TYPE(w->type, some_lanes, y, y_stride, w, first, count, x, lanes, add, work);
}
