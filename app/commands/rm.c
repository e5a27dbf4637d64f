#include "app/command.h"
#include "app/commands/commands.h"
#include "base/quantity.h"
#include "app/work/listing.h"
#include "app/work/upkeep.h"

#include <string.h>

struct rm_job {
    const char *key;
    struct listing_document document; /* as it was */
};

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct rm_job *job = context;
    int64_t id;
    struct error unlisted = {0};
    if (!listing_find(session, job->key, &id, NULL, error))
        return false;
    /* That the library contradicts itself is no reason to keep it. */
    if (!listing_document(session, id, false, &job->document, &unlisted)) {
        if (unlisted.kind != ERROR_INPUT) {
            *error = unlisted;
            return false;
        }
        listing_document_free(&job->document);
        job->document =
            (struct listing_document){.id = id, .name = strdup(job->key), .path = strdup("")};
        if (!job->document.name || !job->document.path)
            return error_out_of_memory(error);
    }
    return upkeep_remove(session, id, error);
}

static bool shred_job(struct session *session, void *context, struct error *error)
{
    (void)context;
    return upkeep_shred(session, error);
}

static void print_json(struct output *out, const struct listing_document *document)
{
    output_json(out, json_pack("{s:I, s:o, s:o, s:b, s:I}", "id", (json_int_t)document->id, "name",
                               output_json_text(document->name), "path",
                               output_json_text(document->path), "removed", 1, "state_bytes",
                               (json_int_t)document->state_bytes));
}

static void print_text(struct output *out, const struct listing_document *document)
{
    char size[QUANTITY_SIZE];
    output_format(out, "removed ");
    output_line(out, document->name);
    output_format(out, " and its states (%s); its source files are not touched\n",
                  quantity_bytes(size, document->state_bytes));
}

static bool remove_document(struct command *command, const char *key, struct error *error)
{
    struct rm_job job = {.key = key};
    bool ok = command_do(command, run_job, &job, error);
    if (ok) {
        if (command->options->json)
            print_json(&command->out, &job.document);
        else
            print_text(&command->out, &job.document);
        ok = output_flush(&command->out, error);
    }
    listing_document_free(&job.document);
    return ok;
}

int rm_run(const struct options *options)
{
    struct command command;
    struct error error = {0};
    int code = 0; /* of the first that failed */
    bool removed = false;
    if (!command_open(&command, options, &error))
        return command_close(&command, &error);
    for (size_t i = 0; i < options->argument_count; i++) {
        struct error failure = {0};
        if (remove_document(&command, options->arguments[i], &failure)) {
            removed = true;
            continue;
        }
        int failed = command_print_error(&failure);
        code = code ? code : failed;
        if (failure.kind == ERROR_INTERRUPTED)
            break;
    }
    if (options->shred && removed && !command_do(&command, shred_job, NULL, &error))
        error_context(&error, "removed, but not overwritten");
    int closed = command_close(&command, &error);
    return code ? code : closed;
}
