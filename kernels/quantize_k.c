/* Blocks of 256 weights: groups with scales of few bits under one or two 16-bit floats. */
#include "kernels/quantize_private.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    BLOCK = 256,
    RANGE_GROUPS = 8,
    RANGE_GROUP = 32,
    RANGE_SCALE = 63, /* the largest scale or minimum of six bits */
    SIGNED_GROUPS = 16,
    SIGNED_GROUP = 16,
};

static int rounded(float value, int low, int high)
{
    if (!(value > (float)low))
        return low;
    return value >= (float)high ? high : (int)lrintf(value);
}

static float put_half(unsigned char *bytes, float value)
{
    uint16_t half = quantize_half(value);
    quantize_put16(bytes, half);
    return blocks_half_to_float(half);
}

/* --- Q4_K, Q5_K: w = d scale q - dmin minimum ---------------------------------------------- */

struct range_block {
    float d, dmin; /* as the block holds them */
    int scale[RANGE_GROUPS], minimum[RANGE_GROUPS];
    int8_t q[BLOCK];
};

static struct quantize_group range_group(const float *x, const float *w, int number, float high)
{
    return (struct quantize_group){x + number * RANGE_GROUP, w + number * RANGE_GROUP, RANGE_GROUP,
                                   0, high};
}

/* Rounds a group's scale and minimum to what the block can hold: the scale and its
 * neighbours, each with the minimum that suits it. */
static void round_group(const struct quantize_level *level, struct range_block *block, int number,
                        const struct quantize_group *group, const struct quantize_fixed *fixed,
                        struct quantize_fit fit)
{
    int middle = rounded(fit.scale * quantize_inverse(block->d), 0, RANGE_SCALE);
    float best = FLT_MAX, per_minimum = quantize_inverse(block->dmin);
    block->scale[number] = block->minimum[number] = 0;
    for (int scale = middle - 1; scale <= middle + 1; scale++) {
        if (scale < 0 || scale > RANGE_SCALE)
            continue;
        float d = block->d * (float)scale;
        float offset = quantize_offset(level, group, fixed, d, fit.offset);
        int minimum = rounded(-offset * per_minimum, 0, RANGE_SCALE);
        float dm = block->dmin * (float)minimum;
        float error = level->error(group, d, -dm, quantize_inverse(d));
        if (error < best) {
            best = error;
            block->scale[number] = scale;
            block->minimum[number] = minimum;
        }
    }
}

static bool fit_block(const struct quantize_level *level, struct range_block *block,
                      unsigned char *bytes, const float *x, const float *w, float high)
{
    struct quantize_fit fits[RANGE_GROUPS];
    struct quantize_fixed fixed[RANGE_GROUPS];
    float scale = 0, minimum = 0;
    for (int i = 0; i < RANGE_GROUPS; i++) {
        struct quantize_group group = range_group(x, w, i, high);
        fixed[i] = quantize_fixed_sums(&group);
        fits[i] = quantize_fit_range(level, &group, &fixed[i], false);
        scale = fmaxf(scale, fits[i].scale);
        minimum = fmaxf(minimum, -fits[i].offset);
    }
    block->d = put_half(bytes, scale / RANGE_SCALE);
    block->dmin = put_half(bytes + 2, minimum / RANGE_SCALE);
    if (!isfinite(block->d) || !isfinite(block->dmin))
        return false;
    for (int i = 0; i < RANGE_GROUPS; i++) {
        struct quantize_group group = range_group(x, w, i, high);
        round_group(level, block, i, &group, &fixed[i], fits[i]);
        float d = block->d * (float)block->scale[i], dm = block->dmin * (float)block->minimum[i];
        level->round(block->q + i * RANGE_GROUP, &group, -dm, quantize_inverse(d));
    }
    return true;
}

/* The other way round of scales_and_mins in blocks.c. */
static void put_scales(unsigned char packed[12], const struct range_block *block)
{
    const int *scale = block->scale, *minimum = block->minimum;
    for (int i = 0; i < 4; i++) {
        packed[i] = (unsigned char)(scale[i] | scale[i + 4] >> 4 << 6);
        packed[i + 4] = (unsigned char)(minimum[i] | minimum[i + 4] >> 4 << 6);
        packed[i + 8] = (unsigned char)((scale[i + 4] & 15) | (minimum[i + 4] & 15) << 4);
    }
}

static void put_nibbles(unsigned char nibbles[128], const int8_t q[BLOCK])
{
    for (int pair = 0; pair < RANGE_GROUPS / 2; pair++, q += 2 * RANGE_GROUP)
        for (int i = 0; i < RANGE_GROUP; i++)
            *nibbles++ = (unsigned char)((q[i] & 15) | (q[i + RANGE_GROUP] & 15) << 4);
}

bool quantize_q4_k(const struct quantize_level *level, unsigned char *bytes, const float *x,
                   const float *w)
{
    struct range_block block;
    if (!fit_block(level, &block, bytes, x, w, 15))
        return false;
    put_scales(bytes + 4, &block);
    put_nibbles(bytes + 16, block.q);
    return true;
}

bool quantize_q5_k(const struct quantize_level *level, unsigned char *bytes, const float *x,
                   const float *w)
{
    struct range_block block;
    if (!fit_block(level, &block, bytes, x, w, 31))
        return false;
    put_scales(bytes + 4, &block);
    for (int i = 0; i < RANGE_GROUP; i++) {
        int fifth = 0;
        for (int group = 0; group < RANGE_GROUPS; group++)
            fifth |= (block.q[group * RANGE_GROUP + i] >> 4 & 1) << group;
        bytes[16 + i] = (unsigned char)fifth;
    }
    put_nibbles(bytes + 48, block.q);
    return true;
}

/* --- Q6_K: w = d scale q ------------------------------------------------------------------ */

/* The scale and its neighbours, by their error. */
static int round_scale(const struct quantize_level *level, const struct quantize_group *group,
                       float d, float scale)
{
    int middle = rounded(scale * quantize_inverse(d), -128, 127), chosen = 0;
    float best = FLT_MAX;
    for (int candidate = middle - 1; candidate <= middle + 1; candidate++) {
        if (candidate < -128 || candidate > 127)
            continue;
        float ds = d * (float)candidate;
        float error = level->error(group, ds, 0, quantize_inverse(ds));
        if (error < best) {
            best = error;
            chosen = candidate;
        }
    }
    return chosen;
}

static void put_sixes(unsigned char *bytes, const int8_t q[BLOCK])
{
    for (int half = 0; half < 2; half++, q += BLOCK / 2)
        for (int i = 0; i < 32; i++) {
            int a = q[i] + 32, b = q[i + 32] + 32, c = q[i + 64] + 32, d = q[i + 96] + 32;
            bytes[64 * half + i] = (unsigned char)((a & 15) | (c & 15) << 4);
            bytes[64 * half + 32 + i] = (unsigned char)((b & 15) | (d & 15) << 4);
            bytes[128 + 32 * half + i] =
                (unsigned char)(a >> 4 | b >> 4 << 2 | c >> 4 << 4 | d >> 4 << 6);
        }
}

bool quantize_q6_k(const struct quantize_level *level, unsigned char *bytes, const float *x,
                   const float *w)
{
    float scales[SIGNED_GROUPS], extreme = 0;
    int8_t q[BLOCK];
    for (int i = 0; i < SIGNED_GROUPS; i++) {
        struct quantize_group group = {x + i * SIGNED_GROUP, w + i * SIGNED_GROUP, SIGNED_GROUP,
                                       -32, 31};
        scales[i] = quantize_fit_symmetric(level, &group);
        extreme = fabsf(scales[i]) > fabsf(extreme) ? scales[i] : extreme;
    }
    /* The largest scale becomes -128, the end that reaches further. */
    float d = put_half(bytes + 208, extreme / -128);
    if (!isfinite(d))
        return false;
    for (int i = 0; i < SIGNED_GROUPS; i++) {
        struct quantize_group group = {x + i * SIGNED_GROUP, w + i * SIGNED_GROUP, SIGNED_GROUP,
                                       -32, 31};
        int scale = round_scale(level, &group, d, scales[i]);
        bytes[192 + i] = (unsigned char)scale;
        level->round(q + i * SIGNED_GROUP, &group, 0, quantize_inverse(d * (float)scale));
    }
    put_sixes(bytes, q);
    return true;
}
