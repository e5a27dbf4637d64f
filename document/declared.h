/* declared.h: the encoding that a text itself names at its beginning.
 *
 *     <?xml version="1.0" encoding="koi8-r"?>
 *     <meta charset="koi8-r">, <meta http-equiv=... content="text/html; charset=koi8-r">
 *     # -*- coding: koi8-r -*-                   in the first two lines
 *     # vim: set fileencoding=koi8-r             in the first or last five lines
 *     Content-Type: text/plain; charset=koi8-r   above the first empty line
 *     Character set encoding: ISO-8859-1 */
#ifndef TIDEMARK_DOCUMENT_DECLARED_H
#define TIDEMARK_DOCUMENT_DECLARED_H

#include <stdbool.h>
#include <stddef.h>

#define DECLARED_NAME_SIZE 48

/* Looks at bytes[0..size), a file's beginning, or all of it (`whole`): then its last
 * lines count, too. False when nothing is declared. */
bool declared_find(char name[DECLARED_NAME_SIZE], const char *bytes, size_t size, bool whole);

#endif
