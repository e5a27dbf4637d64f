/* The machine's ceilings. How high they are is the machine's affair; what is
 * counted must have been done. */
#include "kernels/peak.h"
#include "kernels/peak_levels.h"
#include "tests/support/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct pool *new_pool(void)
{
    struct error error = {0};
    struct pool *pool = pool_new(2, &error);
    assert_non_null(pool);
    return pool;
}

static void test_every_step_is_counted(void **unused)
{
    (void)unused;
    for (size_t i = 0; peak_level_at(i); i++) {
        const struct peak_level *level = peak_level_at(i);
        uint64_t one = level->multiply_add(1);
        printf("%s: %llu multiply-adds a step\n", level->kind, (unsigned long long)one);
        assert_true(one > 0);
        assert_true(level->multiply_add(0) == 0);
        assert_true(level->multiply_add(1001) == 1001 * one);
        assert_true(level->multiply_add(level->steps) == level->steps * one);
    }
}

static void test_every_word_is_read(void **unused)
{
    enum { WORDS = 4096 };
    struct random random = random_seeded();
    uint64_t *words = aligned_alloc(64, WORDS * sizeof *words);
    (void)unused;
    assert_non_null(words);
    for (size_t count = 0; count <= WORDS; count += 32 * (1 + random_below(&random, 9))) {
        uint64_t expected = 0;
        for (size_t i = 0; i < count; i++)
            expected += words[i] = random_next(&random);
        assert_true(peak_sum(words, count) == expected);
    }
    free(words);
}

static void test_rates(void **unused)
{
    static const char *const kinds[] = {"amx-bf16", "avx512-bf16", "f32-fma"};
    struct pool *pool = new_pool();
    struct peak_memory *memory;
    struct error error = {0};
    bool known = false;
    (void)unused;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        known = known || strcmp(peak_flops_kind(), kinds[i]) == 0;
    assert_true(known);
    assert_true(peak_memory_open(&memory, pool, &error));
    for (int round = 0; round < 2; round++) {
        double flops, bytes;
        assert_true(peak_flops(&flops, pool, round ? PEAK_SECONDS : 0.005, &error));
        assert_true(peak_read(&bytes, memory, pool, &error));
        printf("%s: %.1f GFLOP/s, %.1f GB/s\n", peak_flops_kind(), flops / 1e9, bytes / 1e9);
        assert_true(isfinite(flops) && flops > 0);
        assert_true(isfinite(bytes) && bytes > 0);
    }
    peak_memory_close(memory);
    peak_memory_close(NULL);
    pool_free(pool);
}

static void test_cancelled(void **unused)
{
    struct pool *pool = new_pool();
    struct peak_memory *memory, *other;
    struct error error = {0};
    atomic_bool cancel = false;
    double rate;
    (void)unused;
    pool_set_cancel(pool, &cancel);
    assert_true(peak_memory_open(&memory, pool, &error));
    cancel = true;
    assert_false(peak_flops(&rate, pool, PEAK_SECONDS, &error));
    assert_int_equal(error.kind, ERROR_INTERRUPTED);
    error.kind = ERROR_NONE;
    assert_false(peak_read(&rate, memory, pool, &error));
    assert_int_equal(error.kind, ERROR_INTERRUPTED);
    error.kind = ERROR_NONE;
    assert_false(peak_memory_open(&other, pool, &error));
    assert_int_equal(error.kind, ERROR_INTERRUPTED);
    peak_memory_close(memory);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_step_is_counted),
        cmocka_unit_test(test_every_word_is_read),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
