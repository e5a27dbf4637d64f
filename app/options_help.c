/* What --help and `tidemark help` print. */
#include "app/options.h"

#include <string.h>

#define COLUMNS 80

/* Breaks lines at blanks. */
static void print_paragraph(FILE *out, const char *text)
{
    size_t column = 0;
    while (*text) {
        size_t size = strcspn(text, " ");
        if (column > 0 && column + 1 + size >= COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, "%s%.*s", column > 0 ? " " : "", (int)size, text);
        text += size + strspn(text + size, " ");
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct options_entry *entry)
{
    char form[64];
    snprintf(form, sizeof form, "--%s%s%s", entry->name, entry->argument ? " " : "",
             entry->argument ? entry->argument : "");
    if (entry->letter)
        fprintf(out, "  -%c, %-24s %s\n", entry->letter, form, entry->help);
    else
        fprintf(out, "      %-24s %s\n", form, entry->help);
}

static void print_options(FILE *out, const char *heading, unsigned command, bool common)
{
    bool begun = false;
    for (const struct options_entry *entry = options_table; entry->name; entry++) {
        if (common != options_is_common(entry) || !(entry->commands & command))
            continue;
        if (!begun)
            fprintf(out, "\n%s:\n", heading);
        begun = true;
        print_option(out, entry);
    }
}

static const char usage[] = "Usage: tidemark [FILE|DOC...] [OPTION]...\n"
                            "       tidemark COMMAND [OPTION]...\n\n";

static void print_commands(FILE *out)
{
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        char form[64];
        snprintf(form, sizeof form, "%s %s", options_commands[i].name,
                 options_commands[i].arguments);
        fprintf(out, "  %-30s %s\n", form, options_commands[i].summary);
    }
}

void options_print_usage(FILE *out)
{
    fputs(usage, out);
    print_commands(out);
    fputs("\n`tidemark help` says more.\n", out);
}

static void print_command(FILE *out, enum options_command command)
{
    const struct options_command_entry *entry = &options_commands[command];
    fprintf(out, "Usage: tidemark %s%s%s [OPTION]...\n\nTo %s.\n", entry->name,
            *entry->arguments ? " " : "", entry->arguments, entry->summary);
    if (*entry->detail)
        print_paragraph(out, entry->detail);
    print_options(out, "Options", 1u << command, false);
    print_options(out, "Options of every command", 1u << command, true);
}

void options_print_help(FILE *out, enum options_command command)
{
    if (command != OPTIONS_COMMANDS) {
        print_command(out, command);
        return;
    }
    fputs(usage, out);
    fputs("Reads long documents once with a Mamba model, keeps the model's states, and from\n"
          "then on answers and summarizes without reading again.\n\nCommands:\n",
          out);
    print_commands(out);
    print_options(out, "Options of every command (completions and help: the last three)",
                  OPTIONS_EVERY, true);
    fputs("\nA DOC is a document's number, name or path; a SECTION is a number or a title.\n"
          "`tidemark COMMAND --help` lists a command's own options.\n\n"
          "Exit codes: 0 all is well, 1 the system failed, 2 wrong usage, 3 input, 4 model,\n"
          "5 library, 6 the document does not say, 130 interrupted.\n",
          out);
}
