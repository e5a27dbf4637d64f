#include "ui/document_view.h"

#include "ui/document_tools.h"
#include "ui/lists.h"
#include "ui/map.h"
#include "ui/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct document_view *from(struct view *view)
{
    return (struct document_view *)view;
}

/* --- going and coming back ------------------------------------------------------------------ */

static struct document_view_jump here(const struct document_view *v)
{
    return (struct document_view_jump){v->text_pane.cursor, v->focus};
}

/* Notes where the person is, to come back to. */
void document_view_remember(struct document_view *v)
{
    v->jump_count = v->jump_at;
    if (v->jump_count == DOCUMENT_VIEW_JUMPS) {
        memmove(v->jumps, v->jumps + 1, (DOCUMENT_VIEW_JUMPS - 1) * sizeof v->jumps[0]);
        v->jump_count--;
    }
    v->jumps[v->jump_count++] = here(v);
    v->jump_at = v->jump_count;
}

void document_view_focus(struct document_view *v, enum layout_pane pane)
{
    v->focus = pane;
    if (pane != LAYOUT_TEXT)
        v->text_pane.choosing = false;
    if (pane == LAYOUT_OUTLINE)
        v->outline = true;
    if (pane == LAYOUT_ANSWERS)
        v->answers = true;
}

void document_view_go(struct document_view *v, struct book_place place, size_t end)
{
    document_view_remember(v);
    v->text_pane.passage_section = end > place.offset ? place.section : -1;
    v->text_pane.passage_begin = place.offset;
    v->text_pane.passage_end = end;
    v->text_pane.choosing = false;
    text_pane_go(&v->text_pane, place);
    document_view_focus(v, LAYOUT_TEXT);
    host_changed(v->host);
}

static void go_back(struct document_view *v)
{
    if (v->jump_at == 0) {
        host_say(v->host, "nothing to go back to");
        return;
    }
    if (v->jump_at == v->jump_count) { /* so that forward leads here again */
        document_view_remember(v);
        v->jump_at--;
    }
    const struct document_view_jump *jump = &v->jumps[--v->jump_at];
    text_pane_go(&v->text_pane, jump->place);
    document_view_focus(v, jump->focus);
}

static void go_forward(struct document_view *v)
{
    if (v->jump_at + 1 >= v->jump_count) {
        host_say(v->host, "nothing to go forward to");
        return;
    }
    const struct document_view_jump *jump = &v->jumps[++v->jump_at];
    text_pane_go(&v->text_pane, jump->place);
    document_view_focus(v, jump->focus);
}

static void next_section(struct document_view *v, int direction)
{
    struct book_place at = v->text_pane.cursor;
    if (direction < 0 && at.offset > 0)
        at.offset = 0;
    else if (at.section + direction >= 0 && at.section + direction < v->book->document.sections)
        at = (struct book_place){at.section + direction, 0};
    text_pane_go(&v->text_pane, at);
    v->text_pane.top = at;
    v->text_pane.above = -1;
}

/* A section by number or by the beginning of its title, or "p 12" for a page. */
static void go_to(struct document_view *v, const char *text)
{
    const struct listing_document *document = &v->book->document;
    char *end;
    const char *digits = text[0] == 'p' ? text + 1 + strspn(text + 1, " ") : text;
    bool page = digits > text && *digits >= '0' && *digits <= '9';
    long long number = strtoll(page ? digits : text, &end, 10);
    int64_t found = -1;
    if (*end == '\0' && end > text && !page && number >= 1 && number <= document->sections)
        found = number - 1;
    bool there = page && *end == '\0' && number >= 1 && number <= document->pages;
    for (int64_t i = 0; there && i < document->sections; i++)
        if (document->outline[i].page <= number)
            found = i;
    for (int64_t i = 0; !page && found < 0 && i < document->sections; i++)
        if (strncasecmp(document->outline[i].title, text, strlen(text)) == 0)
            found = i;
    if (found < 0)
        host_say(v->host, page ? "there is no such page" : "no section has this number or title");
    else
        document_view_go(v, (struct book_place){found, 0}, 0);
}

/* --- actions
 * -------------------------------------------------------------------------------------- */

static bool is_there(const struct document_view *v, enum layout_pane pane)
{
    return pane == LAYOUT_TEXT || (pane == LAYOUT_OUTLINE ? v->outline : v->answers);
}

static void step_focus(struct document_view *v, int direction, bool around)
{
    int pane = (int)v->focus;
    for (int i = 0; i < LAYOUT_PANES; i++) {
        pane += direction;
        if (!around && (pane < 0 || pane >= LAYOUT_PANES))
            return;
        pane = (pane + LAYOUT_PANES) % LAYOUT_PANES;
        if (v->layout.single || is_there(v, (enum layout_pane)pane))
            break;
    }
    document_view_focus(v, (enum layout_pane)pane);
}

static void toggle(struct document_view *v, bool *pane, enum layout_pane which)
{
    *pane = !*pane;
    if (!*pane && v->focus == which)
        document_view_focus(v, LAYOUT_TEXT);
}

static void open_here(struct document_view *v)
{
    const struct asking_quote *quote = answers_pane_quote(&v->answers_pane);
    const struct conversing_turn *turn = answers_pane_turn(&v->answers_pane);
    if (v->focus == LAYOUT_OUTLINE)
        document_view_go(v, (struct book_place){(int64_t)v->outline_pane.scroll.at, 0}, 0);
    else if (v->focus != LAYOUT_ANSWERS)
        return;
    else if (quote && quote->verified)
        document_view_go(v, (struct book_place){quote->section, quote->begin}, quote->end);
    else if (quote)
        host_say(v->host, "this does not stand in the document");
    else if (turn && turn->section >= 0)
        document_view_go(v, (struct book_place){turn->section, 0}, 0);
}

static void cancel(struct document_view *v)
{
    if (book_cancel(v->book))
        return;
    if (v->text_pane.choosing)
        v->text_pane.choosing = false;
    else if (v->text_pane.passage_section >= 0)
        v->text_pane.passage_section = -1;
    else if (v->book->pattern)
        book_search(v->book, NULL, false);
}

static void remove_here(struct document_view *v)
{
    const struct conversing_turn *turn = answers_pane_turn(&v->answers_pane);
    if (turn)
        book_forget(v->book, turn->id);
}

static void toggle_reading(struct document_view *v)
{
    struct shelf *shelf = v->host->shelf;
    if (shelf_reading_of(shelf, v->book->id))
        shelf_stop(shelf, v->book->id);
    else
        shelf_read(shelf, v->book->id);
}

static bool move_text(struct document_view *v, enum action action)
{
    struct text_pane *pane = &v->text_pane;
    /* Some rows stay in view. */
    int lines = pane->lines > 6 ? pane->lines - 2 : pane->lines > 1 ? pane->lines - 1 : 1;
    switch (action) {
    case ACTION_DOWN:
        text_pane_move(pane, 1);
        return true;
    case ACTION_UP:
        text_pane_move(pane, -1);
        return true;
    case ACTION_HALF_DOWN:
        text_pane_move(pane, (lines + 1) / 2);
        return true;
    case ACTION_HALF_UP:
        text_pane_move(pane, -((lines + 1) / 2));
        return true;
    case ACTION_PAGE_DOWN:
        text_pane_move(pane, lines);
        return true;
    case ACTION_PAGE_UP:
        text_pane_move(pane, -lines);
        return true;
    case ACTION_TOP:
        document_view_remember(v);
        text_pane_go(pane, (struct book_place){0, 0});
        return true;
    case ACTION_BOTTOM:
        document_view_remember(v);
        text_pane_end(pane);
        return true;
    default:
        return false;
    }
}

static bool move(struct document_view *v, enum action action)
{
    struct scroll *scroll;
    size_t count;
    switch (v->focus) {
    case LAYOUT_OUTLINE:
        scroll = &v->outline_pane.scroll;
        count = (size_t)v->book->document.sections;
        return scroll_act(scroll, action, count, (size_t)v->outline_pane.area.lines);
    case LAYOUT_ANSWERS:
        scroll = &v->answers_pane.scroll;
        if (action == ACTION_NEXT_SECTION || action == ACTION_PREVIOUS_SECTION) {
            answers_pane_step(&v->answers_pane, action == ACTION_NEXT_SECTION ? 1 : -1);
            return true;
        }
        return scroll_act(scroll, action, v->answers_pane.count,
                          (size_t)v->answers_pane.area.lines);
    default:
        return move_text(v, action);
    }
}

/* Actions that are one call. */
static bool act_view(struct document_view *v, enum action action)
{
    switch (action) {
    case ACTION_HITS:
        host_push(v->host, lists_hits(v));
        return true;
    case ACTION_MAP:
        host_push(v->host, lists_map(v));
        return true;
    case ACTION_NOTES:
        host_push(v->host, lists_notes(v));
        return true;
    case ACTION_SUMMARIES:
        host_push(v->host, lists_summaries(v));
        return true;
    case ACTION_QUESTIONS:
        host_push(v->host, lists_questions(v));
        return true;
    case ACTION_SELECT:
        v->text_pane.choosing = !v->text_pane.choosing;
        v->text_pane.anchor = v->text_pane.cursor;
        return true;
    case ACTION_TOGGLE_OUTLINE:
        toggle(v, &v->outline, LAYOUT_OUTLINE);
        return true;
    case ACTION_TOGGLE_ANSWERS:
        toggle(v, &v->answers, LAYOUT_ANSWERS);
        return true;
    case ACTION_REMOVE:
        remove_here(v);
        return true;
    case ACTION_READ:
        toggle_reading(v);
        return true;
    case ACTION_CANCEL:
        cancel(v);
        return true;
    default:
        return false;
    }
}

static bool act_place(struct document_view *v, enum action action, const char *argument)
{
    switch (action) {
    case ACTION_LEFT:
    case ACTION_RIGHT:
        step_focus(v, action == ACTION_RIGHT ? 1 : -1, false);
        return true;
    case ACTION_NEXT_PANE:
    case ACTION_PREVIOUS_PANE:
        step_focus(v, action == ACTION_NEXT_PANE ? 1 : -1, true);
        return true;
    case ACTION_NEXT_SECTION:
    case ACTION_PREVIOUS_SECTION:
        next_section(v, action == ACTION_NEXT_SECTION ? 1 : -1);
        return true;
    case ACTION_GOTO:
        if (argument)
            go_to(v, argument);
        else
            host_act(v->host, ACTION_COMMAND, "goto ");
        return true;
    case ACTION_OPEN:
        open_here(v);
        return true;
    case ACTION_BACK:
        go_back(v);
        return true;
    case ACTION_FORWARD:
        go_forward(v);
        return true;
    default:
        return false;
    }
}

static bool act(struct view *view, enum action action, const char *argument)
{
    struct document_view *v = from(view);
    text_pane_fit(&v->text_pane);
    if (v->outline_pane.scroll.at >= (size_t)v->book->document.sections)
        v->outline_pane.scroll.at = 0;
    if (!v->book->loaded) /* there is nothing yet that could be moved through */
        return action == ACTION_ASK ? document_tools_act(v, action, argument)
                                    : action == ACTION_CANCEL;
    return move(v, action) || act_view(v, action) || act_place(v, action, argument) ||
           document_tools_act(v, action, argument);
}

/* --- the pointer
 * ------------------------------------------------------------------------------------ */

static bool is_inside(struct canvas_area area, int line, int column)
{
    return line >= area.line && line < area.line + area.lines && column >= area.column &&
           column < area.column + area.columns;
}

static void click(struct view *view, int line, int column)
{
    struct document_view *v = from(view);
    if (!v->book->loaded || v->book->document.sections == 0)
        return;
    const struct layout *layout = &v->layout;
    for (int i = 0; i < LAYOUT_PANES; i++)
        if (is_inside(layout->panes[i], line, column)) {
            bool again = v->focus == (enum layout_pane)i;
            int at = line - layout->panes[i].line;
            document_view_focus(v, (enum layout_pane)i);
            if (i == LAYOUT_TEXT) {
                text_pane_click(&v->text_pane, at);
                continue;
            }
            int64_t section = outline_pane_at(&v->outline_pane, at);
            if (i == LAYOUT_OUTLINE && section < 0)
                continue;
            size_t to =
                i == LAYOUT_ANSWERS ? v->answers_pane.scroll.first + (size_t)at : (size_t)section;
            struct scroll *scroll =
                i == LAYOUT_ANSWERS ? &v->answers_pane.scroll : &v->outline_pane.scroll;
            again = again && scroll->at == to;
            scroll->at = to;
            if (again)
                open_here(v);
        }
    if (is_inside(layout->map, line, column))
        document_view_go(
            v, (struct book_place){map_section(v->book, layout->map.columns, column), 0}, 0);
}

static void wheel(struct view *view, int line, int column, int direction)
{
    struct document_view *v = from(view);
    if (!v->book->loaded)
        return;
    const struct layout *layout = &v->layout;
    if (is_inside(layout->panes[LAYOUT_OUTLINE], line, column)) {
        document_view_focus(v, LAYOUT_OUTLINE);
        scroll_by(&v->outline_pane.scroll, 3 * direction, (size_t)v->book->document.sections);
    } else if (is_inside(layout->panes[LAYOUT_ANSWERS], line, column)) {
        document_view_focus(v, LAYOUT_ANSWERS);
        scroll_by(&v->answers_pane.scroll, 3 * direction, v->answers_pane.count);
    } else {
        document_view_focus(v, LAYOUT_TEXT);
        text_pane_move(&v->text_pane, 3 * direction);
    }
}

/* --- drawing
 * ----------------------------------------------------------------------------------------- */

static void draw_borders(const struct document_view *v, int columns)
{
    const struct layout *layout = &v->layout;
    struct canvas_area text = layout->panes[LAYOUT_TEXT];
    struct canvas_area answers = layout->panes[LAYOUT_ANSWERS];
    int lines = text.lines > answers.lines ? text.lines : answers.lines;
    int top = text.lines ? text.line : answers.line;
    if (layout->answers == LAYOUT_BELOW)
        lines = text.lines + answers.lines + 1;
    struct canvas_area area = {top, 0, lines, columns};
    if (layout->outline_border >= 0)
        canvas_vertical(area, layout->outline_border, THEME_BORDER);
    if (layout->answers_border >= 0 && layout->answers == LAYOUT_RIGHT)
        canvas_vertical(area, layout->answers_border, THEME_BORDER);
    if (layout->answers_border >= 0 && layout->answers == LAYOUT_BELOW)
        canvas_horizontal(
            (struct canvas_area){layout->answers_border, answers.column, 1, answers.columns}, 0,
            THEME_BORDER);
}

static void draw(struct view *view, int lines, int columns)
{
    struct document_view *v = from(view);
    struct layout_wish wish = {.lines = lines,
                               .columns = columns,
                               .outline = v->outline,
                               .answers = v->answers,
                               .focus = v->focus};
    layout_make(&v->layout, &wish);
    if (!v->book->loaded) {
        canvas_label(v->layout.panes[LAYOUT_TEXT], 0, 2, "...", THEME_DIM);
        return;
    }
    text_pane_fit(&v->text_pane);
    document_tools_follow(v);
    draw_borders(v, columns);
    outline_pane_draw(&v->outline_pane, v->layout.panes[LAYOUT_OUTLINE],
                      v->text_pane.cursor.section, v->focus == LAYOUT_OUTLINE);
    text_pane_draw(&v->text_pane, v->layout.panes[LAYOUT_TEXT], v->focus == LAYOUT_TEXT);
    answers_pane_draw(&v->answers_pane, v->layout.panes[LAYOUT_ANSWERS],
                      v->focus == LAYOUT_ANSWERS);
    map_draw(v->book, v->layout.map, v->text_pane.cursor.section);
    status_title(v, v->layout.title);
    status_draw(v, v->layout.status);
}

/* --- its life
 * ------------------------------------------------------------------------------------------ */

static enum action_place place(const struct view *view)
{
    const struct document_view *v = (const struct document_view *)view;
    return v->focus == LAYOUT_OUTLINE ? ACTION_OUTLINE
           : v->focus == LAYOUT_TEXT  ? ACTION_TEXT
                                      : ACTION_ANSWERS;
}

static const enum action *hints(const struct view *view)
{
    static const enum action text[] = {ACTION_ASK,       ACTION_SEARCH, ACTION_SUM_SECTION,
                                       ACTION_NEXT_PANE, ACTION_HELP,   ACTION_CLOSE,
                                       ACTION_NONE};
    static const enum action outline[] = {ACTION_OPEN,      ACTION_ASK,  ACTION_SUM_SECTION,
                                          ACTION_NEXT_PANE, ACTION_HELP, ACTION_CLOSE,
                                          ACTION_NONE};
    static const enum action answers[] = {ACTION_OPEN, ACTION_BACK,  ACTION_FOLLOW_UP, ACTION_ASK,
                                          ACTION_HELP, ACTION_CLOSE, ACTION_NONE};
    switch (((const struct document_view *)view)->focus) {
    case LAYOUT_OUTLINE:
        return outline;
    case LAYOUT_ANSWERS:
        return answers;
    default:
        return text;
    }
}

static void free_view(struct view *view)
{
    struct document_view *v = from(view);
    answers_pane_free(&v->answers_pane);
    v->book->loaded_call = NULL;
    text_pane_fit(&v->text_pane);
    shelf_reload(v->host->shelf); /* its states have grown */
    book_close(v->book, v->text_pane.cursor);
    free(v);
}

/* The outline is there: on to where the person was, and the reading goes on. */
static void loaded(void *context)
{
    struct document_view *v = context;
    const struct listing_document *document = &v->book->document;
    if (v->book->has_place && !v->begins)
        text_pane_go(&v->text_pane, v->book->place);
    if (!v->host->no_reading && document->sections_read < document->sections)
        shelf_read(v->host->shelf, v->book->id);
}

struct view *document_view_new(struct host *host, int64_t document)
{
    static const struct view_kind kind = {.place = place,
                                          .draw = draw,
                                          .act = act,
                                          .click = click,
                                          .wheel = wheel,
                                          .hints = hints,
                                          .free = free_view};
    struct document_view *v = calloc(1, sizeof *v);
    struct book *book = v ? book_open(host, document) : NULL;
    if (!book) {
        free(v);
        return NULL;
    }
    *v = (struct document_view){.view.kind = &kind,
                                .host = host,
                                .book = book,
                                .outline = true,
                                .focus = LAYOUT_TEXT,
                                .outline_pane.book = book,
                                .text_pane = {.book = book, .above = -1, .passage_section = -1},
                                .answers_pane.book = book};
    book->loaded_call = loaded;
    book->loaded_context = v;
    return &v->view;
}
