/* The files that tests/bench/mkmodel makes are models: of every type, they open, hold what
 * they say, and run to logits that neither exploded nor died. */
#include "base/file.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/rig.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

extern char **environ;

static char path[GGUF_WRITER_PATH_SIZE];

/* Its exit code. What it says goes nowhere when it is to fail. */
static int mkmodel(const char *shape, const char *type, const char *seed, bool force, bool quiet)
{
    char *arguments[] = {TESTS_MKMODEL,
                         "--shape",
                         (char *)(uintptr_t)shape,
                         "--type",
                         (char *)(uintptr_t)type,
                         "--seed",
                         (char *)(uintptr_t)seed,
                         path,
                         force ? "--force" : NULL,
                         NULL};
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    if (quiet)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child;
    assert_int_equal(posix_spawn(&child, TESTS_MKMODEL, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static struct hash hash_of_file(void)
{
    struct file_map map;
    struct error error = {0};
    rig_require(file_map_open(&map, path, ERROR_INPUT, &error), &error);
    struct hash hash = hash_of(map.data, map.size);
    file_map_close(&map);
    return hash;
}

/* Standard deviation of the logits; NaN where one is not finite. */
static double spread(const float *logits, size_t count)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)logits[i];
        squares += (double)logits[i] * (double)logits[i];
    }
    return sqrt(squares / (double)count - sum * sum / (double)count / (double)count);
}

static void check_runs(const char *type)
{
    struct rig rig;
    rig_open(&rig, path, kernels_best(), 2);
    struct tokens tokens = {0};
    struct error error = {0};
    const char *text = "The clock in the tower had stopped at nine.";
    rig_require(tokenizer_encode(rig.model->tokenizer, text, strlen(text), &tokens, &error),
                &error);
    assert_true(tokens.count > 4 && tokens.count < strlen(text));
    assert_true(rig.model->prompt.shape == PROMPT_CHATML);
    struct state *state = rig_state(&rig);
    rig_prefill(&rig, state, tokens.data, tokens.count, NULL);
    for (int32_t i = 0; i < 3; i++)
        rig_decode(&rig, &state, &tokens.data[i], 1);
    double apart = spread(state->logits, rig.model->shape.vocabulary);
    print_message("%s: logits %.2f about their mean\n", type, apart);
    assert_true(apart > 0.3 && apart < 3);
    state_free(state);
    tokens_free(&tokens);
    rig_close(&rig);
}

static void test_every_type_runs(void **unused)
{
    static const struct {
        const char *name;
        enum blocks_type matrices, output;
    } types[] = {
        {"f32", BLOCKS_F32, BLOCKS_F32},      {"f16", BLOCKS_F16, BLOCKS_F16},
        {"bf16", BLOCKS_BF16, BLOCKS_BF16},   {"q8_0", BLOCKS_Q8_0, BLOCKS_Q8_0},
        {"q6_k", BLOCKS_Q6_K, BLOCKS_Q6_K},   {"q5_k_m", BLOCKS_Q5_K, BLOCKS_Q6_K},
        {"Q4_K_M", BLOCKS_Q4_K, BLOCKS_Q6_K}, {"q5_1", BLOCKS_Q5_1, BLOCKS_Q6_K},
        {"q5_0", BLOCKS_Q5_0, BLOCKS_Q6_K},   {"q4_0", BLOCKS_Q4_0, BLOCKS_Q6_K},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct model *model;
        struct error error = {0};
        assert_int_equal(mkmodel("tiny", types[i].name, "7", true, false), 0);
        rig_require(model_open(&model, path, &error), &error);
        assert_int_equal(model->embedding.type, types[i].matrices);
        assert_int_equal(model->output.type, types[i].output);
        assert_int_equal(model->layers[0].in.type, types[i].matrices);
        model_close(model);
        check_runs(types[i].name);
    }
}

static void test_the_seed_fixes_the_bytes(void **unused)
{
    (void)unused;
    struct hash hashes[3];
    static const char *const seeds[] = {"7", "7", "8"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mkmodel("tiny", "q4_k_m", seeds[i], true, false), 0);
        hashes[i] = hash_of_file();
    }
    assert_memory_equal(&hashes[0], &hashes[1], sizeof hashes[0]);
    assert_memory_not_equal(&hashes[0], &hashes[2], sizeof hashes[0]);
}

static void test_refusals(void **unused)
{
    (void)unused;
    struct stat info;
    assert_int_equal(mkmodel("tiny", "q8_0", "1", true, false), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    struct hash before = hash_of_file();
    assert_int_equal(mkmodel("tiny", "q8_0", "2", false, true), ERROR_INPUT);
    struct hash after = hash_of_file();
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(mkmodel("huge", "q8_0", "2", true, true), ERROR_USAGE);
    assert_int_equal(mkmodel("tiny", "q9", "2", true, true), ERROR_USAGE);
    assert_int_equal(mkmodel("tiny", "q8_0", "-2", true, true), ERROR_USAGE);
}

/* A limit on a file's size stands for a full disk: nothing is left behind. */
static void test_no_room(void **unused)
{
    (void)unused;
    struct rlimit old, tight = {1 << 16, 1 << 16};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN); /* the child inherits that */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int code = mkmodel("tiny", "f32", "1", true, true);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(code, ERROR_SYSTEM);
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_runs),
        cmocka_unit_test(test_the_seed_fixes_the_bytes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_room),
    };
    gguf_writer_temporary(path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
