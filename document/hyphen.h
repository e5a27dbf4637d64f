/* hyphen.h: what becomes of a hyphen or dash where two lines are joined. */
#ifndef TIDEMARK_DOCUMENT_HYPHEN_H
#define TIDEMARK_DOCUMENT_HYPHEN_H

#include <stdbool.h>
#include <stddef.h>

enum hyphen_join {
    HYPHEN_SPACE, /* none there: a space comes between */
    HYPHEN_CLOSE, /* nothing comes between */
    HYPHEN_MEND,  /* the hyphen goes, and nothing comes between */
};

/* `line` ends where the first line does, without trailing blanks; `next` begins
 * with the second line's first character. *drop is set to the bytes of the hyphen
 * that goes, else to 0. */
enum hyphen_join hyphen_join(size_t *drop, const char *line, size_t size, const char *next,
                             size_t next_size);

/* The line ends in a hyphen that may have broken a word. */
bool hyphen_at_end(const char *line, size_t size);

#endif
