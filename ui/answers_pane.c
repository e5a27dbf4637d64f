#include "ui/answers_pane.h"

#include "ui/wrap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MARGIN = 3,  /* columns for the cursor and a sign */
    DEEPEST = 4, /* steps by which follow-ups are indented ... */
    NARROW = 24, /* ... where there are as many columns; else one step */
};

/* --- rows ------------------------------------------------------------------------------ */

static void free_rows(struct answers_pane *pane, size_t from)
{
    while (pane->count > from)
        free(pane->rows[--pane->count].text);
}

void answers_pane_free(struct answers_pane *pane)
{
    free_rows(pane, 0);
    free(pane->rows);
    *pane = (struct answers_pane){0};
}

static bool add_row(struct answers_pane *pane, const struct answers_row *row, const char *text,
                    size_t size)
{
    if (pane->count == pane->capacity) {
        size_t capacity = pane->capacity ? 2 * pane->capacity : 64;
        struct answers_row *rows = realloc(pane->rows, capacity * sizeof *rows);
        if (!rows)
            return false;
        pane->rows = rows;
        pane->capacity = capacity;
    }
    struct answers_row *added = &pane->rows[pane->count];
    *added = *row;
    added->text = strndup(text, size);
    pane->count += added->text != NULL;
    return added->text != NULL;
}

/* Wraps a text into rows; the first begins with `first`, the others with as many blanks. */
static bool add_text(struct answers_pane *pane, const struct answers_row *row, const char *first,
                     size_t blanks, const char *text)
{
    struct error error;
    struct wrap wrap = {0};
    struct buffer line = {0};
    int room = pane->columns - (int)blanks;
    bool ok = wrap_text(&wrap, text, strlen(text), room > 8 ? (unsigned)room : 8, &error);
    for (size_t i = 0; ok && i < wrap.count; i++) {
        buffer_clear(&line);
        ok = buffer_append_format(&line, &error, "%*s", (int)(wrap.rows[i].indent + blanks), "") &&
             buffer_append(&line, text + wrap.rows[i].begin, wrap.rows[i].end - wrap.rows[i].begin,
                           &error);
        if (ok && i == 0 && line.size >= strlen(first))
            memcpy(line.data, first, strlen(first));
        ok = ok && add_row(pane, row, line.data, line.size);
    }
    buffer_free(&line);
    wrap_free(&wrap);
    return ok;
}

/* Where a quote or an answer is from: "Title, p. 12". */
static bool add_place(struct answers_pane *pane, struct answers_row row, size_t blanks,
                      const char *before, int64_t section, const struct citing *at)
{
    struct error error;
    struct buffer text = {0};
    const struct listing_document *document = &pane->book->document;
    if (section < 0 || section >= document->sections)
        return true;
    row.part = ANSWERS_PLACE;
    bool ok = buffer_append_format(&text, &error, "%s%s", before, document->outline[section].title);
    if (ok && at->place[0])
        ok = buffer_append_format(&text, &error, ", %s", at->place);
    else if (ok && document->pages > 1 && at->page > 0)
        ok = buffer_append_format(&text, &error, ", p. %lld", (long long)at->page);
    else if (ok && at->line > 0)
        ok = buffer_append_format(&text, &error, ", line %lld", (long long)at->line);
    ok = ok && add_text(pane, &row, "", blanks, text.data);
    buffer_free(&text);
    return ok;
}

static bool add_quote(struct answers_pane *pane, struct answers_row row, size_t blanks,
                      const struct asking_quote *quote)
{
    struct error error;
    struct buffer text = {0};
    row.part = ANSWERS_QUOTE;
    row.verified = quote->verified;
    bool ok = buffer_append_format(&text, &error, "%s\"%s\"",
                                   quote->verified ? "" : "not in the document: ", quote->text) &&
              add_text(pane, &row, "", blanks + 2, text.data);
    buffer_free(&text);
    return ok &&
           (!quote->verified || add_place(pane, row, blanks + 2, "", quote->section, &quote->at));
}

static bool add_turn(struct answers_pane *pane, size_t index)
{
    const struct conversing_turn *turn = &pane->book->conversation.turns[index];
    struct answers_row row = {.part = ANSWERS_QUESTION, .turn = index};
    int depth = book_depth(pane->book, turn);
    if (pane->columns < NARROW) /* the words need the room */
        depth = depth > 0;
    size_t blanks = MARGIN + 2 * (size_t)(depth < DEEPEST ? depth : DEEPEST);
    char sign[2 * DEEPEST + 8];
    snprintf(sign, sizeof sign, "%*s%s", (int)blanks - 2, "", turn->parent ? "+ " : "? ");
    bool ok = add_text(pane, &row, sign, blanks, turn->question);
    row.part = ANSWERS_ANSWER;
    ok = ok && add_text(pane, &row, "", blanks,
                        turn->answer ? turn->answer : "The document does not say.");
    for (size_t i = 0; ok && i < turn->quote_count; i++) {
        row.quote = i;
        ok = add_quote(pane, row, blanks, &turn->quotes[i]);
    }
    if (ok && turn->as_of >= 0)
        ok = add_place(pane, row, blanks, "as of the end of ", turn->as_of, &(struct citing){0});
    else if (ok && turn->answer && turn->quote_count == 0)
        ok = add_place(pane, row, blanks, "from ", turn->section, &(struct citing){0});
    row.part = ANSWERS_GAP;
    return ok && add_row(pane, &row, "", 0);
}

static void add_pending(struct answers_pane *pane)
{
    const struct book *book = pane->book;
    struct answers_row row = {.part = ANSWERS_PENDING, .turn = book->conversation.count};
    if (book->task != BOOK_ASKING || !add_text(pane, &row, " ? ", MARGIN, book->question))
        return;
    row.part = ANSWERS_DRAFT;
    add_text(pane, &row, "", MARGIN, book->draft.size > 0 ? book->draft.data : "...");
}

/* The conversation's rows are made anew only when it or the width is another; those of the
 * draft each time. */
static void make_rows(struct answers_pane *pane, int columns)
{
    /* What is being answered is followed as long as the cursor is at the end. */
    bool follows = pane->book->task == BOOK_ASKING && pane->scroll.at + 1 >= pane->count;
    if (pane->edition != pane->book->edition || pane->columns != columns) {
        free_rows(pane, 0);
        pane->columns = columns;
        pane->edition = pane->book->edition;
        for (size_t i = 0; i < pane->book->conversation.count; i++)
            if (!add_turn(pane, i))
                break;
        pane->kept = pane->count;
    }
    free_rows(pane, pane->kept);
    add_pending(pane);
    if (follows && pane->count > 0)
        pane->scroll.at = pane->count - 1;
}

/* --- moving ------------------------------------------------------------------------------ */

const struct conversing_turn *answers_pane_turn(const struct answers_pane *pane)
{
    const struct conversing *conversation = &pane->book->conversation;
    if (pane->scroll.at >= pane->kept)
        return NULL;
    size_t turn = pane->rows[pane->scroll.at].turn;
    return turn < conversation->count ? &conversation->turns[turn] : NULL;
}

const struct asking_quote *answers_pane_quote(const struct answers_pane *pane)
{
    const struct conversing_turn *turn = answers_pane_turn(pane);
    const struct answers_row *row = turn ? &pane->rows[pane->scroll.at] : NULL;
    bool of_quote = row && (row->part == ANSWERS_QUOTE || row->part == ANSWERS_PLACE);
    return of_quote && row->quote < turn->quote_count ? &turn->quotes[row->quote] : NULL;
}

void answers_pane_step(struct answers_pane *pane, int direction)
{
    size_t at = pane->scroll.at;
    for (;;) {
        if (direction < 0 ? at == 0 : at + 1 >= pane->count)
            return;
        at += direction < 0 ? (size_t)-1 : 1;
        if (pane->rows[at].part == ANSWERS_QUESTION &&
            (at == 0 || pane->rows[at - 1].part != ANSWERS_QUESTION))
            break;
    }
    pane->scroll.at = at;
}

void answers_pane_show(struct answers_pane *pane, int64_t question)
{
    pane->show = question;
}

/* Once its rows are there: the question at the top, the cursor on its first quote. */
static void show_question(struct answers_pane *pane)
{
    const struct conversing *conversation = &pane->book->conversation;
    size_t turn = 0;
    while (turn < conversation->count && conversation->turns[turn].id != pane->show)
        turn++;
    if (turn == conversation->count)
        return;
    pane->show = 0;
    size_t first = 0;
    while (first < pane->kept && pane->rows[first].turn != turn)
        first++;
    size_t at = first;
    while (at < pane->kept && pane->rows[at].turn == turn && pane->rows[at].part != ANSWERS_QUOTE)
        at++;
    bool quoted = at < pane->kept && pane->rows[at].turn == turn;
    pane->scroll.at = quoted ? at : first;
    pane->scroll.first = first;
}

/* --- drawing ----------------------------------------------------------------------------- */

static enum theme_style style_of(const struct answers_row *row)
{
    switch (row->part) {
    case ANSWERS_QUESTION:
    case ANSWERS_PENDING:
        return THEME_QUESTION;
    case ANSWERS_QUOTE:
        return row->verified ? THEME_VERIFIED : THEME_UNVERIFIED;
    case ANSWERS_PLACE:
    case ANSWERS_DRAFT:
        return THEME_DIM;
    default:
        return THEME_TEXT;
    }
}

static void draw_empty(struct canvas_area area)
{
    canvas_label(area, 0, MARGIN, "Nothing was asked yet.", THEME_DIM);
}

/* Whether the row is the first of its quote. */
static bool begins_quote(const struct answers_pane *pane, size_t index)
{
    const struct answers_row *row = &pane->rows[index];
    const struct answers_row *before = index > 0 ? row - 1 : NULL;
    return row->part == ANSWERS_QUOTE && (!before || before->part != ANSWERS_QUOTE ||
                                          before->turn != row->turn || before->quote != row->quote);
}

void answers_pane_draw(struct answers_pane *pane, struct canvas_area area, bool focused)
{
    pane->area = area;
    if (area.lines <= 0 || area.columns <= 0)
        return;
    make_rows(pane, area.columns);
    if (pane->show)
        show_question(pane);
    if (pane->count == 0) {
        draw_empty(area);
        return;
    }
    scroll_fit(&pane->scroll, pane->count, (size_t)area.lines);
    for (int i = 0; i < area.lines && pane->scroll.first + (size_t)i < pane->count; i++) {
        size_t index = pane->scroll.first + (size_t)i;
        const struct answers_row *row = &pane->rows[index];
        enum theme_style style = style_of(row);
        canvas_put(area, i, 0, row->text, strlen(row->text), style);
        if (begins_quote(pane, index))
            canvas_label(area, i, (int)strspn(row->text, " ") - 2, row->verified ? "✓" : "✗",
                         style);
        if (index == pane->scroll.at)
            canvas_label(area, i, 0, ">", focused ? THEME_SELECTED : THEME_CURSOR);
    }
}
