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
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What tells one sort of database file from another. The statements of a version
 * that was released never change: an existing file must hold exactly the schema
 * that they give. */
struct db_kind {
    const char *file;   /* name in the folder */
    const char *advice; /* what to do when the file is damaged or foreign */
    uint32_t application_id;
    bool precious;                      /* a copy is kept before an upgrade */
    int schema;                         /* the newest version */
    const char *const *const *upgrades; /* [schema]: NULL-ended statements that lead
                                           from version i to i + 1 */
    const char *const *before_creation; /* NULL-ended pragmas for a file to be made */
    const char *const *for_connection;  /* NULL-ended pragmas for every connection */
    const char *forgetting; /* NULL, or a statement that changes nothing, and whose undoing
                               has virtual tables forget what they keep in memory */
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
    bool undone; /* by SQLite itself, in the middle of a transaction */
};

/* Opens kind->file in the folder, making both where absent (0700, 0600). A file
 * that is refused is left as it was. */
bool db_open(struct db *db, const char *folder, const struct db_kind *kind,
             struct error *error) WARN_UNUSED;
void db_close(struct db *db); /* a zeroed struct is fine */

/* Opens `file`, a copy that nobody else uses and that will be thrown away, with the
 * checks of db_open, upgrading it where needed. It must hold the tables already. What
 * is committed may be lost in a crash. A log beside it is taken in, and removed by
 * closing. Errors name `shown`. */
bool db_open_copy(struct db *db, const char *file, const char *shown, const struct db_kind *kind,
                  struct error *error) WARN_UNUSED;

/* Whether the first bytes are those of a database of this kind, or of one in which
 * nothing is yet. Only reads, and neither locks nor looks beside the file. */
bool db_check_header(const struct db *db, struct error *error) WARN_UNUSED;

/* A second connection to the file of `db`, to read from. */
bool db_open_again(struct db *again, const struct db *db, struct error *error) WARN_UNUSED;

/* Switches the log on, as it is after opening, waiting for other processes. */
bool db_switch_log_on(struct db *db, struct error *error) WARN_UNUSED;

/* Patient, as after opening: a write waits for other processes and until the disk has
 * it. Otherwise it fails at once when another process writes, and a power cut may
 * undo it. Not inside a transaction. */
bool db_set_patient(struct db *db, bool patient, struct error *error) WARN_UNUSED;

/* While SQLite works for db, *cancel is looked at; once raised, what it works at fails
 * with ERROR_INTERRUPTED. NULL ends this. */
void db_watch(struct db *db, const atomic_bool *cancel);

/* Ends the prepared statements; none may be in use. */
void db_forget_statements(struct db *db);

/* Runs statements whose rows, if any, do not matter. */
bool db_execute(struct db *db, const char *doing, const char *sql, struct error *error) WARN_UNUSED;

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

/* A large value that is read a piece at a time, without a copy of the whole. */
struct db_blob {
    struct db *db;
    const char *doing;    /* completes "cannot ..." */
    sqlite3_blob *handle; /* NULL: no such row, or a value without bytes; size is 0 */
    size_t size;
};

bool db_blob_open(struct db_blob *blob, struct db *db, const char *doing, const char *table,
                  const char *column, int64_t row, struct error *error) WARN_UNUSED;
/* Not from two threads at a time. at + size <= blob->size. */
bool db_blob_read(struct db_blob *blob, void *to, size_t at, size_t size,
                  struct error *error) WARN_UNUSED;
void db_blob_close(struct db_blob *blob);

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

/* --- checking (db_verify.c) ------------------------------------------------ */

/* Where a check sends what it finds, line by line. The first DB_REPORT_LINES of each
 * kind are told, all are counted.
 *
 *     struct db_report report = {.line = line, .context = context};
 *     db_report_kind(&report);
 *     while (db_row(&query))
 *         db_report(&report, "document %lld is odd", ...);
 *     ok = db_report_finish(&report, &query, error); */
#define DB_REPORT_LINES 100

typedef void db_report_line(void *context, const char *line);

struct db_report {
    db_report_line *line;
    void *context;
    int64_t problems; /* found */
    int64_t of_kind;  /* of the present kind */
};

void db_report_kind(struct db_report *report); /* a new kind begins */
void db_report(struct db_report *report, const char *format, ...) PRINTF_LIKE(2, 3);

/* As db_finish, but damage that ended the query is one more problem, not a failure. */
bool db_report_finish(struct db_report *report, struct db_query *query,
                      struct error *error) WARN_UNUSED;

/* Whether one of SQLite's checks of a file (integrity_check, quick_check) finds anything, and
 * finds it again when it is run once more: without memory for a page SQLite may call it damaged.
 * What the second run says goes to `report`, which may be NULL. The query is still to be
 * finished: a check that failed has found nothing. */
bool db_find_damage(struct db_query *query, struct db *db, const char *doing, const char *sql,
                    struct db_report *report);

/* Pages, indexes and types (integrity_check), and what refers to what
 * (foreign_key_check). */
bool db_verify_file(struct db *db, struct db_report *report, struct error *error) WARN_UNUSED;

/* --- whole files (db_copy.c, db_shred.c) ----------------------------------- */

/* Copies the database as it is at one moment into a new, self-contained file of mode
 * 0600: written beside as `path`.part, checked, synced, renamed. Nothing is left after
 * a failure. ERROR_STORE when `path` exists. */
bool db_copy(struct db *db, const char *path, struct error *error) WARN_UNUSED;

/* Whether the database may really be replaced; asked while nobody can write to it.
 * Not through `db` itself. */
typedef bool db_may_replace(void *context, bool *may, struct error *error);

/* Puts the contents of `from`, with pages of the same size, in place of those of db:
 * other processes see the one or the other. `may` NULL: without asking; true, with
 * nothing done, when it says no. Outside of a transaction. */
bool db_replace(struct db *db, struct db *from, db_may_replace *may, void *context,
                struct error *error) WARN_UNUSED;

/* Runs `first` (may be NULL), then overwrites all that file and log hold beyond the
 * rows that are there. For that it writes the whole file anew: a copy of it is in the
 * folder meanwhile. ERROR_STORE when another process has the file open. Outside of a
 * transaction. */
bool db_shred(struct db *db, const char *first, struct error *error) WARN_UNUSED;

/* Overwrites a file and removes it; none there is fine. Not for the main file of an
 * open database, whose locks would go. */
bool db_shred_file(const char *path, struct error *error) WARN_UNUSED;

/* The path of a file beside the database: its own with `end` behind. NULL when out of
 * memory; to be freed. */
char *db_path_beside(const char *path, const char *end);

/* Where the copy is kept that was made before the upgrade from `version`. NULL when out
 * of memory; to be freed. */
char *db_path_of_version(const struct db *db, int64_t version);

/* Makes the creation or the removal of `path` survive a power cut. */
bool db_sync_folder_of(const char *path, struct error *error) WARN_UNUSED;

#endif
