#include "app/command.h"
#include "app/commands/commands.h"
#include "base/quantity.h"
#include "app/work/evaluating.h"

#include <stdio.h>

struct eval_job {
    const struct options *options;
    struct evaluating_result result;
};

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct eval_job *job = context;
    return evaluating_run(session, job->options->arguments[0], job->options->encoding, &job->result,
                          error);
}

/* --- JSON -------------------------------------------------------------------------- */

static json_t *ratio(double part, double whole)
{
    return output_json_real(part / whole, whole > 0);
}

static json_t *span_json(const struct evaluating_span *span)
{
    double tokens = (double)(span->end - span->begin);
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "begin", (json_int_t)span->begin, "end",
                     (json_int_t)span->end, "bytes", (json_int_t)span->bytes, "bits_per_byte",
                     ratio(span->bits, (double)span->bytes), "bits_per_token",
                     ratio(span->bits, tokens), "tokens_per_second", ratio(tokens, span->seconds));
}

static void print_json(struct output *out, const struct eval_job *job)
{
    const struct evaluating_result *result = &job->result;
    json_t *spans = json_array();
    for (size_t i = 0; i < result->span_count; i++)
        json_append(spans, span_json(&result->spans[i]));
    output_json(out, json_pack("{s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "path",
                               output_json_text(job->options->arguments[0]), "source_bytes",
                               (json_int_t)result->source_bytes, "bytes", (json_int_t)result->bytes,
                               "characters", (json_int_t)result->characters, "tokens",
                               (json_int_t)result->tokens, "bits_per_byte",
                               ratio(result->bits, (double)result->bytes), "bits_per_token",
                               ratio(result->bits, (double)result->tokens), "tokens_per_second",
                               ratio((double)result->tokens, result->seconds), "seconds",
                               output_json_real(result->seconds, true), "positions", spans));
}

/* --- text -------------------------------------------------------------------------- */

static void add_number(struct output_table *table, const char *format, double part, double whole)
{
    char text[QUANTITY_SIZE];
    snprintf(text, sizeof text, format, part / whole);
    output_cell(table, whole > 0 ? text : "-");
}

static void add_row(struct output_table *table, const char *name,
                    const struct evaluating_span *span)
{
    char text[QUANTITY_SIZE];
    double tokens = (double)(span->end - span->begin);
    output_cell(table, name);
    output_cell(table, quantity_count(text, span->end - span->begin));
    output_cell(table, quantity_count(text, span->bytes));
    add_number(table, "%.4f", span->bits, (double)span->bytes);
    add_number(table, "%.3f", span->bits, tokens);
    output_cell(table, span->seconds > 0 ? quantity_rate(text, tokens / span->seconds) : "-");
}

static void print_text(struct output *out, const struct evaluating_result *result)
{
    static const char *const heads[] = {"POSITION",  "TOKENS",     "BYTES",
                                        "BITS/BYTE", "BITS/TOKEN", "TOKENS/S"};
    struct output_table table = {.columns = 6, .right = 0x3F};
    for (size_t i = 0; i < table.columns; i++)
        output_cell(&table, heads[i]);
    for (size_t i = 0; i < result->span_count; i++) {
        char end[QUANTITY_SIZE], name[QUANTITY_SIZE + 8];
        snprintf(name, sizeof name, "to %s", quantity_count(end, result->spans[i].end));
        add_row(&table, name, &result->spans[i]);
    }
    struct evaluating_span all = {.end = result->tokens,
                                  .bytes = result->bytes,
                                  .bits = result->bits,
                                  .seconds = result->seconds};
    add_row(&table, "all", &all);
    output_rows(out, &table);
}

int eval_run(const struct options *options)
{
    struct command command;
    struct eval_job job = {.options = options};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        if (options->json)
            print_json(&command.out, &job);
        else
            print_text(&command.out, &job.result);
    }
    return command_close(&command, &error);
}
