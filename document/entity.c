#include "document/entity.h"

#include <stdbool.h>
#include <string.h>

/* The names that people type (HTML has two thousand). */
static const struct {
    char name[8];
    uint32_t rune;
} names[] = {
    {"Agrave", 0xC0},   {"Aring", 0xC5},   {"Auml", 0xC4},    {"Ccedil", 0xC7},  {"Eacute", 0xC9},
    {"Ouml", 0xD6},     {"Oslash", 0xD8},  {"Uuml", 0xDC},    {"aacute", 0xE1},  {"acirc", 0xE2},
    {"aelig", 0xE6},    {"agrave", 0xE0},  {"amp", '&'},      {"apos", '\''},    {"aring", 0xE5},
    {"auml", 0xE4},     {"bull", 0x2022},  {"ccedil", 0xE7},  {"cent", 0xA2},    {"copy", 0xA9},
    {"dagger", 0x2020}, {"deg", 0xB0},     {"divide", 0xF7},  {"eacute", 0xE9},  {"ecirc", 0xEA},
    {"egrave", 0xE8},   {"emsp", 0x2003},  {"ensp", 0x2002},  {"euml", 0xEB},    {"euro", 0x20AC},
    {"frac12", 0xBD},   {"frac14", 0xBC},  {"frac34", 0xBE},  {"ge", 0x2265},    {"gt", '>'},
    {"hellip", 0x2026}, {"iacute", 0xED},  {"iexcl", 0xA1},   {"infin", 0x221E}, {"iquest", 0xBF},
    {"laquo", 0xAB},    {"larr", 0x2190},  {"ldquo", 0x201C}, {"le", 0x2264},    {"lsquo", 0x2018},
    {"lt", '<'},        {"mdash", 0x2014}, {"micro", 0xB5},   {"middot", 0xB7},  {"minus", 0x2212},
    {"nbsp", 0xA0},     {"ndash", 0x2013}, {"ne", 0x2260},    {"ntilde", 0xF1},  {"oacute", 0xF3},
    {"ocirc", 0xF4},    {"oelig", 0x153},  {"ordf", 0xAA},    {"ordm", 0xBA},    {"oslash", 0xF8},
    {"ouml", 0xF6},     {"para", 0xB6},    {"plusmn", 0xB1},  {"pound", 0xA3},   {"quot", '"'},
    {"raquo", 0xBB},    {"rarr", 0x2192},  {"rdquo", 0x201D}, {"reg", 0xAE},     {"rsquo", 0x2019},
    {"sect", 0xA7},     {"sup2", 0xB2},    {"sup3", 0xB3},    {"szlig", 0xDF},   {"thinsp", 0x2009},
    {"times", 0xD7},    {"trade", 0x2122}, {"uacute", 0xFA},  {"ugrave", 0xF9},  {"uuml", 0xFC},
    {"yen", 0xA5},
};

static uint32_t of_number(const char *digits, size_t size, unsigned base)
{
    uint32_t rune = 0;
    for (size_t i = 0; i < size; i++) {
        char c = digits[i];
        unsigned value = c >= '0' && c <= '9'                 ? (unsigned)(c - '0')
                         : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10)
                                                              : 16;
        if (value >= base || (rune = rune * base + value) > 0x10FFFF)
            return 0;
    }
    bool control = rune < ' ' || (rune >= 0x7F && rune <= 0x9F);
    return control || (rune >= 0xD800 && rune <= 0xDFFF) ? 0 : rune;
}

uint32_t entity_rune(const char *text, size_t size)
{
    if (size < 3 || text[0] != '&' || text[size - 1] != ';')
        return 0;
    if (size > 4 && text[1] == '#' && (text[2] | 32) == 'x')
        return of_number(text + 3, size - 4, 16);
    if (size > 3 && text[1] == '#')
        return of_number(text + 2, size - 3, 10);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == size - 2 && memcmp(names[i].name, text + 1, size - 2) == 0)
            return names[i].rune;
    return 0;
}
