/* utf8.h: UTF-8 one character at a time (RFC 3629; the Unicode Standard's
 * "maximal subpart" rule for what is broken). */
#ifndef TIDEMARK_BASE_UTF8_H
#define TIDEMARK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xFFFDu
#define UTF8_MAX_BYTES 4

enum utf8_status {
    UTF8_VALID,
    UTF8_INVALID,    /* *length bytes (at least one) can never become a character */
    UTF8_INCOMPLETE, /* the text ends inside what may still become a character */
};

/* Decodes the character at text[0..size), size > 0. *length is what it takes;
 * *rune is UTF8_REPLACEMENT unless the status is UTF8_VALID. */
enum utf8_status utf8_decode(uint32_t *rune, size_t *length, const char *text, size_t size);

/* Writes one character (a surrogate or a value above 10FFFF as U+FFFD) and
 * returns its bytes, 1 to 4. No terminator. */
size_t utf8_encode(char bytes[UTF8_MAX_BYTES], uint32_t rune);

/* How many bytes at the end of text[0..size) begin a character that is not
 * complete yet: 0 to 3. Output that is held back by so many never splits one. */
size_t utf8_incomplete_tail(const char *text, size_t size);

bool utf8_is_valid(const char *text, size_t size);

/* Characters in valid UTF-8. */
size_t utf8_count(const char *text, size_t size);

/* The largest offset <= at that does not lie inside a character: at most UTF8_MAX_BYTES - 1
 * before it, whatever the bytes are. */
size_t utf8_floor(const char *text, size_t size, size_t at);

#endif
