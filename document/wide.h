/* wide.h: UTF-16 and UTF-32 without a byte order mark. */
#ifndef TIDEMARK_DOCUMENT_WIDE_H
#define TIDEMARK_DOCUMENT_WIDE_H

#include <stddef.h>

/* "UTF-16LE", "UTF-16BE", "UTF-32LE" or "UTF-32BE" when bytes[0..size), a file's
 * beginning, can hardly be anything else; else NULL. It is one when nearly all of its
 * characters are such as texts are made of, and many of them are blanks, line ends, the
 * commas and full stops of Chinese and Japanese, or letters with a zero byte; when few
 * of them could be two letters of ASCII; and when the other order of bytes says less.
 * *confidence is in percent. */
const char *wide_find(unsigned *confidence, const char *bytes, size_t size);

#endif
