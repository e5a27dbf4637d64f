#include "document/quote.h"

#include "base/utf8.h"
#include "document/fold.h"
#include "document/rune.h"

#include <stdlib.h>
#include <string.h>

#define WORDS_MIN 4
#define QUOTED_INDENT_MAX 3

/* Words are what stands between blanks, line ends and dashes, if there is a
 * letter or digit in it; scripts without spaces count by characters. */
static bool has_enough_words(const char *text, size_t size)
{
    size_t words = 0, length;
    bool inside = false;
    for (size_t at = 0; at < size && words < WORDS_MIN; at += length) {
        uint32_t rune = rune_at(text, size, at, &length);
        bool dash = (rune >= 0x2012 && rune <= 0x2015) ||
                    (rune == '-' && at + 1 < size && text[at + 1] == '-');
        if (rune_is_blank(rune) || rune == '\n' || rune == '\r' || dash) {
            inside = false;
        } else if (rune_is_word(rune)) {
            words += !inside || rune_is_wide(rune);
            inside = true;
        }
    }
    return words >= WORDS_MIN;
}

static struct quote trimmed(const char *text, size_t begin, size_t end)
{
    size_t length;
    uint32_t rune;
    while (begin < end && (rune_is_blank(rune = rune_at(text, end, begin, &length)) ||
                           rune == '\n' || rune == '\r'))
        begin += length;
    while (end > begin &&
           (rune_is_blank(rune = rune_before(text, end, &length)) || rune == '\n' || rune == '\r'))
        end -= length;
    return (struct quote){begin, end};
}

static bool add(struct quote_list *quotes, const char *answer, struct quote quote,
                struct error *error)
{
    if (!has_enough_words(answer + quote.begin, quote.end - quote.begin))
        return true;
    if (quotes->count == quotes->capacity) {
        size_t capacity = quotes->capacity ? quotes->capacity * 2 : 8;
        struct quote *items = realloc(quotes->items, capacity * sizeof *items);
        if (!items)
            return error_out_of_memory(error);
        quotes->items = items;
        quotes->capacity = capacity;
    }
    quotes->items[quotes->count++] = quote;
    return true;
}

void quote_list_free(struct quote_list *quotes)
{
    free(quotes->items);
    *quotes = (struct quote_list){0};
}

static bool is_opening(uint32_t rune)
{
    return rune == '"' || rune == 0x201C || rune == 0x201E || rune == 0xAB;
}

static bool closes(uint32_t opening, uint32_t rune)
{
    switch (opening) {
    case 0xAB:
        return rune == 0xBB;
    case 0x201E: /* German closes with what opens in English */
        return rune == 0x201C || rune == 0x201D;
    case 0x201C:
        return rune == 0x201D;
    default:
        return rune == '"';
    }
}

/* The straight mark looks the same on both sides: its neighbours tell. */
static bool may_open(const char *text, size_t size, size_t at, size_t length)
{
    size_t ignored;
    if (rune_at(text, size, at, &ignored) != '"')
        return true;
    uint32_t before = rune_before(text, at, &ignored);
    uint32_t after = rune_at(text, size, at + length, &ignored);
    return !rune_is_word(before) && after != 0 && after != '\n' && !rune_is_blank(after);
}

static bool may_close(const char *text, size_t size, size_t at, size_t length)
{
    size_t ignored;
    if (rune_at(text, size, at, &ignored) != '"')
        return true;
    uint32_t before = rune_before(text, at, &ignored);
    return !rune_is_blank(before) && before != '\n' &&
           !rune_is_word(rune_at(text, size, at + length, &ignored));
}

/* Where the quote that `opening` began before `at` is closed: the closing mark
 * begins at *end, and what follows it is returned. 0 when it is not closed in its
 * paragraph, or another one opens first; then *end is where to go on. */
static size_t find_closing(size_t *end, uint32_t opening, const char *text, size_t size, size_t at)
{
    size_t length;
    for (; at < size; at += length) {
        uint32_t rune = rune_at(text, size, at, &length);
        bool same = rune == opening && opening != 0x201E;
        *end = at;
        if (rune == '\n' && at + 1 < size && text[at + 1] == '\n')
            return 0;
        if (closes(opening, rune) && may_close(text, size, at, length))
            return at + length;
        if (same && may_open(text, size, at, length))
            return 0;
    }
    *end = size;
    return 0;
}

/* Takes the quotes in quotation marks of text[at..size). */
static bool scan_marks(struct quote_list *quotes, const char *text, size_t at, size_t size,
                       struct error *error)
{
    while (at < size) {
        size_t length, end;
        uint32_t rune = rune_at(text, size, at, &length);
        if (!is_opening(rune) || !may_open(text, size, at, length)) {
            at += length;
            continue;
        }
        size_t begin = at + length;
        at = find_closing(&end, rune, text, size, begin);
        if (at > 0 && !add(quotes, text, trimmed(text, begin, end), error))
            return false;
        if (at == 0)
            at = end > begin ? end : begin;
    }
    return true;
}

/* Does nothing but a source in brackets or after a dash follow? */
static bool is_attribution(const char *text, size_t size)
{
    size_t length, at = rune_skip_blanks(text, size);
    uint32_t rune = rune_at(text, size, at, &length);
    return rune == 0 || rune == '(' || rune == '[' || rune == '-' || rune == 0x2013 ||
           rune == 0x2014;
}

/* The words of a line after its '>': within quotation marks when these hold all
 * of it. */
static struct quote quoted_line(const char *text, size_t begin, size_t end)
{
    struct quote whole = trimmed(text, begin, end);
    size_t length, closing;
    uint32_t rune = rune_at(text, whole.end, whole.begin, &length);
    if (!is_opening(rune))
        return whole;
    size_t after = find_closing(&closing, rune, text, whole.end, whole.begin + length);
    if (after == 0 || !is_attribution(text + after, whole.end - after))
        return whole;
    return trimmed(text, whole.begin + length, closing);
}

/* Where the words of a quoted line begin, 0 when the line is not one. */
static size_t after_quote_mark(const char *text, size_t begin, size_t end)
{
    size_t at = begin;
    while (at < end && at - begin < QUOTED_INDENT_MAX && text[at] == ' ')
        at++;
    if (at == end || text[at] != '>')
        return 0;
    while (at < end && (text[at] == '>' || text[at] == ' '))
        at++;
    return at;
}

bool quote_scan(struct quote_list *quotes, const char *answer, size_t size, struct error *error)
{
    size_t plain = 0; /* where the text not yet looked through begins */
    for (size_t line = 0; line < size;) {
        const char *stop = memchr(answer + line, '\n', size - line);
        size_t end = stop ? (size_t)(stop - answer) : size;
        size_t words = after_quote_mark(answer, line, end);
        if (words > 0) {
            if (!scan_marks(quotes, answer, plain, line, error) ||
                !add(quotes, answer, quoted_line(answer, words, end), error))
                return false;
            plain = end;
        }
        line = end + 1;
    }
    return scan_marks(quotes, answer, plain, size, error);
}

static bool is_edge(uint32_t rune)
{
    return rune == ' ' || (rune < 0x80 && strchr(".,;:!?-\"'()[]<>", (int)rune) != NULL);
}

/* The folded quote without the marks at its ends, which a writer may add. */
static struct quote core_of(const struct fold *fold)
{
    const char *text = fold->text.data;
    size_t begin = 0, end = fold->text.size;
    while (begin < end && is_edge((unsigned char)text[begin]))
        begin++;
    while (end > begin && is_edge((unsigned char)text[end - 1]))
        end--;
    return (struct quote){begin, end};
}

/* A quote does not begin or end within a word of the text. */
static bool is_whole(const struct fold *text, size_t begin, size_t end)
{
    size_t length, size = text->text.size;
    const char *data = text->text.data;
    uint32_t first = rune_at(data, size, begin, &length);
    uint32_t last = rune_before(data, end, &length);
    uint32_t before = rune_before(data, begin, &length);
    uint32_t after = rune_at(data, size, end, &length);
    bool joined_before = rune_is_word(before) && rune_is_word(first) && !rune_is_wide(first);
    bool joined_after = rune_is_word(after) && rune_is_word(last) && !rune_is_wide(last);
    return !joined_before && !joined_after;
}

static bool search(size_t *begin, size_t *end, const struct fold *text, const char *core,
                   size_t size)
{
    const char *data = text->text.data;
    for (size_t at = 0; at + size <= text->text.size; at++) {
        const char *hit = memmem(data + at, text->text.size - at, core, size);
        if (!hit)
            return false;
        at = (size_t)(hit - data);
        if (is_whole(text, at, at + size)) {
            *begin = at;
            *end = at + size;
            return true;
        }
    }
    return false;
}

bool quote_find(size_t *begin, size_t *end, const char *text, size_t size, const char *quote,
                size_t quote_size, struct error *error)
{
    struct fold whole = {0}, part = {0};
    bool found = false;
    *error = (struct error){0};
    if (size > 0 && has_enough_words(quote, quote_size) &&
        fold_text(&part, quote, quote_size, error) && fold_text(&whole, text, size, error)) {
        struct quote core = core_of(&part);
        size_t from, to, length;
        found = core.end > core.begin &&
                search(&from, &to, &whole, part.text.data + core.begin, core.end - core.begin);
        if (found) {
            *begin = whole.from[from];
            *end = whole.from[to - 1];
            rune_at(text, size, *end, &length);
            *end += length;
        }
    }
    fold_free(&whole);
    fold_free(&part);
    return found;
}
