#include "app/command.h"
#include "app/commands/commands.h"
#include "base/quantity.h"
#include "app/work/upkeep.h"
#include "base/file.h"

struct backup_job {
    const char *path;
    int64_t documents;
    struct file_identity file;
};

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct backup_job *job = context;
    return library_backup(session->library, job->path, error) &&
           upkeep_count_documents(session, &job->documents, error) &&
           file_identify(&job->file, job->path, error);
}

static void print_text(struct output *out, const struct backup_job *job)
{
    char count[QUANTITY_SIZE], size[QUANTITY_SIZE];
    output_format(out, "%s document%s, with questions, answers and summaries, in ",
                  quantity_count(count, job->documents), job->documents == 1 ? "" : "s");
    output_line(out, job->path);
    output_format(out, " (%s); states are not part of it: reading makes them again\n",
                  quantity_bytes(size, (int64_t)job->file.size));
}

int backup_run(const struct options *options)
{
    struct command command;
    struct backup_job job = {.path = options->arguments[0]};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        if (options->json)
            output_json(&command.out,
                        json_pack("{s:o, s:I, s:I}", "path", output_json_text(job.path),
                                  "documents", (json_int_t)job.documents, "bytes",
                                  (json_int_t)job.file.size));
        else
            print_text(&command.out, &job);
    }
    return command_close(&command, &error);
}
