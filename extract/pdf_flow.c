/* Lines become headings, paragraphs, rows, code and notes. */
#include "extract/pdf.h"

#include "document/hyphen.h"
#include "document/rune.h"
#include "extract/emit.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES_MOST = 1 << 20, INDENT_MOST = 40 };

static struct {
    bool open, code;
    struct pdf_line first, last; /* of what is open */
    size_t count;                /* its lines */
    double leading;              /* between its lines; 0: not known yet */
    size_t page;                 /* of its last line */
    size_t told;                 /* the page that was sent last */
    struct buffer held;          /* text of its last line: its hyphen may go */
    struct buffer notes;         /* footnotes that wait for the paragraph's end */
} flow;

static void tell_page(const struct pdf_page *page)
{
    if (flow.told == page->number)
        return;
    flow.told = page->number;
    emit_place(EMIT_PAGE, page->number, page->label, strlen(page->label));
}

static void put_held(size_t drop)
{
    size_t size = flow.held.size - drop;
    if (size > 0)
        emit_text(flow.held.data, size);
    buffer_clear(&flow.held);
}

static void put_notes(void)
{
    for (size_t i = 0; i < flow.notes.size;) {
        const char *end = memchr(flow.notes.data + i, '\n', flow.notes.size - i);
        size_t size = end ? (size_t)(end - flow.notes.data) - i : flow.notes.size - i;
        emit_start(EMIT_PARAGRAPH, 0);
        emit_text(flow.notes.data + i, size);
        emit_finish();
        i += size + 1;
    }
    buffer_clear(&flow.notes);
}

static void close_block(void)
{
    if (flow.open) {
        put_held(0);
        emit_finish();
    }
    flow.open = false;
    put_notes();
}

static bool ends_sentence(const char *text, size_t size)
{
    size_t length;
    uint32_t rune = rune_before(text, size, &length);
    while (size > 0 && (rune_is_closing(rune) || rune_is_digit(rune) || rune == ' ')) {
        size -= length;
        rune = rune_before(text, size, &length);
    }
    return rune_ends_sentence(rune) || rune == ':';
}

static size_t first_word(const char *text, size_t size)
{
    size_t at = 0, length, count = 0;
    for (; at < size; at += length) {
        uint32_t rune = rune_at(text, size, at, &length);
        if (rune_is_blank(rune))
            break;
        count++;
        if (rune_is_wide(rune))
            break;
    }
    return count;
}

/* Would the next line's first word have fitted behind this one? Then it ended here. */
static bool is_short(const struct pdf_line *line, const char *next, size_t next_size)
{
    double word = 0.5 * line->font * (double)(first_word(next, next_size) + 1);
    size_t length;
    if (rune_is_wide(rune_at(next, next_size, 0, &length)))
        word = 2 * line->font;
    return line->x1 + word + 0.5 * line->font < line->right;
}

/* A bullet, or a number as of a list's item. */
static bool begins_item(const char *text, size_t size, bool *bullet)
{
    static const uint32_t bullets[] = {0x2022, 0x2023, 0x25E6, 0x25AA, 0x25CF, 0x25CB, 0x25A0,
                                       0x2219, 0xB7,   0x2013, 0x2014, '-',    '*',    0xF0B7};
    size_t length, at = 0;
    uint32_t first = rune_at(text, size, 0, &length);
    *bullet = false;
    for (size_t i = 0; i < sizeof bullets / sizeof *bullets; i++)
        if (first == bullets[i])
            *bullet = length < size && rune_is_blank(rune_at(text, size, length, &length));
    if (*bullet)
        return true;
    if (text[at] == '(')
        at++;
    size_t begin = at;
    while (at < size && at < begin + 3 && isalnum((unsigned char)text[at]))
        at++;
    bool letters = at - begin > 1 && !isdigit((unsigned char)text[begin]);
    return at > begin && !letters && at + 1 < size && (text[at] == '.' || text[at] == ')') &&
           (text[at + 1] == ' ' || text[at + 1] == '\t');
}

/* --- paragraphs -------------------------------------------------------------------------- */

/* Whether the line on another page, or in another column, goes on with what is open. */
static bool goes_over(const struct pdf_line *line, const char *text, size_t size)
{
    size_t length;
    bool bullet, sentence = ends_sentence(flow.held.data, flow.held.size);
    if (fabs(line->font - flow.last.font) > 0.6 || begins_item(text, size, &bullet))
        return false;
    if (is_short(&flow.last, text, size))
        return false;
    return !sentence || rune_is_lower(rune_at(text, size, 0, &length));
}

static bool goes_on(const struct pdf_page *page, const struct pdf_line *line, const char *text)
{
    const struct pdf_line *last = &flow.last;
    double gap = line->y1 - last->y1, em = line->font;
    bool bullet;
    if (flow.page != page->number || gap < -0.5 * em)
        return goes_over(line, text, line->size);
    if (fabs(gap) < 0.35 * em) /* the same line in two parts */
        return true;
    if (fabs(line->font - last->font) > 0.6)
        return false;
    double usual = flow.leading > 0 ? flow.leading : page->leading;
    if (gap > usual * 1.2 + 0.5 && gap > em * 1.1)
        return false;
    bool item = begins_item(text, line->size, &bullet);
    if (item && (bullet || is_short(last, text, line->size) || flow.count == 1))
        return false;
    double in = line->x0 - last->x0;
    bool first_item = flow.count == 1 && begins_item(flow.held.data, flow.held.size, &bullet);
    if (is_short(last, text, line->size))
        return false;
    if (in > 0.8 * em && flow.count > 1) /* a paragraph's first line */
        return !ends_sentence(flow.held.data, flow.held.size);
    return in > -0.8 * em || flow.count == 1 || first_item;
}

static bool ends_in_soft_hyphen(const struct buffer *text)
{
    return text->size >= 2 && memcmp(text->data + text->size - 2, "\xC2\xAD", 2) == 0;
}

static void join(const struct pdf_page *page, const char *text, size_t size)
{
    size_t drop = 0;
    enum hyphen_join how = HYPHEN_CLOSE;
    if (ends_in_soft_hyphen(&flow.held))
        drop = 2;
    else
        how = hyphen_join(&drop, flow.held.data ? flow.held.data : "", flow.held.size, text, size);
    put_held(drop);
    tell_page(page);
    if (how == HYPHEN_SPACE)
        emit_text(" ", 1);
}

static void take_last(const struct pdf_page *page, const struct pdf_line *line, const char *text,
                      size_t size)
{
    if (flow.count > 0 && flow.page == page->number && line->y1 - flow.last.y1 > 0.5 * line->font)
        flow.leading = line->y1 - flow.last.y1;
    flow.last = *line;
    flow.page = page->number;
    flow.count++;
    pdf_add(&flow.held, text, size);
}

static void start(const struct pdf_page *page, const struct pdf_line *line, enum emit_kind kind)
{
    close_block();
    tell_page(page);
    emit_start(kind, 0);
    flow.open = true;
    flow.code = kind == EMIT_CODE;
    flow.first = *line;
    flow.count = 0;
    flow.leading = 0;
}

/* --- code ---------------------------------------------------------------------------------- */

static bool is_code(const struct pdf_page *page, const struct pdf_line *line, const char *text)
{
    if (!line->mono || page->mono)
        return false;
    /* A word or two of a paragraph, at its line's turn. */
    return !flow.open || flow.code || fabs(line->font - flow.last.font) > 0.6 ||
           !goes_on(page, line, text);
}

static void put_code(const struct pdf_page *page, const struct pdf_line *line, const char *text)
{
    double gap = line->y1 - flow.last.y1;
    bool same = flow.open && flow.code && fabs(line->font - flow.first.font) < 0.6 &&
                (flow.page != page->number || (gap > -0.5 && gap < 3.5 * line->font));
    if (same && flow.page == page->number && fabs(gap) < 0.35 * line->font) {
        pdf_add(&flow.held, " ", 1);
    } else if (same) {
        put_held(0);
        tell_page(page);
        emit_break();
        if (flow.page == page->number && gap > 1.7 * line->font)
            emit_break();
        double columns = (line->x0 - flow.first.x0) / (0.6 * line->font);
        for (int i = 0; i < INDENT_MOST && i + 0.5 <= columns; i++)
            pdf_add(&flow.held, " ", 1);
    } else {
        start(page, line, EMIT_CODE);
    }
    take_last(page, line, text, line->size);
}

/* --- the rest -------------------------------------------------------------------------------- */

static void put_heading(struct pdf_page *page, size_t number)
{
    const struct pdf_heading *heading = &page->headings[number - 1];
    close_block();
    tell_page(page);
    emit_start(EMIT_HEADING, heading->level);
    emit_text(heading->title.data ? heading->title.data : "", heading->title.size);
    emit_finish();
}

/* Bytes of dots and blanks that begin at `at` and lead somewhere; 0: they do not. */
static size_t leaders_at(const char *text, size_t size, size_t at)
{
    size_t end = at, dots = 0;
    for (; end < size && (text[end] == '.' || text[end] == ' '); end++)
        dots += text[end] == '.';
    return dots >= 4 ? end - at : 0;
}

static void put_cell(const char *text, size_t size)
{
    size_t begin = 0;
    for (size_t at = 0; at < size; at++) {
        size_t leaders = leaders_at(text, size, at);
        if (leaders == 0)
            continue;
        emit_text(text + begin, at - begin);
        /* At either end, another cell is there already. */
        if (at > 0 && at + leaders < size)
            emit_cell();
        begin = at + leaders;
        at = begin - 1;
    }
    emit_text(text + begin, size - begin);
}

static void put_table(const struct pdf_page *page, size_t table)
{
    close_block();
    tell_page(page);
    for (size_t i = 0; i < page->row_count; i++) {
        const struct buffer *row = &page->rows[i].text;
        if (page->rows[i].table != table)
            continue;
        emit_start(EMIT_ROW, 0);
        emit_cell();
        for (size_t at = 0; at < row->size;) {
            const char *tab = memchr(row->data + at, '\t', row->size - at);
            size_t size = tab ? (size_t)(tab - row->data) - at : row->size - at;
            put_cell(row->data + at, size);
            if (tab)
                emit_cell();
            at += size + 1;
        }
        emit_finish();
    }
}

/* A note's own lines are joined; each new one begins with its number. */
static void keep_note(const char *text, size_t size)
{
    size_t drop = 0;
    struct buffer *notes = &flow.notes;
    bool numbered = size > 2 && (text[0] == '[' || text[0] == '*' ||
                                 (isdigit((unsigned char)text[0]) && size > 3));
    if (notes->size + size > NOTES_MOST)
        emit_fail("has footnotes of more than %d bytes on one page", NOTES_MOST);
    if (notes->size > 0 && numbered) {
        pdf_add(notes, "\n", 1);
    } else if (notes->size > 0) {
        bool space = hyphen_join(&drop, notes->data, notes->size, text, size) == HYPHEN_SPACE;
        notes->size -= drop;
        if (space)
            pdf_add(notes, " ", 1);
    }
    pdf_add(notes, text, size);
}

static void put_line(struct pdf_page *page, const struct pdf_line *line)
{
    const char *text = pdf_line_text(page, line);
    if (is_code(page, line, text)) {
        put_code(page, line, text);
        return;
    }
    if (flow.open && !flow.code && goes_on(page, line, text))
        join(page, text, line->size);
    else
        start(page, line, EMIT_PARAGRAPH);
    take_last(page, line, text, line->size);
}

void pdf_flow(struct pdf_page *page)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct pdf_line *line = &page->lines[i];
        if (line->heading > 0)
            put_heading(page, line->heading);
        if (line->table > 0)
            put_table(page, line->table);
        if (line->dropped || line->taken || line->size == 0)
            continue;
        if (line->note)
            keep_note(pdf_line_text(page, line), line->size);
        else
            put_line(page, line);
    }
}

void pdf_flow_end(void)
{
    close_block();
}
