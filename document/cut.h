/* cut.h: where a text that is too long for one section is best cut. */
#ifndef TIDEMARK_DOCUMENT_CUT_H
#define TIDEMARK_DOCUMENT_CUT_H

#include <stdbool.h>
#include <stddef.h>

struct cut {
    size_t end;    /* the section is text[0..end) */
    size_t next;   /* the next one begins here; blanks and line ends between are dropped */
    bool line_end; /* the section needs a line end of its own */
};

/* Cuts valid UTF-8 of more than `limit` characters so that the section, with its
 * line end, has no more: after the last empty line that fits when it lies in the
 * second half, else the last line, else that empty line, else after a sentence,
 * a word, a character. The first `heading` bytes do not stand alone. */
struct cut cut_text(const char *text, size_t size, size_t limit, size_t heading);

#endif
