/* states_private.h: what the files of states.db share; private to this folder. */
#ifndef TIDEMARK_STORE_STATES_PRIVATE_H
#define TIDEMARK_STORE_STATES_PRIVATE_H

#include "store/db.h"
#include "store/states.h"
#include "store/states_payload.h"

extern const struct db_kind states_schema_kind;

struct states {
    struct db db;
    /* What all states take, so that nobody has to add it up after every state: true of
     * the file as of this version of it (PRAGMA data_version, which the commits of
     * other connections change) and all that was done here since. */
    bool total_known;
    int64_t total, total_version;
    bool refused;      /* see states_refused */
    struct pool *pool; /* see states_use_pool */
};

/* A row of the table: what is known outside, and what is not. */
struct states_row {
    int64_t id;
    int codec;
    int64_t used_at;
    struct states_info info;
};

/* In the order that states_read_row takes. */
#define STATES_ROW_COLUMNS                                                                         \
    "id, codec, used_at, document, model, kind, section, format, tokenizer, normalizer,"           \
    " preamble, text, numerics, token, hash, raw_bytes, stored_bytes, created_at"

void states_read_row(struct db_query *query, struct states_row *row);

/* Writes the row's raw_bytes bytes at payload. *fault says what is wrong with the stored
 * bytes, which may be hostile; NULL: nothing. False: out of memory, or the source failed. */
bool states_unpack(struct states *states, const struct states_row *row,
                   const struct states_payload_source *source, void *payload, const char **fault,
                   struct error *error) WARN_UNUSED;

/* A state's size as the file tells it, kept within what SQLite can store in one value,
 * so that no sum of them overflows. */
#define STATES_STORED_BYTES "min(max(stored_bytes, 0), 1073741824)"

/* What all states take. Without a look at them unless another process has changed
 * something. */
bool states_room_total(struct states *states, int64_t *bytes, struct error *error) WARN_UNUSED;
void states_room_grew(struct states *states, int64_t bytes);
void states_room_forget(struct states *states);

/* Removes the state with this id, unless another has taken the id since (hash NULL:
 * whatever it is); adds it to *freed. */
bool states_room_remove(struct states *states, int64_t id, const struct hash *hash,
                        struct states_freed *freed, struct error *error) WARN_UNUSED;

#endif
