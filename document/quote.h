/* quote.h: is what the model put in quotation marks really in the document?
 *
 * A quote is four or more words in quotation marks ("...", “...”, «...», „...“),
 * or a line that begins with '>'. It is compared with the text after both are
 * folded: white space, line breaks and soft hyphens to one space or none,
 * typographic quotes, apostrophes, dashes and ellipses to their ASCII form, and
 * Markdown emphasis marks dropped; letters keep their case. */
#ifndef TIDEMARK_DOCUMENT_QUOTE_H
#define TIDEMARK_DOCUMENT_QUOTE_H

#include "base/buffer.h"

struct quote {
    size_t begin, end; /* in the answer: the words without their marks */
};

struct quote_list {
    struct quote *items;
    size_t count, capacity;
};

/* Appends the quotes of an answer in order. */
bool quote_scan(struct quote_list *quotes, const char *answer, size_t size,
                struct error *error) WARN_UNUSED;
void quote_list_free(struct quote_list *quotes);

/* Looks for quote[0..quote_size) in text[0..size). When found, *begin and *end
 * are its place in the text (unfolded). A quote of fewer than four words is
 * never found. Out of memory counts as an error: false with error->kind set;
 * not found: false with ERROR_NONE. */
bool quote_find(size_t *begin, size_t *end, const char *text, size_t size, const char *quote,
                size_t quote_size, struct error *error) WARN_UNUSED;

#endif
