#include "app/work/measuring.h"

#include "app/work/sampling.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/utf8.h"
#include "kernels/peak.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
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
    MOST_STEPS = 256,
    DEVICE_STEPS = 1024,
    TURNS = 16, /* of one lane and several */
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
    PREFILL,
    SAVE,
    LOAD,
    FIRST_TOKEN,
    BYTES,
    DECODE,
    MEASURED, /* so many; the others come with them */
    FLOPS = MEASURED,
    DECODE_LANES,
    LANES_TIMES_ONE,
    PREFILL_OF_PEAK,
    DECODE_OF_PEAK,
    FIGURES,
};

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
    double *values; /* [FIGURES][rounds] */
    double least_flops, most_flops;
    unsigned rounds_done;  /* the warm-up included */
    int figure;            /* being measured ... */
    double since;          /* ... since then */
    double took[MEASURED]; /* seconds, last time */
    int64_t tokens;        /* run so far, for the progress shown */
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
static bool prefill(struct bench *bench, size_t count, struct error *error)
{
    struct forward_lane lane = {
        .state = bench->states[0], .tokens = bench->text.data, .count = count, .bits = bench->bits};
    if (!forward_prefill(bench->session->forward, &lane, 1, error))
        return false;
    bench->tokens += (int64_t)count;
    return true;
}

static bool time_prefill(struct bench *bench, size_t count, double *seconds, struct error *error)
{
    state_reset(bench->states[0]);
    double begin = clock_seconds();
    if (!prefill(bench, count, error))
        return false;
    *seconds = clock_seconds() - begin;
    return true;
}

/* As generating does it on a GPU, where logits stay: what comes back is what is likeliest. */
static bool choose(struct bench *bench, struct state *const *states, size_t lanes,
                   struct error *error)
{
    struct forward_choice choices[DEVICE_LANES];
    return !bench->device || forward_choose(bench->session->forward, states, lanes, choices, error);
}

static void spread_state(struct bench *bench)
{
    for (size_t lane = 1; lane < bench->lanes; lane++)
        state_copy(bench->states[lane], bench->states[0]);
}

/* Adds to *seconds. */
static bool time_decode(struct bench *bench, size_t lanes, size_t steps, double *seconds,
                        struct error *error)
{
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
    *seconds += clock_seconds() - begin;
    bench->tokens += (int64_t)(steps * lanes);
    return true;
}

static bool choose_steps(struct bench *bench, size_t lanes, size_t *steps, struct error *error)
{
    double warming = 0, seconds = 0;
    spread_state(bench);
    if (!time_decode(bench, lanes, 1, &warming, error) ||
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

static bool time_save(struct bench *bench, double *ms, struct error *error)
{
    struct state *state = bench->states[0];
    bench->saves++;
    struct states_info info = saved_info(bench, state);
    double begin = clock_seconds();
    if (!state_fetch(state, error) ||
        !states_put(bench->saved, &info, state->data, state->floats * sizeof *state->data, error))
        return false;
    *ms = (clock_seconds() - begin) * 1e3;
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

static bool time_load(struct bench *bench, double *ms, struct error *error)
{
    double begin = clock_seconds();
    if (!load(bench, bench->states[1], error))
        return false;
    *ms = (clock_seconds() - begin) * 1e3;
    return true;
}

/* From the database to the choice after one token more, a GPU's memory on the way. */
static bool time_first_token(struct bench *bench, double *ms, struct error *error)
{
    struct state *state = bench->states[1];
    double begin = clock_seconds();
    if (!load(bench, state, error) ||
        !forward_decode(bench->session->forward, &state, bench->text.data, 1, error) ||
        !choose(bench, &state, 1, error))
        return false;
    *ms = (clock_seconds() - begin) * 1e3;
    return true;
}

/* --- rounds ------------------------------------------------------------------------ */

/* Each figure is expected to take as long as last time; before there was one, nothing is. */
static double seconds_left(const struct bench *bench)
{
    double left = bench->took[bench->figure] - (clock_seconds() - bench->since), round = 0;
    if (bench->rounds_done == 0)
        return -1;
    left = fmax(left, 0);
    for (int figure = 0; figure < MEASURED; figure++) {
        left += figure > bench->figure ? bench->took[figure] : 0;
        round += bench->took[figure];
    }
    return left + round * (double)(bench->rounds - bench->rounds_done);
}

static void show_progress(struct bench *bench, size_t tokens)
{
    struct event_progress progress = {
        .doing = "measuring",
        .tokens = bench->tokens + (int64_t)tokens,
        .seconds_left = seconds_left(bench),
    };
    session_progress(bench->session, &progress);
}

struct sampled {
    struct bench *bench;
    struct sampling sampling;
};

static void between_layers(void *context, const struct forward_progress *progress)
{
    struct sampled *sampled = context;
    show_progress(sampled->bench, forward_progress_tokens(progress));
    sampling_between(&sampled->sampling);
}

/* The processor's peak is that of the seconds in which it reads. */
static bool prefill_sampled(struct bench *bench, struct sampling *sampling, struct error *error)
{
    struct forward *forward = bench->session->forward;
    struct sampled sampled = {.bench = bench, .sampling.pool = bench->session->pool};
    state_reset(bench->states[0]);
    forward_between_layers(forward, between_layers, &sampled);
    bool ok = sampling_begin(&sampled.sampling, error) && prefill(bench, bench->stretch, error) &&
              sampling_end(&sampled.sampling, error);
    forward_between_layers(forward, NULL, NULL);
    *sampling = sampled.sampling;
    return ok;
}

/* A GPU's peak is measured before. */
static bool prefill_after_peak(struct bench *bench, struct sampling *sampling, struct error *error)
{
    double seconds;
    if (!forward_peak(bench->session->forward, &bench->peak, error))
        return false;
    sampling_add(sampling, 0, bench->peak.matrix_flops);
    if (!time_prefill(bench, bench->stretch, &seconds, error))
        return false;
    sampling_add(sampling, seconds, bench->peak.matrix_flops);
    return true;
}

static bool measure_prefill(struct bench *bench, double values[FIGURES], struct error *error)
{
    const struct model_cost cost = model_cost(bench->session->model);
    struct sampling sampling = {0};
    if (bench->device ? !prefill_after_peak(bench, &sampling, error)
                      : !prefill_sampled(bench, &sampling, error))
        return false;
    values[PREFILL] = (double)bench->stretch / sampling.seconds;
    values[FLOPS] = sampling_peak(&sampling);
    values[PREFILL_OF_PEAK] =
        2 * (cost.layer_weights + cost.output_weights) * values[PREFILL] / values[FLOPS];
    bench->least_flops = fmin(bench->least_flops, sampling.least);
    bench->most_flops = fmax(bench->most_flops, sampling.most);
    return true;
}

static bool measure_bytes(struct bench *bench, double *rate, struct error *error)
{
    *rate = bench->peak.copy_bytes; /* measured with the other */
    return bench->device || peak_read(rate, bench->memory, bench->session->pool, error);
}

/* What falls to one of several turns. */
static size_t share(size_t steps, size_t turn, size_t turns)
{
    return (turn + 1) * steps / turns - turn * steps / turns;
}

/* One lane and several by turns: a processor's pace may change within a second. */
static bool measure_decode(struct bench *bench, double values[FIGURES], struct error *error)
{
    const size_t turns = bench->device ? 1 : TURNS;
    double one = 0, several = 0;
    spread_state(bench);
    for (size_t i = 0; i < turns; i++)
        if (!time_decode(bench, 1, share(bench->steps, i, turns), &one, error) ||
            !time_decode(bench, bench->lanes, share(bench->lane_steps, i, turns), &several, error))
            return false;
    values[DECODE] = (double)bench->steps / one;
    values[DECODE_LANES] = (double)(bench->lanes * bench->lane_steps) / several;
    values[LANES_TIMES_ONE] = values[DECODE_LANES] / values[DECODE];
    return true;
}

static bool measure(struct bench *bench, enum figure figure, double values[FIGURES],
                    struct error *error)
{
    double *value = &values[figure];
    switch (figure) {
    case PREFILL:
        return measure_prefill(bench, values, error);
    case SAVE:
        return time_save(bench, value, error);
    case LOAD:
        return time_load(bench, value, error);
    case FIRST_TOKEN:
        return time_first_token(bench, value, error);
    case BYTES:
        return measure_bytes(bench, value, error);
    default:
        return measure_decode(bench, values, error);
    }
}

static bool run_round(struct bench *bench, double values[FIGURES], struct error *error)
{
    const struct model_cost cost = model_cost(bench->session->model);
    for (int figure = 0; figure < MEASURED; figure++) {
        if (session_cancelled(bench->session))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
        bench->figure = figure;
        bench->since = clock_seconds();
        show_progress(bench, 0);
        if (!measure(bench, (enum figure)figure, values, error))
            return false;
        bench->took[figure] = clock_seconds() - bench->since;
    }
    bench->rounds_done++;
    values[DECODE_OF_PEAK] =
        (cost.layer_bytes + cost.output_bytes) * values[DECODE] / values[BYTES];
    return true;
}

/* Each round measures everything once, so that a change of the machine's pace
 * falls on model and ceilings alike. The first is a warm-up and not counted. */
static bool run_rounds(struct bench *bench, struct error *error)
{
    double values[FIGURES];
    if (!run_round(bench, values, error))
        return false;
    bench->least_flops = INFINITY;
    bench->most_flops = 0;
    for (unsigned round = 0; round < bench->rounds; round++) {
        if (!run_round(bench, values, error))
            return false;
        for (size_t figure = 0; figure < FIGURES; figure++)
            bench->values[figure * bench->rounds + round] = values[figure];
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
    double *values = &bench->values[(size_t)figure * bench->rounds];
    qsort(values, bench->rounds, sizeof *values, compare);
    return (values[(bench->rounds - 1) / 2] + values[bench->rounds / 2]) / 2;
}

static void fill_result(struct bench *bench, struct measuring_result *result)
{
    const struct model *model = bench->session->model;
    *result = (struct measuring_result){
        .prefill_tokens_per_s = median(bench, PREFILL),
        .decode_tokens_per_s = median(bench, DECODE),
        .lanes = bench->lanes,
        .decode_lanes_tokens_per_s = median(bench, DECODE_LANES),
        .lanes_times_one = median(bench, LANES_TIMES_ONE),
        .peak_flops_kind = bench->device ? bench->peak.matrix_kind : peak_flops_kind(),
        .peak_flops = median(bench, FLOPS),
        .peak_flops_least = bench->least_flops,
        .peak_flops_most = bench->most_flops,
        .peak_bytes_per_s = median(bench, BYTES),
        .prefill_of_peak = median(bench, PREFILL_OF_PEAK),
        .decode_of_peak = median(bench, DECODE_OF_PEAK),
        .state_bytes = (double)state_bytes(&model->shape),
        .state_save_ms = median(bench, SAVE),
        .state_load_ms = median(bench, LOAD),
        .first_token_ms = median(bench, FIRST_TOKEN),
    };
    model_weight_types(model, result->weights, sizeof result->weights);
}

static bool prepare(struct bench *bench, struct error *error)
{
    bench->values = calloc(bench->rounds, FIGURES * sizeof *bench->values);
    if (!bench->values)
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
    free(bench->values);
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
