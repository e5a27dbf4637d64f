/* palette.h: what a theme becomes on this terminal. The terminal's own palette is never
 * changed. */
#ifndef TIDEMARK_UI_PALETTE_H
#define TIDEMARK_UI_PALETTE_H

#include "ui/theme.h"

/* Looks at what ncurses, which must have started, knows of the terminal, and at NO_COLOR.
 * `as_given`: without colours, too, styles have the attributes of those with colours; and
 * NO_COLOR is not looked at. */
void palette_open(bool as_given);

void palette_set(const struct theme *theme);

#endif
