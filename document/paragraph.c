#include "document/paragraph.h"

#include "document/hyphen.h"
#include "document/rune.h"

#include <stdlib.h>

#define WIDTH_MAX 120
#define WIDTH_MIN 40
#define WIDTH_MIN_SURE 24 /* when three breaks are full */
#define WIDTH_LONG 60     /* verse lines are rarely so long */
#define SLACK 12          /* one part in so many of the width */
#define FIRST_INDENT_MAX 12

bool paragraph_add(struct paragraph *paragraph, const struct source_line *line, struct error *error)
{
    if (paragraph->count == paragraph->capacity) {
        size_t capacity = paragraph->capacity ? paragraph->capacity * 2 : 64;
        struct paragraph_line *lines = realloc(paragraph->lines, capacity * sizeof *lines);
        if (!lines)
            return error_out_of_memory(error);
        paragraph->lines = lines;
        paragraph->capacity = capacity;
    }
    const struct buffer *text = &line->text.text;
    size_t begin = paragraph->text.text.size;
    if (!trace_copy(&paragraph->text, &line->text, 0, text->size, error))
        return false;
    struct paragraph_line *added = &paragraph->lines[paragraph->count++];
    *added = (struct paragraph_line){
        .begin = begin,
        .end = begin + text->size,
        .at = line->at,
        .stop = line->stop,
        .ended = line->ended,
        .hard =
            line->trailing_spaces >= 2 || (text->size > 0 && text->data[text->size - 1] == '\\'),
        .soft_hyphen = line->soft_hyphen,
    };
    line_measure(&added->shape, text->data, text->size);
    return true;
}

void paragraph_clear(struct paragraph *paragraph)
{
    trace_clear(&paragraph->text);
    paragraph->count = 0;
}

void paragraph_free(struct paragraph *paragraph)
{
    trace_free(&paragraph->text);
    free(paragraph->lines);
    *paragraph = (struct paragraph){0};
}

/* Plain lines first to last - 1 of a paragraph, and how they are laid out. */
struct stretch {
    const struct paragraph *paragraph;
    size_t first, last;
    size_t base;  /* the least indentation, which is that of most lines */
    size_t hang;  /* that of all lines but the first when they hang below it, else base */
    size_t width; /* of the longest line, without base */
};

enum line_break { BREAK_FULL, BREAK_END, BREAK_HARD, BREAK_SHORT };

struct tally {
    size_t full, end, hard, broken;
    size_t sure; /* full ones that no writer makes on purpose */
};

static const struct paragraph_line *line_at(const struct stretch *stretch, size_t i)
{
    return &stretch->paragraph->lines[i];
}

static const char *text_of(const struct stretch *stretch, size_t i, size_t *size)
{
    const struct paragraph_line *line = line_at(stretch, i);
    size_t begin = line->begin + line->shape.margin;
    *size = line->end - begin;
    return stretch->paragraph->text.text.data + begin;
}

/* Is line i indented as the first of a paragraph, after one that is not? */
static bool starts_paragraph(const struct stretch *stretch, size_t i)
{
    size_t indent = line_at(stretch, i)->shape.indent;
    return i > stretch->first && stretch->hang == stretch->base && indent > stretch->base;
}

static bool is_sure(const struct stretch *stretch, size_t i)
{
    size_t size, next_size, length;
    const char *text = text_of(stretch, i, &size);
    const char *next = text_of(stretch, i + 1, &next_size);
    if (line_at(stretch, i)->soft_hyphen || hyphen_at_end(text, size))
        return true;
    uint32_t after = rune_at(next, next_size, 0, &length);
    uint32_t before = rune_before(text, size, &length);
    if (rune_is_lower(after) || rune_is_digit(after))
        return true;
    if (rune_is_letter(after) && !rune_is_upper(after)) /* a script without case */
        return rune_is_word(before);
    return stretch->width >= WIDTH_LONG && rune_is_word(before);
}

static enum line_break break_after(const struct stretch *stretch, size_t i)
{
    const struct paragraph_line *line = line_at(stretch, i);
    const struct paragraph_line *next = line_at(stretch, i + 1);
    if (line->hard)
        return BREAK_HARD;
    if (starts_paragraph(stretch, i + 1))
        return BREAK_END;
    size_t size, next_size, length;
    const char *text = text_of(stretch, i, &size);
    const char *next_text = text_of(stretch, i + 1, &next_size);
    size_t columns = line->shape.columns - stretch->base;
    bool wide = rune_is_wide(rune_before(text, size, &length)) &&
                rune_is_wide(rune_at(next_text, next_size, 0, &length));
    size_t need = columns + (wide ? 0 : 1) + next->shape.word;
    size_t slack = stretch->width / SLACK;
    if (need > stretch->width - slack)
        return BREAK_FULL;
    bool hyphen = line->soft_hyphen || hyphen_at_end(text, size);
    if (hyphen && columns >= stretch->width - 2 * slack)
        return BREAK_FULL;
    uint32_t after = rune_at(next_text, next_size, 0, &length);
    return line_ends_sentence(text, size) && !rune_is_lower(after) ? BREAK_END : BREAK_SHORT;
}

/* Measures the stretch. False when its indentation is of no simple kind. */
static bool lay_out(struct stretch *stretch)
{
    size_t least = SIZE_MAX, rest_least = SIZE_MAX, rest_most = 0, longest = 0;
    for (size_t i = stretch->first; i < stretch->last; i++) {
        const struct line_shape *shape = &line_at(stretch, i)->shape;
        if (shape->indent < least)
            least = shape->indent;
        if (i > stretch->first && shape->indent < rest_least)
            rest_least = shape->indent;
        if (i > stretch->first && shape->indent > rest_most)
            rest_most = shape->indent;
        if (shape->columns > longest)
            longest = shape->columns;
    }
    size_t first = line_at(stretch, stretch->first)->shape.indent;
    stretch->base = least;
    stretch->hang = rest_least == rest_most && first < rest_least ? rest_least : least;
    stretch->width = longest - least;
    if (stretch->hang > least)
        return stretch->hang - least <= FIRST_INDENT_MAX;
    for (size_t i = stretch->first; i < stretch->last; i++) {
        size_t indent = line_at(stretch, i)->shape.indent;
        if (indent == least)
            continue;
        if (indent - least > FIRST_INDENT_MAX)
            return false;
        /* Indented lines on end are code or verse, unless each is a sentence: then
         * they are paragraphs of one line. */
        bool more = i + 1 < stretch->last && line_at(stretch, i + 1)->shape.indent > least;
        size_t size;
        const char *text = text_of(stretch, i, &size);
        if (more && !line_ends_sentence(text, size))
            return false;
    }
    return true;
}

static bool looks_made(const struct stretch *stretch)
{
    size_t lines = stretch->last - stretch->first, tables = 0, code = 0;
    for (size_t i = stretch->first; i < stretch->last; i++) {
        tables += line_at(stretch, i)->shape.table;
        code += line_at(stretch, i)->shape.code;
    }
    bool table = tables > 0 && (lines <= 3 || tables > 1) && tables * 2 >= lines;
    return table || code * 3 >= lines * 2;
}

static bool is_wrapped(struct stretch *stretch)
{
    if (stretch->last - stretch->first < 2 || !lay_out(stretch) || looks_made(stretch))
        return false;
    if (stretch->width > WIDTH_MAX || stretch->width < WIDTH_MIN_SURE)
        return false;
    struct tally tally = {0};
    for (size_t i = stretch->first; i + 1 < stretch->last; i++) {
        enum line_break kind = break_after(stretch, i);
        tally.full += kind == BREAK_FULL;
        tally.end += kind == BREAK_END;
        tally.hard += kind == BREAK_HARD;
        tally.broken += kind == BREAK_SHORT;
        tally.sure += kind == BREAK_FULL && is_sure(stretch, i);
    }
    size_t judged = stretch->last - stretch->first - 1 - tally.hard;
    if (stretch->width < WIDTH_MIN && tally.full < 3)
        return false;
    return tally.sure > 0 && tally.sure * 3 >= tally.full && tally.broken * 8 <= judged &&
           tally.end * 2 <= judged;
}

static bool write_line_end(struct trace *out, const struct paragraph_line *line, const char *end,
                           struct error *error)
{
    return trace_add(out, end, 1, line->ended ? 1 : 0, line->stop, error);
}

bool paragraph_write_kept(struct trace *out, const struct paragraph *paragraph, size_t first,
                          size_t last, struct error *error)
{
    for (size_t i = first; i < last; i++) {
        const struct paragraph_line *line = &paragraph->lines[i];
        if (!trace_copy(out, &paragraph->text, line->begin, line->end, error) ||
            !write_line_end(out, line, "\n", error))
            return false;
    }
    return true;
}

/* Writes line i with what comes between it and the next one. */
static bool write_joined(struct trace *out, const struct stretch *stretch, size_t i,
                         struct error *error)
{
    const struct paragraph_line *line = line_at(stretch, i);
    size_t size, next_size, drop = 0;
    const char *text = text_of(stretch, i, &size);
    const char *end = "\n";
    enum line_break kind = i + 1 < stretch->last ? break_after(stretch, i) : BREAK_END;
    if (kind == BREAK_FULL || kind == BREAK_SHORT) {
        const char *next = text_of(stretch, i + 1, &next_size);
        enum hyphen_join join =
            line->soft_hyphen ? HYPHEN_CLOSE : hyphen_join(&drop, text, size, next, next_size);
        end = join == HYPHEN_SPACE ? " " : NULL;
    }
    return trace_copy(out, &stretch->paragraph->text, line->begin + line->shape.margin,
                      line->end - drop, error) &&
           (!end || write_line_end(out, line, end, error));
}

static bool write_stretch(struct trace *out, struct stretch *stretch, struct error *error)
{
    if (!is_wrapped(stretch))
        return paragraph_write_kept(out, stretch->paragraph, stretch->first, stretch->last, error);
    for (size_t i = stretch->first; i < stretch->last; i++) {
        if (!write_joined(out, stretch, i, error))
            return false;
    }
    return true;
}

static bool is_plain(const struct paragraph_line *line, bool first)
{
    return line->shape.mark == LINE_PLAIN || (line->shape.mark == LINE_LATER && !first);
}

bool paragraph_write(struct trace *out, const struct paragraph *paragraph, size_t first,
                     struct error *error)
{
    for (size_t i = first; i < paragraph->count;) {
        const struct paragraph_line *line = &paragraph->lines[i];
        if (line->shape.mark == LINE_RULE) {
            if (!paragraph_write_kept(out, paragraph, i, i + 1, error))
                return false;
            i++;
            continue;
        }
        if (!is_plain(line, i == first))
            return paragraph_write_kept(out, paragraph, i, paragraph->count, error);
        struct stretch stretch = {.paragraph = paragraph, .first = i};
        while (i < paragraph->count && is_plain(&paragraph->lines[i], i == first))
            i++;
        stretch.last = i;
        if (!write_stretch(out, &stretch, error))
            return false;
    }
    return true;
}
