/* configuration.h: what the user's configuration file says (place.h: where it lies).
 *
 *     struct configuration configuration;
 *     if (!configuration_read(&configuration, &error)) ...
 *     configuration_free(&configuration);
 *
 * The file is an INI file of lines `key = value`: in no section or in [tidemark] those
 * for all commands, in [reader] those of the terminal reader, in [keys] what its keys do.
 * docs/tidemark.1, CONFIGURATION, lists them. */
#ifndef TIDEMARK_APP_WORK_CONFIGURATION_H
#define TIDEMARK_APP_WORK_CONFIGURATION_H

#include "base/buffer.h"

#include <stdint.h>

/* A line of [keys]: "ask = a <F2>". Neither side is checked here. All up to the line's end
 * is the value: a semicolon is a key, and begins a comment only at the line's beginning. */
struct configuration_binding {
    char *action;
    char *keys; /* may be empty: no key */
    int line;   /* of the file, from 1 */
};

struct configuration {
    char *path;                             /* of the file; NULL when there is none */
    struct buffer model;                    /* path or name of a model; empty: not set */
    int64_t budget;                         /* bytes for all states; -1: not set */
    struct buffer theme;                    /* [reader] theme; empty: not set, not checked here */
    int mouse;                              /* [reader] mouse = yes or no; -1: not set */
    struct configuration_binding *bindings; /* in the order of the file */
    size_t binding_count;
};

/* All is unset when there is no file. ERROR_USAGE with file and line for a file that
 * cannot be read, a key that is not known or given twice, a value that is not fit. */
bool configuration_read(struct configuration *configuration, struct error *error) WARN_UNUSED;
void configuration_free(struct configuration *configuration);

#endif
