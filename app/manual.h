/* manual.h: the manual page, made of a template written by hand and of what the
 * tables of options.h and of ui/action.h say.
 *
 * In the template (docs/tidemark.1.in, mdoc), each of these lines stands for a part
 * that is made from the tables; all others pass as they are:
 *
 *     @SYNOPSIS@          every command with its own options
 *     @COMMANDS@          a list of the commands, with what they do
 *     @COMMON OPTIONS@    a list of the options that every command takes
 *     @OPTIONS@           a subsection with a list for each command with own options
 *     @KEYS@              a subsection with a list for each group of the reader's actions */
#ifndef TIDEMARK_APP_MANUAL_H
#define TIDEMARK_APP_MANUAL_H

#include "base/error.h"

#include <stdio.h>

/* ERROR_INPUT when the template holds another line that begins with "@", or lacks one
 * of these. */
bool manual_write(FILE *out, FILE *page, struct error *error) WARN_UNUSED;

#endif
