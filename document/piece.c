#include "document/piece.h"

#include "document/heading.h"
#include "document/line.h"
#include "document/rune.h"

#include <stdlib.h>
#include <string.h>

enum { METADATA_MOST = 200, CODE_SHARE = 5 };

bool piece_add(struct piece *piece, const struct source_line *line, struct error *error)
{
    if (piece->count == piece->capacity) {
        size_t capacity = piece->capacity ? piece->capacity * 2 : 256;
        struct piece_line *lines = realloc(piece->lines, capacity * sizeof *lines);
        if (!lines)
            return error_out_of_memory(error);
        piece->lines = lines;
        piece->capacity = capacity;
    }
    size_t begin = piece->text.text.size, size = line->text.text.size;
    if (!trace_copy(&piece->text, &line->text, 0, size, error) ||
        !trace_add(&piece->text, "\n", 1, line->ended ? 1 : 0, line->stop, error))
        return false;
    struct piece_line *added = &piece->lines[piece->count++];
    *added = (struct piece_line){.begin = begin, .end = begin + size, .line = *line};
    added->line.text = (struct trace){0};
    return true;
}

void piece_drop(struct piece *piece, size_t lines)
{
    size_t gone = lines < piece->count ? piece->lines[lines].begin : piece->text.text.size;
    trace_drop(&piece->text, gone);
    piece->count -= lines;
    memmove(piece->lines, piece->lines + lines, piece->count * sizeof *piece->lines);
    for (size_t i = 0; i < piece->count; i++) {
        piece->lines[i].begin -= gone;
        piece->lines[i].end -= gone;
    }
}

void piece_free(struct piece *piece)
{
    trace_free(&piece->text);
    free(piece->lines);
    *piece = (struct piece){0};
}

const char *piece_text(const struct piece *piece, size_t line, size_t *size)
{
    *size = piece->lines[line].end - piece->lines[line].begin;
    return piece->text.text.data + piece->lines[line].begin;
}

static bool is_empty(const struct piece *piece, size_t line)
{
    return line >= piece->count || piece->lines[line].begin == piece->lines[line].end;
}

/* --- looks ------------------------------------------------------------------------------ */

struct fence {
    char mark;
    size_t length; /* 0: none is open */
};

/* True when the line is a fence or lies within one. */
static bool go_through(struct fence *fence, const char *text, size_t size)
{
    if (fence->length > 0) {
        if (line_closes_fence(text, size, fence->mark, fence->length))
            fence->length = 0;
        return true;
    }
    fence->length = line_opens_fence(&fence->mark, text, size);
    return fence->length > 0;
}

/* | --- | :--: |, with a row above. */
static bool is_table_rule(const char *text, size_t size)
{
    bool bar = false, dashes = false;
    for (size_t i = 0; i < size; i++) {
        if (!strchr("|-: \t", text[i]) || text[i] == '\0')
            return false;
        bar = bar || text[i] == '|';
        dashes = dashes || text[i] == '-';
    }
    return bar && dashes;
}

/* "[text](address", "[text][reference]", "[reference]: address" */
static bool has_link(const char *text, size_t size)
{
    for (size_t i = 1; i + 2 < size; i++) {
        char after = text[i + 2];
        bool bracket = text[i] == ']' && text[i - 1] != '[' && text[i - 1] != ' ';
        if (!bracket || after == ' ' || after == ')' || after == ']')
            continue;
        if (text[i + 1] == '(' && memchr(text + i, ')', size - i))
            return true;
        if (text[i + 1] == '[' && (after < '0' || after > '9') &&
            memchr(text + i + 1, ']', size - i - 1))
            return true;
    }
    const char *end = size > 3 && text[0] == '[' ? memchr(text, ']', size - 2) : NULL;
    return end && end[1] == ':' && end[2] == ' ' && memmem(text, size, "://", 3);
}

/* What md4c may see otherwise than those who look at lines alone. */
static bool has_marks(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] && strchr("*_`[]<&\\~|", text[i]))
            return true;
    return false;
}

struct looks {
    size_t headings, comments, underlines, fences, links, tables, code, lines;
    bool marks;
};

static bool is_marked(const struct piece *piece, size_t line)
{
    size_t size;
    struct heading heading;
    if (line >= piece->count)
        return false;
    const char *text = piece_text(piece, line, &size);
    /* "# -*- coding: latin-1 -*-" is for an editor. */
    return heading_marked(&heading, (struct heading_line){text, size}) &&
           !memmem(text, size, "-*-", 3);
}

/* Titles of reStructuredText; Markdown's own of this kind do not matter. */
static bool is_underline(const struct piece *piece, size_t line)
{
    static const struct heading_outline none;
    struct heading heading;
    size_t size, title_size;
    if (line == 0 || is_empty(piece, line - 1))
        return false;
    const char *text = piece_text(piece, line, &size);
    const char *title = piece_text(piece, line - 1, &title_size);
    return heading_underlined(&heading, &none, (struct heading_line){title, title_size},
                              (struct heading_line){text, size});
}

static void look_at(struct looks *looks, const struct piece *piece, size_t i)
{
    size_t size;
    struct line_shape shape;
    const char *text = piece_text(piece, i, &size);
    line_measure(&shape, text, size);
    looks->lines++;
    looks->code += shape.code == 2;
    looks->links += has_link(text, size);
    looks->tables += i > 0 && !is_empty(piece, i - 1) && is_table_rule(text, size);
    looks->underlines += is_underline(piece, i);
    if (!is_marked(piece, i))
        return;
    bool free = i == 0 || is_empty(piece, i - 1);
    bool beside = is_marked(piece, i + 1) || (i > 0 && is_marked(piece, i - 1));
    looks->headings += free && !beside;
    looks->comments += beside || !free;
}

bool piece_is_markdown(const struct piece *piece)
{
    struct looks looks = {0};
    struct fence fence = {0};
    size_t size;
    if (piece->text.text.size > 1 && memcmp(piece->text.text.data, "#!", 2) == 0)
        return false;
    for (size_t i = 0; i < piece->count; i++) {
        const char *text = piece_text(piece, i, &size);
        bool open = fence.length > 0;
        looks.marks = looks.marks || has_marks(text, size);
        if (go_through(&fence, text, size))
            looks.fences += open && fence.length == 0 && fence.mark == '`';
        else if (size > 0)
            look_at(&looks, piece, i);
    }
    if (!looks.marks || looks.code * CODE_SHARE > looks.lines)
        return false;
    return looks.fences > 0 || looks.links > 0 || looks.tables > 0 ||
           looks.headings > looks.comments + looks.underlines;
}

size_t piece_metadata(const struct piece *piece)
{
    size_t size;
    for (size_t i = 0; i < piece->count && i < METADATA_MOST; i++) {
        const char *text = piece_text(piece, i, &size);
        bool rule = size == 3 && memcmp(text, "---", 3) == 0;
        if (i == 0 ? !rule : size == 0)
            return 0;
        if (i > 1 && (rule || (size == 3 && memcmp(text, "...", 3) == 0)))
            return i + 1;
    }
    return 0;
}

/* --- cuts ------------------------------------------------------------------------------- */

size_t piece_cut(const struct piece *piece, char fence[PIECE_FENCE])
{
    struct fence open = {fence[0], strlen(fence)};
    size_t size, heading = 0, gap = 0;
    for (size_t i = 0; i < piece->count; i++) {
        const char *text = piece_text(piece, i, &size);
        bool inside = open.length > 0;
        bool code = go_through(&open, text, size);
        bool late = piece->lines[i].begin > piece->text.text.size / 2;
        if (!late || inside || i == 0)
            continue;
        if (!code && is_marked(piece, i) && is_empty(piece, i - 1))
            heading = i;
        if (size > 0 && is_empty(piece, i - 1) && rune_skip_blanks(text, size) == 0)
            gap = i;
    }
    if (heading > 0 || gap > 0) {
        fence[0] = '\0';
        return heading > 0 ? heading : gap;
    }
    size_t marks = open.length < PIECE_FENCE ? open.length : PIECE_FENCE - 1;
    memset(fence, open.mark, marks);
    fence[marks] = '\0';
    return piece->count;
}
