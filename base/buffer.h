/* buffer.h: a byte string that grows. Always NUL-terminated once it holds
 * memory, so that .data can be read as a C string; a zeroed struct is an empty
 * buffer. The buffer owns .data; buffer_free releases it. */
#ifndef TIDEMARK_BASE_BUFFER_H
#define TIDEMARK_BASE_BUFFER_H

#include "base/error.h"

#include <stddef.h>

struct buffer {
    char *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated, at least size + 1 when data is set */
};

bool buffer_reserve(struct buffer *buffer, size_t more, struct error *error) WARN_UNUSED;
bool buffer_append(struct buffer *buffer, const void *bytes, size_t size,
                   struct error *error) WARN_UNUSED;
bool buffer_append_text(struct buffer *buffer, const char *text, struct error *error) WARN_UNUSED;
bool buffer_append_byte(struct buffer *buffer, char byte, struct error *error) WARN_UNUSED;
bool buffer_append_format(struct buffer *buffer, struct error *error, const char *format, ...)
    PRINTF_LIKE(3, 4) WARN_UNUSED;

/* Unsigned LEB128, seven bits a byte, low ones first. */
bool buffer_append_varint(struct buffer *buffer, unsigned long long value,
                          struct error *error) WARN_UNUSED;

void buffer_clear(struct buffer *buffer); /* keeps the memory */
void buffer_free(struct buffer *buffer);  /* leaves an empty buffer */

#endif
