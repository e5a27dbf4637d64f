/* Checking states.db: the file as any database, then state by state what its row tells
 * and whether its payload is the one that was stored. Each state is looked at in a
 * transaction of its own, so that others may store, and the log be emptied, meanwhile. */
#include "store/states_payload.h"
#include "store/states_private.h"

#include <stdlib.h>
#include <string.h>

/* More than any payload that one value of SQLite could hold uncompressed, and far more
 * than any model's state. */
#define RAW_LIMIT (INT64_C(1) << 30)

/* A zstd frame holds at most 128 KiB for every four of its bytes (RFC 8878, 3.1.1.2). */
#define ZSTD_EXPANSION 32768

struct verification {
    struct states *states;
    const atomic_bool *cancel;
    struct db_report report;
    unsigned char *payload; /* room for one, used again */
    size_t capacity;
};

/* What lines call a state by. */
struct name {
    int64_t id, document, section, kind;
};

static bool kind_is_known(const struct name *name)
{
    return name->kind == STATES_PREFIX || name->kind == STATES_SECTION ||
           name->kind == STATES_ANSWER;
}

static void report_state(struct verification *verification, const struct name *name,
                         const char *fault)
{
    if (name->kind == STATES_ANSWER) {
        db_report(&verification->report,
                  "states.db: the answer state of document %lld, question %lld, is damaged (%s)",
                  (long long)name->document, (long long)name->section, fault);
        return;
    }
    const char *kind = name->kind == STATES_PREFIX    ? "prefix "
                       : name->kind == STATES_SECTION ? "section "
                                                      : "";
    int64_t section = name->section < INT64_MAX ? name->section + 1 : name->section;
    db_report(&verification->report,
              "states.db: the %sstate of document %lld, section %lld, is damaged (%s)", kind,
              (long long)name->document, (long long)section, fault);
}

static bool numerics_are_sound(const char *text, size_t size)
{
    struct states_info *info;
    if (size >= sizeof info->numerics)
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return true;
}

/* *found false: the state is gone, or its row cannot even be named, which is reported. */
static bool read_name(struct verification *verification, struct name *name, bool *found,
                      struct error *error)
{
    struct db_query query;
    size_t size = 0;
    char *numerics = NULL;
    db_prepare(&query, &verification->states->db, "check a state",
               "SELECT document, section, kind, numerics FROM state WHERE id = ?");
    db_bind_int(&query, name->id);
    *found = db_row(&query);
    if (*found) {
        name->document = db_get_int(&query, INT64_MIN, INT64_MAX);
        name->section = db_get_int(&query, INT64_MIN, INT64_MAX);
        name->kind = db_get_int(&query, INT64_MIN, INT64_MAX);
        numerics = db_get_text(&query, &size);
    }
    *found = *found && db_ok(&query);
    if (*found && !kind_is_known(name))
        report_state(verification, name, "its kind is unknown");
    if (*found && !numerics_are_sound(numerics, size))
        report_state(verification, name, "its numerics tag is not one");
    free(numerics);
    return db_report_finish(&verification->report, &query, error);
}

/* *sound false: a number or hash in the row cannot be, which is reported. */
static bool read_row(struct verification *verification, const struct name *name,
                     struct states_row *row, bool *sound, struct error *error)
{
    struct db_query query;
    *row = (struct states_row){0};
    db_prepare(&query, &verification->states->db, "check a state",
               "SELECT " STATES_ROW_COLUMNS " FROM state WHERE id = ?");
    db_bind_int(&query, name->id);
    if (db_row(&query))
        states_read_row(&query, row);
    *sound = db_ok(&query);
    if (!query.damaged)
        return db_report_finish(&verification->report, &query, error);
    if (kind_is_known(name))
        report_state(verification, name, "a value does not fit its column");
    bool ended = db_finish(&query, NULL);
    (void)ended;
    return true;
}

/* --- payloads -------------------------------------------------------------- */

/* Before any memory is set aside for it. */
static bool sizes_fit(const struct states_row *row, size_t stored)
{
    int64_t raw = row->info.raw_bytes;
    if (raw < 1 || raw > RAW_LIMIT)
        return false;
    if (row->codec == STATES_PAYLOAD_RAW)
        return (uint64_t)raw == stored;
    return (uint64_t)raw / ZSTD_EXPANSION <= stored;
}

static bool reserve(struct verification *verification, size_t size, struct error *error)
{
    if (size <= verification->capacity)
        return true;
    free(verification->payload);
    verification->capacity = 0;
    verification->payload = malloc(size);
    if (!verification->payload)
        return error_out_of_memory(error);
    verification->capacity = size;
    return true;
}

static bool unpack(struct verification *verification, const struct states_row *row,
                   const void *bytes, size_t size, const char **fault, struct error *error)
{
    if (!sizes_fit(row, size)) {
        *fault = "its sizes do not fit together";
        return true;
    }
    const struct states_payload_source source = states_payload_bytes(bytes, size);
    return reserve(verification, (size_t)row->info.raw_bytes, error) &&
           states_unpack(verification->states, row, &source, verification->payload, fault, error);
}

static bool check_payload(struct verification *verification, const struct name *name,
                          const struct states_row *row, struct error *error)
{
    struct db_query query;
    const char *fault = NULL;
    bool ok = true;
    db_prepare(&query, &verification->states->db, "check a state",
               "SELECT bytes FROM payload WHERE state = ?");
    db_bind_int(&query, name->id);
    if (db_row(&query)) {
        size_t size;
        const void *bytes = db_peek_blob(&query, &size);
        if (db_ok(&query))
            ok = unpack(verification, row, bytes, size, &fault, error);
    } else {
        fault = "it has no payload";
    }
    if (!db_ok(&query))
        fault = "its payload cannot be read";
    if (!db_report_finish(&verification->report, &query, ok ? error : NULL))
        return false;
    if (fault)
        report_state(verification, name, fault);
    return ok;
}

/* --- states ---------------------------------------------------------------- */

static bool check_state(struct verification *verification, int64_t id, struct error *error)
{
    struct name name = {.id = id};
    struct states_row row;
    bool found, sound;
    if (!read_name(verification, &name, &found, error))
        return false;
    if (!found)
        return true;
    if (!read_row(verification, &name, &row, &sound, error))
        return false;
    return !sound || check_payload(verification, &name, &row, error);
}

static bool check_state_of_one_moment(struct verification *verification, int64_t id,
                                      struct error *error)
{
    bool own;
    struct db *db = &verification->states->db;
    return db_enter_reading(db, &own, error) &&
           db_leave(db, own, check_state(verification, id, error), error);
}

/* *found false: there is none, or none that can be read, which is reported. */
static bool find_next(struct verification *verification, int64_t *id, bool *found,
                      struct error *error)
{
    struct db_query query;
    db_prepare(&query, &verification->states->db, "check the states",
               "SELECT id FROM state WHERE id >= ? ORDER BY id LIMIT 1");
    db_bind_int(&query, *id);
    *found = db_row(&query);
    if (*found)
        *id = db_get_int(&query, *id, INT64_MAX); /* damaged pages may give any */
    *found = *found && db_ok(&query);
    return db_report_finish(&verification->report, &query, error);
}

static bool check_states(struct verification *verification, struct error *error)
{
    db_report_kind(&verification->report);
    for (int64_t id = INT64_MIN;; id++) {
        bool found;
        if (verification->cancel && atomic_load(verification->cancel))
            return error_set(error, ERROR_INTERRUPTED, "interrupted while checking the states");
        if (!find_next(verification, &id, &found, error))
            return false;
        if (!found)
            return true;
        if (!check_state_of_one_moment(verification, id, error))
            return false;
        if (id == INT64_MAX)
            return true;
    }
}

bool states_verify(struct states *states, const atomic_bool *cancel, states_problem *report,
                   void *context, int64_t *problems, struct error *error)
{
    struct verification verification = {
        .states = states,
        .cancel = cancel,
        .report = {.line = report, .context = context},
    };
    db_watch(&states->db, cancel);
    bool ok = db_verify_file(&states->db, &verification.report, error) &&
              check_states(&verification, error);
    db_watch(&states->db, NULL);
    free(verification.payload);
    *problems = verification.report.problems;
    return ok;
}
