/* Bits are pinned: for each kernel level and revision the hash of what a small model
 * computes is stored here. When this test fails, bits have changed: a library's states
 * were made with the old ones, so the level's revision (kernels.h) or FORWARD_REVISION
 * must be raised, and the new hash stored under the new number. */
#include "tests/support/rig.h"
#include "tests/support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    READ = 40,    /* tokens by prefill */
    DECODED = 10, /* then so many by decode */
};

static const struct stored {
    const char *level;
    unsigned revision;
    int forward;
    const char *hashes[TINY_MODEL_KINDS];
} table[] = {
    {"reference", 1, 1, {"5163510924363a879a16ce0f515d9557", "f82f46f7b0f87946b517c9ccee7afb5c"}},
    {"avx2", 2, 1, {"ef5dfc20b4df736115bcc86805c56ba3", "2985a7853d3972a6fe3a4a275019c261"}},
    {"avx2_int8", 1, 1, {"231a417f1fca270fd995fd3cef154b7a", "e87452d3510e32528250c61da2309020"}},
    {"avx512", 2, 1, {"b9f3805516179cbf5f130abaa2f92597", "387fb888416a93863f9a962452027bb7"}},
    {"vnni", 1, 1, {"58351dca5871a02b113210b850b9d8cc", "b9a049dc66728db5c1b2cd27be0e8fc1"}},
    {"amx", 2, 1, {"4a5ffa0747d5b6c5d5e4fcf26ba2651d", "369c62f287515061f5eb36d5e1d7399e"}},
};
enum { STORED = sizeof table / sizeof table[0] };

/* Hashed by itself, so that a change of the file is not taken for one of arithmetic. */
static const char *const file_hashes[TINY_MODEL_KINDS] = {
    "ef04ef8a1441ee535dd8286ba7c2a58f",
    "b8575c7a969d21600b2cec2a439aa97e",
};

static char paths[TINY_MODEL_KINDS][GGUF_WRITER_PATH_SIZE];

/* All logits, then the state after prefill and after decode. */
struct outcome {
    float *logits; /* [READ + DECODED][V] */
    size_t floats;
    char hash[HASH_HEX_SIZE];
};

static void compute(struct outcome *outcome, enum tiny_model_kind kind,
                    const struct kernels *kernels)
{
    struct rig rig;
    rig_open(&rig, paths[kind], kernels, 2);
    size_t vocabulary = rig.model->shape.vocabulary;
    struct state *state = rig_state(&rig);
    int32_t tokens[READ + DECODED];
    struct random random = {7};
    for (size_t i = 0; i < READ + DECODED; i++)
        tokens[i] = (int32_t)random_below(&random, vocabulary);

    outcome->floats = (READ + DECODED) * vocabulary;
    outcome->logits = rig_memory(outcome->floats, sizeof *outcome->logits);
    struct hash_stream *stream = hash_stream_new();
    assert_non_null(stream);
    rig_prefill(&rig, state, tokens, READ, outcome->logits);
    hash_stream_add(stream, state->data, state->floats * sizeof *state->data);
    for (size_t i = READ; i < READ + DECODED; i++) {
        rig_decode(&rig, &state, &tokens[i], 1);
        memcpy(outcome->logits + i * vocabulary, state->logits, vocabulary * sizeof *state->logits);
    }
    hash_stream_add(stream, state->data, state->floats * sizeof *state->data);
    hash_stream_add(stream, outcome->logits, outcome->floats * sizeof *outcome->logits);
    struct hash hash = hash_stream_end(stream);
    hash_to_hex(outcome->hash, &hash);
    hash_stream_free(stream);
    state_free(state);
    rig_close(&rig);
}

static const struct stored *find(const struct kernels *kernels)
{
    for (size_t i = 0; i < STORED; i++)
        if (strcmp(table[i].level, kernels->name) == 0 && table[i].revision == kernels->revision &&
            table[i].forward == FORWARD_REVISION)
            return &table[i];
    return NULL;
}

static void test_files_are_fixed(void **context)
{
    (void)context;
    for (size_t i = 0; i < TINY_MODEL_KINDS; i++) {
        struct buffer file = tiny_model_file((enum tiny_model_kind)i);
        struct hash hash = hash_of(file.data, file.size);
        char hex[HASH_HEX_SIZE];
        hash_to_hex(hex, &hash);
        assert_string_equal(hex, file_hashes[i]);
        buffer_free(&file);
    }
}

static void test_bits_are_those_of_the_revision(void **context)
{
    (void)context;
    const struct kernels *kernels;
    for (size_t i = 0; (kernels = kernels_at(i)); i++) {
        const struct stored *stored = find(kernels);
        char hashes[TINY_MODEL_KINDS][HASH_HEX_SIZE];
        for (size_t kind = 0; kind < TINY_MODEL_KINDS; kind++) {
            struct outcome outcome;
            compute(&outcome, (enum tiny_model_kind)kind, kernels);
            memcpy(hashes[kind], outcome.hash, sizeof hashes[kind]);
            free(outcome.logits);
        }
        bool same = stored != NULL;
        for (size_t kind = 0; same && kind < TINY_MODEL_KINDS; kind++)
            same = strcmp(hashes[kind], stored->hashes[kind]) == 0;
        if (!same)
            fail_msg(
                "%s kernels: %s; the row for the new one is {\"%s\", %u, %d, {\"%s\", \"%s\"}}",
                kernels->name,
                stored ? "bits changed: raise the revision" : "this revision has no row",
                kernels->name, kernels->revision, FORWARD_REVISION, hashes[0], hashes[1]);
    }
}

static void test_levels_agree(void **context)
{
    (void)context;
    for (size_t kind = 0; kind < TINY_MODEL_KINDS; kind++) {
        struct outcome reference, other;
        compute(&reference, (enum tiny_model_kind)kind, kernels_at(0));
        for (size_t i = 0; i < reference.floats; i++)
            assert_true(isfinite(reference.logits[i]));
        for (size_t i = 1; kernels_at(i); i++) {
            compute(&other, (enum tiny_model_kind)kind, kernels_at(i));
            double apart = rig_distance(other.logits, reference.logits, reference.floats);
            printf("%s, %s: %.1e from reference\n",
                   tiny_model_plan((enum tiny_model_kind)kind)->name, kernels_at(i)->name, apart);
            assert_true(apart <= (kernels_at(i)->rounds ? 5e-2 : 1e-4));
            free(other.logits);
        }
        free(reference.logits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_fixed),
        cmocka_unit_test(test_bits_are_those_of_the_revision),
        cmocka_unit_test(test_levels_agree),
    };
    for (size_t i = 0; i < TINY_MODEL_KINDS; i++) {
        gguf_writer_temporary(paths[i]);
        tiny_model_save(paths[i], (enum tiny_model_kind)i);
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < TINY_MODEL_KINDS; i++)
        unlink(paths[i]);
    return failed;
}
