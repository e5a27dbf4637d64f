/* vnni_pack.c: activations rounded once a row (vnni.h), and the level's table. */
#include "kernels/x86/avx512.h"
#include "kernels/x86/avx512_math.h"
#include "kernels/x86/bf16.h"
#include "kernels/x86/vnni_weights.h"

bool vnni_rounds_to_bytes(const struct matrix *w)
{
    return !avx512_is_plain(w->type) && w->columns >= VNNI_STRETCH;
}

bool vnni_packs(const struct matrix *w, bool decode)
{
    return !decode || vnni_rounds_to_bytes(w);
}

/* --- rounding -------------------------------------------------------------------- */

/* The largest value of each of eight vectors, in their order; exact in any. */
AVX512_INLINE __m256 largest_of(const __m512 v[8])
{
    __m512 pairs[4], fours[2];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++)
        pairs[i] = _mm512_max_ps(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]),
                                 _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++) {
        __m512d a = _mm512_castps_pd(pairs[2 * i]), b = _mm512_castps_pd(pairs[2 * i + 1]);
        fours[i] = _mm512_max_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)),
                                 _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
    }
    /* Each 128-bit lane: the largest of vectors 0 to 3, and of 4 to 7. */
    __m512 r = _mm512_max_ps(_mm512_shuffle_f32x4(fours[0], fours[1], 0x88),
                             _mm512_shuffle_f32x4(fours[0], fours[1], 0xDD));
    r = _mm512_max_ps(r, _mm512_shuffle_f32x4(r, r, 0xB1));
    return _mm512_castps512_ps256(_mm512_shuffle_f32x4(r, r, 0x08));
}

AVX512_INLINE __m512i add_pairs(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* The sums of each 16 of 256 bytes. */
AVX512_INLINE void sum_sixteens(int32_t sums[16], const int8_t *q)
{
    const __m512i zero = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1);
    __m512i fours[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++)
        fours[i] = _mm512_dpbusd_epi32(zero, ones, _mm512_loadu_si512(q + 64 * i));
    __m512i a = add_pairs(fours[0], fours[1]), b = add_pairs(fours[2], fours[3]);
    __m512i s = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    /* Lane j, place i: of lane j of vector i. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_storeu_si512(sums, _mm512_permutexvar_epi32(order, s));
}

/* A block's largest value becomes 127. A block of zeros, or of values too small to be
 * divided by, becomes zeros; one with an infinity or NaN becomes NaN. */
void vnni_quantize(struct vnni_quantized *values, const float *x, size_t blocks)
{
    __m512 most[VNNI_BLOCKS];
    unsigned odd = 0;
    for (size_t i = 0; i < VNNI_BLOCKS; i++) {
        most[i] = _mm512_setzero_ps();
        if (i >= blocks)
            continue;
        __m512 a0 = _mm512_abs_ps(_mm512_loadu_ps(x + 32 * i));
        __m512 a1 = _mm512_abs_ps(_mm512_loadu_ps(x + 32 * i + 16));
        most[i] = _mm512_max_ps(a0, a1);
        /* max() drops a NaN on one side: the sum does not. */
        if (_mm512_cmp_ps_mask(_mm512_add_ps(a0, a1), _mm512_set1_ps(__builtin_inff()),
                               _CMP_NLT_UQ))
            odd |= 1u << i;
    }
    const __m256 top = largest_of(most), full = _mm256_set1_ps(127), zero = _mm256_setzero_ps();
    __mmask8 divides = _mm256_cmp_ps_mask(top, _mm256_set1_ps(0x1p-100f), _CMP_GT_OQ);
    __m256 inverse = _mm256_maskz_div_ps(divides, full, top);
    __mmask8 used = _mm256_cmp_ps_mask(inverse, zero, _CMP_GT_OQ);
    __m256 scale = _mm256_maskz_div_ps(used, top, full);
    _mm256_storeu_ps(values->scale,
                     _mm256_mask_mov_ps(scale, (__mmask8)odd, _mm256_set1_ps(__builtin_nanf(""))));
    float factors[VNNI_BLOCKS];
    _mm256_storeu_ps(factors, inverse);
    memset(values->q + 32 * blocks, 0, VNNI_STRETCH - 32 * blocks);
    for (size_t i = 0; i < 2 * blocks; i++) {
        __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x + 16 * i), _mm512_set1_ps(factors[i / 2]));
        _mm_storeu_si128((void *)(values->q + 16 * i),
                         _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
    }
    sum_sixteens(values->sums, values->q);
}

/* --- one row --------------------------------------------------------------------- */

/* Where the first and the last 16 columns of a block lie in a stretch (vnni_weights.h). */
static size_t place(enum blocks_type type, size_t block, size_t half)
{
    if (vnni_is_nibbles(type))
        return block / 4 * 128 + half * 64 + block % 4 * 16;
    if (type == BLOCKS_Q4_K || type == BLOCKS_Q5_K)
        return block / 4 * 128 + block % 2 * 64 + block / 2 % 2 * 32 + half * 16;
    return block * 32 + half * 16;
}

static void put_block(struct vnni_stretch *s, enum blocks_type type, size_t block,
                      const struct vnni_quantized *values)
{
    const int offset = vnni_offset(type);
    const int32_t *sums = &values->sums[2 * block];
    const float scale = values->scale[block];
    for (size_t half = 0; half < 2; half++)
        memcpy(s->q + place(type, block, half), values->q + 32 * block + 16 * half, 16);
    if (vnni_group(type) == 16) {
        for (size_t half = 0; half < 2; half++) {
            size_t slot = vnni_slot(type, 2 * block + half);
            s->scale[slot] = scale;
            s->offset[slot] = offset * sums[half];
        }
        return;
    }
    size_t slot = vnni_slot(type, block);
    s->scale[slot] = scale;
    s->offset[slot] = offset * (sums[0] + sums[1]);
    if (vnni_has_minimum(type)) {
        float part = scale * (float)(sums[0] + sums[1]);
        s->sums[vnni_minimum_slot(type, block)] = type == BLOCKS_Q5_1 ? part : -part;
    }
}

static void pack_row(struct vnni_stretch *packed, enum blocks_type type, const float *x,
                     size_t columns)
{
    for (size_t k = 0; k < columns; k += VNNI_STRETCH, packed++) {
        const size_t blocks = (columns - k) / 32;
        struct vnni_quantized values;
        vnni_quantize(&values, x + k, blocks < VNNI_BLOCKS ? blocks : VNNI_BLOCKS);
        memset(packed, 0, sizeof *packed);
        for (size_t i = 0; i < VNNI_BLOCKS; i++)
            put_block(packed, type, i, &values);
    }
}

const float *vnni_packed_from(const float *packed, const struct matrix *w, size_t row)
{
    return (const void *)((const uint16_t *)(const void *)packed +
                          row / 16 * bf16_apart(w->columns));
}

void vnni_pack_pass(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                    size_t first, size_t count, size_t begin, size_t end)
{
    uint16_t *tiles = (uint16_t *)(void *)packed + first / 16 * bf16_apart(w->columns);
    bf16_pack(tiles + begin / BF16_TILE_COLUMNS * BF16_TILE, x, x_stride, count, end - begin);
}

void vnni_pack(float *packed, const struct matrix *w, const float *x, size_t x_stride, size_t first,
               size_t count, size_t begin, size_t end)
{
    x += first * x_stride;
    packed += first * x_stride;
    if (count == 1)
        pack_row((struct vnni_stretch *)(void *)packed + begin / VNNI_STRETCH, w->type, x + begin,
                 end - begin);
    for (size_t lane = 0; count > 1 && lane < count; lane++)
        vnni_pack_lane(packed, w->type, x + lane * x_stride, count, lane, begin, end);
}

void vnni_pack_row(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                   size_t first, size_t count, size_t row)
{
    x += (first + row) * x_stride;
    packed += first * x_stride;
    if (count == 1)
        pack_row((void *)packed, w->type, x, w->columns);
    else
        vnni_pack_lane(packed, w->type, x, count, row, 0, w->columns);
}

const struct kernels levels_vnni = {
    .name = "vnni",
    .revision = 1,
    .rounds = true,
    .pass_rows = 512,
    .product_rows = 512,
    .packs = vnni_packs,
    .pack_pass = vnni_pack_pass,
    .packed_from = vnni_packed_from,
    .pack = vnni_pack,
    .pack_row = vnni_pack_row,
    .prefill_matmul = vnni_prefill_matmul,
    .decode_matmul = vnni_decode_matmul,
    .rms_norm = avx512_rms_norm,
    .conv_silu = avx512_conv_silu,
    .scan = avx512_scan,
    .row = avx512_row,
    .sum_exp = avx512_sum_exp,
};
