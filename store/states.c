#include "store/states.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/states_payload.h"
#include "store/states_private.h"

/* How far used_at may lag behind: a load writes at most once in so many seconds. */
#define USED_AT_LAG 86400

bool states_open(struct states **states, const char *folder, struct error *error)
{
    *states = calloc(1, sizeof **states);
    if (!*states)
        return error_out_of_memory(error);
    if (db_open(&(*states)->db, folder, &states_schema_kind, error))
        return true;
    free(*states);
    *states = NULL;
    return false;
}

void states_close(struct states *states)
{
    if (!states)
        return;
    db_close(&states->db);
    free(states);
}

void states_use_pool(struct states *states, struct pool *pool)
{
    states->pool = pool;
}

/* --- storing --------------------------------------------------------------- */

/* *bytes: what the state took, 0 when there was none. */
static bool remove_state(struct states *states, const struct states_place *place, int64_t *bytes,
                         struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "replace a state",
               "DELETE FROM state WHERE document = ? AND model = ? AND kind = ? AND section = ?"
               " RETURNING " STATES_STORED_BYTES);
    db_bind_int(&query, place->document);
    db_bind_hash(&query, &place->model);
    db_bind_int(&query, place->kind);
    db_bind_int(&query, place->section);
    return db_run_for_count(&query, bytes, error);
}

static bool insert_state(struct states *states, const struct states_info *info, int codec,
                         struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "store a state",
               "INSERT INTO state (document, model, kind, section, format, tokenizer, normalizer,"
               " preamble, text, numerics, token, hash, codec, raw_bytes, stored_bytes,"
               " created_at, used_at)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_bind_int(&query, info->place.document);
    db_bind_hash(&query, &info->place.model);
    db_bind_int(&query, info->place.kind);
    db_bind_int(&query, info->place.section);
    db_bind_int(&query, info->key.format);
    db_bind_int(&query, info->key.tokenizer);
    db_bind_int(&query, info->key.normalizer);
    db_bind_hash(&query, &info->key.preamble);
    db_bind_hash(&query, &info->key.text);
    db_bind_text(&query, info->numerics);
    db_bind_int(&query, info->token);
    db_bind_hash(&query, &info->hash);
    db_bind_int(&query, codec);
    db_bind_int(&query, info->raw_bytes);
    db_bind_int(&query, info->stored_bytes);
    db_bind_int(&query, info->created_at);
    db_bind_int(&query, info->created_at);
    return db_run(&query, error);
}

static bool insert_payload(struct states *states, const struct states_payload *packed,
                           struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "store a state",
               "INSERT INTO payload (state, bytes) VALUES (?, ?)");
    db_bind_int(&query, sqlite3_last_insert_rowid(states->db.handle));
    db_bind_blob(&query, packed->bytes, packed->size);
    return db_run(&query, error);
}

/* *grown: what is stored more than before, added to it. */
static bool put(struct states *states, struct states_info *info, const void *payload, size_t size,
                int64_t *grown, struct error *error)
{
    assert(memchr(info->numerics, '\0', sizeof info->numerics));
    assert(payload && size > 0);
    struct states_payload packed;
    if (!states_payload_pack(&packed, payload, size, states->pool, error))
        return false;
    info->hash = hash_of(payload, size);
    info->raw_bytes = (int64_t)size;
    info->stored_bytes = (int64_t)packed.size;
    info->created_at = clock_unix_time();
    int64_t before = 0;
    bool ok = remove_state(states, &info->place, &before, error) &&
              insert_state(states, info, (int)packed.codec, error) &&
              insert_payload(states, &packed, error);
    *grown += info->stored_bytes - before;
    states_payload_free(&packed);
    return ok;
}

bool states_put_many(struct states *states, struct states_info *infos, const void *const *payloads,
                     const size_t *sizes, size_t count, struct error *error)
{
    bool own;
    if (!db_enter(&states->db, &own, error))
        return false;
    bool ok = true;
    int64_t grown = 0;
    for (size_t i = 0; ok && i < count; i++)
        ok = put(states, &infos[i], payloads[i], sizes[i], &grown, error);
    ok = db_leave(&states->db, own, ok, error);
    if (ok)
        states_room_grew(states, grown);
    else
        states_room_forget(states);
    return ok;
}

bool states_put(struct states *states, struct states_info *info, const void *payload, size_t size,
                struct error *error)
{
    return states_put_many(states, info, &payload, &size, 1, error);
}

/* --- looking --------------------------------------------------------------- */

#define SELECT "SELECT " STATES_ROW_COLUMNS " FROM state"

static void read_numerics(struct db_query *query, struct states_info *info)
{
    size_t size;
    char *text = db_get_text(query, &size);
    if (text && size < sizeof info->numerics)
        memcpy(info->numerics, text, size + 1);
    free(text);
}

void states_read_row(struct db_query *query, struct states_row *row)
{
    *row = (struct states_row){
        .id = db_get_int(query, INT64_MIN, INT64_MAX),
    };
    struct states_info *info = &row->info;
    row->codec = (int)db_get_int(query, 0, INT_MAX);
    row->used_at = db_get_int(query, INT64_MIN, INT64_MAX);
    info->place.document = db_get_int(query, INT64_MIN, INT64_MAX);
    info->place.model = db_get_hash(query);
    info->place.kind = (enum states_kind)db_get_int(query, STATES_PREFIX, STATES_ANSWER);
    info->place.section = db_get_int(query, INT64_MIN, INT64_MAX);
    info->key.format = (int)db_get_int(query, INT_MIN, INT_MAX);
    info->key.tokenizer = (int)db_get_int(query, INT_MIN, INT_MAX);
    info->key.normalizer = (int)db_get_int(query, INT_MIN, INT_MAX);
    info->key.preamble = db_get_hash(query);
    info->key.text = db_get_hash(query);
    read_numerics(query, info);
    info->token = db_get_count(query);
    info->hash = db_get_hash(query);
    info->raw_bytes = db_get_count(query);
    info->stored_bytes = db_get_count(query);
    info->created_at = db_get_int(query, INT64_MIN, INT64_MAX);
}

/* Takes the one row that the query gives, if any, and ends it. */
static bool take_row(struct db_query *query, struct states_row *row, bool *found,
                     struct error *error)
{
    *row = (struct states_row){0};
    *found = db_row(query);
    if (*found)
        states_read_row(query, row);
    if (db_finish(query, error))
        return true;
    *found = false;
    return false;
}

static bool same_chain(const struct states_place *a, const struct states_place *b)
{
    return a->document == b->document && hash_equal(&a->model, &b->model) && a->kind == b->kind;
}

/* An index that does not fit its table finds the state of another place, which may be
 * another model's. */
static bool check_place(const struct states *states, bool fits, struct error *error)
{
    return fits || db_damaged(&states->db, "an index does not fit its table", error);
}

static bool find_row(struct states *states, const struct states_place *place,
                     struct states_row *row, bool *found, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "look up a state",
               SELECT " WHERE document = ? AND model = ? AND kind = ? AND section = ?");
    db_bind_int(&query, place->document);
    db_bind_hash(&query, &place->model);
    db_bind_int(&query, place->kind);
    db_bind_int(&query, place->section);
    if (!take_row(&query, row, found, error))
        return false;
    const struct states_place *at = &row->info.place;
    bool fits = !*found || (same_chain(at, place) && at->section == place->section);
    *found = *found && fits;
    return check_place(states, fits, error);
}

bool states_look(struct states *states, const struct states_place *place, struct states_info *info,
                 bool *found, struct error *error)
{
    struct states_row row;
    bool ok = find_row(states, place, &row, found, error);
    *info = row.info;
    return ok;
}

bool states_nearest_prefix(struct states *states, int64_t document, const struct hash *model,
                           int64_t section, struct states_info *info, bool *found,
                           struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "look for the nearest state",
               SELECT " WHERE document = ? AND model = ? AND kind = ? AND section <= ?"
                      " ORDER BY section DESC LIMIT 1");
    db_bind_int(&query, document);
    db_bind_hash(&query, model);
    db_bind_int(&query, STATES_PREFIX);
    db_bind_int(&query, section);
    struct states_row row;
    struct states_place asked = {document, *model, STATES_PREFIX, section};
    bool ok = take_row(&query, &row, found, error);
    bool fits =
        !*found || (same_chain(&row.info.place, &asked) && row.info.place.section <= asked.section);
    *found = *found && fits;
    *info = row.info;
    return ok && check_place(states, fits, error);
}

bool states_each(struct states *states, int64_t document, const struct hash *model,
                 states_visit *visit, void *context, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "list the states",
               SELECT " WHERE document = ?1 AND (?2 IS NULL OR model = ?2)"
                      " ORDER BY kind = ?3, section, kind, model");
    db_bind_int(&query, document);
    db_bind_blob(&query, model ? model->bytes : NULL, model ? sizeof model->bytes : 0);
    db_bind_int(&query, STATES_ANSWER);
    for (bool more = true; more && db_row(&query);) {
        struct states_row row;
        states_read_row(&query, &row);
        if (db_ok(&query))
            more = visit(context, &row.info);
    }
    return db_finish(&query, error);
}

/* --- loading --------------------------------------------------------------- */

/* What messages call a state by, and how it can be made again. */
struct naming {
    const char *of;
    long long number;
    const char *advice;
};

static struct naming name_state(const struct states_row *row)
{
    const struct states_place *place = &row->info.place;
    if (place->kind == STATES_ANSWER)
        return (struct naming){"the answer to question", place->section, "ask the question again"};
    /* As people count; a hostile one may be the largest there is. */
    long long number = place->section < INT64_MAX ? place->section + 1 : place->section;
    return (struct naming){"section", number, "read the document again"};
}

static bool other_version(const struct states_row *row, const char *what, int stored, int wanted,
                          struct error *error)
{
    struct naming name = name_state(row);
    return error_set(error, ERROR_STORE,
                     "the state of %s %lld was made with %s %d, this program has %d: %s", name.of,
                     name.number, what, stored, wanted, name.advice);
}

static bool other_hash(const struct states_row *row, const char *what, struct error *error)
{
    struct naming name = name_state(row);
    return error_set(error, ERROR_STORE, "the state of %s %lld was made with another %s: %s",
                     name.of, name.number, what, name.advice);
}

static bool check_key(const struct states_row *row, const struct states_key *key,
                      struct error *error)
{
    const struct states_key *stored = &row->info.key;
    if (stored->format != key->format)
        return other_version(row, "payload format", stored->format, key->format, error);
    if (stored->tokenizer != key->tokenizer)
        return other_version(row, "tokenizer version", stored->tokenizer, key->tokenizer, error);
    if (stored->normalizer != key->normalizer)
        return other_version(row, "normalizer version", stored->normalizer, key->normalizer, error);
    if (!hash_equal(&stored->preamble, &key->preamble))
        return other_hash(row, "preamble", error);
    if (!hash_equal(&stored->text, &key->text))
        return other_hash(row, "text", error);
    return true;
}

static bool other_size(const struct states_row *row, size_t capacity, struct error *error)
{
    struct naming name = name_state(row);
    return error_set(error, ERROR_STORE,
                     "the state of %s %lld has %lld bytes where the model has %zu: %s", name.of,
                     name.number, (long long)row->info.raw_bytes, capacity, name.advice);
}

static bool damaged_state(const struct states_row *row, const char *how, struct error *error)
{
    struct naming name = name_state(row);
    return error_set(error, ERROR_STORE, "the state of %s %lld is damaged (%s): %s", name.of,
                     name.number, how, name.advice);
}

bool states_unpack(struct states *states, const struct states_row *row,
                   const struct states_payload_source *source, void *payload, const char **fault,
                   struct error *error)
{
    size_t size = (size_t)row->info.raw_bytes;
    *fault = NULL;
    if (row->codec < STATES_PAYLOAD_RAW || row->codec > STATES_PAYLOAD_FRAMES)
        *fault = "its codec is unknown";
    else if (source->size != (uint64_t)row->info.stored_bytes)
        *fault = "its stored size differs";
    if (*fault)
        return true;
    bool sound;
    if (!states_payload_unpack(payload, size, row->codec, source, states->pool, &sound, error))
        return false;
    if (!sound) {
        *fault = "it cannot be unpacked";
        return true;
    }
    struct hash hash = hash_of(payload, size);
    if (!hash_equal(&hash, &row->info.hash))
        *fault = "checksum differs";
    return true;
}

static bool read_blob(void *context, void *to, size_t at, size_t size, struct error *error)
{
    return db_blob_read(context, to, at, size, error);
}

static bool load(struct states *states, const struct states_row *row, void *payload,
                 size_t capacity, struct error *error)
{
    states->refused = (uint64_t)row->info.raw_bytes != capacity;
    if (states->refused)
        return other_size(row, capacity, error);
    struct db_blob blob;
    const char *fault;
    if (!db_blob_open(&blob, &states->db, "load a state", "payload", "bytes", row->id, error))
        return false;
    const struct states_payload_source source = {read_blob, &blob, blob.size};
    bool ok = states_unpack(states, row, &source, payload, &fault, error);
    db_blob_close(&blob);
    states->refused = ok && fault;
    return ok && (!fault || damaged_state(row, fault, error));
}

/* Which states were of use matters only when room is short: the note is not worth
 * waiting for a disk or another process, and may be lost. False only when the store
 * cannot go back to writing durably. */
static bool note_use(struct states *states, const struct states_row *row, struct error *error)
{
    int64_t now = clock_unix_time();
    if (row->used_at <= now && row->used_at > now - USED_AT_LAG)
        return true;
    if (db_set_patient(&states->db, false, NULL)) {
        struct db_query query;
        db_prepare(&query, &states->db, "mark a state as used",
                   "UPDATE state SET used_at = ? WHERE id = ? AND hash = ?");
        db_bind_int(&query, now);
        db_bind_int(&query, row->id);
        db_bind_hash(&query, &row->info.hash);
        bool noted = db_run(&query, NULL);
        (void)noted;
    }
    return db_set_patient(&states->db, true, error);
}

static bool get(struct states *states, const struct states_place *place,
                const struct states_key *key, struct states_row *row, void *payload,
                size_t capacity, bool *found, struct error *error)
{
    if (!find_row(states, place, row, found, error))
        return false;
    if (!*found)
        return true;
    states->refused = !check_key(row, key, error);
    return !states->refused && (!payload || load(states, row, payload, capacity, error));
}

bool states_refused(const struct states *states)
{
    return states->refused;
}

bool states_get(struct states *states, const struct states_place *place,
                const struct states_key *key, struct states_info *info, void *payload,
                size_t capacity, bool *found, struct error *error)
{
    struct states_row row = {0};
    bool own;
    *found = states->refused = false;
    bool ok = db_enter_reading(&states->db, &own, error) &&
              db_leave(&states->db, own,
                       get(states, place, key, &row, payload, capacity, found, error), error);
    if (ok && *found && payload)
        ok = note_use(states, &row, error);
    *info = row.info;
    *found = ok && *found;
    return ok;
}
