/* child.h: programs that take the terminal over for a while. The workers go on; the
 * reader waits for the program's end. */
#ifndef TIDEMARK_UI_CHILD_H
#define TIDEMARK_UI_CHILD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Shows a text in $PAGER (else less, else more), made visible and in a file of its own
 * that only the user may read. */
bool child_page(const char *text, size_t size, struct error *error) WARN_UNUSED;

/* Opens a file in $VISUAL, else $EDITOR, else vi, at a line from 1. */
bool child_edit(const char *path, int64_t line, struct error *error) WARN_UNUSED;

#endif
