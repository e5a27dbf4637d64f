/* states.h: states.db, the rebuildable half of the store: the model's states.
 *
 * A state is opaque bytes under a key. The key's fields are everything that the
 * bytes depend on; states_get compares them all and refuses by name what does not
 * match, so that a wrong state never loads. Payloads are compressed losslessly
 * with zstd after their bytes are grouped by significance, when that saves at
 * least a sixteenth, and carry the XXH3-128 of the uncompressed bytes, checked on
 * every load. Same file manners as library.h. */
#ifndef TIDEMARK_STORE_STATES_H
#define TIDEMARK_STORE_STATES_H

#include "base/buffer.h"
#include "base/hash.h"

#include <stdatomic.h>
#include <stdint.h>

#define STATES_APPLICATION_ID 0x74696473u /* "tids" */
#define STATES_SCHEMA 1

struct states;

enum states_kind {
    STATES_PREFIX = 1,  /* everything up to the end of a section */
    STATES_SECTION = 2, /* that section alone */
    STATES_ANSWER = 3,  /* a question's text, the question and its answer; `section` is then
                           the question's id */
};

/* Where a state belongs: at most one state for each place. */
struct states_place {
    int64_t document;
    struct hash model; /* fingerprint of the model's file */
    enum states_kind kind;
    int64_t section; /* ordinal; of an answer the question's id */
};

/* What the bytes depend on besides the model's file. */
struct states_key {
    int format;           /* of the payload */
    int tokenizer;        /* TOKENIZER_VERSION */
    int normalizer;       /* DOCUMENT_NORMALIZER */
    struct hash preamble; /* of the tokens before the text */
    struct hash text;     /* of every normalized byte read so far */
};

struct states_info {
    struct states_place place;
    struct states_key key;
    char numerics[64]; /* tag: backend/level/revision; recorded, not compared */
    int64_t token;     /* tokens in the state, preamble included */
    struct hash hash;  /* of the uncompressed payload */
    int64_t raw_bytes, stored_bytes;
    int64_t created_at; /* unix seconds */
};

bool states_open(struct states **states, const char *folder, struct error *error) WARN_UNUSED;
void states_close(struct states *states);

/* Payloads are packed and unpacked by these threads from now on, NULL: by the caller's
 * alone. Borrowed, until the next call or states_close; nothing else may run in the pool
 * while a function of this header does. */
struct pool;
void states_use_pool(struct states *states, struct pool *pool);

/* Stores a state durably, in place of any other of that place. In *info the
 * caller fills place, key, numerics and token; the rest is set here. size > 0. */
bool states_put(struct states *states, struct states_info *info, const void *payload, size_t size,
                struct error *error) WARN_UNUSED;

/* As states_put for several at once in one transaction. */
bool states_put_many(struct states *states, struct states_info *infos, const void *const *payloads,
                     const size_t *sizes, size_t count, struct error *error) WARN_UNUSED;

/* *found false: no state at this place. Otherwise *info is filled and, unless
 * payload is NULL, `capacity` bytes at payload are written: an error when the
 * state has another size, when a field of `key` differs (named), or when the
 * checksum does not match. */
bool states_get(struct states *states, const struct states_place *place,
                const struct states_key *key, struct states_info *info, void *payload,
                size_t capacity, bool *found, struct error *error) WARN_UNUSED;

/* Whether the last states_get failed because of the state itself, which does not fit or
 * is damaged: then another may do. Otherwise the failure may pass. */
bool states_refused(const struct states *states);

/* What lies at a place, whatever its key. */
bool states_look(struct states *states, const struct states_place *place, struct states_info *info,
                 bool *found, struct error *error) WARN_UNUSED;

/* The prefix state with the largest section ordinal <= section. */
bool states_nearest_prefix(struct states *states, int64_t document, const struct hash *model,
                           int64_t section, struct states_info *info, bool *found,
                           struct error *error) WARN_UNUSED;

/* All states of a document under a model (NULL: any): those of its text by section, then
 * kind, and after them those of answers by question. */
typedef bool states_visit(void *context, const struct states_info *info);
bool states_each(struct states *states, int64_t document, const struct hash *model,
                 states_visit *visit, void *context, struct error *error) WARN_UNUSED;

bool states_remove_document(struct states *states, int64_t document,
                            struct error *error) WARN_UNUSED;
/* The prefix and section states from `section` on: the text that they were made from has
 * changed. What an answer's state was made from, its key knows: one over a text that is no
 * more never loads, is among the first that states_thin removes, and an orphan to sweep. */
bool states_remove_from(struct states *states, int64_t document, int64_t section,
                        struct error *error) WARN_UNUSED;
/* The state of the answer to a question, of any model; none there is fine. */
bool states_remove_answer(struct states *states, int64_t document, int64_t question,
                          struct error *error) WARN_UNUSED;

struct states_freed {
    int64_t states, bytes; /* removed */
    int64_t left;          /* bytes that all states take now */
};

/* Visits every state and drops those that `keep` says no to: orphans. `keep` may ask
 * other databases and read from this one; nothing is locked for writing meanwhile. What
 * is to be dropped is found first and then removed in one transaction, but for states
 * that were replaced since. When `keep` fails, nothing is removed. */
typedef bool states_keep(void *context, const struct states_info *info, bool *keep,
                         struct error *error);
bool states_sweep(struct states *states, states_keep *keep, void *context,
                  struct states_freed *freed, struct error *error) WARN_UNUSED;

/* When all states take more than `budget` bytes (0 or more), removes those that save the
 * least re-reading per byte until they take a sixteenth less than that. What a state
 * saves: a prefix state the tokens since the one kept before it, for each position up
 * to the next; the state of a section its own tokens, for each of them, and 64 times that,
 * as asking is more common than resuming from the middle; the state of an answer only
 * question and answer, taken for 256 tokens, for each of them, as the rest of it lies in
 * section and prefix states as well: so answers' states go before the others (states_thin.c
 * says more). All count half for every 30 days since they were last used; a date to come
 * counts as now. Of each document and model, the prefix state that goes farthest and the one
 * stored last are never removed, even if that leaves more than the budget.
 *
 * Below the budget this costs some microseconds: call it after every state stored. */
bool states_thin(struct states *states, int64_t budget, struct states_freed *freed,
                 struct error *error) WARN_UNUSED;

/* The same for who goes on storing: room in the file stays there for the states that come
 * next, where states_thin moves all that lies behind it, which takes longer than storing. */
bool states_make_room(struct states *states, int64_t budget, struct states_freed *freed,
                      struct error *error) WARN_UNUSED;

/* Hands the file's free room back to the file system. */
bool states_shrink(struct states *states, struct error *error) WARN_UNUSED;

/* As library_verify: the file, and every state's row and payload, one unpacked at a
 * time. Lines name document and section, or question. */
typedef void states_problem(void *context, const char *line);
bool states_verify(struct states *states, const atomic_bool *cancel, states_problem *report,
                   void *context, int64_t *problems, struct error *error) WARN_UNUSED;

/* After states were removed: overwrites what file and log may still hold of them, for
 * which the file is written anew: that takes a while and, meanwhile, twice its room.
 * ERROR_STORE when another process has the states open. */
bool states_shred(struct states *states, struct error *error) WARN_UNUSED;

bool states_total_bytes(struct states *states, int64_t document, int64_t *bytes,
                        struct error *error) WARN_UNUSED; /* document 0: all */

#endif
