/* options.h: the command line: one table of commands and one of options, from
 * which parsing and help come, and whatever else lists them.
 *
 *     struct options options;
 *     if (!options_parse(&options, argc, argv, &error)) ...
 *     if (options.help) options_print_help(stdout, options.command);
 *
 * Options may stand before or after the command and between its arguments; what
 * follows "--" is never an option. */
#ifndef TIDEMARK_APP_OPTIONS_H
#define TIDEMARK_APP_OPTIONS_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum options_command {
    OPTIONS_READ,
    OPTIONS_LS,
    OPTIONS_SHOW,
    OPTIONS_ASK,
    OPTIONS_SUM,
    OPTIONS_RM,
    OPTIONS_MODEL,
    OPTIONS_BENCH,
    OPTIONS_HELP,
    OPTIONS_COMMANDS, /* how many; as a value: no command was given */
};

struct options_command_entry {
    const char *name;
    const char *arguments; /* as shown in help: "FILE..." */
    const char *summary;   /* one line */
    const char *detail;    /* a paragraph, lines broken */
    size_t least, most;    /* arguments taken */
};

/* In the order of the enumeration. */
extern const struct options_command_entry options_commands[OPTIONS_COMMANDS];

enum options_kind {
    OPTIONS_FLAG,  /* bool */
    OPTIONS_TEXT,  /* const char *, as given */
    OPTIONS_COUNT, /* int64_t, digits only */
    OPTIONS_REAL,  /* double */
};

struct options_entry {
    const char *name;     /* without "--" */
    char letter;          /* 0: none */
    const char *argument; /* as shown in help; NULL for a flag */
    const char *help;     /* one line */
    unsigned commands;    /* bit 1 << enum options_command for each that takes it */
    enum options_kind kind;
    size_t offset;    /* of the value in struct options */
    double low, high; /* range of a number, both ends included ... */
    bool above;       /* ... but low itself is not */
};

/* Ends with an entry whose name is NULL. */
extern const struct options_entry options_table[];

/* Texts are those of argv. A number that was not given is what options_defaults
 * holds. */
struct options {
    enum options_command command;
    char **arguments; /* after the command, [argument_count] and NULL */
    size_t argument_count;
    bool help, version;

    bool json, quiet;
    const char *model, *library, *kernels;
    int64_t threads; /* 0: as many as the process may run on */

    bool no_model, mix;
    int64_t keep_every;
    const char *as_name;

    bool reread;
    const char *as_of;
    int64_t lanes, max_tokens; /* 0: the default */
    double temperature, top_p, min_p, repetition_penalty;
    int64_t top_k, seed;

    const char *so_far;
    bool own_words;

    int64_t rounds;
};

extern const struct options options_defaults;

/* Reorders argv. With --help or --version, arguments are not counted. ERROR_USAGE
 * with one line that names the option, its value and its range, or the nearest
 * name where one is unknown. */
bool options_parse(struct options *options, int argc, char **argv, struct error *error) WARN_UNUSED;

/* Of one command; OPTIONS_COMMANDS: of the program. */
void options_print_help(FILE *out, enum options_command command);
void options_print_usage(FILE *out); /* the short form */

/* OPTIONS_COMMANDS and an error that suggests the nearest when there is none. */
enum options_command options_find_command(const char *name, struct error *error);

#endif
