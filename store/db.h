/* db.h: SQLite as the store uses it; private to this folder.
 *
 *     struct db_query query;
 *     db_prepare(&query, db, "find the document", "SELECT name FROM document WHERE id = ?");
 *     db_bind_int(&query, id);
 *     if (db_row(&query))
 *         name = db_get_text(&query, NULL);
 *     return db_finish(&query, error);
 *
 * A query remembers its first failure and every later call on it does nothing, so
 * that only db_finish has to be looked at. Parameters and columns are taken in the
 * order of the calls. Whatever comes out of a database file may be hostile: each
 * column's type and range is checked, and what does not fit counts as damage. */
#ifndef TIDEMARK_STORE_DB_H
#define TIDEMARK_STORE_DB_H

#include "base/hash.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* What tells one sort of database file from another. The statements of a version
 * that was released never change: an existing file must hold exactly the schema
 * that they give. */
struct db_kind {
    const char *file;   /* name in the folder */
    const char *advice; /* what to do when the file is damaged or foreign */
    uint32_t application_id;
    int schema;                         /* the newest version */
    const char *const *const *upgrades; /* [schema]: NULL-ended statements that lead
                                           from version i to i + 1 */
    const char *const *before_creation; /* NULL-ended pragmas for a file to be made */
    const char *const *for_connection;  /* NULL-ended pragmas for every connection */
};

/* Statements stay prepared, known by the address of their text: SQL given to
 * db_prepare must be a string that lives as long as the program. */
#define DB_CACHE_SIZE 96

struct db_cached {
    const char *sql;
    sqlite3_stmt *statement;
    bool busy;
};

struct db {
    sqlite3 *handle;
    char *path;
    const struct db_kind *kind;
    struct db_cached cache[DB_CACHE_SIZE];
    size_t cached;
};

/* Opens kind->file in the folder, making both where absent (0700, 0600). A file
 * that is refused is left as it was. */
bool db_open(struct db *db, const char *folder, const struct db_kind *kind,
             struct error *error) WARN_UNUSED;
void db_close(struct db *db); /* a zeroed struct is fine */

/* Patient, as after opening: a write waits for other processes and until the disk has
 * it. Otherwise it fails at once when another process writes, and a power cut may
 * undo it. Not inside a transaction. */
bool db_set_patient(struct db *db, bool patient, struct error *error) WARN_UNUSED;

/* Fills *error for a failed SQLite call; returns false. */
bool db_fail(const struct db *db, const char *doing, int status, struct error *error);

/* As db_fail for contents that cannot be as they are; `what` names them. */
bool db_damaged(const struct db *db, const char *what, struct error *error);

struct db_query {
    struct db *db;
    const char *doing; /* completes "cannot ..." */
    sqlite3_stmt *statement;
    struct db_cached *slot; /* NULL: not kept */
    int status;             /* the first failure, or SQLITE_OK */
    int bound, column;
    bool damaged;
};

void db_prepare(struct db_query *query, struct db *db, const char *doing, const char *sql);

/* Texts and blobs are borrowed until db_finish. */
void db_bind_int(struct db_query *query, int64_t value);
void db_bind_real(struct db_query *query, double value);
void db_bind_text(struct db_query *query, const char *text); /* NULL binds NULL */
void db_bind_text_size(struct db_query *query, const char *text, size_t size);
void db_bind_blob(struct db_query *query, const void *bytes, size_t size); /* NULL binds NULL */
void db_bind_hash(struct db_query *query, const struct hash *hash);

/* True when there is a row; false at the end and after a failure. */
bool db_row(struct db_query *query);

/* No failure so far: what the db_get calls gave may be used. */
bool db_ok(const struct db_query *query);

/* The next column of the row. Texts and blobs are the caller's to free, NUL-terminated,
 * NULL on failure; *size may be NULL. */
int64_t db_get_int(struct db_query *query, int64_t low, int64_t high);
int64_t db_get_count(struct db_query *query); /* 0 and more */
double db_get_real(struct db_query *query);
char *db_get_text(struct db_query *query, size_t *size);
char *db_get_optional_text(struct db_query *query, size_t *size); /* NULL is not damage */
void *db_get_optional_blob(struct db_query *query, size_t *size);
struct hash db_get_hash(struct db_query *query);

/* Valid until the next db_row or db_finish; NULL for none or an empty one. */
const void *db_peek_blob(struct db_query *query, size_t *size);

/* Ends the query. False when anything failed since db_prepare. */
bool db_finish(struct db_query *query, struct error *error) WARN_UNUSED;

/* Runs a query that gives no rows, and ends it. */
bool db_run(struct db_query *query, struct error *error) WARN_UNUSED;

/* As db_run for a query that gives one row of one number, 0 when there is none. */
bool db_run_for_count(struct db_query *query, int64_t *count, struct error *error) WARN_UNUSED;

/* A write transaction, unless the caller is inside one already: *own says which.
 * db_leave commits its own one when `ok`, else undoes it, and returns whether all
 * went well. In a caller's transaction it leaves the undoing to the caller. */
bool db_enter(struct db *db, bool *own, struct error *error) WARN_UNUSED;
bool db_leave(struct db *db, bool own, bool ok, struct error *error) WARN_UNUSED;

/* Several reads of one moment. */
bool db_enter_reading(struct db *db, bool *own, struct error *error) WARN_UNUSED;

bool db_begin(struct db *db, struct error *error) WARN_UNUSED;
bool db_commit(struct db *db, struct error *error) WARN_UNUSED; /* undone when it fails */
void db_rollback(struct db *db);                                /* fine outside of one */

#endif
