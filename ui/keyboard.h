/* keyboard.h: the bytes that a terminal sends, as strokes. It understands what xterm, its
 * relatives, tmux, screen, rxvt and the Linux console send, without being told which: keys
 * with modifiers, bracketed paste (xterm's "ctlseqs"), the mouse as SGR (1006) or X10.
 *
 *     keyboard_take(&keyboard, bytes, size, &error)
 *     while (keyboard_next(&keyboard, late, &input)) ...
 *
 * An Escape begins many sequences and is a key as well: only when nothing has followed for
 * a while (`late`) is it the key. Sequences that mean nothing here, control characters
 * above 7F, and bytes that are no character are dropped. */
#ifndef TIDEMARK_UI_KEYBOARD_H
#define TIDEMARK_UI_KEYBOARD_H

#include "ui/terminal.h"

#define KEYBOARD_PASTE_MOST (1u << 20)

struct keyboard {
    struct buffer bytes; /* that came */
    size_t at;           /* of them, understood */
    bool pasting, cut;
    struct buffer paste;
    unsigned char erase; /* what Backspace sends, beside 7F; 0: nothing else */
};

void keyboard_free(struct keyboard *keyboard);

bool keyboard_take(struct keyboard *keyboard, const char *bytes, size_t size,
                   struct error *error) WARN_UNUSED;

/* The next stroke. `late`: nothing more will come soon. */
bool keyboard_next(struct keyboard *keyboard, bool late, struct terminal_input *input);

/* How many seconds after the last byte it is late for what came and is no stroke yet;
 * negative when nothing waits. */
double keyboard_patience(const struct keyboard *keyboard);

#endif
