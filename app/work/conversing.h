/* conversing.h: what was asked about a document so far: a tree of questions, each with
 * its answer and its quotes as they stand in the text now.
 *
 *     struct conversing conversation = {0};
 *     if (!conversing_list(session, document, &conversation, &error)) ...
 *     conversing_free(&conversation);
 *
 * Texts come from people, models and databases: not fit for a terminal before
 * visible_append(). */
#ifndef TIDEMARK_APP_WORK_CONVERSING_H
#define TIDEMARK_APP_WORK_CONVERSING_H

#include "app/work/asking.h"

/* A question and its answer. */
struct conversing_turn {
    int64_t id;
    int64_t parent; /* the turn that it follows up, which stands before it; 0: none */
    int64_t asked_at;
    int64_t section; /* that answered, or that it was asked of; -1: none */
    int64_t as_of;   /* answered from everything up to here; -1: no */
    char *question;
    char *answer;                /* NULL: the document does not say */
    struct asking_quote *quotes; /* looked up anew in the text as it is now */
    size_t quote_count;
    double confidence;
    bool state_kept; /* the answer's state is there: going on reads nothing again */
};

struct conversing {
    struct conversing_turn *turns; /* in the order asked */
    size_t count, capacity;
};

/* All of a document. Replaces what *conversation holds. */
bool conversing_list(struct session *session, int64_t document, struct conversing *conversation,
                     struct error *error) WARN_UNUSED;
void conversing_free(struct conversing *conversation);

/* Appends one turn by its question's id, as conversing_list would have. It is newer than
 * those that are there. */
bool conversing_add(struct session *session, int64_t question, struct conversing *conversation,
                    struct error *error) WARN_UNUSED;

/* The tree as it is shown from top to bottom: each turn before those that follow it up,
 * which stand in the order asked. order[i] is an index into turns, depth[i] how many turns
 * it follows; both [count], the caller's. */
bool conversing_tree(const struct conversing *conversation, size_t *order, size_t *depth,
                     struct error *error) WARN_UNUSED;

/* Removes a question, its answer and its state from the library. Those that follow it up
 * stay, without a parent; their states, which have read it, go too. */
bool conversing_remove(struct session *session, int64_t question, struct error *error) WARN_UNUSED;

#endif
