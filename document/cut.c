#include "document/cut.h"

#include "base/utf8.h"
#include "document/line.h"
#include "document/rune.h"

#include <assert.h>

/* The best place of each kind so far; 0: none. */
struct places {
    size_t paragraph, line, sentence, word, character;
    size_t half; /* the middle of what fits */
};

/* "Mr." or "J." before a name ends no sentence. */
static bool is_abbreviation(const char *text, size_t end)
{
    size_t length, letters = 0;
    uint32_t rune = rune_before(text, end, &length), first = 0;
    if (rune != '.')
        return false;
    end -= length;
    while (rune_is_letter(rune = rune_before(text, end, &length)) && letters <= 3) {
        first = rune;
        letters++;
        end -= length;
    }
    return letters >= 1 && letters <= 3 && rune_is_upper(first);
}

static bool ends_sentence(const char *text, size_t end)
{
    size_t length;
    return line_ends_sentence(text, end) && rune_before(text, end, &length) != ':' &&
           !is_abbreviation(text, end);
}

static void look_at(struct places *places, const char *text, size_t size, size_t at, size_t heading,
                    bool room)
{
    size_t length;
    uint32_t here = rune_at(text, size, at, &length);
    uint32_t before = rune_before(text, at, &length);
    if (before == '\n' && at > heading) {
        bool empty = here == '\n' || (at >= 2 && text[at - 2] == '\n');
        if (empty)
            places->paragraph = at;
        else
            places->line = at;
    }
    if (!room)
        return;
    places->character = at;
    if (rune_is_blank(here) && !rune_is_blank(before) && before != '\n') {
        places->word = at;
        if (ends_sentence(text, at))
            places->sentence = at;
    } else if (before >= 0x3000 && rune_ends_sentence(before)) {
        places->sentence = at;
    }
}

static size_t choose(const struct places *places)
{
    if (places->paragraph >= places->half && places->paragraph > 0)
        return places->paragraph;
    if (places->line > places->paragraph)
        return places->line;
    if (places->paragraph > 0)
        return places->paragraph;
    if (places->sentence > 0)
        return places->sentence;
    return places->word > 0 ? places->word : places->character;
}

struct cut cut_text(const char *text, size_t size, size_t limit, size_t heading)
{
    struct places places = {0};
    size_t characters = 0, length;
    for (size_t at = 0; at < size && characters <= limit; at += length, characters++) {
        rune_at(text, size, at, &length);
        if (characters <= limit / 2)
            places.half = at;
        if (at > 0)
            look_at(&places, text, size, at, heading, characters < limit);
    }
    struct cut cut = {.end = choose(&places)};
    assert(cut.end > 0);
    cut.line_end = text[cut.end - 1] != '\n';
    cut.next = cut.end;
    uint32_t rune;
    while ((rune = rune_at(text, size, cut.next, &length)) == '\n' ||
           (cut.line_end && rune_is_blank(rune)))
        cut.next += length;
    return cut;
}
