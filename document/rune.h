/* rune.h: what kind of character it is, and the character before or after a
 * place in a text. The text may be broken UTF-8: what is broken reads as U+FFFD. */
#ifndef TIDEMARK_DOCUMENT_RUNE_H
#define TIDEMARK_DOCUMENT_RUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNE_SOFT_HYPHEN 0x00ADu
#define RUNE_BYTE_ORDER_MARK 0xFEFFu

/* A space of any width or a tab; line ends are not blank. */
bool rune_is_blank(uint32_t rune);
bool rune_is_letter(uint32_t rune);
bool rune_is_upper(uint32_t rune);
bool rune_is_lower(uint32_t rune);
bool rune_is_digit(uint32_t rune);
bool rune_is_word(uint32_t rune); /* letter or digit, or a mark on one */

/* A letter of a script that is written without spaces between words. */
bool rune_is_wide(uint32_t rune);

/* An opening or closing quotation mark, straight or typographic. */
bool rune_is_quotation(uint32_t rune);
/* A quotation mark or a bracket, which may stand after a sentence's last mark. */
bool rune_is_closing(uint32_t rune);
/* . ! ? or one of their kin */
bool rune_ends_sentence(uint32_t rune);

/* The character at text[at..size), 0 when at == size; *length is its bytes. */
uint32_t rune_at(const char *text, size_t size, size_t at, size_t *length);
/* The character that ends at `at`, 0 at the beginning; *length is its bytes. */
uint32_t rune_before(const char *text, size_t at, size_t *length);

/* Bytes of blanks at the beginning of text[0..size), and its size without those
 * at the end. */
size_t rune_skip_blanks(const char *text, size_t size);
size_t rune_trim_blanks(const char *text, size_t size);

#endif
