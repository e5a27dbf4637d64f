#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/upkeep.h"
#include "base/quantity.h"

#include <stdio.h>
#include <time.h>

struct restore_job {
    const char *path;
    bool force;
    int64_t documents;
};

static void format_day(char text[32], int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm local;
    if (seconds <= 0 || !localtime_r(&at, &local) ||
        strftime(text, 32, "%Y-%m-%d %H:%M", &local) == 0)
        snprintf(text, 32, "an unknown day");
}

static bool refuse(const struct restore_job *job, const struct library_loss *loss,
                   struct error *error)
{
    char library[32], backup[32];
    format_day(library, loss->library_at);
    format_day(backup, loss->backup_at);
    return error_set(error, ERROR_STORE,
                     "the library (last changed %s) holds what %.300s (%s) lacks: %lld documents, "
                     "%lld questions, %lld summaries, %lld notes and the reading of %lld sections; "
                     "back it up first, then use --force",
                     library, job->path, backup, (long long)loss->documents,
                     (long long)loss->questions, (long long)loss->summaries, (long long)loss->notes,
                     (long long)loss->sections_read);
}

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct restore_job *job = context;
    struct library_loss loss;
    bool refused;
    if (!upkeep_restore(session, job->path, job->force, &loss, &refused, error))
        return false;
    return refused ? refuse(job, &loss, error)
                   : upkeep_count_documents(session, &job->documents, error);
}

int restore_run(const struct options *options)
{
    struct command command;
    struct restore_job job = {.path = options->arguments[0], .force = options->force};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        char count[QUANTITY_SIZE];
        if (options->json)
            output_json(&command.out, json_pack("{s:o, s:I}", "path", output_json_text(job.path),
                                                "documents", (json_int_t)job.documents));
        else
            output_format(&command.out,
                          "restored: %s document%s; states that still fit were kept\n",
                          quantity_count(count, job.documents), job.documents == 1 ? "" : "s");
    }
    return command_close(&command, &error);
}
