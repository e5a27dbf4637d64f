/* However many rows the blocks have in which a pass is multiplied, and wherever lanes end in them:
 * the same bits. On every processor, by a level whose packed form, one of rows rounded to 16 bits,
 * is made here and looked at: each row of each column must have been packed, at its place, before
 * it is multiplied. */
#include "tests/support/random.h"
#include "tests/support/rig.h"
#include "tests/support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROUNDS = RIG_SLOW ? 12 : 60, MOST = 1100, GROUP = KERNELS_PACK_ROWS, NOBODY = 0x7FC0 };

/* --- a level that packs ---------------------------------------------------------------- */

static const struct kernels *plain; /* what multiplies */
static size_t packed_columns[3];    /* the matrices that take packed rows have so many; or 0 */

static bool packs(const struct matrix *w, bool decode)
{
    for (size_t i = 0; i < 3 && !decode; i++)
        if (w->columns == packed_columns[i])
            return true;
    return false;
}

static size_t group_bytes(const struct matrix *w)
{
    return GROUP * w->columns * sizeof(uint16_t) + 64;
}

static const float *packed_from(const float *packed, const struct matrix *w, size_t row)
{
    assert_true(row % GROUP == 0);
    return (const void *)((const unsigned char *)packed + row / GROUP * group_bytes(w));
}

static void pack_pass(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                      size_t first, size_t count, size_t begin, size_t end)
{
    uint16_t *rows = (void *)(uintptr_t)packed_from(packed, w, first);
    assert_true(count > 0 && count <= GROUP && begin % KERNELS_PACK_UNIT == 0);
    assert_true(begin < end && (end == w->columns || end % KERNELS_PACK_UNIT == 0));
    for (size_t r = 0; r < GROUP; r++)
        for (size_t k = begin; k < end; k++) {
            uint32_t bits = NOBODY << 16;
            if (r < count)
                memcpy(&bits, &x[r * x_stride + k - begin], sizeof bits);
            rows[r * w->columns + k] = (uint16_t)(bits >> 16);
        }
}

static void prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                           size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                           float *scratch)
{
    if (!packs(w, false)) {
        plain->prefill_matmul(y, y_stride, w, first, count, x, x_stride, rows, add, scratch);
        return;
    }
    const size_t stride = (w->columns + 31) / 16 * 16;
    float *unpacked = rig_memory(rows * stride, sizeof *unpacked);
    for (size_t r = 0; r < rows; r++) {
        const uint16_t *row = (const void *)packed_from(x, w, r / GROUP * GROUP);
        row += r % GROUP * w->columns;
        for (size_t k = 0; k < w->columns; k++) {
            const uint32_t bits = (uint32_t)row[k] << 16;
            memcpy(&unpacked[r * stride + k], &bits, sizeof bits);
        }
    }
    plain->prefill_matmul(y, y_stride, w, first, count, unpacked, stride, rows, add, scratch);
    free(unpacked);
}

/* In passes of up to 1,024 rows and blocks of `together`. */
static struct kernels level_of(size_t together)
{
    struct kernels level = *plain;
    level.packs = packs;
    level.pack_pass = pack_pass;
    level.packed_from = packed_from;
    level.prefill_matmul = prefill_matmul;
    level.pass_rows = KERNELS_PASS_ROWS;
    level.product_rows = (unsigned)together;
    return level;
}

/* The fastest level that has no packed form of its own. */
static const struct kernels *plain_level(void)
{
    const struct kernels *found = kernels_at(0);
    for (size_t i = 0; kernels_at(i); i++)
        if (!kernels_at(i)->packs)
            found = kernels_at(i);
    return found;
}

/* --- readings ---------------------------------------------------------------------------- */

struct lanes {
    size_t count, tokens;
    size_t lengths[MOST];
    int32_t text[MOST];
};

struct reading {
    struct state *states[MOST];
    float bits[MOST];
};

/* Few long ones or many short ones, some of which are empty. */
static void random_lanes(struct lanes *lanes, struct random *random, size_t vocabulary)
{
    static const size_t totals[] = {1, 31, 33, 300, 513, 1023, 1024, 1025, MOST};
    const size_t total = totals[random_below(random, sizeof totals / sizeof totals[0])];
    const size_t longest = random_below(random, 2) ? 40 : 700;
    *lanes = (struct lanes){.tokens = total};
    for (size_t left = total; left > 0; left -= lanes->lengths[lanes->count - 1]) {
        const size_t length = lanes->count + 1 == MOST ? left : random_below(random, longest + 1);
        lanes->lengths[lanes->count++] = length < left ? length : left;
    }
    for (size_t i = 0; i < total; i++)
        lanes->text[i] = (int32_t)random_below(random, vocabulary);
}

static void read_lanes(struct reading *reading, const char *path, const struct lanes *lanes,
                       size_t together, unsigned threads)
{
    static struct forward_lane all[MOST];
    const struct kernels level = level_of(together);
    struct rig rig;
    rig_open(&rig, path, &level, threads);
    for (size_t i = 0, at = 0; i < lanes->count; at += lanes->lengths[i++]) {
        reading->states[i] = rig_state(&rig);
        all[i] = (struct forward_lane){.state = reading->states[i],
                                       .tokens = lanes->text + at,
                                       .count = lanes->lengths[i],
                                       .bits = reading->bits + at};
    }
    rig_lanes(&rig, all, lanes->count);
    rig_close(&rig);
}

static bool same(struct reading *a, struct reading *b, const struct lanes *lanes)
{
    bool same = memcmp(a->bits, b->bits, lanes->tokens * sizeof *a->bits) == 0;
    for (size_t i = 0; i < lanes->count; i++) {
        same = same && rig_same(a->states[i], b->states[i]);
        state_free(a->states[i]);
        state_free(b->states[i]);
    }
    for (size_t i = 0; i < lanes->tokens; i++)
        same = same && isfinite(a->bits[i]);
    return same;
}

static void test_blocks(void **unused)
{
    /* Widths that are whole numbers of items and of packed columns, and some that are not. */
    static const struct tiny_model_plan plans[] = {
        {"blocks",
         64,
         128,
         16,
         20,
         291,
         2,
         true,
         BLOCKS_F16,
         BLOCKS_Q8_0,
         false,
         {{BLOCKS_Q8_0, BLOCKS_F16, BLOCKS_F16, BLOCKS_Q8_0},
          {BLOCKS_BF16, BLOCKS_Q8_0, BLOCKS_F32, BLOCKS_F16}}},
        {"odd blocks",
         40,
         600,
         5,
         7,
         293,
         1,
         false,
         BLOCKS_F16,
         BLOCKS_F16,
         true,
         {{BLOCKS_F16, BLOCKS_F16, BLOCKS_F16, BLOCKS_F16}}},
    };
    static struct lanes lanes;
    static struct reading whole, cut;
    struct random random = random_seeded();
    (void)unused;
    plain = plain_level();
    for (size_t i = 0; i < ROUNDS; i++) {
        const struct tiny_model_plan *plan = &plans[i % 2];
        const size_t widths[] = {plan->embedding, plan->inner, plan->rank};
        const size_t together = 32 * (1 + random_below(&random, random_below(&random, 2) ? 2 : 17));
        char path[GGUF_WRITER_PATH_SIZE];
        gguf_writer_temporary(path);
        struct buffer file = tiny_model_planned(plan, i);
        gguf_writer_save(path, file.data, file.size);
        buffer_free(&file);
        for (size_t w = 0; w < 3; w++)
            packed_columns[w] = random_below(&random, 4) ? widths[w] : 0;
        random_lanes(&lanes, &random, plan->vocabulary);
        read_lanes(&whole, path, &lanes, KERNELS_PASS_ROWS, 1);
        read_lanes(&cut, path, &lanes, together, 1 + (unsigned)random_below(&random, 5));
        unlink(path);
        if (!same(&whole, &cut, &lanes))
            fail_msg("%s, round %zu: %zu tokens in %zu lanes differ in blocks of %zu rows (packed: "
                     "%zu, %zu, %zu columns)",
                     plan->name, i, lanes.tokens, lanes.count, together, packed_columns[0],
                     packed_columns[1], packed_columns[2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
