#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/listing.h"
#include "app/work/summarizing.h"
#include "base/quantity.h"

#include <string.h>

struct sum_job {
    const struct options *options;
    struct summarizing_options summarizing;
    struct summarizing_result result;
    struct listing_document document; /* with its outline, for titles */
};

static bool find_place(struct session *session, struct sum_job *job, struct error *error)
{
    struct summarizing_options *summarizing = &job->summarizing;
    const char *so_far = job->options->so_far;
    if (!listing_find(session, job->options->arguments[0], &summarizing->document,
                      &summarizing->section, error))
        return false;
    summarizing->so_far = -1;
    if (job->options->chapter) {
        if (so_far || summarizing->section < 0)
            return error_set(error, ERROR_USAGE,
                             "--chapter needs a section, as in DOC:SECTION, and goes without "
                             "--so-far");
        summarizing->chapter = summarizing->section + 1;
        summarizing->section = -1;
    }
    if (!so_far)
        return true;
    if (summarizing->section >= 0)
        return error_set(error, ERROR_USAGE,
                         "--so-far tells everything up to a section: name the document alone");
    return listing_find_section(session, summarizing->document, so_far, &summarizing->so_far,
                                error);
}

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct sum_job *job = context;
    return find_place(session, job, error) &&
           summarizing_run(session, &job->summarizing, &job->result, error) &&
           listing_document(session, job->summarizing.document, true, &job->document, error);
}

/* --- JSON -------------------------------------------------------------------------- */

static const char *title_of(const struct sum_job *job, int64_t section)
{
    bool known = section >= 0 && section < job->document.sections;
    return known ? job->document.outline[section].title : NULL;
}

/* As in what `ask --json` prints; null for -1. */
static json_t *section_json(const struct sum_job *job, int64_t section)
{
    if (section < 0)
        return json_null();
    return json_pack("{s:I, s:o}", "number", (json_int_t)section + 1, "title",
                     output_json_text(title_of(job, section)));
}

static json_t *parts_json(const struct sum_job *job)
{
    json_t *parts = json_array();
    for (size_t i = 0; i < job->result.part_count; i++) {
        const struct summarizing_part *part = &job->result.parts[i];
        json_append(parts,
                    json_pack("{s:I, s:o, s:o, s:b}", "section", (json_int_t)part->section + 1,
                              "title", output_json_text(title_of(job, part->section)), "summary",
                              output_json_text(part->text), "kept", (int)part->kept));
    }
    return parts;
}

static void print_json(struct output *out, const struct sum_job *job)
{
    const struct summarizing_result *result = &job->result;
    output_json(out, json_pack("{s:I, s:o, s:o, s:o, s:b, s:o, s:b, s:o, s:I, s:I, s:o}",
                               "document", (json_int_t)job->summarizing.document, "section",
                               section_json(job, job->summarizing.section), "chapter",
                               section_json(job, job->summarizing.chapter - 1), "so_far",
                               section_json(job, job->summarizing.so_far), "own_words",
                               (int)job->summarizing.own_words, "summary",
                               output_json_text(result->text), "kept", (int)result->kept, "parts",
                               parts_json(job), "tokens_reread", (json_int_t)result->tokens_reread,
                               "tokens_generated", (json_int_t)result->tokens_generated, "seconds",
                               output_json_real(result->seconds, true)));
}

/* --- text -------------------------------------------------------------------------- */

/* The parts of a document or a chapter, each under its title. */
static void print_parts(struct output *out, const struct sum_job *job)
{
    for (size_t i = 0; i < job->result.part_count; i++) {
        const struct summarizing_part *part = &job->result.parts[i];
        output_format(out, "\n%lld  ", (long long)part->section + 1);
        output_text(out, title_of(job, part->section));
        output_format(out, "\n");
        output_text(out, part->text);
        size_t size = strlen(part->text);
        output_format(out, size > 0 && part->text[size - 1] == '\n' ? "" : "\n");
    }
    if (job->result.part_count > 0)
        output_format(out, "\n");
}

static void print_text(struct output *out, const struct sum_job *job)
{
    const struct summarizing_result *result = &job->result;
    const char *text = result->text ? result->text : "";
    size_t size = strlen(text);
    char amount[QUANTITY_SIZE];
    output_text(out, text);
    output_format(out, size > 0 && text[size - 1] == '\n' ? "" : "\n");
    print_parts(out, job);
    output_dim(out, true);
    if (result->part_count > 0)
        output_format(out, "from %zu section%s; ", result->part_count,
                      result->part_count == 1 ? "" : "s");
    if (result->tokens_reread > 0)
        output_format(out, "%s tokens read; ", quantity_count(amount, result->tokens_reread));
    output_format(out, "%s%s", result->kept ? "kept from before; " : "",
                  quantity_time(amount, result->seconds));
    output_dim(out, false);
    output_format(out, "\n");
}

int sum_run(const struct options *options)
{
    struct command command;
    struct sum_job job = {.options = options,
                          .summarizing = {.max_tokens = (size_t)options->max_tokens,
                                          .own_words = options->own_words}};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        if (options->json)
            print_json(&command.out, &job);
        else
            print_text(&command.out, &job);
    }
    summarizing_result_free(&job.result);
    listing_document_free(&job.document);
    return command_close(&command, &error);
}
