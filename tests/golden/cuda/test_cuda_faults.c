/* Every call of CUDA's runtime that the module makes, failing once and from then on: one
 * line that says so, nothing that crashes, hangs or comes out wrong, the processor in its
 * place where that was asked for, and no harm to who comes next. Then a device whose memory
 * is really full. TEST_FAULTS=all: every call, otherwise some of them. Skipped without a
 * GPU. */
#include "engine/backend.h"
#include "tests/support/random.h"
#include "tests/support/rig.h"
#include "tests/support/tiny_model.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

enum { READ = 40, DECODED = 2, FIRST_CALLS = 40, LONGEST_STEP = 12 };

static struct random random_source;
static struct pool *pool;
static struct model *model;
static bool all_calls;

/* Of the module (cuda_faults.c). */
static int64_t *faults_at, *faults_last, *faults_calls;
static union {
    void *object;
    int (*call)(size_t leave);
} fill;
static union {
    void *object;
    void (*call)(void);
} empty;

struct outcome {
    char tag[FORWARD_TAG_SIZE];
    float bits[READ];
    float *state, *kept, *other; /* [floats] */
};

static void free_outcome(struct outcome *o)
{
    free(o->state);
    free(o->kept);
    free(o->other);
    *o = (struct outcome){0};
}

static float *copy_of(const float *data, size_t floats)
{
    float *copy = rig_memory(floats, sizeof *copy);
    memcpy(copy, data, floats * sizeof *copy);
    return copy;
}

static void fixed_tokens(int32_t tokens[READ])
{
    struct random fixed = {11};
    for (size_t i = 0; i < READ; i++)
        tokens[i] = (int32_t)random_below(&fixed, model->shape.vocabulary);
}

/* Reads, keeps a snapshot, reads on, generates in two lanes, brings back. */
static bool use(struct forward *forward, struct state *states[2], struct outcome *o,
                struct error *error)
{
    int32_t tokens[READ];
    struct forward_snapshot *snapshot;
    const float *data;
    fixed_tokens(tokens);
    struct forward_lane lane = {
        .state = states[0], .tokens = tokens, .count = READ / 2, .bits = o->bits};
    forward_tag(forward, o->tag);
    if (!forward_prefill(forward, &lane, 1, error))
        return false;
    if (forward_snapshots(forward)) {
        if (!forward_snapshot(forward, states[0], &snapshot, error))
            return false;
        bool arrived = forward_snapshot_wait(forward, snapshot, &data, error);
        if (arrived)
            o->kept = copy_of(data, states[0]->floats);
        forward_snapshot_free(forward, snapshot);
        if (!arrived)
            return false;
    }
    state_copy(states[1], states[0]);
    lane.tokens += READ / 2;
    lane.bits += READ / 2;
    if (!forward_prefill(forward, &lane, 1, error))
        return false;
    for (size_t i = 0; i < DECODED; i++)
        if (!forward_decode(forward, states, tokens + i, 2, error))
            return false;
    struct forward_choice choices[2];
    if (!forward_choose(forward, states, 2, choices, error) ||
        !state_fetch_logits(states[1], error))
        return false;
    int32_t likeliest = sampler_likeliest(states[1]->logits, model->shape.vocabulary, NULL);
    if (choices[1].token != likeliest)
        fail_msg("token %d was chosen, not %d", choices[1].token, likeliest);
    if (!state_fetch(states[0], error) || !state_fetch(states[1], error))
        return false;
    o->state = copy_of(states[0]->data, states[0]->floats);
    o->other = copy_of(states[1]->data, states[1]->floats);
    return true;
}

/* A whole life. *opened: whether it came to a forward. */
static bool run(enum backend backend, struct outcome *o, bool *opened, struct error *error)
{
    char note[BACKEND_NOTE_SIZE] = "";
    bool plain;
    *o = (struct outcome){0};
    *error = (struct error){0};
    struct forward *forward =
        backend_open(backend, model, kernels_best(), pool, note, &plain, error);
    *opened = forward != NULL;
    if (!forward)
        return false;
    if (backend == BACKEND_AUTO && strcmp(forward_backend(forward), "cpu") == 0 &&
        (plain || strlen(note) < 40))
        fail_msg("the processor computes, and nobody says why: \"%s\"", note);
    struct error ignored;
    struct state *states[2] = {state_new(&model->shape, &ignored),
                               state_new(&model->shape, &ignored)};
    assert_non_null(states[0]);
    assert_non_null(states[1]);
    bool ok = use(forward, states, o, error);
    forward_free(forward);
    state_free(states[0]);
    state_free(states[1]);
    return ok;
}

/* Of the same numerics: the same bits. Of others (a fault may leave cuBLASLt, the kernel for
 * single tokens, or the GPU, unused): near, as the golden tests have it. */
static void assert_right(const struct outcome *o, const struct outcome *clean, size_t floats,
                         const char *when)
{
    const float *pairs[][2] = {{o->bits, clean->bits},
                               {o->state, clean->state},
                               {o->kept, clean->kept},
                               {o->other, clean->other}};
    for (size_t i = 0; i < 4; i++) {
        size_t count = i ? floats : READ;
        if (!pairs[i][0])
            continue; /* the processor takes no snapshots */
        if (strcmp(o->tag, clean->tag) == 0) {
            if (memcmp(pairs[i][0], pairs[i][1], count * sizeof(float)) != 0)
                fail_msg("%s: succeeds with other results", when);
        } else if (!(rig_distance(pairs[i][0], pairs[i][1], count) <= 5e-2)) {
            fail_msg("%s: succeeds with wrong results by %s", when, o->tag);
        }
    }
}

static void assert_line(const struct error *error, const char *when)
{
    size_t length = strlen(error->text);
    if (error->kind != ERROR_SYSTEM || length < 20 || strchr(error->text, '\n'))
        fail_msg("%s: kind %d, \"%s\"", when, (int)error->kind, error->text);
}

static int64_t clean_calls(struct outcome *clean)
{
    struct error error;
    bool opened;
    *faults_at = *faults_last = *faults_calls = 0;
    bool ok = run(BACKEND_CUDA, clean, &opened, &error);
    rig_require(ok, &error);
    return *faults_calls;
}

static void check_call(int64_t call, bool lasting, enum backend backend,
                       const struct outcome *clean, size_t *failed)
{
    char when[96];
    struct outcome o;
    struct error error;
    bool opened;
    snprintf(when, sizeof when, "call %lld fails %s, %s", (long long)call,
             lasting ? "and all after it" : "once", backend == BACKEND_AUTO ? "auto" : "cuda");
    *faults_calls = 0;
    *faults_at = call;
    *faults_last = lasting ? INT64_MAX : 0;
    bool ok = run(backend, &o, &opened, &error);
    *faults_at = *faults_last = 0;
    if (ok)
        assert_right(&o, clean, state_bytes(&model->shape) / sizeof(float), when);
    else
        assert_line(&error, when);
    if (backend == BACKEND_AUTO && !opened)
        fail_msg("%s: the processor does not go on: %s", when, error.text);
    *failed += !ok;
    free_outcome(&o);
}

static void test_calls(void **context)
{
    struct outcome clean, after;
    size_t failed = 0, tried = 0;
    (void)context;
    int64_t calls = clean_calls(&clean);
    for (int64_t call = 1; call <= calls; tried++) {
        check_call(call, tried % 2, tried % 8 < 4 ? BACKEND_CUDA : BACKEND_AUTO, &clean, &failed);
        if (all_calls && tried % 2 == 0)
            continue; /* once, then lasting */
        call += all_calls || call < FIRST_CALLS
                    ? 1
                    : 1 + (int64_t)random_below(&random_source, LONGEST_STEP);
    }
    printf("%s: %lld calls, %zu runs with a fault, %zu of them failed\n", clean.tag,
           (long long)calls, tried, failed);
    clean_calls(&after);
    assert_string_equal(after.tag, clean.tag);
    assert_right(&after, &clean, state_bytes(&model->shape) / sizeof(float), "after all faults");
    free_outcome(&after);
    free_outcome(&clean);
}

/* From nearly nothing on to what is enough. */
static void test_full_memory(void **context)
{
    static const size_t leaves[] = {16, 64, 128, 256, 512, 1024}; /* MiB */
    struct outcome clean, o;
    struct error error;
    bool opened, ok = false;
    (void)context;
    clean_calls(&clean);
    size_t floats = state_bytes(&model->shape) / sizeof(float);
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        if (!fill.call(leaves[i] << 20)) {
            empty.call();
            skip(); /* others use the device */
        }
        ok = run(BACKEND_CUDA, &o, &opened, &error);
        printf("  %zu MiB free: %s\n", leaves[i], ok ? o.tag : error.text);
        if (ok)
            assert_right(&o, &clean, floats, "with little memory");
        else
            assert_line(&error, "with little memory");
        free_outcome(&o);
        bool went_on = run(BACKEND_AUTO, &o, &opened, &error);
        if (!opened)
            fail_msg("with %zu MiB free the processor does not go on: %s", leaves[i], error.text);
        if (went_on)
            assert_right(&o, &clean, floats, "with little memory, auto");
        free_outcome(&o);
        empty.call();
    }
    assert_true(ok); /* a GiB is enough */
    free_outcome(&clean);
}

static bool find_module(void)
{
    const char *path = getenv("TIDEMARK_CUDA_MODULE");
    void *module = path && *path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    struct error error;
    struct outcome o;
    bool opened;
    if (!module)
        return false;
    faults_at = dlsym(module, "cuda_faults_at");
    faults_last = dlsym(module, "cuda_faults_last");
    faults_calls = dlsym(module, "cuda_faults_calls");
    fill.object = dlsym(module, "cuda_faults_fill");
    empty.object = dlsym(module, "cuda_faults_empty");
    if (!faults_at || !faults_last || !faults_calls || !fill.object || !empty.object)
        return false;
    bool ok = run(BACKEND_CUDA, &o, &opened, &error);
    if (!ok)
        printf("skipped: %s\n", error.text);
    free_outcome(&o);
    return ok;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_full_memory),
    };
    char path[GGUF_WRITER_PATH_SIZE];
    struct error error = {0};
    const char *all = getenv("TEST_FAULTS");
    all_calls = all && strcmp(all, "all") == 0;
    random_source = random_seeded();
    pool = pool_new(2, &error);
    rig_require(pool != NULL, &error);
    gguf_writer_temporary(path);
    tiny_model_save(path, TINY_MODEL_FALCON);
    rig_require(model_open(&model, path, &error), &error);
    int failed = find_module() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
    model_close(model);
    unlink(path);
    pool_free(pool);
    return failed;
}
