/* sandbox.h: what a program that takes a hostile document apart may do.
 *
 * It has the document as standard input and a pipe as standard output. After
 * sandbox_enter it may read the one, write the other, use memory and end: the system
 * calls for anything else fail (seccomp); no network, no new processes, no new files, no
 * executable memory. Memory, open files and processor time are limited. A program with
 * `folders` may also read the files below these, by Landlock. Where the kernel has none
 * (before 5.13), no file can be opened, and sandbox_missed tells when one was needed. */
#ifndef TIDEMARK_EXTRACT_SANDBOX_H
#define TIDEMARK_EXTRACT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

struct sandbox_limits {
    size_t memory;         /* bytes of address space; not under a sanitizer, which maps terabytes */
    unsigned step_seconds; /* of processor time between two calls of sandbox_step */
    unsigned total_seconds;     /* of processor time in all */
    const char *const *folders; /* NULL: no file can be opened; else NULL-terminated */
};

/* False, with what could not be done in *why, when the process is not confined. */
bool sandbox_enter(const struct sandbox_limits *limits, const char **why);

/* Whether the opening of a file below one of the folders was refused since sandbox_enter,
 * for want of Landlock: what was made without it may lack text. */
bool sandbox_missed(void);

/* The work has come a step further: the clock of step_seconds starts again. When it
 * runs out the process is killed by SIGVTALRM. */
void sandbox_step(void);

#endif
