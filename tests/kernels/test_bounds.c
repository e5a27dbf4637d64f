/* What every level touches of its arrays: each ends, or begins, at a page that may not be
 * touched. The sanitized builds take the levels as they are, so that nothing else sees a read or
 * a write beside an array: of the rows in a file, of packed rows, of work memory. */
#include "kernels/kernels.h"
#include "tests/support/random_matrix.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PRODUCTS = 120,    /* of a level */
    MOST = 20000000,   /* multiplications of a product */
    LINE = 64,         /* what packed rows and work memory are aligned to */
    ARRAYS = 6,        /* of a product */
    PAGE_SIZE = 65536, /* at least the system's */
};

static const enum blocks_type types[] = {
    BLOCKS_F32,  BLOCKS_F16,  BLOCKS_BF16, BLOCKS_Q4_0, BLOCKS_Q5_0,
    BLOCKS_Q5_1, BLOCKS_Q8_0, BLOCKS_Q4_K, BLOCKS_Q5_K, BLOCKS_Q6_K,
};

/* --- arrays between pages --------------------------------------------------------- */

static struct {
    void *at;
    size_t size;
} mapped[ARRAYS];
static size_t arrays;

/* Against the page after it, or the one before it. */
static void *array(size_t bytes, size_t alignment, bool at_begin)
{
    const size_t inside = (bytes + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE,
                 size = inside + (size_t)2 * PAGE_SIZE;
    unsigned char *map =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED && arrays < ARRAYS);
    assert_int_equal(mprotect(map, PAGE_SIZE, PROT_NONE), 0);
    assert_int_equal(mprotect(map + PAGE_SIZE + inside, PAGE_SIZE, PROT_NONE), 0);
    mapped[arrays].at = map;
    mapped[arrays++].size = size;
    memset(map + PAGE_SIZE, 0x7F, inside);
    return map + PAGE_SIZE + (at_begin ? 0 : (inside - bytes) / alignment * alignment);
}

static float *floats(struct random *random, size_t count, bool at_begin)
{
    float *values = array(count * sizeof *values, sizeof *values, at_begin);
    for (size_t i = 0; i < count; i++)
        values[i] = random_normal(random);
    return values;
}

static void unmap(void)
{
    while (arrays > 0) {
        arrays--;
        munmap(mapped[arrays].at, mapped[arrays].size);
    }
}

/* --- telling which product it was ----------------------------------------------------- */

static char tried[256];

static void tell(int number)
{
    static const char what[] = "touched memory beside an array: ";
    ssize_t ignored = write(STDERR_FILENO, what, sizeof what - 1);
    ignored = write(STDERR_FILENO, tried, strlen(tried));
    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

/* --- products ---------------------------------------------------------------------- */

struct product {
    const struct kernels *kernels;
    struct matrix matrix;
    size_t rows, x_stride;
    bool decode, add, at_begin;
    const float *x;
};

static size_t one_of(struct random *random, const size_t *values, size_t count, size_t most)
{
    return random_below(random, 2) ? values[random_below(random, count)]
                                   : 1 + random_below(random, most);
}

/* Sizes around those of tiles, panels and passes. */
static struct product random_product(struct random *random, const struct kernels *kernels)
{
    static const size_t outputs[] = {1, 15, 16, 17, 31, 32, 33, 48, 255, 256, 257, 289};
    static const size_t columns[] = {1, 16, 31, 32, 33, 255, 256, 257, 511, 512, 513, 1024, 2048};
    static const size_t rows[] = {1, 2, 8, 15, 16, 17, 31, 32, 33, 64, 65, KERNELS_PASS_ROWS};
    const enum blocks_type type = types[random_below(random, sizeof types / sizeof *types)];
    const size_t block = blocks_layout(type)->weights;
    struct product p = {.kernels = kernels};
    const size_t some = one_of(random, columns, sizeof columns / sizeof *columns, 1100);
    const size_t width = (some + block - 1) / block * block;
    size_t height = one_of(random, outputs, sizeof outputs / sizeof *outputs, 300);
    p.decode = random_below(random, 3) == 0;
    p.rows = one_of(random, rows, sizeof rows / sizeof *rows - p.decode, 70);
    if (height * width * p.rows > MOST)
        height = 1 + height % 33;
    p.add = random_below(random, 2);
    p.at_begin = random_below(random, 4) == 0;
    p.x_stride = (width + 31 + random_below(random, 40)) / 16 * 16;
    p.matrix = random_matrix(random, type, height, width);
    p.matrix.normalized = random_below(random, 2);
    return p;
}

/* The rows, or what the level makes of them. */
static void take_rows(struct product *p, struct random *random)
{
    const struct kernels *k = p->kernels;
    const size_t columns = p->matrix.columns;
    p->x = floats(random, (p->rows - 1) * p->x_stride + columns, p->at_begin);
    if (!k->packs || !k->packs(&p->matrix, p->decode))
        return;
    const size_t row = p->decode ? p->x_stride : kernels_packed_floats(columns);
    const size_t groups = (p->rows + KERNELS_PACK_ROWS - 1) / KERNELS_PACK_ROWS;
    float *packed = array(groups * KERNELS_PACK_ROWS * row * sizeof *packed, LINE, p->at_begin);
    const size_t unit = p->matrix.normalized ? KERNELS_PACK_COLUMNS : KERNELS_PACK_UNIT;
    const size_t cut = columns / 2 / unit * unit;
    for (size_t first = 0; first < p->rows; first += KERNELS_PACK_ROWS) {
        const size_t left = p->rows - first;
        const size_t count = left < KERNELS_PACK_ROWS ? left : KERNELS_PACK_ROWS;
        const float *x = p->x + first * p->x_stride;
        for (size_t i = 0; p->decode && p->add && i < count; i++)
            k->pack_row(packed, &p->matrix, p->x, p->x_stride, first, count, i);
        if (p->decode && !p->add)
            k->pack(packed, &p->matrix, p->x, p->x_stride, first, count, 0, columns);
        if (!p->decode && cut)
            k->pack_pass(packed, &p->matrix, x, p->x_stride, first, count, 0, cut);
        if (!p->decode)
            k->pack_pass(packed, &p->matrix, x + cut, p->x_stride, first, count, cut, columns);
    }
    p->x = packed;
}

/* Outputs in two pieces, the second as a matrix of its own, as engine/cpu/products.c has them. */
static void multiply(const struct product *p, struct random *random)
{
    const struct matrix *w = &p->matrix;
    const size_t cut = random_below(random, w->outputs), y_stride = w->outputs + cut % 5;
    const size_t size = (p->rows - 1) * y_stride + w->outputs;
    float *y = floats(random, size, p->at_begin), beside;
    memset(&beside, 0x7F, sizeof beside);
    for (size_t r = 0; r + 1 < p->rows; r++)
        for (size_t j = w->outputs; j < y_stride; j++)
            y[r * y_stride + j] = beside;
    float *scratch = array(kernels_scratch_floats(w->columns) * sizeof *scratch, LINE, p->at_begin);
    struct matrix rest = *w;
    rest.data += cut * w->row_bytes;
    rest.outputs -= cut;
    (p->decode ? p->kernels->decode_matmul : p->kernels->prefill_matmul)(
        y, y_stride, w, 0, cut, p->x, p->x_stride, p->rows, p->add, scratch);
    (p->decode ? p->kernels->decode_matmul : p->kernels->prefill_matmul)(
        y + cut, y_stride, &rest, 0, rest.outputs, p->x, p->x_stride, p->rows, p->add, scratch);
    for (size_t r = 0; r + 1 < p->rows; r++)
        for (size_t j = w->outputs; j < y_stride; j++)
            if (y[r * y_stride + j] != beside)
                fail_msg("written beside y: %s", tried);
}

static void test_products(void **unused)
{
    struct random random = random_seeded();
    (void)unused;
    signal(SIGSEGV, tell);
    signal(SIGBUS, tell);
    for (size_t level = 0; kernels_at(level); level++)
        for (size_t i = 0; i < PRODUCTS; i++) {
            struct product p = random_product(&random, kernels_at(level));
            struct matrix *w = &p.matrix;
            snprintf(tried, sizeof tried, "%s %s %s: %zu rows, %zu outputs, %zu columns%s%s\n",
                     p.kernels->name, p.decode ? "decode" : "prefill", blocks_layout(w->type)->name,
                     p.rows, w->outputs, w->columns, p.add ? ", added" : "",
                     p.at_begin ? ", before an array" : "");
            const size_t bytes = w->outputs * w->row_bytes;
            unsigned char *weights = array(bytes, 1, p.at_begin);
            memcpy(weights, w->data, bytes);
            free((void *)(uintptr_t)w->data);
            w->data = weights;
            take_rows(&p, &random);
            multiply(&p, &random);
            float *row = array(w->columns * sizeof *row, sizeof *row, p.at_begin);
            p.kernels->row(row, w, w->outputs - 1);
            unmap();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
