/* pretokenizer.h: the cut of text into words before byte-pair encoding.
 *
 *     struct pretokenizer_cursor cursor = {.text = text, .size = size};
 *     struct gguf_text word;
 *     while (pretokenizer_next(&pretokenizer, &cursor, &word)) ...
 *
 * The words lie one after another and cover the text. Rule R, of GPT-2 (Radford
 * et al., 2019), cuts into the matches of
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)
 *
 * and the runs between them. Falcon's rule cuts out the runs of punctuation
 * ([\p{P}$+<=>^~|`]+) first, cuts each piece by R as if it were the whole text,
 * and each of those by [0-9][0-9][0-9]. A byte that is not UTF-8 counts as a
 * character that is no letter, number, space or punctuation. */
#ifndef TIDEMARK_ENGINE_PRETOKENIZER_H
#define TIDEMARK_ENGINE_PRETOKENIZER_H

#include "engine/gguf.h"
#include "engine/unicode_class.h"

enum pretokenizer_rule {
    PRETOKENIZER_GPT2,
    PRETOKENIZER_FALCON,
};

struct pretokenizer {
    enum pretokenizer_rule rule;
    struct unicode_class_table classes;
    unsigned char ascii[128]; /* the class of each ASCII character under the rule */
};

struct pretokenizer_cursor {
    const char *text;
    size_t size;
    size_t at;        /* where the next word begins */
    size_t digits_to; /* up to here a number is being cut into threes */
};

bool pretokenizer_init(struct pretokenizer *pretokenizer, enum pretokenizer_rule rule,
                       struct error *error) WARN_UNUSED;
void pretokenizer_free(struct pretokenizer *pretokenizer);

/* False at the end of the text. */
bool pretokenizer_next(const struct pretokenizer *pretokenizer, struct pretokenizer_cursor *cursor,
                       struct gguf_text *word);

#endif
