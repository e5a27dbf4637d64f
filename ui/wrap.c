#include "ui/wrap.h"

#include "ui/cluster.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CODE_BLANKS 4 /* at the beginning of a line of code */

/* A line of the text, without its end. */
struct line {
    const char *text; /* the whole text */
    size_t begin, end;
    enum wrap_kind kind;
    bool whole;    /* blanks count: it breaks between clusters only */
    unsigned hang; /* columns before its further rows */
};

/* What the lines before say about a line. */
struct context {
    char fence; /* '`' or '~' within fenced code, 0 outside */
    size_t fence_size;
    bool list; /* the last line with anything in it belongs to a list */
};

/* --- what a line is ---------------------------------------------------------------------- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Skips spaces and tabs from *at on; returns their columns. */
static unsigned skip_blanks(size_t *at, const struct line *line)
{
    unsigned columns = 0;
    for (; *at < line->end && is_blank(line->text[*at]); (*at)++)
        if (columns < 1000)
            columns += line->text[*at] == '\t' ? 4 : 1;
    return columns;
}

static size_t count_of(char byte, size_t at, const struct line *line)
{
    size_t begin = at;
    while (at < line->end && line->text[at] == byte)
        at++;
    return at - begin;
}

/* The marker of a list item at `at` and the blanks after it: their bytes, else 0. */
static size_t list_marker(size_t at, const struct line *line)
{
    static const char bullet[] = "\xE2\x80\xA2";
    size_t end = at;
    if (end < line->end && strchr("-*+", line->text[end]) && line->text[end] != '\0') {
        end++;
    } else if (line->end - end >= sizeof(bullet) - 1 &&
               memcmp(line->text + end, bullet, sizeof(bullet) - 1) == 0) {
        end += sizeof(bullet) - 1;
    } else {
        while (end < line->end && end - at < 9 && line->text[end] >= '0' && line->text[end] <= '9')
            end++;
        if (end == at || end == line->end || (line->text[end] != '.' && line->text[end] != ')'))
            return 0;
        end++;
    }
    if (end == line->end || !is_blank(line->text[end]))
        return 0;
    skip_blanks(&end, line);
    return end < line->end ? end - at : 0;
}

static bool is_heading(const struct line *line)
{
    size_t marks = count_of('#', line->begin, line);
    return marks >= 1 && marks <= 6 && line->begin + marks < line->end &&
           is_blank(line->text[line->begin + marks]);
}

/* True for a line of fenced code, the fences themselves among them. */
static bool is_fenced(struct context *context, const struct line *line)
{
    size_t at = line->begin;
    unsigned blanks = skip_blanks(&at, line);
    char byte = at < line->end ? line->text[at] : '\0';
    size_t size = byte == '`' || byte == '~' ? count_of(byte, at, line) : 0;
    size_t after = at + size;
    if (context->fence == '\0') {
        bool opens = size >= 3 && blanks < CODE_BLANKS &&
                     (byte == '~' || !memchr(line->text + after, '`', line->end - after));
        if (opens) {
            context->fence = byte;
            context->fence_size = size;
        }
        return opens;
    }
    skip_blanks(&after, line);
    if (byte == context->fence && size >= context->fence_size && blanks < CODE_BLANKS &&
        after == line->end)
        context->fence = '\0';
    return true;
}

/* Sets what a line outside fenced code is. */
static void classify(struct line *line, struct context *context)
{
    size_t at = line->begin;
    unsigned blanks = skip_blanks(&at, line);
    if (at == line->end)
        return;
    size_t prefix = at;
    if (line->text[at] == '>' && at == line->begin) {
        line->kind = WRAP_QUOTE;
        while (at < line->end && line->text[at] == '>') {
            at++;
            skip_blanks(&at, line);
        }
        prefix = at;
    }
    size_t marker = list_marker(prefix, line);
    if (blanks >= CODE_BLANKS && !context->list) {
        line->kind = WRAP_CODE;
        line->whole = true;
        return;
    }
    context->list = marker > 0 || (context->list && blanks >= 2);
    if (is_heading(line))
        line->kind = WRAP_HEADING;
    else if (context->list || line->kind == WRAP_QUOTE)
        line->hang =
            (unsigned)cluster_columns(line->text + line->begin, prefix + marker - line->begin);
}

/* --- rows -------------------------------------------------------------------------------- */

static bool add_row(struct wrap *wrap, const struct line *line, size_t begin, size_t end,
                    struct error *error)
{
    if (wrap->count == wrap->capacity) {
        size_t capacity = wrap->capacity == 0 ? 64 : 2 * wrap->capacity;
        if (capacity > SIZE_MAX / sizeof(*wrap->rows))
            return error_out_of_memory(error);
        struct wrap_row *rows = realloc(wrap->rows, capacity * sizeof(*rows));
        if (!rows)
            return error_out_of_memory(error);
        wrap->rows = rows;
        wrap->capacity = capacity;
    }
    wrap->rows[wrap->count++] = (struct wrap_row){
        .begin = begin,
        .end = end,
        .indent = begin > line->begin ? line->hang : 0,
        .kind = line->kind,
    };
    return true;
}

/* Where a row may end, and where the next one begins then. */
struct chance {
    bool there, blank;
    size_t end, next;
};

static bool opens(wchar_t sign)
{
    return sign != L'\0' && wcschr(L"([{<\u00AB\u2018\u201C\u3008\u300A\u300C\u300E\u3010\u3014"
                                   L"\u3016\u3018\u301A\uFF08\uFF3B\uFF5B\uFF5F\uFF62",
                                   sign);
}

static bool closes(wchar_t sign)
{
    return sign != L'\0' &&
           wcschr(L")]}>.,;:!?%\"'\u00BB\u2019\u201D\u2026\u3001\u3002\u3005\u3009\u300B\u300D"
                  L"\u300F\u3011\u3015\u3017\u3019\u301B\u3041\u3043\u3045\u3047\u3049\u3063"
                  L"\u3083\u3085\u3087\u30A1\u30A3\u30A5\u30A7\u30A9\u30C3\u30E3\u30E5\u30E7"
                  L"\u30FB\u30FC\uFF01\uFF05\uFF09\uFF0C\uFF0E\uFF1A\uFF1B\uFF1F\uFF3D\uFF5D"
                  L"\uFF60\uFF61\uFF63\uFF64",
                  sign);
}

/* Looks at the cluster at `at`, after `before` (NULL at the row's beginning), for a place to
 * break. `solid`: the row holds more than blanks. */
static void find_chance(struct chance *chance, const struct cluster *before,
                        const struct cluster *cluster, size_t at, bool solid)
{
    if (!before)
        return;
    if (cluster->blank) {
        if (!solid)
            return;
        if (!(chance->there && chance->blank && chance->next == at))
            *chance = (struct chance){.there = true, .blank = true, .end = at};
        chance->next = at + cluster->size;
    } else if ((before->wide || cluster->wide) && !before->blank && !opens(before->shown[0]) &&
               !closes(cluster->shown[0])) {
        *chance = (struct chance){.there = true, .end = at, .next = at};
    }
}

/* One row from `begin` on; *next is where the row after it begins. */
static bool wrap_row(struct wrap *wrap, const struct line *line, size_t begin, unsigned room,
                     size_t *next, struct error *error)
{
    struct cluster clusters[2];
    struct cluster *cluster = &clusters[0], *before = NULL;
    struct chance chance = {0};
    size_t used = 0;
    bool solid = false;
    for (size_t at = begin; at < line->end; at += before->size) {
        cluster_next(cluster, line->text, line->end, at);
        if (!line->whole)
            find_chance(&chance, before, cluster, at, solid);
        /* Blanks at the end of a row may stick out: nobody sees them. */
        bool hangs = chance.there && chance.blank && cluster->blank;
        used += cluster->columns;
        if (used > room && at > begin && !hangs) {
            *next = chance.there ? chance.next : at;
            return add_row(wrap, line, begin, chance.there ? chance.end : at, error);
        }
        solid = solid || !cluster->blank;
        before = cluster;
        cluster = cluster == &clusters[0] ? &clusters[1] : &clusters[0];
    }
    *next = line->end;
    return add_row(wrap, line, begin, used > room && chance.blank ? chance.end : line->end, error);
}

static bool wrap_line(struct wrap *wrap, struct line *line, unsigned columns, struct error *error)
{
    if (line->begin == line->end)
        return add_row(wrap, line, line->begin, line->end, error);
    if (line->hang > columns / 2)
        line->hang = 0;
    for (size_t at = line->begin; at < line->end;) {
        unsigned room = at == line->begin ? columns : columns - line->hang;
        if (!wrap_row(wrap, line, at, room, &at, error))
            return false;
    }
    return true;
}

bool wrap_text(struct wrap *wrap, const char *text, size_t size, unsigned columns,
               struct error *error)
{
    assert(columns > 0);
    struct context context = {0};
    wrap->count = 0;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        struct line line = {
            .text = text,
            .begin = at,
            .end = end ? (size_t)(end - text) : size,
        };
        at = end ? line.end + 1 : size;
        if (end && line.end > line.begin && text[line.end - 1] == '\r')
            line.end--;
        line.whole = is_fenced(&context, &line);
        if (line.whole)
            line.kind = WRAP_CODE;
        else
            classify(&line, &context);
        if (!wrap_line(wrap, &line, columns, error))
            return false;
    }
    return true;
}

void wrap_free(struct wrap *wrap)
{
    free(wrap->rows);
    *wrap = (struct wrap){0};
}

size_t wrap_find(const struct wrap *wrap, size_t offset)
{
    size_t low = 0, high = wrap->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (wrap->rows[middle].begin <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}
