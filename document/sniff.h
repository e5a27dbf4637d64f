/* sniff.h: is a file text, and if it is not, what does it seem to be? */
#ifndef TIDEMARK_DOCUMENT_SNIFF_H
#define TIDEMARK_DOCUMENT_SNIFF_H

#include "base/error.h"

#include <stddef.h>

/* Looks at the first bytes of the file that errors call `file`. False with ERROR_INPUT
 * and a line that says what the file is and what to do when they are a signature that
 * no text begins with. */
bool sniff_text(const char *file, const char *bytes, size_t size, struct error *error) WARN_UNUSED;

/* Fills *error for a file that was found to be no text because of `why` ("it holds
 * NUL bytes"), naming what it seems to be; returns false. */
bool sniff_refuse(const char *file, const char *bytes, size_t size, const char *why,
                  struct error *error);

#endif
