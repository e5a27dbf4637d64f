#include "document/hyphen.h"

#include "document/rune.h"

#include <string.h>
#include <strings.h>

#define HYPHEN 0x2010u
#define EN_DASH 0x2013u
#define EM_DASH 0x2014u

/* First parts of compounds that nearly always keep their hyphen. */
static const char *const compounding[] = {
    "all",   "eighty", "fifty",   "forty", "half",   "ninety", "non",  "pseudo",
    "quasi", "self",   "seventy", "sixty", "thirty", "twenty", "vice", "well",
};

/* Second parts that are no words of their own, so that even after one of the
 * above the hyphen only breaks the word: self-ish, well-ness, non-sense. */
static const char *const fragments[] = {
    "chalance", "chalant", "descript", "entities", "entity", "er",  "etheless", "ing",
    "ish",      "ly",      "ness",     "plussed",  "sense",  "ses", "sensical",
};

/* What follows ex- when it means "former". */
static const char *const former[] = {
    "boyfriend", "chancellor", "convict", "emperor",  "girlfriend", "governor", "husband",
    "king",      "mayor",      "member",  "minister", "officer",    "partner",  "pope",
    "president", "prime",      "queen",   "soldier",  "wife",
};

/* After a suspended hyphen: "pre- and post-war". */
static const char *const conjunctions[] = {"and", "or", "to", "und", "oder", "bis", "et", "ou"};

#define IN(table, word, size) in_table(table, sizeof(table) / sizeof *(table), word, size)

static bool in_table(const char *const *table, size_t count, const char *word, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(table[i]) == size && strncasecmp(table[i], word, size) == 0)
            return true;
    }
    return false;
}

static bool is_hyphen(uint32_t rune)
{
    return rune == '-' || rune == HYPHEN;
}

static size_t word_length(const char *text, size_t size)
{
    size_t at = 0, length;
    while (at < size && rune_is_word(rune_at(text, size, at, &length)))
        at += length;
    return at;
}

/* Where the letters before text[end) begin. */
static size_t word_begin(const char *text, size_t end)
{
    size_t length;
    while (end > 0 && rune_is_word(rune_before(text, end, &length)))
        end -= length;
    return end;
}

bool hyphen_at_end(const char *line, size_t size)
{
    size_t length, before;
    return is_hyphen(rune_before(line, size, &length)) &&
           rune_is_word(rune_before(line, size - length, &before));
}

static enum hyphen_join join_word(size_t *drop, const char *line, size_t size, size_t hyphen,
                                  const char *next, size_t next_size)
{
    size_t length, end = size - hyphen;
    uint32_t before = rune_before(line, end, &length);
    uint32_t after = rune_at(next, next_size, 0, &length);
    if (!rune_is_lower(after))
        return rune_is_word(after) ? HYPHEN_CLOSE : HYPHEN_SPACE;
    size_t second = word_length(next, next_size);
    if (IN(conjunctions, next, second))
        return HYPHEN_SPACE;
    size_t begin = word_begin(line, end);
    const char *first = line + begin;
    bool compound = is_hyphen(rune_before(line, begin, &length)) ||
                    is_hyphen(rune_at(next, next_size, second, &length));
    if (!rune_is_letter(before) || compound)
        return HYPHEN_CLOSE;
    if (IN(compounding, first, end - begin) && !IN(fragments, next, second))
        return HYPHEN_CLOSE;
    if (end - begin == 2 && strncasecmp(first, "ex", 2) == 0 && IN(former, next, second))
        return HYPHEN_CLOSE;
    *drop = hyphen;
    return HYPHEN_MEND;
}

/* A dash with no blank on its other side is set close to both words. */
static bool is_dash(const char *text, size_t size)
{
    size_t length;
    uint32_t rune = rune_at(text, size, 0, &length);
    return rune == EM_DASH || rune == EN_DASH || (size >= 2 && memcmp(text, "--", 2) == 0);
}

static bool ends_in_close_dash(const char *line, size_t size)
{
    size_t length, before = 0;
    uint32_t rune = rune_before(line, size, &length);
    if (rune == EM_DASH || rune == EN_DASH)
        before = size - length;
    else if (size >= 2 && memcmp(line + size - 2, "--", 2) == 0)
        before = size - 2;
    return before > 0 && !rune_is_blank(rune_before(line, before, &length));
}

enum hyphen_join hyphen_join(size_t *drop, const char *line, size_t size, const char *next,
                             size_t next_size)
{
    size_t length;
    *drop = 0;
    if (ends_in_close_dash(line, size))
        return HYPHEN_CLOSE;
    if (hyphen_at_end(line, size)) {
        rune_before(line, size, &length);
        return join_word(drop, line, size, length, next, next_size);
    }
    if (is_dash(next, next_size)) {
        size_t dash = next[0] == '-' ? 2 : 3;
        uint32_t after = rune_at(next, next_size, dash, &length);
        return after == 0 || rune_is_blank(after) ? HYPHEN_SPACE : HYPHEN_CLOSE;
    }
    uint32_t before = rune_before(line, size, &length);
    uint32_t after = rune_at(next, next_size, 0, &length);
    return rune_is_wide(before) && rune_is_wide(after) ? HYPHEN_CLOSE : HYPHEN_SPACE;
}
