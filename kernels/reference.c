/* reference.c: every kernel in plain C, written to be read and trusted. Slow is
 * fine here; unclear is not. Faster levels are tested against these. */
#include "kernels/levels.h"

#include <string.h>

/* --- elementary functions --------------------------------------------------
 * In double, so that a float result is within one unit in the last place, and
 * without libm, whose versions differ in the last bit. */

static double power_of_two(int exponent)
{
    union {
        unsigned long long bits;
        double value;
    } u = {.bits = (unsigned long long)(exponent + 1023) << 52};
    return u.value;
}

static double exponential(double x)
{
    static const double log2_e = 0x1.71547652b82fep+0;
    static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
    if (x != x)
        return x;
    if (x > 700)
        x = 700;
    if (x < -700)
        return 0;
    int n = (int)(x * log2_e + (x < 0 ? -0.5 : 0.5));
    double r = (x - n * ln2_high) - n * ln2_low;
    double sum = 1; /* Taylor, |r| <= 0.35: the 13th term is below 1e-16 */
    for (int k = 13; k >= 1; k--)
        sum = 1 + r / k * sum;
    return sum * power_of_two(n);
}

/* log(1 + y) for 0 <= y <= 1, as 2 atanh(y / (2 + y)). */
static double log_one_plus(double y)
{
    double s = y / (2 + y), square = s * s, sum = 0;
    for (int k = 31; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return 2 * s * sum;
}

static float softplus(float x)
{
    if (x > 20)
        return x;
    double y = exponential(x < 0 ? (double)x : -(double)x);
    return (float)((x > 0 ? (double)x : 0) + log_one_plus(y));
}

static float silu(float x)
{
    return (float)((double)x / (1 + exponential(-(double)x)));
}

/* --- products --------------------------------------------------------------- */

/* Sixteen partial sums, then a tree over them: an order that a compiler may
 * vectorize without being allowed to change it. */
static float dot(const float *a, const float *b, size_t size)
{
    float partial[16] = {0};
    size_t whole = size / 16 * 16;
    for (size_t k = 0; k < whole; k += 16)
        for (size_t i = 0; i < 16; i++)
            partial[i] += a[k + i] * b[k + i];
    for (size_t i = 0; i < size - whole; i++)
        partial[i] += a[whole + i] * b[whole + i];
    for (size_t step = 8; step; step /= 2)
        for (size_t i = 0; i < step; i++)
            partial[i] += partial[i + step];
    return partial[0];
}

static void matmul(float *y, size_t y_stride, const struct matrix *w, size_t first, size_t count,
                   const float *x, size_t x_stride, size_t rows, bool add, float *scratch)
{
    for (size_t j = first; j < first + count; j++) {
        blocks_to_float(scratch, w->type, w->data + j * w->row_bytes, w->columns);
        for (size_t r = 0; r < rows; r++) {
            float sum = dot(scratch, x + r * x_stride, w->columns);
            float *out = &y[r * y_stride + j];
            *out = add ? *out + sum : sum;
        }
    }
}

static void row(float *out, const struct matrix *w, size_t index)
{
    blocks_to_float(out, w->type, w->data + index * w->row_bytes, w->columns);
}

/* --- rows --------------------------------------------------------------------- */

static float square_root(float x)
{
    return __builtin_sqrtf(x); /* one correctly rounded instruction */
}

static void rms_norm(float *y, const float *x, const float *weight, float epsilon, size_t size)
{
    float mean = dot(x, x, size) / (float)size;
    float scale = 1.0f / square_root(mean + epsilon);
    for (size_t i = 0; i < size; i++)
        y[i] = weight ? x[i] * scale * weight[i] : x[i] * scale;
}

static float sum_exp(float *top, const float *x, size_t size)
{
    float largest = x[0];
    for (size_t i = 1; i < size; i++)
        if (x[i] > largest)
            largest = x[i];
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += exponential((double)x[i] - (double)largest);
    *top = largest;
    return (float)sum;
}

/* --- time ------------------------------------------------------------------- */

/* Input `back` steps before token t: from this chunk, or from the tail that the
 * chunk before left. */
static float conv_input(const struct conv *c, size_t t, size_t back, size_t d)
{
    if (t >= back)
        return c->x[(t - back) * c->x_stride + d];
    return c->tail[(c->width - 1 + t - back) * c->tail_stride + d];
}

static void conv_silu(const struct conv *c)
{
    for (size_t t = 0; t < c->tokens; t++)
        for (size_t d = 0; d < c->channels; d++) {
            float sum = c->bias[d];
            for (size_t j = 0; j < c->width; j++)
                sum += c->weight[j * c->tail_stride + d] * conv_input(c, t, c->width - 1 - j, d);
            c->y[t * c->y_stride + d] = silu(sum);
        }
    for (size_t j = 0; j + 1 < c->width; j++) /* oldest first: each reads only newer ones */
        for (size_t d = 0; d < c->channels && c->tokens; d++)
            c->tail[j * c->tail_stride + d] = conv_input(c, c->tokens - 1, c->width - 2 - j, d);
}

static void scan(const struct scan *s)
{
    for (size_t d = 0; d < s->channels; d++)
        for (size_t t = 0; t < s->tokens; t++) {
            float delta = softplus(s->delta[t * s->delta_stride + d] + s->bias[d]);
            float x = s->x[t * s->x_stride + d];
            float gate = silu(s->gate[t * s->gate_stride + d]);
            const float *b = s->b + t * s->bc_stride, *c = s->c + t * s->bc_stride;
            float sum = 0;
            for (size_t n = 0; n < s->states; n++) {
                float *h = &s->h[n * s->h_stride + d];
                float decay = (float)exponential((double)delta * (double)s->a[n * s->h_stride + d]);
                *h = decay * *h + delta * x * b[n];
                sum += c[n] * *h;
            }
            s->y[t * s->y_stride + d] = (sum + s->skip[d] * x) * gate;
        }
}

const struct kernels levels_reference = {
    .name = "reference",
    .revision = 1,
    .pass_rows = 256,
    .product_rows = 256,
    .prefill_matmul = matmul,
    .decode_matmul = matmul,
    .rms_norm = rms_norm,
    .conv_silu = conv_silu,
    .scan = scan,
    .row = row,
    .sum_exp = sum_exp,
};
