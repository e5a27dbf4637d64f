/* docx_numbering.h: the numbers that Word puts before list items and headings
 * (ECMA-376, part 1, 17.9), which are not in the text.
 *
 * numbering_start takes the elements of numbering.xml; then numbering_label gives each
 * numbered paragraph's label in the document's order. */
#ifndef TIDEMARK_EXTRACT_DOCX_NUMBERING_H
#define TIDEMARK_EXTRACT_DOCX_NUMBERING_H

#include <stdbool.h>
#include <stddef.h>

#define NUMBERING_LEVELS 9
#define NUMBERING_LABEL 40 /* bytes, with the NUL */

/* Nothing is known yet. */
void numbering_reset(void);
void numbering_start(void *context, const char *space, const char *name, const char **attributes);

/* "7.3", "c)", "-" for a bullet, "" for none; counts on. `level` is below
 * NUMBERING_LEVELS. */
void numbering_label(char label[NUMBERING_LABEL], unsigned long list, unsigned level);

/* "iv", in capitals if wanted. */
void numbering_roman(char *out, size_t size, unsigned number, bool capitals);

#endif
