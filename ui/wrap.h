/* wrap.h: a text as rows of at most so many columns.
 *
 *     struct wrap wrap = {0};
 *     if (!wrap_text(&wrap, text, size, 72, &error)) ...
 *     for (size_t i = 0; i < wrap.count; i++)  ... wrap.rows[i]
 *     wrap_free(&wrap);
 *
 * Each line of the text begins a row. Rows break at blanks, between wide characters (not
 * before what closes or after what opens), and where neither is within the columns, between
 * clusters; the blanks that a row breaks at are in no row. Further rows of a list item or a
 * quote stand under its first word. Lines of fenced code, and lines that begin with four
 * blanks outside a list, break between clusters only. */
#ifndef TIDEMARK_UI_WRAP_H
#define TIDEMARK_UI_WRAP_H

#include "base/error.h"

#include <stddef.h>

enum wrap_kind {
    WRAP_BODY,
    WRAP_HEADING, /* a line that begins with 1 to 6 # and a blank */
    WRAP_CODE,
    WRAP_QUOTE, /* a line that begins with > */
};

struct wrap_row {
    size_t begin, end; /* bytes of the text; equal for an empty row */
    unsigned indent;   /* columns before it */
    enum wrap_kind kind;
};

struct wrap {
    struct wrap_row *rows;
    size_t count, capacity;
};

/* Replaces what *wrap holds. columns > 0; a cluster wider than that has a row of its own.
 * An empty text has no rows. */
bool wrap_text(struct wrap *wrap, const char *text, size_t size, unsigned columns,
               struct error *error) WARN_UNUSED;
void wrap_free(struct wrap *wrap);

/* The row that holds the byte `offset`, or the last one before it; 0 without rows. */
size_t wrap_find(const struct wrap *wrap, size_t offset);

#endif
