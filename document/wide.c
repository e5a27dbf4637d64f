#include "document/wide.h"

#include "document/decoder.h"

#include <stdbool.h>
#include <stdint.h>
#include <utf8proc.h>

struct census {
    size_t units;
    size_t bad;    /* no characters, or none that a text has */
    size_t spaces; /* blanks, line ends, ideographic punctuation */
    size_t latin;  /* letters, digits and punctuation of ASCII */
    size_t plain;  /* would be two letters of ASCII, if they were single bytes */
};

static bool is_text(uint32_t rune)
{
    if (rune == DECODER_INVALID || rune == 0)
        return false;
    if (rune < ' ')
        return rune >= '\t' && rune <= '\r';
    switch (utf8proc_category((utf8proc_int32_t)rune)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
        return false;
    default:
        return true;
    }
}

static bool is_space(uint32_t rune)
{
    return rune == ' ' || rune == '\n' || rune == '\r' || (rune >= 0x3000 && rune <= 0x3002) ||
           rune == 0xFF0C || rune == 0xFF0E;
}

/* Not 0: it is the first byte of all kana. */
static bool is_plain(uint32_t byte)
{
    return byte == ' ' || (byte >= '1' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= 'a' && byte <= 'z');
}

static uint32_t read_unit(const unsigned char *bytes, size_t width, bool big)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < width; i++)
        unit |= (uint32_t)bytes[i] << 8 * (big ? width - 1 - i : i);
    return unit;
}

/* Whole units only: a last one may be cut. */
static struct census count(const unsigned char *bytes, size_t size, size_t width, bool big)
{
    struct census census = {0};
    for (size_t at = 0; size - at >= width; at += width) {
        uint32_t rune = read_unit(bytes + at, width, big);
        bool high = width == 2 && rune >= 0xD800 && rune <= 0xDBFF;
        census.units++;
        if (high && size - at < 2 * width)
            break;
        if (high) {
            uint32_t low = read_unit(bytes + at + width, width, big);
            bool pair = low >= 0xDC00 && low <= 0xDFFF;
            rune = pair ? 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00) : DECODER_INVALID;
            at += pair ? width : 0;
        }
        census.bad += rune > 0x10FFFF || !is_text(rune);
        census.spaces += is_space(rune);
        census.latin += rune > ' ' && rune < 0x7F;
        census.plain += width == 2 && is_plain(rune & 0xFF) && is_plain(rune >> 8);
    }
    return census;
}

static bool is_likely(const struct census *census)
{
    return census->units >= 2 && census->bad * 50 <= census->units &&
           census->plain * 3 <= census->units &&
           (census->spaces * 100 >= census->units || census->latin * 10 >= census->units) &&
           census->spaces + census->latin > 0;
}

const char *wide_find(unsigned *confidence, const char *bytes, size_t size)
{
    static const struct {
        const char *name;
        size_t width;
        bool big;
    } orders[] = {
        {"UTF-32LE", 4, false},
        {"UTF-32BE", 4, true},
        {"UTF-16LE", 2, false},
        {"UTF-16BE", 2, true},
    };
    const unsigned char *from = (const unsigned char *)bytes;
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct census census = count(from, size, orders[i].width, orders[i].big);
        struct census other = count(from, size, orders[i].width, !orders[i].big);
        size_t certain = census.spaces + census.latin, against = other.spaces + other.latin;
        if (!is_likely(&census) || (is_likely(&other) && against >= certain))
            continue;
        *confidence = census.units < 8 ? 60 : census.bad > 0 || against * 10 > certain ? 85 : 98;
        return orders[i].name;
    }
    return NULL;
}
