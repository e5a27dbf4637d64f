/* visible.h: text of a document, a model or a database made fit for a terminal.
 *
 * Every character that a terminal would act on instead of showing is written
 * visibly: C0 as ␛-style control pictures, C1, bidirectional controls, line and
 * paragraph separators and zero-width joiners of no use to a reader as <U+202E>,
 * broken UTF-8 as U+FFFD. */
#ifndef TIDEMARK_BASE_VISIBLE_H
#define TIDEMARK_BASE_VISIBLE_H

#include "base/buffer.h"

enum visible_mode {
    VISIBLE_LINE, /* newline and tab are shown as pictures too: for one-line fields */
    VISIBLE_TEXT, /* newline and tab pass: for running text */
};

bool visible_append(struct buffer *out, const char *text, size_t size, enum visible_mode mode,
                    struct error *error) WARN_UNUSED;

/* True when a terminal may be sent this character as it is. */
bool visible_is_safe(unsigned rune);

#endif
