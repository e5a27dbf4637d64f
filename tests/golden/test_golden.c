/* Logits against the vectors in shared/golden, which come from the public PyTorch
 * implementation and from a float64 pass over the dequantized weights: every model
 * file, every kernel level, prefill, decode and several lanes. */
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER TESTS_SHARED_DIR "/golden/"

/* Relative error that F32 activations may have. 1e-3 is promised; a wrong epsilon or a
 * swapped pair of weights can hide below that, and what is right is at 2e-6. */
static const double most = 1e-5;

/* And rounded ones: 5e-2 is promised for these models, whose few columns average little
 * of the rounding out. */
static const double most_rounded = 5e-2;

struct file {
    const char *name; /* of the ids */
    const char *type;
};

static struct file files[] = {
    {"falcon-tiny", "f32"},    {"falcon-tiny", "q4_0"},  {"falcon-tiny", "q4_k_m"},
    {"falcon-tiny", "q5_k_m"}, {"falcon-tiny", "q6_k"},  {"falcon-tiny", "q8_0"},
    {"mamba-tiny", "f32"},     {"falcon-odd", "q4_k_m"}, {"falcon-odd", "q5_k_m"},
    {"falcon-long", "f32"},    {"falcon-long", "bf16"},  {"falcon-long", "q4_k_m"},
};
enum { FILES = sizeof files / sizeof files[0] };

/* A file with its ids and the logits to expect after the last `rows` of them. */
struct golden {
    char model[512];
    struct tokens ids;
    float *logits;
    size_t rows, vocabulary;
};

static void read_ids(struct golden *golden, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s.ids", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (int id; fscanf(file, "%d", &id) == 1;)
        assert_true(tokens_append(&golden->ids, id, NULL));
    fclose(file);
}

static void read_logits(struct golden *golden, const struct file *which)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s-%s.logits", which->name, which->type);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t floats = (size_t)ftell(file) / sizeof(float);
    rewind(file);
    golden->logits = rig_memory(floats, sizeof(float));
    assert_int_equal(fread(golden->logits, sizeof(float), floats, file), floats);
    fclose(file);
    golden->rows = golden->ids.count < 3000 ? golden->ids.count : 100;
    golden->vocabulary = floats / golden->rows;
    assert_int_equal(floats % golden->rows, 0);
}

static void golden_free(struct golden *golden)
{
    tokens_free(&golden->ids);
    free(golden->logits);
}

static void assert_close(const struct golden *golden, const struct kernels *kernels,
                         const char *way, const float *logits)
{
    double apart = rig_distance(logits, golden->logits, golden->rows * golden->vocabulary);
    printf("  %s, %s: %.1e\n", kernels->name, way, apart);
    double limit = kernels->rounds ? most_rounded : most;
    if (!(apart <= limit))
        fail_msg("%s, %s kernels, %s: relative error %g, more than %g", golden->model,
                 kernels->name, way, apart, limit);
}

/* The golden ids as the last of `lanes` lanes, the others shorter. */
static void check_prefill(const struct golden *golden, struct rig *rig,
                          const struct kernels *kernels, size_t lanes)
{
    struct forward_lane all[3];
    float *logits = rig_memory(golden->ids.count * golden->vocabulary, sizeof *logits);
    for (size_t i = 0; i < lanes; i++)
        all[i] = (struct forward_lane){
            .state = rig_state(rig), .tokens = golden->ids.data, .count = 17 + 40 * i};
    all[lanes - 1].count = golden->ids.count;
    all[lanes - 1].logits = logits;
    rig_lanes(rig, all, lanes);
    assert_close(golden, kernels, lanes > 1 ? "prefill in 3 lanes" : "prefill",
                 logits + (golden->ids.count - golden->rows) * golden->vocabulary);
    assert_memory_equal(all[lanes - 1].state->logits,
                        logits + (golden->ids.count - 1) * golden->vocabulary,
                        golden->vocabulary * sizeof *logits);
    for (size_t i = 0; i < lanes; i++)
        state_free(all[i].state);
    free(logits);
}

static void check_decode(const struct golden *golden, struct rig *rig,
                         const struct kernels *kernels)
{
    struct state *state = rig_state(rig);
    float *logits = rig_memory(golden->rows * golden->vocabulary, sizeof *logits);
    size_t first = golden->ids.count - golden->rows;
    for (size_t i = 0; i < golden->ids.count; i++) {
        rig_decode(rig, &state, &golden->ids.data[i], 1);
        if (i >= first)
            memcpy(logits + (i - first) * golden->vocabulary, state->logits,
                   golden->vocabulary * sizeof *logits);
    }
    assert_close(golden, kernels, "decode", logits);
    state_free(state);
    free(logits);
}

static void test_file(void **context)
{
    const struct file *which = *context;
    struct golden golden = {0};
    snprintf(golden.model, sizeof golden.model, FOLDER "%s-%s.gguf", which->name, which->type);
    if (access(golden.model, R_OK) != 0)
        skip();
    read_ids(&golden, which->name);
    read_logits(&golden, which);
    const struct kernels *kernels;
    for (size_t i = 0; (kernels = kernels_at(i)); i++) {
        struct rig rig;
        if (RIG_SLOW && golden.rows < golden.ids.count)
            continue; /* the long ones take minutes there */
        rig_open(&rig, golden.model, kernels, 2);
        assert_int_equal(rig.model->shape.vocabulary, golden.vocabulary);
        check_prefill(&golden, &rig, kernels, 1);
        check_prefill(&golden, &rig, kernels, 3);
        check_decode(&golden, &rig, kernels);
        rig_close(&rig);
    }
    golden_free(&golden);
}

int main(void)
{
    struct CMUnitTest tests[FILES];
    char names[FILES][64];
    size_t there = 0;
    for (size_t i = 0; i < FILES; i++) {
        char path[512];
        snprintf(path, sizeof path, FOLDER "%s-%s.gguf", files[i].name, files[i].type);
        there += access(path, R_OK) == 0;
        snprintf(names[i], sizeof names[i], "%s-%s", files[i].name, files[i].type);
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = test_file, .initial_state = &files[i]};
    }
    if (there == 0)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
