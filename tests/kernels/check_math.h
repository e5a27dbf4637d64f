/* check_math.h: a level's elementary functions against libm in double. A test gives
 * each as a function of one float and calls check_math_errors and check_math_edges. */
#ifndef TIDEMARK_TESTS_KERNELS_CHECK_MATH_H
#define TIDEMARK_TESTS_KERNELS_CHECK_MATH_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef float math_function(float x);

struct math_functions {
    math_function *exp2, *exp, *log_one_plus, *silu, *softplus;
    double exp2_error; /* relative, that the level's header states */
};

/* Walks [from, to]. */
static inline void check_math(const char *name, math_function *f, double (*expected)(double),
                              double from, double to, double relative, double growth)
{
    double step = (to - from) / 200000;
    for (double at = from; at <= to; at += step) {
        float x = (float)at;
        double want = expected((double)x), have = (double)f(x);
        double bound = relative + growth * fabs((double)x);
        if (!(fabs(have - want) <= bound * fabs(want) + 1e-37))
            fail_msg("%s(%a) is %a, not %a: relative error %g, allowed %g", name, (double)x, have,
                     want, fabs(have - want) / fabs(want), bound);
    }
}

static inline double math_silu(double x)
{
    return x / (1 + exp(-x));
}

static inline double math_softplus(double x)
{
    return x > 20 ? x : (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static inline void check_math_errors(const struct math_functions *f)
{
    check_math("exp2", f->exp2, exp2, -120, 120, f->exp2_error, 0);
    check_math("exp", f->exp, exp, -80, 80, f->exp2_error, 0x1p-23);
    check_math("log1p", f->log_one_plus, log1p, 1e-30, 1e-3, 0x1p-21, 0);
    check_math("log1p", f->log_one_plus, log1p, 1e-3, 1, 0x1p-21, 0);
    check_math("silu", f->silu, math_silu, -80, 80, 0x1p-21, 0x1p-23);
    check_math("softplus", f->softplus, math_softplus, -80, 30, 0x1p-21, 0x1p-23);
}

static inline void check_math_edges(const struct math_functions *f)
{
    assert_true(f->exp2(0) == 1.0f);
    assert_true(f->exp(-1e4f) == 0.0f);
    assert_true(isinf(f->exp(1e4f)));
    assert_true(isnan(f->exp(NAN)));
    assert_true(f->softplus(90) == 90.0f);
    assert_true(f->softplus(-200) == 0.0f);
    assert_true(isnan(f->softplus(NAN)));
    assert_true(f->silu(-1e4f) == 0.0f);
    assert_true(f->silu(1e4f) == 1e4f);
    assert_true(isnan(f->silu(NAN)));
}

#endif
