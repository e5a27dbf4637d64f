/* The script for bash, 4.3 or later.
 *
 * bash hands over the line cut at blanks and, as COMP_WORDBREAKS says, at ":" and "=";
 * what it puts in replaces the last piece alone. So the pieces are joined first, and
 * what readline keeps is taken off the candidates at last. A word is never evaluated:
 * candidates are quoted and then compared with what was typed. */
#include "app/completions_private.h"

static const char beginning[] =
    "# bash completion for tidemark, as `tidemark completions bash` prints it.\n"
    "\n"
    "# Adds those of the candidates that begin with what was typed.\n"
    "_tidemark_add()\n"
    "{\n"
    "    local candidate\n"
    "    for candidate in \"$@\"; do\n"
    "        [[ $lead$candidate == \"$word\"* ]] || continue\n"
    "        candidate=$lead$candidate\n"
    "        COMPREPLY+=(\"${candidate#\"$kept\"}\")\n"
    "    done\n"
    "}\n"
    "\n"
    "# Documents by name, or by number where the name is not fit to be typed.\n"
    "_tidemark_documents()\n"
    "{\n"
    "    local line number name special=\n"
    "    local found='" COMPLETIONS_DOCUMENT "'\n"
    "    local unfit='" COMPLETIONS_UNFIT "'\n"
    "    case $word in\n"
    "    \\'*) special=\"[']\" ;;\n"
    "    \\\"*) special='[\"$`!]' ;;\n"
    "    *[\\'\\\"]*) return ;;\n"
    "    esac\n"
    "    [[ $special ]] && word=${word:1}\n"
    "    library=${library/#\\~\\//$HOME/}\n"
    "    [[ $library == *[!A-Za-z0-9_./+,@%-]* ]] && return\n"
    "    while IFS= read -r line; do\n"
    "        [[ $line =~ $found ]] || continue\n"
    "        number=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}\n"
    "        if [[ $name =~ $unfit ]]; then\n"
    "            name=$number\n"
    "        else\n"
    "            printf -v name %b \"${name//\\\\\\\"/\\\"}\"\n"
    "        fi\n"
    "        if [[ ! $special ]]; then\n"
    "            printf -v name %q \"$name\"\n"
    "        elif [[ $name == *$special* ]]; then\n"
    "            continue\n"
    "        fi\n"
    "        _tidemark_add \"$name\"\n"
    "    done < <(\"${COMP_WORDS[0]/#\\~\\//$HOME/}\" ls --json ${library:+\"--library=$library\"} "
    "\\\n"
    "        2>/dev/null </dev/null)\n"
    "}\n"
    "\n"
    "# Of what the form says.\n"
    "_tidemark_offer()\n"
    "{\n"
    "    case $form in\n"
    "    file) compopt -o default 2>/dev/null ;;\n"
    "    folder) compopt -o dirnames 2>/dev/null ;;\n"
    "    document) _tidemark_documents ;;\n"
    "    either)\n"
    "        compopt -o default 2>/dev/null\n"
    "        _tidemark_documents\n"
    "        ;;\n"
    "    choice) _tidemark_add $choices ;;\n"
    "    esac\n"
    "}\n"
    "\n";

static const char ending[] =
    "    local i part joins= breaks=${COMP_WORDBREAKS//[!:=]/} dashes=1 given=0\n"
    "    local word= kept= lead= form= choices= options= command= library= name=\n"
    "    local -a words=()\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i <= COMP_CWORD; i++)); do\n"
    "        part=${COMP_WORDS[i]}\n"
    "        if [[ $part && ! ${part//[:=]/} && ${#words[@]} -gt 0 ]]; then\n"
    "            words[${#words[@]} - 1]+=$part joins=1\n"
    "        elif [[ $joins && $part && $part != -* ]]; then\n"
    "            words[${#words[@]} - 1]+=$part joins=\n"
    "        else\n"
    "            words+=(\"$part\") joins=\n"
    "        fi\n"
    "    done\n"
    "    for ((i = 0; i < ${#words[@]} - 1; i++)); do\n"
    "        part=${words[i]}\n"
    "        if [[ $form ]]; then\n"
    "            [[ $name == -l || $name == --library ]] && library=$part\n"
    "            form=\n"
    "        elif [[ $dashes && $part == -- ]]; then\n"
    "            dashes=\n"
    "        elif [[ $dashes && $part == --*=* ]]; then\n"
    "            [[ $part == --library=* ]] && library=${part#*=}\n"
    "        elif [[ $dashes && $part == -?* ]]; then\n"
    "            name=$part\n"
    "            _tidemark_value \"$name\"\n"
    "        elif [[ ! $command ]]; then\n"
    "            command=$part\n"
    "        else\n"
    "            ((given++))\n"
    "        fi\n"
    "    done\n"
    "    word=${words[i]}\n"
    "    [[ $breaks && $word != [\\'\\\"]* ]] && kept=${word%\"${word##*[$breaks]}\"}\n"
    "    if [[ $form ]]; then\n"
    "        _tidemark_offer\n"
    "    elif [[ $dashes && $word == --*=* ]]; then\n"
    "        lead=${word%%=*}=\n"
    "        _tidemark_value \"${word%%=*}\"\n"
    "        _tidemark_offer\n"
    "    elif [[ $dashes && $word == -* ]]; then\n"
    "        _tidemark_options\n"
    "        _tidemark_add $options\n"
    "    elif [[ ! $command ]]; then\n"
    "        compopt -o default 2>/dev/null # a file, for open\n"
    "        _tidemark_add $commands\n"
    "    else\n"
    "        _tidemark_argument\n"
    "        _tidemark_offer\n"
    "    fi\n"
    "}\n"
    "\n"
    "complete -F _tidemark tidemark\n";

static const char *form_name(enum options_form form)
{
    switch (form) {
    case OPTIONS_FORM_FREE:
        return "free";
    case OPTIONS_FORM_FILE:
        return "file";
    case OPTIONS_FORM_FOLDER:
        return "folder";
    case OPTIONS_FORM_DOCUMENT:
        return "document";
    case OPTIONS_FORM_EITHER:
        return "either";
    case OPTIONS_FORM_COMMAND:
    case OPTIONS_FORM_CHOICE:
        return "choice";
    }
    return "free";
}

static void print_form(FILE *out, enum options_form form, const char *choices)
{
    fprintf(out, "form=%s", form_name(form));
    if (form == OPTIONS_FORM_CHOICE)
        fprintf(out, " choices='%s'", choices);
    if (form == OPTIONS_FORM_COMMAND)
        fputs(" choices=$commands", out);
}

static void print_values(FILE *out)
{
    fputs("# What the value of an option is; nothing for an option without one.\n"
          "_tidemark_value()\n{\n    case $1 in\n",
          out);
    for (const struct options_entry *entry = options_table; entry->name; entry++) {
        if (!entry->argument)
            continue;
        fprintf(out, "    --%s", entry->name);
        if (entry->letter)
            fprintf(out, " | -%c", entry->letter);
        fputs(") ", out);
        print_form(out, entry->form, entry->choices);
        fputs(" ;;\n", out);
    }
    fputs("    *) form= ;;\n    esac\n}\n\n", out);
}

static void print_option(FILE *out, const struct options_entry *entry)
{
    fprintf(out, " --%s", entry->name);
    if (entry->letter)
        fprintf(out, " -%c", entry->letter);
}

static void print_options(FILE *out)
{
    fputs("# The options of the command, or of all.\n_tidemark_options()\n{\n    options='", out);
    for (const struct options_entry *entry = options_table; entry->name; entry++)
        if (options_is_common(entry))
            print_option(out, entry);
    fputs("'\n    case $command in\n", out);
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        bool begun = false;
        if (!(OPTIONS_WORKING >> i & 1)) {
            fprintf(out, "    %s) options='", options_commands[i].name);
            for (const struct options_entry *entry = options_table; entry->name; entry++)
                if (entry->commands >> i & 1)
                    print_option(out, entry);
            fputs("' ;;\n", out);
            continue;
        }
        for (const struct options_entry *entry = options_table; entry->name; entry++) {
            if (!options_is_own(entry, i))
                continue;
            if (!begun)
                fprintf(out, "    %s) options+='", options_commands[i].name);
            begun = true;
            print_option(out, entry);
        }
        if (begun)
            fputs("' ;;\n", out);
    }
    fputs("    esac\n}\n\n", out);
}

static void print_arguments(FILE *out)
{
    fputs("# What the next argument of the command is; `given` come before it.\n"
          "_tidemark_argument()\n{\n    case $command,$given in\n",
          out);
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        const struct options_command_entry *entry = &options_commands[i];
        if (entry->first != OPTIONS_FORM_FREE && entry->first != entry->rest) {
            fprintf(out, "    %s,0) ", entry->name);
            print_form(out, entry->first, entry->choices);
            fputs(" ;;\n", out);
        }
        if (entry->rest != OPTIONS_FORM_FREE) {
            fprintf(out, "    %s,*) ", entry->name);
            print_form(out, entry->rest, entry->choices);
            fputs(" ;;\n", out);
        }
    }
    fputs("    esac\n}\n\n", out);
}

/* In the script `commands` is set where it is used, so that nothing but functions is
 * left in the user's shell. */
static void print_commands(FILE *out)
{
    fputs("    local commands='", out);
    for (int i = 0; i < OPTIONS_COMMANDS; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", options_commands[i].name);
    fputs("'\n", out);
}

void completions_bash(FILE *out)
{
    fputs(beginning, out);
    print_values(out);
    print_options(out);
    print_arguments(out);
    fputs("_tidemark()\n{\n", out);
    print_commands(out);
    fputs(ending, out);
}
