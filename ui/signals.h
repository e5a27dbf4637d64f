/* signals.h: the signals of a program that owns the screen, each asked for when there is
 * time:
 *
 *     if (!signals_begin(restore, &error)) ...
 *     poll signals_descriptor()
 *     unsigned which = signals_take();
 *     signals_end();
 *
 * A signal that ends a program by fault (SEGV, BUS, FPE, ILL, ABRT and the like) calls
 * `restore`, which may do only what a signal handler may, and then takes its course: the
 * action from before signals_begin, a sanitizer's report among them. One thread calls what
 * is here; the handlers run in any. */
#ifndef TIDEMARK_UI_SIGNALS_H
#define TIDEMARK_UI_SIGNALS_H

#include "base/error.h"

enum signals_event {                   /* bits */
                     SIGNALS_END = 1,  /* TERM, INT, or HUP where it was not ignored */
                     SIGNALS_SIZE = 2, /* the terminal has another size */
                     SIGNALS_STOP =
                         4, /* somebody asks the program to stop: signals_stop(false) does it */
                     SIGNALS_GO_ON = 8, /* it was stopped, and goes on */
};

bool signals_begin(void (*restore)(void), struct error *error) WARN_UNUSED;
void signals_end(void); /* the actions from before are in force again */

/* Readable while signals_take() would give something. */
int signals_descriptor(void);
unsigned signals_take(void);

/* Between signals_away(true) and signals_away(false) a child has the terminal: INT and QUIT
 * from the keyboard are for it alone, STOP stops the two of them. */
void signals_away(bool away);

/* Stops the process, with its whole group as Ctrl-Z does or alone; returns when it goes on,
 * or at once where nobody could make it go on. */
void signals_stop(bool group);

#endif
