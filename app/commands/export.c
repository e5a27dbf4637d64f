#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/exporting.h"
#include "app/work/listing.h"

struct export_job {
    const char *key;
    struct buffer markdown;
};

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct export_job *job = context;
    int64_t document;
    return listing_find(session, job->key, &document, NULL, error) &&
           exporting_run(session, document, &job->markdown, error);
}

int export_run(const struct options *options)
{
    struct command command;
    struct export_job job = {.key = options->arguments[0]};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        if (options->json)
            output_json(&command.out,
                        json_pack("{s:o}", "markdown", output_json_text(job.markdown.data)));
        else
            output_text(&command.out, job.markdown.data);
    }
    buffer_free(&job.markdown);
    return command_close(&command, &error);
}
