/* Quantizers: every level gives the same bytes, whatever the weights; what comes back is
 * as near as the type allows; what cannot be held is refused. */
#include "kernels/quantize.h"
#include "tests/support/random.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COLUMNS = 1024, ROUNDS = 40 };

/* Relative error for normally distributed weights: what the format gives at best, found
 * here once and rounded up in the third place. */
static const struct {
    enum blocks_type type;
    double most;
} types[] = {
    {BLOCKS_F32, 0},       {BLOCKS_F16, 3e-4},    {BLOCKS_BF16, 2.5e-3}, {BLOCKS_Q8_0, 6e-3},
    {BLOCKS_Q6_K, 0.0185}, {BLOCKS_Q5_K, 0.0365}, {BLOCKS_Q5_1, 0.0385}, {BLOCKS_Q5_0, 0.043},
    {BLOCKS_Q4_K, 0.073},  {BLOCKS_Q4_0, 0.086},
};
enum { TYPES = sizeof types / sizeof *types };

static size_t row_bytes(enum blocks_type type)
{
    return blocks_row_bytes(type, COLUMNS);
}

static void test_error(void **context)
{
    struct random random = random_seeded();
    float x[COLUMNS], back[COLUMNS];
    unsigned char row[COLUMNS * 4];
    (void)context;
    for (size_t t = 0; t < TYPES; t++) {
        double apart = 0, size = 0;
        for (int round = 0; round < ROUNDS; round++) {
            for (size_t i = 0; i < COLUMNS; i++)
                x[i] = random_normal(&random);
            assert_int_equal(quantize_row(quantize_best(), row, types[t].type, x, COLUMNS, NULL),
                             QUANTIZE_DONE);
            assert_true(quantize_row_is_finite(types[t].type, row, COLUMNS));
            blocks_to_float(back, types[t].type, row, COLUMNS);
            for (size_t i = 0; i < COLUMNS; i++) {
                apart += (double)(back[i] - x[i]) * (double)(back[i] - x[i]);
                size += (double)x[i] * (double)x[i];
            }
        }
        double error = sqrt(apart / size);
        printf("  %s: %.5f\n", blocks_layout(types[t].type)->name, error);
        if (!(error <= types[t].most))
            fail_msg("%s: relative error %g, more than %g", blocks_layout(types[t].type)->name,
                     error, types[t].most);
    }
}

/* Weights that bring a search into its corners. */
static void fill_hostile(float *x, struct random *random, unsigned kind)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        float n = random_normal(random);
        switch (kind) {
        case 0:
            x[i] = n;
            break;
        case 1: /* zeros of both signs, few others */
            x[i] = random_uniform(random) < 0.1f ? n : random_uniform(random) < 0.5f ? 0.0f : -0.0f;
            break;
        case 2: /* all alike in a group, positive or negative */
            x[i] = (float)(i / 32 % 7) - 3;
            break;
        case 3: /* from the smallest to large in one row */
            x[i] = n * powf(10, (float)(i % 64) - 40);
            break;
        case 4:
            x[i] = fabsf(n) + 5;
            break;
        case 5:
            x[i] = -fabsf(n) * 1e-30f;
            break;
        case 6:
            x[i] = n * FLT_MIN;
            break;
        default:
            x[i] = i % 32 ? n * 1e-3f : n * 100;
        }
    }
}

static void test_levels(void **context)
{
    struct random random = random_seeded();
    float x[COLUMNS], w[COLUMNS];
    unsigned char reference[COLUMNS * 4], other[COLUMNS * 4];
    (void)context;
    for (unsigned round = 0; round < 16; round++) {
        fill_hostile(x, &random, round % 8);
        for (size_t i = 0; i < COLUMNS; i++) /* some of no importance, some of much */
            w[i] = random_uniform(&random) < 0.2f ? 0 : powf(10, 4 * random_uniform(&random) - 2);
        for (size_t t = 0; t < TYPES; t++) {
            const float *importance = round < 8 ? NULL : w;
            enum quantize_result result =
                quantize_row(quantize_at(0), reference, types[t].type, x, COLUMNS, importance);
            for (size_t level = 1; quantize_at(level); level++) {
                assert_int_equal(
                    quantize_row(quantize_at(level), other, types[t].type, x, COLUMNS, importance),
                    result);
                if (result == QUANTIZE_DONE &&
                    memcmp(reference, other, row_bytes(types[t].type)) != 0)
                    fail_msg("%s gives other bytes than the reference: %s, round %u",
                             quantize_name(quantize_at(level)), blocks_layout(types[t].type)->name,
                             round);
            }
        }
    }
}

/* With an importance, what counts errs less than without. */
static void test_importance(void **context)
{
    struct random random = random_seeded();
    float x[COLUMNS], w[COLUMNS], back[COLUMNS];
    unsigned char row[COLUMNS * 4];
    (void)context;
    for (size_t t = 4; t < TYPES; t++) {
        double error[2] = {0};
        for (int round = 0; round < ROUNDS; round++) {
            for (size_t i = 0; i < COLUMNS; i++) {
                x[i] = random_normal(&random);
                w[i] = i % 8 == 3 ? 100 : 1;
            }
            for (int with = 0; with < 2; with++) {
                assert_int_equal(
                    quantize_row(quantize_best(), row, types[t].type, x, COLUMNS, with ? w : NULL),
                    QUANTIZE_DONE);
                blocks_to_float(back, types[t].type, row, COLUMNS);
                for (size_t i = 0; i < COLUMNS; i++)
                    error[with] += (double)w[i] * (double)((back[i] - x[i]) * (back[i] - x[i]));
            }
        }
        printf("  %s: %.3f of the error without\n", blocks_layout(types[t].type)->name,
               error[1] / error[0]);
        assert_true(error[1] < error[0]);
    }
}

static void test_refused(void **context)
{
    float x[COLUMNS] = {0};
    unsigned char row[COLUMNS * 4];
    (void)context;
    for (size_t t = 0; t < TYPES; t++) {
        const float bad[] = {NAN, INFINITY, -INFINITY};
        for (size_t i = 0; i < 3; i++) {
            x[777] = bad[i];
            assert_int_equal(quantize_row(quantize_best(), row, types[t].type, x, COLUMNS, NULL),
                             QUANTIZE_NOT_FINITE);
        }
        x[777] = FLT_MAX;
        bool holds = types[t].type == BLOCKS_F32;
        assert_int_equal(quantize_row(quantize_best(), row, types[t].type, x, COLUMNS, NULL),
                         holds ? QUANTIZE_DONE : QUANTIZE_TOO_LARGE);
        x[777] = 0;
    }
}

/* Every scale of every type is looked at. */
static void test_checked(void **context)
{
    float x[COLUMNS];
    unsigned char row[COLUMNS * 4];
    (void)context;
    for (size_t i = 0; i < COLUMNS; i++)
        x[i] = (float)(i % 5) - 2;
    const struct {
        enum blocks_type type;
        size_t at; /* of a 16-bit float in the last block, from the row's end */
    } places[] = {
        {BLOCKS_F16, 2},    {BLOCKS_BF16, 2},   {BLOCKS_Q8_0, 34},  {BLOCKS_Q4_0, 18},
        {BLOCKS_Q5_0, 22},  {BLOCKS_Q5_1, 24},  {BLOCKS_Q5_1, 22},  {BLOCKS_Q4_K, 144},
        {BLOCKS_Q4_K, 142}, {BLOCKS_Q5_K, 176}, {BLOCKS_Q5_K, 174}, {BLOCKS_Q6_K, 2},
        {BLOCKS_F32, 2},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        enum blocks_type type = places[i].type;
        assert_int_equal(quantize_row(quantize_best(), row, type, x, COLUMNS, NULL), QUANTIZE_DONE);
        unsigned char *half = row + row_bytes(type) - places[i].at;
        bool wide = type == BLOCKS_BF16 || type == BLOCKS_F32;
        half[0] = wide ? 0x80 : 0; /* minus infinity */
        half[1] = wide ? 0xFF : 0xFC;
        assert_false(quantize_row_is_finite(type, row, COLUMNS));
    }
}

/* All 16-bit floats, and the places between two of them. */
static void test_halves(void **context)
{
    (void)context;
    for (unsigned half = 0; half < 0x7C00; half++) {
        float value = blocks_half_to_float((uint16_t)half);
        float next = blocks_half_to_float((uint16_t)(half + 1));
        assert_int_equal(quantize_half(value), half);
        assert_int_equal(quantize_half(-value), half | 0x8000);
        if (half == 0x7BFF)
            continue;
        float middle = (value + next) / 2; /* exact in float */
        assert_int_equal(quantize_half(middle), half % 2 ? half + 1 : half);
        assert_int_equal(quantize_half(nextafterf(middle, 0)), half);
        assert_int_equal(quantize_half(nextafterf(middle, 1e6f)), half + 1);
    }
    assert_int_equal(quantize_half(65519.99f), 0x7BFF);
    assert_int_equal(quantize_half(65520.0f), 0x7C00);
    assert_int_equal(quantize_half(INFINITY), 0x7C00);
    assert_int_equal(quantize_bfloat(1.0f), 0x3F80);
    assert_int_equal(quantize_bfloat(1.0f + 0x1p-8f), 0x3F80); /* ties to even */
    assert_int_equal(quantize_bfloat(1.0f + 3 * 0x1p-8f), 0x3F82);
    assert_int_equal(quantize_bfloat(FLT_MAX), 0x7F80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),      cmocka_unit_test(test_levels),
        cmocka_unit_test(test_importance), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_checked),    cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
