/* palette.h: what a theme becomes on this terminal. The terminal's own palette is never
 * changed. */
#ifndef TIDEMARK_UI_PALETTE_H
#define TIDEMARK_UI_PALETTE_H

#include "base/buffer.h"
#include "ui/theme.h"

/* Looks at what ncurses, which must have started, knows of the terminal, and at NO_COLOR.
 * `as_given`: without colours, too, styles have the attributes of those with colours; and
 * NO_COLOR is not looked at. */
void palette_open(bool as_given);

void palette_set(const struct theme *theme);

/* Appends what ncurses wrote. Where COLORTERM says "truecolor" or "24bit" and ncurses knows
 * no more than 256 colours, the numbers of colours stand for a theme's own and become these:
 * "38;5;N" is written as "38;2;R;G;B". */
bool palette_translate(struct buffer *out, const char *bytes, size_t size,
                       struct error *error) WARN_UNUSED;

#endif
