/* fold.h: text brought to a form in which a quote equals its original, each byte
 * with the place that it came from.
 *
 * Blanks and line ends become one space, and none at the ends or around dashes;
 * soft hyphens and characters without width go, and so do Markdown's * _ and `;
 * quotation marks and apostrophes become " and ', every run of dashes one -,
 * an ellipsis three dots; letters are decomposed (canonically, and the ligatures
 * of fi and its kin), and keep their case. */
#ifndef TIDEMARK_DOCUMENT_FOLD_H
#define TIDEMARK_DOCUMENT_FOLD_H

#include "base/buffer.h"

/* A zeroed struct is empty. */
struct fold {
    struct buffer text;
    size_t *from; /* for each byte of text: the first byte of what it came from */
    size_t capacity;
};

/* Replaces what *fold holds. Broken UTF-8 folds to U+FFFD. */
bool fold_text(struct fold *fold, const char *text, size_t size, struct error *error) WARN_UNUSED;
void fold_free(struct fold *fold);

#endif
