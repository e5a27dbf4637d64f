/* quoting.h: which sentence of a text does the model mean?
 *
 * A small model that is asked to quote begins the right sentence and then drifts.
 * So it does not write: it chooses. All sentences of the text form a tree of
 * tokens; at each fork the model's most probable branch is taken (greedy decoding
 * over a trie of allowed outputs, as in De Cao et al., 2021, "Autoregressive
 * Entity Retrieval"), until one sentence is left. It stands in the document by
 * construction. A few decoding steps are enough. */
#ifndef TIDEMARK_APP_WORK_QUOTING_H
#define TIDEMARK_APP_WORK_QUOTING_H

#include "app/work/session.h"

struct quoting_sentence {
    size_t begin, end; /* in the text, without surrounding blanks */
};

struct quoting_sentences {
    struct quoting_sentence *items;
    size_t count, capacity;
};

/* The sentences of a section's text that can be quoted: four words or more and
 * not overlong; headings are none. Caller frees with quoting_sentences_free. */
bool quoting_split(struct quoting_sentences *sentences, const char *text, size_t size,
                   struct error *error) WARN_UNUSED;
void quoting_sentences_free(struct quoting_sentences *sentences);

/* Keeps, in order, the sentences that hold the most words of the answer, when that
 * is at least half of them; all otherwise. */
bool quoting_keep_answering(struct quoting_sentences *sentences, const char *text,
                            const char *answer, struct error *error) WARN_UNUSED;

/* One choice. */
struct quoting_choice {
    struct state *state; /* in: has read everything up to where the sentence would begin; out:
                            used up, unless `finish`: then it has read lead and sentence to the
                            end, and another choice may follow */
    const char *text;
    const struct quoting_sentences *sentences; /* not empty */
    const char *lead;                          /* what stands between ("\n> " for a quote) */
    bool finish;
    bool optional; /* nothing is chosen if the model would rather end here */

    size_t chosen; /* out: of `sentences` */
    bool ended;    /* out: it would, and nothing was chosen */
};

/* Choices side by side: the states of those that are not yet made go on together, a token at a
 * time. */
bool quoting_choose(struct session *session, struct quoting_choice *choices, size_t count,
                    struct error *error) WARN_UNUSED;

/* Takes one sentence out of the list. */
void quoting_drop(struct quoting_sentences *sentences, size_t index);

#endif
