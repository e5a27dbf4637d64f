#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/listing.h"

#include <unistd.h>

#define FLUSH_SIZE (1 << 20) /* bytes of output gathered before they are written */

struct text_job {
    const struct options *options;
    struct output *out;
};

static void print_json(struct output *out, const struct library_section *section)
{
    output_json(out, json_pack("{s:I, s:o, s:[I, I], s:I, s:I, s:o}", "section",
                               (json_int_t)section->ordinal + 1, "title",
                               output_json_text(section->title), "bytes",
                               (json_int_t)section->begin_byte, (json_int_t)section->end_byte,
                               "page", (json_int_t)section->page, "line", (json_int_t)section->line,
                               "text", output_json_text(section->text)));
}

static void print_raw(struct output *out, const struct library_section *section)
{
    if (out->error.kind == ERROR_NONE &&
        !buffer_append(&out->text, section->text, section->text_size, &out->error))
        buffer_clear(&out->text);
}

static bool print_section(struct session *session, const struct text_job *job, int64_t document,
                          int64_t ordinal, struct error *error)
{
    struct library_section section;
    if (!library_get_section(session->library, document, ordinal, LIBRARY_TEXT, &section, error))
        return false;
    if (job->options->json)
        print_json(job->out, &section);
    else if (job->options->raw)
        print_raw(job->out, &section);
    else
        output_text(job->out, section.text);
    library_section_free(&section);
    return job->out->text.size < FLUSH_SIZE || output_flush(job->out, error);
}

static bool run_job(struct session *session, void *context, struct error *error)
{
    const struct text_job *job = context;
    struct library_document document;
    int64_t id, section;
    if (!listing_find(session, job->options->arguments[0], &id, &section, error) ||
        !library_get_document(session->library, id, &document, error))
        return false;
    int64_t begin = section < 0 ? 0 : section, end = section < 0 ? document.sections : section + 1;
    library_document_free(&document);
    for (int64_t i = begin; i < end; i++) {
        if (!print_section(session, job, id, i, error))
            return false;
        if (session_cancelled(session))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
    }
    return true;
}

int text_run(const struct options *options)
{
    struct command command;
    struct error error = {0};
    struct text_job job = {.options = options, .out = &command.out};
    if (options->raw && !options->json && isatty(STDOUT_FILENO)) {
        error_set(&error, ERROR_USAGE,
                  "--raw could make the terminal obey the text: write it to a file or a pipe");
        return command_print_error(&error);
    }
    bool ok =
        command_open(&command, options, &error) && command_do(&command, run_job, &job, &error);
    (void)ok; /* what failed is in `error` */
    return command_close(&command, &error);
}
