/* The mean of a peak that was sampled while something else was done. */
#include "app/work/sampling.h"
#include "tests/support/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fabs(b);
}

static void test_steady(void **unused)
{
    struct random random = random_seeded();
    struct sampling s = {0};
    double seconds = 0;
    (void)unused;
    sampling_add(&s, 0, 3e12);
    for (int i = 0; i < 50; i++) {
        const double stretch = 0.12 + 0.001 * (double)random_below(&random, 200);
        seconds += stretch;
        sampling_add(&s, stretch, 3e12);
    }
    assert_true(near(s.seconds, seconds));
    assert_true(near(sampling_peak(&s), 3e12));
    assert_true(s.least == 3e12 && s.most == 3e12);
    assert_int_equal(s.samples, 51);
}

/* Stretches count by their length, not by their number. */
static void test_lengths_count(void **unused)
{
    struct sampling s = {0};
    (void)unused;
    sampling_add(&s, 0, 4e12);
    sampling_add(&s, 1, 4e12);
    sampling_add(&s, 0.5, 2e12);
    sampling_add(&s, 6, 2e12);
    assert_true(near(s.seconds, 7.5));
    assert_true(near(sampling_peak(&s), (1 * 4e12 + 0.5 * 3e12 + 6 * 2e12) / 7.5));
    assert_true(s.least == 2e12 && s.most == 4e12);
}

/* What reads at half of a pace that flips is found to read at half of it, where the two
 * samples before and after say what chance wants. */
static void test_flips(void **unused)
{
    struct random random = random_seeded();
    struct sampling s = {0};
    double pace = 4.5, work = 0;
    (void)unused;
    sampling_add(&s, 0, pace);
    for (int stretch = 0; stretch < 1000; stretch++) {
        for (int i = 0; i < 5; i++) /* as long as some stretches, then it flips or not */
            sampling_add(&s, 0.12, pace);
        work += 5 * 0.12 * pace / 2;
        pace = random_below(&random, 2) ? 1.9 : 4.5;
    }
    const double of_peak = work / s.seconds / sampling_peak(&s);
    if (fabs(of_peak - 0.5) > 0.02)
        fail_msg("half of the peak is found to be %g of it", of_peak);
}

/* It counts what it did itself as no reading, and takes a sample only when it is time. */
static void test_real_samples(void **unused)
{
    struct error error = {0};
    struct pool *pool = pool_new(2, &error);
    (void)unused;
    assert_non_null(pool);
    struct sampling s = {.pool = pool};
    assert_true(sampling_begin(&s, &error));
    s.since += 1e9; /* not read for long enough, however slow this machine is */
    sampling_between(&s);
    assert_int_equal(s.samples, 1);
    s.since -= 1e9 + 10;
    sampling_between(&s);
    assert_int_equal(s.samples, 2);
    assert_true(s.seconds >= 10);
    const double read = s.seconds;
    assert_true(sampling_end(&s, &error));
    assert_int_equal(s.samples, 3);
    assert_true(s.seconds >= read);
    assert_true(s.least > 0 && s.least <= sampling_peak(&s) && sampling_peak(&s) <= s.most);
    atomic_bool cancel = true;
    pool_set_cancel(pool, &cancel);
    s.since -= 10;
    sampling_between(&s);
    assert_int_equal(s.samples, 3);
    assert_false(sampling_end(&s, &error));
    assert_int_equal(error.kind, ERROR_INTERRUPTED);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_lengths_count),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_real_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
