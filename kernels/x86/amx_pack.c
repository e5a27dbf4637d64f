/* amx_pack.c: activations rounded once a row, and the level's table. */
#include "kernels/x86/amx.h"
#include "kernels/x86/avx512.h"
#include "kernels/x86/vnni_weights.h"

static void put_block(const struct amx_stretch *s, enum blocks_type type, size_t block, size_t lane,
                      size_t places, const struct vnni_quantized *values)
{
    const int offset = vnni_offset(type);
    int sum = values->sums[0] + values->sums[1];
    for (size_t i = 0; i < 8; i++)
        memcpy(s->q + ((8 * block + i) * places + lane) * 4, values->q + 4 * i, 4);
    s->scale[block * places + lane] = values->scale;
    float part = values->scale * (float)sum;
    s->sums[block * places + lane] = type == BLOCKS_Q5_1 ? part : -part;
    if (vnni_group(type) == 16)
        for (size_t half = 0; half < 2; half++)
            s->offset[(2 * block + half) * places + lane] = offset * values->sums[half];
    else
        s->offset[block * places + lane] = offset * sum;
}

static void pack_lanes(void *packed, enum blocks_type type, const float *x, size_t x_stride,
                       size_t lanes, size_t columns)
{
    const size_t places = amx_places(lanes);
    const size_t stretches = (columns + VNNI_STRETCH - 1) / VNNI_STRETCH;
    memset(packed, 0,
           (size_t)((char *)amx_stretch_at(packed, places, stretches).q - (char *)packed));
    for (size_t k = 0; k < columns; k += 32) {
        const struct amx_stretch s = amx_stretch_at(packed, places, k / VNNI_STRETCH);
        for (size_t lane = 0; lane < lanes; lane++) {
            struct vnni_quantized values;
            vnni_quantize(&values, x + lane * x_stride + k);
            put_block(&s, type, k % VNNI_STRETCH / 32, lane, places, &values);
        }
    }
}

void amx_pack(float *packed, const struct matrix *w, bool decode, const float *x, size_t x_stride,
              size_t first, size_t count)
{
    if (!decode || count == 1)
        vnni_pack(packed, w, decode, x, x_stride, first, count);
    else
        pack_lanes(packed + first * x_stride, w->type, x + first * x_stride, x_stride, count,
                   w->columns);
}

const struct kernels levels_amx = {
    .name = "amx",
    .revision = 1,
    .rounds = true,
    .pass_rows = 512,
    .packs = vnni_packs,
    .pack = amx_pack,
    .prefill_matmul = amx_prefill_matmul,
    .decode_matmul = amx_decode_matmul,
    .rms_norm = avx512_rms_norm,
    .conv_silu = avx512_conv_silu,
    .scan = avx512_scan,
    .row = avx512_row,
    .sum_exp = avx512_sum_exp,
};
