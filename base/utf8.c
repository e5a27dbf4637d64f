#include "base/utf8.h"

/* The second byte's range depends on the first one (RFC 3629, section 4). */
static bool second_byte_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return second >= 0x80 && second <= 0xBF;
    }
}

static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

enum utf8_status utf8_decode(uint32_t *rune, size_t *length, const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t need = sequence_length(bytes[0]);
    *rune = UTF8_REPLACEMENT;
    *length = 1;
    if (need == 0)
        return UTF8_INVALID;
    if (need == 1) {
        *rune = bytes[0];
        return UTF8_VALID;
    }
    uint32_t value = bytes[0] & (0x7Fu >> need);
    for (size_t i = 1; i < need; i++) {
        *length = i;
        if (i == size)
            return UTF8_INCOMPLETE;
        bool fits = i == 1 ? second_byte_fits(bytes[0], bytes[1]) : (bytes[i] & 0xC0) == 0x80;
        if (!fits)
            return UTF8_INVALID;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    *length = need;
    *rune = value;
    return UTF8_VALID;
}

size_t utf8_encode(char bytes[UTF8_MAX_BYTES], uint32_t rune)
{
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune <= 0xDFFF))
        rune = UTF8_REPLACEMENT;
    if (rune < 0x80) {
        bytes[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        bytes[0] = (char)(0xC0 | rune >> 6);
        bytes[1] = (char)(0x80 | (rune & 0x3F));
        return 2;
    }
    if (rune < 0x10000) {
        bytes[0] = (char)(0xE0 | rune >> 12);
        bytes[1] = (char)(0x80 | (rune >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (rune & 0x3F));
        return 3;
    }
    bytes[0] = (char)(0xF0 | rune >> 18);
    bytes[1] = (char)(0x80 | (rune >> 12 & 0x3F));
    bytes[2] = (char)(0x80 | (rune >> 6 & 0x3F));
    bytes[3] = (char)(0x80 | (rune & 0x3F));
    return 4;
}

size_t utf8_incomplete_tail(const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char byte = (unsigned char)text[size - back];
        if ((byte & 0xC0) == 0x80)
            continue;
        uint32_t rune;
        size_t length;
        return utf8_decode(&rune, &length, text + size - back, back) == UTF8_INCOMPLETE ? back : 0;
    }
    return 0;
}

bool utf8_is_valid(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t length;
        if (utf8_decode(&rune, &length, text + at, size - at) != UTF8_VALID)
            return false;
        at += length;
    }
    return true;
}

size_t utf8_count(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

size_t utf8_floor(const char *text, size_t size, size_t at)
{
    if (at >= size)
        return size;
    size_t begin = at;
    while (begin > 0 && at - begin < UTF8_MAX_BYTES - 1 && continues(text[begin]))
        begin--;
    return continues(text[begin]) ? at : begin; /* too many for one character: none is cut */
}
