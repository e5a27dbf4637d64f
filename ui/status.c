#include "ui/status.h"

#include "base/quantity.h"

#include <stdio.h>
#include <string.h>

enum { BAR = 16 };

/* --- the reading ------------------------------------------------------------------------ */

/* 0 to 1. */
static double share_read(const struct document_view *v, const struct shelf_reading *reading)
{
    const struct listing_document *document = &v->book->document;
    if (reading && reading->begun && reading->progress.tokens_expected > 0) {
        double share = (double)reading->progress.tokens / (double)reading->progress.tokens_expected;
        return share > 1 ? 1 : share;
    }
    return document->sections > 0 ? (double)document->sections_read / (double)document->sections
                                  : 0;
}

/* "1,020 tokens/s  12 s left", as far as it is known. */
static void rate_text(const struct shelf_reading *reading, char text[96])
{
    const struct event_progress *progress = &reading->progress;
    char rate[QUANTITY_SIZE], left[QUANTITY_SIZE];
    text[0] = '\0';
    if (progress->tokens_per_second > 0)
        snprintf(text, 96, "%s tokens/s", quantity_rate(rate, progress->tokens_per_second));
    if (progress->tokens_per_second > 0 && progress->seconds_left >= 0)
        snprintf(text + strlen(text), 96 - strlen(text), "  %s left",
                 quantity_time(left, progress->seconds_left));
}

static void all_read_text(const struct listing_document *document, char text[160])
{
    char tokens[QUANTITY_SIZE];
    snprintf(text, 160, "%lld section%s, %s tokens ", (long long)document->sections,
             document->sections == 1 ? "" : "s", quantity_count(tokens, document->tokens_read));
}

static void draw_reading(const struct document_view *v, struct canvas_area area)
{
    const struct listing_document *document = &v->book->document;
    const struct shelf_reading *reading = shelf_reading_of(v->host->shelf, v->book->id);
    double share = share_read(v, reading);
    char rate[96] = "", text[160];
    bool all = document->sections_read >= document->sections;
    if (!reading && all && area.columns < 60)
        return;
    if (!reading && all)
        all_read_text(document, text);
    else if (!reading)
        snprintf(text, sizeof text, "%d%% read ", (int)(share * 100));
    else if (!reading->begun)
        snprintf(text, sizeof text, "%s ", shelf_waiting(v->host->shelf, reading));
    else {
        rate_text(reading, rate);
        snprintf(text, sizeof text, " %d%%  %s ", (int)(share * 100), rate);
    }
    if (area.columns < 60 && reading && reading->begun)
        snprintf(text, sizeof text, "%d%% ", (int)(share * 100));
    int column = canvas_right(area, 0, text, THEME_STATUS);
    if (reading && reading->begun && column > BAR + 10 && area.columns >= 60) {
        canvas_bar(area, 0, column - BAR, BAR, share);
        canvas_label(area, 0, column - BAR - 8, "reading ", THEME_STATUS);
    }
}

void status_title(const struct document_view *v, struct canvas_area area)
{
    const char *name = v->book->document.name;
    if (area.lines <= 0)
        return;
    canvas_clear(area, THEME_STATUS);
    canvas_put(area, 0, 1, name, strlen(name), THEME_STATUS);
    draw_reading(v, area);
}

/* --- the place ---------------------------------------------------------------------------- */

/* What is being done, or what was found. */
static void doing_text(const struct document_view *v, char text[96])
{
    const struct book *book = v->book;
    text[0] = '\0';
    if (book->task != BOOK_IDLE) {
        const struct event_progress *at = &book->task_progress;
        const bool within = book->task == BOOK_ASKING ? book->draft.size == 0 : at->sections == 0;
        const char *doing = within ? at->doing : NULL;
        snprintf(text, 96, "%s%s%s ", book->task_name, doing ? ", " : "", doing ? doing : "");
        if (book->task == BOOK_SUMMING && at->sections > 1)
            snprintf(text, 96, "%s %lld of %lld ", book->task_name, (long long)at->section + 1,
                     (long long)at->sections);
    } else if (v->text_pane.choosing) {
        snprintf(text, 96, "choosing ");
    } else if (book->pattern) {
        struct book_place after = v->text_pane.cursor;
        after.offset++;
        snprintf(text, 96, "hit %zu of %zu%s ", book_first_hit(book, after), book->hits.count,
                 book->hits.cut || book->search_next >= 0 ? "+" : "");
    }
}

enum { PLACE_MOST = 30 };

/* A place's name that is as many columns wide as it has bytes. */
static bool is_plain(const char *place)
{
    for (const char *at = place; *at; at++)
        if (*at < ' ' || *at > '~')
            return false;
    return *place;
}

void status_draw(struct document_view *v, struct canvas_area area)
{
    char doing[96], place[64] = "";
    const struct book *book = v->book;
    struct book_place at = v->text_pane.cursor;
    canvas_clear(area, THEME_STATUS);
    if (book->document.sections == 0)
        return;
    doing_text(v, doing);
    int right = *doing ? canvas_right(area, 0, doing, THEME_STATUS) : area.columns;
    const struct listing_section *section = &book->document.outline[at.section];
    const struct book_text *text = book_text(v->book, at.section, v->text_pane.columns);
    struct citing where = {.page = section->page, .line = section->line};
    if (text)
        browsing_place(&text->text, at.offset, &where);
    bool named = is_plain(where.place);
    if (right >= 40 && named)
        snprintf(place, sizeof place, "  %.*s", PLACE_MOST, where.place);
    else if (right >= 40 && book->document.pages > 1)
        snprintf(place, sizeof place, "  p. %lld", (long long)where.page);
    if (right >= 40 && !named)
        snprintf(place + strlen(place), sizeof place - strlen(place), "  line %lld",
                 (long long)where.line);
    snprintf(place + strlen(place), sizeof place - strlen(place), "  %lld/%lld",
             (long long)at.section + 1, (long long)book->document.sections);
    int width = (int)strlen(place);
    struct canvas_area title = {area.line, area.column, 1, right - width - 1};
    int column = 1;
    if (title.columns >= 8)
        column = canvas_label(title, 0, 1, section->title, THEME_STATUS);
    struct canvas_area rest = {area.line, area.column, 1, right};
    canvas_label(rest, 0, column, place, THEME_STATUS);
}
