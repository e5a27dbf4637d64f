/* The likeliest token of rows of logits on the device, against the sampler's own choice. */
#include "engine/sampler.h"
#include "kernels/cuda/device.h"
#include "tests/kernels/cuda/cuda_rig.h"

#include <float.h>

enum { ROUNDS = 60 };

static struct random random_source;

/* Rows of every sort that a broken or a sound model may give. */
static void fill(float *row, size_t size, size_t sort)
{
    static const float few[] = {1, -1, 0, -0.0f, 3};
    static const float odd[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1e-45f, 2};
    static const float scales[] = {1, 8, 1e-30f, 1e30f};
    for (size_t i = 0; i < size; i++)
        switch (sort) {
        case 0: /* ties */
            row[i] = few[random_below(&random_source, sizeof few / sizeof few[0])];
            break;
        case 1:
            row[i] = odd[random_below(&random_source, sizeof odd / sizeof odd[0])];
            break;
        case 2: /* nearly nothing is a number */
            row[i] = random_below(&random_source, size) ? NAN : -INFINITY;
            break;
        case 3:
            row[i] = -INFINITY;
            break;
        case 4:
            row[i] = NAN;
            break;
        default:
            row[i] = scales[sort % 4] * random_normal(&random_source);
        }
}

static void check_rows(void)
{
    const uint32_t vocabulary =
        1 + (uint32_t)random_below(&random_source, random_below(&random_source, 2) ? 70 : 70000);
    const uint32_t rows = 1 + (uint32_t)random_below(&random_source, 6);
    struct device_choice_rows table = {{NULL}};
    float *values[6];
    for (size_t r = 0; r < rows; r++) {
        values[r] = host_memory(vocabulary * sizeof *values[r]);
        fill(values[r], vocabulary, random_below(&random_source, 12));
        table.logits[r] = cuda_put(values[r], vocabulary * sizeof *values[r]);
    }
    struct device_choice *out = cuda_put(NULL, rows * sizeof *out);
    static const struct device_choice_work unused;
    struct device_choice_work *work = cuda_put(&unused, sizeof unused);
    device_choose(out, work, &table, vocabulary, rows, 0);
    struct device_choice *first = cuda_take(out, rows * sizeof *first);
    device_choose(out, work, &table, vocabulary, rows, 0);
    struct device_choice *have = cuda_take(out, rows * sizeof *have);
    assert_memory_equal(first, have, rows * sizeof *have);
    free(first);
    for (size_t r = 0; r < rows; r++) {
        float want;
        int32_t token = sampler_likeliest(values[r], vocabulary, &want);
        if (have[r].token != token)
            fail_msg("row %zu of %u, vocabulary %u: token %d, not %d", r, rows, vocabulary,
                     have[r].token, token);
        /* 2^x and its argument, off by 2^-22.7 and 25 x 2^-24 where it counts; 17 sums of floats;
         * the difference of logits that is its argument's argument: 4e-6 together. */
        double apart = fabs((double)have[r].log_probability - (double)want);
        if (!(apart <= 4e-6 + 0x1p-23 * fabs((double)want)))
            fail_msg("row %zu of %u, vocabulary %u: log probability %.9g, not %.9g", r, rows,
                     vocabulary, (double)have[r].log_probability, (double)want);
        free(values[r]);
    }
    free(have);
    cuda_clear();
}

static void test_choice(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++)
        check_rows();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice)};
    random_source = random_seeded();
    return cuda_rig_main(tests);
}
