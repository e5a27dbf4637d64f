/* manners.h: the terminal taken and given back: its settings, its second screen, the modes
 * in which it tells of pastes and of the mouse. What is written between two of these calls
 * goes through manners_send().
 *
 *     manners_open(synchronized, erase, &error)
 *     manners_take(mouse);
 *     ... manners_send() ...
 *     manners_give_back();
 *
 * It is given back as well at exit. manners_give_back does only what a signal handler may. */
#ifndef TIDEMARK_UI_MANNERS_H
#define TIDEMARK_UI_MANNERS_H

#include "base/error.h"

#include <stddef.h>

/* Of standard input and output, which must be a terminal that terminfo's current entry
 * describes. `synchronized`: it may be in the midst of a bracketed update. *erase is the
 * character that its Backspace sends by its settings. */
bool manners_open(bool synchronized, unsigned char *erase, struct error *error) WARN_UNUSED;

void manners_take(bool mouse);
void manners_give_back(void);
bool manners_taken(void);

void manners_mouse(bool on);

/* False when not all of it could be written. */
bool manners_send(const char *bytes, size_t size);

/* True when terminfo describes a terminal of this name. */
bool manners_known(const char *name);

/* A string of terminfo without its delays, which only paper needs: appended to out[*size],
 * as far as it fits. Nothing for a string that terminfo has not. */
void manners_capability(char *out, size_t *size, size_t capacity, const char *text);

#endif
