/* terminal.h: the one terminal of the program, through ncurses: its screen, its keys, its
 * manners.
 *
 *     if (!terminal_open(&options, &error)) ...
 *     while (...) {
 *         poll terminal_descriptor();
 *         while (terminal_next(&input)) ...
 *         ... canvas_put() ...
 *         terminal_show();
 *     }
 *     terminal_close();
 *
 * The screen is given back as it was on every way out: terminal_close, exit, and the
 * signals that end a program by fault (SEGV, BUS, FPE, ILL, ABRT), where the terminal is
 * restored by writes alone and the signal then takes its course. TERM, HUP and INT come as
 * STROKE_HANGUP. Only one thread may call what is here. Text goes to the screen through
 * canvas.h alone. */
#ifndef TIDEMARK_UI_TERMINAL_H
#define TIDEMARK_UI_TERMINAL_H

#include "ui/stroke.h"
#include "ui/theme.h"

struct terminal_options {
    const struct theme *theme;
    bool mouse;
    bool script;        /* no terminal is there: the screen is only kept in memory, of ... */
    int lines, columns; /* ... this size; keys come by terminal_feed */
};

/* ERROR_USAGE when standard input or output is no terminal or TERM is not known. Sets the
 * locale from the environment. */
bool terminal_open(const struct terminal_options *options, struct error *error) WARN_UNUSED;
void terminal_close(void); /* also when it is not open */

/* Readable when strokes may be there; -1 in a script. Beside it the caller must call
 * terminal_next at least every terminal_patience() milliseconds when that is not -1: an
 * Escape waits for what may follow it. */
int terminal_descriptor(void);
int terminal_patience(void);

struct terminal_input {
    uint32_t stroke;
    struct buffer paste; /* of STROKE_PASTE: at most 1 MiB, any bytes, without the escape
                            sequences around it; what is beyond is dropped and `cut` set */
    bool cut;
    int line, column; /* of STROKE_CLICK and the wheel: from 0 */
};

/* The next stroke; never waits. False when there is none. *input keeps its buffer. */
bool terminal_next(struct terminal_input *input);
void terminal_input_free(struct terminal_input *input);

/* In a script: queues a stroke, or a text as pasted (NULL: none), or a click. */
bool terminal_feed(const struct terminal_input *input, struct error *error) WARN_UNUSED;

/* The size of the screen, at least 1x1. It follows the terminal after STROKE_RESIZE. */
void terminal_size(int *lines, int *columns);
/* In a script. */
void terminal_resize(int lines, int columns);

/* Brings to the terminal what was drawn. `redraw`: all of it, as if the screen were
 * unknown. */
void terminal_show(bool redraw);
/* Where the cursor is shown; line -1: nowhere. */
void terminal_cursor(int line, int column);

void terminal_set_theme(const struct theme *theme);
void terminal_set_mouse(bool on);
void terminal_bell(void);

/* Gives the terminal back to what runs in the foreground, and takes it again: around a
 * child that uses it. */
void terminal_leave(void);
void terminal_enter(void);
/* Stops the process as Ctrl-Z does elsewhere; returns when it goes on. */
void terminal_stop(void);

/* Sends text to the clipboard: by OSC 52, and by wl-copy or xclip where they and their
 * display are there. Whether it arrives nobody can tell. *how says in words what it was
 * sent to ("the terminal's clipboard (OSC 52) and wl-copy"). ERROR_INPUT for more than
 * 100,000 bytes. */
bool terminal_copy(const char *text, size_t size, struct buffer *how,
                   struct error *error) WARN_UNUSED;

/* Appends the screen as it is drawn: its lines without blanks at their ends, then, if
 * any cell is other than plain, the line "--" and for each line the attributes of its
 * cells, one letter each: `b` bold, `f` faint, `i` italic, `u` underlined, `r` reverse, in
 * capitals with bold too, `#` for other mixtures, a blank for plain; lines without blanks
 * at their ends; empty lines at the end of this part are left out. */
bool terminal_dump(struct buffer *out, struct error *error) WARN_UNUSED;

#endif
