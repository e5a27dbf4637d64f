#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool db_damaged(const struct db *db, const char *what, struct error *error)
{
    return error_set(error, ERROR_STORE, "%s is damaged (%s): %s", db->path, what,
                     db->kind->advice);
}

static bool fail_to_write(const struct db *db, const char *doing, struct error *error)
{
    return error_set(error, ERROR_STORE,
                     "cannot %s: %s or its folder cannot be written: free it for writing, or copy "
                     "the folder to where it can be",
                     doing, db->path);
}

/* A full disk shows as SQLITE_FULL only where a write met it. */
static bool met_full_disk(const struct db *db, int status)
{
    int cause = db->handle ? sqlite3_system_errno(db->handle) : 0;
    return status == SQLITE_IOERR_SHMSIZE ||
           ((status & 0xFF) == SQLITE_IOERR && (cause == ENOSPC || cause == EDQUOT));
}

/* SQLite calls itself busy, too, where it had no memory to look at its log. */
static bool has_memory(void)
{
    void *volatile some = malloc(4096); /* which a compiler would leave out */
    free(some);
    return some != NULL;
}

bool db_fail(const struct db *db, const char *doing, int status, struct error *error)
{
    bool own = db->handle && sqlite3_extended_errcode(db->handle) == status;
    const char *message = own ? sqlite3_errmsg(db->handle) : sqlite3_errstr(status);
    switch (met_full_disk(db, status) ? SQLITE_FULL : status & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        if (!has_memory())
            return error_out_of_memory(error);
        return error_set(error, ERROR_STORE,
                         "cannot %s: %s is busy: another tidemark is writing; try again", doing,
                         db->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return db_damaged(db, message, error);
    case SQLITE_FULL:
        return error_set(error, ERROR_STORE,
                         "cannot %s: no space is left for %s: make room and try again", doing,
                         db->path);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return fail_to_write(db, doing, error);
    case SQLITE_NOMEM:
        return error_out_of_memory(error);
    case SQLITE_INTERRUPT:
        return error_set(error, ERROR_INTERRUPTED, "interrupted: could not %s: %s", doing,
                         db->path);
    default:
        return error_set(error, ERROR_STORE, "cannot %s: %s: %s (SQLite's code %d)", doing,
                         db->path, message, status);
    }
}

bool db_execute(struct db *db, const char *doing, const char *sql, struct error *error)
{
    int status = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return status == SQLITE_OK || db_fail(db, doing, status, error);
}

static int look_at_cancel(void *cancel)
{
    return atomic_load((const atomic_bool *)cancel);
}

void db_watch(struct db *db, const atomic_bool *cancel)
{
    enum { OPERATIONS = 1000 }; /* of SQLite's machine between two looks */
    sqlite3_progress_handler(db->handle, OPERATIONS, cancel ? look_at_cancel : NULL,
                             (void *)(uintptr_t)cancel);
}

void db_forget_statements(struct db *db)
{
    for (size_t i = 0; i < db->cached; i++) {
        assert(!db->cache[i].busy);
        sqlite3_finalize(db->cache[i].statement);
    }
    db->cached = 0;
}

/* --- queries --------------------------------------------------------------- */

static void note(struct db_query *query, int status)
{
    if (query->status == SQLITE_OK)
        query->status = status;
}

/* What came after a failure says nothing; and without memory SQLite gives NULL for a
 * value that is there. */
static void note_damage(struct db_query *query)
{
    if (query->status != SQLITE_OK)
        return;
    if (sqlite3_errcode(query->db->handle) == SQLITE_NOMEM) {
        note(query, SQLITE_NOMEM);
        return;
    }
    query->damaged = true;
    note(query, SQLITE_CORRUPT);
}

static struct db_cached *find_slot(struct db *db, const char *sql)
{
    for (size_t i = 0; i < db->cached; i++)
        if (db->cache[i].sql == sql)
            return db->cache[i].busy ? NULL : &db->cache[i];
    if (db->cached == DB_CACHE_SIZE)
        return NULL;
    struct db_cached *slot = &db->cache[db->cached++];
    *slot = (struct db_cached){.sql = sql};
    return slot;
}

void db_prepare(struct db_query *query, struct db *db, const char *doing, const char *sql)
{
    *query = (struct db_query){.db = db, .doing = doing};
    struct db_cached *slot = find_slot(db, sql);
    if (slot && slot->statement) {
        query->statement = slot->statement;
    } else {
        unsigned flags = slot ? SQLITE_PREPARE_PERSISTENT : 0;
        query->status = sqlite3_prepare_v3(db->handle, sql, -1, flags, &query->statement, NULL);
    }
    if (slot && query->status == SQLITE_OK) {
        slot->statement = query->statement;
        slot->busy = true;
        query->slot = slot;
    }
}

void db_bind_int(struct db_query *query, int64_t value)
{
    if (query->status == SQLITE_OK)
        note(query, sqlite3_bind_int64(query->statement, ++query->bound, value));
}

void db_bind_real(struct db_query *query, double value)
{
    if (query->status == SQLITE_OK)
        note(query, sqlite3_bind_double(query->statement, ++query->bound, value));
}

void db_bind_text_size(struct db_query *query, const char *text, size_t size)
{
    if (query->status == SQLITE_OK)
        note(query, sqlite3_bind_text64(query->statement, ++query->bound, text, size, SQLITE_STATIC,
                                        SQLITE_UTF8));
}

void db_bind_text(struct db_query *query, const char *text)
{
    db_bind_text_size(query, text, text ? strlen(text) : 0);
}

void db_bind_blob(struct db_query *query, const void *bytes, size_t size)
{
    if (query->status == SQLITE_OK)
        note(query,
             sqlite3_bind_blob64(query->statement, ++query->bound, bytes, size, SQLITE_STATIC));
}

void db_bind_hash(struct db_query *query, const struct hash *hash)
{
    db_bind_blob(query, hash->bytes, sizeof hash->bytes);
}

bool db_row(struct db_query *query)
{
    if (query->status != SQLITE_OK)
        return false;
    query->column = 0;
    int status = sqlite3_step(query->statement);
    if (status == SQLITE_ROW)
        return true;
    if (status != SQLITE_DONE)
        note(query, status);
    return false;
}

bool db_ok(const struct db_query *query)
{
    return query->status == SQLITE_OK;
}

/* The index of the next column, or -1 when it is NULL, of another type (which is
 * damage) or the query has failed. */
static int next_column(struct db_query *query, int type, bool optional)
{
    if (query->status != SQLITE_OK)
        return -1;
    int column = query->column++;
    int found = sqlite3_column_type(query->statement, column);
    if (found == type)
        return column;
    if (found != SQLITE_NULL || !optional)
        note_damage(query);
    return -1;
}

int64_t db_get_int(struct db_query *query, int64_t low, int64_t high)
{
    int column = next_column(query, SQLITE_INTEGER, false);
    int64_t value = column < 0 ? low : sqlite3_column_int64(query->statement, column);
    if (value >= low && value <= high)
        return value;
    note_damage(query);
    return low;
}

int64_t db_get_count(struct db_query *query)
{
    return db_get_int(query, 0, INT64_MAX);
}

double db_get_real(struct db_query *query)
{
    int column = next_column(query, SQLITE_FLOAT, false);
    return column < 0 ? 0 : sqlite3_column_double(query->statement, column);
}

static void *copy_column(struct db_query *query, int column, const void *bytes, size_t *size)
{
    size_t length = (size_t)sqlite3_column_bytes(query->statement, column);
    if (!bytes && length) {
        note(query, SQLITE_NOMEM);
        return NULL;
    }
    char *copy = malloc(length + 1);
    if (!copy) {
        note(query, SQLITE_NOMEM);
        return NULL;
    }
    if (length)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    if (size)
        *size = length;
    return copy;
}

static char *get_text(struct db_query *query, size_t *size, bool optional)
{
    if (size)
        *size = 0;
    int column = next_column(query, SQLITE_TEXT, optional);
    if (column < 0)
        return NULL;
    const unsigned char *text = sqlite3_column_text(query->statement, column);
    if (!text) { /* no memory for its NUL */
        note(query, SQLITE_NOMEM);
        return NULL;
    }
    return copy_column(query, column, text, size);
}

char *db_get_text(struct db_query *query, size_t *size)
{
    return get_text(query, size, false);
}

char *db_get_optional_text(struct db_query *query, size_t *size)
{
    return get_text(query, size, true);
}

void *db_get_optional_blob(struct db_query *query, size_t *size)
{
    *size = 0;
    int column = next_column(query, SQLITE_BLOB, true);
    if (column < 0)
        return NULL;
    return copy_column(query, column, sqlite3_column_blob(query->statement, column), size);
}

const void *db_peek_blob(struct db_query *query, size_t *size)
{
    *size = 0;
    int column = next_column(query, SQLITE_BLOB, false);
    if (column < 0)
        return NULL;
    const void *bytes = sqlite3_column_blob(query->statement, column);
    int length = sqlite3_column_bytes(query->statement, column);
    if (!bytes && length > 0)
        note(query, SQLITE_NOMEM);
    *size = bytes ? (size_t)length : 0;
    return bytes;
}

struct hash db_get_hash(struct db_query *query)
{
    struct hash hash = {{0}};
    size_t size;
    const void *bytes = db_peek_blob(query, &size);
    if (size == sizeof hash.bytes)
        memcpy(hash.bytes, bytes, size);
    else
        note_damage(query);
    return hash;
}

bool db_finish(struct db_query *query, struct error *error)
{
    bool ok = query->status == SQLITE_OK;
    if (query->damaged)
        db_damaged(query->db, "a value does not fit its column", error);
    else if (!ok)
        db_fail(query->db, query->doing, query->status, error);
    if (query->slot) {
        sqlite3_reset(query->statement);
        sqlite3_clear_bindings(query->statement);
        query->slot->busy = false;
    } else {
        sqlite3_finalize(query->statement);
    }
    *query = (struct db_query){0};
    return ok;
}

bool db_run(struct db_query *query, struct error *error)
{
    bool row = db_row(query);
    assert(!row);
    (void)row;
    return db_finish(query, error);
}

bool db_run_for_count(struct db_query *query, int64_t *count, struct error *error)
{
    *count = db_row(query) ? db_get_count(query) : 0;
    /* A change is committed, or fails to be, only when the statement runs to its end. */
    while (db_row(query))
        continue;
    return db_finish(query, error);
}

/* --- transactions ---------------------------------------------------------- */

static const char rollback[] = "ROLLBACK";

/* Undoing must not need memory that may be missing then: its statement is prepared
 * before there is anything to undo. */
static bool prepare_to_undo(struct db *db, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, "begin writing", rollback);
    return db_finish(&query, error);
}

static bool begin(struct db *db, struct error *error)
{
    struct db_query query;
    if (!prepare_to_undo(db, error))
        return false;
    db_prepare(&query, db, "begin writing", "BEGIN IMMEDIATE");
    return db_run(&query, error);
}

/* Where SQLite undoes a transaction by itself for lack of memory, FTS5 (up to 3.40 at
 * least) may take totals that it could not read for zeros, and would write them with
 * the next change. An ordinary undoing makes it read them again. */
static bool forget(struct db *db, struct error *error)
{
    if (db->kind->forgetting) {
        struct db_query query;
        if (!begin(db, error))
            return false;
        db_prepare(&query, db, "begin writing", db->kind->forgetting);
        bool ok = db_run(&query, error);
        db_rollback(db);
        if (!ok)
            return false;
    }
    db->undone = false;
    return true;
}

bool db_begin(struct db *db, struct error *error)
{
    if (!sqlite3_get_autocommit(db->handle))
        db_rollback(db); /* what an earlier call could not undo */
    return (!db->undone || forget(db, error)) && begin(db, error);
}

bool db_commit(struct db *db, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, "finish writing", "COMMIT");
    bool ok = db_run(&query, error);
    if (!ok)
        db_rollback(db);
    return ok;
}

void db_rollback(struct db *db)
{
    if (sqlite3_get_autocommit(db->handle)) {
        db->undone = true;
        return;
    }
    /* A rollback that fails leaves nothing to do: closing undoes it too. */
    struct db_query query;
    db_prepare(&query, db, "undo what was written", rollback);
    bool ok = db_run(&query, NULL);
    (void)ok;
}

bool db_enter(struct db *db, bool *own, struct error *error)
{
    *own = sqlite3_get_autocommit(db->handle) != 0;
    return !*own || db_begin(db, error);
}

bool db_enter_reading(struct db *db, bool *own, struct error *error)
{
    *own = sqlite3_get_autocommit(db->handle) != 0;
    if (!*own)
        return true;
    struct db_query query;
    db_prepare(&query, db, "begin reading", "BEGIN");
    return db_run(&query, error);
}

bool db_leave(struct db *db, bool own, bool ok, struct error *error)
{
    if (!own)
        return ok;
    if (ok)
        return db_commit(db, error);
    db_rollback(db);
    return false;
}

/* --- blobs ------------------------------------------------------------------ */

bool db_blob_open(struct db_blob *blob, struct db *db, const char *doing, const char *table,
                  const char *column, int64_t row, struct error *error)
{
    *blob = (struct db_blob){.db = db, .doing = doing};
    int status = sqlite3_blob_open(db->handle, "main", table, column, row, 0, &blob->handle);
    if (status == SQLITE_ERROR) /* no such row, or neither text nor blob */
        return true;
    if (status != SQLITE_OK)
        return db_fail(db, doing, status, error);
    blob->size = (size_t)sqlite3_blob_bytes(blob->handle);
    return true;
}

bool db_blob_read(struct db_blob *blob, void *to, size_t at, size_t size, struct error *error)
{
    if (size == 0)
        return true;
    int status = sqlite3_blob_read(blob->handle, to, (int)size, (int)at);
    return status == SQLITE_OK || db_fail(blob->db, blob->doing, status, error);
}

void db_blob_close(struct db_blob *blob)
{
    (void)sqlite3_blob_close(blob->handle);
    blob->handle = NULL;
}
