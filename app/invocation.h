/* invocation.h: command lines for the user to type, in what is printed.
 *
 *     struct output line = {0};
 *     invocation_append(&line, OPTIONS_READ, options);
 *     output_format(&line, " ");
 *     invocation_arguments(&line, paths);
 *
 * Words are quoted as a shell needs it (output_word). */
#ifndef TIDEMARK_APP_INVOCATION_H
#define TIDEMARK_APP_INVOCATION_H

#include "app/options.h"
#include "app/output.h"

/* "tidemark NAME" and, in the table's order, the options that were given and that matter:
 * where `command` is the one that was run, each of its own and of all commands' but those
 * on how it prints; for another, those that say which library and model. */
void invocation_append(struct output *out, enum options_command command,
                       const struct options *options);

/* The words up to NULL with blanks between them, after "--" where one would be an option. */
void invocation_arguments(struct output *out, const char *const *words);

/* A document as a DOC that finds it: by its name, or by its number where the name is not
 * shown as the bytes that it is, or would be taken for a number or an option. */
void invocation_document(struct output *out, int64_t id, const char *name);

#endif
