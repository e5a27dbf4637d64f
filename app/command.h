/* command.h: what all commands do alike: a worker that runs their jobs, progress,
 * signals, output, errors.
 *
 *     struct command command;
 *     struct error error = {0};
 *     if (command_open(&command, options, &error) &&
 *         command_do(&command, job, &context, &error))
 *         output_line(&command.out, ...);
 *     return command_close(&command, &error);
 *
 * SIGINT, SIGTERM and SIGHUP cancel the running job, which then fails with
 * ERROR_INTERRUPTED; a second SIGINT ends the program at once. */
#ifndef TIDEMARK_APP_COMMAND_H
#define TIDEMARK_APP_COMMAND_H

#include "app/options.h"
#include "app/output.h"
#include "app/progress.h"
#include "app/work/worker.h"

struct command {
    const struct options *options;
    struct worker *worker;
    struct progress progress; /* of the last job */
    /* Sees each event of a job, in the thread of command_do; NULL: nobody. */
    void (*hear)(struct command *command, void *context, const struct event *event);
    void *hear_context;
    struct output out;
};

/* Ignores SIGPIPE; call it before anything is printed. */
void command_prepare_signals(void);

/* What the options say of library and model; its texts are theirs. */
struct session_options command_session(const struct options *options);

/* One at a time in a program. When it fails, command_close is still to be called. */
bool command_open(struct command *command, const struct options *options,
                  struct error *error) WARN_UNUSED;

/* Runs a job to its end. */
bool command_do(struct command *command, worker_job *job, void *context,
                struct error *error) WARN_UNUSED;

/* Writes what is left of the output, stops the worker, prints the error (kind
 * ERROR_NONE: there is none) and returns the exit code. */
int command_close(struct command *command, struct error *error);

/* "tidemark: TEXT" on standard error, made visible; returns the exit code. */
int command_print_error(const struct error *error);

#endif
