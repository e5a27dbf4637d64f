/* terminal_private.h: what the parts of the terminal and canvas.c share: ncurses, whose
 * window `stdscr` is the screen, and how a style comes to it. No other file includes it. */
#ifndef TIDEMARK_UI_TERMINAL_PRIVATE_H
#define TIDEMARK_UI_TERMINAL_PRIVATE_H

#include "ui/terminal.h"

/* The macros would take names such as `clear` and `move` from everybody. */
#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <curses.h>

/* Whether the locale's characters are UTF-8. */
bool terminal_unicode(void);

/* What the theme and the terminal make of a style (palette.c). */
void palette_look(enum theme_style style, attr_t *attributes, short *pair);

#endif
