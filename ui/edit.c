#include "ui/edit.h"

#include "base/utf8.h"
#include "ui/cluster.h"
#include "ui/terminal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- history -------------------------------------------------------------------------- */

static void forget(struct edit_history *history, size_t index)
{
    free(history->lines[index]);
    history->count--;
    memmove(history->lines + index, history->lines + index + 1,
            (history->count - index) * sizeof *history->lines);
}

static bool grow(struct edit_history *history, struct error *error)
{
    if (history->count < history->capacity)
        return true;
    size_t capacity = history->capacity ? 2 * history->capacity : 16;
    char **lines = reallocarray(history->lines, capacity, sizeof *lines);
    if (!lines)
        return error_out_of_memory(error);
    history->lines = lines;
    history->capacity = capacity;
    return true;
}

bool edit_remember(struct edit_history *history, const char *line, struct error *error)
{
    if (!line || !*line || strlen(line) > EDIT_MOST)
        return true;
    char *copy = strdup(line);
    if (!copy)
        return error_out_of_memory(error);
    if (!grow(history, error)) {
        free(copy);
        return false;
    }
    for (size_t i = 0; i < history->count; i++)
        if (strcmp(history->lines[i], line) == 0) {
            forget(history, i);
            break;
        }
    if (history->count == EDIT_HISTORY_MOST)
        forget(history, 0);
    history->lines[history->count++] = copy;
    return true;
}

void edit_history_free(struct edit_history *history)
{
    for (size_t i = 0; i < history->count; i++)
        free(history->lines[i]);
    free(history->lines);
    *history = (struct edit_history){0};
}

/* --- changing the text ---------------------------------------------------------------- */

static bool put(struct buffer *buffer, const char *text, size_t size)
{
    if (!buffer_reserve(buffer, size, NULL))
        return false;
    buffer_clear(buffer);
    return buffer_append(buffer, text, size, NULL);
}

/* Moves the cursor out of the cluster that it has come into, to its end: what stands on
 * both sides of a change may have become one. */
static void settle(struct edit *edit)
{
    struct cluster cluster;
    size_t at = 0;
    while (at < edit->cursor) {
        cluster_next(&cluster, edit->text.data, edit->text.size, at);
        at += cluster.size;
    }
    edit->cursor = at;
}

/* At the cursor, which moves behind it. */
static enum edit_outcome insert(struct edit *edit, const char *text, size_t size)
{
    struct buffer *into = &edit->text;
    if (size > EDIT_MOST - into->size || !buffer_reserve(into, size, NULL))
        return EDIT_FULL;
    size_t behind = into->size - edit->cursor;
    memmove(into->data + edit->cursor + size, into->data + edit->cursor, behind);
    memcpy(into->data + edit->cursor, text, size);
    into->size += size;
    into->data[into->size] = '\0';
    edit->cursor += size;
    settle(edit);
    return EDIT_CHANGED;
}

/* The bytes from begin to end, to where the cursor goes. */
static enum edit_outcome cut(struct edit *edit, size_t begin, size_t end)
{
    struct buffer *from = &edit->text;
    if (begin == end)
        return EDIT_MOVED;
    memmove(from->data + begin, from->data + end, from->size - end);
    from->size -= end - begin;
    from->data[from->size] = '\0';
    edit->cursor = begin;
    settle(edit);
    return EDIT_CHANGED;
}

/* The same, kept for <C-y>. */
static enum edit_outcome cut_and_keep(struct edit *edit, size_t begin, size_t end)
{
    if (begin == end)
        return EDIT_MOVED;
    if (!put(&edit->killed, edit->text.data + begin, end - begin))
        return EDIT_FULL;
    return cut(edit, begin, end);
}

static enum edit_outcome insert_killed(struct edit *edit)
{
    return edit->killed.size > 0 ? insert(edit, edit->killed.data, edit->killed.size) : EDIT_MOVED;
}

static enum edit_outcome insert_character(struct edit *edit, uint32_t rune)
{
    char bytes[UTF8_MAX_BYTES];
    return insert(edit, bytes, utf8_encode(bytes, rune));
}

/* --- places in it --------------------------------------------------------------------- */

static size_t before(const struct edit *edit, size_t at)
{
    return at > 0 ? cluster_before(edit->text.data, edit->text.size, at) : 0;
}

static size_t after(const struct edit *edit, size_t at)
{
    struct cluster cluster;
    if (at >= edit->text.size)
        return edit->text.size;
    cluster_next(&cluster, edit->text.data, edit->text.size, at);
    return at + cluster.size;
}

/* What the cluster at `at` parts: everything but letters and digits, or blanks alone. */
enum parting { AT_SIGNS, AT_BLANKS };

static bool parts(const struct edit *edit, size_t at, enum parting parting)
{
    struct cluster cluster;
    cluster_next(&cluster, edit->text.data, edit->text.size, at);
    unsigned char first = (unsigned char)edit->text.data[at];
    return cluster.blank || (parting == AT_SIGNS && first < 0x80 && !isalnum(first));
}

static size_t word_begin(const struct edit *edit, enum parting parting)
{
    size_t begin = 0;
    bool parted = true;
    for (size_t at = 0; at < edit->cursor; at = after(edit, at)) {
        bool here = parts(edit, at, parting);
        if (parted && !here)
            begin = at;
        parted = here;
    }
    return begin;
}

static size_t word_end(const struct edit *edit)
{
    size_t at = edit->cursor;
    while (at < edit->text.size && parts(edit, at, AT_SIGNS))
        at = after(edit, at);
    while (at < edit->text.size && !parts(edit, at, AT_SIGNS))
        at = after(edit, at);
    return at;
}

static enum edit_outcome move(struct edit *edit, size_t to)
{
    edit->cursor = to;
    return EDIT_MOVED;
}

/* The cluster before the cursor changes places with the one at it; at the line's end, the
 * last two do. */
static enum edit_outcome transpose(struct edit *edit)
{
    size_t middle = edit->cursor < edit->text.size ? edit->cursor : before(edit, edit->cursor);
    size_t begin = before(edit, middle), end = after(edit, middle);
    if (begin == middle || middle == end)
        return EDIT_MOVED;
    struct buffer first = {0};
    if (!buffer_append(&first, edit->text.data + begin, middle - begin, NULL))
        return EDIT_FULL;
    memmove(edit->text.data + begin, edit->text.data + middle, end - middle);
    memcpy(edit->text.data + end - first.size, first.data, first.size);
    buffer_free(&first);
    edit->cursor = end;
    settle(edit);
    return EDIT_CHANGED;
}

/* --- lines typed before --------------------------------------------------------------- */

static enum edit_outcome recall(struct edit *edit, size_t back)
{
    const struct edit_history *history = edit->history;
    if (!history || back > history->count || back == edit->recalled)
        return EDIT_MOVED;
    if (edit->recalled == 0 && !put(&edit->fresh, edit->text.data, edit->text.size))
        return EDIT_FULL;
    const char *line = back > 0 ? history->lines[history->count - back] : edit->fresh.data;
    size_t size = back > 0 ? strlen(line) : edit->fresh.size;
    if (!put(&edit->text, line, size))
        return EDIT_FULL;
    edit->recalled = back;
    edit->cursor = size;
    return EDIT_CHANGED;
}

/* --- strokes -------------------------------------------------------------------------- */

static enum edit_outcome stroke_of_moving(struct edit *edit, uint32_t stroke)
{
    switch (stroke) {
    case STROKE_LEFT:
    case STROKE_CTRL('b'):
        return move(edit, before(edit, edit->cursor));
    case STROKE_RIGHT:
    case STROKE_CTRL('f'):
        return move(edit, after(edit, edit->cursor));
    case STROKE_HOME:
    case STROKE_CTRL('a'):
        return move(edit, 0);
    case STROKE_END:
    case STROKE_CTRL('e'):
        return move(edit, edit->text.size);
    case STROKE_ALT | 'b':
        return move(edit, word_begin(edit, AT_SIGNS));
    case STROKE_ALT | 'f':
        return move(edit, word_end(edit));
    case STROKE_UP:
    case STROKE_CTRL('p'):
        return recall(edit, edit->recalled + 1);
    case STROKE_DOWN:
    case STROKE_CTRL('n'):
        return recall(edit, edit->recalled > 0 ? edit->recalled - 1 : 0);
    default:
        return EDIT_IGNORED;
    }
}

static enum edit_outcome stroke_of_changing(struct edit *edit, uint32_t stroke)
{
    switch (stroke) {
    case STROKE_BACKSPACE:
    case STROKE_CTRL('h'):
        if (edit->text.size == 0)
            return EDIT_CANCELLED;
        return cut(edit, before(edit, edit->cursor), edit->cursor);
    case STROKE_DELETE:
    case STROKE_CTRL('d'):
        return cut(edit, edit->cursor, after(edit, edit->cursor));
    case STROKE_CTRL('w'):
        return cut_and_keep(edit, word_begin(edit, AT_BLANKS), edit->cursor);
    case STROKE_ALT | STROKE_BACKSPACE:
        return cut_and_keep(edit, word_begin(edit, AT_SIGNS), edit->cursor);
    case STROKE_ALT | 'd':
        return cut_and_keep(edit, edit->cursor, word_end(edit));
    case STROKE_CTRL('u'):
        return cut_and_keep(edit, 0, edit->cursor);
    case STROKE_CTRL('k'):
        return cut_and_keep(edit, edit->cursor, edit->text.size);
    case STROKE_CTRL('y'):
        return insert_killed(edit);
    case STROKE_CTRL('t'):
        return transpose(edit);
    default:
        return stroke_is_character(stroke) ? insert_character(edit, stroke) : EDIT_IGNORED;
    }
}

enum edit_outcome edit_stroke(struct edit *edit, uint32_t stroke)
{
    switch (stroke) {
    case STROKE_ENTER:
        return EDIT_ACCEPTED;
    case STROKE_ESCAPE:
    case STROKE_CTRL('c'):
    case STROKE_CTRL('g'):
        return EDIT_CANCELLED;
    case STROKE_TAB:
        return EDIT_COMPLETE;
    case STROKE_BACK_TAB:
        return EDIT_COMPLETE_BACK;
    default:
        break;
    }
    enum edit_outcome outcome = stroke_of_moving(edit, stroke);
    return outcome == EDIT_IGNORED ? stroke_of_changing(edit, stroke) : outcome;
}

/* --- whole texts ---------------------------------------------------------------------- */

#define NEXT_LINE 0x85u
#define LINE_SEPARATOR 0x2028u
#define PARAGRAPH_SEPARATOR 0x2029u

/* What a pasted character becomes in a line; 0: nothing. */
static uint32_t fitted(uint32_t rune)
{
    if (rune == '\n' || rune == '\r' || rune == '\t' || rune == NEXT_LINE ||
        rune == LINE_SEPARATOR || rune == PARAGRAPH_SEPARATOR)
        return ' ';
    return stroke_is_character(rune) ? rune : 0;
}

enum edit_outcome edit_paste(struct edit *edit, const char *text, size_t size)
{
    char fit[EDIT_MOST];
    size_t room = EDIT_MOST - edit->text.size, used = 0, length;
    bool full = false;
    for (size_t at = 0; at < size && !full; at += length) {
        uint32_t rune;
        char bytes[UTF8_MAX_BYTES];
        utf8_decode(&rune, &length, text + at, size - at);
        bool broken_line = rune == '\r' && at + 1 < size && text[at + 1] == '\n';
        rune = broken_line ? 0 : fitted(rune);
        if (rune == 0)
            continue;
        size_t more = utf8_encode(bytes, rune);
        full = more > room - used;
        if (!full)
            memcpy(fit + used, bytes, more);
        used += full ? 0 : more;
    }
    if (used == 0)
        return full ? EDIT_FULL : EDIT_MOVED;
    enum edit_outcome outcome = insert(edit, fit, used);
    return full ? EDIT_FULL : outcome;
}

bool edit_set(struct edit *edit, const char *text, struct error *error)
{
    size_t size = strlen(text);
    if (size > EDIT_MOST)
        return error_set(error, ERROR_INPUT, "a line of %zu bytes is too long: %d at most", size,
                         EDIT_MOST);
    if (!put(&edit->text, text, size))
        return error_out_of_memory(error);
    edit->cursor = size;
    return true;
}

void edit_clear(struct edit *edit)
{
    buffer_clear(&edit->text);
    buffer_clear(&edit->fresh);
    edit->cursor = 0;
    edit->recalled = 0;
}

void edit_free(struct edit *edit)
{
    buffer_free(&edit->text);
    buffer_free(&edit->killed);
    buffer_free(&edit->fresh);
    *edit = (struct edit){.history = edit->history};
}

/* --- drawing -------------------------------------------------------------------------- */

/* Columns of text before the line's first one that is shown. The text moves by half of
 * the width, so that what stands on both sides of the cursor is seen, and is in the same
 * place whichever way the cursor came. */
static size_t scrolled(size_t cursor, size_t width)
{
    size_t half = width > 1 ? width / 2 : 1;
    return cursor < width ? 0 : ((cursor - width) / half + 1) * half;
}

void edit_draw(const struct edit *edit, struct canvas_area area, int line, int column,
               enum theme_style style)
{
    const struct buffer *text = &edit->text;
    if (column < 0 || column >= area.columns || line < 0 || line >= area.lines)
        return;
    struct canvas_area field = {.line = area.line + line,
                                .column = area.column + column,
                                .lines = 1,
                                .columns = area.columns - column};
    canvas_clear(field, style);
    size_t cursor = edit->cursor > 0 ? cluster_columns(text->data, edit->cursor) : 0;
    size_t skipped = scrolled(cursor, (size_t)field.columns), begin = 0, columns = 0;
    while (columns < skipped && begin < edit->cursor) {
        struct cluster cluster;
        cluster_next(&cluster, text->data, text->size, begin);
        begin += cluster.size;
        columns += cluster.columns;
    }
    if (text->size > begin)
        canvas_put(field, 0, 0, text->data + begin, text->size - begin, style);
    terminal_cursor(field.line, field.column + (int)(cursor - columns));
}
