#include "document/piece.h"

#include "document/heading.h"
#include "document/line.h"
#include "document/rune.h"

#include <stdlib.h>
#include <string.h>

enum {
    METADATA_MOST = 200,
    CODE_SHARE = 10,       /* one line in so many may look like source code, */
    CODE_SHARE_STRONG = 2, /* where much speaks for Markdown */
    LINKS_STRONG = 3,
};

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

/* Does a bracket open before text[close] that nothing is called by, as in code? */
static bool has_label(const char *text, size_t close)
{
    size_t at = close;
    while (at > 0 && text[at - 1] != '[' && text[at - 1] != ']')
        at--;
    if (at == 0 || at == close || text[at - 1] != '[' || text[at] == ' ')
        return false;
    return at == 1 || strchr(" \t([!*_|>", text[at - 2]) != NULL;
}

/* "x.html", "/x", "#x", "http://x" up to the bracket. */
static bool is_address(const char *text, size_t size)
{
    size_t length = 0;
    bool mark = false;
    while (length < size && !strchr(") ,;'\"([=", text[length]))
        mark = strchr("./#:", text[length++]) || mark;
    return mark && length > 1 && length < size && (text[length] == ')' || text[length] == ' ');
}

/* "[text](address", "[text][reference]", "[reference]: address" */
static bool has_link(const char *text, size_t size)
{
    for (size_t i = 1; i + 2 < size; i++) {
        if (text[i] != ']' || !has_label(text, i))
            continue;
        if (text[i + 1] == '(' && is_address(text + i + 2, size - i - 2))
            return true;
        const char *end = text[i + 1] == '[' ? memchr(text + i + 2, ']', size - i - 2) : NULL;
        bool word = (text[i + 2] | 32) >= 'a' && (text[i + 2] | 32) <= 'z';
        if (end && end > text + i + 3 && word &&
            (end + 1 == text + size || strchr(" .,;:)", end[1])))
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
    size_t headings, comments, underlines, fences, links, tables, code, programs, lines;
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

static bool begins(const char *text, size_t size, const char *word)
{
    size_t length = strlen(word);
    return size > length && memcmp(text, word, length) == 0;
}

/* A line that only a program has. */
static bool is_program(const char *text, size_t size)
{
    char last = size > 0 ? text[size - 1] : ' ';
    if (begins(text, size, "def ") || begins(text, size, "class "))
        return last == ':';
    if (begins(text, size, "from "))
        return memmem(text, size, " import ", 8) != NULL;
    return begins(text, size, "#include ") || begins(text, size, "#define ") ||
           (begins(text, size, "import ") && last != '.' && !memchr(text + 7, ' ', size - 7));
}

static void look_at(struct looks *looks, const struct piece *piece, size_t i)
{
    size_t size;
    struct line_shape shape;
    const char *text = piece_text(piece, i, &size);
    line_measure(&shape, text, size);
    looks->lines++;
    /* Not what Markdown shows as code, nor the end of a comment in HTML. */
    looks->code += shape.code == 2 && !memchr(text, '`', size) && !memmem(text, size, "-->", 3);
    looks->programs += is_program(text, size);
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
    bool headings = looks.headings > looks.comments + looks.underlines;
    bool other = looks.fences > 0 || looks.links > 0 || looks.tables > 0;
    bool strong = looks.fences > 1 || looks.links >= LINKS_STRONG || (headings && other);
    if (!looks.marks || (!headings && !other))
        return false;
    return strong ? looks.code * CODE_SHARE_STRONG <= looks.lines
                  : looks.programs == 0 && looks.code * CODE_SHARE <= looks.lines;
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
