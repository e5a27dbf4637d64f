/* completions.h: what makes a shell complete tidemark's command line, made from the
 * tables of options.h.
 *
 * Documents are completed with the names that `tidemark ls --json` prints at that
 * time. Their names come from anywhere: no script evaluates one; a name that holds
 * a control or direction character, a backslash or a character beyond U+FFFF, begins
 * with "-" or is a number is offered as the document's number instead. */
#ifndef TIDEMARK_APP_COMPLETIONS_H
#define TIDEMARK_APP_COMPLETIONS_H

#include "base/error.h"

#include <stdio.h>

/* shell: "bash", "zsh" or "fish"; ERROR_USAGE for any other. */
bool completions_print(FILE *out, const char *shell, struct error *error) WARN_UNUSED;

#endif
