#include "app/completions.h"

#include "app/command.h"
#include "app/commands/commands.h"

int completions_run(const struct options *options)
{
    struct error error = {0};
    return completions_print(stdout, options->arguments[0], &error) ? 0
                                                                    : command_print_error(&error);
}
