#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/listing.h"
#include "app/work/measuring.h"
#include "app/work/sweeping.h"
#include "base/clock.h"
#include "base/quantity.h"

#include <stdio.h>
#include <string.h>

struct bench_job {
    unsigned rounds;
    struct measuring_result result;
    struct listing_model model;
    unsigned threads;
    const char *backend;
};

/* For `model`, which says how fast the model will read here. */
static bool keep_pace(struct session *session, const struct bench_job *job, struct error *error)
{
    struct pace pace = {
        .prefill_tokens_per_s = job->result.prefill_tokens_per_s,
        .decode_tokens_per_s = job->result.decode_tokens_per_s,
        .time = clock_unix_time(),
    };
    bool cpu = strcmp(job->backend, "cpu") == 0;
    snprintf(pace.kernels, sizeof pace.kernels, "%s", cpu ? job->model.kernels : job->backend);
    pace.threads = cpu ? (int64_t)job->threads : 0;
    return pace_put(session, &pace, error);
}

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct bench_job *job = context;
    if (!listing_model(session, &job->model, error))
        return false;
    job->threads = pool_threads(session->pool);
    job->backend = session_backend(session);
    return measuring_run(session, job->rounds, &job->result, error) &&
           keep_pace(session, job, error);
}

static void print_json(struct output *out, const struct bench_job *job)
{
    const struct measuring_result *result = &job->result;
    char lanes[64], times_one[64];
    snprintf(lanes, sizeof lanes, "decode_lanes%zu_tokens_per_s", result->lanes);
    snprintf(times_one, sizeof times_one, "decode_lanes%zu_times_one", result->lanes);
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"prefill_tokens_per_s", result->prefill_tokens_per_s},
        {"decode_tokens_per_s", result->decode_tokens_per_s},
        {lanes, result->decode_lanes_tokens_per_s},
        {times_one, result->lanes_times_one},
        {"peak_flops", result->peak_flops},
        {"peak_flops_least", result->peak_flops_least},
        {"peak_flops_most", result->peak_flops_most},
        {"peak_bytes_per_s", result->peak_bytes_per_s},
        {"prefill_of_peak", result->prefill_of_peak},
        {"decode_of_peak", result->decode_of_peak},
        {"state_save_ms", result->state_save_ms},
        {"state_load_ms", result->state_load_ms},
        {"first_token_ms", result->first_token_ms},
    };
    json_t *json =
        json_pack("{s:o, s:s, s:s, s:s, s:i, s:s, s:I}", "model", output_json_text(job->model.name),
                  "weights", result->weights, "backend", job->backend, "kernels",
                  job->model.kernels, "threads", (int)job->threads, "peak_flops_kind",
                  result->peak_flops_kind, "state_bytes", (json_int_t)result->state_bytes);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (json)
            json_put(json, numbers[i].key, output_json_real(numbers[i].value, true));
    output_json(out, json);
}

static void add_row(struct output_table *table, const char *what, const char *value,
                    const char *unit, const char *beside)
{
    output_cell(table, what);
    output_cell(table, value);
    output_cell(table, unit);
    output_cell(table, beside);
}

static void print_text(struct output *out, const struct bench_job *job)
{
    const struct measuring_result *result = &job->result;
    struct output_table table = {.columns = 4, .right = 0x2};
    char text[QUANTITY_SIZE], least[QUANTITY_SIZE], most[QUANTITY_SIZE], beside[96];
    output_line(out, job->model.name);
    output_format(out, ", %s, %s kernels, %u thread%s\n\n", result->weights, job->model.kernels,
                  job->threads, job->threads == 1 ? "" : "s");
    snprintf(beside, sizeof beside, "%.1f%% of peak", result->prefill_of_peak * 100);
    add_row(&table, "reading", quantity_rate(text, result->prefill_tokens_per_s), "tokens/s",
            beside);
    snprintf(beside, sizeof beside, "%.1f%% of peak", result->decode_of_peak * 100);
    add_row(&table, "answering, 1 lane", quantity_rate(text, result->decode_tokens_per_s),
            "tokens/s", beside);
    char what[64];
    snprintf(what, sizeof what, "answering, %zu lanes", result->lanes);
    snprintf(beside, sizeof beside, "all together, %.1f times one", result->lanes_times_one);
    add_row(&table, what, quantity_rate(text, result->decode_lanes_tokens_per_s), "tokens/s",
            beside);
    snprintf(beside, sizeof beside, "%s, %s to %s", result->peak_flops_kind,
             quantity_rate(least, result->peak_flops_least),
             quantity_rate(most, result->peak_flops_most));
    add_row(&table, "peak arithmetic", quantity_rate(text, result->peak_flops), "operations/s",
            beside);
    add_row(&table, "peak memory", quantity_rate(text, result->peak_bytes_per_s), "bytes/s",
            "reading");
    add_row(&table, "a state", quantity_bytes(text, (int64_t)result->state_bytes), "", "");
    add_row(&table, "saving it", quantity_rate(text, result->state_save_ms), "ms", "");
    add_row(&table, "loading it", quantity_rate(text, result->state_load_ms), "ms", "");
    add_row(&table, "its first token", quantity_rate(text, result->first_token_ms), "ms",
            "loading included");
    output_rows(out, &table);
}

/* --- the sweep ------------------------------------------------------------------------ */

struct sweep_job {
    struct listing_model model;
    const char *backend;
    struct sweeping_point points[64];
    size_t count;
};

static void take_point(void *context, const struct sweeping_point *point)
{
    struct sweep_job *job = context;
    if (job->count < sizeof job->points / sizeof job->points[0])
        job->points[job->count++] = *point;
}

static bool run_sweep(struct session *session, void *context, struct error *error)
{
    struct sweep_job *job = context;
    if (!listing_model(session, &job->model, error))
        return false;
    job->backend = session_backend(session);
    return sweeping_run(session, take_point, job, error);
}

static void print_point(struct output *out, const struct sweep_job *job,
                        const struct sweeping_point *point, bool json)
{
    static const char *const names[] = {[SWEEPING_FIRST] = "first",
                                        [SWEEPING_READING] = "reading",
                                        [SWEEPING_LAST] = "last",
                                        [SWEEPING_GENERATING] = "generating"};
    const char *doing = names[point->doing];
    char tokens[QUANTITY_SIZE], rate[QUANTITY_SIZE], memory[QUANTITY_SIZE];
    if (json) {
        output_json(out, json_pack("{s:o, s:s, s:s, s:s, s:I, s:o, s:o}", "model",
                                   output_json_text(job->model.name), "weights", job->model.weights,
                                   "backend", job->backend, "doing", doing, "tokens",
                                   (json_int_t)point->tokens, "tokens_per_s",
                                   output_json_real(point->tokens_per_second, true), "memory_bytes",
                                   output_json_real(point->memory, true)));
        return;
    }
    output_format(out, "%-10s %10s tokens  %10s tokens/s  %s\n", doing,
                  quantity_count(tokens, point->tokens),
                  quantity_rate(rate, point->tokens_per_second),
                  quantity_bytes(memory, (int64_t)point->memory));
}

static int sweep_run(const struct options *options)
{
    struct command command;
    struct sweep_job job = {.count = 0};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_sweep, &job, &error))
        for (size_t i = 0; i < job.count; i++)
            print_point(&command.out, &job, &job.points[i], options->json);
    listing_model_free(&job.model);
    return command_close(&command, &error);
}

int bench_run(const struct options *options)
{
    if (options->sweep)
        return sweep_run(options);
    struct command command;
    struct bench_job job = {.rounds = (unsigned)options->rounds};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        if (options->json)
            print_json(&command.out, &job);
        else
            print_text(&command.out, &job);
    }
    listing_model_free(&job.model);
    return command_close(&command, &error);
}
