#include "app/options.h"

#include "app/options_table.h"
#include "base/size.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LONG_VALUE 256 /* getopt's value of the first entry: no letter has it */

/* --- suggestions ------------------------------------------------------------------- */

#define NAME_LIMIT 32 /* longer words are like no name of ours */

/* Edits that lead from a to b: letters added, dropped, changed or swapped with a
 * neighbour (Damerau, 1964). */
static unsigned distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    unsigned cost[NAME_LIMIT + 1][NAME_LIMIT + 1];
    if (rows > NAME_LIMIT || columns > NAME_LIMIT)
        return NAME_LIMIT;
    for (unsigned i = 0; i <= rows; i++)
        cost[i][0] = i;
    for (unsigned j = 0; j <= columns; j++)
        cost[0][j] = j;
    for (size_t i = 1; i <= rows; i++)
        for (size_t j = 1; j <= columns; j++) {
            unsigned best = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (cost[i - 1][j] + 1 < best)
                best = cost[i - 1][j] + 1;
            if (cost[i][j - 1] + 1 < best)
                best = cost[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                cost[i - 2][j - 2] + 1 < best)
                best = cost[i - 2][j - 2] + 1;
            cost[i][j] = best;
        }
    return cost[rows][columns];
}

struct suggestion {
    const char *name;
    unsigned distance;
};

static void consider(struct suggestion *best, const char *word, const char *name)
{
    unsigned d = distance(word, name);
    if (strlen(word) >= 2 && strncmp(name, word, strlen(word)) == 0)
        d = 1; /* its beginning */
    if (d <= 1 + strlen(name) / 4 && d < strlen(name) && (!best->name || d < best->distance))
        *best = (struct suggestion){name, d};
}

/* OPTIONS_COMMANDS: there is none, but maybe one that is near. */
static enum options_command find_command(const char *name, struct suggestion *best)
{
    *best = (struct suggestion){0};
    for (int i = 0; i < OPTIONS_COMMANDS; i++) {
        if (strcmp(options_commands[i].name, name) == 0)
            return (enum options_command)i;
        consider(best, name, options_commands[i].name);
    }
    return OPTIONS_COMMANDS;
}

/* `open`: the word could be a document that is to be opened. */
static bool unknown_command(const char *name, const struct suggestion *best, bool open,
                            struct error *error)
{
    if (!best->name)
        return error_set(error, ERROR_USAGE, "no command \"%s\": `tidemark help` lists them", name);
    return error_set(error, ERROR_USAGE, "no command \"%s\": did you mean \"%s\"%s%s%s?", name,
                     best->name, open ? ", or `tidemark open " : "", open ? name : "",
                     open ? "`" : "");
}

enum options_command options_find_command(const char *name, struct error *error)
{
    struct suggestion best;
    enum options_command command = find_command(name, &best);
    if (command == OPTIONS_COMMANDS)
        unknown_command(name, &best, false, error);
    return command;
}

static bool unknown_option(const char *given, struct error *error)
{
    if (strncmp(given, "--", 2) != 0)
        return error_set(error, ERROR_USAGE,
                         "no option %s: `tidemark help` lists them (words that begin with \"-\" go"
                         " after \"--\")",
                         given);
    char word[NAME_LIMIT + 2];
    snprintf(word, sizeof word, "%s", given + 2);
    word[strcspn(word, "=")] = '\0';
    struct suggestion best = {0};
    for (const struct options_entry *entry = options_table; entry->name; entry++)
        consider(&best, word, entry->name);
    if (best.name)
        return error_set(error, ERROR_USAGE, "no option %s: did you mean --%s?", given, best.name);
    return error_set(error, ERROR_USAGE, "no option %s: `tidemark help` lists them", given);
}

bool options_is_common(const struct options_entry *entry)
{
    return (entry->commands & OPTIONS_WORKING) == OPTIONS_WORKING;
}

bool options_is_own(const struct options_entry *entry, int command)
{
    return !options_is_common(entry) && entry->commands >> command & 1;
}

/* --- values ------------------------------------------------------------------------ */

static bool bad_number(const struct options_entry *entry, const char *text, struct error *error)
{
    const char *given = *text ? text : "\"\"";
    /* In digits, as it is taken. */
    if (entry->kind == OPTIONS_COUNT)
        return error_set(error, ERROR_USAGE, "--%s %s: a whole number from %.0f to %.0f is needed",
                         entry->name, given, entry->low, entry->high);
    return error_set(error, ERROR_USAGE, "--%s %s: a number %s %.15g to %.15g is needed",
                     entry->name, given, entry->above ? "above" : "from", entry->low, entry->high);
}

static bool in_range(const struct options_entry *entry, double value)
{
    return (entry->above ? value > entry->low : value >= entry->low) && value <= entry->high;
}

static bool set_count(const struct options_entry *entry, int64_t *value, const char *text,
                      struct error *error)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool digits = *text && text[strspn(text, "0123456789")] == '\0';
    if (!digits || errno != 0 || !in_range(entry, (double)number))
        return bad_number(entry, text, error);
    *value = number;
    return true;
}

static bool set_real(const struct options_entry *entry, double *value, const char *text,
                     struct error *error)
{
    /* strtod alone would take blanks, "inf", "nan" and hexadecimal. */
    char *end;
    double number = strtod(text, &end);
    bool plain = *text && text[strspn(text, "0123456789.eE+-")] == '\0' && *end == '\0';
    if (!plain || !isfinite(number) || !in_range(entry, number))
        return bad_number(entry, text, error);
    *value = number;
    return true;
}

static bool set_bytes(const struct options_entry *entry, int64_t *value, const char *text,
                      struct error *error)
{
    int64_t bytes;
    if (!size_parse(&bytes, text) || !in_range(entry, (double)bytes))
        return error_set(error, ERROR_USAGE,
                         "--%s %s: a size is needed, such as 500M or 8G (K, M, G and T are powers "
                         "of 1024)",
                         entry->name, *text ? text : "\"\"");
    *value = bytes;
    return true;
}

static bool set_value(struct options *options, const struct options_entry *entry, char *text,
                      struct error *error)
{
    void *value = (char *)options + entry->offset;
    switch (entry->kind) {
    case OPTIONS_FLAG:
        *(bool *)value = true;
        return true;
    case OPTIONS_STRING:
        if (!*text)
            return error_set(error, ERROR_USAGE, "--%s needs a %s that is not empty", entry->name,
                             entry->argument);
        *(const char **)value = text;
        return true;
    case OPTIONS_COUNT:
        return set_count(entry, value, text, error);
    case OPTIONS_REAL:
        return set_real(entry, value, text, error);
    case OPTIONS_BYTES:
        return set_bytes(entry, value, text, error);
    }
    return true;
}

/* --- the command line ----------------------------------------------------------------- */

/* getopt's view of the table. */
struct forms {
    struct option longs[OPTIONS_TABLE_LIMIT + 1];
    char letters[2 + 2 * OPTIONS_TABLE_LIMIT];
};

static void make_forms(struct forms *forms)
{
    size_t used = 0;
    *forms = (struct forms){0};
    forms->letters[used++] = ':'; /* a missing argument is told from an unknown option */
    for (int i = 0; options_table[i].name; i++) {
        const struct options_entry *entry = &options_table[i];
        forms->longs[i] = (struct option){
            .name = entry->name,
            .has_arg = entry->argument ? required_argument : no_argument,
            .val = LONG_VALUE + i,
        };
        if (entry->letter)
            forms->letters[used++] = entry->letter;
        if (entry->letter && entry->argument)
            forms->letters[used++] = ':';
    }
}

static const struct options_entry *entry_of(int value)
{
    if (value >= LONG_VALUE)
        return &options_table[value - LONG_VALUE];
    for (const struct options_entry *entry = options_table; entry->name; entry++)
        if (entry->letter && entry->letter == value)
            return entry;
    return NULL;
}

/* getopt returned '?': an unknown option, or "--flag=value". */
static bool refuse_option(char **argv, struct error *error)
{
    const struct options_entry *entry = optopt ? entry_of(optopt) : NULL;
    if (entry)
        return error_set(error, ERROR_USAGE, "--%s takes no value", entry->name);
    char letter[3] = {'-', (char)optopt, '\0'};
    return unknown_option(optopt ? letter : argv[optind - 1], error);
}

/* seen[i]: entry i was given. */
static bool parse_options(struct options *options, bool *seen, int argc, char **argv,
                          struct error *error)
{
    struct forms forms;
    make_forms(&forms);
    opterr = 0;
    optind = 0; /* begin anew */
    for (;;) {
        int value = getopt_long(argc, argv, forms.letters, forms.longs, NULL);
        if (value == -1)
            return true;
        if (value == '?')
            return refuse_option(argv, error);
        const struct options_entry *entry = entry_of(value == ':' ? optopt : value);
        if (value == ':')
            return error_set(error, ERROR_USAGE, "--%s needs a %s after it", entry->name,
                             entry->argument);
        if (!set_value(options, entry, optarg, error))
            return false;
        seen[entry - options_table] = true;
    }
}

static bool check_options(enum options_command command, const bool *seen, struct error *error)
{
    for (int i = 0; options_table[i].name; i++)
        if (seen[i] && !(options_table[i].commands & 1u << command))
            return error_set(error, ERROR_USAGE,
                             "`tidemark %s` has no option --%s: `tidemark %s --help` lists its own",
                             options_commands[command].name, options_table[i].name,
                             options_commands[command].name);
    return true;
}

static bool check_arguments(const struct options *options, struct error *error)
{
    const struct options_command_entry *entry = &options_commands[options->command];
    if (options->argument_count < entry->least)
        return error_set(error, ERROR_USAGE, "something is missing: tidemark %s %s", entry->name,
                         entry->arguments);
    if (options->argument_count > entry->most)
        return error_set(error, ERROR_USAGE, "\"%s\" is too much: tidemark %s%s%s",
                         options->arguments[entry->most], entry->name, *entry->arguments ? " " : "",
                         entry->arguments);
    return true;
}

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* Which command is meant, by its name or without it. */
static bool choose_command(struct options *options, bool terminal, struct error *error)
{
    const char *word = options->arguments[0];
    struct suggestion near;
    if (!word) {
        if (options->script || (terminal && !options->help && !options->version))
            options->command = OPTIONS_OPEN;
        return true;
    }
    options->command = find_command(word, &near);
    if (options->command != OPTIONS_COMMANDS) {
        options->arguments++;
        options->argument_count--;
        return true;
    }
    options->command = OPTIONS_OPEN;
    if (options->script || is_file(word) || (terminal && !near.name))
        return true;
    return unknown_command(word, &near, terminal, error);
}

static bool parse(struct options *options, int argc, char **argv, bool terminal,
                  struct error *error)
{
    bool seen[OPTIONS_TABLE_LIMIT] = {0};
    *options = options_defaults;
    if (!parse_options(options, seen, argc, argv, error))
        return false;
    options->arguments = argv + optind;
    options->argument_count = (size_t)(argc - optind);
    if (!choose_command(options, terminal, error))
        return false;
    if (options->command == OPTIONS_COMMANDS || options->help || options->version)
        return true;
    return check_options(options->command, seen, error) && check_arguments(options, error);
}

bool options_parse(struct options *options, int argc, char **argv, struct error *error)
{
    return parse(options, argc, argv, false, error);
}

bool options_parse_at_terminal(struct options *options, int argc, char **argv, struct error *error)
{
    return parse(options, argc, argv, true, error);
}
