#include "ui/stroke.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The first name of a key is the one that it is given. */
static const struct key {
    const char *name;
    uint32_t stroke;
} keys[] = {
    {"Tab", STROKE_TAB},
    {"Enter", STROKE_ENTER},
    {"CR", STROKE_ENTER},
    {"Escape", STROKE_ESCAPE},
    {"Esc", STROKE_ESCAPE},
    {"Space", STROKE_SPACE},
    {"lt", '<'},
    {"Backspace", STROKE_BACKSPACE},
    {"BS", STROKE_BACKSPACE},
    {"Up", STROKE_UP},
    {"Down", STROKE_DOWN},
    {"Left", STROKE_LEFT},
    {"Right", STROKE_RIGHT},
    {"Home", STROKE_HOME},
    {"End", STROKE_END},
    {"PageUp", STROKE_PAGE_UP},
    {"PageDown", STROKE_PAGE_DOWN},
    {"Insert", STROKE_INSERT},
    {"Delete", STROKE_DELETE},
    {"Del", STROKE_DELETE},
    {"S-Tab", STROKE_BACK_TAB},
    {"F1", STROKE_F1},
    {"F2", STROKE_F1 + 1},
    {"F3", STROKE_F1 + 2},
    {"F4", STROKE_F1 + 3},
    {"F5", STROKE_F1 + 4},
    {"F6", STROKE_F1 + 5},
    {"F7", STROKE_F1 + 6},
    {"F8", STROKE_F1 + 7},
    {"F9", STROKE_F1 + 8},
    {"F10", STROKE_F1 + 9},
    {"F11", STROKE_F1 + 10},
    {"F12", STROKE_F12},
};

enum { KEYS = sizeof keys / sizeof keys[0] };

/* --- parsing -------------------------------------------------------------------------- */

/* A character that is its own name; returns its bytes, 0 for none. */
static size_t parse_character(uint32_t *stroke, const char *text, size_t size)
{
    size_t length;
    if (size == 0 || utf8_decode(stroke, &length, text, size) != UTF8_VALID)
        return 0;
    return stroke_is_character(*stroke) && *stroke != ' ' && *stroke != '<' ? length : 0;
}

/* What stands between the brackets behind "C-": the keys from "@" to "_", and letters. */
static bool parse_control(uint32_t *stroke, const char *text, size_t size)
{
    if (size != 1 || text[0] < '@' || text[0] > 'z' || text[0] == '`')
        return false;
    *stroke = STROKE_CTRL(text[0]);
    return true;
}

/* What stands between the brackets. */
static bool parse_key(uint32_t *stroke, const char *text, size_t size)
{
    uint32_t alt = 0;
    if (size > 2 && text[1] == '-' && strchr("AaMm", text[0])) {
        alt = STROKE_ALT;
        text += 2;
        size -= 2;
    }
    bool found = false;
    if (size > 2 && text[1] == '-' && (text[0] == 'C' || text[0] == 'c'))
        found = parse_control(stroke, text + 2, size - 2);
    else if (alt)
        found = parse_character(stroke, text, size) == size;
    for (size_t i = 0; i < KEYS && !found; i++)
        if (strlen(keys[i].name) == size && strncasecmp(keys[i].name, text, size) == 0) {
            *stroke = keys[i].stroke;
            found = true;
        }
    if (found)
        *stroke |= alt;
    return found;
}

/* The name at the beginning of the text; returns its bytes, 0 for none. */
static size_t parse_name(uint32_t *stroke, const char *text, size_t size)
{
    if (size == 0 || text[0] != '<')
        return parse_character(stroke, text, size);
    /* "<A->>": the key itself may be what ends a name. */
    for (size_t end = 2; end < size && end < 16 && text[end - 1] != ' '; end++)
        if (text[end] == '>' && parse_key(stroke, text + 1, end - 1))
            return end + 1;
    return 0;
}

bool stroke_parse(uint32_t strokes[STROKE_SEQUENCE], size_t *count, const char *text, size_t size)
{
    *count = 0;
    for (size_t at = 0; at < size;) {
        uint32_t stroke = 0;
        size_t length = parse_name(&stroke, text + at, size - at);
        if (length == 0 || *count == STROKE_SEQUENCE)
            return false;
        strokes[(*count)++] = stroke;
        at += length;
    }
    return *count > 0;
}

bool stroke_next(uint32_t *stroke, const char **text)
{
    size_t length = parse_name(stroke, *text, strlen(*text));
    *text += length;
    return length > 0;
}

/* --- naming --------------------------------------------------------------------------- */

bool stroke_is_character(uint32_t stroke)
{
    bool control = stroke < ' ' || (stroke >= 0x7F && stroke < 0xA0);
    bool surrogate = stroke >= 0xD800 && stroke < 0xE000;
    return stroke <= 0x10FFFF && !control && !surrogate;
}

static const char *key_name(uint32_t stroke)
{
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].stroke == stroke)
            return keys[i].name;
    return NULL;
}

bool stroke_name(struct buffer *name, uint32_t stroke, struct error *error)
{
    uint32_t key = stroke & ~(uint32_t)STROKE_ALT;
    const char *alt = stroke & STROKE_ALT ? "A-" : "";
    const char *known = key_name(key);
    if (known)
        return buffer_append_format(name, error, "<%s%s>", alt, known);
    if (key < ' ')
        return buffer_append_format(name, error, "<%sC-%c>", alt, tolower((int)key + '@'));
    if (!stroke_is_character(key))
        return true;
    char bytes[UTF8_MAX_BYTES];
    int size = (int)utf8_encode(bytes, key);
    return buffer_append_format(name, error, *alt ? "<%s%.*s>" : "%s%.*s", alt, size, bytes);
}
