/* line.h: what one line looks like: its measures, and the marks that say that
 * its writer broke it on purpose. Nothing here looks at other lines. */
#ifndef TIDEMARK_DOCUMENT_LINE_H
#define TIDEMARK_DOCUMENT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum line_mark {
    LINE_PLAIN,
    LINE_ITEM,   /* list item that may begin anywhere: "- ", "1. ", "a) " */
    LINE_LATER,  /* "7. ": an item where one is expected, else just a number */
    LINE_QUOTED, /* > */
    LINE_RULE,   /* no letter and no digit */
};

struct line_shape {
    size_t margin;  /* bytes of blanks at its beginning */
    size_t indent;  /* columns of them; a tab goes to the next multiple of 4 */
    size_t columns; /* of the whole line: indent and characters */
    size_t word;    /* characters of the first word */
    enum line_mark mark;
    bool table;    /* bars, or gaps of three and more blanks, as between columns */
    unsigned code; /* how much it looks like source code: 0, 1 or 2 */
};

void line_measure(struct line_shape *shape, const char *text, size_t size);

/* Length of the code fence (``` or ~~~, three and more) that the line opens, or
 * 0; *mark is its character. */
size_t line_opens_fence(char *mark, const char *text, size_t size);
bool line_closes_fence(const char *text, size_t size, char mark, size_t length);

/* The line ends a sentence, closing quotation marks and brackets aside. */
bool line_ends_sentence(const char *text, size_t size);

/* ".....", ". . . ." or the like: a line of a table of contents. */
bool line_has_leaders(const char *text, size_t size);

/* Three and more blanks, or a tab, between two words. */
bool line_has_gap(const char *text, size_t size);

#endif
