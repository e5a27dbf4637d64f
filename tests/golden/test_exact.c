/* The first rule of the design: a token's result depends on the weights, its own input
 * and its lane's state alone. So the same bits whether a lane runs alone or among 2, 7,
 * 64 or 300 different ones, with one thread or three, wherever a stretch is cut, and of however
 * many rows the blocks are in which a pass is multiplied. */
#include "tests/support/random.h"
#include "tests/support/rig.h"
#include "tests/support/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
    LANES = 64,
    LONGEST = RIG_SLOW ? 10 : 40, /* tokens of a lane; 64 lanes fill more than a pass */
    DECODED = 3,                  /* tokens that each lane generates */
    STRETCH = 300,                /* tokens that are cut: more than one pass */
    CUTTINGS = RIG_SLOW ? 2 : 6,
    CROWD = 300, /* lanes: more than a pass generates for at once */
    LESS = 4,    /* of all that for the levels that are not the best: they are slow */
};

/* Where the shared ones are absent, the tiny ones of our own still tell. */
static const char *const files[] = {
    NULL,
    NULL,
    "falcon-tiny-f32",
    "falcon-tiny-q4_k_m",
    "falcon-tiny-q5_k_m",
    "falcon-tiny-q6_k",
    "falcon-tiny-q8_0",
    "falcon-tiny-q4_0",
    "mamba-tiny-f32",
    "falcon-odd-q4_k_m",
    "falcon-odd-q5_k_m",
    "falcon-long-bf16",
};
enum { FILES = sizeof files / sizeof files[0] };

static char tiny[TINY_MODEL_KINDS][GGUF_WRITER_PATH_SIZE];
static struct random random_source;

static const char *path_of(size_t file, char path[512])
{
    if (file < TINY_MODEL_KINDS)
        return tiny[file];
    snprintf(path, 512, TESTS_SHARED_DIR "/golden/%s.gguf", files[file]);
    return access(path, R_OK) == 0 ? path : NULL;
}

static void random_tokens(int32_t *tokens, size_t count, const struct rig *rig)
{
    for (size_t i = 0; i < count; i++)
        tokens[i] = (int32_t)random_below(&random_source, rig->model->shape.vocabulary);
}

/* --- lanes ------------------------------------------------------------------------- */

/* Lanes of different tokens and lengths, and what each gives alone. */
struct lanes {
    int32_t tokens[LANES][LONGEST + DECODED];
    size_t counts[LANES];
    struct state *read[LANES];    /* after the tokens */
    struct state *decoded[LANES]; /* after the generated ones too */
};

static void run_alone(struct lanes *lanes, struct rig *rig, size_t longest)
{
    for (size_t i = 0; i < LANES; i++) {
        lanes->counts[i] = 1 + random_below(&random_source, longest);
        random_tokens(lanes->tokens[i], LONGEST + DECODED, rig);
        lanes->read[i] = rig_state(rig);
        lanes->decoded[i] = rig_state(rig);
        rig_prefill(rig, lanes->read[i], lanes->tokens[i], lanes->counts[i], NULL);
        state_copy(lanes->decoded[i], lanes->read[i]);
        for (size_t j = 0; j < DECODED; j++)
            rig_decode(rig, &lanes->decoded[i], &lanes->tokens[i][LONGEST + j], 1);
    }
}

static void assert_same(const struct state *a, const struct state *b, const char *file,
                        const struct kernels *kernels, const char *way, size_t lane, size_t count)
{
    if (!rig_same(a, b))
        fail_msg("%s, %s kernels: %s of lane %zu among %zu differs from the lane alone", file,
                 kernels->name, way, lane, count);
}

/* `count` of the lanes from `first` on, round the end. */
static void run_among(const struct lanes *lanes, struct rig *rig, size_t first, size_t count,
                      const char *file, const struct kernels *kernels)
{
    struct forward_lane all[LANES] = {{0}};
    struct state *states[LANES];
    int32_t next[LANES];
    for (size_t i = 0; i < count; i++) {
        size_t lane = (first + i) % LANES;
        states[i] = rig_state(rig);
        all[i] = (struct forward_lane){
            .state = states[i], .tokens = lanes->tokens[lane], .count = lanes->counts[lane]};
    }
    rig_lanes(rig, all, count);
    for (size_t i = 0; i < count; i++)
        assert_same(states[i], lanes->read[(first + i) % LANES], file, kernels, "prefill", i,
                    count);
    for (size_t j = 0; j < DECODED; j++) {
        for (size_t i = 0; i < count; i++)
            next[i] = lanes->tokens[(first + i) % LANES][LONGEST + j];
        rig_decode(rig, states, next, count);
        if (!rig_chooses(rig, states, count))
            fail_msg("the choice for %zu lanes is not the sampler's", count);
    }
    for (size_t i = 0; i < count; i++) {
        assert_same(states[i], lanes->decoded[(first + i) % LANES], file, kernels, "decode", i,
                    count);
        state_free(states[i]);
    }
}

static void check_lanes(const char *path, const struct kernels *kernels, bool best)
{
    static const size_t counts[] = {1, 2, 7, LANES};
    static const unsigned threads[] = {1, 3};
    struct kernels small = *kernels; /* whose blocks are the smallest */
    struct lanes lanes;
    struct rig rig;
    rig_open(&rig, path, kernels, 1);
    run_alone(&lanes, &rig, best ? LONGEST : LONGEST / LESS);
    rig_close(&rig);
    for (size_t t = 0; t < 2; t++) {
        rig_open(&rig, path, kernels, threads[t]);
        for (size_t c = 0; c < 4; c++)
            run_among(&lanes, &rig, random_below(&random_source, LANES), counts[c], path, kernels);
        rig_close(&rig);
    }
    small.product_rows = 2 * KERNELS_PACK_ROWS;
    rig_open(&rig, path, &small, 2);
    run_among(&lanes, &rig, random_below(&random_source, LANES), LANES, path, &small);
    rig_close(&rig);
    for (size_t i = 0; i < LANES; i++) {
        state_free(lanes.read[i]);
        state_free(lanes.decoded[i]);
    }
}

/* A token in each of many lanes that have read the same: those around the end of a pass. */
static void check_crowd(const char *path, const struct kernels *kernels)
{
    static const size_t looked_at[] = {0, 15, 16, 255, 256, CROWD - 1};
    struct state *states[CROWD];
    int32_t tokens[CROWD];
    struct rig rig;
    rig_open(&rig, path, kernels, 2);
    struct state *read = rig_state(&rig), *alone = rig_state(&rig);
    random_tokens(tokens, CROWD, &rig);
    rig_prefill(&rig, read, tokens, DECODED, NULL);
    for (size_t i = 0; i < CROWD; i++) {
        states[i] = rig_state(&rig);
        state_copy(states[i], read);
    }
    rig_decode(&rig, states, tokens, CROWD);
    for (size_t i = 0; i < sizeof looked_at / sizeof looked_at[0]; i++) {
        const size_t lane = looked_at[i];
        state_copy(alone, read);
        rig_decode(&rig, &alone, &tokens[lane], 1);
        assert_same(states[lane], alone, path, kernels, "decode", lane, CROWD);
    }
    for (size_t i = 0; i < CROWD; i++)
        state_free(states[i]);
    state_free(read);
    state_free(alone);
    rig_close(&rig);
}

/* --- cuts -------------------------------------------------------------------------- */

static void read_in_pieces(struct rig *rig, struct state *state, const int32_t *tokens,
                           float *logits)
{
    /* Longest pieces from one token to more than a pass, so that both kinds of end occur. */
    size_t longest = 1 + random_below(&random_source, STRETCH);
    for (size_t at = 0; at < STRETCH;) {
        size_t count = 1 + random_below(&random_source, longest);
        if (count > STRETCH - at)
            count = STRETCH - at;
        rig_prefill(rig, state, tokens + at, count, logits + at * rig->model->shape.vocabulary);
        at += count;
    }
}

static void check_cuts(const char *path, const struct kernels *kernels, bool best)
{
    struct rig rig;
    rig_open(&rig, path, kernels, 2);
    size_t size = STRETCH * rig.model->shape.vocabulary * sizeof(float);
    float *whole = rig_memory(size, 1), *cut = rig_memory(size, 1);
    struct state *uncut = rig_state(&rig), *state = rig_state(&rig);
    int32_t tokens[STRETCH];
    random_tokens(tokens, STRETCH, &rig);
    rig_prefill(&rig, uncut, tokens, STRETCH, whole);
    for (size_t i = 0; i < (best ? CUTTINGS : CUTTINGS / LESS + 1); i++) {
        state_reset(state);
        read_in_pieces(&rig, state, tokens, cut);
        if (!rig_same(state, uncut) || memcmp(whole, cut, size) != 0)
            fail_msg("%s, %s kernels: a prefill in pieces differs from one without cuts", path,
                     kernels->name);
    }
    state_free(uncut);
    state_free(state);
    free(whole);
    free(cut);
    rig_close(&rig);
}

/* --- blocks ------------------------------------------------------------------------ */

/* Reads two lanes, and how surprising their tokens are. */
static void read_two(const char *path, const struct kernels *kernels, struct state *states[2],
                     const int32_t *tokens, float *bits)
{
    struct forward_lane lanes[2] = {{0}};
    struct rig rig;
    rig_open(&rig, path, kernels, 2);
    for (size_t i = 0; i < 2; i++) {
        states[i] = rig_state(&rig);
        lanes[i] = (struct forward_lane){.state = states[i],
                                         .tokens = tokens + i * STRETCH / 3,
                                         .count = i ? STRETCH - STRETCH / 3 : STRETCH / 3,
                                         .bits = bits + i * STRETCH / 3};
    }
    rig_lanes(&rig, lanes, 2);
    rig_close(&rig);
}

static void check_blocks(const char *path, const struct kernels *kernels)
{
    struct kernels small = *kernels; /* whose blocks are the smallest */
    struct state *states[2], *others[2];
    float bits[STRETCH], other_bits[STRETCH];
    int32_t tokens[STRETCH];
    struct rig rig;
    small.product_rows = 2 * KERNELS_PACK_ROWS;
    rig_open(&rig, path, kernels, 1);
    random_tokens(tokens, STRETCH, &rig);
    rig_close(&rig);
    read_two(path, kernels, states, tokens, bits);
    read_two(path, &small, others, tokens, other_bits);
    if (!rig_same(states[0], others[0]) || !rig_same(states[1], others[1]) ||
        memcmp(bits, other_bits, sizeof bits) != 0)
        fail_msg("%s, %s kernels: a pass in small blocks differs from one in large ones", path,
                 kernels->name);
    for (size_t i = 0; i < 2; i++) {
        state_free(states[i]);
        state_free(others[i]);
    }
}

/* --- running ------------------------------------------------------------------------ */

/* tiny: a model that is fast enough for the slow levels. */
static void check_levels(const char *path, bool tiny_one)
{
    const struct kernels *kernels;
    for (size_t i = 0; (kernels = kernels_at(i)); i++) {
        bool best = !kernels_at(i + 1);
        /* The reference multiplies row by row, whatever the type, and is slow, as sanitized
         * levels are: the tiny models show them. test_kernels walks all types on every level. */
        if ((RIG_SLOW || (i == 0 && !best)) && !tiny_one)
            continue;
        check_lanes(path, kernels, best);
        if (best)
            check_crowd(path, kernels);
        check_cuts(path, kernels, best);
        check_blocks(path, kernels);
    }
}

static void test_file(void **context)
{
    char buffer[512];
    size_t file = (size_t)((const char *const *)*context - files);
    const char *path = path_of(file, buffer);
    if (!path)
        skip();
    check_levels(path, file < TINY_MODEL_KINDS);
}

/* No published model is made so, but a file may be: dt has more columns than all else. */
static void test_wide_rank(void **unused)
{
    static const struct tiny_model_plan plan = {
        .name = "wide rank",
        .embedding = 64,
        .inner = 32,
        .states = 5,
        .rank = 512,
        .vocabulary = 291,
        .layers = 2,
        .norms = true,
        .embedding_type = BLOCKS_F16,
        .output_type = BLOCKS_Q8_0,
        .types = {{BLOCKS_Q8_0, BLOCKS_Q4_0, BLOCKS_Q4_K, BLOCKS_F16},
                  {BLOCKS_F32, BLOCKS_Q5_1, BLOCKS_Q6_K, BLOCKS_Q5_0}},
    };
    char path[GGUF_WRITER_PATH_SIZE];
    (void)unused;
    gguf_writer_temporary(path);
    struct buffer file = tiny_model_planned(&plan, 3);
    gguf_writer_save(path, file.data, file.size);
    buffer_free(&file);
    check_levels(path, true);
    unlink(path);
}

int main(void)
{
    struct CMUnitTest tests[FILES + 1];
    random_source = random_seeded();
    for (size_t i = 0; i < TINY_MODEL_KINDS; i++) {
        gguf_writer_temporary(tiny[i]);
        tiny_model_save(tiny[i], (enum tiny_model_kind)i);
    }
    for (size_t i = 0; i < FILES; i++)
        tests[i] = (struct CMUnitTest){
            .name = files[i] ? files[i] : tiny_model_plan((enum tiny_model_kind)i)->name,
            .test_func = test_file,
            .initial_state = (void *)(uintptr_t)&files[i]};
    tests[FILES] = (struct CMUnitTest){.name = "wide rank", .test_func = test_wide_rank};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < TINY_MODEL_KINDS; i++)
        unlink(tiny[i]);
    return failed;
}
