/* What the device does row by row: norms, the logits' sums, surprise. */
#include "kernels/cuda/device.h"
#include "tests/kernels/cuda/cuda_rig.h"

enum { ROUNDS = 20 };

static struct random random_source;
static const double rounding = 0x1p-24;

/* --- norm ---------------------------------------------------------------------------- */

static void check_norm(bool precise)
{
    uint32_t size = 1 + (uint32_t)random_below(&random_source, 3000);
    uint32_t rows = 1 + (uint32_t)random_below(&random_source, 20);
    uint32_t x_stride = size + (uint32_t)random_below(&random_source, 9);
    uint32_t out_stride = size + (uint32_t)random_below(&random_source, 9);
    bool indexed = random_below(&random_source, 2);
    float *x = random_values(&random_source, (size_t)rows * x_stride, 3);
    float *weight = random_values(&random_source, size, 1);
    for (size_t k = 0; k < size; k++)
        x[k] *= 0x1p-120f; /* a row that epsilon rules */
    x[random_below(&random_source, (size_t)rows * x_stride)] = 1e6f;
    int32_t index[20];
    for (size_t r = 0; r < rows; r++)
        index[r] = (int32_t)random_below(&random_source, rows);
    float *d_x = cuda_put(x, (size_t)rows * x_stride * sizeof *x);
    float *d_weight = cuda_put(weight, size * sizeof *weight);
    int32_t *d_index = indexed ? cuda_put(index, sizeof index) : NULL;
    void *out = cuda_put(NULL, (size_t)rows * out_stride * (precise ? 4 : 2));
    device_norm(out, precise, out_stride, d_x, x_stride, d_index, d_weight, 1e-5f, size, rows, 0);
    float *y = cuda_take_activations(out, (size_t)rows * out_stride, precise);
    for (size_t r = 0; r < rows; r++) {
        const float *in = x + (indexed ? (size_t)index[r] : r) * x_stride;
        double squares = 0;
        for (size_t k = 0; k < size; k++)
            squares += (double)in[k] * (double)in[k];
        double scale = 1 / sqrt(squares / size + (double)1e-5f);
        for (size_t k = 0; k < size; k++) {
            double want = (double)in[k] * scale * (double)weight[k];
            double have = (double)y[r * out_stride + k];
            double bound = (size / 256.0 + 32) * rounding * fabs(want) + 0x1p-126 +
                           stored_error(want, precise);
            if (!(fabs(have - want) <= bound))
                fail_msg("norm, %s: row %zu of %u, column %zu of %u: %g, not %g within %g",
                         precise ? "F32" : "BF16", r, rows, k, size, have, want, bound);
        }
        for (size_t k = size; k < out_stride; k++)
            assert_true(y[r * out_stride + k] == cuda_untouched(precise));
    }
    free(x);
    free(weight);
    free(y);
    cuda_clear();
}

static void test_norm(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++)
        check_norm(i % 2);
}

/* --- logits ------------------------------------------------------------------------------ */

enum { MOST_ROWS = 12, PARTS = 3 };

struct logits {
    uint32_t rows, vocabulary, part, parts;
    float *values; /* [rows][vocabulary] */
    int32_t targets[MOST_ROWS];
    bool copied[MOST_ROWS];
    float *d_copies; /* [rows][vocabulary] */
    float *d_bits;
};

/* A part of the vocabulary at a time, as they come out of the product. */
static void run_logits(struct logits *l)
{
    struct device_logit_row rows[MOST_ROWS];
    uint32_t stride = l->part + 3, row_stride = MOST_ROWS + 1;
    size_t sums = (size_t)l->parts * row_stride * sizeof(float);
    float *top = cuda_put(NULL, sums), *sum = cuda_put(NULL, sums);
    float *target = cuda_put(NULL, row_stride * sizeof *target);
    float *piece = host_memory((size_t)l->rows * stride * sizeof *piece);
    l->d_copies = cuda_put(NULL, (size_t)l->rows * l->vocabulary * sizeof(float));
    l->d_bits = cuda_put(NULL, MOST_ROWS * sizeof(float));
    for (size_t r = 0; r < l->rows; r++)
        rows[r] = (struct device_logit_row){
            .target = l->targets[r],
            .copy = l->copied[r] ? l->d_copies + r * l->vocabulary : NULL,
        };
    struct device_logit_row *d_rows = cuda_put(rows, sizeof rows);
    for (uint32_t part = 0; part < l->parts; part++) {
        uint32_t first = part * l->part, count = l->vocabulary - first;
        count = count < l->part ? count : l->part;
        for (size_t r = 0; r < l->rows; r++)
            for (size_t k = 0; k < stride; k++)
                piece[r * stride + k] = k < count ? l->values[r * l->vocabulary + first + k] : 1e9f;
        float *d_piece = cuda_put(piece, (size_t)l->rows * stride * sizeof *piece);
        device_logits_part(d_piece, stride, first, count, d_rows, l->rows,
                           top + (size_t)part * row_stride, sum + (size_t)part * row_stride, target,
                           0);
    }
    device_surprise(l->d_bits, top, sum, target, l->parts, row_stride, l->rows, 0);
    free(piece);
}

static void check_surprise(const struct logits *l, const float *bits)
{
    for (size_t r = 0; r < l->rows; r++) {
        const float *x = l->values + r * l->vocabulary;
        double top = -INFINITY, sum = 0;
        if (l->targets[r] < 0)
            continue;
        for (size_t k = 0; k < l->vocabulary; k++)
            top = fmax(top, (double)x[k]);
        for (size_t k = 0; k < l->vocabulary; k++)
            sum += exp((double)x[k] - top);
        double want = (top + log(sum) - (double)x[l->targets[r]]) / log(2.0);
        /* Each exponential within (|x| + 4) 2^-23, each sum one rounding; what matters of
         * x is below 120. The result is stored with one. */
        double bound =
            (124 * 2 + l->vocabulary / 256.0 + 64) * rounding * 1.5 + 2 * rounding * fabs(want);
        if (!(fabs((double)bits[r] - want) <= bound))
            fail_msg("surprise: row %zu of %u, %u tokens: %g, not %g within %g", r, l->rows,
                     l->vocabulary, (double)bits[r], want, bound);
    }
}

static void test_logits(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++) {
        struct logits l = {.rows = 1 + (uint32_t)random_below(&random_source, MOST_ROWS)};
        l.parts = 1 + (uint32_t)random_below(&random_source, PARTS);
        l.part = 16 * (1 + (uint32_t)random_below(&random_source, 60));
        l.vocabulary = (l.parts - 1) * l.part + 1 + (uint32_t)random_below(&random_source, l.part);
        l.values = random_values(&random_source, (size_t)l.rows * l.vocabulary, 6);
        l.values[random_below(&random_source, (size_t)l.rows * l.vocabulary)] = 500;
        l.values[random_below(&random_source, (size_t)l.rows * l.vocabulary)] = -1e30f;
        for (size_t r = 0; r < l.rows; r++) {
            bool wanted = random_below(&random_source, 4) != 0;
            l.targets[r] = wanted ? (int32_t)random_below(&random_source, l.vocabulary) : -1;
            l.copied[r] = random_below(&random_source, 2);
        }
        run_logits(&l);
        float *bits = cuda_take(l.d_bits, MOST_ROWS * sizeof *bits);
        float *copies = cuda_take(l.d_copies, (size_t)l.rows * l.vocabulary * sizeof *copies);
        check_surprise(&l, bits);
        for (size_t k = 0; k < (size_t)l.rows * l.vocabulary; k++)
            if (copies[k] != (l.copied[k / l.vocabulary] ? l.values[k] : cuda_untouched(true)))
                fail_msg("logit %zu of row %zu was not copied right", k % l.vocabulary,
                         k / l.vocabulary);
        free(l.values);
        free(bits);
        free(copies);
        cuda_clear();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_logits),
    };
    random_source = random_seeded();
    return cuda_rig_main(tests);
}
