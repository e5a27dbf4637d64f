/* completions_private.h: what the three shells' scripts share; private to
 * completions*.c. */
#ifndef TIDEMARK_APP_COMPLETIONS_PRIVATE_H
#define TIDEMARK_APP_COMPLETIONS_PRIVATE_H

#include "app/options.h"

#include <stdio.h>

void completions_bash(FILE *out);
void completions_zsh(FILE *out);
void completions_fish(FILE *out);

/* A line of `tidemark ls --json`: its number and its name, escaped as JSON has it.
 * Extended regular expressions; in the second, what makes a name unfit to be offered
 * (completions.h). Neither holds a single quote. */
#define COMPLETIONS_DOCUMENT "^\\{\"id\": ([0-9]+), \"name\": \"(([^\"\\\\]|\\\\.)*)\""
#define COMPLETIONS_UNFIT                                                                          \
    "^-|^[0-9]*$|\\\\[^u\"]|"                                                                      \
    "\\\\u(00[0189]|007[Ff]|061[Cc]|200[B-Fb-f]|202[89A-Ea-e]|206|[Dd][89A-Fa-f]|[Ff][Ee][Ff][Ff]" \
    ")"

/* Text between single quotes of a shell; `escapes` are characters that get a backslash
 * before them. bash and zsh write a quote itself as '\'', fish as \'. */
void completions_quote(FILE *out, const char *text, const char *escapes, const char *quote);

#endif
