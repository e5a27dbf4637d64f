/* answer_states.h: the model's state after an answer, from which a conversation goes on.
 *
 * What such a state has read is a *thread*: the ground that the first question was asked
 * on, then each question with its answer, to the last.
 *
 *     struct answer_states_thread thread;
 *     if (!answer_states_thread(session, question, &thread, &error)) ...
 *     if (thread.count > 0)
 *         ... answer_states_load(session, &thread, state, &info, &saved, &reread, &error) ...
 *     answer_states_free(&thread);
 *
 * The state's key names the whole thread by a hash over the ground's text and every word
 * asked and answered, so that it fits no other, nor the same over a text that has changed.
 * One that is not there, or does not fit, is made again: by the tokens of the answers as
 * they were, through the same kernels, so that under one numerics tag it is the same to the
 * bit. */
#ifndef TIDEMARK_APP_WORK_ANSWER_STATES_H
#define TIDEMARK_APP_WORK_ANSWER_STATES_H

#include "app/work/session.h"

enum answer_states_ground {
    ANSWER_STATES_SECTION = 1, /* a section, then the question */
    ANSWER_STATES_PREFIX = 2,  /* everything up to a section's end, then the question */
    ANSWER_STATES_REREAD = 3,  /* the question, a section, the question again */
};

struct answer_states_turn {
    int64_t question; /* its id */
    int64_t model;    /* that answered */
    char *words;      /* of the question */
    char *answer;
    struct tokens tokens; /* of the answer as that model gave it; empty: not known */
};

struct answer_states_thread {
    int64_t document;
    enum answer_states_ground ground;
    int64_t section;
    struct hash text;  /* of the ground: as in the key of the state that was begun from */
    char numerics[64]; /* tag of what the thread's state was begun from; "": the session's */
    struct answer_states_turn *turns;
    size_t count, capacity;
};

/* The thread that ends with the answer to a question. Without an answer, or when the text
 * that it was asked on is not known or no longer in the document, its count is 0; when that
 * text is another section now, it is that section's. A question whose own parent has no
 * answer begins a thread. ERROR_INPUT when there is no such question. */
bool answer_states_thread(struct session *session, int64_t question,
                          struct answer_states_thread *thread, struct error *error) WARN_UNUSED;
void answer_states_free(struct answer_states_thread *thread);

/* Copies the texts and tokens. */
bool answer_states_add(struct answer_states_thread *thread, const struct answer_states_turn *turn,
                       struct error *error) WARN_UNUSED;

/* The key's text for the state after the first `turns` of the thread. */
bool answer_states_hash(const struct answer_states_thread *thread, size_t turns, struct hash *hash,
                        struct error *error) WARN_UNUSED;

/* The section whose text has this hash: `section` itself, else the first such one. -1:
 * none. */
bool answer_states_find(struct session *session, int64_t document, const struct hash *text,
                        int64_t *section, struct error *error) WARN_UNUSED;

/* Brings `state` to the end of the thread, sets *info. *saved: the state
 * was there; otherwise it has been made, from that of an earlier answer or from the ground,
 * with a note, and kept if that can be. *tokens_reread: of the document, for that. */
bool answer_states_load(struct session *session, struct answer_states_thread *thread,
                        struct state *state, struct states_info *info, bool *saved,
                        int64_t *tokens_reread, struct error *error) WARN_UNUSED;

/* Stores the state after the thread's last answer; its `text` is set. Begun from a state of
 * another tag than the session's, it carries both, "this+that". Makes room (upkeep_thin). A
 * store that cannot is no more than a note: the state can be made again. */
bool answer_states_keep(struct session *session, const struct answer_states_thread *thread,
                        struct state *state, struct states_info *info,
                        struct error *error) WARN_UNUSED;

/* Appends the whole prompt that reads a section again, with the question before and after
 * it; *text is the section's hash, *count the tokens of its text. */
bool answer_states_reread(struct session *session, int64_t document, int64_t section,
                          const char *question, struct tokens *tokens, struct hash *text,
                          int64_t *count, struct error *error) WARN_UNUSED;

#endif
