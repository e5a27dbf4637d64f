#include "document/line.h"

#include "base/utf8.h"
#include "document/rune.h"

#include <string.h>

#define TAB_STOP 4
#define FENCE_INDENT 3 /* as in CommonMark: more than this is indented code */

static void measure_margin(struct line_shape *shape, const char *text, size_t size)
{
    size_t at = 0, length;
    uint32_t rune;
    while (at < size && rune_is_blank(rune = rune_at(text, size, at, &length))) {
        shape->indent =
            rune == '\t' ? (shape->indent / TAB_STOP + 1) * TAB_STOP : shape->indent + 1;
        at += length;
    }
    shape->margin = at;
}

static size_t first_word(const char *text, size_t size)
{
    uint32_t rune;
    size_t characters = 0, length;
    for (size_t at = 0; at < size; at += length) {
        rune = rune_at(text, size, at, &length);
        if (rune_is_blank(rune))
            break;
        characters++;
        if (rune_is_wide(rune))
            break;
    }
    return characters;
}

static bool blank_at(const char *text, size_t size, size_t at)
{
    return at >= size || text[at] == ' ' || text[at] == '\t';
}

static bool is_bullet(const char *text, size_t size)
{
    static const char *const marks[] = {"-",           "*", "+", "\xE2\x80\xA2", "\xE2\x97\xA6",
                                        "\xE2\x96\xAA"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t length = strlen(marks[i]);
        if (size > length && memcmp(text, marks[i], length) == 0)
            return blank_at(text, size, length);
    }
    /* The bullet of typewritten standards. */
    return size > 3 && text[0] == 'o' && text[1] == ' ' && text[2] == ' ';
}

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "12. ", "3) ", "(4) ", "b) ", "(c) ", "iv) " */
static enum line_mark numbered_mark(const char *text, size_t size)
{
    size_t at = size > 0 && text[0] == '(' ? 1 : 0, begin = at;
    bool open = at == 1;
    while (at < size && text[at] >= '0' && text[at] <= '9' && at - begin < 4)
        at++;
    bool digits = at > begin;
    if (!digits) {
        while (at < size && at - begin < 4 && strchr("ivx", text[at]))
            at++;
        if (at == begin && at < size && is_ascii_letter(text[at]))
            at++;
    }
    if (at == begin || at >= size)
        return LINE_PLAIN;
    bool closed = text[at] == ')' || (digits && !open && text[at] == '.');
    if (!closed || at + 1 >= size || !blank_at(text, size, at + 1))
        return LINE_PLAIN;
    bool first = at - begin == 1 && strchr("1aAi", text[begin]);
    return first ? LINE_ITEM : LINE_LATER;
}

static bool has_word(const char *text, size_t size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        if (rune_is_word(rune_at(text, size, at, &length)))
            return true;
    }
    return false;
}

static enum line_mark mark_of(const char *text, size_t size)
{
    if (size > 0 && text[0] == '>')
        return LINE_QUOTED;
    if (!has_word(text, size))
        return LINE_RULE;
    if (is_bullet(text, size))
        return LINE_ITEM;
    return numbered_mark(text, size);
}

static bool contains(const char *text, size_t size, const char *part)
{
    return memmem(text, size, part, strlen(part)) != NULL;
}

static bool begins(const char *text, size_t size, const char *part)
{
    size_t length = strlen(part);
    return size >= length && memcmp(text, part, length) == 0;
}

static unsigned code_of(const char *text, size_t size)
{
    static const char *const beginnings[] = {"}", "//", "/*", "#include", "#define", "$ ", ">>> "};
    static const char *const parts[] = {
        "()", "==", "!=", "->", ":=", "&&", "||", " = ", "::", "+="};
    if (size == 0)
        return 0;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        if (begins(text, size, beginnings[i]))
            return 2;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (contains(text, size, parts[i]))
            return 2;
    }
    char last = text[size - 1];
    return last == '{' || last == '}' ? 2 : last == ';' ? 1 : 0;
}

bool line_has_gap(const char *text, size_t size)
{
    size_t run = 0, length;
    bool text_before = false;
    for (size_t at = 0; at < size; at += length) {
        uint32_t rune = rune_at(text, size, at, &length);
        if (rune_is_blank(rune)) {
            run += rune == '\t' ? 3 : 1;
            continue;
        }
        if (text_before && run >= 3)
            return true;
        text_before = true;
        run = 0;
    }
    return false;
}

static bool has_bars(const char *text, size_t size)
{
    const char *bar = memchr(text, '|', size);
    if (!bar)
        return false;
    size_t rest = size - (size_t)(bar - text) - 1;
    return bar == text || memchr(bar + 1, '|', rest) != NULL;
}

void line_measure(struct line_shape *shape, const char *text, size_t size)
{
    *shape = (struct line_shape){0};
    if (size == 0)
        return;
    measure_margin(shape, text, size);
    text += shape->margin;
    size -= shape->margin;
    shape->columns = shape->indent + utf8_count(text, size);
    shape->word = first_word(text, size);
    shape->mark = mark_of(text, size);
    shape->table = has_bars(text, size) || line_has_gap(text, size);
    shape->code = code_of(text, size);
}

static size_t fence_run(const char *text, size_t size, size_t *indent)
{
    *indent = 0;
    while (*indent < size && *indent <= FENCE_INDENT && text[*indent] == ' ')
        ++*indent;
    if (*indent > FENCE_INDENT || *indent >= size)
        return 0;
    char mark = text[*indent];
    size_t length = 0;
    while (*indent + length < size && text[*indent + length] == mark)
        length++;
    return length >= 3 && (mark == '`' || mark == '~') ? length : 0;
}

size_t line_opens_fence(char *mark, const char *text, size_t size)
{
    size_t indent, length = fence_run(text, size, &indent);
    if (length == 0)
        return 0;
    *mark = text[indent];
    /* ```word``` on one line is code within text, not a fence. */
    size_t rest = indent + length;
    if (*mark == '`' && memchr(text + rest, '`', size - rest))
        return 0;
    return length;
}

bool line_closes_fence(const char *text, size_t size, char mark, size_t length)
{
    size_t indent, run = fence_run(text, size, &indent);
    return run >= length && text[indent] == mark && indent + run == size;
}

bool line_ends_sentence(const char *text, size_t size)
{
    size_t length;
    uint32_t rune;
    while (size > 0 && rune_is_closing(rune = rune_before(text, size, &length)))
        size -= length;
    rune = rune_before(text, size, &length);
    return rune_ends_sentence(rune) || rune == ':';
}

bool line_has_leaders(const char *text, size_t size)
{
    return contains(text, size, "....") || contains(text, size, ". . .") ||
           contains(text, size, "\xE2\x80\xA6\xE2\x80\xA6") || contains(text, size, "____");
}
