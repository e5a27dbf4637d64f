#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/asking.h"
#include "app/work/listing.h"
#include "base/quantity.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

struct ask_job {
    const struct options *options;
    struct buffer question;
    struct asking_options asking;
    struct asking_result result;
    struct listing_document document; /* with its outline, for titles */
    json_t *json;                     /* with --json */
    size_t printed;                   /* bytes of the answer */
    struct error unwritten;
};

/* --- the job ------------------------------------------------------------------------- */

static bool find_place(struct session *session, struct ask_job *job, struct error *error)
{
    const struct options *options = job->options;
    if (!listing_find(session, options->arguments[0], &job->asking.document, &job->asking.section,
                      error))
        return false;
    job->asking.as_of = -1;
    if (options->after && job->asking.section >= 0)
        return error_set(
            error, ERROR_USAGE,
            "--after goes on from where the answer came from: name the document alone");
    if (!options->as_of)
        return true;
    if (job->asking.section >= 0)
        return error_set(
            error, ERROR_USAGE,
            "--as-of answers from everything up to a section: name the document alone");
    return listing_find_section(session, job->asking.document, options->as_of, &job->asking.as_of,
                                error);
}

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct ask_job *job = context;
    if (!find_place(session, job, error) || !asking_run(session, &job->asking, &job->result, error))
        return false;
    if (!job->options->json)
        return listing_document(session, job->asking.document, true, &job->document, error);
    job->json = asking_json(session, &job->asking, &job->result);
    return job->json || error_out_of_memory(error);
}

static bool prepare(struct ask_job *job, struct error *error)
{
    const struct options *options = job->options;
    for (size_t i = 1; i < options->argument_count; i++)
        if ((i > 1 && !buffer_append_byte(&job->question, ' ', error)) ||
            !buffer_append_text(&job->question, options->arguments[i], error))
            return false;
    if (!utf8_is_valid(job->question.data, job->question.size))
        return error_set(error, ERROR_USAGE, "the question is not UTF-8 text");
    if (job->question.data[strspn(job->question.data, " \t\n")] == '\0')
        return error_set(error, ERROR_USAGE, "the question is empty");
    if (options->as_of && options->reread)
        return error_set(
            error, ERROR_USAGE,
            "--as-of answers from a state and reads nothing: it goes without --reread");
    if (options->after && (options->as_of || options->reread))
        return error_set(error, ERROR_USAGE,
                         "--after goes on from an answer: it goes without --as-of and --reread");
    job->asking = (struct asking_options){
        .question = job->question.data,
        .reread = options->reread,
        .lanes = (size_t)options->lanes,
        .max_tokens = (size_t)options->max_tokens,
        .sampler = {.temperature = (float)options->temperature,
                    .top_k = (unsigned)options->top_k,
                    .top_p = (float)options->top_p,
                    .min_p = (float)options->min_p,
                    .repetition_penalty = (float)options->repetition_penalty,
                    .seed = (uint64_t)options->seed},
        .keep = true,
        .after = options->after,
        .stream = !options->json,
    };
    return true;
}

/* --- printing ------------------------------------------------------------------------- */

static void print_section(struct output *out, const struct ask_job *job, int64_t section)
{
    if (section < 0 || section >= job->document.sections)
        return;
    output_format(out, "§ ");
    output_line(out, job->document.outline[section].title);
}

static void print_quote(struct output *out, const struct ask_job *job,
                        const struct asking_quote *quote)
{
    output_format(out, quote->verified ? "  ✓ verified: \"" : "  ✗ not in the document: \"");
    output_line(out, quote->text);
    output_format(out, "\"");
    if (quote->verified) {
        output_format(out, "  (");
        print_section(out, job, quote->section);
        output_format(out, ", ");
        if (quote->at.place[0])
            output_line(out, quote->at.place);
        else if (job->document.pages > 1)
            output_format(out, "page %lld", (long long)quote->at.page);
        else
            output_format(out, "line %lld", (long long)quote->at.line);
        output_format(out, ")");
    }
    output_format(out, "\n");
}

static void print_sources(struct output *out, const struct ask_job *job)
{
    const struct asking_result *result = &job->result;
    char text[QUANTITY_SIZE];
    output_dim(out, true);
    output_format(out, "from ");
    for (size_t i = 0; i < result->source_count; i++) {
        const struct asking_source *source = &result->sources[i];
        output_format(out, i ? ", " : "");
        if (source->kind == STATES_ANSWER)
            output_format(out, "the answer to question %lld, ", (long long)source->question);
        if (source->kind == STATES_PREFIX || (source->question > 0 && result->as_of >= 0))
            output_format(out, "everything up to ");
        print_section(out, job, source->section);
    }
    if (result->source_count == 0)
        output_format(out, "no section: none holds enough of the question's words");
    if (result->tokens_reread > 0)
        output_format(out, "; %s token%s read", quantity_count(text, result->tokens_reread),
                      result->tokens_reread == 1 ? "" : "s");
    output_format(out, "; %s", quantity_time(text, result->seconds));
    output_dim(out, false);
    output_format(out, "\n");
}

/* A piece of the answer; after the last one the line ends. */
static void print_piece(struct output *out, struct ask_job *job, const char *piece, size_t whole)
{
    const size_t size = strlen(piece);
    output_text(out, piece);
    job->printed += size;
    if (job->printed == whole && !(size > 0 && piece[size - 1] == '\n'))
        output_format(out, "\n");
}

/* The answer as soon as it is known: looking for a sentence to quote takes longer than a short
 * answer. A piece may have been lost for want of memory: those after it wait for the end. */
static void hear(struct command *command, void *context, const struct event *event)
{
    struct ask_job *job = context;
    if (event->kind != EVENT_ANSWER || event->progress.bytes != (int64_t)job->printed)
        return;
    progress_hide(&command->progress);
    print_piece(&command->out, job, event->text, (size_t)event->progress.bytes_expected);
    if (!output_flush(&command->out, &job->unwritten))
        return; /* told when the job has ended */
}

static void print_answer(struct output *out, struct ask_job *job)
{
    const struct asking_result *result = &job->result;
    if (result->found) {
        const size_t size = strlen(result->answer);
        if (job->printed < size || size == 0)
            print_piece(out, job, result->answer + job->printed, size);
    } else {
        output_format(out, "The document does not say.\n");
    }
    for (size_t i = 0; i < result->quote_count; i++)
        print_quote(out, job, &result->quotes[i]);
    print_sources(out, job);
}

int ask_run(const struct options *options)
{
    struct command command = {0};
    struct ask_job job = {.options = options};
    struct error error = {0};
    bool answered = prepare(&job, &error) && command_open(&command, options, &error);
    command.hear = hear;
    command.hear_context = &job;
    answered = answered && command_do(&command, run_job, &job, &error);
    if (answered && job.unwritten.kind != ERROR_NONE)
        error = job.unwritten;
    if (answered && options->json) {
        output_json(&command.out, job.json);
        job.json = NULL;
    } else if (answered) {
        print_answer(&command.out, &job);
    }
    bool found = job.result.found;
    json_decref(job.json);
    asking_result_free(&job.result);
    listing_document_free(&job.document);
    buffer_free(&job.question);
    int code = command_close(&command, &error);
    return code || found ? code : ERROR_NOT_FOUND;
}
