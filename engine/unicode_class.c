#include "engine/unicode_class.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The property White_Space of the Unicode character database: the separators
 * (categories Zs, Zl, Zp) and these controls. */
static bool is_space_control(uint32_t rune)
{
    return (rune >= 0x09 && rune <= 0x0D) || rune == 0x85;
}

static enum unicode_class classify(uint32_t rune)
{
    if (is_space_control(rune))
        return UNICODE_CLASS_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)rune)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return UNICODE_CLASS_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return UNICODE_CLASS_NUMBER;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return UNICODE_CLASS_PUNCTUATION;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return UNICODE_CLASS_SPACE;
    default:
        return UNICODE_CLASS_OTHER;
    }
}

bool unicode_class_build(struct unicode_class_table *table, struct error *error)
{
    unsigned char(*classes)[UNICODE_CLASS_BLOCK] = calloc(UNICODE_CLASS_BLOCKS, sizeof *classes);
    if (!classes)
        return error_out_of_memory(error);
    size_t kept = 0;
    for (uint32_t block = 0; block < UNICODE_CLASS_BLOCKS; block++) {
        for (uint32_t i = 0; i < UNICODE_CLASS_BLOCK; i++)
            classes[kept][i] = (unsigned char)classify(block * UNICODE_CLASS_BLOCK + i);
        size_t same = 0;
        while (memcmp(classes[same], classes[kept], sizeof *classes) != 0)
            same++;
        table->block[block] = (uint16_t)same;
        kept += same == kept;
    }
    unsigned char(*shrunk)[UNICODE_CLASS_BLOCK] = realloc(classes, kept * sizeof *classes);
    table->classes = shrunk ? shrunk : classes;
    return true;
}

void unicode_class_free(struct unicode_class_table *table)
{
    free(table->classes);
    table->classes = NULL;
}
