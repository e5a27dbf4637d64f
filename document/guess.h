/* guess.h: the encoding of a text that does not say it and is not UTF-8.
 *
 * uchardet is asked for the text and for parts of it. It confuses encodings of one
 * family, and errs on short texts; so its answer is one candidate among the encodings
 * that are common, with a head start. Each is judged by what the text would be in it
 * (plausible.h), and the best wins. Where uchardet has no answer and nothing fits, it
 * is windows-1252. */
#ifndef TIDEMARK_DOCUMENT_GUESS_H
#define TIDEMARK_DOCUMENT_GUESS_H

#include "document/encoding.h"

/* Fills in everything. *text is false when no encoding explains the bytes. The
 * confidence is in percent: how much likelier it is than the next one that would say
 * something else, how well the text fits a language, and whether uchardet agrees.
 * Few bytes beyond ASCII make it low. False when out of memory. */
bool guess_encoding(struct encoding *encoding, bool *text, const char *bytes, size_t size,
                    struct error *error) WARN_UNUSED;

#endif
