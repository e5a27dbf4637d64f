#include <stdlib.h>

#include "base/clock.h"
#include "store/library_private.h"

/* --- models ---------------------------------------------------------------- */

/* SQLite's integers are signed: the bits are kept, not the value. */
static int64_t same_bits(uint64_t value)
{
    return value <= INT64_MAX ? (int64_t)value : -(int64_t)(UINT64_MAX - value) - 1;
}

static void bind_identity(struct db_query *query, const struct file_identity *identity)
{
    db_bind_int(query, same_bits(identity->device));
    db_bind_int(query, same_bits(identity->inode));
    db_bind_int(query, same_bits(identity->size));
    db_bind_int(query, identity->modified_ns);
    db_bind_int(query, identity->changed_ns);
}

bool library_get_fingerprint(struct library *library, const struct file_identity *identity,
                             struct hash *fingerprint, bool *found, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look up a fingerprint",
               "SELECT fingerprint FROM fingerprint WHERE device = ? AND inode = ? AND size = ?"
               " AND modified_ns = ? AND changed_ns = ?");
    bind_identity(&query, identity);
    *found = db_row(&query);
    if (*found)
        *fingerprint = db_get_hash(&query);
    if (db_finish(&query, error))
        return true;
    *found = false;
    return false;
}

bool library_put_fingerprint(struct library *library, const struct file_identity *identity,
                             const struct hash *fingerprint, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "keep a fingerprint",
               "INSERT OR REPLACE INTO fingerprint (device, inode, size, modified_ns, changed_ns,"
               " fingerprint) VALUES (?, ?, ?, ?, ?, ?)");
    bind_identity(&query, identity);
    db_bind_hash(&query, fingerprint);
    return db_run(&query, error);
}

bool library_touch_model(struct library *library, const struct hash *fingerprint, const char *name,
                         const char *path, int64_t *id, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "keep a model's name",
               "INSERT INTO model (fingerprint, name, path, used_at) VALUES (?, ?, ?, ?)"
               " ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name,"
               " path = excluded.path, used_at = excluded.used_at RETURNING id");
    db_bind_hash(&query, fingerprint);
    db_bind_text(&query, name);
    db_bind_text(&query, path);
    db_bind_int(&query, clock_unix_time());
    return db_run_for_count(&query, id, error);
}

bool library_find_model(struct library *library, const struct hash *fingerprint, int64_t *id,
                        bool *found, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look up a model",
               "SELECT id FROM model WHERE fingerprint = ?");
    db_bind_hash(&query, fingerprint);
    bool ok = db_run_for_count(&query, id, error);
    *found = ok && *id != 0;
    return ok;
}

/* --- readings -------------------------------------------------------------- */

void library_reading_free(struct library_reading *reading)
{
    free(reading->numerics);
    *reading = (struct library_reading){0};
}

#define READING_COLUMNS                                                                            \
    "SELECT id, document, model, sections, tokens, bits, numerics, mixed, updated_at FROM reading"

/* Takes the one row that the query gives, if any, and ends it. */
static bool take_reading(struct db_query *query, struct library_reading *reading, bool *found,
                         struct error *error)
{
    *reading = (struct library_reading){0};
    *found = db_row(query);
    if (*found) {
        reading->id = db_get_int(query, 1, INT64_MAX);
        reading->document = db_get_int(query, 1, INT64_MAX);
        reading->model = db_get_int(query, 1, INT64_MAX);
        reading->sections = db_get_count(query);
        reading->tokens = db_get_count(query);
        reading->bits = db_get_real(query);
        reading->numerics = db_get_text(query, NULL);
        reading->mixed = db_get_int(query, 0, 1) != 0;
        reading->updated_at = db_get_int(query, INT64_MIN, INT64_MAX);
    }
    if (db_finish(query, error))
        return true;
    library_reading_free(reading);
    *found = false;
    return false;
}

bool library_get_reading(struct library *library, int64_t document, int64_t model,
                         struct library_reading *reading, bool *found, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look up how far was read",
               READING_COLUMNS " WHERE document = ? AND model = ?");
    db_bind_int(&query, document);
    db_bind_int(&query, model);
    return take_reading(&query, reading, found, error);
}

bool library_last_reading(struct library *library, int64_t document,
                          struct library_reading *reading, bool *found, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look up how far was read",
               READING_COLUMNS " WHERE document = ? ORDER BY updated_at DESC, id DESC LIMIT 1");
    db_bind_int(&query, document);
    return take_reading(&query, reading, found, error);
}

static bool insert_reading(struct library *library, struct library_reading *reading,
                           struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "keep how far was read",
               "INSERT INTO reading (document, model, sections, tokens, bits, numerics, mixed,"
               " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
               " ON CONFLICT (document, model) DO UPDATE SET sections = excluded.sections,"
               " tokens = excluded.tokens, bits = excluded.bits, numerics = excluded.numerics,"
               " mixed = excluded.mixed, updated_at = excluded.updated_at RETURNING id");
    db_bind_int(&query, reading->document);
    db_bind_int(&query, reading->model);
    db_bind_int(&query, reading->sections);
    db_bind_int(&query, reading->tokens);
    db_bind_real(&query, reading->bits);
    db_bind_text(&query, reading->numerics ? reading->numerics : "");
    db_bind_int(&query, reading->mixed);
    db_bind_int(&query, reading->updated_at);
    return db_run_for_count(&query, &reading->id, error);
}

static bool no_such_reading(const struct library *library, int64_t reading, struct error *error)
{
    return error_set(error, ERROR_STORE,
                     "reading %lld is no longer in %s: its document was removed; stop here",
                     (long long)reading, library->db.path);
}

bool library_put_reading(struct library *library, struct library_reading *reading,
                         struct error *error)
{
    reading->updated_at = clock_unix_time();
    if (reading->id == 0)
        return insert_reading(library, reading, error);
    struct db_query query;
    db_prepare(&query, &library->db, "keep how far was read",
               "UPDATE reading SET sections = ?, tokens = ?, bits = ?, numerics = ?, mixed = ?,"
               " updated_at = ? WHERE id = ?");
    db_bind_int(&query, reading->sections);
    db_bind_int(&query, reading->tokens);
    db_bind_real(&query, reading->bits);
    db_bind_text(&query, reading->numerics ? reading->numerics : "");
    db_bind_int(&query, reading->mixed);
    db_bind_int(&query, reading->updated_at);
    db_bind_int(&query, reading->id);
    return db_run(&query, error) && (sqlite3_changes(library->db.handle) == 1 ||
                                     no_such_reading(library, reading->id, error));
}

/* --- sections of a reading ------------------------------------------------- */

void library_section_reading_free(struct library_section_reading *reading)
{
    free(reading->surprise);
    *reading = (struct library_section_reading){0};
}

bool library_put_section_reading(struct library *library, int64_t reading,
                                 const struct library_section_reading *section, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "keep what reading a section gave",
               "INSERT OR REPLACE INTO section_reading (reading, section, tokens, end_token, bits,"
               " surprise) VALUES (?, ?, ?, ?, ?, ?)");
    db_bind_int(&query, reading);
    db_bind_int(&query, section->section);
    db_bind_int(&query, section->tokens);
    db_bind_int(&query, section->end_token);
    db_bind_real(&query, section->bits);
    db_bind_blob(&query, section->surprise, section->surprise_size);
    return db_run(&query, error);
}

bool library_get_section_reading(struct library *library, int64_t reading, int64_t section,
                                 struct library_section_reading *result, bool *found,
                                 struct error *error)
{
    *result = (struct library_section_reading){.section = section};
    struct db_query query;
    db_prepare(&query, &library->db, "look up what reading a section gave",
               "SELECT tokens, end_token, bits, surprise FROM section_reading"
               " WHERE reading = ? AND section = ?");
    db_bind_int(&query, reading);
    db_bind_int(&query, section);
    *found = db_row(&query);
    if (*found) {
        result->tokens = db_get_count(&query);
        result->end_token = db_get_count(&query);
        result->bits = db_get_real(&query);
        result->surprise = db_get_optional_blob(&query, &result->surprise_size);
    }
    if (db_finish(&query, error))
        return true;
    library_section_reading_free(result);
    *found = false;
    return false;
}

static bool cut(struct library *library, int64_t reading, int64_t section, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "forget what was read",
               "DELETE FROM section_reading WHERE reading = ? AND section >= ?");
    db_bind_int(&query, reading);
    db_bind_int(&query, section);
    if (!db_run(&query, error))
        return false;
    db_prepare(&query, &library->db, "forget what was read",
               "UPDATE reading SET updated_at = ?2, (sections, tokens, bits) ="
               " (SELECT count(*), coalesce(max(end_token), 0), coalesce(sum(bits), 0.0)"
               "    FROM (SELECT end_token, bits FROM section_reading WHERE reading = ?1"
               "           ORDER BY section)) WHERE id = ?1");
    db_bind_int(&query, reading);
    db_bind_int(&query, clock_unix_time());
    return db_run(&query, error) &&
           (sqlite3_changes(library->db.handle) == 1 || no_such_reading(library, reading, error));
}

bool library_cut_reading(struct library *library, int64_t reading, int64_t section,
                         struct error *error)
{
    bool own;
    return db_enter(&library->db, &own, error) &&
           db_leave(&library->db, own, cut(library, reading, section, error), error);
}
