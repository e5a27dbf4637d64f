/* cut [--cuts=N] [--best] MODEL.gguf|falcon|mamba
 *
 * Reads random tokens and generates some more, stopping at N random places; at each the
 * state goes into a states.db. A new process for every place then loads its state and
 * goes on to the end: state and logits must be those of a run without a stop, bit for
 * bit. For every kernel level, or the best one alone. "falcon" and "mamba" are the small
 * models of tests/support/tiny_model.h. A fault is printed with the seed (TEST_SEED).
 *
 *     cut --resume PLACE LEVEL THREADS SEED FOLDER MODEL.gguf
 *
 * is that new process: it writes the bytes of the last state to standard output. */
#include "store/states.h"
#include "tests/support/random.h"
#include "tests/support/rig.h"
#include "tests/support/tiny_model.h"

#include <getopt.h>
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

enum {
    READ = 150,     /* tokens that are read */
    GENERATED = 20, /* tokens after them, each the likeliest */
    END = READ + GENERATED,
    MOST_CUTS = 1000,
};

/* A run through a model, from any point to any other. */
struct run {
    struct rig rig;
    const char *model, *level;
    uint64_t seed;
    int32_t tokens[READ];
    struct states *states;
    char folder[256];
};

static void run_open(struct run *run, unsigned threads)
{
    struct error error = {0};
    struct random random = {run->seed};
    rig_open(&run->rig, run->model, kernels_by_name(run->level), threads);
    for (size_t i = 0; i < READ; i++)
        run->tokens[i] = (int32_t)random_below(&random, run->rig.model->shape.vocabulary);
    rig_require(states_open(&run->states, run->folder, &error), &error);
}

static void run_close(struct run *run)
{
    states_close(run->states);
    rig_close(&run->rig);
}

static int32_t likeliest(const struct state *state, size_t vocabulary)
{
    size_t best = 0;
    for (size_t i = 1; i < vocabulary; i++)
        if (state->logits[i] > state->logits[best])
            best = i;
    return (int32_t)best;
}

static void advance(struct run *run, struct state *state, size_t to)
{
    if (state->tokens < READ && state->tokens < to)
        rig_prefill(&run->rig, state, run->tokens + state->tokens,
                    (to < READ ? to : READ) - state->tokens, NULL);
    while (state->tokens < to) {
        int32_t next = likeliest(state, run->rig.model->shape.vocabulary);
        rig_decode(&run->rig, &state, &next, 1);
    }
}

/* --- states on disk ------------------------------------------------------------------ */

static struct states_place place_of(const struct run *run, size_t place)
{
    return (struct states_place){.document = 1,
                                 .model = hash_of(run->model, strlen(run->model)),
                                 .kind = STATES_PREFIX,
                                 .section = (int64_t)place};
}

static struct states_key key_of(const struct run *run)
{
    return (struct states_key){.format = STATE_FORMAT,
                               .tokenizer = TOKENIZER_VERSION,
                               .normalizer = 1,
                               .text = hash_of(run->tokens, sizeof run->tokens)};
}

static void save(struct run *run, const struct state *state, size_t place)
{
    struct error error = {0};
    struct states_info info = {
        .place = place_of(run, place), .key = key_of(run), .token = (int64_t)state->tokens};
    forward_tag(run->rig.forward, info.numerics);
    rig_require(
        states_put(run->states, &info, state->data, state->floats * sizeof *state->data, &error),
        &error);
}

static void load(struct run *run, struct state *state, size_t place)
{
    struct error error = {0};
    struct states_place where = place_of(run, place);
    struct states_key key = key_of(run);
    struct states_info info;
    bool found;
    rig_require(states_get(run->states, &where, &key, &info, state->data,
                           state->floats * sizeof *state->data, &found, &error),
                &error);
    if (!found)
        error_set(&error, ERROR_STORE, "no state was found at place %zu", place);
    rig_require(found, &error);
    state->tokens = (size_t)info.token;
}

/* --- the new process ------------------------------------------------------------------ */

static int resume(char **arguments)
{
    struct run run = {
        .level = arguments[1], .seed = strtoull(arguments[3], NULL, 10), .model = arguments[5]};
    snprintf(run.folder, sizeof run.folder, "%s", arguments[4]);
    run_open(&run, (unsigned)strtoul(arguments[2], NULL, 10));
    struct state *state = rig_state(&run.rig);
    load(&run, state, strtoull(arguments[0], NULL, 10));
    advance(&run, state, END);
    size_t written = fwrite(state->data, sizeof *state->data, state->floats, stdout);
    bool ok = written == state->floats && fflush(stdout) == 0;
    state_free(state);
    run_close(&run);
    return ok ? 0 : ERROR_SYSTEM;
}

static pid_t start(const struct run *run, size_t place, int output)
{
    char number[32], threads[32], seed[32];
    snprintf(number, sizeof number, "%zu", place);
    snprintf(threads, sizeof threads, "%zu", 1 + place % 3);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)run->seed);
    const char *arguments[] = {"cut", "--resume",  number,     run->level, threads,
                               seed,  run->folder, run->model, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    if (posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) != 0 ||
        posix_spawn(&child, "/proc/self/exe", &actions, NULL, (char **)(uintptr_t)arguments,
                    environ) != 0) {
        perror("cut: cannot start a process");
        abort();
    }
    posix_spawn_file_actions_destroy(&actions);
    return child;
}

/* True when the new process ends with exactly these bytes. */
static bool resumes_to(const struct run *run, size_t place, const struct state *expected)
{
    int ends[2];
    size_t size = expected->floats * sizeof *expected->data, got = 0;
    char *bytes = rig_memory(size + 1, 1);
    if (pipe(ends) != 0) {
        perror("cut: pipe");
        abort();
    }
    pid_t child = start(run, place, ends[1]);
    close(ends[1]);
    for (ssize_t more = 1; more > 0 && got <= size; got += more > 0 ? (size_t)more : 0)
        more = read(ends[0], bytes + got, size + 1 - got);
    close(ends[0]);
    int status;
    bool ended =
        waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool same = ended && got == size && memcmp(bytes, expected->data, size) == 0;
    free(bytes);
    return same;
}

/* --- one level ------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void choose_cuts(size_t *cuts, size_t count, struct random *random)
{
    for (size_t i = 0; i < count; i++)
        cuts[i] = 1 + random_below(random, END - 1);
    qsort(cuts, count, sizeof *cuts, by_size);
}

/* Number of faults. */
static size_t check_level(struct run *run, size_t count, struct random *random)
{
    size_t cuts[MOST_CUTS], faults = 0;
    choose_cuts(cuts, count, random);
    run_open(run, 2);
    struct state *whole = rig_state(&run->rig), *stopped = rig_state(&run->rig);
    advance(run, whole, END);
    for (size_t i = 0; i < count; i++) {
        advance(run, stopped, cuts[i]);
        save(run, stopped, i);
    }
    advance(run, stopped, END);
    if (!rig_same(stopped, whole)) {
        printf("%s kernels: saving on the way changed the run\n", run->level);
        faults++;
    }
    for (size_t i = 0; i < count; i++) {
        if (resumes_to(run, i, whole))
            continue;
        printf("%s kernels: cut at token %zu, the run does not end as without the cut\n",
               run->level, cuts[i]);
        faults++;
    }
    state_free(whole);
    state_free(stopped);
    run_close(run);
    return faults;
}

static void make_folder(struct run *run)
{
    const char *parent = getenv("TMPDIR");
    snprintf(run->folder, sizeof run->folder, "%s/tidemark-cut-XXXXXX",
             parent && *parent ? parent : "/tmp");
    if (!mkdtemp(run->folder)) {
        perror("cut: cannot make a folder");
        abort();
    }
}

static void remove_folder(const struct run *run)
{
    static const char *const names[] = {"states.db", "states.db-wal", "states.db-shm"};
    char path[300];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", run->folder, names[i]);
        unlink(path);
    }
    if (rmdir(run->folder) != 0)
        perror("cut: cannot remove its folder");
}

static size_t check(const char *model, size_t cuts, bool best)
{
    struct random random = random_seeded();
    size_t faults = 0;
    for (size_t i = 0; kernels_at(i); i++) {
        if (best && kernels_at(i + 1))
            continue;
        struct run run = {.model = model, .level = kernels_at(i)->name, .seed = random.state};
        make_folder(&run);
        faults += check_level(&run, cuts, &random);
        remove_folder(&run);
        printf("%s kernels: %zu cuts\n", run.level, cuts);
    }
    return faults;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"cuts", required_argument, NULL, 'c'},
        {"best", no_argument, NULL, 'b'},
        {"resume", no_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    size_t cuts = 200;
    bool best = false, resuming = false, usable = true;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        cuts = c == 'c' ? strtoull(optarg, NULL, 10) : cuts;
        best = best || c == 'b';
        resuming = resuming || c == 'r';
        usable = usable && c != '?';
    }
    if (resuming && argc - optind == 6)
        return resume(argv + optind);
    if (!usable || resuming || argc - optind != 1 || cuts < 1 || cuts > MOST_CUTS) {
        fprintf(stderr, "usage: cut [--cuts=N] [--best] MODEL.gguf|falcon|mamba\n");
        return ERROR_USAGE;
    }
    const char *model = argv[optind];
    bool mamba = strcmp(model, "mamba") == 0;
    char tiny[GGUF_WRITER_PATH_SIZE] = "";
    if (mamba || strcmp(model, "falcon") == 0) {
        gguf_writer_temporary(tiny);
        tiny_model_save(tiny, mamba ? TINY_MODEL_MAMBA : TINY_MODEL_FALCON);
        model = tiny;
    }
    size_t faults = check(model, RIG_SLOW && cuts > 40 ? 40 : cuts, best);
    if (*tiny)
        unlink(tiny);
    return faults ? ERROR_SYSTEM : 0;
}
