/* Every level against the plain C reference, on ragged shapes and hostile values,
 * and the exactness that kernels.h promises: a row's bits do not depend on its
 * neighbours, on how outputs are split, or on where a stretch of tokens is cut. */
#include "kernels/kernels.h"
#include "tests/kernels/exact_scan.h"
#include "tests/support/random_matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const enum blocks_type types[] = {
    BLOCKS_F32,  BLOCKS_F16,  BLOCKS_BF16, BLOCKS_Q4_0, BLOCKS_Q5_0,
    BLOCKS_Q5_1, BLOCKS_Q8_0, BLOCKS_Q4_K, BLOCKS_Q5_K, BLOCKS_Q6_K,
};
enum { TYPES = sizeof types / sizeof types[0] };

static const float guard = 12345.678f;

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(64, (size + 127) / 64 * 64);
    assert_non_null(memory);
    return memory;
}

static float *random_floats(struct random *random, size_t count, float scale)
{
    float *values = allocate(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = scale * random_normal(random);
    return values;
}

/* --- weights ------------------------------------------------------------------- */

static void test_rows_decode_to_the_same_bits(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t i = 0; i < 8 * TYPES; i++) {
            enum blocks_type type = types[i % TYPES];
            struct matrix matrix = random_matrix(&random, type, 3, random_columns(&random, type));
            float *expected = allocate(matrix.columns * sizeof *expected);
            float *actual = allocate((matrix.columns + 1) * sizeof *actual);
            for (size_t row = 0; row < matrix.outputs; row++) {
                blocks_to_float(expected, type, matrix.data + row * matrix.row_bytes,
                                matrix.columns);
                actual[matrix.columns] = guard;
                kernels_at(level)->row(actual, &matrix, row);
                for (size_t k = 0; k < matrix.columns; k++)
                    if (expected[k] != actual[k])
                        fail_msg("%s %s column %zu of %zu: %a, not %a", kernels_at(level)->name,
                                 blocks_layout(type)->name, k, matrix.columns, (double)actual[k],
                                 (double)expected[k]);
                assert_true(actual[matrix.columns] == guard);
            }
            free(expected);
            free(actual);
            free((void *)(uintptr_t)matrix.data);
        }
}

/* --- products -------------------------------------------------------------------- */

typedef void matmul(float *y, size_t y_stride, const struct matrix *w, size_t first, size_t count,
                    const float *x, size_t x_stride, size_t rows, bool add, float *scratch);

struct product {
    struct matrix matrix;
    size_t rows, x_stride, y_stride, packed_bytes;
    float *x, *packed, *y, *before, *scratch;
};

static struct product product_of(struct random *random, enum blocks_type type, size_t outputs,
                                 size_t rows)
{
    struct product p = {.rows = rows};
    size_t columns = random_columns(random, type);
    p.matrix = random_matrix(random, type, outputs, columns);
    p.matrix.normalized = random_below(random, 2);
    p.x_stride = (columns + 31 + random_below(random, 40)) / 16 * 16;
    p.y_stride = p.matrix.outputs + 1 + random_below(random, 20);
    p.x = random_floats(random, p.rows * p.x_stride, 1);
    size_t packed =
        p.x_stride > kernels_packed_floats(columns) ? p.x_stride : kernels_packed_floats(columns);
    p.packed_bytes = (p.rows + KERNELS_PACK_ROWS) * packed * sizeof *p.packed;
    p.packed = allocate(p.packed_bytes);
    for (size_t i = 0; i < 4; i++) /* a few subnormals and large values */
        p.x[random_below(random, p.rows * p.x_stride)] = i % 2 ? 1e-40f : 1e6f;
    p.before = random_floats(random, p.rows * p.y_stride, 1);
    p.y = allocate(p.rows * p.y_stride * sizeof *p.y);
    p.scratch = allocate(kernels_scratch_floats(columns) * sizeof *p.scratch);
    return p;
}

static struct product random_product(struct random *random, enum blocks_type type)
{
    size_t most = random_below(random, 16) ? 100 : 400; /* more than one panel */
    size_t outputs = 1 + random_below(random, most);
    size_t rows = 1 + random_below(random, random_below(random, 4) ? 70 : 150);
    return product_of(random, type, outputs, rows);
}

static void free_product(struct product *p)
{
    free((void *)(uintptr_t)p->matrix.data);
    free(p->x);
    free(p->packed);
    free(p->y);
    free(p->before);
    free(p->scratch);
}

static void reset(struct product *p)
{
    memcpy(p->y, p->before, p->rows * p->y_stride * sizeof *p->y);
    for (size_t r = 0; r < p->rows; r++)
        for (size_t j = p->matrix.outputs; j < p->y_stride; j++)
            p->y[r * p->y_stride + j] = guard;
}

/* How far a product may be from the sum in double, for what was added up. */
struct bounds {
    bool bf16, bytes, both_bytes; /* how numbers are rounded; none: not at all */
};

static struct bounds bounds_of(const struct kernels *kernels, const struct matrix *w, bool decode)
{
    bool packs = kernels->packs && kernels->packs(w, decode), prefill = packs && !decode;
    bool both =
        prefill && w->normalized && w->type == BLOCKS_Q4_K && strcmp(kernels->name, "amx") == 0;
    return (struct bounds){prefill && !both, packs && decode, both};
}

/* float32: one rounding for each of the K products and sums, each at most 2^-24 of what
 * has been added up so far, `magnitude`; twice that for sums of pairs.
 * bf16: each factor is within 2^-8 of itself, so a product within 2^-7 + 2^-16 of itself,
 * and values below 2^-126 are zero.
 * bytes: in a block of 32 columns an activation is within 1/254 of the largest one (and
 * the roundings of its scale), times the weight. A minimum is added apart from its
 * products: both are at most `spread`, the span from the least to the greatest of the
 * block's weights or zero, which 15 / 14 of a random block's exceed.
 * both_bytes: in a block of 256 columns an activation is within 1/254 of the largest one, and a
 * weight within 1/254 of the largest that the block's scales allow, most[]. */
static double allowed(const struct bounds *bounds, const float *w, const float *most,
                      const float *x, size_t columns, double magnitude)
{
    double bound = (double)(columns + 2) * 0x1p-23 * magnitude + 1e-35;
    if (bounds->bf16)
        bound += (0x1p-7 + 0x1p-16) * magnitude;
    for (size_t k = 0; bounds->bytes && k < columns; k += 32) {
        double largest = 0, least = 0, greatest = 0, sum = 0;
        for (size_t i = k; i < k + 32; i++) {
            largest = fmax(largest, fabs((double)x[i]));
            least = fmin(least, (double)w[i]);
            greatest = fmax(greatest, (double)w[i]);
            sum += fabs((double)w[i]);
        }
        double spread = 1.25 * (greatest - least);
        bound += largest * (sum / 254 + 32 * spread * (double)(columns / 32 + 8) * 0x1p-23);
    }
    for (size_t k = 0; bounds->both_bytes && k < columns; k += 256) {
        double largest = 0, top = 0, weights = 0, activations = 0;
        for (size_t i = k; i < k + 256; i++) {
            largest = fmax(largest, fabs((double)x[i]));
            top = fmax(top, (double)most[i]);
            weights += fabs((double)w[i]);
            activations += fabs((double)x[i]);
        }
        bound += (weights * largest + activations * top + 256 * largest * top / 254) / 254 *
                 (1 + 0x1p-12);
    }
    return bound;
}

/* The size of the largest weight that would have the place of each in a row of Q4_K. */
static void largest_weights(float *most, const struct matrix *m, size_t output)
{
    enum { BLOCK = 144, NIBBLES = 16, WEIGHTS = 256 };
    for (size_t k = 0; k < m->columns; k += WEIGHTS) {
        unsigned char block[BLOCK];
        float least[WEIGHTS], greatest[WEIGHTS];
        memcpy(block, m->data + output * m->row_bytes + k / WEIGHTS * BLOCK, NIBBLES);
        memset(block + NIBBLES, 0, BLOCK - NIBBLES);
        blocks_to_float(least, BLOCKS_Q4_K, block, WEIGHTS);
        memset(block + NIBBLES, 0xFF, BLOCK - NIBBLES);
        blocks_to_float(greatest, BLOCKS_Q4_K, block, WEIGHTS);
        for (size_t i = 0; i < WEIGHTS; i++)
            most[k + i] = fmaxf(fabsf(least[i]), fabsf(greatest[i]));
    }
}

/* Against a sum in double. */
static void check_values(const struct product *p, bool add, const struct bounds *bounds,
                         const char *name)
{
    const struct matrix *m = &p->matrix;
    float *w = allocate(m->columns * sizeof *w), *most = allocate(m->columns * sizeof *most);
    for (size_t j = 0; j < m->outputs; j++) {
        blocks_to_float(w, m->type, m->data + j * m->row_bytes, m->columns);
        if (bounds->both_bytes)
            largest_weights(most, m, j);
        for (size_t r = 0; r < p->rows; r++) {
            double start = add ? (double)p->before[r * p->y_stride + j] : 0;
            double sum = start, magnitude = fabs(start);
            for (size_t k = 0; k < m->columns; k++) {
                double term = (double)w[k] * (double)p->x[r * p->x_stride + k];
                sum += term;
                magnitude += fabs(term);
            }
            double bound = allowed(bounds, w, most, p->x + r * p->x_stride, m->columns, magnitude);
            double actual = (double)p->y[r * p->y_stride + j];
            if (!(fabs(actual - sum) <= bound))
                fail_msg("%s %s: row %zu of %zu, output %zu of %zu, %zu columns: %g, not %g within "
                         "%g",
                         name, blocks_layout(m->type)->name, r, p->rows, j, m->outputs, m->columns,
                         actual, sum, bound);
        }
    }
    for (size_t r = 0; r < p->rows; r++)
        for (size_t j = m->outputs; j < p->y_stride; j++)
            assert_true(p->y[r * p->y_stride + j] == guard);
    free(w);
    free(most);
}

static void pack_piece(const struct product *p, const struct kernels *kernels, bool decode,
                       const float *x, size_t first, size_t count, size_t begin, size_t end)
{
    if (decode)
        kernels->pack(p->packed, &p->matrix, x, p->x_stride, first, count, begin, end);
    else
        kernels->pack_pass(p->packed, &p->matrix, x + first * p->x_stride + begin, p->x_stride,
                           first, count, begin, end);
}

/* Rows [first, first + rows) as the product wants them. */
static const float *prepared(struct product *p, const struct kernels *kernels, bool decode,
                             size_t first, size_t rows)
{
    const float *x = p->x + first * p->x_stride;
    if (!kernels->packs || !kernels->packs(&p->matrix, decode))
        return x;
    memset(p->packed, 0x7F, p->packed_bytes);
    if (decode && rows % 2) { /* row by row, the last one first */
        for (size_t r = rows; r-- > 0;) {
            const size_t of = r / KERNELS_PACK_ROWS * KERNELS_PACK_ROWS;
            kernels->pack_row(p->packed, &p->matrix, x, p->x_stride, of,
                              rows - of < KERNELS_PACK_ROWS ? rows - of : KERNELS_PACK_ROWS,
                              r - of);
        }
        return p->packed;
    }
    /* in two pieces, the last one first */
    const size_t columns = p->matrix.columns;
    const size_t unit = decode || p->matrix.normalized ? KERNELS_PACK_COLUMNS : KERNELS_PACK_UNIT;
    const size_t cut = (columns / 2 + first) / unit * unit;
    const size_t cuts[] = {cut < columns ? cut : 0, columns};
    for (size_t r = 0; r < rows; r += KERNELS_PACK_ROWS)
        for (size_t i = 2; i-- > 0;)
            if (i || cuts[0])
                pack_piece(p, kernels, decode, x, r,
                           rows - r < KERNELS_PACK_ROWS ? rows - r : KERNELS_PACK_ROWS,
                           i ? cuts[0] : 0, cuts[i]);
    return p->packed;
}

/* The same row alone, and outputs in ragged pieces: the same bits. */
static void check_exactness(struct random *random, struct product *p, const struct kernels *kernels,
                            bool decode, bool add)
{
    const struct matrix *m = &p->matrix;
    matmul *multiply = decode ? kernels->decode_matmul : kernels->prefill_matmul;
    float *alone = allocate((m->outputs + 1) * sizeof *alone);
    size_t r = random_below(random, p->rows);
    memcpy(alone, p->before + r * p->y_stride, m->outputs * sizeof *alone);
    size_t cut = random_below(random, m->outputs + 1);
    const float *x = prepared(p, kernels, decode, r, 1);
    multiply(alone, 0, m, 0, cut, x, p->x_stride, 1, add, p->scratch);
    multiply(alone, 0, m, cut, m->outputs - cut, x, p->x_stride, 1, add, p->scratch);
    if (memcmp(alone, p->y + r * p->y_stride, m->outputs * sizeof *alone) != 0)
        fail_msg("%s %s %s: row %zu of %zu alone gives other bits (%zu outputs, %zu columns)",
                 kernels->name, decode ? "decode" : "prefill", blocks_layout(m->type)->name, r,
                 p->rows, m->outputs, m->columns);
    free(alone);
}

static void test_products(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t i = 0; i < 6 * TYPES; i++) {
            const struct kernels *kernels = kernels_at(level);
            struct product p = random_product(&random, types[i % TYPES]);
            for (size_t which = 0; which < 4; which++) {
                bool decode = which / 2, add = which % 2;
                matmul *multiply = decode ? kernels->decode_matmul : kernels->prefill_matmul;
                struct bounds bounds = bounds_of(kernels, &p.matrix, decode);
                reset(&p);
                multiply(p.y, p.y_stride, &p.matrix, 0, p.matrix.outputs,
                         prepared(&p, kernels, decode, 0, p.rows), p.x_stride, p.rows, add,
                         p.scratch);
                check_values(&p, add, &bounds, kernels->name);
                check_exactness(&random, &p, kernels, decode, add);
            }
            free_product(&p);
        }
}

/* p's product by a level, into p->y. */
static void multiply_all(struct product *p, const struct kernels *kernels, bool decode)
{
    reset(p);
    (decode ? kernels->decode_matmul : kernels->prefill_matmul)(
        p->y, p->y_stride, &p->matrix, 0, p->matrix.outputs,
        prepared(p, kernels, decode, 0, p->rows), p->x_stride, p->rows, false, p->scratch);
}

/* What became of p->y, which was `sound` before row `row`, or output `output`, had a number that
 * is none. */
static void check_spoiled(const struct product *p, const float *sound, size_t row, size_t output,
                          const char *name, bool decode)
{
    for (size_t r = 0; r < p->rows; r++)
        for (size_t j = 0; j < p->matrix.outputs; j++) {
            const float *y = &p->y[r * p->y_stride + j];
            const bool spoiled = r == row || j == output;
            if (spoiled ? isfinite(*y) : memcmp(y, &sound[r * p->y_stride + j], sizeof *y) != 0)
                fail_msg(
                    "%s %s %s: row %zu of %zu, output %zu of %zu is %g where %s %zu is spoiled",
                    name, decode ? "decode" : "prefill", blocks_layout(p->matrix.type)->name, r,
                    p->rows, j, p->matrix.outputs, (double)*y, row < p->rows ? "row" : "output",
                    row < p->rows ? row : output);
        }
}

/* An infinity or NaN in a row makes nothing finite of that row, and changes no other; the same of
 * an output whose block has such a scale or minimum. */
static void test_not_finite(void **unused)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    const uint16_t halves[] = {0x7E00, 0x7C00, 0xFC00};
    struct random random = random_seeded();
    (void)unused;
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t i = 0; i < 24; i++) {
            const struct kernels *kernels = kernels_at(level);
            const bool decode = i % 2;
            const size_t which = i / 4 % 3;
            struct product p = random_product(&random, BLOCKS_Q4_K);
            p.matrix.normalized = i / 2 % 2;
            const size_t floats = p.rows * p.y_stride, none = SIZE_MAX;
            const size_t row = random_below(&random, p.rows);
            const size_t output = random_below(&random, p.matrix.outputs);
            float *sound = allocate(floats * sizeof *sound);
            multiply_all(&p, kernels, decode);
            memcpy(sound, p.y, floats * sizeof *sound);

            float *value = &p.x[row * p.x_stride + random_below(&random, p.matrix.columns)];
            const float before = *value;
            *value = bad[which];
            multiply_all(&p, kernels, decode);
            check_spoiled(&p, sound, row, none, kernels->name, decode);
            *value = before;

            const size_t block = random_below(&random, p.matrix.columns / 256);
            const size_t at = output * p.matrix.row_bytes + 144 * block + i / 12 * 2;
            memcpy((unsigned char *)(uintptr_t)p.matrix.data + at, &halves[which], 2);
            multiply_all(&p, kernels, decode);
            check_spoiled(&p, sound, none, output, kernels->name, decode);
            free(sound);
            free_product(&p);
        }
}

/* Results whose rows lie so far apart that a level may write them past the caches: the bits that
 * they have side by side. */
static void check_far_apart(const struct product *p, const struct kernels *kernels, const float *x)
{
    enum { FAR = 1 << 22, GUARDS = 16 };
    const size_t outputs = p->matrix.outputs, stride = (FAR / p->rows / 16 + 1) * 16;
    float *far = allocate(p->rows * stride * sizeof *far);
    for (size_t r = 0; r < p->rows; r++)
        for (size_t j = 0; j < outputs + GUARDS; j++)
            far[r * stride + j] = guard;
    kernels->prefill_matmul(far, stride, &p->matrix, 0, outputs, x, p->x_stride, p->rows, false,
                            p->scratch);
    for (size_t r = 0; r < p->rows; r++) {
        if (memcmp(far + r * stride, p->y + r * p->y_stride, outputs * sizeof *far) != 0)
            fail_msg("%s %s: row %zu of %zu far from the others has other bits (%zu outputs)",
                     kernels->name, blocks_layout(p->matrix.type)->name, r, p->rows, outputs);
        for (size_t j = outputs; j < outputs + GUARDS; j++)
            assert_true(far[r * stride + j] == guard);
    }
    free(far);
}

static void test_products_of_rows_far_apart(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t i = 0; i < 4; i++) {
            const struct kernels *kernels = kernels_at(level);
            struct product p = random_product(&random, i % 2 ? BLOCKS_Q4_K : BLOCKS_Q8_0);
            const float *x = prepared(&p, kernels, false, 0, p.rows);
            reset(&p);
            kernels->prefill_matmul(p.y, p.y_stride, &p.matrix, 0, p.matrix.outputs, x, p.x_stride,
                                    p.rows, false, p.scratch);
            check_far_apart(&p, kernels, x);
            free_product(&p);
        }
}

/* The rows from `cut` on, as they lie among those that were packed before them. */
static void multiply_in_two(struct product *p, const struct kernels *kernels, size_t cut, bool add)
{
    const bool packs = kernels->packs && kernels->packs(&p->matrix, false);
    const float *x = prepared(p, kernels, false, 0, p->rows);
    const float *rest = packs ? kernels->packed_from(x, &p->matrix, cut) : x + cut * p->x_stride;
    reset(p);
    kernels->prefill_matmul(p->y + cut * p->y_stride, p->y_stride, &p->matrix, 0, p->matrix.outputs,
                            rest, p->x_stride, p->rows - cut, add, p->scratch);
    kernels->prefill_matmul(p->y, p->y_stride, &p->matrix, 0, p->matrix.outputs, x, p->x_stride,
                            cut, add, p->scratch);
}

/* More rows than a level may take at once: the bits that they have in two products. */
static void test_products_of_many_rows(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t i = 0; i < 4; i++) {
            const struct kernels *kernels = kernels_at(level);
            const bool add = i % 2;
            struct product p =
                product_of(&random, i / 2 ? BLOCKS_Q4_K : BLOCKS_F16, 1 + random_below(&random, 40),
                           KERNELS_PASS_ROWS / 2 + random_below(&random, 500));
            p.matrix.normalized = i == 3;
            const size_t cut = 1 + random_below(&random, p.rows - 1), bytes = sizeof *p.y;
            float *whole = allocate(p.rows * p.y_stride * bytes);
            reset(&p);
            kernels->prefill_matmul(p.y, p.y_stride, &p.matrix, 0, p.matrix.outputs,
                                    prepared(&p, kernels, false, 0, p.rows), p.x_stride, p.rows,
                                    add, p.scratch);
            memcpy(whole, p.y, p.rows * p.y_stride * bytes);
            multiply_in_two(&p, kernels, cut / KERNELS_PACK_ROWS * KERNELS_PACK_ROWS, add);
            if (memcmp(whole, p.y, p.rows * p.y_stride * bytes) != 0)
                fail_msg("%s %s: rows among %zu have other bits when taken by themselves, cut near "
                         "%zu (%zu outputs)",
                         kernels->name, blocks_layout(p.matrix.type)->name, p.rows, cut,
                         p.matrix.outputs);
            reset(&p);
            for (size_t r = 0, stop = cut; r < p.rows; r = stop, stop = p.rows)
                kernels->prefill_matmul(p.y + r * p.y_stride, p.y_stride, &p.matrix, 0,
                                        p.matrix.outputs, prepared(&p, kernels, false, r, stop - r),
                                        p.x_stride, stop - r, add, p.scratch);
            if (memcmp(whole, p.y, p.rows * p.y_stride * bytes) != 0)
                fail_msg("%s %s: %zu rows have other bits when cut at %zu (%zu outputs)",
                         kernels->name, blocks_layout(p.matrix.type)->name, p.rows, cut,
                         p.matrix.outputs);
            free(whole);
            free_product(&p);
        }
}

/* --- time -------------------------------------------------------------------------- */

struct times {
    size_t tokens, channels, states, stride, bc_stride;
    float *y, *h, *delta, *bias, *a, *b, *c, *x, *skip, *gate;
};

static struct times random_times(struct random *random, size_t tokens)
{
    struct times t = {0};
    t.tokens = tokens;
    t.channels = 1 + random_below(random, 70);
    t.states = random_below(random, 3) ? 16 : 1 + random_below(random, 40);
    t.stride = t.channels + random_below(random, 9);
    t.bc_stride = t.states + random_below(random, 5);
    t.y = allocate((tokens * t.stride + 1) * sizeof *t.y);
    t.h = random_floats(random, t.states * t.stride, 1);
    t.delta = random_floats(random, tokens * t.stride, 4);
    t.bias = random_floats(random, t.stride, 2);
    t.a = random_floats(random, t.states * t.stride, 3);
    for (size_t i = 0; i < t.states * t.stride; i++)
        t.a[i] = -fabsf(t.a[i]);
    t.b = random_floats(random, tokens * t.bc_stride, 1);
    t.c = random_floats(random, tokens * t.bc_stride, 1);
    t.x = random_floats(random, tokens * t.stride, 1);
    t.skip = random_floats(random, t.stride, 1);
    t.gate = random_floats(random, tokens * t.stride, 3);
    for (size_t i = 0; i < 6; i++) { /* large steps and gates, subnormal inputs */
        static const float hostile[] = {90, -120, 25, 1e-41f, -88, 300};
        t.delta[random_below(random, tokens * t.stride)] = hostile[i];
        t.gate[random_below(random, tokens * t.stride)] = hostile[i];
        t.h[random_below(random, t.states * t.stride)] = 1e-40f;
    }
    return t;
}

static void free_times(struct times *t)
{
    float *all[] = {t->y, t->h, t->delta, t->bias, t->a, t->b, t->c, t->x, t->skip, t->gate};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static void run_scan(const struct kernels *kernels, const struct times *t, float *y, float *h,
                     size_t begin, size_t end, size_t channel, size_t channels)
{
    struct scan scan = {
        .y = y + begin * t->stride + channel,
        .h = h + channel,
        .delta = t->delta + begin * t->stride + channel,
        .bias = t->bias + channel,
        .a = t->a + channel,
        .b = t->b + begin * t->bc_stride,
        .c = t->c + begin * t->bc_stride,
        .x = t->x + begin * t->stride + channel,
        .skip = t->skip + channel,
        .gate = t->gate + begin * t->stride + channel,
        .next = begin % 2 ? h + channel : NULL,
        .y_stride = t->stride,
        .h_stride = t->stride,
        .delta_stride = t->stride,
        .bc_stride = t->bc_stride,
        .x_stride = t->stride,
        .gate_stride = t->stride,
        .tokens = end - begin,
        .channels = channels,
        .states = t->states,
    };
    kernels->scan(&scan);
}

static float *copy_of(const float *values, size_t count)
{
    float *copy = allocate(count * sizeof *copy);
    memcpy(copy, values, count * sizeof *copy);
    return copy;
}

static struct exact given(float value)
{
    return (struct exact){(double)value, 0};
}

static void check_scan(const char *name, const struct times *t, const float *y, const float *h)
{
    for (size_t d = 0; d < t->channels; d++) {
        struct exact states[64], b[64], c[64];
        for (size_t n = 0; n < t->states; n++)
            states[n] = given(t->h[n * t->stride + d]);
        for (size_t i = 0; i < t->tokens; i++) {
            for (size_t n = 0; n < t->states; n++) {
                b[n] = given(t->b[i * t->bc_stride + n]);
                c[n] = given(t->c[i * t->bc_stride + n]);
            }
            const struct exact_inputs in = {
                .delta = given(t->delta[i * t->stride + d] + t->bias[d]),
                .x = given(t->x[i * t->stride + d]),
                .gate = given(t->gate[i * t->stride + d]),
                .skip = (double)t->skip[d],
                .states = t->states,
                .a = t->a + d,
                .a_stride = t->stride,
                .b = b,
                .c = c,
            };
            struct exact expected = exact_step(states, &in);
            double actual = (double)y[i * t->stride + d];
            if (!(fabs(actual - expected.value) <= expected.error))
                fail_msg("%s scan y: token %zu, channel %zu, %zu states: %g, not %g within %g",
                         name, i, d, t->states, actual, expected.value, expected.error);
        }
        for (size_t n = 0; n < t->states; n++) {
            double actual = (double)h[n * t->stride + d];
            if (!(fabs(actual - states[n].value) <= states[n].error))
                fail_msg("%s scan h: state %zu of %zu, channel %zu: %g, not %g within %g", name, n,
                         t->states, d, actual, states[n].value, states[n].error);
        }
    }
}

/* y in the memory of delta, or of x: the same bits. */
static void check_in_place(const struct kernels *kernels, const struct times *t, const float *y)
{
    const size_t h_size = t->states * t->stride, y_size = t->tokens * t->stride;
    for (int of_x = 0; of_x < 2; of_x++) {
        float *h = copy_of(t->h, h_size), *both = copy_of(of_x ? t->x : t->delta, y_size);
        struct times in_place = *t;
        *(of_x ? &in_place.x : &in_place.delta) = both;
        run_scan(kernels, &in_place, both, h, 0, t->tokens, 0, t->channels);
        for (size_t i = 0; i < t->tokens; i++)
            if (memcmp(both + i * t->stride, y + i * t->stride, t->channels * sizeof *y))
                fail_msg(
                    "%s: a scan of %zu tokens and %zu channels in the memory of %s gives other "
                    "bits at token %zu",
                    kernels->name, t->tokens, t->channels, of_x ? "x" : "delta", i);
        free(h);
        free(both);
    }
}

static void test_scan(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t round = 0; round < 30; round++) {
            const struct kernels *kernels = kernels_at(level);
            struct times t = random_times(&random, 1 + random_below(&random, 60));
            size_t h_size = t.states * t.stride, y_size = t.tokens * t.stride;
            float *h1 = copy_of(t.h, h_size), *h2 = copy_of(t.h, h_size);
            float *y1 = copy_of(t.x, y_size), *y2 = copy_of(t.x, y_size);
            run_scan(kernels, &t, y1, h1, 0, t.tokens, 0, t.channels);
            check_scan(kernels->name, &t, y1, h1);
            /* cut in time and in channels (at a vector's width): the same bits */
            size_t cut = random_below(&random, t.tokens + 1);
            size_t channel = t.channels > 16 ? 16 : 0;
            run_scan(kernels, &t, y2, h2, 0, cut, 0, channel);
            run_scan(kernels, &t, y2, h2, 0, cut, channel, t.channels - channel);
            run_scan(kernels, &t, y2, h2, cut, t.tokens, 0, t.channels);
            if (memcmp(h1, h2, h_size * sizeof *h1) || memcmp(y1, y2, y_size * sizeof *y1))
                fail_msg("%s: a scan of %zu tokens cut at %zu gives other bits", kernels->name,
                         t.tokens, cut);
            check_in_place(kernels, &t, y1);
            float *all[] = {h1, h2, y1, y2};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                free(all[i]);
            free_times(&t);
        }
}

static void run_conv(const struct kernels *kernels, const struct times *t, const float *weight,
                     float *y, float *tail, size_t begin, size_t end, size_t width)
{
    struct conv conv = {
        .y = y + begin * t->stride,
        .tail = tail,
        .x = t->x + begin * t->stride,
        .weight = weight,
        .bias = t->bias,
        .y_stride = t->stride,
        .tail_stride = t->stride,
        .x_stride = t->stride,
        .tokens = end - begin,
        .channels = t->channels,
        .width = width,
    };
    kernels->conv_silu(&conv);
}

/* Input number t of a lane whose tail holds what came before. */
static double conv_input(const struct times *t, const float *tail, size_t width, ptrdiff_t token,
                         size_t channel)
{
    return token >= 0 ? (double)t->x[(size_t)token * t->stride + channel]
                      : (double)tail[(size_t)(token + (ptrdiff_t)width - 1) * t->stride + channel];
}

/* In double. The sum of width products and the bias is off by one rounding for each of
 * what has been added up, and silu, whose slope is at most 1.1, hands that on; its own
 * error is that of exact_silu(). */
static void check_conv(const char *name, const struct times *t, const float *weight,
                       const float *tail, size_t width, const float *y)
{
    for (size_t i = 0; i < t->tokens; i++)
        for (size_t d = 0; d < t->channels; d++) {
            double sum = (double)t->bias[d], size = fabs(sum);
            for (size_t j = 0; j < width; j++) {
                ptrdiff_t token = (ptrdiff_t)i - (ptrdiff_t)(width - 1 - j);
                double term =
                    (double)weight[j * t->stride + d] * conv_input(t, tail, width, token, d);
                sum += term;
                size += fabs(term);
            }
            double expected = sum / (1 + exp(-sum)), actual = (double)y[i * t->stride + d];
            double bound = 1.1 * (double)(width + 1) * 2 * rounding * size +
                           (fabs(sum) + 6) * 2 * rounding * fabs(expected) + 128 * underflow;
            if (!(fabs(actual - expected) <= bound))
                fail_msg("%s conv: token %zu, channel %zu, width %zu: %g, not %g within %g", name,
                         i, d, width, actual, expected, bound);
        }
}

static void test_convolution(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    const struct kernels *reference = kernels_by_name("reference");
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t round = 0; round < 60; round++) {
            const struct kernels *kernels = kernels_at(level);
            struct times t = random_times(&random, 1 + random_below(&random, 12));
            size_t width = 2 + random_below(&random, 5);
            size_t y_size = t.tokens * t.stride, tail_size = (width - 1) * t.stride;
            float *weight = random_floats(&random, width * t.stride, 1);
            float *tail0 = random_floats(&random, tail_size, 1);
            float *tail1 = copy_of(tail0, tail_size), *tail2 = copy_of(tail0, tail_size);
            float *before = copy_of(tail0, tail_size);
            float *y0 = copy_of(t.x, y_size), *y1 = copy_of(t.x, y_size),
                  *y2 = copy_of(t.x, y_size);
            run_conv(reference, &t, weight, y0, tail0, 0, t.tokens, width);
            run_conv(kernels, &t, weight, y1, tail1, 0, t.tokens, width);
            check_conv(kernels->name, &t, weight, before, width, y1);
            assert_memory_equal(tail0, tail1, tail_size * sizeof *tail0);
            for (size_t at = 0; at < t.tokens; at++)
                run_conv(kernels, &t, weight, y2, tail2, at, at + 1, width);
            if (memcmp(y1, y2, y_size * sizeof *y1) || memcmp(tail1, tail2, tail_size * sizeof *y1))
                fail_msg("%s: a convolution token by token gives other bits", kernels->name);
            float *all[] = {weight, tail0, tail1, tail2, before, y0, y1, y2};
            for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
                free(all[i]);
            free_times(&t);
        }
}

/* --- rows --------------------------------------------------------------------------- */

static void test_norm_and_softmax_sum(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t size = 1; size < 700; size += 1 + size / 3) {
            const struct kernels *kernels = kernels_at(level);
            float *x = random_floats(&random, size, 3), *w = random_floats(&random, size, 1);
            float *y = allocate((size + 1) * sizeof *y);
            double squares = 0, top = -INFINITY, sum = 0;
            for (size_t i = 0; i < size; i++) {
                squares += (double)x[i] * (double)x[i];
                top = fmax(top, (double)x[i]);
            }
            y[size] = guard;
            kernels->rms_norm(y, x, w, 1e-5f, size);
            for (size_t i = 0; i < size; i++) {
                sum += exp((double)x[i] - top);
                double expected = (double)x[i] / sqrt(squares / (double)size + 1e-5) * (double)w[i];
                assert_true(fabs((double)y[i] - expected) <= 1e-5 * fabs(expected) + 1e-30);
            }
            assert_true(y[size] == guard);
            float actual_top, actual = kernels->sum_exp(&actual_top, x, size);
            assert_true((double)actual_top == top);
            assert_true(fabs((double)actual - sum) <= 1e-5 * sum);
            free(x);
            free(w);
            free(y);
        }
}

static void test_lookup(void **unused)
{
    (void)unused;
    assert_string_equal(kernels_at(0)->name, "reference");
    assert_null(kernels_by_name("no such level"));
    setenv("TIDEMARK_CPU", "reference", 1);
    assert_string_equal(kernels_best()->name, "reference");
    unsetenv("TIDEMARK_CPU");
    size_t levels = 0;
    while (kernels_at(levels))
        levels++;
    assert_ptr_equal(kernels_best(), kernels_at(levels - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_decode_to_the_same_bits),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_products_of_rows_far_apart),
        cmocka_unit_test(test_products_of_many_rows),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_convolution),
        cmocka_unit_test(test_norm_and_softmax_sum),
        cmocka_unit_test(test_lookup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
