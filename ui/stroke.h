/* stroke.h: what comes from the keyboard: keys by number and by name.
 *
 * A stroke is a Unicode character, a control character (Ctrl and a letter), or one of
 * the keys below; STROKE_ALT may be added. Names are the character itself, or in angle
 * brackets as vi's users know them: <C-d>, <A-x>, <A-C-d>, <Enter>, <Tab>, <S-Tab>,
 * <Escape>, <Backspace>, <Delete>, <Space>, <Up>, <PageDown>, <Home>, <F1> ..., <lt> for
 * "<". Several in a row are a sequence: "gg", "<C-w>l".
 *
 * Parsing takes names in brackets without regard to case, <M-x> for <A-x>, and <CR>,
 * <Esc>, <BS> and <Del>. Some keys of control are others by name: <C-i> is <Tab>, <C-m>
 * <Enter>, <C-[> <Escape>. */
#ifndef TIDEMARK_UI_STROKE_H
#define TIDEMARK_UI_STROKE_H

#include "base/buffer.h"

#include <stdint.h>

enum stroke_key {
    STROKE_TAB = 9,
    STROKE_ENTER = 13,
    STROKE_ESCAPE = 27,
    STROKE_SPACE = 32,
    STROKE_BACKSPACE = 127,
    STROKE_UP = 0x110000,
    STROKE_DOWN,
    STROKE_LEFT,
    STROKE_RIGHT,
    STROKE_HOME,
    STROKE_END,
    STROKE_PAGE_UP,
    STROKE_PAGE_DOWN,
    STROKE_INSERT,
    STROKE_DELETE,
    STROKE_BACK_TAB,
    STROKE_F1, /* to F12 = STROKE_F1 + 11 */
    STROKE_F12 = STROKE_F1 + 11,
    /* No keys, but coming the same way; they have no names. */
    STROKE_PASTE,  /* a pasted text comes with it */
    STROKE_RESIZE, /* the screen has another size */
    STROKE_CLICK,  /* a place on the screen comes with it; the first button */
    STROKE_WHEEL_UP,
    STROKE_WHEEL_DOWN,
    STROKE_SUSPEND, /* somebody stopped the program and it goes on now */
    STROKE_HANGUP,  /* the terminal or somebody asks the program to end */
    STROKE_ALT = 0x1000000,
};

#define STROKE_CTRL(letter) ((uint32_t)(letter)&31u)
#define STROKE_SEQUENCE 4 /* strokes in a sequence at most */

/* Parses a sequence of 1 to STROKE_SEQUENCE strokes, text[0..size). False when it is none. */
bool stroke_parse(uint32_t strokes[STROKE_SEQUENCE], size_t *count, const char *text, size_t size);

/* Parses the next name at *text and moves beyond it. False at the end or when none is there. */
bool stroke_next(uint32_t *stroke, const char **text);

/* Whether it is a character that could be typed into a text: no key, no control
 * character, no Alt. */
bool stroke_is_character(uint32_t stroke);

/* Appends a stroke's name; nothing for one that has none. */
bool stroke_name(struct buffer *name, uint32_t stroke, struct error *error) WARN_UNUSED;

#endif
