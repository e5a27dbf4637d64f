#include "ui/host.h"

#include "base/utf8.h"
#include "ui/cluster.h"
#include "ui/lists.h"
#include "ui/shelf.h"
#include "ui/wrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void host_free(struct host *host)
{
    while (host->top)
        host_pop(host);
    complete_end(&host->complete);
    edit_free(&host->edit);
    buffer_free(&host->message);
    for (size_t i = 0; i < HOST_HISTORIES; i++)
        edit_history_free(&host->histories[i]);
}

void host_changed(struct host *host)
{
    host->changed = true;
}

/* --- messages ------------------------------------------------------------------------- */

static void clear_message(struct host *host)
{
    if (host->message.size > 0)
        host_changed(host);
    buffer_clear(&host->message);
    host->message_is_error = false;
}

static void put_message(struct host *host, const char *text, bool is_error)
{
    struct error error;
    buffer_clear(&host->message);
    host->message_is_error = is_error;
    if (!buffer_append_text(&host->message, text, &error))
        buffer_clear(&host->message);
    host->keyed = true; /* most messages answer a key */
    host_changed(host);
}

void host_say(struct host *host, const char *format, ...)
{
    char text[EVENT_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_message(host, text, false);
}

void host_fail(struct host *host, const struct error *error)
{
    put_message(host, error->text, true);
}

/* --- the stack ------------------------------------------------------------------------- */

static void end_prompt(struct host *host)
{
    host->prompting = false;
    complete_end(&host->complete);
    edit_clear(&host->edit);
    host_changed(host);
}

static void forget_strokes(struct host *host)
{
    host->stroke_count = 0;
    host->wants_letter = ACTION_NONE;
}

void host_push(struct host *host, struct view *view)
{
    struct error error;
    if (!view) {
        error_out_of_memory(&error);
        host_fail(host, &error);
        return;
    }
    end_prompt(host);
    forget_strokes(host);
    view->below = host->top;
    host->top = view;
}

void host_pop(struct host *host)
{
    struct view *view = host->top;
    end_prompt(host);
    forget_strokes(host);
    if (!view)
        return;
    host->top = view->below;
    view->kind->free(view);
    host->leaving = host->leaving || !host->top;
}

/* --- the prompt ------------------------------------------------------------------------ */

void host_ask(struct host *host, const struct host_prompt *prompt)
{
    struct error error;
    end_prompt(host);
    host->prompt = *prompt;
    host->edit.history = &host->histories[prompt->history];
    host->prompting = true;
    if (prompt->text && !edit_set(&host->edit, prompt->text, &error))
        host_fail(host, &error);
    host->prompt.text = NULL;
}

static void accept_line(struct host *host)
{
    struct error error;
    struct buffer line = {0};
    struct host_prompt prompt = host->prompt;
    bool ok = buffer_append(&line, "", 0, &error) &&
              buffer_append(&line, host->edit.text.data, host->edit.text.size, &error);
    bool empty = ok && line.data[strspn(line.data, " ")] == '\0';
    end_prompt(host);
    if (ok && !empty)
        ok = edit_remember(&host->histories[prompt.history], line.data, &error);
    if (!ok)
        host_fail(host, &error);
    else if (!empty || prompt.empty)
        prompt.accept(prompt.context, line.data);
    buffer_free(&line);
}

/* Puts the next of what the line may become at its end. */
static void cycle(struct host *host, int direction)
{
    struct error error = {0};
    struct buffer line = {0};
    const char *next = complete_next(&host->complete, direction);
    if (!next)
        return;
    bool ok = buffer_append(&line, host->edit.text.data, host->complete.begin, &error) &&
              buffer_append_text(&line, next, &error) && edit_set(&host->edit, line.data, &error);
    if (!ok)
        host_fail(host, &error);
    buffer_free(&line);
    host_changed(host);
}

static void completed(void *context)
{
    struct host *host = context;
    cycle(host, 1);
    if (host->complete.count == 1) /* it is that one: the next <Tab> goes on from there */
        complete_end(&host->complete);
}

static void begin_completion(struct host *host)
{
    const char *text = host->edit.text.data ? host->edit.text.data : "";
    complete_begin(&host->complete, host->desk, host->prompt.complete,
                   host->top->kind->place(host->top), text, completed, host);
}

static void prompt_outcome(struct host *host, enum edit_outcome outcome)
{
    switch (outcome) {
    case EDIT_ACCEPTED:
        accept_line(host);
        return;
    case EDIT_CANCELLED:
        end_prompt(host);
        return;
    case EDIT_COMPLETE:
    case EDIT_COMPLETE_BACK:
        if (host->complete.count > 0)
            cycle(host, outcome == EDIT_COMPLETE ? 1 : -1);
        else
            begin_completion(host);
        break;
    case EDIT_FULL:
        terminal_bell();
        break;
    case EDIT_CHANGED:
    case EDIT_MOVED:
        complete_end(&host->complete);
        break;
    case EDIT_IGNORED:
        break;
    }
    host_changed(host);
}

/* --- actions --------------------------------------------------------------------------- */

bool host_path(struct buffer *path, const char *typed, struct error *error)
{
    bool home = typed[0] == '~' && typed[1] == '/' && place_home();
    bool ok = home ? buffer_append_format(path, error, "%s%s", place_home(), typed + 1)
                   : buffer_append_format(path, error, "%s", typed);
    while (ok && path->size > 0 && path->data[path->size - 1] == ' ')
        path->data[--path->size] = '\0';
    return ok;
}

static void add_file(void *context, const char *text)
{
    struct host *host = context;
    struct error error = {0};
    struct buffer path = {0};
    if (host_path(&path, text, &error))
        shelf_add(host->shelf, path.data, true);
    else
        host_fail(host, &error);
    buffer_free(&path);
}

static void run_command(void *context, const char *text)
{
    struct host *host = context;
    text += strspn(text, " ");
    size_t size = strcspn(text, " ");
    const char *argument = text + size + strspn(text + size, " ");
    enum action action = action_named(text, size);
    if (action == ACTION_NONE)
        host_say(host, "no command, or several, begin with \"%.*s\"; :help lists them",
                 (int)(size < 80 ? size : 80), text);
    else
        host_act(host, action, *argument ? argument : NULL);
}

static void find_all(void *context, const char *text)
{
    struct host *host = context;
    host_push(host, lists_finds(host, text));
}

static void set_theme(struct host *host, const char *name)
{
    const struct theme *theme = name ? theme_named(name) : NULL;
    if (theme)
        terminal_set_theme(theme);
    else
        host_say(host, "themes are: %s", action_table[ACTION_THEME].choices);
    host->redraw = true;
}

static void set_mouse(struct host *host, const char *name)
{
    bool on = name && strcmp(name, "on") == 0, off = name && strcmp(name, "off") == 0;
    if (on || off)
        terminal_set_mouse(on);
    else
        host_say(host, "mouse on, or mouse off");
}

/* What is the same in every view. */
static bool act_always(struct host *host, enum action action, const char *argument)
{
    static const struct host_prompt add = {
        .label = "Add file: ", .history = HOST_FILES, .complete = COMPLETE_FILES};
    static const struct host_prompt command = {
        .label = ":", .history = HOST_COMMANDS, .complete = COMPLETE_COMMANDS};
    static const struct host_prompt find = {.label = "Find in all documents: ",
                                            .history = HOST_SEARCHES};
    struct host_prompt prompt = {0};
    switch (action) {
    case ACTION_OPEN:
        if (!argument)
            return false; /* what the cursor is on */
        add_file(host, argument);
        return true;
    case ACTION_ADD:
        if (argument)
            add_file(host, argument);
        prompt = add;
        prompt.accept = add_file;
        break;
    case ACTION_FIND_ALL:
        if (argument)
            find_all(host, argument);
        prompt = find;
        prompt.accept = find_all;
        break;
    case ACTION_COMMAND:
        prompt = command;
        prompt.text = argument;
        prompt.accept = run_command;
        argument = NULL;
        break;
    case ACTION_SAMPLE:
        shelf_add_sample(host->shelf);
        return true;
    case ACTION_THEME:
        set_theme(host, argument);
        return true;
    case ACTION_MOUSE:
        set_mouse(host, argument);
        return true;
    case ACTION_HELP:
        host_push(host, lists_help(host));
        return true;
    case ACTION_REDRAW:
        host->redraw = true;
        return true;
    case ACTION_SUSPEND:
        terminal_stop();
        host->redraw = true;
        return true;
    case ACTION_CLOSE:
        host_pop(host);
        return true;
    case ACTION_QUIT:
        host->leaving = true;
        return true;
    default:
        return false;
    }
    prompt.context = host;
    if (!argument)
        host_ask(host, &prompt);
    return true;
}

void host_act(struct host *host, enum action action, const char *argument)
{
    enum action_place place = host->top->kind->place(host->top);
    const struct action_entry *entry = &action_table[action];
    host_changed(host);
    if (!(entry->places & place))
        host_say(host, "%s: not here", entry->name);
    else if (!act_always(host, action, argument) &&
             !host->top->kind->act(host->top, action, argument))
        host_say(host, "%s: not here", entry->name);
}

/* --- strokes --------------------------------------------------------------------------- */

static void take_letter(struct host *host, uint32_t stroke)
{
    char letter[UTF8_MAX_BYTES + 1];
    enum action action = host->wants_letter;
    forget_strokes(host);
    if (stroke <= STROKE_SPACE || stroke == STROKE_BACKSPACE || stroke >= STROKE_UP)
        return;
    letter[utf8_encode(letter, stroke)] = '\0';
    host_act(host, action, letter);
}

static void take_stroke(struct host *host, uint32_t stroke)
{
    enum action action;
    if (host->wants_letter != ACTION_NONE) {
        take_letter(host, stroke);
        return;
    }
    host->strokes[host->stroke_count++] = stroke;
    switch (keymap_look(host->keymap, host->top->kind->place(host->top), host->strokes,
                        host->stroke_count, &action)) {
    case KEYMAP_NOTHING:
        host->stroke_count = 0;
        break;
    case KEYMAP_BEGUN:
        if (host->stroke_count == STROKE_SEQUENCE)
            host->stroke_count = 0;
        break;
    case KEYMAP_ACTION:
        host->stroke_count = 0;
        if (action_table[action].argument == ACTION_LETTER)
            host->wants_letter = action;
        else
            host_act(host, action, NULL);
        break;
    }
}

static void take_pointer(struct host *host, const struct terminal_input *input)
{
    const struct view_kind *kind = host->top->kind;
    if (host->prompting)
        return;
    if (input->stroke == STROKE_CLICK && kind->click)
        kind->click(host->top, input->line, input->column);
    else if (input->stroke != STROKE_CLICK && kind->wheel)
        kind->wheel(host->top, input->line, input->column,
                    input->stroke == STROKE_WHEEL_UP ? -1 : 1);
    host_changed(host);
}

void host_input(struct host *host, const struct terminal_input *input)
{
    host->keyed = true;
    switch (input->stroke) {
    case STROKE_RESIZE:
    case STROKE_SUSPEND:
        host->redraw = true;
        host_changed(host);
        return;
    case STROKE_HANGUP:
        host->leaving = host->hung_up = true;
        return;
    case STROKE_CLICK:
    case STROKE_WHEEL_UP:
    case STROKE_WHEEL_DOWN:
        take_pointer(host, input);
        return;
    default:
        break;
    }
    clear_message(host);
    if (input->stroke == STROKE_PASTE && host->prompting) {
        prompt_outcome(host, edit_paste(&host->edit, input->paste.data, input->paste.size));
        if (input->cut)
            host_say(host, "only the beginning was pasted");
    } else if (input->stroke == STROKE_PASTE) {
        host_say(host, "nothing here takes a pasted text; begin a question first");
    } else if (host->prompting) {
        prompt_outcome(host, edit_stroke(&host->edit, input->stroke));
    } else {
        take_stroke(host, input->stroke);
    }
}

/* --- the last line --------------------------------------------------------------------- */

const char *host_key(struct host *host, enum action action, char text[32])
{
    struct buffer names = {0};
    struct error error;
    text[0] = '\0';
    if (keymap_keys(host->keymap, action, &names, &error) && names.data)
        snprintf(text, 32, "%.*s", (int)strcspn(names.data, " "), names.data);
    buffer_free(&names);
    return text;
}

static void draw_hints(struct host *host, struct canvas_area area)
{
    static const enum action none[] = {ACTION_HELP, ACTION_CLOSE, ACTION_NONE};
    const enum action *hints = host->top->kind->hints ? host->top->kind->hints(host->top) : none;
    int column = 0;
    char key[32];
    for (; *hints != ACTION_NONE; hints++) {
        const char *name = action_table[*hints].name;
        host_key(host, *hints, key);
        int width = (int)(strlen(key) + strlen(name)) + 1;
        if (!*key || column + width > area.columns)
            continue;
        column = canvas_label(area, 0, column, key, THEME_KEY) + 1;
        column = canvas_label(area, 0, column, name, THEME_DIM) + 2;
    }
}

static int choice_columns(const struct complete *complete, size_t index)
{
    return (int)cluster_columns(complete->items[index], strlen(complete->items[index])) + 2;
}

/* What the line may become, above it, as many as fit with the one that stands there, which
 * is marked. */
static void draw_choices(const struct host *host, struct canvas_area area)
{
    const struct complete *complete = &host->complete;
    size_t first = 0;
    int column = 0;
    for (size_t i = 0; i < complete->count && i <= complete->at; i++) {
        int columns = choice_columns(complete, i);
        if (column + columns > area.columns && complete->at < complete->count) {
            first = i;
            column = 0;
        }
        column += columns;
    }
    canvas_clear(area, THEME_TEXT);
    column = 0;
    for (size_t i = first; i < complete->count && column < area.columns; i++) {
        column = canvas_label(area, 0, column, complete->items[i],
                              i == complete->at ? THEME_SELECTED : THEME_TEXT);
        column += 2;
    }
}

static void draw_prompt(struct host *host, struct canvas_area area)
{
    struct canvas_area above = area;
    canvas_clear(area, THEME_PROMPT);
    int column = canvas_label(area, 0, 0, host->prompt.label, THEME_KEY);
    /* On a narrow screen what is typed matters more than what it is for. */
    if (column >= area.columns / 2)
        column = 0;
    edit_draw(&host->edit, area, 0, column, THEME_PROMPT);
    above.line--;
    if (host->complete.count > 1 && above.line >= 0)
        draw_choices(host, above);
}

/* As many lines as it takes, but two. */
static void draw_message(const struct host *host, int lines, int columns)
{
    struct error error;
    struct wrap wrap = {0};
    const char *text = host->message.data;
    enum theme_style style = host->message_is_error ? THEME_ERROR : THEME_MESSAGE;
    if (!wrap_text(&wrap, text, host->message.size, (unsigned)columns, &error))
        return;
    int most = lines > 3 ? lines - 2 : 1;
    int count = wrap.count < (size_t)most ? (int)wrap.count : most;
    struct canvas_area area = {lines - count, 0, count, columns};
    canvas_clear(area, style);
    for (int i = 0; i + 1 < count; i++)
        canvas_put(area, i, 0, text + wrap.rows[i].begin, wrap.rows[i].end - wrap.rows[i].begin,
                   style);
    if (count > 0) /* what is more than fits is cut visibly */
        canvas_label(area, count - 1, 0, text + wrap.rows[count - 1].begin, style);
    wrap_free(&wrap);
}

void host_draw(struct host *host)
{
    int lines, columns;
    bool redraw = host->redraw;
    host->changed = host->redraw = host->keyed = false; /* drawing may ask for another */
    terminal_size(&lines, &columns);
    struct canvas_area last = {lines - 1, 0, 1, columns};
    terminal_cursor(-1, 0);
    canvas_clear((struct canvas_area){0, 0, lines, columns}, THEME_TEXT);
    host->top->kind->draw(host->top, lines, columns);
    if (host->prompting) {
        draw_prompt(host, last);
    } else if (host->message.size > 0) {
        draw_message(host, lines, columns);
    } else if (lines >= 3) {
        draw_hints(host, last);
    }
    terminal_show(redraw);
}
