/* Weights on their way to the device and back: every type, in ragged matrices, to the bits
 * of blocks_to_float. */
#include "kernels/cuda/device.h"
#include "tests/kernels/cuda/cuda_rig.h"
#include "tests/support/random_matrix.h"

static const enum blocks_type types[] = {
    BLOCKS_F32,  BLOCKS_F16,  BLOCKS_BF16, BLOCKS_Q4_0, BLOCKS_Q5_0,
    BLOCKS_Q5_1, BLOCKS_Q8_0, BLOCKS_Q4_K, BLOCKS_Q5_K, BLOCKS_Q6_K,
};
enum { TYPES = sizeof types / sizeof types[0], ROUNDS = 6 };

static struct random random_source;

static bool is_plain(enum blocks_type type)
{
    return type == BLOCKS_F32 || type == BLOCKS_F16 || type == BLOCKS_BF16;
}

static size_t form_bytes(const struct device_matrix *m)
{
    return device_matrix_bytes(m->form, m->type, m->outputs, m->columns);
}

/* In one piece or, cut at a multiple of 16 rows, in two. */
static struct device_matrix load(const struct matrix *from, int form, bool cut)
{
    struct device_matrix m = {
        .form = form,
        .type = (int)from->type,
        .outputs = (uint32_t)from->outputs,
        .rows = device_round_up((uint32_t)from->outputs, 16),
        .columns = (uint32_t)from->columns,
        .padded = device_round_up((uint32_t)from->columns, 256),
    };
    m.data = cuda_put(NULL, form_bytes(&m));
    const unsigned char *raw = cuda_put(from->data, from->outputs * from->row_bytes);
    uint32_t first = cut ? m.outputs / 2 / 16 * 16 : 0;
    if (first)
        device_matrix_load(&m, raw, m.type, from->row_bytes, 0, first, 0);
    device_matrix_load(&m, raw + first * from->row_bytes, m.type, from->row_bytes, first,
                       m.outputs - first, 0);
    return m;
}

/* The whole as floats [rows][padded], zero where nothing is. */
static float *expected_of(const struct matrix *from, const struct device_matrix *m)
{
    float *all = host_memory((size_t)m->rows * m->padded * sizeof *all);
    for (size_t i = 0; i < (size_t)m->rows * m->padded; i++)
        all[i] = 0;
    for (size_t j = 0; j < from->outputs; j++)
        blocks_to_float(all + j * m->padded, from->type, from->data + j * from->row_bytes,
                        from->columns);
    return all;
}

static void assert_same(const struct device_matrix *m, const float *have, const float *want,
                        size_t first, size_t rows, bool precise, const char *what)
{
    for (size_t i = 0; i < rows * m->padded; i++) {
        float w = want[first * m->padded + i];
        w = precise ? w : bf16_value(bf16_of(w));
        if (!(have[i] == w))
            fail_msg("%s, %s: row %zu of %u, column %zu of %u: %a, not %a",
                     blocks_layout((uint32_t)m->type)->name, what, first + i / m->padded,
                     m->outputs, i % m->padded, m->columns, (double)have[i], (double)w);
    }
}

static void check_unpacking(const struct matrix *from, bool precise, bool cut)
{
    struct device_matrix m = load(from, DEVICE_PACKED, cut);
    float *want = expected_of(from, &m);
    uint32_t first = (uint32_t)random_below(&random_source, m.rows / 16) * 16;
    const uint32_t begins[] = {0, first};
    for (size_t i = 0; i < 2; i++) {
        uint32_t rows = m.rows - begins[i];
        size_t count = (size_t)rows * m.padded;
        void *out = cuda_put(NULL, count * (precise ? 4 : 2));
        device_unpack(out, precise, &m, begins[i], rows, 0);
        float *have = cuda_take_activations(out, count, precise);
        assert_same(&m, have, want, begins[i], rows, precise, "unpacked");
        free(have);
    }
    free(want);
    cuda_clear();
}

static void check_plain(const struct matrix *from, bool precise, bool cut)
{
    struct device_matrix m = load(from, precise ? DEVICE_F32 : DEVICE_BF16, cut);
    float *want = expected_of(from, &m);
    float *have = cuda_take_activations(m.data, (size_t)m.rows * m.padded, precise);
    assert_same(&m, have, want, 0, m.rows, precise, "converted");
    free(have);
    free(want);
    cuda_clear();
}

/* Rows of the embedding, in any order, into rows that are further apart than long. */
static void check_embedding(const struct matrix *from, bool precise)
{
    enum { TOKENS = 9 };
    int form = !is_plain(from->type) ? DEVICE_PACKED : precise ? DEVICE_F32 : DEVICE_BF16;
    struct device_matrix m = load(from, form, false);
    float *want = expected_of(from, &m);
    int32_t tokens[TOKENS];
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] =
            (int32_t)(i == 0 ? from->outputs - 1 : random_below(&random_source, from->outputs));
    uint32_t stride = m.columns + 3;
    float *x = cuda_put(NULL, TOKENS * stride * sizeof *x);
    const bool few = random_below(&random_source, 2);
    if (few)
        device_embed_few(x, stride, &m, tokens, TOKENS, 0);
    else
        device_embed(x, stride, &m, cuda_put(tokens, sizeof tokens), TOKENS, 0);
    float *have = cuda_take(x, TOKENS * stride * sizeof *x);
    for (size_t r = 0; r < TOKENS; r++)
        for (size_t k = 0; k < stride; k++) {
            float w = k < m.columns ? want[(size_t)tokens[r] * m.padded + k] : cuda_untouched(true);
            if (k < m.columns && form == DEVICE_BF16)
                w = bf16_value(bf16_of(w));
            if (!(have[r * stride + k] == w))
                fail_msg("%s, embedding of token %d of %u%s, column %zu of %u: %a, not %a",
                         blocks_layout((uint32_t)m.type)->name, tokens[r], m.outputs,
                         few ? ", few" : "", k, m.columns, (double)have[r * stride + k], (double)w);
        }
    free(want);
    free(have);
    cuda_clear();
}

static void test_weights(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS) * TYPES; i++) {
        enum blocks_type type = types[i % TYPES];
        struct matrix matrix =
            random_matrix(&random_source, type, 1 + random_below(&random_source, 90),
                          random_columns(&random_source, type));
        for (size_t precise = 0; precise < 2; precise++) {
            bool cut = random_below(&random_source, 2);
            if (is_plain(type))
                check_plain(&matrix, precise, cut);
            else
                check_unpacking(&matrix, precise, cut);
            check_embedding(&matrix, precise);
        }
        free((void *)(uintptr_t)matrix.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_weights)};
    random_source = random_seeded();
    return cuda_rig_main(tests);
}
