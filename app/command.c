#include "app/command.h"

#include "base/visible.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* --- signals ----------------------------------------------------------------------- */

/* What the handler needs; lock-free, so that it may look at it. */
static struct worker *_Atomic running;
static atomic_bool interrupted;

static void interrupt(int number)
{
    bool again = atomic_exchange(&interrupted, true);
    if (again && number == SIGINT)
        _exit(ERROR_INTERRUPTED);
    struct worker *worker = atomic_load(&running);
    if (worker)
        worker_cancel(worker);
}

void command_prepare_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction act = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    /* Under nohup it stays ignored. */
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &act, NULL);
}

/* --- the worker ---------------------------------------------------------------------- */

struct session_options command_session(const struct options *options)
{
    return (struct session_options){
        .model = options->model,
        .library = options->library,
        .kernels = options->kernels,
        .backend = options->backend,
        .threads = (unsigned)options->threads,
        .budget_given = options->budget >= 0,
        .budget = options->budget,
    };
}

bool command_open(struct command *command, const struct options *options, struct error *error)
{
    *command = (struct command){.options = options};
    struct session_options session = command_session(options);
    command->worker = worker_start(&session, error);
    atomic_store(&running, command->worker);
    return command->worker != NULL;
}

/* Takes events until the job has ended. */
static bool follow(struct command *command, struct error *error)
{
    struct event event;
    while (worker_next(command->worker, &event, -1)) {
        progress_event(&command->progress, &event);
        if (command->hear)
            command->hear(command, command->hear_context, &event);
        if (event.kind == EVENT_DONE)
            return true;
        if (event.kind == EVENT_FAILED) {
            *error = event.error;
            return false;
        }
    }
    return error_set(error, ERROR_SYSTEM, "cannot wait for the worker thread");
}

bool command_do(struct command *command, worker_job *job, void *context, struct error *error)
{
    progress_begin(&command->progress, command->options->quiet);
    if (!worker_submit(command->worker, job, context, WORKER_IN_TURN, NULL, error))
        return false;
    /* A signal that came before there was a job to cancel is meant for this one. */
    if (atomic_load(&interrupted))
        worker_cancel(command->worker);
    bool ok = follow(command, error);
    progress_end(&command->progress);
    return ok;
}

/* --- the end ------------------------------------------------------------------------- */

/* Without memory to make the text visible in: what is not plain becomes a '?'. */
static void print_plain(const char *text)
{
    char plain[ERROR_TEXT_SIZE];
    size_t size = 0;
    for (; text[size] && size + 1 < sizeof plain; size++)
        plain[size] = text[size] >= ' ' && text[size] <= '~' ? text[size] : '?';
    plain[size] = '\0';
    fprintf(stderr, "tidemark: %s\n", plain);
}

int command_print_error(const struct error *error)
{
    struct buffer line = {0};
    if (visible_append(&line, error->text, strlen(error->text), VISIBLE_LINE, NULL) && line.data)
        fprintf(stderr, "tidemark: %s\n", line.data);
    else
        print_plain(error->text);
    buffer_free(&line);
    return error_exit_code(error);
}

int command_close(struct command *command, struct error *error)
{
    struct error unwritten = {0};
    if (!output_flush(&command->out, &unwritten) && error->kind == ERROR_NONE)
        *error = unwritten;
    output_free(&command->out);
    atomic_store(&running, NULL);
    worker_stop(command->worker);
    return error->kind == ERROR_NONE ? 0 : command_print_error(error);
}
