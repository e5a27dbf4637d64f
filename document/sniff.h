/* sniff.h: is a file text, and if it is not, what does it seem to be? */
#ifndef TIDEMARK_DOCUMENT_SNIFF_H
#define TIDEMARK_DOCUMENT_SNIFF_H

#include "base/error.h"

#include <stddef.h>

#define SNIFF_SIZE 65536 /* as much of a file's beginning as is looked at */

/* Looks at the first bytes of the file `path`: all of SNIFF_SIZE, or the whole
 * file when it is shorter. False with ERROR_INPUT and a line that says what the
 * file seems to be and what to do, unless they are UTF-8 text. */
bool sniff_text(const char *path, const char *bytes, size_t size, struct error *error) WARN_UNUSED;

#endif
