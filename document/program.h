/* program.h: the programs that take documents apart: where they are, and running them. */
#ifndef TIDEMARK_DOCUMENT_PROGRAM_H
#define TIDEMARK_DOCUMENT_PROGRAM_H

#include "base/buffer.h"

#include <stdatomic.h>
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

/* Whether the kernel has Landlock, by which tidemark-pdf may open poppler's tables and no
 * other file; else it opens none. */
bool program_may_open_tables(void);

/* How many seconds a program may say nothing and be waited for: TIDEMARK_PATIENCE, else
 * 300. Processor time is limited elsewhere (extract/sandbox.h); this ends what sleeps. */
unsigned program_patience(void);

enum program_wait { PROGRAM_READY, PROGRAM_CANCELLED, PROGRAM_SILENT };

/* Waits until there is something to read, or the end, for as long as program_patience says.
 * Time in which this program itself was stopped does not count. */
enum program_wait program_wait(int output, const atomic_bool *cancel);

/* Ends the process, unless *process is 0, and sets that to 0. Gives its status as waitpid
 * does; `kill_it`: it may still be running. */
int program_end(pid_t *process, bool kill_it);

/* Appends what such a status says of the end of `name` before its work was done. */
bool program_explain(struct buffer *text, const char *name, int status,
                     struct error *error) WARN_UNUSED;

#endif
