/* The elementary functions of the AVX-512 level: the errors that avx512_math.h states hold,
 * and the edges are what they should be. */
#include "kernels/kernels.h"
#include "kernels/x86/avx512_math.h"
#include "tests/kernels/check_math.h"

static float one_exp2(float x)
{
    return _mm512_cvtss_f32(avx512_exp2_product(_mm512_set1_ps(x), _mm512_set1_ps(1)));
}

static float one_exp(float x)
{
    return _mm512_cvtss_f32(avx512_exp(_mm512_set1_ps(x)));
}

static float one_log_one_plus(float x)
{
    return _mm512_cvtss_f32(avx512_log_one_plus(_mm512_set1_ps(x)));
}

static float one_silu(float x)
{
    return _mm512_cvtss_f32(avx512_silu(_mm512_set1_ps(x)));
}

static float one_softplus(float x)
{
    return _mm512_cvtss_f32(avx512_softplus(_mm512_set1_ps(x)));
}

static const struct math_functions functions = {one_exp2, one_exp,      one_log_one_plus,
                                                one_silu, one_softplus, 0x1p-21 * 0.82};

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
    if (!kernels_by_name("avx512"))
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
