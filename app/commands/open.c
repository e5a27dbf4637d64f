/* The reader in the terminal (ui/reader.h). */
#include "app/command.h"
#include "app/commands/commands.h"
#include "ui/reader.h"

#include <signal.h>
#include <unistd.h>

static void leave(int number)
{
    (void)number;
    _exit(ERROR_INTERRUPTED);
}

/* Cancelling a job, as for other commands, would not end the reader. These serve for a
 * script; an open terminal puts its own handlers over them. What was kept is safe. */
static void leave_on_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = leave}, before;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &act, NULL);
}

int open_run(const struct options *options)
{
    struct error error = {0};
    struct reader_options reader = {
        .session = command_session(options),
        .documents = (const char *const *)options->arguments,
        .document_count = options->argument_count,
        .script = options->script,
        .no_reading = options->no_read,
    };
    leave_on_signals();
    return reader_run(&reader, &error) ? 0 : command_print_error(&error);
}
