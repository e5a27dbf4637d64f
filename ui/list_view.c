#include "ui/list_view.h"

#include "ui/wrap.h"

#include <stdio.h>
#include <stdlib.h>

struct list_view {
    struct view view;
    struct host *host;
    const struct list_view_kind *kind;
    void *context;
    struct scroll scroll;
    int first_line;
    size_t seen;
};

static struct list_view *from(struct view *view)
{
    return (struct list_view *)view;
}

/* Returns the lines that it takes, with the border above it. */
static int draw_detail(struct list_view *v, int bottom, int columns)
{
    struct error error;
    struct buffer text = {0};
    struct wrap wrap = {0};
    int lines = 0;
    int most = bottom * 2 / 3 - 1;
    bool ok =
        v->kind->detail(v->context, v->scroll.at, &text, &error) && text.size > 0 &&
        wrap_text(&wrap, text.data, text.size, columns > 4 ? (unsigned)columns - 4 : 1, &error);
    if (ok && wrap.count > 0) {
        lines = wrap.count < (size_t)most ? (int)wrap.count : most;
        struct canvas_area area = {bottom - lines - 1, 0, lines + 1, columns};
        canvas_horizontal(area, 0, THEME_BORDER);
        for (int i = 0; i < lines; i++) {
            const struct wrap_row *row = &wrap.rows[i];
            canvas_put(area, i + 1, 2 + (int)row->indent, text.data + row->begin,
                       row->end - row->begin, THEME_TEXT);
        }
        lines++;
    }
    buffer_free(&text);
    wrap_free(&wrap);
    return lines;
}

static void draw_title(const struct list_view *v, size_t count, int columns)
{
    char text[32];
    struct canvas_area title = {0, 0, 1, columns};
    canvas_clear(title, THEME_STATUS);
    snprintf(text, sizeof text, "%zu of %zu ", count ? v->scroll.at + 1 : 0, count);
    title.columns = canvas_right(title, 0, text, THEME_STATUS) - 1;
    canvas_label(title, 0, 1, v->kind->title, THEME_STATUS);
}

static void draw(struct view *view, int lines, int columns)
{
    struct list_view *v = from(view);
    int bottom = lines >= 3 ? lines - 1 : lines;
    size_t count = v->kind->count(v->context);
    v->first_line = bottom >= 4;
    scroll_by(&v->scroll, 0, count);
    if (v->first_line)
        draw_title(v, count, columns);
    if (v->kind->detail && count > 0 && bottom >= 9)
        bottom -= draw_detail(v, bottom, columns);
    v->seen = (size_t)(bottom - v->first_line);
    scroll_fit(&v->scroll, count, v->seen);
    if (count == 0)
        canvas_label((struct canvas_area){v->first_line, 0, 1, columns}, 0, 2, v->kind->nothing,
                     THEME_DIM);
    for (size_t i = 0; i < v->seen && v->scroll.first + i < count; i++) {
        struct canvas_area line = {v->first_line + (int)i, 0, 1, columns};
        bool here = v->scroll.first + i == v->scroll.at;
        enum theme_style style = here ? THEME_SELECTED : THEME_TEXT;
        if (here)
            canvas_clear(line, style);
        canvas_label(line, 0, 0, here ? ">" : " ", style);
        line.column += 2;
        line.columns -= 2;
        v->kind->draw(v->context, v->scroll.first + i, line, style);
    }
}

static bool act(struct view *view, enum action action, const char *argument)
{
    struct list_view *v = from(view);
    size_t count = v->kind->count(v->context);
    if (scroll_act(&v->scroll, action, count, v->seen))
        return true;
    if (action == ACTION_CANCEL || action == ACTION_ASK) {
        struct host *host = v->host;
        host_pop(host);
        if (action == ACTION_ASK)
            host_act(host, action, argument);
        return true;
    }
    if (v->scroll.at >= count)
        return action == ACTION_OPEN;
    if (action == ACTION_OPEN && v->kind->open) {
        v->kind->open(v->context, v->scroll.at);
        return true;
    }
    return v->kind->act && v->kind->act(v->context, v->scroll.at, action, argument);
}

static void click(struct view *view, int line, int column)
{
    struct list_view *v = from(view);
    size_t at = v->scroll.first + (size_t)(line - v->first_line);
    (void)column;
    if (line < v->first_line || at >= v->kind->count(v->context))
        return;
    bool again = v->scroll.at == at;
    v->scroll.at = at;
    if (again && v->kind->open)
        v->kind->open(v->context, at);
}

static void wheel(struct view *view, int line, int column, int direction)
{
    struct list_view *v = from(view);
    (void)line;
    (void)column;
    scroll_by(&v->scroll, 3 * direction, v->kind->count(v->context));
}

static enum action_place place(const struct view *view)
{
    (void)view;
    return ACTION_LIST;
}

static const enum action *hints(const struct view *view)
{
    static const enum action with[] = {ACTION_OPEN, ACTION_HELP, ACTION_CLOSE, ACTION_NONE};
    static const enum action without[] = {ACTION_CLOSE, ACTION_NONE};
    return ((const struct list_view *)view)->kind->open ? with : without;
}

static void free_view(struct view *view)
{
    struct list_view *v = from(view);
    v->kind->free(v->context);
    free(v);
}

struct view *list_view_new(struct host *host, const struct list_view_kind *kind, void *context,
                           size_t at)
{
    static const struct view_kind view_kind = {.place = place,
                                               .draw = draw,
                                               .act = act,
                                               .click = click,
                                               .wheel = wheel,
                                               .hints = hints,
                                               .free = free_view};
    struct list_view *v = calloc(1, sizeof *v);
    if (!v) {
        kind->free(context);
        return NULL;
    }
    *v = (struct list_view){
        .view.kind = &view_kind, .host = host, .kind = kind, .context = context, .scroll.at = at};
    return &v->view;
}
