#include "app/command.h"
#include "app/commands/commands.h"
#include "base/quantity.h"
#include "app/work/listing.h"

static bool run_job(struct session *session, void *context, struct error *error)
{
    return listing_model(session, context, error);
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
        out, json_pack("{s:o, s:o, s:s, s:s, s:o, s:s, s:o, s:I, s:I, s:s, s:s, s:s, s:s}", "name",
                       output_json_text(model->name), "path", output_json_text(model->path),
                       "found_by", place_source_name(model->source), "architecture", "mamba",
                       "shape", numbers, "weights", model->weights, "weights_per_token",
                       output_json_real(model->weight_count, true), "bytes",
                       (json_int_t)model->bytes, "state_bytes", (json_int_t)model->state_bytes,
                       "fingerprint", model->fingerprint, "chat_template", model->prompt, "kernels",
                       model->kernels, "numerics", model->tag));
}

static void begin_row(struct output *out, const char *name)
{
    output_format(out, "%-14s ", name);
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
}

int model_run(const struct options *options)
{
    struct command command;
    struct listing_model model = {0};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &model, &error)) {
        if (options->json)
            print_json(&command.out, &model);
        else
            print_text(&command.out, &model);
    }
    listing_model_free(&model);
    return command_close(&command, &error);
}
