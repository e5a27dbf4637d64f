/* options.h: the command line: one table of commands and one of options, from
 * which come parsing, help, the shells' completions (completions.h) and the lists
 * of the manual page (manual.h).
 *
 *     struct options options;
 *     if (!options_parse(&options, argc, argv, &error)) ...
 *     if (options.help) options_print_help(stdout, options.command);
 *
 * Options may stand before or after the command and between its arguments; what
 * follows "--" is never an option. The word `open` can be left out (options_parse). */
#ifndef TIDEMARK_APP_OPTIONS_H
#define TIDEMARK_APP_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum options_command {
    OPTIONS_OPEN,
    OPTIONS_READ,
    OPTIONS_LS,
    OPTIONS_SHOW,
    OPTIONS_TEXT,
    OPTIONS_ASK,
    OPTIONS_SUM,
    OPTIONS_EXPORT,
    OPTIONS_RM,
    OPTIONS_VERIFY,
    OPTIONS_GC,
    OPTIONS_BACKUP,
    OPTIONS_RESTORE,
    OPTIONS_EVAL,
    OPTIONS_MODEL,
    OPTIONS_BENCH,
    OPTIONS_DOCTOR,
    OPTIONS_COMPLETIONS,
    OPTIONS_HELP,
    OPTIONS_COMMANDS, /* how many; as a value: no command was given */
};

/* What a word stands for, for whoever completes it. */
enum options_form {
    OPTIONS_FORM_FREE, /* nothing that could be listed */
    OPTIONS_FORM_FILE,
    OPTIONS_FORM_FOLDER,
    OPTIONS_FORM_DOCUMENT, /* of the library */
    OPTIONS_FORM_EITHER,   /* a file or a document */
    OPTIONS_FORM_COMMAND,  /* a name in options_commands */
    OPTIONS_FORM_CHOICE,   /* one of `choices` */
};

/* In the texts of both tables, `...` encloses what is typed as it is; words in
 * capitals that the arguments hold stand for these; sentences end with a period. */
struct options_command_entry {
    const char *name;
    const char *arguments;         /* as shown in help: "FILE..." */
    const char *summary;           /* one line, no capital, no period */
    const char *detail;            /* sentences, for help and manual */
    size_t least, most;            /* arguments taken */
    enum options_form first, rest; /* of the first argument and of all further ones */
    const char *choices;           /* words with blanks between them */
};

/* In the order of the enumeration. */
extern const struct options_command_entry options_commands[OPTIONS_COMMANDS];

enum options_kind {
    OPTIONS_FLAG,   /* bool */
    OPTIONS_STRING, /* const char *, as given */
    OPTIONS_COUNT,  /* int64_t, digits only */
    OPTIONS_REAL,   /* double */
    OPTIONS_BYTES,  /* int64_t: 500M, 4GiB; units are powers of 1024 */
};

#define OPTIONS_EVERY (~0u) /* commands of an option that each of them takes */
/* All but those that only print what the program holds: no model, library or result. */
#define OPTIONS_WORKING (~(1u << OPTIONS_COMPLETIONS | 1u << OPTIONS_HELP))

struct options_entry {
    const char *name;     /* without "--" */
    char letter;          /* 0: none */
    const char *argument; /* as shown in help; NULL for a flag */
    const char *help;     /* one line, no capital, no period */
    const char *detail;   /* sentences that the manual adds; may be NULL */
    unsigned commands;    /* bit 1 << enum options_command for each that takes it */
    enum options_kind kind;
    size_t offset;          /* of the value in struct options */
    double low, high;       /* range of a number, both ends included ... */
    bool above;             /* ... but low itself is not */
    enum options_form form; /* of the value */
    const char *choices;    /* words with blanks between them */
};

/* Ends with an entry whose name is NULL. */
extern const struct options_entry options_table[];

/* Whether all commands that work take it; the others may. */
bool options_is_common(const struct options_entry *entry);
/* Whether the command takes it and not all that work do. */
bool options_is_own(const struct options_entry *entry, int command);

/* Texts are those of argv. A number that was not given is what options_defaults
 * holds. */
struct options {
    enum options_command command;
    char **arguments; /* after the command, [argument_count] and NULL */
    size_t argument_count;
    bool help, version;

    bool json, quiet;
    const char *model, *library, *kernels, *backend;
    int64_t threads; /* 0: as many as the process may run on */

    bool no_model, mix, follow;
    int64_t keep_every;
    const char *as_name, *encoding;
    int64_t budget; /* of all states, bytes; -1: not given */

    bool raw, shred, force;

    const char *output, *type, *tokenizer, *calibrate;

    bool reread;
    const char *as_of;
    int64_t after;             /* a question's id; 0: none */
    int64_t lanes, max_tokens; /* 0: the default */
    double temperature, top_p, min_p, repetition_penalty;
    int64_t top_k, seed;

    const char *so_far;
    bool own_words, chapter;

    int64_t rounds;
    bool sweep;

    const char *script;
    bool no_read;
};

extern const struct options options_defaults;

/* Reorders argv. With --help or --version, arguments are not counted. A first word that
 * is no command's name stands after an `open` that was left out if it is the path of a
 * file that is there (no folder), or --script is given. ERROR_USAGE with one line that
 * names the option, its value and its range, or the nearest name where one is unknown. */
bool options_parse(struct options *options, int argc, char **argv, struct error *error) WARN_UNUSED;

/* The same where input and output are a terminal: `open` may be left out also before any
 * word that is not near to a command's name, and when there is no word at all. */
bool options_parse_at_terminal(struct options *options, int argc, char **argv,
                               struct error *error) WARN_UNUSED;

/* Of one command; OPTIONS_COMMANDS: of the program. */
void options_print_help(FILE *out, enum options_command command);
void options_print_usage(FILE *out); /* the short form */

/* OPTIONS_COMMANDS and an error that suggests the nearest when there is none. */
enum options_command options_find_command(const char *name, struct error *error);

#endif
