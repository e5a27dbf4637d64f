#include "app/command.h"
#include "app/commands/commands.h"
#include "app/invocation.h"
#include "app/work/listing.h"
#include "app/work/reading.h"
#include "base/quantity.h"

#include <string.h>

/* One document: one file, or all of them with --as. */
struct read_job {
    struct reading_options options;
    struct reading_result result;
    struct listing_document document;
};

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct read_job *job = context;
    struct error unlisted;
    bool ok = reading_run(session, &job->options, &job->result, error);
    if (!ok && !job->result.followed)
        return false;
    bool listed = listing_document(session, job->result.document, false, &job->document,
                                   ok ? error : &unlisted);
    job->result.followed = job->result.followed && listed;
    return ok && listed;
}

static void print_json(struct output *out, const struct read_job *job)
{
    const struct reading_result *result = &job->result;
    bool read = !job->options.text_only;
    json_t *tokens = read ? json_integer(result->tokens) : json_null();
    output_json(out, json_pack("{s:I, s:o, s:o, s:I, s:o, s:I, s:I, s:o, s:o}", "id",
                               (json_int_t)result->document, "name",
                               output_json_text(job->document.name), "path",
                               output_json_text(job->document.path), "sections",
                               (json_int_t)result->sections, "tokens", tokens, "tokens_read",
                               (json_int_t)result->tokens_read, "resumed_at",
                               (json_int_t)result->resumed_at, "seconds",
                               output_json_real(result->seconds, true), "bits_per_token",
                               output_json_real(result->bits / (double)result->tokens,
                                                read && result->tokens > 0)));
}

static void print_reading(struct output *out, const struct reading_result *result)
{
    char count[QUANTITY_SIZE], rest[QUANTITY_SIZE], time[QUANTITY_SIZE], rate[QUANTITY_SIZE];
    if (result->was_complete) {
        output_format(out, "read before, %s tokens", quantity_count(count, result->tokens));
    } else {
        output_format(
            out, "%s tokens read in %s (%s tokens/s)", quantity_count(count, result->tokens_read),
            quantity_time(time, result->seconds),
            quantity_rate(rate,
                          result->seconds > 0 ? (double)result->tokens_read / result->seconds : 0));
        if (result->resumed_at > 0)
            output_format(out, ", from token %s on", quantity_count(rest, result->resumed_at));
    }
    if (result->tokens > 0)
        output_format(out, ", %.2f bits a token", result->bits / (double)result->tokens);
}

static void print_text(struct output *out, const struct options *options,
                       const struct read_job *job)
{
    char count[QUANTITY_SIZE];
    output_line(out, job->document.name);
    output_format(out, ": %s section%s, ", quantity_count(count, job->result.sections),
                  job->result.sections == 1 ? "" : "s");
    if (job->options.text_only)
        output_format(out, "%s characters, not read yet",
                      quantity_count(count, job->document.characters));
    else
        print_reading(out, &job->result);
    output_format(out, job->options.text_only ? "\nSee its outline: " : "\nAsk it: ");
    invocation_append(out, job->options.text_only ? OPTIONS_SHOW : OPTIONS_ASK, options);
    output_format(out, " ");
    invocation_document(out, job->document.id, job->document.name);
    output_format(out, job->options.text_only ? "\n" : " \"...\"\n");
}

/* Says by which command the reading goes on, with this document and those after it. */
static void add_remedy(const struct options *options, const struct read_job *job,
                       struct error *error)
{
    struct output line = {0};
    struct error why = *error;
    invocation_append(&line, OPTIONS_READ, options);
    output_format(&line, " ");
    invocation_arguments(&line, job->options.paths);
    if (line.error.kind != ERROR_NONE || strlen(why.text) + line.text.size + 4 > ERROR_TEXT_SIZE)
        error_set(error, why.kind, "%s (the same command goes on)", why.text); /* not a cut one */
    else
        error_set(error, why.kind, "%s (%s)", why.text, line.text.data);
    output_free(&line);
}

/* `paths` go on to NULL with those that are read after this document's `count`. */
static bool read_document(struct command *command, const char *const *paths, size_t count,
                          struct error *error)
{
    const struct options *options = command->options;
    struct read_job job = {
        .options = {.paths = paths,
                    .path_count = count,
                    .name = options->as_name,
                    .text_only = options->no_model,
                    .keep_every = options->keep_every,
                    .mix = options->mix,
                    .encoding = options->encoding,
                    .follow = options->follow,
                    .alone = true},
    };
    bool ok = command_do(command, run_job, &job, error);
    if (ok || job.result.followed) {
        struct error unwritten = {0};
        if (options->json)
            print_json(&command->out, &job);
        else
            print_text(&command->out, options, &job);
        if (!output_flush(&command->out, &unwritten) && ok) {
            *error = unwritten;
            ok = false;
        }
    } else if (error->kind == ERROR_INTERRUPTED) {
        add_remedy(options, &job, error);
    }
    listing_document_free(&job.document);
    return ok;
}

int read_run(const struct options *options)
{
    struct command command;
    struct error error = {0};
    int code = 0; /* of the first that failed */
    if (!command_open(&command, options, &error))
        return command_close(&command, &error);
    const char *const *paths = (const char *const *)options->arguments;
    size_t together = options->as_name ? options->argument_count : 1;
    if (options->follow && together < options->argument_count) {
        error_set(&error, ERROR_USAGE,
                  "--follow follows one document: name one FILE, or make one of all by --as");
        return command_close(&command, &error);
    }
    for (size_t i = 0; i < options->argument_count; i += together) {
        struct error failure = {0};
        if (read_document(&command, paths + i, together, &failure))
            continue;
        int failed = command_print_error(&failure);
        if (failure.kind == ERROR_INTERRUPTED) {
            code = failed;
            break;
        }
        code = code ? code : failed;
    }
    int closed = command_close(&command, &error);
    return code ? code : closed;
}
