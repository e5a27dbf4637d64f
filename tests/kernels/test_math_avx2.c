/* The elementary functions of the AVX2 level: the errors that avx2_math.h states hold,
 * and the edges are what they should be. */
#include "kernels/kernels.h"
#include "kernels/x86/avx2_math.h"
#include "tests/kernels/check_math.h"

static float one_exp2(float x)
{
    return _mm256_cvtss_f32(avx2_exp2(_mm256_set1_ps(x)));
}

static float one_exp(float x)
{
    return _mm256_cvtss_f32(avx2_exp(_mm256_set1_ps(x)));
}

static float one_log_one_plus(float x)
{
    return _mm256_cvtss_f32(avx2_log_one_plus(_mm256_set1_ps(x)));
}

static float one_silu(float x)
{
    return _mm256_cvtss_f32(avx2_silu(_mm256_set1_ps(x)));
}

static float one_softplus(float x)
{
    return _mm256_cvtss_f32(avx2_softplus(_mm256_set1_ps(x)));
}

static const struct math_functions functions = {one_exp2, one_exp,      one_log_one_plus,
                                                one_silu, one_softplus, 0x1p-22};

static void test_errors(void **state)
{
    (void)state;
    check_math_errors(&functions);
}

static void test_edges(void **state)
{
    (void)state;
    check_math_edges(&functions);
}

int main(void)
{
    if (!kernels_by_name("avx2"))
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
