/* logits [--kernels=NAME] [--decode] [--lanes=N] [--threads=N] MODEL.gguf IDS.txt OUT.bin
 *
 * Runs token ids (one a line, nothing prepended) through a model from an empty
 * state and writes the logits after each as little-endian float32 [tokens][vocab].
 * --decode: token by token through the decode kernels. --lanes: N identical lanes
 * side by side; the last one's logits are written. Kernels have F32 activations
 * unless --kernels names others. */
#include "engine/forward.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const char *kernels;
    bool decode;
    size_t lanes;
    unsigned threads;
    struct model *model;
    struct tokens tokens;
    struct state **states; /* [lanes] */
    float *logits;         /* [tokens][vocab] */
};

static bool read_ids(struct tokens *tokens, const char *path, struct error *error)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return error_set(error, ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
    char line[64];
    bool ok = true;
    for (size_t number = 1; ok && fgets(line, sizeof line, file); number++) {
        char *end;
        errno = 0;
        long id = strtol(line, &end, 10);
        if (end == line || (*end != '\n' && *end != '\0') || errno || id < 0 || id > INT32_MAX)
            ok = error_set(error, ERROR_INPUT, "%s line %zu is no token id", path, number);
        else
            ok = tokens_append(tokens, (int32_t)id, error);
    }
    if (ok && ferror(file))
        ok = error_set(error, ERROR_INPUT, "cannot read %s", path);
    fclose(file);
    if (ok && tokens->count == 0)
        return error_set(error, ERROR_INPUT, "%s holds no token ids", path);
    return ok;
}

static bool prefill(struct run *run, struct forward *forward, struct error *error)
{
    struct forward_lane *lanes = calloc(run->lanes, sizeof *lanes);
    if (!lanes)
        return error_out_of_memory(error);
    for (size_t i = 0; i < run->lanes; i++)
        lanes[i] = (struct forward_lane){.state = run->states[i],
                                         .tokens = run->tokens.data,
                                         .count = run->tokens.count,
                                         .logits = i + 1 == run->lanes ? run->logits : NULL};
    bool ok = forward_prefill(forward, lanes, run->lanes, error);
    free(lanes);
    return ok;
}

static bool decode(struct run *run, struct forward *forward, struct error *error)
{
    int32_t *next = calloc(run->lanes, sizeof *next);
    if (!next)
        return error_out_of_memory(error);
    bool ok = true;
    size_t vocabulary = run->model->shape.vocabulary;
    for (size_t at = 0; ok && at < run->tokens.count; at++) {
        for (size_t i = 0; i < run->lanes; i++)
            next[i] = run->tokens.data[at];
        ok = forward_decode(forward, run->states, next, run->lanes, error) &&
             state_fetch_logits(run->states[run->lanes - 1], error);
        memcpy(run->logits + at * vocabulary, run->states[run->lanes - 1]->logits,
               vocabulary * sizeof *run->logits);
    }
    free(next);
    return ok;
}

/* The fastest level that does not round activations. */
static const struct kernels *fastest_exact(void)
{
    const struct kernels *fastest = NULL;
    for (size_t i = 0; kernels_at(i); i++)
        if (!kernels_at(i)->rounds)
            fastest = kernels_at(i);
    return fastest;
}

static bool compute(struct run *run, struct error *error)
{
    const struct kernels *kernels = run->kernels ? kernels_by_name(run->kernels) : fastest_exact();
    if (!kernels)
        return error_set(error, ERROR_USAGE, "no kernels named %s run here", run->kernels);
    struct pool *pool = pool_new(run->threads, error);
    struct forward *forward = pool ? forward_new(run->model, kernels, pool, error) : NULL;
    run->states = calloc(run->lanes, sizeof(struct state *));
    run->logits = calloc(run->tokens.count * run->model->shape.vocabulary, sizeof *run->logits);
    bool ok = forward != NULL;
    if (ok && (!run->states || !run->logits))
        ok = error_out_of_memory(error);
    for (size_t i = 0; ok && i < run->lanes; i++)
        ok = (run->states[i] = state_new(&run->model->shape, error)) != NULL;
    ok = ok && (run->decode ? decode(run, forward, error) : prefill(run, forward, error));
    forward_free(forward);
    pool_free(pool);
    return ok;
}

static bool write_logits(const struct run *run, const char *path, struct error *error)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return error_set(error, ERROR_INPUT, "cannot create %s: %s", path, strerror(errno));
    size_t count = run->tokens.count * run->model->shape.vocabulary;
    bool ok = fwrite(run->logits, sizeof *run->logits, count, file) == count;
    if (fclose(file) != 0 || !ok)
        return error_set(error, ERROR_INPUT, "cannot write %s: %s", path, strerror(errno));
    return true;
}

static void run_free(struct run *run)
{
    for (size_t i = 0; run->states && i < run->lanes; i++)
        state_free(run->states[i]);
    free(run->states);
    free(run->logits);
    tokens_free(&run->tokens);
    model_close(run->model);
}

static bool parse_count(const char *text, unsigned long most, unsigned long *value)
{
    char *end;
    *value = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *value <= most;
}

static bool parse(struct run *run, int argc, char **argv)
{
    static const struct option options[] = {
        {"kernels", required_argument, NULL, 'k'},
        {"decode", no_argument, NULL, 'd'},
        {"lanes", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    unsigned long value;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (c) {
        case 'k':
            run->kernels = optarg;
            break;
        case 'd':
            run->decode = true;
            break;
        case 'l':
            if (!parse_count(optarg, 1024, &value) || value == 0)
                return false;
            run->lanes = value;
            break;
        case 't':
            if (!parse_count(optarg, 1024, &value))
                return false;
            run->threads = (unsigned)value;
            break;
        default:
            return false;
        }
    return argc - optind == 3;
}

int main(int argc, char **argv)
{
    struct run run = {.lanes = 1};
    struct error error = {0};
    if (!parse(&run, argc, argv)) {
        fprintf(stderr, "usage: logits [--kernels=NAME] [--decode] [--lanes=N] [--threads=N] "
                        "MODEL.gguf IDS.txt OUT.bin\n");
        return ERROR_USAGE;
    }
    bool ok = model_open(&run.model, argv[optind], &error) &&
              read_ids(&run.tokens, argv[optind + 1], &error) && compute(&run, &error) &&
              write_logits(&run, argv[optind + 2], &error);
    run_free(&run);
    if (ok)
        return 0;
    fprintf(stderr, "logits: %s\n", error.text);
    return error_exit_code(&error);
}
