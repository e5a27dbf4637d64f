/* charset.h: the names of encodings. */
#ifndef TIDEMARK_DOCUMENT_CHARSET_H
#define TIDEMARK_DOCUMENT_CHARSET_H

#include <stdbool.h>

struct charset {
    const char *name;    /* as it is shown */
    const char *exact;   /* what iconv calls it */
    const char *wide;    /* NULL, or the superset that is meant when it was not the user who
                            said so, best first, separated by blanks */
    const char *becomes; /* NULL, or the name that is shown then */
    const char *aliases; /* folded as by charset_fold, separated by blanks */
};

/* The table's entry for a name in any case and punctuation, or NULL. */
const struct charset *charset_find(const char *name);

/* The name in the table that a mistyped one is nearest to, or NULL. */
const char *charset_nearest(const char *name);

#endif
