#include "kernels/blocks.h"

#include <assert.h>
#include <string.h>

static const struct blocks_layout layouts[BLOCKS_TYPES] = {
    [BLOCKS_F32] = {"F32", 1, 4},       [BLOCKS_F16] = {"F16", 1, 2},
    [BLOCKS_BF16] = {"BF16", 1, 2},     [BLOCKS_Q4_0] = {"Q4_0", 32, 18},
    [BLOCKS_Q5_0] = {"Q5_0", 32, 22},   [BLOCKS_Q5_1] = {"Q5_1", 32, 24},
    [BLOCKS_Q8_0] = {"Q8_0", 32, 34},   [BLOCKS_Q4_K] = {"Q4_K", 256, 144},
    [BLOCKS_Q5_K] = {"Q5_K", 256, 176}, [BLOCKS_Q6_K] = {"Q6_K", 256, 210},
};

const struct blocks_layout *blocks_layout(uint32_t type)
{
    return type < BLOCKS_TYPES && layouts[type].name ? &layouts[type] : NULL;
}

size_t blocks_row_bytes(enum blocks_type type, size_t columns)
{
    const struct blocks_layout *layout = blocks_layout(type);
    assert(layout && columns % layout->weights == 0);
    return columns / layout->weights * layout->bytes;
}

static uint16_t load16(const unsigned char *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t load32(const unsigned char *bytes)
{
    return (uint32_t)load16(bytes) | (uint32_t)load16(bytes + 2) << 16;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float blocks_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31u;
    uint32_t fraction = half & 0x3FFu;
    if (exponent == 0) /* zero and subnormals: fraction * 2^-24, exact in float */
        return float_of_bits(sign) + (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
    if (exponent == 31)
        return float_of_bits(sign | 0x7F800000u | fraction << 13);
    return float_of_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

static float load_half(const unsigned char *bytes)
{
    return blocks_half_to_float(load16(bytes));
}

static void q4_0(float out[32], const unsigned char *block)
{
    float d = load_half(block);
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((block[2 + i] & 15) - 8);
        out[i + 16] = d * (float)((block[2 + i] >> 4) - 8);
    }
}

static void q5_0(float out[32], const unsigned char *block)
{
    float d = load_half(block);
    uint32_t high = load32(block + 2);
    for (int i = 0; i < 16; i++) {
        int low_q = (block[6 + i] & 15) | (int)(high >> i & 1) << 4;
        int high_q = (block[6 + i] >> 4) | (int)(high >> (i + 16) & 1) << 4;
        out[i] = d * (float)(low_q - 16);
        out[i + 16] = d * (float)(high_q - 16);
    }
}

static void q5_1(float out[32], const unsigned char *block)
{
    float d = load_half(block), m = load_half(block + 2);
    uint32_t high = load32(block + 4);
    for (int i = 0; i < 16; i++) {
        int low_q = (block[8 + i] & 15) | (int)(high >> i & 1) << 4;
        int high_q = (block[8 + i] >> 4) | (int)(high >> (i + 16) & 1) << 4;
        out[i] = d * (float)low_q + m;
        out[i + 16] = d * (float)high_q + m;
    }
}

static void q8_0(float out[32], const unsigned char *block)
{
    float d = load_half(block);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(signed char)block[2 + i];
}

/* The 6-bit scales and mins of the eight groups of a K block, packed in 12 bytes:
 * groups 0-3 in the low six bits of bytes 0-3 and 4-7; of groups 4-7 the low four
 * bits in bytes 8-11 and the high two in the top bits of bytes 0-7. */
static void scales_and_mins(int scale[8], int min[8], const unsigned char *packed)
{
    for (int i = 0; i < 4; i++) {
        scale[i] = packed[i] & 63;
        min[i] = packed[i + 4] & 63;
        scale[i + 4] = (packed[i + 8] & 15) | packed[i] >> 6 << 4;
        min[i + 4] = packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4;
    }
}

static void q4_k(float out[256], const unsigned char *block)
{
    float d = load_half(block), dmin = load_half(block + 2);
    const unsigned char *nibbles = block + 16;
    int scale[8], min[8];
    scales_and_mins(scale, min, block + 4);
    for (int group = 0; group < 8; group++) {
        float ds = d * (float)scale[group], dm = dmin * (float)min[group];
        const unsigned char *q = nibbles + group / 2 * 32;
        for (int i = 0; i < 32; i++)
            out[32 * group + i] = ds * (float)(group % 2 ? q[i] >> 4 : q[i] & 15) - dm;
    }
}

static void q5_k(float out[256], const unsigned char *block)
{
    float d = load_half(block), dmin = load_half(block + 2);
    const unsigned char *fifth = block + 16, *nibbles = block + 48;
    int scale[8], min[8];
    scales_and_mins(scale, min, block + 4);
    for (int group = 0; group < 8; group++) {
        float ds = d * (float)scale[group], dm = dmin * (float)min[group];
        const unsigned char *q = nibbles + group / 2 * 32;
        for (int i = 0; i < 32; i++) {
            int low = group % 2 ? q[i] >> 4 : q[i] & 15;
            out[32 * group + i] = ds * (float)(low | (fifth[i] >> group & 1) << 4) - dm;
        }
    }
}

static void q6_k(float out[256], const unsigned char *block)
{
    float d = load_half(block + 208);
    const unsigned char *scales = block + 192;
    for (int group = 0; group < 8; group++) { /* of 32 weights, two scales each */
        int half = group / 4, quarter = group % 4;
        const unsigned char *ql = block + 64 * half + 32 * (quarter % 2);
        const unsigned char *qh = block + 128 + 32 * half;
        for (int i = 0; i < 32; i++) {
            int low = quarter < 2 ? ql[i] & 15 : ql[i] >> 4;
            int q = (low | (qh[i] >> 2 * quarter & 3) << 4) - 32;
            float ds = d * (float)(signed char)scales[2 * group + i / 16];
            out[32 * group + i] = ds * (float)q;
        }
    }
}

static void plain(float *out, enum blocks_type type, const unsigned char *row, size_t columns)
{
    if (type == BLOCKS_F32) {
        memcpy(out, row, columns * sizeof *out);
        return;
    }
    for (size_t i = 0; i < columns; i++)
        out[i] = type == BLOCKS_F16 ? load_half(row + 2 * i)
                                    : float_of_bits((uint32_t)load16(row + 2 * i) << 16);
}

void blocks_to_float(float *out, enum blocks_type type, const void *row, size_t columns)
{
    static void (*const decode[BLOCKS_TYPES])(float *, const unsigned char *) = {
        [BLOCKS_Q4_0] = q4_0, [BLOCKS_Q5_0] = q5_0, [BLOCKS_Q5_1] = q5_1, [BLOCKS_Q8_0] = q8_0,
        [BLOCKS_Q4_K] = q4_k, [BLOCKS_Q5_K] = q5_k, [BLOCKS_Q6_K] = q6_k,
    };
    if (!decode[type]) {
        plain(out, type, row, columns);
        return;
    }
    const struct blocks_layout *layout = &layouts[type];
    const unsigned char *block = row;
    for (size_t i = 0; i < columns; i += layout->weights, block += layout->bytes)
        decode[type](out + i, block);
}
