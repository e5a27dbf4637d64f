/* host.h: what the reader has in its hands and does for its views: the stack of views, the
 * last line of the screen with its prompt and messages, keys into actions. */
#ifndef TIDEMARK_UI_HOST_H
#define TIDEMARK_UI_HOST_H

#include "ui/complete.h"
#include "ui/edit.h"
#include "ui/keymap.h"
#include "ui/terminal.h"
#include "ui/view.h"

struct shelf;

enum host_history {
    HOST_QUESTIONS,
    HOST_SEARCHES,
    HOST_COMMANDS,
    HOST_FILES,
    HOST_NOTES,
    HOST_HISTORIES,
};

/* A line that the person is to type. */
struct host_prompt {
    const char *label; /* static */
    enum host_history history;
    const char *text; /* to begin with; NULL: empty; not needed after host_ask */
    enum complete_what complete;
    bool empty; /* an empty line is accepted too */
    void *context;
    /* The line, when it is accepted; the view that asked is the topmost one. */
    void (*accept)(void *context, const char *text);
};

struct host {
    struct desk *desk;
    struct shelf *shelf;
    struct keymap *keymap;
    bool no_reading; /* documents are not read on by themselves */

    struct view *top;
    bool changed; /* something is to be drawn ... */
    bool redraw;  /* ... all of it, as if the screen were unknown */
    bool keyed;   /* ... because of a key, so that it is to be drawn at once */
    bool leaving;
    bool hung_up; /* somebody ended the reader */

    struct buffer message; /* empty: none */
    bool message_is_error;

    bool prompting;
    struct host_prompt prompt;
    struct edit edit;
    struct edit_history histories[HOST_HISTORIES];
    struct complete complete;

    uint32_t strokes[STROKE_SEQUENCE]; /* the beginning of a sequence */
    size_t stroke_count;
    enum action wants_letter; /* this action's letter comes next; or ACTION_NONE */
};

/* Frees views, histories and the prompt; desk, shelf and keymap stay the caller's. */
void host_free(struct host *host);

/* Something on the screen is no longer as it is. */
void host_changed(struct host *host);

/* One line for the person, made visible when drawn; it stays until the next key. */
void host_say(struct host *host, const char *format, ...) PRINTF_LIKE(2, 3);
void host_fail(struct host *host, const struct error *error);

/* Puts a view on top; it belongs to the host from here on. NULL is out of memory, and
 * said. */
void host_push(struct host *host, struct view *view);
/* Takes the topmost view away; without any left, the reader ends. */
void host_pop(struct host *host);

/* Appends a path as it was typed: "~/" is the home folder, blanks at the end go. */
bool host_path(struct buffer *path, const char *typed, struct error *error) WARN_UNUSED;

/* Lets the person type a line; takes the place of a prompt that is there. */
void host_ask(struct host *host, const struct host_prompt *prompt);

/* A stroke, as it came. */
void host_input(struct host *host, const struct terminal_input *input);

/* Does an action as if its key had been pressed, or its command been given. */
void host_act(struct host *host, enum action action, const char *argument);

/* The first key of an action, for hints; "" without one. */
const char *host_key(struct host *host, enum action action, char text[32]);

/* Draws the topmost view and the last line. */
void host_draw(struct host *host);

#endif
