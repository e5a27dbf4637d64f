/* The device's matrix products, own and cuBLASLt's, against sums in double, and that a
 * row's bits are its own. */
#include "kernels/cuda/blas.h"
#include "kernels/cuda/device.h"
#include "tests/kernels/cuda/cuda_rig.h"

enum { ROUNDS = 8 };

static struct random random_source;

struct product {
    uint32_t rows, outputs, columns;
    size_t x_stride, w_stride, y_stride;
    bool precise, y_bf16, add;
    float *x, *w, *before; /* on the host */
    void *x_device, *w_device;
};

/* rows: a multiple of 64. */
static struct product random_product(bool precise, bool y_bf16, bool add)
{
    struct product p = {.precise = precise, .y_bf16 = y_bf16, .add = add};
    p.rows = 64 * (1 + (uint32_t)random_below(&random_source, 4));
    p.outputs = 16 * (1 + (uint32_t)random_below(&random_source, 20));
    p.columns = 256 * (1 + (uint32_t)random_below(&random_source, 4));
    p.x_stride = p.columns + 8 * random_below(&random_source, 4);
    p.w_stride = p.columns;
    p.y_stride = p.outputs + 8 * random_below(&random_source, 4);
    p.x = random_values(&random_source, p.rows * p.x_stride, 1);
    p.w = random_values(&random_source, p.outputs * p.w_stride, 1);
    p.before = random_values(&random_source, p.rows * p.y_stride, 1);
    for (size_t i = 0; i < 8; i++) { /* subnormals, large values, whole rows of either */
        size_t row = random_below(&random_source, p.rows);
        p.x[random_below(&random_source, p.rows * p.x_stride)] = i % 2 ? 1e-40f : 1e6f;
        for (size_t k = 0; i < 2 && k < p.columns; k++)
            p.x[row * p.x_stride + k] *= i ? 0x1p-110f : 0x1p60f;
    }
    p.x_device = cuda_put_activations(p.x, p.rows * p.x_stride, precise);
    p.w_device = cuda_put_activations(p.w, p.outputs * p.w_stride, precise);
    return p;
}

static void free_product(struct product *p)
{
    free(p->x);
    free(p->w);
    free(p->before);
    cuda_clear();
}

/* One rounding for each of the K products and sums. The tensor cores take products of BF16
 * exactly, but may cut off instead of rounding when they add: twice that, twice again for
 * the bits they drop when they align. */
static void check(const struct product *p, const float *y, const char *name)
{
    double unit = p->precise ? 0x1p-23 : 0x1p-21;
    for (size_t r = 0; r < p->rows; r++)
        for (size_t j = 0; j < p->outputs; j++) {
            double sum = p->add ? (double)p->before[r * p->y_stride + j] : 0;
            double size = fabs(sum);
            for (size_t k = 0; k < p->columns; k++) {
                double term = (double)p->x[r * p->x_stride + k] * (double)p->w[j * p->w_stride + k];
                sum += term;
                size += fabs(term);
            }
            double bound =
                (double)(p->columns + 2) * unit * size + 0x1p-126 + stored_error(sum, !p->y_bf16);
            double have = (double)y[r * p->y_stride + j];
            if (!(fabs(have - sum) <= bound))
                fail_msg("%s: row %zu of %u, output %zu of %u, %u columns: %g, not %g within %g",
                         name, r, p->rows, j, p->outputs, p->columns, have, sum, bound);
        }
}

static void check_gap(const struct product *p, const float *y, const char *name)
{
    for (size_t r = 0; r < p->rows; r++)
        for (size_t j = p->outputs; j < p->y_stride; j++) {
            float want = p->add ? p->before[r * p->y_stride + j] : cuda_untouched(!p->y_bf16);
            if (y[r * p->y_stride + j] != want)
                fail_msg("%s: wrote to output %zu of %u", name, j, p->outputs);
        }
}

static void *put_result(struct product *p)
{
    size_t count = p->rows * p->y_stride;
    return p->add ? cuda_put(p->before, count * sizeof *p->before)
                  : cuda_put(NULL, count * (p->y_bf16 ? 2 : 4));
}

static void run_own(const struct product *p, void *y, uint32_t first, uint32_t rows)
{
    size_t x_size = p->precise ? 4 : 2, y_size = p->y_bf16 ? 2 : 4;
    const unsigned char *x = (const unsigned char *)p->x_device + first * p->x_stride * x_size;
    unsigned char *to = (unsigned char *)y + first * p->y_stride * y_size;
    if (p->precise)
        device_product_f32((float *)(void *)to, p->y_stride, p->w_device, p->w_stride,
                           (const float *)(const void *)x, p->x_stride, rows, p->outputs,
                           p->columns, p->add, 0);
    else
        device_product_bf16(to, p->y_bf16, p->y_stride, p->w_device, p->w_stride, x, p->x_stride,
                            rows, p->outputs, p->columns, p->add, 0);
}

static void check_own(bool precise, bool y_bf16, bool add)
{
    struct product p = random_product(precise, y_bf16, add);
    const char *name = precise ? "f32 product" : "bf16 product";
    size_t count = p.rows * p.y_stride;
    void *whole = put_result(&p), *parts = put_result(&p);
    run_own(&p, whole, 0, p.rows);
    for (uint32_t first = 0; first < p.rows; first += 64)
        run_own(&p, parts, first, 64);
    float *y = cuda_take_activations(whole, count, !y_bf16);
    float *again = cuda_take_activations(parts, count, !y_bf16);
    check(&p, y, name);
    check_gap(&p, y, name);
    if (memcmp(y, again, count * sizeof *y) != 0)
        fail_msg("%s: %u rows at once give other bits than 64 at a time", name, p.rows);
    free(y);
    free(again);
    free_product(&p);
}

static void test_own_products(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++) {
        check_own(true, false, i % 2);
        check_own(false, false, i % 2);
        check_own(false, true, false);
    }
}

/* cuBLASLt's, by the algorithm that was found to keep its bits. */
static void check_library(struct blas *blas, bool y_bf16, bool add)
{
    enum { MOST = 256 };
    struct product p = random_product(false, y_bf16, add);
    const struct blas_shape shape = {p.outputs,  p.columns, p.y_stride, p.w_stride,
                                     p.x_stride, p.y_bf16,  p.add};
    size_t count = p.rows * p.y_stride, size = y_bf16 ? 2 : 4;
    size_t rows = p.rows == 192 ? 128 : p.rows; /* one of its numbers of rows */
    int *different = cuda_put(NULL, sizeof *different);
    void *noise = cuda_put(NULL, MOST * p.x_stride * 2);
    device_fill_random(noise, false, MOST * p.x_stride, 5, 0);
    if (!blas_prepare(blas, &shape, MOST, cuda_put(NULL, MOST * p.y_stride * size),
                      cuda_put(NULL, MOST * p.y_stride * size), p.w_device, noise,
                      cuda_put(NULL, MOST * p.x_stride * 2), different, 0)) {
        printf("  no algorithm keeps its bits: %u outputs, %u columns\n", p.outputs, p.columns);
        free_product(&p);
        return;
    }
    void *whole = put_result(&p), *part = put_result(&p);
    p.rows = (uint32_t)rows;
    assert_true(blas_product(blas, &shape, whole, p.w_device, p.x_device, p.rows, 0));
    assert_true(blas_product(blas, &shape, part, p.w_device, p.x_device, 64, 0));
    float *y = cuda_take_activations(whole, count, !y_bf16);
    float *again = cuda_take_activations(part, count, !y_bf16);
    check(&p, y, "cuBLASLt");
    check_gap(&p, y, "cuBLASLt");
    if (memcmp(y, again, 64 * p.y_stride * sizeof *y) != 0)
        fail_msg("cuBLASLt: %u rows at once give other bits than 64", p.rows);
    free(y);
    free(again);
    free_product(&p);
}

static void test_library_products(void **context)
{
    char why[256];
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++) {
        struct blas *blas = blas_new(4, why);
        if (!blas) {
            printf("  %s\n", why);
            skip();
        }
        check_library(blas, i % 2, false);
        check_library(blas, false, true);
        blas_free(blas);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_products),
        cmocka_unit_test(test_library_products),
    };
    random_source = random_seeded();
    return cuda_rig_main(tests);
}
