/* Which quantizer a type has, and those of blocks of 32. */
#include "kernels/quantize_private.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { SMALL_BLOCK = 32, LARGE_BLOCK = 256 };

/* --- numbers ---------------------------------------------------------------------- */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint16_t quantize_half(float value)
{
    uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u)
        return (uint16_t)(sign | 0x7E00u);
    if (magnitude >= 0x47800000u) /* 65536 and more */
        return (uint16_t)(sign | 0x7C00u);
    if (magnitude < 0x38800000u) { /* below 2^-14: a multiple of 2^-24, counted by the sum */
        float scaled = (sign ? -value : value) + 0.5f;
        return (uint16_t)(sign | (bits_of(scaled) - bits_of(0.5f)));
    }
    /* A carry out of the fraction raises the exponent, up to infinity: as it should. */
    uint32_t rounded = magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u);
    return (uint16_t)(sign | rounded >> 13);
}

uint16_t quantize_bfloat(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

void quantize_put16(unsigned char *bytes, uint16_t value)
{
    bytes[0] = (unsigned char)value;
    bytes[1] = (unsigned char)(value >> 8);
}

/* A scale as the block will hold it; false when it does not fit. */
static bool put_half(float *value, unsigned char *bytes)
{
    uint16_t half = quantize_half(*value);
    quantize_put16(bytes, half);
    *value = blocks_half_to_float(half);
    return isfinite(*value);
}

/* --- types without blocks ------------------------------------------------------------ */

static bool put_f32(unsigned char *row, const float *x, size_t columns)
{
    memcpy(row, x, columns * sizeof *x);
    return true;
}

static bool put_f16(unsigned char *row, const float *x, size_t columns)
{
    bool fits = true;
    for (size_t i = 0; i < columns; i++) {
        uint16_t half = quantize_half(x[i]);
        fits = fits && (half & 0x7C00u) != 0x7C00u;
        quantize_put16(row + 2 * i, half);
    }
    return fits;
}

static bool put_bf16(unsigned char *row, const float *x, size_t columns)
{
    bool fits = true;
    for (size_t i = 0; i < columns; i++) {
        uint16_t half = quantize_bfloat(x[i]);
        fits = fits && (half & 0x7F80u) != 0x7F80u;
        quantize_put16(row + 2 * i, half);
    }
    return fits;
}

/* --- blocks of 32 -------------------------------------------------------------------- */

/* The largest by magnitude, with its sign. */
static float extreme(const struct quantize_level *level, const float *x)
{
    float least, most;
    level->range(&least, &most, x, SMALL_BLOCK);
    return -least > most ? least : most;
}

static bool q8_0(const struct quantize_level *level, unsigned char *block, const float *x,
                 const float *w)
{
    struct quantize_group group = {x, w, SMALL_BLOCK, -127, 127};
    float d = fabsf(extreme(level, x)) / 127;
    if (!put_half(&d, block))
        return false;
    level->round((int8_t *)block + 2, &group, 0, quantize_inverse(d));
    return true;
}

/* The scale of least error among what the search found and the one that spans the
 * range with the extreme at the end that reaches further. */
static bool put_symmetric(const struct quantize_level *level, float *d, unsigned char *bytes,
                          const struct quantize_group *group)
{
    unsigned char spanning_bytes[2];
    float spanning = extreme(level, group->x) / group->low;
    *d = quantize_fit_symmetric(level, group);
    bool fits = put_half(d, bytes);
    if (!put_half(&spanning, spanning_bytes))
        return fits;
    float error = level->error(group, *d, 0, quantize_inverse(*d));
    if (fits && error <= level->error(group, spanning, 0, quantize_inverse(spanning)))
        return true;
    *d = spanning;
    memcpy(bytes, spanning_bytes, 2);
    return true;
}

static bool q4_0(const struct quantize_level *level, unsigned char *block, const float *x,
                 const float *w)
{
    struct quantize_group group = {x, w, SMALL_BLOCK, -8, 7};
    int8_t q[SMALL_BLOCK];
    float d;
    if (!put_symmetric(level, &d, block, &group))
        return false;
    level->round(q, &group, 0, quantize_inverse(d));
    for (int i = 0; i < 16; i++)
        block[2 + i] = (unsigned char)((q[i] + 8) | (q[i + 16] + 8) << 4);
    return true;
}

/* Five-bit numbers: their low four bits as nibbles, their high bits apart. */
static void put_fives(unsigned char *high, unsigned char *nibbles, const int8_t q[SMALL_BLOCK])
{
    uint32_t fifth = 0;
    for (int i = 0; i < 32; i++)
        fifth |= (uint32_t)(q[i] >> 4 & 1) << i;
    quantize_put16(high, (uint16_t)fifth);
    quantize_put16(high + 2, (uint16_t)(fifth >> 16));
    for (int i = 0; i < 16; i++)
        nibbles[i] = (unsigned char)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

static bool q5_0(const struct quantize_level *level, unsigned char *block, const float *x,
                 const float *w)
{
    struct quantize_group group = {x, w, SMALL_BLOCK, -16, 15};
    int8_t q[SMALL_BLOCK];
    float d;
    if (!put_symmetric(level, &d, block, &group))
        return false;
    level->round(q, &group, 0, quantize_inverse(d));
    for (int i = 0; i < 32; i++)
        q[i] = (int8_t)(q[i] + 16);
    put_fives(block + 2, block + 6, q);
    return true;
}

static bool q5_1(const struct quantize_level *level, unsigned char *block, const float *x,
                 const float *w)
{
    struct quantize_group group = {x, w, SMALL_BLOCK, 0, 31};
    unsigned char spanning[4];
    const struct quantize_fixed fixed = quantize_fixed_sums(&group);
    struct quantize_fit fit = quantize_fit_range(level, &group, &fixed, true);
    float least, most, d = fit.scale;
    bool fits = put_half(&d, block);
    float m = quantize_offset(level, &group, &fixed, d, fit.offset);
    fits = put_half(&m, block + 2) && fits;
    level->range(&least, &most, x, SMALL_BLOCK);
    float other = most / 31 - least / 31, other_m = least;
    bool other_fits = put_half(&other, spanning);
    other_fits = put_half(&other_m, spanning + 2) && other_fits;
    if (!fits && !other_fits)
        return false;
    if (!fits || (other_fits && level->error(&group, other, other_m, quantize_inverse(other)) <
                                    level->error(&group, d, m, quantize_inverse(d)))) {
        memcpy(block, spanning, 4);
        d = other;
        m = other_m;
    }
    int8_t q[SMALL_BLOCK];
    level->round(q, &group, m, quantize_inverse(d));
    put_fives(block + 4, block + 8, q);
    return true;
}

/* --- rows ------------------------------------------------------------------------------ */

typedef bool quantize_block(const struct quantize_level *level, unsigned char *block,
                            const float *x, const float *w);

static quantize_block *const blocks[BLOCKS_TYPES] = {
    [BLOCKS_Q8_0] = q8_0,          [BLOCKS_Q4_0] = q4_0,          [BLOCKS_Q5_0] = q5_0,
    [BLOCKS_Q5_1] = q5_1,          [BLOCKS_Q4_K] = quantize_q4_k, [BLOCKS_Q5_K] = quantize_q5_k,
    [BLOCKS_Q6_K] = quantize_q6_k,
};

/* NaN and infinity have all bits of the exponent set. */
static bool all_finite(const float *x, size_t count)
{
    uint32_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        wrong |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    return !wrong;
}

/* An importance of nothing says nothing: all count alike then. */
static bool says_something(const float *w, size_t count)
{
    float sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += w[i];
    return sum > 0;
}

enum quantize_result quantize_row(const struct quantize_level *level, void *row,
                                  enum blocks_type type, const float *weights, size_t columns,
                                  const float *importance)
{
    static const float alike[LARGE_BLOCK] = {
#define EIGHT 1, 1, 1, 1, 1, 1, 1, 1
#define SIXTY_FOUR EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT, EIGHT
        SIXTY_FOUR, SIXTY_FOUR, SIXTY_FOUR, SIXTY_FOUR};
    const struct blocks_layout *layout = blocks_layout(type);
    assert(layout && columns % layout->weights == 0);
    if (!all_finite(weights, columns))
        return QUANTIZE_NOT_FINITE;
    bool fits = true;
    if (type == BLOCKS_F32)
        fits = put_f32(row, weights, columns);
    else if (type == BLOCKS_F16)
        fits = put_f16(row, weights, columns);
    else if (type == BLOCKS_BF16)
        fits = put_bf16(row, weights, columns);
    unsigned char *block = row;
    for (size_t i = 0; blocks[type] && i < columns; i += layout->weights, block += layout->bytes) {
        const float *w = importance ? importance + i : alike;
        if (importance && !says_something(w, layout->weights))
            w = alike;
        fits = blocks[type](level, block, weights + i, w) && fits;
    }
    return fits ? QUANTIZE_DONE : QUANTIZE_TOO_LARGE;
}

/* --- checking ---------------------------------------------------------------------------- */

static bool half_is_finite(const unsigned char *bytes)
{
    return (bytes[1] & 0x7C) != 0x7C;
}

bool quantize_row_is_finite(enum blocks_type type, const void *row, size_t columns)
{
    /* Where the 16-bit floats of a block lie; -1: there is no second one. */
    static const struct {
        int first, second;
    } scales[BLOCKS_TYPES] = {
        [BLOCKS_Q8_0] = {0, -1},   [BLOCKS_Q4_0] = {0, -1}, [BLOCKS_Q5_0] = {0, -1},
        [BLOCKS_Q5_1] = {0, 2},    [BLOCKS_Q4_K] = {0, 2},  [BLOCKS_Q5_K] = {0, 2},
        [BLOCKS_Q6_K] = {208, -1}, [BLOCKS_F16] = {0, -1},
    };
    const struct blocks_layout *layout = blocks_layout(type);
    const unsigned char *block = row;
    bool finite = true;
    for (size_t i = 0; i < columns; i += layout->weights, block += layout->bytes) {
        if (type == BLOCKS_F32 || type == BLOCKS_BF16) {
            const unsigned char *top = block + layout->bytes - 2;
            finite = finite && ((top[1] & 0x7F) != 0x7F || (top[0] & 0x80) != 0x80);
            continue;
        }
        finite = finite && half_is_finite(block + scales[type].first) &&
                 (scales[type].second < 0 || half_is_finite(block + scales[type].second));
    }
    return finite;
}

/* --- levels ------------------------------------------------------------------------------- */

const struct quantize_level *quantize_at(size_t index)
{
    if (index == 0)
        return &quantize_reference;
#ifdef TIDEMARK_QUANTIZE_AVX2
    if (index == 1 && __builtin_cpu_supports("avx2"))
        return &quantize_avx2;
#endif
    return NULL;
}

const struct quantize_level *quantize_best(void)
{
    const struct quantize_level *best = NULL;
    for (size_t i = 0; quantize_at(i); i++)
        best = quantize_at(i);
    return best;
}

const char *quantize_name(const struct quantize_level *level)
{
    return level->name;
}
