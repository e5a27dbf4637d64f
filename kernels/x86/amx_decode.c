/* amx_decode.c: the product for one generated token in each of several lanes.
 *
 * 16 outputs and up to 16 lanes at a time. For each group of weights that has its own
 * scale, one tile product gives 16 x 16 integers: the weights' bytes as they lie, unsigned,
 * times the lanes' bytes. They become floats and are added, output by output, to the sums
 * of their slot, 16 lanes in a vector, with the operations and in the order of
 * vnni_decode.c. */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/vnni_weights.h"

enum { OUTPUTS = 16, AHEAD = 1024 };

/* Work memory of one call. */
struct work {
    unsigned char weights[2 * VNNI_BLOCKS][OUTPUTS][32];  /* of each group; 16 used of Q6_K's */
    int32_t integers[2 * VNNI_BLOCKS][OUTPUTS][AMX_LANES];
    float scales[OUTPUTS][VNNI_SLOTS];
    float sums[OUTPUTS][VNNI_SLOTS][AMX_LANES];
};
_Static_assert(sizeof(struct work) <= LEVELS_LANES_FLOATS * sizeof(float), "kernels_scratch_floats");

AVX512_INLINE void store16(unsigned char *at, __m128i bytes)
{
    _mm_storeu_si128((void *)at, bytes);
}

/* One output's weights to their groups. */
AVX512_INLINE void scatter(enum blocks_type type, struct work *work, size_t output,
                           const __m512i z[4])
{
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        const __m128i part[4] = {
            _mm512_extracti32x4_epi32(z[i], 0), _mm512_extracti32x4_epi32(z[i], 1),
            _mm512_extracti32x4_epi32(z[i], 2), _mm512_extracti32x4_epi32(z[i], 3)};
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++) {
            size_t group = 2 * i + j / 2, half = j % 2; /* as they are */
            if (vnni_is_nibbles(type)) {
                group = i / 2 * 4 + j;
                half = i % 2;
            } else if (type == BLOCKS_Q6_K) {
                group = 4 * i + j;
                half = 0;
            } else if (type != BLOCKS_Q8_0) {
                group = i / 2 * 4 + i % 2 + j / 2 * 2;
            }
            store16(&work->weights[group][output][16 * half], part[j]);
        }
    }
}

/* The 16 outputs' integers of every group. Two products alternate, so that one's
 * storing overlaps the other's multiplying. */
AVX512_INLINE void multiply(enum blocks_type type, struct work *work, const struct amx_stretch *x)
{
    const size_t groups = VNNI_STRETCH / vnni_group(type), rows = vnni_group(type) / 4;
    amx_finish_writes();
    for (size_t g = 0; g < groups; g += 2) {
        _tile_zero(0);
        _tile_loadd(4, work->weights[g], 32);
        _tile_loadd(6, x->q[g * rows], 64);
        _tile_dpbusd(0, 4, 6);
        _tile_zero(1);
        _tile_loadd(5, work->weights[g + 1], 32);
        _tile_loadd(7, x->q[(g + 1) * rows], 64);
        _tile_dpbusd(1, 5, 7);
        _tile_stored(0, work->integers[g], 64);
        _tile_stored(1, work->integers[g + 1], 64);
    }
    amx_finish_writes();
}

AVX512_INLINE void add_group(enum blocks_type type, struct work *work, const struct amx_stretch *x,
                             size_t group)
{
    const size_t block = vnni_group(type) == 16 ? group / 2 : group;
    const size_t slot = vnni_slot(type, group), low = vnni_minimum_slot(type, group);
    const __m512 x_scale = _mm512_load_ps(x->scale[block]), x_sums = _mm512_load_ps(x->sums[block]);
    const __m512i offset = _mm512_load_si512(x->offset[group]);
    for (size_t o = 0; o < OUTPUTS; o++) {
        __m512i integers = _mm512_load_si512(work->integers[group][o]);
        if (vnni_offset(type))
            integers = _mm512_sub_epi32(integers, offset);
        __m512 scale = _mm512_mul_ps(_mm512_set1_ps(work->scales[o][slot]), x_scale);
        float *sum = work->sums[o][slot];
        _mm512_store_ps(sum,
                        _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers), scale, _mm512_load_ps(sum)));
        if (vnni_has_minimum(type)) {
            sum = work->sums[o][low];
            _mm512_store_ps(sum, _mm512_fmadd_ps(x_sums, _mm512_set1_ps(work->scales[o][low]),
                                                 _mm512_load_ps(sum)));
        }
    }
}

AVX512_INLINE void stretch(enum blocks_type type, struct work *work, const unsigned char *block,
                           size_t row_bytes, size_t outputs, const struct amx_stretch *x)
{
    for (size_t o = 0; o < outputs; o++) {
        const unsigned char *at = block + o * row_bytes;
        __m512i z[4];
        for (size_t i = 0; i < vnni_stretch_bytes(type); i += 64)
            _mm_prefetch((const char *)at + AHEAD + i, _MM_HINT_T0);
        vnni_unpack(type, at, z);
        scatter(type, work, o, z);
        _mm512_store_ps(work->scales[o], vnni_scales(type, at));
    }
    multiply(type, work, x);
    for (size_t group = 0; group < VNNI_STRETCH / vnni_group(type); group++)
        add_group(type, work, x, group);
}

/* The last blocks of a row, filled up with blocks of zeros. */
AVX512_INLINE void last_stretch(enum blocks_type type, struct work *work,
                                const unsigned char *block, size_t row_bytes, size_t left,
                                size_t outputs, const struct amx_stretch *x)
{
    unsigned char rows[OUTPUTS][8 * 34] = {{0}};
    for (size_t o = 0; o < outputs; o++)
        memcpy(rows[o], block + o * row_bytes, left);
    stretch(type, work, rows[0], sizeof rows[0], outputs, x);
}

/* The tree of avx512_sum(), lane by lane. */
static __m512 fold(float slots[VNNI_SLOTS][AMX_LANES])
{
    __m512 v[VNNI_SLOTS];
    for (size_t i = 0; i < VNNI_SLOTS; i++)
        v[i] = _mm512_load_ps(slots[i]);
    for (size_t step = VNNI_SLOTS / 2; step; step /= 2)
        for (size_t i = 0; i < step; i++)
            v[i] = _mm512_add_ps(v[i], v[i + step]);
    return v[0];
}

static void put(float *y, size_t y_stride, struct work *work, size_t outputs, size_t lanes,
                bool add)
{
    for (size_t o = 0; o < outputs; o++) {
        float totals[AMX_LANES];
        _mm512_storeu_ps(totals, fold(work->sums[o]));
        for (size_t lane = 0; lane < lanes; lane++) {
            float *out = &y[lane * y_stride + o];
            *out = add ? *out + totals[lane] : totals[lane];
        }
    }
}

AVX512_INLINE void outputs_of(enum blocks_type type, float *y, size_t y_stride,
                              const struct matrix *w, size_t first, size_t count,
                              const struct amx_stretch *x, size_t lanes, bool add,
                              struct work *work)
{
    const size_t bytes = vnni_stretch_bytes(type), whole = w->columns / VNNI_STRETCH;
    const size_t left = w->row_bytes - whole * bytes;
    amx_configure((unsigned)vnni_group(type), (unsigned)vnni_group(type) / 4);
    for (size_t j = first; j < first + count; j += OUTPUTS) {
        const size_t outputs = first + count - j < OUTPUTS ? first + count - j : OUTPUTS;
        const unsigned char *block = w->data + j * w->row_bytes;
        memset(work->sums, 0, sizeof work->sums);
        for (size_t i = 0; i < whole; i++, block += bytes)
            stretch(type, work, block, w->row_bytes, outputs, &x[i]);
        if (left)
            last_stretch(type, work, block, w->row_bytes, left, outputs, &x[whole]);
        put(y + j, y_stride, work, outputs, lanes, add);
    }
    _tile_release();
}

static void decode_lanes(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const struct amx_stretch *x, size_t lanes, bool add,
                         struct work *work)
{
    switch (w->type) {
    case BLOCKS_Q4_0:
        outputs_of(BLOCKS_Q4_0, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q5_0:
        outputs_of(BLOCKS_Q5_0, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q5_1:
        outputs_of(BLOCKS_Q5_1, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q8_0:
        outputs_of(BLOCKS_Q8_0, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q4_K:
        outputs_of(BLOCKS_Q4_K, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q5_K:
        outputs_of(BLOCKS_Q5_K, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    case BLOCKS_Q6_K:
        outputs_of(BLOCKS_Q6_K, y, y_stride, w, first, count, x, lanes, add, work);
        break;
    default:
        break;
    }
}

void amx_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                       size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                       float *scratch)
{
    if (!vnni_rounds_to_bytes(w)) {
        avx512_decode_matmul(y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
        return;
    }
    for (size_t r = 0; r < rows; r += AMX_LANES) {
        size_t lanes = rows - r < AMX_LANES ? rows - r : AMX_LANES;
        const void *packed = x + r * x_stride;
        if (lanes == 1)
            vnni_decode_row(y + r * y_stride, w, first, count, packed, add);
        else
            decode_lanes(y + r * y_stride, y_stride, w, first, count, packed, lanes, add,
                         (void *)scratch);
    }
}
