/* What rounding costs the bundled model: logits of every level that rounds activations, against
 * those of the fastest that does not, on the sample document; in prefill and in decode. */
#include "engine/tokenizer.h"
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MODEL TESTS_SOURCE_DIR "/models/tidemark-73m-v1-q4_k_m.gguf"
#define SAMPLE TESTS_SOURCE_DIR "/samples/the-book-of-tides.md"

enum {
    TEXT = 8192, /* bytes of the sample, from START on */
    START = 20000,
    READ = RIG_SLOW ? 64 : 256,
    DECODED = RIG_SLOW ? 16 : 64,
};

/* Relative, of all logits; promised. */
static const double most = 1e-2;

static struct tokens sample_tokens(const struct model *model)
{
    static char text[TEXT];
    struct error error = {0};
    struct tokenizer *tokenizer;
    struct tokens tokens = {0};
    FILE *file = fopen(SAMPLE, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, START, SEEK_SET), 0);
    assert_int_equal(fread(text, 1, TEXT, file), TEXT);
    fclose(file);
    rig_require(tokenizer_new(&tokenizer, model->file, &error), &error);
    rig_require(tokenizer_encode(tokenizer, text, TEXT, &tokens, &error), &error);
    tokenizer_free(tokenizer);
    assert_true(tokens.count >= READ);
    return tokens;
}

/* The logits after each of READ tokens, and of DECODED of them one by one. */
struct outcome {
    float *read, *decoded;
    size_t read_floats, decoded_floats;
};

static struct outcome compute(const struct kernels *kernels)
{
    struct rig rig;
    rig_open(&rig, MODEL, kernels, 2);
    const size_t vocabulary = rig.model->shape.vocabulary;
    struct tokens tokens = sample_tokens(rig.model);
    struct outcome o = {.read_floats = READ * vocabulary, .decoded_floats = DECODED * vocabulary};
    o.read = rig_memory(o.read_floats, sizeof *o.read);
    o.decoded = rig_memory(o.decoded_floats, sizeof *o.decoded);
    struct state *state = rig_state(&rig);
    rig_prefill(&rig, state, tokens.data, READ, o.read);
    state_free(state);
    state = rig_state(&rig);
    for (size_t i = 0; i < DECODED; i++) {
        rig_decode(&rig, &state, &tokens.data[i], 1);
        memcpy(o.decoded + i * vocabulary, state->logits, vocabulary * sizeof *o.decoded);
    }
    state_free(state);
    tokens_free(&tokens);
    rig_close(&rig);
    return o;
}

static void free_outcome(struct outcome *o)
{
    free(o->read);
    free(o->decoded);
}

static void test_rounding_costs_the_bundled_model_little(void **context)
{
    (void)context;
    const struct kernels *exact = NULL;
    for (size_t i = 0; kernels_at(i); i++)
        if (!kernels_at(i)->rounds)
            exact = kernels_at(i);
    struct outcome expected = compute(exact);
    for (size_t i = 0; kernels_at(i); i++) {
        if (!kernels_at(i)->rounds)
            continue;
        struct outcome o = compute(kernels_at(i));
        const double read = rig_distance(o.read, expected.read, o.read_floats);
        const double decoded = rig_distance(o.decoded, expected.decoded, o.decoded_floats);
        printf("%s: %.1e from %s in prefill, %.1e in decode\n", kernels_at(i)->name, read,
               exact->name, decoded);
        assert_true(read <= most);
        assert_true(decoded <= most);
        free_outcome(&o);
    }
    free_outcome(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding_costs_the_bundled_model_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
