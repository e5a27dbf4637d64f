/* amx_decode.c: the product for one generated token in each of several lanes.
 *
 * 16 outputs and 8 or 16 lanes at a time. For each group of weights that has its own
 * scale, one tile product gives 16 x 8 or 16 x 16 integers: the weights' bytes as they
 * lie, unsigned, times the lanes' bytes. Four stretches at a time these become floats and
 * are added, output by output, to the sums of their slots, which stay in registers, with
 * the operations and in the order of vnni_decode.c (amx_lanes.h). */
#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/vnni_weights.h"

enum { OUTPUTS = 16, MOST_GROUPS = 2 * VNNI_BLOCKS, CHUNK = 4, AHEAD = 1024 };

/* Work memory of one call. */
struct work {
    unsigned char weights[MOST_GROUPS][OUTPUTS][32]; /* of each group; 16 used of Q6_K's */
    float scales[CHUNK][OUTPUTS][VNNI_SLOTS];
    int32_t integers[CHUNK * MOST_GROUPS * OUTPUTS * AMX_LANES]; /* [][group][output][place] */
    float sums[OUTPUTS * VNNI_SLOTS * AMX_LANES];                /* [output][slot][place] */
};
_Static_assert(sizeof(struct work) <= LEVELS_LANES_FLOATS * sizeof(float),
               "kernels_scratch_floats");

/* 16 rows of weights, and where the results go. */
struct rows {
    const unsigned char *data;
    size_t row_bytes, outputs;
};

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

/* The 16 outputs' integers of every group of a stretch. Two products alternate, so that
 * one's storing overlaps the other's multiplying. */
AVX512_INLINE void multiply(enum blocks_type type, const struct work *work, int32_t *integers,
                            const struct amx_stretch *x, size_t places)
{
    const size_t groups = VNNI_STRETCH / vnni_group(type), bytes = 4 * places;
    const size_t factor = vnni_group(type) * places, tile = OUTPUTS * places;
    amx_finish_writes();
    for (size_t g = 0; g < groups; g += 2) {
        _tile_zero(0);
        _tile_loadd(4, work->weights[g], 32);
        _tile_loadd(6, x->q + g * factor, bytes);
        _tile_dpbusd(0, 4, 6);
        _tile_zero(1);
        _tile_loadd(5, work->weights[g + 1], 32);
        _tile_loadd(7, x->q + (g + 1) * factor, bytes);
        _tile_dpbusd(1, 5, 7);
        _tile_stored(0, integers + g * tile, bytes);
        _tile_stored(1, integers + (g + 1) * tile, bytes);
    }
    amx_finish_writes();
}

/* Stretch number `index` of a chunk: everything but its sums. */
AVX512_INLINE void unpack(enum blocks_type type, struct work *work, size_t index,
                          const struct rows *rows, const struct amx_stretch *x, size_t places)
{
    for (size_t o = 0; o < rows->outputs; o++) {
        const unsigned char *at = rows->data + o * rows->row_bytes;
        __m512i z[4];
        for (size_t i = 0; i < vnni_stretch_bytes(type); i += 64)
            _mm_prefetch((const char *)at + AHEAD + i, _MM_HINT_T0);
        vnni_unpack(type, at, z);
        scatter(type, work, o, z);
        _mm512_store_ps(work->scales[index][o], vnni_scales(type, at));
    }
    multiply(type, work, work->integers + index * MOST_GROUPS * OUTPUTS * places, x, places);
}

#define PLACES 8
#define NAME(name) name##_8
#define FLOATS __m256
#define INTEGERS __m256i
#define LOAD_FLOATS _mm256_load_ps
#define STORE_FLOATS _mm256_store_ps
#define LOAD_INTEGERS(at) _mm256_load_si256((const void *)(at))
#define SUBTRACT _mm256_sub_epi32
#define CONVERT _mm256_cvtepi32_ps
#define SET _mm256_set1_ps
#define MULTIPLY _mm256_mul_ps
#define MULTIPLY_ADD _mm256_fmadd_ps
#define ADD _mm256_add_ps
#include "kernels/x86/amx_lanes.h"

#define PLACES 16
#define NAME(name) name##_16
#define FLOATS __m512
#define INTEGERS __m512i
#define LOAD_FLOATS _mm512_load_ps
#define STORE_FLOATS _mm512_store_ps
#define LOAD_INTEGERS(at) _mm512_load_si512((const void *)(at))
#define SUBTRACT _mm512_sub_epi32
#define CONVERT _mm512_cvtepi32_ps
#define SET _mm512_set1_ps
#define MULTIPLY _mm512_mul_ps
#define MULTIPLY_ADD _mm512_fmadd_ps
#define ADD _mm512_add_ps
#include "kernels/x86/amx_lanes.h"

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
            (amx_places(lanes) == 8 ? decode_8 : decode_16)(
                y + r * y_stride, y_stride, w, first, count, packed, lanes, add, (void *)scratch);
    }
}
