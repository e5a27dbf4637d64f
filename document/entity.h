/* entity.h: the characters that HTML has names or numbers for. */
#ifndef TIDEMARK_DOCUMENT_ENTITY_H
#define TIDEMARK_DOCUMENT_ENTITY_H

#include <stddef.h>
#include <stdint.h>

/* Of "&name;", "&#8211;" or "&#x2013;". 0 for what is not known here or no character. */
uint32_t entity_rune(const char *text, size_t size);

#endif
