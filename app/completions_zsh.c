/* The script for zsh, which completes by _arguments and quotes what it puts in. */
#include "app/completions_private.h"

#include <ctype.h>
#include <string.h>

static const char beginning[] =
    "#compdef tidemark\n"
    "# zsh completion for tidemark, as `tidemark completions zsh` prints it.\n"
    "\n"
    "# By name, or by number where the name is not fit to be typed.\n"
    "_tidemark_documents()\n"
    "{\n"
    "    local line number name expl\n"
    "    local -a names match mbegin mend\n"
    "    for line in ${(f)\"$($program ls --json ${library:+--library=$library} \\\n"
    "            2>/dev/null </dev/null)\"}; do\n"
    "        [[ $line =~ '" COMPLETIONS_DOCUMENT "' ]] || continue\n"
    "        number=$match[1] name=$match[2]\n"
    "        if [[ $name =~ '" COMPLETIONS_UNFIT "' ]]; then\n"
    "            name=$number\n"
    "        else\n"
    "            name=${name//\\\\\\\"/\\\"}\n"
    "            name=${(g::)name}\n"
    "        fi\n"
    "        names+=(\"$name\")\n"
    "    done 2>/dev/null\n"
    "    _wanted documents expl document compadd -a names\n"
    "}\n"
    "\n"
    "_tidemark_either()\n"
    "{\n"
    "    _alternative documents:document:_tidemark_documents files:file:_files\n"
    "}\n"
    "\n";

static const char command_line[] =
    "    for ((i = 2; i < CURRENT; i++)); do\n"
    "        case $words[i] in\n"
    "        (-l|--library) library=$words[i+1] ;;\n"
    "        (--library=*) library=${words[i]#*=} ;;\n"
    "        esac\n"
    "    done\n"
    "    program=${program/#\\~\\//$HOME/}\n"
    "    library=${${(Q)library}/#\\~\\//$HOME/}\n"
    "    _arguments -C -s -S $common '1:command:_tidemark_first' '*::argument:->argument' &&\n"
    "        return\n"
    "    [[ $state == argument ]] || return\n"
    "    case $words[1] in\n";

/* As an autoloaded file it is the function's body; sourced, it only defines it. */
static const char ending[] = "    (*) _default ;;\n"
                             "    esac\n"
                             "}\n"
                             "\n"
                             "if [[ $funcstack[1] == _tidemark ]]; then\n"
                             "    _tidemark \"$@\"\n"
                             "else\n"
                             "    compdef _tidemark tidemark\n"
                             "fi\n";

static const char quote[] = "'\\''";

/* ":file:_files": what a value or an argument is called and what completes it. */
static void print_action(FILE *out, const char *name, enum options_form form, const char *choices)
{
    fputc(':', out);
    for (; isupper((unsigned char)*name); name++)
        fputc(tolower((unsigned char)*name), out);
    fputc(':', out);
    switch (form) {
    case OPTIONS_FORM_FREE:
        break;
    case OPTIONS_FORM_FILE:
        fputs("_files", out);
        break;
    case OPTIONS_FORM_FOLDER:
        fputs("_files -/", out);
        break;
    case OPTIONS_FORM_DOCUMENT:
        fputs("_tidemark_documents", out);
        break;
    case OPTIONS_FORM_EITHER:
        fputs("_tidemark_either", out);
        break;
    case OPTIONS_FORM_COMMAND:
        fputs("_tidemark_commands", out);
        break;
    case OPTIONS_FORM_CHOICE:
        fprintf(out, "(%s)", choices);
        break;
    }
}

static void print_option(FILE *out, const struct options_entry *entry)
{
    const char *value = entry->argument ? "=" : "";
    if (entry->letter)
        fprintf(out, "'(-%c --%s)'{-%c%s,--%s%s}'[", entry->letter, entry->name, entry->letter,
                entry->argument ? "+" : "", entry->name, value);
    else
        fprintf(out, "'--%s%s[", entry->name, value);
    completions_quote(out, entry->help, "[]\\", quote);
    fputc(']', out);
    if (entry->argument)
        print_action(out, entry->argument, entry->form, entry->choices);
    fputc('\'', out);
}

static void print_commands(FILE *out)
{
    fputs("_tidemark_commands()\n{\n    local -a commands=(\n", out);
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        fprintf(out, "        '%s:", options_commands[i].name);
        completions_quote(out, options_commands[i].summary, "\\", quote);
        fputs("'\n", out);
    }
    fputs("    )\n    _describe -t commands command commands\n}\n\n"
          "# A command, or a file for open.\n"
          "_tidemark_first()\n{\n"
          "    _alternative commands:command:_tidemark_commands files:file:_files\n}\n\n",
          out);
}

static void print_command(FILE *out, int command)
{
    const struct options_command_entry *entry = &options_commands[command];
    const char *arguments = entry->arguments + strspn(entry->arguments, "[");
    const bool works = OPTIONS_WORKING >> command & 1;
    fprintf(out, "    (%s)\n        _arguments -s -S%s", entry->name, works ? " $common" : "");
    for (const struct options_entry *option = options_table; option->name; option++) {
        if (works ? !options_is_own(option, command) : !(option->commands >> command & 1))
            continue;
        fputs(" \\\n            ", out);
        print_option(out, option);
    }
    if (entry->most > 0 && entry->first != OPTIONS_FORM_FREE) {
        fputs(" \\\n            '1", out);
        print_action(out, arguments, entry->first, entry->choices);
        fputc('\'', out);
    }
    /* An argument that nothing is known of would keep options from being offered. */
    if (entry->most > 1 && entry->rest != OPTIONS_FORM_FREE) {
        fputs(" \\\n            '*", out);
        print_action(out, arguments, entry->rest, entry->choices);
        fputc('\'', out);
    }
    fputs("\n        ;;\n", out);
}

void completions_zsh(FILE *out)
{
    fputs(beginning, out);
    print_commands(out);
    fputs("_tidemark()\n{\n"
          "    local curcontext=$curcontext state line i program=${(Q)words[1]} library=\n"
          "    local -A opt_args\n"
          "    local -a common=(\n",
          out);
    for (const struct options_entry *entry = options_table; entry->name; entry++)
        if (options_is_common(entry)) {
            fputs("        ", out);
            print_option(out, entry);
            fputc('\n', out);
        }
    fputs("    )\n", out);
    fputs(command_line, out);
    for (int i = 0; i < OPTIONS_COMMANDS; i++)
        print_command(out, i);
    fputs(ending, out);
}
