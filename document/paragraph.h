/* paragraph.h: lines without an empty one between them, and what becomes of
 * their line ends.
 *
 * Of the plain lines of a paragraph, those that follow each other are judged
 * together. With W the longest of them, in characters, the break after a line is
 *
 *     full     if the next line's first word would not have fitted into W less a
 *              twelfth of W, or a hyphen broke the last word;
 *     end      if it is not full, the line ends a sentence and the next one does
 *              not begin in lower case, or the next one is indented as the first
 *              line of a paragraph is;
 *     hard     if Markdown says so (two blanks or a backslash at the end);
 *     short    otherwise.
 *
 * They are hard-wrapped when W is from 40 (24, where three breaks and more are
 * full) to 120, at most one in eight breaks is short, at most half of them end,
 * and at least a third of the full ones stand where no writer breaks a line on
 * purpose (before a lower-case letter or a digit, at a hyphen, or in long lines
 * after a word without a mark); unless they look like a table, source code, or
 * have mixed indentation. Then full and short breaks are joined, by a space or
 * by mending the word, and indentation goes; others stay.
 *
 * Lists and block quotes, to the end of their paragraph, and rules stay. */
#ifndef TIDEMARK_DOCUMENT_PARAGRAPH_H
#define TIDEMARK_DOCUMENT_PARAGRAPH_H

#include "document/line.h"
#include "document/source.h"

/* A paragraph that grows beyond this is judged in parts. */
#define PARAGRAPH_LIMIT 65536

struct paragraph_line {
    size_t begin, end; /* in the paragraph's text */
    struct position at, stop;
    bool ended; /* by a line end, not by the file's */
    bool hard;
    bool soft_hyphen;
    struct line_shape shape;
};

/* A zeroed struct is empty. */
struct paragraph {
    struct trace text;
    struct paragraph_line *lines;
    size_t count, capacity;
};

bool paragraph_add(struct paragraph *paragraph, const struct source_line *line,
                   struct error *error) WARN_UNUSED;

/* Appends the lines from number `first` on, joined where they are hard-wrapped. */
bool paragraph_write(struct trace *out, const struct paragraph *paragraph, size_t first,
                     struct error *error) WARN_UNUSED;

/* Appends the lines first to last - 1 as they are. */
bool paragraph_write_kept(struct trace *out, const struct paragraph *paragraph, size_t first,
                          size_t last, struct error *error) WARN_UNUSED;

void paragraph_clear(struct paragraph *paragraph);
void paragraph_free(struct paragraph *paragraph);

#endif
