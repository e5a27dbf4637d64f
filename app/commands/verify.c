#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/upkeep.h"
#include "base/quantity.h"

struct verify_job {
    struct output *out;
    bool json;
    struct upkeep_verification result;
};

static void print_finding(void *context, enum upkeep_grade grade, const char *line)
{
    const struct verify_job *job = context;
    const char *name = grade == UPKEEP_PROBLEM ? "problem" : "note";
    if (job->json) {
        output_json(job->out,
                    json_pack("{s:s, s:o}", "finding", name, "text", output_json_text(line)));
        return;
    }
    output_format(job->out, "%s: ", name);
    output_line(job->out, line);
    output_format(job->out, "\n");
}

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct verify_job *job = context;
    return upkeep_verify(session, print_finding, job, &job->result, error);
}

static void print_json(struct output *out, const struct upkeep_verification *result)
{
    output_json(out,
                json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "documents",
                          (json_int_t)result->documents, "sections", (json_int_t)result->sections,
                          "states", (json_int_t)result->states, "state_bytes",
                          (json_int_t)result->state_bytes, "problems", (json_int_t)result->problems,
                          "notes", (json_int_t)result->notes, "sound", result->problems == 0));
}

static void print_text(struct output *out, const struct upkeep_verification *result)
{
    char documents[QUANTITY_SIZE], sections[QUANTITY_SIZE], states[QUANTITY_SIZE];
    char bytes[QUANTITY_SIZE];
    output_format(out, "%s document%s, %s section%s, %s state%s (%s): %s\n",
                  quantity_count(documents, result->documents), result->documents == 1 ? "" : "s",
                  quantity_count(sections, result->sections), result->sections == 1 ? "" : "s",
                  quantity_count(states, result->states), result->states == 1 ? "" : "s",
                  quantity_bytes(bytes, result->state_bytes),
                  result->problems ? "not sound" : "all is sound");
}

int verify_run(const struct options *options)
{
    struct command command;
    struct verify_job job = {.out = &command.out, .json = options->json};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        if (options->json)
            print_json(&command.out, &job.result);
        else
            print_text(&command.out, &job.result);
        if (job.result.problems > 0)
            error_set(&error, ERROR_STORE,
                      "the library has %lld problem%s: restore a backup, or remove and read again "
                      "the documents that are named",
                      (long long)job.result.problems, job.result.problems == 1 ? "" : "s");
    }
    return command_close(&command, &error);
}
