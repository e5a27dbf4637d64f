/* program.h: the programs that take documents apart: where they are, and running them. */
#ifndef TIDEMARK_DOCUMENT_PROGRAM_H
#define TIDEMARK_DOCUMENT_PROGRAM_H

#include "base/buffer.h"

#include <sys/types.h>

#define PROGRAM_EXTRACT "tidemark-extract"
#define PROGRAM_PDF "tidemark-pdf"

/* The path of the program `name`: in the folder that TIDEMARK_LIBEXEC names, in the
 * build folder when this program runs from there, else where it was installed beside
 * this program. False with ERROR_INPUT when it is not there, and what to do. */
bool program_find(struct buffer *path, const char *name, struct error *error) WARN_UNUSED;

/* Starts `path` with `input` as its standard input and a pipe, whose end is *output, as
 * its standard output; standard error goes nowhere. `arguments` follow its name and end in
 * NULL; its environment is empty but for what sanitizers read. */
bool program_start(pid_t *process, int *output, const char *path, const char *const *arguments,
                   int input, struct error *error) WARN_UNUSED;

#endif
