/* unicode_class.h: which of five classes a character belongs to, as the patterns
 * of a byte-level tokenizer tell them apart: \p{L}, \p{N}, \p{P}, \s (the property
 * White_Space) and everything else. The classes exclude one another. */
#ifndef TIDEMARK_ENGINE_UNICODE_CLASS_H
#define TIDEMARK_ENGINE_UNICODE_CLASS_H

#include "base/error.h"

#include <stdint.h>

#define UNICODE_CLASS_BLOCK 256
#define UNICODE_CLASS_BLOCKS (0x110000 / UNICODE_CLASS_BLOCK)

enum unicode_class {
    UNICODE_CLASS_OTHER,
    UNICODE_CLASS_LETTER,
    UNICODE_CLASS_NUMBER,
    UNICODE_CLASS_SPACE,
    UNICODE_CLASS_PUNCTUATION,
};

/* Most of Unicode's 4,352 blocks of 256 characters are alike: each distinct one
 * is kept once. */
struct unicode_class_table {
    uint16_t block[UNICODE_CLASS_BLOCKS];
    unsigned char (*classes)[UNICODE_CLASS_BLOCK];
};

/* Takes a few milliseconds. The caller frees the table with unicode_class_free. */
bool unicode_class_build(struct unicode_class_table *table, struct error *error) WARN_UNUSED;
void unicode_class_free(struct unicode_class_table *table);

/* rune <= 0x10FFFF */
static inline enum unicode_class unicode_class_of(const struct unicode_class_table *table,
                                                  uint32_t rune)
{
    uint16_t block = table->block[rune / UNICODE_CLASS_BLOCK];
    return (enum unicode_class)table->classes[block][rune % UNICODE_CLASS_BLOCK];
}

#endif
