/* The elementary functions of the AVX-512 level against libm in double: the
 * errors that avx512_math.h states hold, and the edges are what they should be. */
#include "kernels/kernels.h"
#include "kernels/x86/avx512_math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef __m512 function(__m512 x);

static float one(function *f, float x)
{
    return _mm512_cvtss_f32(f(_mm512_set1_ps(x)));
}

/* Walks [from, to] in steps of about one part in 2^13. */
static void check(const char *name, function *f, double (*expected)(double), double from, double to,
                  double relative, double growth)
{
    double step = (to - from) / 200000;
    for (double at = from; at <= to; at += step) {
        float x = (float)at;
        double want = expected((double)x), have = (double)one(f, x);
        double bound = relative + growth * fabs((double)x);
        if (!(fabs(have - want) <= bound * fabs(want) + 1e-37))
            fail_msg("%s(%a) is %a, not %a: relative error %g, allowed %g", name, (double)x, have,
                     want, fabs(have - want) / fabs(want), bound);
    }
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static double softplus(double x)
{
    return x > 20 ? x : (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static void test_errors(void **state)
{
    (void)state;
    check("exp2", avx512_exp2, exp2, -120, 120, 0x1p-22, 0);
    check("exp", avx512_exp, exp, -80, 80, 0x1p-22, 0x1p-23);
    check("log1p", avx512_log_one_plus, log1p, 1e-30, 1e-3, 0x1p-21, 0);
    check("log1p", avx512_log_one_plus, log1p, 1e-3, 1, 0x1p-21, 0);
    check("silu", avx512_silu, silu, -80, 80, 0x1p-21, 0x1p-23);
    check("softplus", avx512_softplus, softplus, -80, 30, 0x1p-21, 0x1p-23);
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(one(avx512_exp2, 0) == 1.0f);
    assert_true(one(avx512_exp, -1e4f) == 0.0f);
    assert_true(isinf(one(avx512_exp, 1e4f)));
    assert_true(isnan(one(avx512_exp, NAN)));
    assert_true(one(avx512_softplus, 90) == 90.0f);
    assert_true(one(avx512_softplus, -200) == 0.0f);
    assert_true(one(avx512_silu, -1e4f) == 0.0f);
    assert_true(one(avx512_silu, 1e4f) == 1e4f);
    assert_true(isnan(one(avx512_silu, NAN)));
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
