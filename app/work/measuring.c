#include "app/work/measuring.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/utf8.h"
#include "kernels/peak.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LANES = 8,
    DEVICE_LANES = 64,     /* side by side on a GPU */
    LANE_OFFSET = 97,      /* tokens between the lanes' places in the text */
    TEXT_BYTES = 16 << 10, /* of the sample: a longest stretch and more */
    STRETCH_PASSES = 4,    /* of the kernels in a timed prefill, at most ... */
    DEVICE_PASSES = 16,    /* ... and on a GPU */
    SHORTEST_STRETCH = 32,
    PROBE_STEPS = 2,
    LEAST_STEPS = 8,
    MOST_STEPS = 64,
    DEVICE_STEPS = 1024,
};

/* What one timed prefill may take; a slow model gets more, since a stretch that
 * fills no pass would show it slower than it reads. */
#define STRETCH_SECONDS 3.0
#define SLOW_STRETCH_SECONDS 30.0
#define DECODE_SECONDS 2.5

/* Shown when the sample document is not installed. */
static const char plain_text[] =
    "Twice a day the sea comes up the beach and goes away again. A child with a bucket sees it, "
    "a skipper lives by it, and an engineer who builds a harbour has to reckon with it. The Moon "
    "pulls at the near side of the Earth more strongly than at the far side, and the water "
    "follows. Where the coast narrows the tide rises by sixteen metres; in an inland sea it "
    "hardly rises at all.\n\n";

/* In the order of a round. What multiplies for seconds leaves a device slower for a while:
 * what waits for the disk comes next. */
enum figure {
    FLOPS,
    PREFILL,
    SAVE,
    LOAD,
    FIRST_TOKEN,
    BYTES,
    DECODE,
    DECODE_LANES,
};
enum { FIGURES = DECODE_LANES + 1 };

struct bench {
    struct session *session;
    struct tokens text;
    size_t at;   /* decoding goes through the text from here, round and round */
    bool device; /* a GPU computes */
    size_t lanes;
    struct state *states[DEVICE_LANES]; /* [lanes] */
    float *bits;                        /* [longest] */
    size_t longest;                     /* tokens of a timed prefill */
    size_t stretch, steps, lane_steps;  /* of one timed run */

    struct peak_memory *memory; /* of the processor, unless a GPU computes */
    struct forward_peak peak;   /* of the GPU */
    struct buffer folder;       /* temporary, for `saved` */
    struct states *saved;
    int64_t saves;

    unsigned rounds;
    double *samples; /* [FIGURES][rounds] */
    double began;
    int64_t tokens; /* run so far, for the progress shown */
};

/* --- the text ---------------------------------------------------------------------- */

static bool encode_sample(struct bench *bench, bool *found, struct error *error)
{
    struct buffer path = {0};
    struct file_map map;
    struct error ignored;
    *found = place_sample(&path, &ignored) && file_map_open(&map, path.data, ERROR_INPUT, &ignored);
    buffer_free(&path);
    if (!*found)
        return true;
    const char *text = (const char *)map.data;
    size_t size = map.size < TEXT_BYTES ? map.size : utf8_floor(text, map.size, TEXT_BYTES);
    bool ok = session_encode(bench->session, text, size, &bench->text, error);
    file_map_close(&map);
    return ok;
}

/* Enough for the longest stretch: a short text is repeated. */
static bool prepare_text(struct bench *bench, struct error *error)
{
    bool found;
    if (!encode_sample(bench, &found, error))
        return false;
    if (!found &&
        !session_encode(bench->session, plain_text, strlen(plain_text), &bench->text, error))
        return false;
    if (bench->text.count == 0)
        return error_set(error, ERROR_MODEL, "the model's tokenizer makes no tokens of text");
    for (size_t i = 0; bench->text.count < bench->longest; i++)
        if (!tokens_append(&bench->text, bench->text.data[i], error))
            return false;
    return true;
}

/* --- the model --------------------------------------------------------------------- */

/* As `read` does it: from the beginning, with the surprise of each token. */
static bool time_prefill(struct bench *bench, size_t count, double *seconds, struct error *error)
{
    struct forward_lane lane = {
        .state = bench->states[0], .tokens = bench->text.data, .count = count, .bits = bench->bits};
    state_reset(lane.state);
    double begin = clock_seconds();
    if (!forward_prefill(bench->session->forward, &lane, 1, error))
        return false;
    *seconds = clock_seconds() - begin;
    bench->tokens += (int64_t)count;
    return true;
}

/* As generating does it on a GPU, where logits stay: what comes back is what is likeliest. */
static bool choose(struct bench *bench, struct state *const *states, size_t lanes,
                   struct error *error)
{
    struct forward_choice choices[DEVICE_LANES];
    return !bench->device || forward_choose(bench->session->forward, states, lanes, choices, error);
}

static bool time_decode(struct bench *bench, size_t lanes, size_t steps, double *seconds,
                        struct error *error)
{
    for (size_t lane = 1; lane < lanes; lane++)
        state_copy(bench->states[lane], bench->states[0]);
    double begin = clock_seconds();
    for (size_t step = 0; step < steps; step++) {
        int32_t tokens[DEVICE_LANES];
        for (size_t lane = 0; lane < lanes; lane++)
            tokens[lane] = bench->text.data[(bench->at + lane * LANE_OFFSET) % bench->text.count];
        bench->at = (bench->at + 1) % bench->text.count;
        if (!forward_decode(bench->session->forward, bench->states, tokens, lanes, error) ||
            !choose(bench, bench->states, lanes, error))
            return false;
    }
    *seconds = clock_seconds() - begin;
    bench->tokens += (int64_t)(steps * lanes);
    return true;
}

static bool choose_steps(struct bench *bench, size_t lanes, size_t *steps, struct error *error)
{
    double seconds;
    if (!time_decode(bench, lanes, 1, &seconds, error) ||
        !time_decode(bench, lanes, PROBE_STEPS, &seconds, error))
        return false;
    double fitting = DECODE_SECONDS * PROBE_STEPS / seconds;
    size_t most = bench->device ? DEVICE_STEPS : MOST_STEPS;
    *steps = fitting > (double)most ? most : fitting < LEAST_STEPS ? LEAST_STEPS : (size_t)fitting;
    return true;
}

/* How much to run at a time. The first run of each pages the weights in. */
static bool calibrate(struct bench *bench, struct error *error)
{
    double seconds;
    if (!time_prefill(bench, SHORTEST_STRETCH, &seconds, error) ||
        !time_prefill(bench, SHORTEST_STRETCH, &seconds, error))
        return false;
    const size_t full = forward_pass_tokens(bench->session->forward);
    bench->stretch = bench->longest;
    while (bench->stretch > SHORTEST_STRETCH) {
        double limit = bench->stretch > full ? STRETCH_SECONDS : SLOW_STRETCH_SECONDS;
        if ((double)bench->stretch / SHORTEST_STRETCH * seconds <= limit)
            break;
        bench->stretch /= 2;
    }
    return choose_steps(bench, 1, &bench->steps, error) &&
           choose_steps(bench, bench->lanes, &bench->lane_steps, error);
}

/* --- saving ------------------------------------------------------------------------ */

/* Beside the library, so that it is the library's disk that is measured.
 * bench->folder is set only once the folder is ours: all in it will be removed. */
static bool make_folder(struct bench *bench, struct error *error)
{
    struct buffer path = {0};
    bool ok = place_library(&path, bench->session->options.library, error) &&
              buffer_append_text(&path, "/bench-XXXXXX", error);
    if (ok && !mkdtemp(path.data))
        ok = error_set(error, ERROR_STORE,
                       "cannot make a temporary folder in the library's folder (%s): %s", path.data,
                       strerror(errno));
    if (ok)
        bench->folder = path;
    else
        buffer_free(&path);
    return ok;
}

static void remove_folder(struct session *session, const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    if (rmdir(path) != 0)
        session_note(session, "could not remove the temporary folder %s: %s", path,
                     strerror(errno));
}

static void close_saved(struct bench *bench)
{
    states_close(bench->saved);
    if (bench->folder.data)
        remove_folder(bench->session, bench->folder.data);
    buffer_free(&bench->folder);
}

static struct states_info saved_info(const struct bench *bench, const struct state *state)
{
    struct hash text = hash_of(bench->text.data, bench->text.count * sizeof *bench->text.data);
    return session_info(bench->session, 1, STATES_PREFIX, bench->saves, &text, state);
}

static bool time_save(struct bench *bench, double *seconds, struct error *error)
{
    struct state *state = bench->states[0];
    bench->saves++;
    struct states_info info = saved_info(bench, state);
    double begin = clock_seconds();
    if (!state_fetch(state, error) ||
        !states_put(bench->saved, &info, state->data, state->floats * sizeof *state->data, error))
        return false;
    *seconds = clock_seconds() - begin;
    return true;
}

static bool load(struct bench *bench, struct state *state, struct error *error)
{
    const struct states_info wanted = saved_info(bench, bench->states[0]);
    struct states_info info;
    bool found;
    if (!states_get(bench->saved, &wanted.place, &wanted.key, &info, state->data,
                    state->floats * sizeof *state->data, &found, error))
        return false;
    if (!found)
        return error_set(error, ERROR_STORE, "a state that was saved in %s is not there",
                         bench->folder.data);
    state->tokens = (size_t)info.token;
    state_written(state);
    return true;
}

static bool time_load(struct bench *bench, double *seconds, struct error *error)
{
    double begin = clock_seconds();
    if (!load(bench, bench->states[1], error))
        return false;
    *seconds = clock_seconds() - begin;
    return true;
}

/* From the database to the choice after one token more, a GPU's memory on the way. */
static bool time_first_token(struct bench *bench, double *seconds, struct error *error)
{
    struct state *state = bench->states[1];
    double begin = clock_seconds();
    if (!load(bench, state, error) ||
        !forward_decode(bench->session->forward, &state, bench->text.data, 1, error) ||
        !choose(bench, &state, 1, error))
        return false;
    *seconds = clock_seconds() - begin;
    return true;
}

/* --- rounds ------------------------------------------------------------------------ */

static bool measure(struct bench *bench, enum figure figure, double *value, struct error *error)
{
    double seconds = 0, count = 0;
    bool ok = false;
    switch (figure) {
    case FLOPS:
        if (!bench->device)
            return peak_flops(value, bench->session->pool, error);
        ok = forward_peak(bench->session->forward, &bench->peak, error);
        *value = bench->peak.matrix_flops;
        return ok;
    case BYTES:
        if (!bench->device)
            return peak_read(value, bench->memory, bench->session->pool, error);
        *value = bench->peak.copy_bytes; /* measured with the other */
        return true;
    case PREFILL:
        count = (double)bench->stretch;
        ok = time_prefill(bench, bench->stretch, &seconds, error);
        break;
    case DECODE:
        count = (double)bench->steps;
        ok = time_decode(bench, 1, bench->steps, &seconds, error);
        break;
    case DECODE_LANES:
        count = (double)(bench->lane_steps * bench->lanes);
        ok = time_decode(bench, bench->lanes, bench->lane_steps, &seconds, error);
        break;
    case SAVE:
        ok = time_save(bench, &seconds, error);
        break;
    case LOAD:
        ok = time_load(bench, &seconds, error);
        break;
    case FIRST_TOKEN:
        ok = time_first_token(bench, &seconds, error);
        break;
    }
    if (ok)
        *value = count > 0 ? count / seconds : seconds * 1e3; /* a rate, or milliseconds */
    return ok;
}

static void show_progress(struct bench *bench, double measured)
{
    double all = ((double)bench->rounds + 1) * FIGURES;
    double elapsed = clock_seconds() - bench->began;
    struct event_progress progress = {
        .doing = "measuring",
        .tokens = bench->tokens,
        .seconds_left = measured > 0 ? elapsed / measured * (all - measured) : -1,
    };
    session_progress(bench->session, &progress);
}

static double *sample(struct bench *bench, enum figure figure, unsigned round)
{
    return &bench->samples[(size_t)figure * bench->rounds + round];
}

/* The arithmetic of a processor that others use, too, changes within the seconds that reading
 * takes: it is measured once more after that, and the mean counts. */
static bool measure_flops_after(struct bench *bench, double *before, struct error *error)
{
    double after;
    if (bench->device)
        return true;
    if (!peak_flops(&after, bench->session->pool, error))
        return false;
    *before = (*before + after) / 2;
    return true;
}

/* Each round measures everything once, so that a change of the machine's pace
 * falls on model and ceilings alike. The first is a warm-up and not counted. */
static bool run_rounds(struct bench *bench, struct error *error)
{
    bench->began = clock_seconds();
    for (unsigned round = 0; round <= bench->rounds; round++)
        for (int figure = 0; figure < FIGURES; figure++) {
            double value;
            if (session_cancelled(bench->session))
                return error_set(error, ERROR_INTERRUPTED, "interrupted");
            show_progress(bench, (double)round * FIGURES + figure);
            if (!measure(bench, (enum figure)figure, &value, error))
                return false;
            if (round == 0)
                continue;
            *sample(bench, (enum figure)figure, round - 1) = value;
            if (figure == PREFILL &&
                !measure_flops_after(bench, sample(bench, FLOPS, round - 1), error))
                return false;
        }
    return true;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(struct bench *bench, enum figure figure)
{
    double *samples = sample(bench, figure, 0);
    qsort(samples, bench->rounds, sizeof *samples, compare);
    return (samples[(bench->rounds - 1) / 2] + samples[bench->rounds / 2]) / 2;
}

static void fill_result(struct bench *bench, struct measuring_result *result)
{
    const struct model *model = bench->session->model;
    const struct model_cost cost = model_cost(model);
    *result = (struct measuring_result){
        .prefill_tokens_per_s = median(bench, PREFILL),
        .decode_tokens_per_s = median(bench, DECODE),
        .lanes = bench->lanes,
        .decode_lanes_tokens_per_s = median(bench, DECODE_LANES),
        .peak_flops_kind = bench->device ? bench->peak.matrix_kind : peak_flops_kind(),
        .peak_flops = median(bench, FLOPS),
        .peak_bytes_per_s = median(bench, BYTES),
        .state_bytes = (double)state_bytes(&model->shape),
        .state_save_ms = median(bench, SAVE),
        .state_load_ms = median(bench, LOAD),
        .first_token_ms = median(bench, FIRST_TOKEN),
    };
    model_weight_types(model, result->weights, sizeof result->weights);
    result->prefill_of_peak = 2 * (cost.layer_weights + cost.output_weights) *
                              result->prefill_tokens_per_s / result->peak_flops;
    result->decode_of_peak = (cost.layer_bytes + cost.output_bytes) * result->decode_tokens_per_s /
                             result->peak_bytes_per_s;
}

static bool prepare(struct bench *bench, struct error *error)
{
    bench->samples = calloc(bench->rounds, FIGURES * sizeof *bench->samples);
    if (!bench->samples)
        return error_out_of_memory(error);
    struct forward *forward = bench->session->forward;
    bench->device = forward_device(forward, &(struct forward_device){0}, NULL);
    bench->lanes = bench->device ? DEVICE_LANES : LANES;
    bench->longest =
        forward_pass_tokens(forward) * (bench->device ? DEVICE_PASSES : STRETCH_PASSES);
    bench->bits = calloc(bench->longest, sizeof *bench->bits);
    if (!bench->bits)
        return error_out_of_memory(error);
    for (size_t i = 0; i < bench->lanes; i++) {
        bench->states[i] = state_new(&bench->session->model->shape, error);
        if (!bench->states[i])
            return false;
    }
    if (!prepare_text(bench, error) ||
        (!bench->device && !peak_memory_open(&bench->memory, bench->session->pool, error)) ||
        !make_folder(bench, error) || !states_open(&bench->saved, bench->folder.data, error))
        return false;
    states_use_pool(bench->saved, bench->session->pool);
    return true;
}

static void release(struct bench *bench)
{
    close_saved(bench);
    peak_memory_close(bench->memory);
    for (size_t i = 0; i < bench->lanes; i++)
        state_free(bench->states[i]);
    free(bench->bits);
    tokens_free(&bench->text);
    free(bench->samples);
}

bool measuring_run(struct session *session, unsigned rounds, struct measuring_result *result,
                   struct error *error)
{
    assert(rounds > 0);
    if (!session_need_model(session, error))
        return false;
    struct bench bench = {.session = session, .rounds = rounds};
    bool ok = prepare(&bench, error) && calibrate(&bench, error) && run_rounds(&bench, error);
    if (ok)
        fill_result(&bench, result);
    release(&bench);
    return ok;
}
