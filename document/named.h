/* named.h: CHAPTER IV and its kin: the words that name a heading, and the
 * numbers that come after them. */
#ifndef TIDEMARK_DOCUMENT_NAMED_H
#define TIDEMARK_DOCUMENT_NAMED_H

#include <stdbool.h>
#include <stddef.h>

struct named {
    unsigned rank; /* 1 volume, book, part; 2 chapter; 3 section, scene */
    bool numbered; /* CHAPTER IV, not PREFACE */
    bool bare;     /* nothing but name and number */
    bool marked;   /* a mark between these and the title: Part 2: Title */
};

/* Recognises a line without blanks around it. */
bool named_parse(struct named *named, const char *line, size_t size);

/* The value of a Roman numeral in capitals, up to 399, at the beginning of the
 * text, its bytes in *length; 0 when there is none. */
unsigned named_roman(const char *text, size_t size, size_t *length);

#endif
