/* marking.h: what each byte of a piece of Markdown is, as md4c understands it.
 *
 *     struct marking *marking = marking_open(name, cancel, &error);
 *     while (...)
 *         marking_run(marking, roles, text, size, &done, &error);
 *     marking_close(marking);
 *
 * md4c runs within tidemark-extract, a program of its own and confined as those are that
 * take other documents apart: the versions in use have been crashed by made-up input. A
 * piece goes there as four bytes of its size, little-endian, and its bytes; what comes back
 * is the same, a role for each byte, or a size of 0 where md4c would take too long.
 * Every byte is a role that the reader can live with (markdown.c): a program that was taken
 * over can only choose what of its own document's text is left out. */
#ifndef TIDEMARK_DOCUMENT_MARKING_H
#define TIDEMARK_DOCUMENT_MARKING_H

#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define MARKING_MOST ((size_t)1 << 20) /* bytes of a piece */
#define MARKING_HEAD 4
#define MARKING_UNCONFINED 3 /* exit code of the program: it could not be, and read nothing */

/* The low three bits of a role. */
enum marking_kind {
    MARKING_NONE,   /* marks, blanks, and what is no text */
    MARKING_TEXT,   /* of a paragraph, a heading, a cell */
    MARKING_CODE,   /* a line of a code block, which stays as it is */
    MARKING_ENTITY, /* &amp; and its kin */
    MARKING_TAG,    /* HTML within a paragraph */
    MARKING_HTML,   /* of a block of HTML: tags and text */
};

#define MARKING_KIND(role) ((enum marking_kind)((role)&7))
#define MARKING_IMAGE 8 /* the text that stands for a picture */

/* The upper four bits: 0 in a paragraph, 1 to 6 in a heading of this level, and */
#define MARKING_CELL 7 /* of a table */
#define MARKING_PLACE(role) ((unsigned)(role) >> 4)

struct marking;

/* `name` is the document's, for errors, and stays the caller's. NULL on failure. */
struct marking *marking_open(const char *name, const atomic_bool *cancel, struct error *error);

/* roles[size] for text[size], size <= MARKING_MOST. *done is false, and roles untouched,
 * when md4c was not let finish. */
bool marking_run(struct marking *marking, unsigned char *roles, const char *text, size_t size,
                 bool *done, struct error *error) WARN_UNUSED;
void marking_close(struct marking *marking);

/* For tests: from now on roles come from this function. NULL: from the program. */
void marking_use(bool (*instead)(unsigned char *roles, const char *text, size_t size));

#endif
