#include "ui/library_view.h"

#include "base/quantity.h"
#include "ui/document_view.h"
#include "ui/scroll.h"
#include "ui/shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct library_view {
    struct view view;
    struct host *host;
    struct scroll scroll;
    int64_t opened; /* the document that the cursor is to go to once it is listed; 0: none */
    size_t seen;    /* lines for documents when drawn last */
    int first_line;
};

static struct library_view *from(struct view *view)
{
    return (struct library_view *)view;
}

/* --- what is listed: files being taken in, then documents ---------------------------------- */

/* One of the two is set. */
struct row {
    const struct shelf_reading *arriving;
    const struct shelf_entry *entry;
};

static bool is_arriving(const struct shelf *shelf, const struct shelf_reading *reading)
{
    return !reading->document || !shelf_find(shelf, reading->document);
}

static size_t count_rows(const struct shelf *shelf)
{
    size_t count = 0;
    for (size_t i = 0; i < shelf->count; i++)
        count += !shelf->entries[i].removed;
    for (const struct shelf_reading *r = shelf->readings; r; r = r->next)
        count += is_arriving(shelf, r);
    return count;
}

/* Documents stand first, so that a cursor on one stays there. */
static struct row find_row(const struct shelf *shelf, size_t index)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (!shelf->entries[i].removed && index-- == 0)
            return (struct row){.entry = &shelf->entries[i]};
    for (const struct shelf_reading *r = shelf->readings; r; r = r->next)
        if (is_arriving(shelf, r) && index-- == 0)
            return (struct row){.arriving = r};
    return (struct row){0};
}

/* --- drawing -------------------------------------------------------------------------------- */

/* Columns of a line; 0 wide: not there. */
struct columns {
    int name, size, read, states, question; /* widths */
};

enum { SIZE_COLUMNS = 10, READ_COLUMNS = 18, STATES_COLUMNS = 11, GAP = 2 };

static struct columns make_columns(int width)
{
    struct columns c = {.read = READ_COLUMNS};
    if (width < 40)
        c.read = 5;
    if (width >= 60)
        c.size = SIZE_COLUMNS;
    if (width >= 76)
        c.states = STATES_COLUMNS;
    c.name =
        width - 2 - c.read - GAP - (c.size ? c.size + GAP : 0) - (c.states ? c.states + GAP : 0);
    if (c.name > 60) {
        c.question = c.name - 36 - GAP;
        c.name = 36;
    }
    return c;
}

/* Text aligned to the right of `width` columns from `column`; returns the column after. */
static int put_right(struct canvas_area line, int column, int width, const char *text,
                     enum theme_style style)
{
    struct canvas_area cell = {line.line, line.column + column, 1, width};
    canvas_right(cell, 0, text, style);
    return column + width + GAP;
}

static void reading_text(const struct shelf *shelf, const struct shelf_entry *entry,
                         const struct shelf_reading *reading, bool narrow, char text[64])
{
    long long all = entry->document.sections, read = entry->document.sections_read;
    if (reading && reading->begun && reading->progress.tokens_expected > 0) {
        long long percent = reading->progress.tokens * 100 / reading->progress.tokens_expected;
        snprintf(text, 64, narrow ? "%lld%%" : "reading %lld%%", percent > 100 ? 100 : percent);
    } else if (reading) {
        snprintf(text, 64, "%s",
                 narrow           ? "..."
                 : reading->begun ? "reading"
                                  : shelf_waiting(shelf, reading));
    } else if (narrow) {
        snprintf(text, 64, "%lld%%", all > 0 ? read * 100 / all : 0);
    } else if (read >= all && all > 0) {
        snprintf(text, 64, "%lld read", all);
    } else {
        snprintf(text, 64, "%lld of %lld", read, all);
    }
}

static void draw_entry(const struct shelf *shelf, const struct shelf_entry *entry,
                       struct canvas_area line, const struct columns *c, enum theme_style style)
{
    char text[64], quantity[QUANTITY_SIZE];
    const struct shelf_reading *reading = shelf_reading_of(shelf, entry->document.id);
    struct canvas_area name = {line.line, line.column + 2, 1, c->name};
    canvas_label(name, 0, 0, entry->document.name, style);
    int column = 2 + c->name + GAP;
    if (c->size)
        column = put_right(line, column, c->size, quantity_bytes(quantity, entry->document.bytes),
                           style);
    reading_text(shelf, entry, reading, c->read < READ_COLUMNS, text);
    column = put_right(line, column, c->read, text, style);
    if (c->states)
        column = put_right(line, column, c->states,
                           quantity_bytes(quantity, entry->document.state_bytes), style);
    if (c->question > 0 && entry->question) {
        struct canvas_area cell = {line.line, line.column + column, 1, c->question};
        canvas_label(cell, 0, 0, entry->question, style == THEME_TEXT ? THEME_DIM : style);
    }
}

static void draw_head(struct canvas_area line, const struct columns *c)
{
    canvas_label(line, 0, 2, "title", THEME_DIM);
    int column = 2 + c->name + GAP;
    if (c->size)
        column = put_right(line, column, c->size, "size", THEME_DIM);
    column =
        put_right(line, column, c->read, c->read < READ_COLUMNS ? "read" : "sections", THEME_DIM);
    if (c->states)
        column = put_right(line, column, c->states, "states", THEME_DIM);
    if (c->question > 0)
        canvas_label(line, 0, column, "last question", THEME_DIM);
}

/* The first time, and whenever nothing is here. */
static void draw_empty(struct library_view *v, struct canvas_area area)
{
    char add[32], leave[32], line[4][96];
    host_key(v->host, ACTION_ADD, add);
    host_key(v->host, ACTION_CLOSE, leave);
    snprintf(line[0], sizeof line[0], "Nothing is here yet.");
    snprintf(line[1], sizeof line[1], "<Enter>  read the sample, a small book on tides");
    snprintf(line[2], sizeof line[2], "%-7s  add a text of your own", add);
    snprintf(line[3], sizeof line[3], "%-7s  leave", leave);
    int top = area.lines > 8 ? area.lines / 3 : 0;
    int left = area.columns > 60 ? (area.columns - 50) / 2 : 0;
    for (int i = 0, at = top; i < 4; i++, at++) {
        canvas_label(area, at, left, line[i], i == 0 ? THEME_TITLE : THEME_TEXT);
        at += i == 0 && area.lines > 6;
    }
}

/* To the document that was opened, or brought back, last. */
static void follow_opened(struct library_view *v)
{
    struct row row;
    for (size_t i = 0; v->opened && (row = find_row(v->host->shelf, i)).entry; i++)
        if (row.entry->document.id == v->opened) {
            v->scroll.at = i;
            v->opened = 0;
        }
}

static void draw(struct view *view, int lines, int columns)
{
    struct library_view *v = from(view);
    const struct shelf *shelf = v->host->shelf;
    struct canvas_area screen = {0, 0, lines >= 3 ? lines - 1 : lines, columns};
    struct columns c = make_columns(columns);
    size_t count = count_rows(shelf);
    int top = 0;
    char text[64];
    if (screen.lines >= 7) {
        canvas_clear((struct canvas_area){0, 0, 1, columns}, THEME_STATUS);
        canvas_label(screen, 0, 1, "tidemark", THEME_STATUS);
        snprintf(text, sizeof text, "%zu document%s ", count, count == 1 ? "" : "s");
        canvas_right(screen, 0, text, THEME_STATUS);
        top = 2;
    }
    struct canvas_area body = {top, 0, screen.lines - top, columns};
    if (count == 0) {
        if (shelf->loaded)
            draw_empty(v, body);
        return;
    }
    follow_opened(v);
    if (top > 0)
        draw_head((struct canvas_area){1, 0, 1, columns}, &c);
    v->first_line = top;
    v->seen = (size_t)(body.lines > 0 ? body.lines : 1);
    scroll_fit(&v->scroll, count, v->seen);
    for (size_t i = 0; i < v->seen && v->scroll.first + i < count; i++) {
        struct canvas_area line = {top + (int)i, 0, 1, columns};
        bool here = v->scroll.first + i == v->scroll.at;
        enum theme_style style = here ? THEME_SELECTED : THEME_TEXT;
        struct row row = find_row(shelf, v->scroll.first + i);
        if (here)
            canvas_clear(line, style);
        canvas_label(line, 0, 0, here ? ">" : " ", style);
        if (row.entry) {
            draw_entry(shelf, row.entry, line, &c, style);
        } else if (row.arriving && row.arriving->name) {
            int column = canvas_label(line, 0, 2, "taking in ", style);
            canvas_put(line, 0, column, row.arriving->name, strlen(row.arriving->name), style);
        }
    }
}

/* --- acting -------------------------------------------------------------------------------- */

static void open_document(void *context, int64_t document)
{
    struct library_view *v = context;
    v->opened = document;
    host_push(v->host, document_view_new(v->host, document));
}

static void open_row(struct library_view *v, struct row row)
{
    if (row.entry)
        open_document(v, row.entry->document.id);
    else if (!row.arriving)
        shelf_add_sample(v->host->shelf);
}

static void undo(struct library_view *v)
{
    v->opened = shelf_undo(v->host->shelf);
    host_say(v->host, v->opened ? "it is back" : "nothing was removed");
}

static bool act(struct view *view, enum action action, const char *argument)
{
    struct library_view *v = from(view);
    struct shelf *shelf = v->host->shelf;
    size_t count = count_rows(shelf);
    struct row row = find_row(shelf, v->scroll.at);
    char key[32];
    if (scroll_act(&v->scroll, action, count, v->seen))
        return true;
    switch (action) {
    case ACTION_OPEN:
        open_row(v, row);
        return true;
    case ACTION_ASK:
        if (row.entry) {
            open_row(v, row);
            host_act(v->host, ACTION_ASK, argument);
        }
        return true;
    case ACTION_REMOVE:
        if (row.entry) {
            host_say(v->host, "%.200s goes when you leave; until then %s brings it back",
                     row.entry->document.name, host_key(v->host, ACTION_UNDO, key));
            shelf_remove(shelf, row.entry->document.id);
        } else if (row.arriving) {
            desk_cancel(v->host->desk, row.arriving->ticket);
        }
        return true;
    case ACTION_UNDO:
        undo(v);
        return true;
    case ACTION_SEARCH:
        host_act(v->host, ACTION_FIND_ALL, argument);
        return true;
    case ACTION_CANCEL:
        for (const struct shelf_reading *r = shelf->readings; r; r = r->next)
            if (row.entry && r->document == row.entry->document.id) {
                shelf_stop(shelf, r->document);
                break;
            }
        return true;
    default:
        return false;
    }
}

static void click(struct view *view, int line, int column)
{
    struct library_view *v = from(view);
    size_t at = v->scroll.first + (size_t)(line - v->first_line);
    (void)column;
    if (line < v->first_line || at >= count_rows(v->host->shelf))
        return;
    if (v->scroll.at == at)
        open_row(v, find_row(v->host->shelf, at));
    v->scroll.at = at;
}

static void wheel(struct view *view, int line, int column, int direction)
{
    struct library_view *v = from(view);
    (void)line;
    (void)column;
    scroll_by(&v->scroll, 3 * direction, count_rows(v->host->shelf));
}

static enum action_place place(const struct view *view)
{
    (void)view;
    return ACTION_LIBRARY;
}

static const enum action *hints(const struct view *view)
{
    static const enum action some[] = {ACTION_OPEN, ACTION_ADD,   ACTION_REMOVE, ACTION_SEARCH,
                                       ACTION_HELP, ACTION_CLOSE, ACTION_NONE};
    static const enum action none[] = {ACTION_ADD, ACTION_HELP, ACTION_CLOSE, ACTION_NONE};
    const struct library_view *v = (const struct library_view *)view;
    return count_rows(v->host->shelf) > 0 ? some : none;
}

static void free_view(struct view *view)
{
    struct library_view *v = from(view);
    v->host->shelf->open = NULL;
    free(v);
}

struct view *library_view_new(struct host *host)
{
    static const struct view_kind kind = {.place = place,
                                          .draw = draw,
                                          .act = act,
                                          .click = click,
                                          .wheel = wheel,
                                          .hints = hints,
                                          .free = free_view};
    struct library_view *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    *v = (struct library_view){.view.kind = &kind, .host = host};
    host->shelf->open = open_document;
    host->shelf->open_context = v;
    shelf_reload(host->shelf);
    return &v->view;
}
