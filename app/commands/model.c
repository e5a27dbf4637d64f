#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/importing.h"
#include "app/work/listing.h"
#include "base/quantity.h"

#include <string.h>
#include <time.h>

/* --- show ------------------------------------------------------------------------------ */

static bool show_job(struct session *session, void *context, struct error *error)
{
    return listing_model(session, context, error);
}

static json_t *groups_json(const struct listing_model *model)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < TENSOR_GROUPS; i++) {
        const struct tensor_group *group = &model->groups[i];
        if (group->tensors > 0)
            json_append(groups, json_pack("{s:s, s:s, s:I, s:I}", "name", group->name, "types",
                                          group->types, "tensors", (json_int_t)group->tensors,
                                          "bytes", (json_int_t)group->bytes));
    }
    return groups;
}

static json_t *pace_json(const struct listing_model *model)
{
    const struct pace *pace = &model->pace;
    if (!model->pace_known)
        return json_null();
    return json_pack("{s:o, s:o, s:s, s:I, s:I}", "prefill_tokens_per_s",
                     output_json_real(pace->prefill_tokens_per_s, true), "decode_tokens_per_s",
                     output_json_real(pace->decode_tokens_per_s, true), "kernels", pace->kernels,
                     "threads", (json_int_t)pace->threads, "time", (json_int_t)pace->time);
}

static void print_json(struct output *out, const struct listing_model *model)
{
    const struct model_shape *shape = &model->shape;
    json_t *numbers = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "layers", (json_int_t)shape->layers,
        "embedding", (json_int_t)shape->embedding, "inner", (json_int_t)shape->inner, "states",
        (json_int_t)shape->states, "rank", (json_int_t)shape->rank, "taps", (json_int_t)shape->taps,
        "vocabulary", (json_int_t)shape->vocabulary, "mixer_norm", (int)shape->mixer_norm);
    output_json(
        out,
        json_pack("{s:o, s:o, s:s, s:s, s:o, s:s, s:o, s:I, s:I, s:s, s:s, s:s, s:s, s:o, s:o}",
                  "name", output_json_text(model->name), "path", output_json_text(model->path),
                  "found_by", place_source_name(model->source), "architecture", "mamba", "shape",
                  numbers, "weights", model->weights, "weights_per_token",
                  output_json_real(model->weight_count, true), "bytes", (json_int_t)model->bytes,
                  "state_bytes", (json_int_t)model->state_bytes, "fingerprint", model->fingerprint,
                  "chat_template", model->prompt, "kernels", model->kernels, "numerics", model->tag,
                  "tensors", groups_json(model), "bench", pace_json(model)));
}

static void begin_row(struct output *out, const char *name)
{
    output_format(out, "%-14s ", name);
}

/* One line for each group of tensors. */
static void print_groups(struct output *out, const struct listing_model *model)
{
    char text[QUANTITY_SIZE];
    for (size_t i = 0; i < TENSOR_GROUPS; i++) {
        const struct tensor_group *group = &model->groups[i];
        if (group->tensors == 0)
            continue;
        begin_row(out, i == 0 ? "tensors" : "");
        output_format(out, "%-10s %-12s %s\n", group->name, group->types,
                      quantity_bytes(text, group->bytes));
    }
}

static void print_pace(struct output *out, const struct listing_model *model)
{
    const struct pace *pace = &model->pace;
    char reading[QUANTITY_SIZE], answering[QUANTITY_SIZE], day[32] = "";
    time_t at = (time_t)pace->time;
    struct tm local;
    begin_row(out, "speed here");
    if (!model->pace_known) {
        output_format(out, "not measured yet: run `tidemark bench`\n");
        return;
    }
    if (localtime_r(&at, &local))
        strftime(day, sizeof day, ", %Y-%m-%d", &local);
    output_format(out, "%s tokens/s reading, %s answering (",
                  quantity_rate(reading, pace->prefill_tokens_per_s),
                  quantity_rate(answering, pace->decode_tokens_per_s));
    output_line(out, pace->kernels);
    if (pace->threads > 0)
        output_format(out, ", %lld thread%s", (long long)pace->threads,
                      pace->threads == 1 ? "" : "s");
    output_format(out, "%s)\n", day);
}

static void print_text(struct output *out, const struct listing_model *model)
{
    const struct model_shape *shape = &model->shape;
    char text[QUANTITY_SIZE];
    begin_row(out, "name");
    output_line(out, model->name);
    output_format(out, "\n");
    begin_row(out, "path");
    output_line(out, model->path);
    output_format(out, "\n");
    begin_row(out, "found by");
    output_format(out, "%s\n", place_source_name(model->source));
    begin_row(out, "architecture");
    output_format(out, "mamba%s, %zu layers, embedding %zu, inner %zu, %zu states a channel\n",
                  shape->mixer_norm ? " with norms of dt, B and C" : "", shape->layers,
                  shape->embedding, shape->inner, shape->states);
    begin_row(out, "vocabulary");
    output_format(out, "%s tokens\n", quantity_count(text, (int64_t)shape->vocabulary));
    begin_row(out, "weights");
    output_format(out, "%s, %s multiplied for a token\n", model->weights,
                  quantity_rate(text, model->weight_count));
    print_groups(out, model);
    begin_row(out, "size");
    output_format(out, "%s\n", quantity_bytes(text, model->bytes));
    begin_row(out, "state");
    output_format(out, "%s\n", quantity_bytes(text, model->state_bytes));
    begin_row(out, "fingerprint");
    output_format(out, "%s\n", model->fingerprint);
    begin_row(out, "chat template");
    output_format(out, "%s\n", model->prompt);
    begin_row(out, "kernels");
    output_format(out, "%s (%s)\n", model->kernels, model->tag);
    print_pace(out, model);
}

static int show(const struct options *options)
{
    struct command command;
    struct listing_model model = {0};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, show_job, &model, &error)) {
        if (options->json)
            print_json(&command.out, &model);
        else
            print_text(&command.out, &model);
    }
    listing_model_free(&model);
    return command_close(&command, &error);
}

/* --- import, quantize, verify ------------------------------------------------------------- */

enum action {
    ACTION_SHOW,
    ACTION_IMPORT,
    ACTION_QUANTIZE,
    ACTION_VERIFY,
};

struct making {
    enum action action;
    struct importing_options options;
    struct importing_result result;
    struct buffer path; /* of the file that was written or checked */
};

static bool making_job(struct session *session, void *context, struct error *error)
{
    struct making *making = context;
    if (making->action == ACTION_VERIFY)
        return importing_verify(session, making->options.count ? making->options.paths[0] : NULL,
                                &making->path, &making->result, error);
    if (!(making->action == ACTION_IMPORT ? importing_import : importing_quantize)(
            session, &making->options, &making->result, error))
        return false;
    return buffer_append_text(&making->path, making->options.output, error);
}

static void print_made_json(struct output *out, const struct making *making)
{
    const struct importing_result *result = &making->result;
    json_t *json = json_pack("{s:o, s:I, s:I, s:I}", "path", output_json_text(making->path.data),
                             "bytes", (json_int_t)result->bytes, "tensors",
                             (json_int_t)result->tensors, "weights", (json_int_t)result->weights);
    if (json && result->type) {
        json_put(json, "type", json_string(result->type));
        json_put(json, "calibrated_tokens", json_integer((json_int_t)result->calibrated_tokens));
    }
    if (json)
        json_put(json, "seconds", output_json_real(result->seconds, true));
    output_json(out, json);
}

static void print_made(struct output *out, const struct making *making)
{
    const struct importing_result *result = &making->result;
    char size[QUANTITY_SIZE], tensors[QUANTITY_SIZE], time[QUANTITY_SIZE];
    output_line(out, making->path.data);
    output_format(out, ": %s%s%s, %s tensor%s, %s%s\n", result->type ? result->type : "sound",
                  result->calibrated_tokens ? " (calibrated), " : ", ",
                  quantity_bytes(size, result->bytes), quantity_count(tensors, result->tensors),
                  result->tensors == 1 ? "" : "s", result->type ? "in " : "checked in ",
                  quantity_time(time, result->seconds));
}

static int make(const struct options *options, enum action action)
{
    struct command command;
    struct error error = {0};
    struct making making = {
        .action = action,
        .options = {.paths = options->arguments + 1,
                    .count = options->argument_count - 1,
                    .output = options->output,
                    .type = options->type,
                    .tokenizer = options->tokenizer,
                    .calibrate = options->calibrate,
                    .encoding = options->encoding,
                    .replace = options->force},
    };
    if (command_open(&command, options, &error) &&
        command_do(&command, making_job, &making, &error)) {
        if (options->json)
            print_made_json(&command.out, &making);
        else
            print_made(&command.out, &making);
    }
    buffer_free(&making.path);
    return command_close(&command, &error);
}

/* --- which of them -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t least, most; /* words after it */
} actions[] = {
    [ACTION_SHOW] = {"show", 0, 0},
    [ACTION_IMPORT] = {"import", 1, (size_t)-1},
    [ACTION_QUANTIZE] = {"quantize", 1, 1},
    [ACTION_VERIFY] = {"verify", 0, 1},
};

static bool find_action(const struct options *options, enum action *action, struct error *error)
{
    const char *name = options->argument_count ? options->arguments[0] : "show";
    size_t words = options->argument_count ? options->argument_count - 1 : 0;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(actions[i].name, name) == 0) {
            *action = (enum action)i;
            if (words >= actions[i].least && words <= actions[i].most)
                return true;
            return error_set(error, ERROR_USAGE,
                             "`tidemark model %s` takes %s; see `tidemark help model`", name,
                             *action == ACTION_IMPORT     ? "a folder, or files of weights"
                             : *action == ACTION_QUANTIZE ? "one GGUF file"
                             : *action == ACTION_VERIFY   ? "at most one GGUF file"
                                                          : "no file (name one with --model)");
        }
    return error_set(error, ERROR_USAGE,
                     "`tidemark model` does not know \"%.40s\"; there are: show, import, quantize, "
                     "verify",
                     name);
}

/* An option that would do nothing is a mistake. */
static bool check_options(const struct options *options, enum action action, struct error *error)
{
    const bool import = action == ACTION_IMPORT, writes = import || action == ACTION_QUANTIZE;
    const struct {
        const char *name;
        bool given, fits;
    } all[] = {
        {"output", options->output != NULL, writes},
        {"type", options->type != NULL, writes},
        {"calibrate", options->calibrate != NULL, writes},
        {"encoding", options->encoding != NULL, writes && options->calibrate},
        {"force", options->force, writes},
        {"tokenizer", options->tokenizer != NULL, import},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].given && !all[i].fits)
            return error_set(error, ERROR_USAGE, "--%s has no meaning for `model %s`%s",
                             all[i].name, actions[action].name,
                             writes && i == 3 ? " without --calibrate" : "");
    return !writes || options->output ||
           error_set(error, ERROR_USAGE, "name the file to be written with --output FILE");
}

int model_run(const struct options *options)
{
    enum action action = ACTION_SHOW;
    struct error error = {0};
    if (!find_action(options, &action, &error) || !check_options(options, action, &error))
        return command_print_error(&error);
    return action == ACTION_SHOW ? show(options) : make(options, action);
}
