/* The reference of the search's parts, and the search for one group of weights, which
 * is the same on every level. */
#include "kernels/quantize_private.h"

#include <float.h>
#include <math.h>

/* --- parts -------------------------------------------------------------------------- */

/* Adding and subtracting 1.5 * 2^23 leaves the nearest integer, ties to even. */
static float nearest(float value)
{
    const float magic = 12582912.0f;
    return value + magic - magic;
}

static float quantized(const struct quantize_group *group, size_t i, float offset, float inverse)
{
    float q = (group->x[i] - offset) * inverse;
    q = q > group->low ? q : group->low;
    q = q < group->high ? q : group->high;
    return nearest(q);
}

static float folded(const float s[QUANTIZE_LANES])
{
    float a = s[0] + s[4], b = s[1] + s[5], c = s[2] + s[6], d = s[3] + s[7];
    return (a + c) + (b + d);
}

static void range(float *least, float *most, const float *x, size_t count)
{
    float low[QUANTIZE_LANES], high[QUANTIZE_LANES];
    for (size_t i = 0; i < QUANTIZE_LANES; i++)
        low[i] = high[i] = x[i];
    for (size_t i = QUANTIZE_LANES; i < count; i++) {
        float *l = &low[i % QUANTIZE_LANES], *h = &high[i % QUANTIZE_LANES];
        *l = x[i] < *l ? x[i] : *l;
        *h = x[i] > *h ? x[i] : *h;
    }
    *least = low[0];
    *most = high[0];
    for (size_t i = 1; i < QUANTIZE_LANES; i++) {
        *least = low[i] < *least ? low[i] : *least;
        *most = high[i] > *most ? high[i] : *most;
    }
}

static void sums(struct quantize_sums *out, const struct quantize_group *group, float offset,
                 float inverse)
{
    float wq[QUANTIZE_LANES] = {0}, wqq[QUANTIZE_LANES] = {0}, wqx[QUANTIZE_LANES] = {0};
    for (size_t i = 0; i < group->count; i++) {
        float q = quantized(group, i, offset, inverse), t = group->w[i] * q;
        wq[i % QUANTIZE_LANES] += t;
        wqq[i % QUANTIZE_LANES] += t * q;
        wqx[i % QUANTIZE_LANES] += t * group->x[i];
    }
    *out = (struct quantize_sums){folded(wq), folded(wqq), folded(wqx)};
}

static float error(const struct quantize_group *group, float scale, float offset, float inverse)
{
    float all[QUANTIZE_LANES] = {0};
    for (size_t i = 0; i < group->count; i++) {
        float e = scale * quantized(group, i, offset, inverse) + offset - group->x[i];
        all[i % QUANTIZE_LANES] += group->w[i] * e * e;
    }
    return folded(all);
}

static void round_all(int8_t *q, const struct quantize_group *group, float offset, float inverse)
{
    for (size_t i = 0; i < group->count; i++)
        q[i] = (int8_t)quantized(group, i, offset, inverse);
}

const struct quantize_level quantize_reference = {
    .name = "reference",
    .range = range,
    .sums = sums,
    .error = error,
    .round = round_all,
};

/* --- the search ------------------------------------------------------------------------ */

float quantize_inverse(float scale)
{
    return fabsf(scale) < 1e-37f ? 0 : 1 / scale;
}

struct quantize_fixed quantize_fixed_sums(const struct quantize_group *group)
{
    enum { LANES = 4 }; /* so that a sum does not wait for the one before */
    double w[LANES] = {0}, wx[LANES] = {0}, wxx[LANES] = {0};
    for (size_t i = 0; i < group->count; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            double x = (double)group->x[i + j], t = (double)group->w[i + j] * x;
            w[j] += (double)group->w[i + j];
            wx[j] += t;
            wxx[j] += t * x;
        }
    return (struct quantize_fixed){
        (w[0] + w[2]) + (w[1] + w[3]),
        (wx[0] + wx[2]) + (wx[1] + wx[3]),
        (wxx[0] + wxx[2]) + (wxx[1] + wxx[3]),
    };
}

/* Least squares for scale and offset, given the integers; their squared error, or
 * DBL_MAX when the integers are all alike. */
static double solve(struct quantize_fit *fit, const struct quantize_sums *s,
                    const struct quantize_fixed *fixed, bool free_offset)
{
    double wq = (double)s->wq, wqq = (double)s->wqq, wqx = (double)s->wqx;
    double determinant = fixed->w * wqq - wq * wq;
    if (!(determinant > 0))
        return DBL_MAX;
    double scale = (fixed->w * wqx - wq * fixed->wx) / determinant;
    double offset = (wqq * fixed->wx - wq * wqx) / determinant;
    if (!free_offset && offset > 0) {
        offset = 0;
        scale = wqx / wqq;
    }
    if (!(scale > 0))
        return DBL_MAX;
    *fit = (struct quantize_fit){(float)scale, (float)offset};
    return fixed->wxx - 2 * scale * wqx - 2 * offset * fixed->wx + scale * scale * wqq +
           2 * scale * offset * wq + offset * offset * fixed->w;
}

struct quantize_fit quantize_fit_range(const struct quantize_level *level,
                                       const struct quantize_group *group,
                                       const struct quantize_fixed *fixed, bool free_offset)
{
    enum { STEPS = 18, ROUNDS = 2 };
    float least, most;
    level->range(&least, &most, group->x, group->count);
    if (!free_offset && least > 0)
        least = 0;
    struct quantize_fit best = {0, least}, fit = best;
    if (!(most > least))
        return best;
    best.scale = most / group->high - least / group->high;
    struct quantize_sums s;
    double best_error = DBL_MAX;
    for (int step = 0; step < STEPS; step++) {
        /* From a span a little wider than the range to one that cuts its end off. */
        float spanned = group->high - 0.6f + 0.15f * (float)step;
        level->sums(&s, group, least, spanned / (most - least));
        double error = solve(&fit, &s, fixed, free_offset);
        if (error < best_error) {
            best_error = error;
            best = fit;
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        level->sums(&s, group, best.offset, quantize_inverse(best.scale));
        double error = solve(&fit, &s, fixed, free_offset);
        if (!(error < best_error))
            break;
        best_error = error;
        best = fit;
    }
    return best;
}

float quantize_offset(const struct quantize_level *level, const struct quantize_group *group,
                      const struct quantize_fixed *fixed, float scale, float offset)
{
    struct quantize_sums s;
    level->sums(&s, group, offset, quantize_inverse(scale));
    return fixed->w > 0 ? (float)((fixed->wx - (double)scale * (double)s.wq) / fixed->w) : offset;
}

/* What the squared error falls by with the best scale for the integers. */
static double gain_of(float *scale, const struct quantize_sums *s)
{
    double wqq = (double)s->wqq, wqx = (double)s->wqx;
    if (!(wqq > 0))
        return 0;
    *scale = (float)(wqx / wqq);
    return wqx * wqx / wqq;
}

float quantize_fit_symmetric(const struct quantize_level *level, const struct quantize_group *group)
{
    enum { STEPS = 9, ROUNDS = 2 };
    float least, most, scale = 0;
    level->range(&least, &most, group->x, group->count);
    float extreme = -least > most ? least : most;
    if (!(fabsf(extreme) > 1e-37f))
        return 0;
    float best = extreme / group->low;
    double best_gain = 0;
    struct quantize_sums s;
    for (int step = 0; step < 2 * STEPS; step++) {
        /* The extreme lies at either end of the integers' range or a little beyond. */
        float beyond = 0.15f * (float)(step / 2) - 0.45f;
        float end = step % 2 ? group->high + beyond : group->low - beyond;
        level->sums(&s, group, 0, end / extreme);
        double gain = gain_of(&scale, &s);
        if (gain > best_gain) {
            best_gain = gain;
            best = scale;
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        level->sums(&s, group, 0, quantize_inverse(best));
        double gain = gain_of(&scale, &s);
        if (!(gain > best_gain))
            break;
        best_gain = gain;
        best = scale;
    }
    return best;
}
