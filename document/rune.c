#include "document/rune.h"

#include "base/utf8.h"

#include <utf8proc.h>

bool rune_is_blank(uint32_t rune)
{
    if (rune < 0x80)
        return rune == ' ' || rune == '\t' || rune == '\v';
    return utf8proc_category((utf8proc_int32_t)rune) == UTF8PROC_CATEGORY_ZS;
}

static bool is_ascii_upper(uint32_t rune)
{
    return rune >= 'A' && rune <= 'Z';
}

static bool is_ascii_lower(uint32_t rune)
{
    return rune >= 'a' && rune <= 'z';
}

bool rune_is_letter(uint32_t rune)
{
    if (rune < 0x80)
        return is_ascii_upper(rune) || is_ascii_lower(rune);
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)rune);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool rune_is_upper(uint32_t rune)
{
    if (rune < 0x80)
        return is_ascii_upper(rune);
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)rune);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT;
}

bool rune_is_lower(uint32_t rune)
{
    if (rune < 0x80)
        return is_ascii_lower(rune);
    return utf8proc_category((utf8proc_int32_t)rune) == UTF8PROC_CATEGORY_LL;
}

bool rune_is_digit(uint32_t rune)
{
    if (rune < 0x80)
        return rune >= '0' && rune <= '9';
    return utf8proc_category((utf8proc_int32_t)rune) == UTF8PROC_CATEGORY_ND;
}

bool rune_is_word(uint32_t rune)
{
    if (rune < 0x80)
        return rune_is_letter(rune) || rune_is_digit(rune);
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)rune);
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO;
}

bool rune_is_wide(uint32_t rune)
{
    return rune >= 0x2E80 && utf8proc_charwidth((utf8proc_int32_t)rune) == 2 &&
           utf8proc_category((utf8proc_int32_t)rune) != UTF8PROC_CATEGORY_SO;
}

bool rune_is_quotation(uint32_t rune)
{
    if (rune < 0x80)
        return rune == '"' || rune == '\'';
    return rune == 0xAB || rune == 0xBB || (rune >= 0x2018 && rune <= 0x201F) || rune == 0x2039 ||
           rune == 0x203A;
}

bool rune_is_closing(uint32_t rune)
{
    return rune == ')' || rune == ']' || rune == '*' || rune == '_' || rune_is_quotation(rune);
}

bool rune_ends_sentence(uint32_t rune)
{
    switch (rune) {
    case '.':
    case '!':
    case '?':
    case 0x2026: /* horizontal ellipsis */
    case 0x3002: /* ideographic full stop */
    case 0xFF01: /* fullwidth ! and ? */
    case 0xFF1F:
    case 0x06D4: /* Arabic full stop and question mark */
    case 0x061F:
    case 0x0964: /* danda */
        return true;
    default:
        return false;
    }
}

uint32_t rune_at(const char *text, size_t size, size_t at, size_t *length)
{
    *length = 0;
    if (at >= size)
        return 0;
    *length = 1;
    uint32_t rune = (unsigned char)text[at];
    if (rune >= 0x80)
        utf8_decode(&rune, length, text + at, size - at);
    return rune;
}

uint32_t rune_before(const char *text, size_t at, size_t *length)
{
    *length = 0;
    if (at == 0)
        return 0;
    *length = 1;
    uint32_t rune = (unsigned char)text[at - 1];
    if (rune < 0x80)
        return rune;
    size_t back = 1;
    while (back < UTF8_MAX_BYTES && back < at && ((unsigned char)text[at - back] & 0xC0) == 0x80)
        back++;
    utf8_decode(&rune, length, text + at - back, back);
    if (*length != back) {
        *length = 1;
        rune = UTF8_REPLACEMENT;
    }
    return rune;
}

size_t rune_skip_blanks(const char *text, size_t size)
{
    size_t at = 0, length;
    while (at < size && rune_is_blank(rune_at(text, size, at, &length)))
        at += length;
    return at;
}

size_t rune_trim_blanks(const char *text, size_t size)
{
    size_t length;
    while (size > 0 && rune_is_blank(rune_before(text, size, &length)))
        size -= length;
    return size;
}
