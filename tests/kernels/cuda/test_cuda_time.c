/* What goes along time on the device: convolution, the mixer's norms, scan. Against sums in
 * double within bounds derived from the operations; segments of several lanes, ragged in
 * rows and channels; the same bits wherever a lane is cut. */
#include "kernels/cuda/device.h"
#include "tests/kernels/cuda/cuda_rig.h"
#include "tests/kernels/exact_scan.h"

enum { ROUNDS = 24, MOST_SEGMENTS = 6 };

static struct random random_source;

/* A layer's activations, several lanes after one another. */
struct layer {
    struct device_layer_shape shape;
    size_t lanes, rows, state_floats;
    size_t begin[MOST_SEGMENTS], count[MOST_SEGMENTS];
    float *states; /* [lanes][state_floats] */
    float *xz, *xc, *delta, *bc;
    float *weight, *conv_bias, *a, *bias, *skip;
    /* the same on the device */
    float *d_states, *d_delta, *d_bc, *d_weight, *d_conv_bias, *d_a, *d_bias, *d_skip;
    void *d_xz, *d_xc;
};

static size_t h_floats(const struct layer *l)
{
    return (size_t)l->shape.states * l->shape.inner;
}

static void random_shape(struct layer *l)
{
    struct device_layer_shape *s = &l->shape;
    bool wide = random_below(&random_source, 4) == 0; /* the scan's larger blocks */
    s->states = 4 * (1 + (uint32_t)random_below(&random_source, 4));
    s->taps = 2 + (uint32_t)random_below(&random_source, 3);
    s->inner = 8 * ((wide ? 800 : 1) + (uint32_t)random_below(&random_source, 40));
    s->rank = 1 + (uint32_t)random_below(&random_source, 70);
    s->wide_stride = 2 * s->inner + 8 * (uint32_t)random_below(&random_source, 4);
    s->inner_stride = s->inner + 8 * (uint32_t)random_below(&random_source, 4);
    s->mixer_stride = s->rank + 2 * s->states + (uint32_t)random_below(&random_source, 9);
    s->rank_stride = s->rank + (uint32_t)random_below(&random_source, 9);
    s->layer_offset = random_below(&random_source, 3) * 8;
    s->mixer_epsilon = 1e-5f;
    s->mixer_norm = random_below(&random_source, 2);
    s->precise = random_below(&random_source, 2);
    /* Aligned as cudaMalloc aligns a state. */
    l->state_floats =
        (s->layer_offset + (s->states + s->taps - 1) * (size_t)s->inner + 5 + 63) / 64 * 64;
    l->lanes = 1 + random_below(&random_source, MOST_SEGMENTS);
    for (size_t i = 0; i < l->lanes; i++) {
        l->begin[i] = l->rows;
        l->count[i] = 1 + random_below(&random_source, i % 2 ? 5 : wide ? 20 : 100);
        l->rows += l->count[i];
    }
}

/* Large steps and gates, subnormal inputs. */
static void make_hostile(struct layer *l)
{
    static const float values[] = {90, -120, 25, 1e-41f, -88, 300};
    const struct device_layer_shape *s = &l->shape;
    for (size_t i = 0; i < 6; i++) {
        size_t row = random_below(&random_source, l->rows);
        size_t channel = random_below(&random_source, s->inner);
        l->delta[row * s->inner_stride + channel] = values[i];
        l->xz[row * s->wide_stride + s->inner + channel] = values[i];
        l->xc[row * s->inner_stride + channel] = 1e-40f;
        l->states[s->layer_offset + random_below(&random_source, h_floats(l))] = 1e-40f;
    }
}

static struct layer random_layer(void)
{
    struct layer l = {0};
    random_shape(&l);
    const struct device_layer_shape *s = &l.shape;
    l.states = random_values(&random_source, l.lanes * l.state_floats, 1);
    l.xz = random_values(&random_source, l.rows * s->wide_stride, 2);
    l.xc = random_values(&random_source, l.rows * s->inner_stride, 1);
    l.delta = random_values(&random_source, l.rows * s->inner_stride, 4);
    l.bc = random_values(&random_source, l.rows * 2 * s->states, 1);
    l.weight = random_values(&random_source, s->taps * (size_t)s->inner, 1);
    l.conv_bias = random_values(&random_source, s->inner, 1);
    l.a = random_values(&random_source, h_floats(&l), 3);
    for (size_t i = 0; i < h_floats(&l); i++)
        l.a[i] = -fabsf(l.a[i]);
    l.bias = random_values(&random_source, s->inner, 2);
    l.skip = random_values(&random_source, s->inner, 1);
    make_hostile(&l);
    l.d_states = cuda_put(l.states, l.lanes * l.state_floats * sizeof *l.states);
    l.d_xz = cuda_put_activations(l.xz, l.rows * s->wide_stride, s->precise);
    l.d_xc = cuda_put_activations(l.xc, l.rows * s->inner_stride, s->precise);
    l.d_delta = cuda_put(l.delta, l.rows * s->inner_stride * sizeof *l.delta);
    l.d_bc = cuda_put(l.bc, l.rows * 2 * s->states * sizeof *l.bc);
    l.d_weight = cuda_put(l.weight, s->taps * (size_t)s->inner * sizeof *l.weight);
    l.d_conv_bias = cuda_put(l.conv_bias, s->inner * sizeof *l.conv_bias);
    l.d_a = cuda_put(l.a, h_floats(&l) * sizeof *l.a);
    l.d_bias = cuda_put(l.bias, s->inner * sizeof *l.bias);
    l.d_skip = cuda_put(l.skip, s->inner * sizeof *l.skip);
    return l;
}

static void free_layer(struct layer *l)
{
    float *all[] = {l->states, l->xz,        l->xc, l->delta, l->bc,
                    l->weight, l->conv_bias, l->a,  l->bias,  l->skip};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    cuda_clear();
}

/* The lanes' segments; of each the rows [from, to), of all when they have fewer. *row_segment:
 * for every row of the layer. */
static struct device_segment *put_segments(const struct layer *l, float *states, size_t from,
                                           size_t to, int32_t **row_segment, size_t *used)
{
    struct device_segment segments[MOST_SEGMENTS];
    int32_t *of = host_memory(l->rows * sizeof *of);
    *used = 0;
    for (size_t i = 0; i < l->lanes; i++) {
        size_t end = to < l->count[i] ? to : l->count[i];
        for (size_t r = 0; r < l->count[i]; r++)
            of[l->begin[i] + r] = (int32_t)*used;
        if (from < end)
            segments[(*used)++] =
                (struct device_segment){states + i * l->state_floats,
                                        (uint32_t)(l->begin[i] + from), (uint32_t)(end - from)};
    }
    *row_segment = cuda_put(of, l->rows * sizeof *of);
    free(of);
    return cuda_put(segments, sizeof segments);
}

static void fail_at(const struct layer *l, const char *what, size_t lane, size_t row,
                    size_t channel, double have, struct exact want)
{
    fail_msg("%s, %s: lane %zu of %zu, row %zu of %zu, channel %zu of %u, %u states, %u taps: %g, "
             "not %g within %g",
             what, l->shape.precise ? "F32" : "BF16", lane, l->lanes, row, l->count[lane], channel,
             l->shape.inner, l->shape.states, l->shape.taps, have, want.value, want.error);
}

static void check_gap(const float *y, size_t rows, size_t stride, size_t used, const float *before,
                      const char *what)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t k = used; k < stride; k++)
            if (y[r * stride + k] != before[r * stride + k])
                fail_msg("%s: column %zu of row %zu was written", what, k, r);
}

/* --- convolution ---------------------------------------------------------------------- */

/* Input number `row` of a lane, whose tail holds what came before. */
static double conv_input(const struct layer *l, size_t lane, ptrdiff_t row, size_t channel)
{
    const struct device_layer_shape *s = &l->shape;
    if (row >= 0)
        return (double)l->xz[(l->begin[lane] + (size_t)row) * s->wide_stride + channel];
    size_t at = (size_t)(row + (ptrdiff_t)s->taps - 1);
    return (double)
        l->states[lane * l->state_floats + s->layer_offset + h_floats(l) + at * s->inner + channel];
}

static void check_conv(const struct layer *l, const float *y)
{
    const struct device_layer_shape *s = &l->shape;
    for (size_t lane = 0; lane < l->lanes; lane++)
        for (size_t row = 0; row < l->count[lane]; row++)
            for (size_t d = 0; d < s->inner; d++) {
                struct exact sum = {(double)l->conv_bias[d], 0};
                double size = fabs(sum.value);
                for (size_t j = 0; j < s->taps; j++) {
                    ptrdiff_t at = (ptrdiff_t)row - (ptrdiff_t)(s->taps - 1 - j);
                    double term = (double)l->weight[j * s->inner + d] * conv_input(l, lane, at, d);
                    sum.value += term;
                    size += fabs(term);
                }
                sum.error = (double)(s->taps + 1) * 2 * rounding * size;
                struct exact want = exact_silu(sum);
                want.error += stored_error(want.value, s->precise);
                double have = (double)y[(l->begin[lane] + row) * s->inner_stride + d];
                if (!(fabs(have - want.value) <= want.error))
                    fail_at(l, "convolution", lane, row, d, have, want);
            }
}

static void test_convolution(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++) {
        struct layer l = random_layer();
        const struct device_layer_shape *s = &l.shape;
        size_t count = l.rows * s->inner_stride, used;
        int32_t *row_segment;
        struct device_segment *segments =
            put_segments(&l, l.d_states, 0, l.rows, &row_segment, &used);
        device_conv(l.d_xc, l.d_xz, l.d_weight, l.d_conv_bias, segments, row_segment,
                    (uint32_t)l.rows, s, 0);
        float *y = cuda_take_activations(l.d_xc, count, s->precise);
        float *states = cuda_take(l.d_states, l.lanes * l.state_floats * sizeof *states);
        check_conv(&l, y);
        check_gap(y, l.rows, s->inner_stride, s->inner, l.xc, "convolution");
        assert_memory_equal(states, l.states, l.lanes * l.state_floats * sizeof *states);
        free(y);
        free(states);
        free_layer(&l);
    }
}

/* --- dt, B and C -------------------------------------------------------------------------- */

/* x / RMS of `size` values: sums of squares within size + 8 roundings, half of which the
 * root leaves, the division, the root and two products. */
static struct exact normed(const float *x, size_t at, size_t size, double epsilon, bool norm)
{
    double squares = 0;
    for (size_t i = 0; i < size; i++)
        squares += (double)x[i] * (double)x[i];
    double value = (double)x[at];
    if (norm)
        value /= sqrt(squares / (double)size + epsilon);
    return (struct exact){value, (double)(size + 16) * rounding * fabs(value) + 0x1p-126};
}

static void check_mixer(const struct layer *l, const float *dbc, const float *dt, const float *bc)
{
    const struct device_layer_shape *s = &l->shape;
    double epsilon = (double)s->mixer_epsilon;
    for (size_t r = 0; r < l->rows; r++) {
        const float *in = dbc + r * s->mixer_stride;
        for (size_t k = 0; k < s->rank; k++) {
            struct exact want = normed(in, k, s->rank, epsilon, s->mixer_norm);
            want.error += stored_error(want.value, s->precise);
            double have = (double)dt[r * s->rank_stride + k];
            if (!(fabs(have - want.value) <= want.error))
                fail_at(l, "dt", 0, r, k, have, want);
        }
        for (size_t k = 0; k < 2 * s->states; k++) {
            const float *part = in + s->rank + k / s->states * s->states;
            struct exact want = normed(part, k % s->states, s->states, epsilon, s->mixer_norm);
            double have = (double)bc[r * 2 * s->states + k];
            if (!(fabs(have - want.value) <= want.error))
                fail_at(l, "B and C", 0, r, k, have, want);
        }
    }
}

static void test_mixer(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++) {
        struct layer l = {0};
        random_shape(&l);
        const struct device_layer_shape *s = &l.shape;
        float *dbc = random_values(&random_source, l.rows * s->mixer_stride, 1);
        for (size_t k = 0; k < s->mixer_stride; k++)
            dbc[k] *= 0x1p-100f; /* a row that epsilon rules */
        dbc[random_below(&random_source, l.rows * s->mixer_stride)] = 1e-40f;
        float *d_dbc = cuda_put(dbc, l.rows * s->mixer_stride * sizeof *dbc);
        float *before = random_values(&random_source, l.rows * s->rank_stride, 1);
        void *d_dt = cuda_put_activations(before, l.rows * s->rank_stride, s->precise);
        float *d_bc = cuda_put(NULL, l.rows * 2 * s->states * sizeof *d_bc);
        device_mixer(d_dt, d_bc, d_dbc, (uint32_t)l.rows, s, 0);
        float *dt = cuda_take_activations(d_dt, l.rows * s->rank_stride, s->precise);
        float *bc = cuda_take(d_bc, l.rows * 2 * s->states * sizeof *bc);
        check_mixer(&l, dbc, dt, bc);
        check_gap(dt, l.rows, s->rank_stride, s->rank, before, "dt");
        float *all[] = {dbc, before, dt, bc};
        for (size_t k = 0; k < 4; k++)
            free(all[k]);
        cuda_clear();
    }
}

/* --- scan ------------------------------------------------------------------------------- */

static struct exact given(float value)
{
    return (struct exact){(double)value, 0};
}

static void check_channel(const struct layer *l, size_t lane, size_t d, const float *y,
                          const float *after)
{
    const struct device_layer_shape *s = &l->shape;
    const float *before = l->states + lane * l->state_floats + s->layer_offset + d;
    struct exact h[16], b[16], c[16];
    for (size_t n = 0; n < s->states; n++)
        h[n] = given(before[n * s->inner]);
    for (size_t i = 0; i < l->count[lane]; i++) {
        size_t row = l->begin[lane] + i;
        for (size_t n = 0; n < s->states; n++) {
            b[n] = given(l->bc[row * 2 * s->states + n]);
            c[n] = given(l->bc[row * 2 * s->states + s->states + n]);
        }
        const struct exact_inputs in = {
            .delta = given(l->delta[row * s->inner_stride + d] + l->bias[d]),
            .x = given(l->xc[row * s->inner_stride + d]),
            .gate = given(l->xz[row * s->wide_stride + s->inner + d]),
            .skip = (double)l->skip[d],
            .states = s->states,
            .a = l->a + d,
            .a_stride = s->inner,
            .b = b,
            .c = c,
        };
        struct exact want = exact_step(h, &in);
        want.error += stored_error(fabs(want.value) + want.error, s->precise);
        double have = (double)y[row * s->inner_stride + d];
        if (!(fabs(have - want.value) <= want.error))
            fail_at(l, "scan, y", lane, i, d, have, want);
    }
    for (size_t n = 0; n < s->states; n++) {
        double have = (double)after[lane * l->state_floats + s->layer_offset + n * s->inner + d];
        if (!(fabs(have - h[n].value) <= h[n].error))
            fail_at(l, "scan, h", lane, n, d, have, h[n]);
    }
}

/* The tails are the last inputs, to the bit, and nothing else has changed. */
static void check_states(const struct layer *l, const float *after)
{
    const struct device_layer_shape *s = &l->shape;
    for (size_t lane = 0; lane < l->lanes; lane++)
        for (size_t k = 0; k < l->state_floats; k++) {
            size_t at = lane * l->state_floats + k;
            double want = (double)l->states[at];
            if (k >= s->layer_offset && k < s->layer_offset + h_floats(l))
                continue; /* h, looked at before */
            size_t tail = k - s->layer_offset - h_floats(l);
            if (k > s->layer_offset && tail < (s->taps - 1) * (size_t)s->inner)
                want = conv_input(l, lane,
                                  (ptrdiff_t)(l->count[lane] + tail / s->inner) -
                                      (ptrdiff_t)(s->taps - 1),
                                  tail % s->inner);
            if ((double)after[at] != want)
                fail_at(l, "scan, tail", lane, tail / s->inner, tail % s->inner, (double)after[at],
                        (struct exact){want, 0});
        }
}

static void run_scan(const struct layer *l, float *states, void *y, const void *xc, size_t from,
                     size_t to)
{
    const struct device_scan scan = {.y = y,
                                     .delta = l->d_delta,
                                     .xc = xc,
                                     .xz = l->d_xz,
                                     .bc = l->d_bc,
                                     .a = l->d_a,
                                     .bias = l->d_bias,
                                     .skip = l->d_skip};
    size_t used;
    int32_t *row_segment;
    struct device_segment *segments = put_segments(l, states, from, to, &row_segment, &used);
    if (used)
        device_scan(&scan, segments, (uint32_t)used, &l->shape, 0);
}

static void test_scan(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++) {
        struct layer l = random_layer();
        const struct device_layer_shape *s = &l.shape;
        size_t count = l.rows * s->inner_stride, bytes = l.lanes * l.state_floats * sizeof(float);
        assert_true(device_scan_fits(s));
        float *d_again = cuda_put(l.states, bytes);
        void *d_y = cuda_put_activations(l.xc, count, s->precise);
        size_t cut = random_below(&random_source, 40);
        run_scan(&l, d_again, d_y, l.d_xc, 0, cut);
        run_scan(&l, d_again, d_y, l.d_xc, cut, l.rows);
        run_scan(&l, l.d_states, l.d_xc, l.d_xc, 0, l.rows); /* in place */
        float *y = cuda_take_activations(l.d_xc, count, s->precise);
        float *y2 = cuda_take_activations(d_y, count, s->precise);
        float *states = cuda_take(l.d_states, bytes), *states2 = cuda_take(d_again, bytes);
        for (size_t lane = 0; lane < l.lanes; lane++)
            for (size_t d = 0; d < s->inner; d++)
                check_channel(&l, lane, d, y, states);
        check_states(&l, states);
        check_gap(y, l.rows, s->inner_stride, s->inner, l.xc, "scan");
        if (memcmp(y, y2, count * sizeof *y) || memcmp(states, states2, bytes))
            fail_msg("a scan cut after %zu rows gives other bits", cut);
        float *all[] = {y, y2, states, states2};
        for (size_t k = 0; k < 4; k++)
            free(all[k]);
        free_layer(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution),
        cmocka_unit_test(test_mixer),
        cmocka_unit_test(test_scan),
    };
    random_source = random_seeded();
    return cuda_rig_main(tests);
}
