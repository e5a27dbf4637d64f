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

/* The largest becomes 127. A block of zeros, or of values too small to be divided by,
 * becomes zeros; one with an infinity or NaN becomes NaN. */
void vnni_quantize(struct vnni_quantized *block, const float *x)
{
    __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
    __m512 a0 = _mm512_abs_ps(x0), a1 = _mm512_abs_ps(x1);
    float most = _mm512_reduce_max_ps(_mm512_max_ps(a0, a1)); /* exact in any order */
    /* max() drops a NaN on one side: the sum does not. */
    __mmask16 odd =
        _mm512_cmp_ps_mask(_mm512_add_ps(a0, a1), _mm512_set1_ps(__builtin_inff()), _CMP_NLT_UQ);
    float inverse = most > 0x1p-100f ? 127.0f / most : 0;
    __m512i q0 = _mm512_cvtps_epi32(_mm512_mul_ps(x0, _mm512_set1_ps(inverse)));
    __m512i q1 = _mm512_cvtps_epi32(_mm512_mul_ps(x1, _mm512_set1_ps(inverse)));
    _mm_storeu_si128((void *)block->q, _mm512_cvtsepi32_epi8(q0));
    _mm_storeu_si128((void *)(block->q + 16), _mm512_cvtsepi32_epi8(q1));
    block->scale = odd ? __builtin_nanf("") : inverse > 0 ? most / 127.0f : 0;
    block->sums[0] = _mm512_reduce_add_epi32(q0);
    block->sums[1] = _mm512_reduce_add_epi32(q1);
}

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
    for (size_t half = 0; half < 2; half++)
        memcpy(s->q + place(type, block, half), values->q + 16 * half, 16);
    if (vnni_group(type) == 16) {
        for (size_t half = 0; half < 2; half++) {
            size_t slot = vnni_slot(type, 2 * block + half);
            s->scale[slot] = values->scale;
            s->offset[slot] = offset * values->sums[half];
        }
        return;
    }
    int sum = values->sums[0] + values->sums[1];
    size_t slot = vnni_slot(type, block);
    s->scale[slot] = values->scale;
    s->offset[slot] = offset * sum;
    if (vnni_has_minimum(type)) {
        float part = values->scale * (float)sum;
        s->sums[vnni_minimum_slot(type, block)] = type == BLOCKS_Q5_1 ? part : -part;
    }
}

static void pack_row(struct vnni_stretch *packed, enum blocks_type type, const float *x,
                     size_t columns)
{
    for (size_t k = 0; k < columns; k += VNNI_STRETCH, packed++) {
        size_t blocks = (columns - k) / 32;
        memset(packed, 0, sizeof *packed);
        for (size_t i = 0; i < VNNI_BLOCKS && i < blocks; i++) {
            struct vnni_quantized values;
            vnni_quantize(&values, x + k + 32 * i);
            put_block(packed, type, i, &values);
        }
    }
}

void vnni_pack(float *packed, const struct matrix *w, bool decode, const float *x, size_t x_stride,
               size_t first, size_t count)
{
    if (!decode) {
        bf16_pack((uint16_t *)(void *)packed + first / 16 * bf16_apart(w->columns),
                  x + first * x_stride, x_stride, count, w->columns);
        return;
    }
    packed += first * x_stride;
    x += first * x_stride;
    if (count == 1)
        pack_row((void *)packed, w->type, x, w->columns);
    else
        vnni_pack_lanes(packed, w->type, x, x_stride, count, w->columns);
}

const struct kernels levels_vnni = {
    .name = "vnni",
    .revision = 1,
    .rounds = true,
    .pass_rows = 512,
    .packs = vnni_packs,
    .pack = vnni_pack,
    .prefill_matmul = vnni_prefill_matmul,
    .decode_matmul = vnni_decode_matmul,
    .rms_norm = avx512_rms_norm,
    .conv_silu = avx512_conv_silu,
    .scan = avx512_scan,
    .row = avx512_row,
    .sum_exp = avx512_sum_exp,
};
