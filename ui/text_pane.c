#include "ui/text_pane.h"

#include "ui/cluster.h"

enum {
    WIDEST = 92, /* longer rows tire the eye */
    SPARE = 2,   /* rows kept around the cursor when there is room */
};

/* --- rows through all sections ------------------------------------------------------------- */

/* A row: of a section's text, or the empty one after its last. */
struct row {
    int64_t section;
    size_t index;
};

static const struct book_text *text_of(struct text_pane *pane, int64_t section)
{
    return book_text(pane->book, section, pane->columns);
}

/* Rows of a section with the one that parts it from the next; 1 until it is there. */
static size_t rows_of(struct text_pane *pane, int64_t section)
{
    const struct book_text *text = text_of(pane, section);
    if (!text)
        return 1;
    bool last = section + 1 >= pane->book->document.sections;
    size_t count = text->wrap.count;
    while (count > 1 && text->wrap.rows[count - 1].begin == text->wrap.rows[count - 1].end)
        count--; /* however many empty lines end it */
    return count + !last;
}

static struct row row_of(struct text_pane *pane, struct book_place place)
{
    const struct book_text *text = text_of(pane, place.section);
    size_t index = text ? wrap_find(&text->wrap, place.offset) : 0;
    size_t count = rows_of(pane, place.section);
    return (struct row){place.section, index < count ? index : count - 1};
}

static struct book_place place_of(struct text_pane *pane, struct row row)
{
    const struct book_text *text = text_of(pane, row.section);
    if (!text || text->wrap.count == 0)
        return (struct book_place){row.section, 0};
    if (row.index >= text->wrap.count)
        return (struct book_place){row.section, text->wrap.rows[text->wrap.count - 1].begin};
    return (struct book_place){row.section, text->wrap.rows[row.index].begin};
}

/* Whether this is the row between two sections. */
static bool is_between(struct text_pane *pane, struct row row)
{
    const struct book_text *text = text_of(pane, row.section);
    return text && text->wrap.count > 0 && row.section + 1 < pane->book->document.sections &&
           row.index + 1 == rows_of(pane, row.section);
}

static bool next_row(struct text_pane *pane, struct row *row)
{
    if (row->index + 1 < rows_of(pane, row->section)) {
        row->index++;
        return true;
    }
    if (row->section + 1 >= pane->book->document.sections)
        return false;
    *row = (struct row){row->section + 1, 0};
    return true;
}

static bool previous_row(struct text_pane *pane, struct row *row)
{
    if (row->index > 0) {
        row->index--;
        return true;
    }
    if (row->section == 0)
        return false;
    row->section--;
    row->index = rows_of(pane, row->section) - 1;
    return true;
}

static bool same_row(struct row a, struct row b)
{
    return a.section == b.section && a.index == b.index;
}

/* --- moving ---------------------------------------------------------------------------------- */

void text_pane_move(struct text_pane *pane, long rows)
{
    if (pane->book->document.sections == 0 || pane->columns == 0)
        return;
    pane->above = -1;
    struct row row = row_of(pane, pane->cursor);
    struct row good = row;
    bool more = true;
    for (long i = 0; more && i < (rows < 0 ? -rows : rows);) {
        more = rows < 0 ? previous_row(pane, &row) : next_row(pane, &row);
        if (more && !text_of(pane, row.section)) { /* its rows are not known yet */
            pane->cursor = (struct book_place){row.section, rows < 0 ? (size_t)-1 : 0};
            return;
        }
        if (more && !is_between(pane, row)) {
            good = row;
            i++;
        }
    }
    pane->cursor = place_of(pane, good);
}

void text_pane_end(struct text_pane *pane)
{
    if (pane->book->document.sections > 0)
        pane->cursor = (struct book_place){pane->book->document.sections - 1, (size_t)-1};
}

void text_pane_click(struct text_pane *pane, int line)
{
    pane->above = -1;
    struct row row = row_of(pane, pane->top);
    for (int i = 0; i < line; i++)
        if (!next_row(pane, &row))
            return;
    if (!is_between(pane, row))
        pane->cursor = place_of(pane, row);
}

/* How many rows below `top` the row is: 0 for top itself; `most` when it is not within. */
static int distance(struct text_pane *pane, struct row top, struct row row, int most)
{
    for (int i = 0; i < most; i++) {
        if (same_row(top, row))
            return i;
        if (!next_row(pane, &top))
            break;
    }
    return most;
}

/* Makes `top` the row that lies pane->above rows over the cursor, and is done with it when
 * all texts between are there. */
static void settle_top(struct text_pane *pane)
{
    struct row top = row_of(pane, pane->cursor);
    bool known = text_of(pane, top.section) != NULL;
    for (int rows = pane->above; rows > 0 && previous_row(pane, &top); rows--)
        known = known && text_of(pane, top.section);
    pane->top = place_of(pane, top);
    if (known)
        pane->above = -1;
}

static void set_top(struct text_pane *pane, int above)
{
    pane->above = above;
    settle_top(pane);
}

static bool is_above(struct row a, struct row b)
{
    return a.section < b.section || (a.section == b.section && a.index < b.index);
}

/* Scrolls so that the cursor is seen, no farther than needed. */
static void follow_cursor(struct text_pane *pane)
{
    if (pane->above >= 0)
        settle_top(pane);
    struct row top = row_of(pane, pane->top), cursor = row_of(pane, pane->cursor);
    int spare = pane->lines > 3 * SPARE ? SPARE : 0;
    int away = distance(pane, top, cursor, pane->lines);
    if (pane->above < 0 && (is_above(cursor, top) || away < spare))
        set_top(pane, spare);
    else if (pane->above < 0 && away >= pane->lines - spare)
        set_top(pane, pane->lines - 1 - spare);
    const struct book_text *text = text_of(pane, pane->cursor.section);
    if (text && pane->cursor.offset > text->text.size)
        pane->cursor = place_of(pane, cursor);
}

static void fit(const struct text_pane *pane, struct book_place *place)
{
    int64_t sections = pane->book->document.sections;
    if (!pane->book->loaded)
        return;
    if (place->section >= sections)
        *place = (struct book_place){sections > 0 ? sections - 1 : 0, 0};
    if (place->section < 0)
        *place = (struct book_place){0, 0};
}

void text_pane_fit(struct text_pane *pane)
{
    const struct book_text *text = pane->columns ? text_of(pane, pane->cursor.section) : NULL;
    fit(pane, &pane->cursor);
    if (text && pane->cursor.offset > text->text.size)
        pane->cursor = place_of(pane, row_of(pane, pane->cursor));
    fit(pane, &pane->top);
    fit(pane, &pane->anchor);
}

void text_pane_go(struct text_pane *pane, struct book_place place)
{
    fit(pane, &place);
    pane->cursor = place;
    if (pane->columns == 0 || pane->lines == 0) { /* not drawn yet */
        pane->top = place;
        return;
    }
    struct row top = row_of(pane, pane->top), cursor = row_of(pane, place);
    int away = is_above(cursor, top) ? pane->lines : distance(pane, top, cursor, pane->lines);
    if (away >= pane->lines - SPARE || !text_of(pane, place.section))
        set_top(pane, pane->lines / 3);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

/* A passage stays within the section that the cursor is in. */
static void extend_to_anchor(const struct text_pane *pane, const struct book_text *text,
                             int64_t section, size_t *begin, size_t *end)
{
    const struct wrap_row *other = &text->wrap.rows[wrap_find(&text->wrap, pane->anchor.offset)];
    if (pane->anchor.section < section) {
        *begin = 0;
    } else if (pane->anchor.section > section) {
        *end = text->wrap.rows[text->wrap.count - 1].end;
    } else {
        *begin = other->begin < *begin ? other->begin : *begin;
        *end = other->end > *end ? other->end : *end;
    }
}

bool text_pane_passage(struct text_pane *pane, int64_t *section, size_t *begin, size_t *end)
{
    const struct book_text *text = pane->columns ? text_of(pane, pane->cursor.section) : NULL;
    if (!text || text->wrap.count == 0)
        return false;
    const struct wrap_row *row = &text->wrap.rows[wrap_find(&text->wrap, pane->cursor.offset)];
    *section = pane->cursor.section;
    *begin = row->begin;
    *end = row->end;
    if (pane->choosing)
        extend_to_anchor(pane, text, *section, begin, end);
    while (*begin < *end && is_blank(text->text.text[*begin]))
        ++*begin;
    while (*begin < *end && is_blank(text->text.text[*end - 1]))
        --*end;
    return true;
}

/* --- drawing ---------------------------------------------------------------------------------- */

static enum theme_style style_of(enum wrap_kind kind)
{
    return kind == WRAP_HEADING ? THEME_HEADING
           : kind == WRAP_CODE  ? THEME_CODE
           : kind == WRAP_QUOTE ? THEME_DIM
                                : THEME_TEXT;
}

/* What a row is drawn from. */
struct drawn {
    const struct book_text *text;
    const struct wrap_row *row;
    struct canvas_area area;
    int line, margin;
};

/* Restyles the part of a row that [begin, end) covers. */
static void restyle(const struct drawn *d, size_t begin, size_t end, enum theme_style style)
{
    const char *text = d->text->text.text;
    if (begin < d->row->begin)
        begin = d->row->begin;
    if (end > d->row->end)
        end = d->row->end;
    if (begin >= end)
        return;
    int first = d->margin + (int)d->row->indent +
                (int)cluster_columns(text + d->row->begin, begin - d->row->begin);
    int count = (int)cluster_columns(text + begin, end - begin);
    canvas_restyle(d->area, d->line, first, count, style);
}

static void draw_hits(const struct text_pane *pane, const struct drawn *d)
{
    const struct searching_hits *hits = &pane->book->hits;
    int64_t section = d->text->section;
    for (size_t i = book_first_hit(pane->book, (struct book_place){section, 0});
         i < hits->count && hits->items[i].section == section; i++) {
        const struct searching_hit *hit = &hits->items[i];
        if (hit->begin >= d->row->end && hit->begin > d->row->begin)
            break;
        bool here = pane->cursor.section == section && pane->cursor.offset >= d->row->begin &&
                    pane->cursor.offset <= d->row->end;
        restyle(d, hit->begin, hit->end, here ? THEME_HIT_HERE : THEME_HIT);
    }
}

/* The sign in the margin: a note before a bookmark before a mark. */
static const char *draw_notes(const struct text_pane *pane, const struct drawn *d)
{
    const char *sign = "";
    enum library_note_kind most = 0;
    for (size_t i = 0; i < pane->book->notes.count; i++) {
        const struct noting_note *item = &pane->book->notes.items[i];
        const struct library_note *note = &item->note;
        if (item->lost || note->section != d->text->section)
            continue;
        if (note->kind == LIBRARY_NOTE_NOTE)
            restyle(d, (size_t)note->begin, (size_t)note->end, THEME_NOTED);
        if ((size_t)note->begin < d->row->begin || (size_t)note->begin > d->row->end ||
            ((size_t)note->begin == d->row->end && d->row->begin < d->row->end) ||
            note->kind < most)
            continue;
        most = note->kind;
        sign = note->kind == LIBRARY_NOTE_NOTE       ? "*"
               : note->kind == LIBRARY_NOTE_BOOKMARK ? "#"
                                                     : note->name;
    }
    return sign;
}

static void draw_row(struct text_pane *pane, const struct drawn *d, bool cursor, bool focused)
{
    const struct wrap_row *row = d->row;
    int64_t section;
    size_t begin, end;
    canvas_put(d->area, d->line, d->margin + (int)row->indent, d->text->text.text + row->begin,
               row->end - row->begin, style_of(row->kind));
    const char *sign = draw_notes(pane, d);
    if (d->text->section == pane->passage_section)
        restyle(d, pane->passage_begin, pane->passage_end, THEME_PASSAGE);
    draw_hits(pane, d);
    if (pane->choosing && text_pane_passage(pane, &section, &begin, &end) &&
        section == d->text->section)
        restyle(d, begin, end, THEME_CHOSEN);
    struct canvas_area margin = {d->area.line + d->line, d->area.column, 1, d->margin};
    canvas_label(margin, 0, d->margin - 2, sign, THEME_NOTED);
    if (cursor)
        canvas_label(margin, 0, 0, ">", focused ? THEME_SELECTED : THEME_CURSOR);
}

void text_pane_draw(struct text_pane *pane, struct canvas_area area, bool focused)
{
    /* For the cursor, a sign and a gap; in a narrow pane the cursor hides the sign. */
    const int margin = area.columns < 40 ? 2 : 3;
    if (area.lines <= 0 || area.columns <= margin || pane->book->document.sections == 0)
        return;
    int columns = area.columns - margin;
    pane->columns = (unsigned)(columns < WIDEST ? columns : WIDEST);
    pane->lines = area.lines;
    pane->area = area;
    follow_cursor(pane);
    struct row row = row_of(pane, pane->top), cursor = row_of(pane, pane->cursor);
    for (int line = 0; line < area.lines; line++) {
        const struct book_text *text = text_of(pane, row.section);
        if (!text) {
            canvas_label(area, line, margin, "...", THEME_DIM);
        } else if (row.index < text->wrap.count && !is_between(pane, row)) {
            struct drawn d = {text, &text->wrap.rows[row.index], area, line, margin};
            draw_row(pane, &d, same_row(row, cursor), focused);
        }
        if (!next_row(pane, &row))
            break;
    }
    book_prefetch(pane->book, row.section + 1);
    book_prefetch(pane->book, row_of(pane, pane->top).section - 1);
}
