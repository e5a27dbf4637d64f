#include "app/command.h"
#include "app/commands/commands.h"
#include "app/options.h"
#include "base/json_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int help_run(const struct options *options)
{
    struct error error = {0};
    enum options_command command = OPTIONS_COMMANDS;
    if (options->argument_count > 0) {
        command = options_find_command(options->arguments[0], &error);
        if (command == OPTIONS_COMMANDS)
            return command_print_error(&error);
    }
    options_print_help(stdout, command);
    return 0;
}

static int (*const commands[OPTIONS_COMMANDS])(const struct options *options) = {
    [OPTIONS_OPEN] = open_run,       [OPTIONS_READ] = read_run,
    [OPTIONS_LS] = ls_run,           [OPTIONS_SHOW] = show_run,
    [OPTIONS_TEXT] = text_run,       [OPTIONS_ASK] = ask_run,
    [OPTIONS_SUM] = sum_run,         [OPTIONS_EXPORT] = export_run,
    [OPTIONS_RM] = rm_run,           [OPTIONS_VERIFY] = verify_run,
    [OPTIONS_GC] = gc_run,           [OPTIONS_BACKUP] = backup_run,
    [OPTIONS_RESTORE] = restore_run, [OPTIONS_EVAL] = eval_run,
    [OPTIONS_MODEL] = model_run,     [OPTIONS_BENCH] = bench_run,
    [OPTIONS_DOCTOR] = doctor_run,   [OPTIONS_COMPLETIONS] = completions_run,
    [OPTIONS_HELP] = help_run,
};

/* Commands write for themselves; this is for what went through stdio. */
static int flush_stdout(int code)
{
    if (fflush(stdout) == 0 || errno == EPIPE || code != 0)
        return code;
    struct error error;
    error_set(&error, ERROR_SYSTEM, "cannot write to standard output: %s", strerror(errno));
    return command_print_error(&error);
}

/* Otherwise the first file that is opened would be taken for the one that is missing. */
static void fill_standard_descriptors(void)
{
    for (int i = 0; i <= 2; i++)
        if (fcntl(i, F_GETFD) < 0 && open("/dev/null", O_RDWR) != i)
            _exit(ERROR_SYSTEM);
}

int main(int argc, char **argv)
{
    struct options options;
    struct error error = {0};
    fill_standard_descriptors();
    command_prepare_signals();
    json_memory_prepare();
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!(terminal ? options_parse_at_terminal : options_parse)(&options, argc, argv, &error))
        return command_print_error(&error);
    if (options.version) {
        puts("tidemark " TIDEMARK_VERSION);
        return flush_stdout(0);
    }
    if (options.help) {
        options_print_help(stdout, options.command);
        return flush_stdout(0);
    }
    if (options.command == OPTIONS_COMMANDS) {
        options_print_usage(stderr);
        return ERROR_USAGE;
    }
    return flush_stdout(commands[options.command](&options));
}
