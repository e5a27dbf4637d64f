/* plausible.h: how likely is a text in an encoding, judged by what it would say?
 *
 * A score is a logarithm of a likelihood: for every character that is not ASCII, how
 * often the language that fits best uses it (alphabet.h), with penalties for what no
 * text has: capitals within words, two scripts in a word, symbols between letters,
 * controls, bytes that are no character. So the scores of several encodings for the
 * same sample can be compared, and their differences are odds. */
#ifndef TIDEMARK_DOCUMENT_PLAUSIBLE_H
#define TIDEMARK_DOCUMENT_PLAUSIBLE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define PLAUSIBLE_PART 2048 /* bytes */
#define PLAUSIBLE_PARTS 4

/* Lines with bytes that are not ASCII from each quarter of a text. */
struct plausible_sample {
    char bytes[PLAUSIBLE_PARTS][PLAUSIBLE_PART];
    size_t size[PLAUSIBLE_PARTS];
    size_t high[PLAUSIBLE_PARTS]; /* bytes beyond ASCII in it */
    size_t all_high;
};

struct plausible {
    double score;
    size_t invalid; /* bytes that are no character, or a control */
    uint64_t text;  /* differs when the decoded text does */
};

void plausible_take(struct plausible_sample *sample, const char *bytes, size_t size);

/* `name` is the encoding's (charset.h), `charset` what iconv decodes it by. */
bool plausible_score(struct plausible *plausible, const char *name, const char *charset,
                     const struct plausible_sample *sample, struct error *error) WARN_UNUSED;

#endif
