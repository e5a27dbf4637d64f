/* exact_scan.h: the scan in double beside a bound on what a level may be off, carried
 * along step by step, because states cancel and decay: no bound relative to the result
 * alone holds. The terms are those that the elementary functions allow themselves
 * (tests/kernels/check_math.h): e^x within (|x| + 2) 2^-23, log(1 + y) within 2^-21, each
 * product and sum one rounding, and what underflows. Inputs may bring errors of their own. */
#ifndef TIDEMARK_TESTS_KERNELS_EXACT_SCAN_H
#define TIDEMARK_TESTS_KERNELS_EXACT_SCAN_H

#include <math.h>
#include <stddef.h>

static const double rounding = 0x1p-24, underflow = 0x1p-125;

/* A number and how far it may be off. */
struct exact {
    double value, error;
};

/* What one channel takes in at one token. */
struct exact_inputs {
    struct exact delta; /* with the bias, before softplus */
    struct exact x, gate;
    double skip;
    size_t states;
    const float *a; /* [states][a_stride] */
    size_t a_stride;
    const struct exact *b, *c; /* [states] */
};

/* silu(x), whose slope is at most 1.1. */
static inline struct exact exact_silu(struct exact x)
{
    double value = x.value / (1 + exp(-x.value));
    return (struct exact){value, (fabs(x.value) + 6) * 2 * rounding * fabs(value) +
                                     128 * underflow + 1.1 * x.error};
}

/* Moves the channel's states h on; returns y. */
static inline struct exact exact_step(struct exact *h, const struct exact_inputs *in)
{
    double v = in->delta.value, delta = v > 20 ? v : log1p(exp(v));
    double delta_error = (fabs(v) + 8) * 2 * rounding * delta + underflow + in->delta.error;
    double x = in->x.value, sum = 0, size = 0, error = 0;
    for (size_t n = 0; n < in->states; n++) {
        double a = (double)in->a[n * in->a_stride], b = in->b[n].value, c = in->c[n].value;
        double decay = exp(delta * a), added = delta * x * b;
        double in_exponent = fabs(a) * (delta_error + 4 * rounding * delta);
        double decay_error = decay * expm1(in_exponent + 8 * rounding) + underflow;
        double brought = in->x.error * fabs(b) + (fabs(x) + in->x.error) * in->b[n].error;
        h[n].error = (decay + decay_error) * h[n].error + decay_error * fabs(h[n].value) +
                     fabs(x * b) * (delta_error + 4 * rounding * delta) +
                     (delta + delta_error) * brought + underflow;
        h[n].value = decay * h[n].value + added;
        h[n].error += 2 * rounding * (fabs(h[n].value) + fabs(added));
        sum += c * h[n].value;
        size += fabs(c * h[n].value);
        error += fabs(c) * h[n].error + in->c[n].error * (fabs(h[n].value) + h[n].error);
    }
    double skipped = in->skip * x;
    error += (double)(in->states + 3) * rounding * (size + error + fabs(skipped)) +
             fabs(in->skip) * in->x.error;
    struct exact gate = exact_silu(in->gate);
    return (struct exact){(sum + skipped) * gate.value, error * (fabs(gate.value) + gate.error) +
                                                            fabs(sum + skipped) * gate.error +
                                                            underflow};
}

#endif
