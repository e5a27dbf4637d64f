#include "document/heading.h"

#include "base/utf8.h"
#include "document/line.h"
#include "document/named.h"
#include "document/rune.h"

#include <stdint.h>
#include <string.h>

#define INDENT_MAX 3 /* as in CommonMark: more is code */
#define TITLE_MAX 80 /* characters of a numbered or named heading */
#define CAPITALS_MAX 70
#define UNDERLINED_MAX 120
#define UNDERLINED_EXACT_MAX 200 /* when the line is just as long */
#define UNDERLINES "=-*^~#+\""
#define SECOND_MAX 60 /* of a title on the line below CHAPTER IV */
#define NUMBER_MAX 999
#define DEPTH_MAX 9

static size_t indent_of(struct heading_line line)
{
    size_t indent = 0;
    while (indent < line.size && line.text[indent] == ' ')
        indent++;
    return indent;
}

bool heading_marked(struct heading *heading, struct heading_line line)
{
    size_t at = indent_of(line), level = 0;
    if (at > INDENT_MAX)
        return false;
    while (at < line.size && line.text[at] == '#') {
        at++;
        level++;
    }
    if (level < 1 || level > 6 || at == line.size ||
        (line.text[at] != ' ' && line.text[at] != '\t'))
        return false;
    at += rune_skip_blanks(line.text + at, line.size - at);
    size_t end = line.size, marks = end;
    while (marks > at && line.text[marks - 1] == '#')
        marks--;
    if (marks == at || line.text[marks - 1] == ' ' || line.text[marks - 1] == '\t')
        end = at + rune_trim_blanks(line.text + at, marks - at);
    if (end == at)
        return false;
    *heading = (struct heading){
        .kind = HEADING_MARKDOWN, .level = (unsigned)level, .begin = at, .end = end};
    return true;
}

/* = and - are Markdown's, the others those of reStructuredText, where the first kind of
 * line that is seen is of the first level, the next of the second. */
static unsigned underline_level(const struct heading_outline *outline, char mark)
{
    bool markdown = outline->underlines[0] == '\0' || strchr("=-", outline->underlines[0]);
    if (markdown && (mark == '=' || mark == '-'))
        return mark == '=' ? 1 : 2;
    const char *known = strchr(outline->underlines, mark);
    return (unsigned)(known ? (size_t)(known - outline->underlines) : strlen(outline->underlines)) +
           1;
}

bool heading_underlined(struct heading *heading, const struct heading_outline *outline,
                        struct heading_line title, struct heading_line underline)
{
    size_t at = indent_of(underline), margin = indent_of(title);
    if (at > INDENT_MAX || at == underline.size || margin > INDENT_MAX)
        return false;
    char mark = underline.text[at];
    size_t length = underline.size - at;
    bool exact = !strchr("=-", mark); /* other marks are used otherwise, too */
    if (mark == '\0' || !strchr(UNDERLINES, mark) || length < 3)
        return false;
    for (size_t i = at; i < underline.size; i++) {
        if (underline.text[i] != mark)
            return false;
    }
    struct line_shape shape;
    line_measure(&shape, title.text, title.size);
    size_t characters = shape.columns - shape.indent;
    size_t difference = characters > length ? characters - length : length - characters;
    if (characters > (difference == 0 ? UNDERLINED_EXACT_MAX : UNDERLINED_MAX))
        return false;
    /* "1. Title" may be an item only where Markdown would have it so. */
    bool item = shape.mark == LINE_ITEM && (!exact || strchr("-*+", title.text[margin]));
    if (shape.mark == LINE_RULE || shape.mark == LINE_QUOTED || item || shape.table)
        return false;
    if ((mark == '-' && difference > 2 + characters / 4) || (exact && difference > 0))
        return false;
    *heading = (struct heading){.kind = HEADING_UNDERLINED,
                                .level = underline_level(outline, mark),
                                .begin = margin,
                                .end = title.size,
                                .mark = mark};
    return true;
}

struct number {
    unsigned depth;
    unsigned long last; /* its last part */
    size_t length;      /* bytes with a final dot */
};

/* "1", "1.2.", "A.1", "IV." */
static bool parse_number(struct number *number, const char *text, size_t size)
{
    size_t at = 0, roman;
    *number = (struct number){0};
    unsigned value = named_roman(text, size, &roman);
    if (value > 0 && (roman == size || text[roman] == '.') &&
        !(roman + 1 < size && text[roman + 1] >= '0' && text[roman + 1] <= '9')) {
        *number = (struct number){1, value, roman + (roman < size)};
        return true;
    }
    if (size >= 3 && text[0] >= 'A' && text[0] <= 'Z' && text[1] == '.') {
        number->depth = 1;
        at = 2;
    }
    while (at < size && text[at] >= '0' && text[at] <= '9') {
        unsigned long part = 0;
        while (at < size && text[at] >= '0' && text[at] <= '9' && part <= NUMBER_MAX)
            part = part * 10 + (unsigned long)(text[at++] - '0');
        if (part > NUMBER_MAX || ++number->depth > DEPTH_MAX)
            return false;
        number->last = part;
        number->length = at;
        if (at == size || text[at] != '.')
            break;
        number->length = ++at;
    }
    return number->length > 0;
}

static bool ends_with_any(const char *text, size_t size, const char *marks)
{
    return size > 0 && strchr(marks, text[size - 1]) != NULL;
}

/* A numbered line, whether or not it is a heading. The title begins at *title. */
static bool is_numbered(struct number *number, size_t *title, struct heading_line line)
{
    size_t at = line.text ? indent_of(line) : 0;
    if (!line.text || at > INDENT_MAX || !parse_number(number, line.text + at, line.size - at))
        return false;
    at += number->length;
    size_t blanks = rune_skip_blanks(line.text + at, line.size - at);
    *title = at + blanks;
    return *title == line.size || blanks > 0;
}

static bool numbered_heading(struct heading *heading, struct heading_outline *outline,
                             unsigned long before, struct heading_line line,
                             struct heading_line after)
{
    struct number number, next;
    size_t title, ignored, length, begin = indent_of(line);
    if (!is_numbered(&number, &title, line))
        return false;
    bool roman = line.text[begin] > '9' && number.depth == 1;
    if (number.depth == 1) {
        bool goes_on =
            is_numbered(&next, &ignored, after) && next.depth == 1 && next.last == number.last + 1;
        bool went_on = before > 0 && number.last == before + 1;
        if (goes_on || went_on) {
            outline->number = number.last;
            return false;
        }
    }
    if (title == line.size) { /* "IV" alone; a lone "12" is a page number */
        if (!roman)
            return false;
        heading->kind = HEADING_CAPITAL;
        heading->level = outline->named_level + 1;
    } else {
        uint32_t rune = rune_at(line.text, line.size, title, &length);
        bool good = rune_is_letter(rune) && (number.depth > 1 || !rune_is_lower(rune));
        if (!good || ends_with_any(line.text, line.size, ".,;:") ||
            line_has_gap(line.text + title, line.size - title))
            return false;
        heading->kind = HEADING_NUMBERED;
        heading->level = number.depth;
    }
    heading->begin = begin;
    heading->end = line.size;
    return utf8_count(line.text + begin, line.size - begin) <= TITLE_MAX;
}

static bool capital_heading(struct heading *heading, const struct heading_outline *outline,
                            struct heading_line line)
{
    size_t begin = rune_skip_blanks(line.text, line.size), length;
    size_t characters = 0, upper = 0, run = 0, longest = 0, other = 0;
    for (size_t at = begin; at < line.size; at += length) {
        uint32_t rune = rune_at(line.text, line.size, at, &length);
        if (rune_is_lower(rune))
            return false;
        bool capital = rune_is_upper(rune);
        run = capital ? run + 1 : 0;
        longest = run > longest ? run : longest;
        upper += capital;
        other += !capital && !rune_is_blank(rune);
        characters++;
    }
    /* Someone shouting is no heading. */
    if (rune_is_quotation(rune_at(line.text, line.size, begin, &length)))
        return false;
    if (upper < 2 || longest < 3 || other > upper || characters > CAPITALS_MAX)
        return false;
    if (ends_with_any(line.text, line.size, ".,;:") || memchr(line.text, '|', line.size) ||
        line_has_gap(line.text + begin, line.size - begin))
        return false;
    *heading = (struct heading){.kind = HEADING_CAPITAL,
                                .level = outline->named_level + 1,
                                .begin = begin,
                                .end = line.size};
    return true;
}

static struct heading_line inner(struct heading_line line, size_t *begin)
{
    *begin = line.text ? rune_skip_blanks(line.text, line.size) : 0;
    return line.text ? (struct heading_line){line.text + *begin, line.size - *begin} : line;
}

/* The line below a bare CHAPTER IV, with nothing after it: is it the title? */
static bool is_second_half(struct heading_line line)
{
    size_t length;
    uint32_t rune = rune_at(line.text, line.size, 0, &length);
    if (rune_is_closing(rune))
        rune = rune_at(line.text, line.size, length, &length);
    return utf8_count(line.text, line.size) <= SECOND_MAX && rune_is_letter(rune) &&
           !rune_is_lower(rune) && !ends_with_any(line.text, line.size, ",;:") &&
           !(ends_with_any(line.text, line.size, ".") && memchr(line.text, ' ', line.size));
}

static unsigned named_level(const struct heading_outline *outline, unsigned rank)
{
    unsigned level = outline->markdown ? outline->markdown_level + 1 : 1;
    if (rank > 1 && outline->part)
        level++;
    if (rank > 2 && outline->chapter)
        level++;
    return level;
}

static bool named_heading(struct heading *heading, struct heading_outline *outline,
                          struct heading_line line, size_t lines, struct heading_line second)
{
    struct named named, other;
    size_t begin, second_begin;
    struct heading_line text = inner(line, &begin);
    if (!named_parse(&named, text.text, text.size) ||
        utf8_count(text.text, text.size) > TITLE_MAX || ends_with_any(text.text, text.size, ",;") ||
        line_has_gap(text.text, text.size))
        return false;
    if (!named.numbered && (lines > 1 || outline->markdown))
        return false;
    bool takes_next = false;
    if (lines > 1) {
        size_t length;
        struct heading_line below = inner(second, &second_begin);
        bool sentence =
            !named.bare && (!named.marked || utf8_count(text.text, text.size) > SECOND_MAX ||
                            rune_is_lower(rune_at(below.text, below.size, 0, &length)));
        /* A sentence that happens to begin like this, or a table of contents. */
        if (sentence || named_parse(&other, below.text, below.size))
            return false;
        takes_next = named.bare && lines == 2 && is_second_half(below);
    }
    *heading = (struct heading){.kind = HEADING_NAMED,
                                .level = named_level(outline, named.rank),
                                .begin = begin,
                                .end = line.size,
                                .takes_next = takes_next};
    if (named.numbered) {
        outline->part = outline->part || named.rank == 1;
        outline->chapter = outline->chapter || named.rank == 2;
    }
    return true;
}

bool heading_interrupts(struct heading_line before, struct heading_line line)
{
    struct named named, other;
    size_t begin;
    struct heading_line text = inner(line, &begin);
    if (!named_parse(&named, text.text, text.size) || !named.numbered ||
        !(named.bare || named.marked) || utf8_count(text.text, text.size) > SECOND_MAX)
        return false;
    text = inner(before, &begin);
    return line_ends_sentence(text.text, text.size) && !named_parse(&other, text.text, text.size);
}

bool heading_plain(struct heading *heading, struct heading_outline *outline,
                   struct heading_line line, size_t lines, struct heading_line second,
                   struct heading_line after)
{
    unsigned long before = outline->number;
    outline->number = 0;
    *heading = (struct heading){0};
    if (line_has_leaders(line.text, line.size))
        return false;
    if (named_heading(heading, outline, line, lines, second))
        return true;
    bool certain = outline->markdown || outline->underlines[0] == '*';
    if (lines != 1 || certain)
        return false;
    if (numbered_heading(heading, outline, before, line, after))
        return true;
    return outline->number == 0 && capital_heading(heading, outline, line);
}

void heading_note(struct heading_outline *outline, const struct heading *heading)
{
    outline->number = 0;
    size_t marks = strlen(outline->underlines);
    if (heading->kind == HEADING_UNDERLINED && !strchr(outline->underlines, heading->mark) &&
        marks + 1 < sizeof outline->underlines) {
        outline->underlines[marks] = heading->mark;
        outline->underlines[marks + 1] = '\0';
    }
    if (heading->kind == HEADING_MARKDOWN) {
        outline->markdown = true;
        outline->markdown_level = heading->level;
        outline->named_level = 0;
    } else if (heading->kind == HEADING_NAMED) {
        outline->named_level = heading->level;
    }
}
