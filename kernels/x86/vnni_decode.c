/* vnni_decode.c: the product for one generated token, by dot products of bytes (vnni.h).
 * Several lanes: vnni_lanes.c.
 *
 * One output at a time, so that the weights are read as one stream. A stretch of 256
 * weights takes four instructions of multiply-adds, some ten to unpack it and as many
 * to bring the 16 integer sums of each vector together in one. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/by_type.h"
#include "kernels/x86/vnni_weights.h"

enum { AHEAD = 2048 }; /* bytes; beyond the matrix this is harmless */

AVX512_INLINE void prefetch(const unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)at + AHEAD + i, _MM_HINT_T0);
}

AVX512_INLINE __m512i dot(__m512i sum, __m512i weights, const int8_t *x)
{
    return _mm512_dpbusd_epi32(sum, weights, _mm512_load_si512((const void *)x));
}

AVX512_INLINE __m512i add_pairs(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* The dot product of each slot that has one. */
AVX512_INLINE __m512i dots(enum blocks_type type, const __m512i z[4], const int8_t *x)
{
    const __m512i zero = _mm512_setzero_si512();
    if (vnni_is_nibbles(type)) { /* lane j: block j, block 4 + j, the same again */
        __m512i a = dot(dot(zero, z[0], x), z[1], x + 64);
        __m512i b = dot(dot(zero, z[2], x + 128), z[3], x + 192);
        __m512i pairs = add_pairs(a, b);
        return _mm512_add_epi32(pairs, _mm512_shuffle_epi32(pairs, (_MM_PERM_ENUM)0x4E));
    }
    __m512i a = add_pairs(dot(zero, z[0], x), dot(zero, z[1], x + 64));
    __m512i b = add_pairs(dot(zero, z[2], x + 128), dot(zero, z[3], x + 192));
    __m512i sums = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    if (type == BLOCKS_Q6_K) /* 4 j + i: lane j of vector i */
        return sums;
    return _mm512_add_epi32(sums, _mm512_shuffle_i32x4(sums, sums, 0xB1));
}

AVX512_INLINE __m512 stretch(enum blocks_type type, __m512 sum, const unsigned char *block,
                             const struct vnni_stretch *x)
{
    const __mmask16 products = vnni_products(type);
    __m512i z[4];
    vnni_unpack(type, block, z);
    __m512i integers = dots(type, z, x->q);
    if (vnni_offset(type))
        integers = _mm512_sub_epi32(integers, _mm512_load_si512(x->offset));
    __m512 scales = vnni_scales(type, block), x_scales = _mm512_load_ps(x->scale);
    __m512 values;
    if (vnni_has_minimum(type)) {
        values = _mm512_mask_cvtepi32_ps(_mm512_load_ps(x->sums), products, integers);
        scales = _mm512_mask_mul_ps(scales, products, scales, x_scales);
    } else {
        values = _mm512_maskz_cvtepi32_ps(products, integers);
        scales = _mm512_mul_ps(scales, x_scales);
    }
    return _mm512_fmadd_ps(values, scales, sum);
}

AVX512_INLINE void outputs_of(enum blocks_type type, float *y, const struct matrix *w, size_t first,
                              size_t count, const struct vnni_stretch *x, bool add)
{
    const size_t bytes = vnni_stretch_bytes(type), whole = w->columns / VNNI_STRETCH;
    const size_t left = w->row_bytes - whole * bytes;
    const unsigned char *block = w->data + first * w->row_bytes;
    for (size_t j = first; j < first + count; j++) {
        __m512 sum = _mm512_setzero_ps();
        for (size_t i = 0; i < whole; i++, block += bytes) {
            prefetch(block, bytes);
            sum = stretch(type, sum, block, &x[i]);
        }
        if (left) { /* filled up with blocks of zeros */
            unsigned char last[8 * 34] = {0};
            memcpy(last, block, left);
            sum = stretch(type, sum, last, &x[whole]);
            block += left;
        }
        y[j] = add ? y[j] + avx512_sum(sum) : avx512_sum(sum);
    }
}

void vnni_decode_row(float *y, const struct matrix *w, size_t first, size_t count,
                     const struct vnni_stretch *x, bool add)
{
    WITH_BLOCK_TYPE(w->type, outputs_of, y, w, first, count, x, add);
}

void vnni_decode(vnni_lanes_product *several, float *y, size_t y_stride, const struct matrix *w,
                 size_t first, size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                 float *scratch)
{
    if (!vnni_rounds_to_bytes(w)) {
        avx512_decode_matmul(y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
        return;
    }
    for (size_t r = 0; r < rows; r += KERNELS_PACK_ROWS, y += KERNELS_PACK_ROWS * y_stride) {
        const void *packed = x + r * x_stride;
        if (rows - r == 1)
            vnni_decode_row(y, w, first, count, packed, add);
        else
            several(y, y_stride, w, first, count, packed,
                    rows - r < KERNELS_PACK_ROWS ? rows - r : KERNELS_PACK_ROWS, add, scratch);
    }
}

void vnni_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch)
{
    vnni_decode(vnni_decode_lanes, y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
}
