/* alphabet.h: how likely is a letter that is not ASCII, in one of the languages that
 * are written in the encodings which are guessed?
 *
 * Each language lists its letters, the frequent ones first; the rest of a probability
 * curve that falls by rank is enough to tell encodings apart, since a wrong one turns
 * letters into others that no single language uses, or uses so often. */
#ifndef TIDEMARK_DOCUMENT_ALPHABET_H
#define TIDEMARK_DOCUMENT_ALPHABET_H

#include <stddef.h>
#include <stdint.h>

struct alphabet {
    const char *letters; /* UTF-8, lower case, most frequent first */
    double mass;         /* their share of all letters beyond ASCII in a text */
    double fall;         /* the last one is exp(fall) times as rare as the first */
};

extern const struct alphabet alphabet_all[];
extern const size_t alphabet_count;

#endif
