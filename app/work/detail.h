/* detail.h: what the library keeps of a question beside its words: the JSON object that
 * `ask --json` printed, read back.
 *
 * It comes from a database and is believed nothing that could do harm: what is missing,
 * of another type or out of range counts as not there, and what is too much is left out. */
#ifndef TIDEMARK_APP_WORK_DETAIL_H
#define TIDEMARK_APP_WORK_DETAIL_H

#include "app/work/asking.h"
#include "engine/tokenizer.h"

struct detail {
    int64_t section; /* ordinal of the one that answered, or that was asked; -1: none */
    int64_t as_of;   /* answered from everything up to this section's end; -1: no */
    bool reread;     /* the passage was read again, question first */
    double confidence;
    struct asking_quote *quotes; /* text and section as they were, none verified */
    size_t quote_count;
    struct tokens tokens; /* of the answer as the model gave it; empty: not known */
    bool ground_known;
    struct hash ground; /* of the text that the conversation was begun on */
};

/* False only when out of memory. Caller frees with detail_free. */
bool detail_read(struct detail *detail, const struct library_question *question,
                 struct error *error) WARN_UNUSED;
void detail_free(struct detail *detail);

/* The section and the "as of" that a question was limited to by whoever asked; -1: it was
 * not. */
void detail_scope(const struct library_question *question, int64_t *section, int64_t *as_of);

#endif
