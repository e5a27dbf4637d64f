/* The script for fish, which quotes what it puts in. */
#include "app/completions_private.h"

static const char beginning[] =
    "# fish completion for tidemark, as `tidemark completions fish` prints it.\n"
    "\n"
    "# The command and its arguments before the cursor, without options and their values.\n"
    "function __tidemark_words\n"
    "    set -l value no\n"
    "    set -l options yes\n"
    "    for word in (commandline -opc)[2..-1]\n"
    "        if test $value = yes\n"
    "            set value no\n"
    "        else if test $options = yes; and string match -q -- '-?*' $word\n"
    "            switch $word\n"
    "                case --\n"
    "                    set options no\n"
    "                case";

static const char middle[] =
    "\n"
    "                    set value yes\n"
    "            end\n"
    "        else\n"
    "            printf '%s\\n' $word\n"
    "        end\n"
    "    end\n"
    "end\n"
    "\n"
    "# No command yet.\n"
    "function __tidemark_begins\n"
    "    test -z (__tidemark_words)[1]\n"
    "end\n"
    "\n"
    "# This command, and as many arguments before the cursor when that is asked.\n"
    "function __tidemark_in -a command count\n"
    "    set -l words (__tidemark_words)\n"
    "    test \"$words[1]\" = $command; or return 1\n"
    "    switch \"$count\"\n"
    "        case first\n"
    "            test (count $words) -eq 1\n"
    "        case rest\n"
    "            test (count $words) -gt 1\n"
    "    end\n"
    "end\n"
    "\n"
    "# By name, or by number where the name is not fit to be typed.\n"
    "function __tidemark_documents\n"
    "    set -l words (commandline -opc)\n"
    "    set -l library\n"
    "    for i in (seq 2 (count $words))\n"
    "        switch $words[$i]\n"
    "            case -l --library\n"
    "                set library --library=$words[(math $i + 1)]\n"
    "            case '--library=*'\n"
    "                set library $words[$i]\n"
    "        end\n"
    "    end\n"
    "    set -l program (string replace -r '^~/' $HOME/ -- $words[1])\n"
    "    set library (string replace -r '^(--library=)~/' '$1'$HOME/ -- $library)\n"
    "    for line in ($program ls --json $library 2>/dev/null </dev/null)\n"
    "        set -l document (string match -r -- '";

static const char decoding[] = "' $line)\n"
                               "        or continue\n"
                               "        if string match -q -r -- '";

static const char ending[] =
    "' $document[3]\n"
    "            printf '%s\\n' $document[2]\n"
    "        else\n"
    "            string unescape -- (string replace -a \"'\" \"\\\\'\" -- $document[3])\n"
    "        end\n"
    "    end\n"
    "end\n"
    "\n"
    "complete -c tidemark -f\n"
    "complete -c tidemark -n __tidemark_begins -F\n";

static const char quote[] = "\\'";

static void print_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    completions_quote(out, text, "\\", quote);
    fputc('\'', out);
}

/* -r: a word has to follow; -F: files, too; -x: nothing but what is listed. */
static void print_form(FILE *out, enum options_form form, const char *choices)
{
    switch (form) {
    case OPTIONS_FORM_FREE:
        break;
    case OPTIONS_FORM_FILE:
        fputs(" -F", out);
        break;
    case OPTIONS_FORM_FOLDER:
        fputs(" -a '(__fish_complete_directories)'", out);
        break;
    case OPTIONS_FORM_DOCUMENT:
        fputs(" -a '(__tidemark_documents)'", out);
        break;
    case OPTIONS_FORM_EITHER:
        fputs(" -F -a '(__tidemark_documents)'", out);
        break;
    case OPTIONS_FORM_COMMAND:
        fputs(" -a '", out);
        for (int i = 0; i < OPTIONS_COMMANDS; i++)
            fprintf(out, "%s%s", i > 0 ? " " : "", options_commands[i].name);
        fputc('\'', out);
        break;
    case OPTIONS_FORM_CHOICE:
        fprintf(out, " -a '%s'", choices);
        break;
    }
}

static void print_option(FILE *out, const struct options_entry *entry, const char *command)
{
    fputs("complete -c tidemark", out);
    if (command)
        fprintf(out, " -n '__tidemark_in %s'", command);
    else if (entry->commands != OPTIONS_EVERY)
        fprintf(out, " -n 'not __tidemark_in %s; and not __tidemark_in %s'",
                options_commands[OPTIONS_COMPLETIONS].name, options_commands[OPTIONS_HELP].name);
    if (entry->letter)
        fprintf(out, " -s %c", entry->letter);
    fprintf(out, " -l %s -d ", entry->name);
    print_quoted(out, entry->help);
    if (entry->argument) {
        fputs(entry->form == OPTIONS_FORM_FILE ? " -r" : " -x", out);
        print_form(out, entry->form, entry->choices);
    }
    fputc('\n', out);
}

static void print_argument(FILE *out, const struct options_command_entry *entry, const char *which,
                           enum options_form form)
{
    if (form == OPTIONS_FORM_FREE)
        return;
    fprintf(out, "complete -c tidemark -n '__tidemark_in %s%s'", entry->name, which);
    print_form(out, form, entry->choices);
    fputc('\n', out);
}

static void print_command(FILE *out, int command)
{
    const struct options_command_entry *entry = &options_commands[command];
    fprintf(out, "\ncomplete -c tidemark -n __tidemark_begins -a %s -d ", entry->name);
    print_quoted(out, entry->summary);
    fputc('\n', out);
    print_argument(out, entry, entry->first == entry->rest ? "" : " first", entry->first);
    if (entry->first != entry->rest)
        print_argument(out, entry, " rest", entry->rest);
    for (const struct options_entry *option = options_table; option->name; option++)
        if (options_is_own(option, command))
            print_option(out, option, entry->name);
}

void completions_fish(FILE *out)
{
    fputs(beginning, out);
    for (const struct options_entry *entry = options_table; entry->name; entry++) {
        if (!entry->argument)
            continue;
        fprintf(out, " --%s", entry->name);
        if (entry->letter)
            fprintf(out, " -%c", entry->letter);
    }
    fputs(middle, out);
    completions_quote(out, COMPLETIONS_DOCUMENT, "\\", quote);
    fputs(decoding, out);
    completions_quote(out, COMPLETIONS_UNFIT, "\\", quote);
    fputs(ending, out);
    for (const struct options_entry *entry = options_table; entry->name; entry++)
        if (options_is_common(entry))
            print_option(out, entry, NULL);
    for (int i = 0; i < OPTIONS_COMMANDS; i++)
        print_command(out, i);
}
