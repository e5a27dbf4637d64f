/* What the states take together, and the ways to get rid of some. */
#include "store/states_private.h"

#include <stdlib.h>

/* --- the total ------------------------------------------------------------- */

void states_room_grew(struct states *states, int64_t bytes)
{
    states->total += bytes;
}

void states_room_forget(struct states *states)
{
    states->total_known = false;
}

static bool read_version(struct states *states, int64_t *version, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "add up the states' sizes", "PRAGMA data_version");
    *version = db_row(&query) ? db_get_int(&query, INT64_MIN, INT64_MAX) : 0;
    return db_finish(&query, error);
}

static bool add_up(struct states *states, int64_t document, int64_t *bytes, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "add up the states' sizes",
               "SELECT coalesce(sum(" STATES_STORED_BYTES "), 0) FROM state"
               " WHERE ?1 = 0 OR document = ?1");
    db_bind_int(&query, document);
    return db_run_for_count(&query, bytes, error);
}

static bool renew_total(struct states *states, struct error *error)
{
    int64_t version;
    if (!read_version(states, &version, error))
        return false;
    if (states->total_known && states->total_version == version)
        return true;
    states->total_known = add_up(states, 0, &states->total, error);
    states->total_version = version;
    return states->total_known;
}

bool states_room_total(struct states *states, int64_t *bytes, struct error *error)
{
    bool own;
    *bytes = 0;
    if (!db_enter_reading(&states->db, &own, error) ||
        !db_leave(&states->db, own, renew_total(states, error), error))
        return false;
    *bytes = states->total;
    return true;
}

bool states_total_bytes(struct states *states, int64_t document, int64_t *bytes,
                        struct error *error)
{
    if (document == 0)
        return states_room_total(states, bytes, error);
    return add_up(states, document, bytes, error);
}

/* --- removing -------------------------------------------------------------- */

static bool count_free_pages(struct states *states, int64_t *pages, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "make the file smaller", "PRAGMA freelist_count");
    return db_run_for_count(&query, pages, error);
}

/* In portions of 64 MiB, so that others get to write in between and the log stays
 * small. A file that was not made for it (schema of another hand) does not shrink. */
bool states_shrink(struct states *states, struct error *error)
{
    for (int64_t before = INT64_MAX;;) {
        int64_t pages;
        if (!count_free_pages(states, &pages, error))
            return false;
        if (pages == 0 || pages >= before)
            return true;
        before = pages;
        struct db_query query;
        db_prepare(&query, &states->db, "make the file smaller", "PRAGMA incremental_vacuum(4096)");
        while (db_row(&query))
            continue;
        if (!db_finish(&query, error))
            return false;
    }
}

bool states_room_remove(struct states *states, int64_t id, const struct hash *hash,
                        struct states_freed *freed, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "remove a state",
               "DELETE FROM state WHERE id = ?1 AND (?2 IS NULL OR hash = ?2)"
               " RETURNING " STATES_STORED_BYTES);
    db_bind_int(&query, id);
    db_bind_blob(&query, hash ? hash->bytes : NULL, hash ? sizeof hash->bytes : 0);
    while (db_row(&query)) {
        freed->bytes += db_get_count(&query);
        freed->states++;
    }
    return db_finish(&query, error);
}

bool states_remove_document(struct states *states, int64_t document, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "remove a document's states",
               "DELETE FROM state WHERE document = ?");
    db_bind_int(&query, document);
    states_room_forget(states);
    return db_run(&query, error) && states_shrink(states, error);
}

bool states_remove_from(struct states *states, int64_t document, int64_t section,
                        struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "remove the states of changed text",
               "DELETE FROM state WHERE document = ? AND section >= ? AND kind <> ?");
    db_bind_int(&query, document);
    db_bind_int(&query, section);
    db_bind_int(&query, STATES_ANSWER);
    states_room_forget(states);
    return db_run(&query, error) && states_shrink(states, error);
}

bool states_remove_answer(struct states *states, int64_t document, int64_t question,
                          struct error *error)
{
    struct db_query query;
    db_prepare(&query, &states->db, "remove an answer's state",
               "DELETE FROM state WHERE document = ? AND kind = ? AND section = ?");
    db_bind_int(&query, document);
    db_bind_int(&query, STATES_ANSWER);
    db_bind_int(&query, question);
    states_room_forget(states);
    return db_run(&query, error) && states_shrink(states, error);
}

/* --- sweeping -------------------------------------------------------------- */

/* The hash tells a state from one that has taken its id since it was looked at. */
struct swept {
    int64_t id;
    struct hash hash;
};

struct sweep {
    struct swept *items;
    size_t count, capacity;
};

static bool sweep_add(struct sweep *sweep, const struct states_row *row, struct error *error)
{
    if (sweep->count == sweep->capacity) {
        size_t capacity = sweep->capacity ? 2 * sweep->capacity : 64;
        struct swept *items = NULL;
        if (capacity <= SIZE_MAX / sizeof *items)
            items = realloc(sweep->items, capacity * sizeof *items);
        if (!items)
            return error_out_of_memory(error);
        sweep->items = items;
        sweep->capacity = capacity;
    }
    sweep->items[sweep->count++] = (struct swept){row->id, row->info.hash};
    return true;
}

static bool sweep_find(struct sweep *sweep, struct states *states, states_keep *keep, void *context,
                       struct error *error)
{
    struct db_query query;
    bool ok = true;
    db_prepare(&query, &states->db, "look through the states",
               "SELECT " STATES_ROW_COLUMNS " FROM state ORDER BY document, model, section, kind");
    while (ok && db_row(&query)) {
        struct states_row row;
        bool kept = true;
        states_read_row(&query, &row);
        if (db_ok(&query))
            ok = keep(context, &row.info, &kept, error) && (kept || sweep_add(sweep, &row, error));
    }
    return db_finish(&query, ok ? error : NULL) && ok;
}

static bool sweep_remove(const struct sweep *sweep, struct states *states,
                         struct states_freed *freed, struct error *error)
{
    bool own, ok = true;
    if (!db_enter(&states->db, &own, error))
        return false;
    states_room_forget(states);
    for (size_t i = 0; ok && i < sweep->count; i++)
        ok = states_room_remove(states, sweep->items[i].id, &sweep->items[i].hash, freed, error);
    return db_leave(&states->db, own, ok, error) && states_shrink(states, error);
}

bool states_sweep(struct states *states, states_keep *keep, void *context,
                  struct states_freed *freed, struct error *error)
{
    struct sweep sweep = {0};
    *freed = (struct states_freed){0};
    bool ok = sweep_find(&sweep, states, keep, context, error) &&
              (sweep.count == 0 || sweep_remove(&sweep, states, freed, error)) &&
              states_room_total(states, &freed->left, error);
    free(sweep.items);
    if (!ok)
        *freed = (struct states_freed){0};
    return ok;
}

/* --- shredding ------------------------------------------------------------- */

bool states_shred(struct states *states, struct error *error)
{
    states_room_forget(states);
    return db_shred(&states->db, NULL, error);
}
