/* Opening a database file that may be absent, foreign, damaged or hostile. The
 * checks come first and only read; the first write to an existing file is made
 * after the last check. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define BUSY_MILLISECONDS 5000

/* Offsets in a database's first page (SQLite's "Database File Format", 1.3). */
enum {
    HEADER_SIZE = 100,
    HEADER_SCHEMA_COOKIE = 40,
    HEADER_ENCODING = 56,
    HEADER_APPLICATION_ID = 68,
};

static const char opening[] = "open the database";

/* A name that begins with "file:" would be read as a URI, hence the "./". */
static bool make_path(struct db *db, const char *folder, struct error *error)
{
    const char *prefix = folder[0] == '/' ? "" : "./";
    int length = snprintf(NULL, 0, "%s%s/%s", prefix, folder, db->kind->file);
    db->path = length < 0 ? NULL : malloc((size_t)length + 1);
    if (!db->path)
        return error_out_of_memory(error);
    snprintf(db->path, (size_t)length + 1, "%s%s/%s", prefix, folder, db->kind->file);
    return true;
}

/* SQLite gives the log and the shared memory beside the file the file's own mode,
 * so making the file here with 0600 serves for all three. */
static bool make_file(const struct db *db, struct error *error)
{
    int descriptor = open(db->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor >= 0) {
        close(descriptor);
        return true;
    }
    struct stat status;
    if (errno == EEXIST && stat(db->path, &status) == 0) {
        if (S_ISREG(status.st_mode))
            return true;
        return error_set(error, ERROR_STORE, "%s is not a regular file: %s", db->path,
                         db->kind->advice);
    }
    if (errno == ENOTDIR)
        return error_set(error, ERROR_STORE,
                         "cannot create %s: a library needs a folder, and that is none: name one "
                         "by --library",
                         db->path);
    return error_set(error, ERROR_STORE, "cannot create %s: %s", db->path, strerror(errno));
}

static void limit_what_sql_may_do(sqlite3 *handle)
{
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(handle, SQLITE_LIMIT_SQL_LENGTH, 100000);
    sqlite3_limit(handle, SQLITE_LIMIT_COLUMN, 100);
    sqlite3_limit(handle, SQLITE_LIMIT_EXPR_DEPTH, 100);
    sqlite3_limit(handle, SQLITE_LIMIT_VARIABLE_NUMBER, 64);
    sqlite3_limit(handle, SQLITE_LIMIT_TRIGGER_DEPTH, 10);
}

/* Reads the first page through SQLite's own file: another descriptor on it, once
 * closed, would drop the locks of every connection in this process. Nothing is
 * locked, and no log or journal beside the file is touched. */
static bool read_header(const struct db *db, unsigned char header[HEADER_SIZE], sqlite3_int64 *size,
                        struct error *error)
{
    sqlite3_file *file = NULL;
    int status = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
    if (status == SQLITE_OK && (!file || !file->pMethods))
        status = SQLITE_CANTOPEN;
    if (status == SQLITE_OK)
        status = file->pMethods->xFileSize(file, size);
    memset(header, 0, HEADER_SIZE);
    if (status == SQLITE_OK && *size >= HEADER_SIZE)
        status = file->pMethods->xRead(file, header, HEADER_SIZE, 0);
    return status == SQLITE_OK || db_fail(db, opening, status, error);
}

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool refuse_foreign(const struct db *db, struct error *error)
{
    return error_set(error, ERROR_STORE, "%s is a database of another program: %s", db->path,
                     db->kind->advice);
}

/* A file of ours carries its application id from the first commit of any table on,
 * which is made before the log is switched on, so the id is in the file itself. A
 * database that never had a table may be one of ours in the making. */
/* A power cut while a file was being made may leave a first page that was never
 * written, and a journal from which SQLite undoes what was. */
static bool is_to_be_undone(const struct db *db, const unsigned char header[HEADER_SIZE])
{
    for (size_t i = 0; i < HEADER_SIZE; i++)
        if (header[i] != 0)
            return false;
    char *journal = db_path_beside(db->path, "-journal");
    bool there = journal && access(journal, F_OK) == 0;
    free(journal);
    return there;
}

bool db_check_header(const struct db *db, struct error *error)
{
    unsigned char header[HEADER_SIZE];
    sqlite3_int64 size = 0;
    if (!read_header(db, header, &size, error))
        return false;
    if (size == 0 || is_to_be_undone(db, header))
        return true;
    if (memcmp(header, "SQLite format 3", 16) != 0)
        return error_set(error, ERROR_STORE, "%s is not a database: %s", db->path,
                         db->kind->advice);
    uint32_t id = big_endian(header + HEADER_APPLICATION_ID);
    bool in_the_making = id == 0 && big_endian(header + HEADER_SCHEMA_COOKIE) == 0;
    if (id != db->kind->application_id && !in_the_making)
        return refuse_foreign(db, error);
    if (big_endian(header + HEADER_ENCODING) > SQLITE_UTF8)
        return db_damaged(db, "its texts are not UTF-8", error);
    return true;
}

static bool run_all(struct db *db, const char *const *statements, struct error *error)
{
    for (; *statements; statements++)
        if (!db_execute(db, opening, *statements, error))
            return false;
    return true;
}

bool db_set_patient(struct db *db, bool patient, struct error *error)
{
    sqlite3_busy_timeout(db->handle, patient ? BUSY_MILLISECONDS : 0);
    return db_execute(db, opening,
                      patient ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", error);
}

static bool connect(struct db *db, const char *file, struct error *error)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    int status = sqlite3_open_v2(file, &db->handle, flags, NULL);
    if (status != SQLITE_OK)
        return db_fail(db, opening, status, error);
    if (sqlite3_db_readonly(db->handle, "main") != 0)
        return db_fail(db, opening, SQLITE_READONLY, error);
    sqlite3_busy_timeout(db->handle, BUSY_MILLISECONDS);
    limit_what_sql_may_do(db->handle);
    /* Closing a refused file must not move its log into it. */
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return true;
}

static bool read_number(struct db *db, const char *pragma, int64_t *number, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, opening, pragma);
    *number = db_row(&query) ? db_get_int(&query, INT32_MIN, UINT32_MAX) : 0;
    return db_finish(&query, error);
}

struct numbers {
    int64_t id, version, objects;
};

/* All of one moment: another process may be making the file just now. */
static bool read_numbers(struct db *db, struct numbers *numbers, struct error *error)
{
    bool own;
    if (!db_enter_reading(db, &own, error))
        return false;
    bool ok = read_number(db, "PRAGMA application_id", &numbers->id, error) &&
              read_number(db, "PRAGMA user_version", &numbers->version, error) &&
              read_number(db, "SELECT count(*) FROM sqlite_schema", &numbers->objects, error);
    return db_leave(db, own, ok, error);
}

/* *version 0: nothing is in the file yet. */
static bool read_version(struct db *db, int64_t *version, struct error *error)
{
    struct numbers numbers = {0};
    if (!read_numbers(db, &numbers, error))
        return false;
    *version = numbers.version;
    if (numbers.id == 0 && *version == 0 && numbers.objects == 0)
        return true;
    if ((uint32_t)numbers.id != db->kind->application_id)
        return refuse_foreign(db, error);
    if (*version > db->kind->schema)
        return error_set(error, ERROR_STORE,
                         "%s was made by a newer tidemark (layout %lld, this one knows %d): use "
                         "that one, or move the file away",
                         db->path, (long long)*version, db->kind->schema);
    if (*version < 1)
        return db_damaged(db, "it has no layout version", error);
    return true;
}

/* Everything in the schema, in a fixed order, but for what SQLite keeps there for
 * its own use. How a virtual table words its own tables depends on SQLite's version:
 * only their names count. */
static const char schema_query[] =
    "SELECT type, name, tbl_name,"
    "       CASE WHEN EXISTS (SELECT 1 FROM sqlite_schema AS virtual"
    "                          WHERE virtual.sql LIKE 'CREATE VIRTUAL TABLE %'"
    "                            AND substr(entry.name, 1, length(virtual.name) + 1)"
    "                                = virtual.name || '_')"
    "            THEN '' ELSE sql END"
    "  FROM sqlite_schema AS entry WHERE substr(name, 1, 7) <> 'sqlite_' ORDER BY type, name";

static bool same_text(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
    const char *left = (const char *)sqlite3_column_text(a, column);
    const char *right = (const char *)sqlite3_column_text(b, column);
    return left && right && strcmp(left, right) == 0;
}

/* *status is SQLITE_OK unless the comparison itself failed. */
static bool same_rows(sqlite3_stmt *a, sqlite3_stmt *b, int *status)
{
    for (;;) {
        int left = sqlite3_step(a), right = sqlite3_step(b);
        if (left != SQLITE_ROW && left != SQLITE_DONE)
            *status = left;
        if (right != SQLITE_ROW && right != SQLITE_DONE)
            *status = right;
        if (left != right || left != SQLITE_ROW)
            return left == right && left == SQLITE_DONE;
        for (int column = 0; column < 4; column++)
            if (!same_text(a, b, column))
                return false;
    }
}

static bool compare_schemas(struct db *db, struct db *model, struct error *error)
{
    sqlite3_stmt *found = NULL, *expected = NULL;
    int status = sqlite3_prepare_v2(db->handle, schema_query, -1, &found, NULL);
    bool ok = status == SQLITE_OK;
    if (!ok) {
        db_fail(db, opening, status, error);
    } else {
        status = sqlite3_prepare_v2(model->handle, schema_query, -1, &expected, NULL);
        ok = status == SQLITE_OK || db_fail(model, opening, status, error);
    }
    if (ok) {
        ok = same_rows(found, expected, &status);
        if (!ok && status != SQLITE_OK)
            db_fail(db, opening, status, error);
        else if (!ok)
            db_damaged(db, "its tables are not those of a tidemark", error);
    }
    sqlite3_finalize(found);
    sqlite3_finalize(expected);
    return ok;
}

/* Compares with a fresh database in memory that took the same upgrades. */
static bool check_schema(struct db *db, int64_t version, struct error *error)
{
    struct db model = {.kind = db->kind, .path = db->path};
    int status = sqlite3_open_v2(":memory:", &model.handle,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    bool ok = status == SQLITE_OK || db_fail(&model, opening, status, error);
    for (int64_t i = 0; ok && i < version; i++)
        ok = run_all(&model, db->kind->upgrades[i], error);
    ok = ok && compare_schemas(db, &model, error);
    sqlite3_close(model.handle);
    return ok;
}

static bool set_numbers(struct db *db, struct error *error)
{
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id = %lu; PRAGMA user_version = %d",
             (unsigned long)db->kind->application_id, db->kind->schema);
    return db_execute(db, opening, sql, error);
}

/* --- a copy of the file as it was ------------------------------------------ */

static bool copy_to(struct db *db, const char *path, struct error *error)
{
    struct db reader;
    struct stat status;
    if (lstat(path, &status) == 0)
        return true;
    if (!db_open_again(&reader, db, error))
        return false;
    /* Only who is about to upgrade makes this file, and the write lock is ours: what an
     * upgrade that was cut off has left is nobody's. */
    char *part = db_path_beside(path, ".part");
    bool ok = part || error_out_of_memory(error);
    if (ok) {
        unlink(part);
        ok = db_copy(&reader, path, error);
    }
    free(part);
    db_close(&reader);
    return ok;
}

char *db_path_of_version(const struct db *db, int64_t version)
{
    size_t length = strlen(db->path), size = length + 24;
    size_t stem = length - strlen(strrchr(db->kind->file, '.'));
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%.*s-%lld%s", (int)stem, db->path, (long long)version,
                 db->path + stem);
    return path;
}

/* What an upgrade gets wrong must not be the end of what cannot be made again. */
static bool keep_copy(struct db *db, int64_t version, struct error *error)
{
    if (!db->kind->precious)
        return true;
    char *path = db_path_of_version(db, version);
    bool ok = path ? copy_to(db, path, error) : error_out_of_memory(error);
    free(path);
    return ok;
}

/* --- upgrading ------------------------------------------------------------- */

/* Under the write lock the version is read anew: another process may have been
 * quicker. */
static bool upgrade(struct db *db, bool copy, struct error *error)
{
    int64_t version;
    if (!read_version(db, &version, error))
        return false;
    if (version == db->kind->schema)
        return true;
    if (version > 0 && copy && !keep_copy(db, version, error))
        return false;
    for (int64_t i = version; i < db->kind->schema; i++)
        if (!run_all(db, db->kind->upgrades[i], error))
            return false;
    return set_numbers(db, error);
}

static bool upgrade_whole(struct db *db, int64_t version, bool copy, struct error *error)
{
    if (version == db->kind->schema)
        return true;
    if (version == 0 && !run_all(db, db->kind->before_creation, error))
        return false;
    return db_begin(db, error) && db_leave(db, true, upgrade(db, copy, error), error);
}

/* --- the log --------------------------------------------------------------- */

/* *busy: another process holds the file, and nothing was changed. */
static bool try_log(struct db *db, bool *busy, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, opening, "PRAGMA journal_mode = WAL");
    char *mode = db_row(&query) ? db_get_text(&query, NULL) : NULL;
    bool on = mode && strcmp(mode, "wal") == 0;
    free(mode);
    *busy = (query.status & 0xFF) == SQLITE_BUSY;
    if (!db_finish(&query, error))
        return false;
    return on ||
           error_set(error, ERROR_STORE,
                     "%s cannot keep a log beside it: move the folder to a local disk", db->path);
}

/* Of two processes that switch the log on at the same time, each would wait for the
 * other: SQLite sends one of them away at once instead, and it has to come back. */
bool db_switch_log_on(struct db *db, struct error *error)
{
    enum { PAUSE = 10 };
    for (int waited = 0;; waited += PAUSE) {
        bool busy;
        if (try_log(db, &busy, error))
            return true;
        if (!busy || waited >= BUSY_MILLISECONDS)
            return false;
        sqlite3_sleep(PAUSE);
    }
}

/* --- opening --------------------------------------------------------------- */

static const char *const pragmas[] = {
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    /* A log that grew large once is cut back to this many bytes. */
    "PRAGMA journal_size_limit = 67108864",
    NULL,
};

/* Version and tables of one moment: another process may be upgrading just now. */
static bool check_contents(struct db *db, int64_t *version, struct error *error)
{
    bool own;
    if (!db_enter_reading(db, &own, error))
        return false;
    bool ok =
        read_version(db, version, error) && (*version == 0 || check_schema(db, *version, error));
    return db_leave(db, own, ok, error);
}

static bool check_all(struct db *db, int64_t *version, struct error *error)
{
    return db_check_header(db, error) && db_set_patient(db, true, error) &&
           run_all(db, pragmas, error) && run_all(db, db->kind->for_connection, error) &&
           check_contents(db, version, error) && db_check_header(db, error);
}

static bool check_and_prepare(struct db *db, struct error *error)
{
    int64_t version;
    if (!check_all(db, &version, error) || !upgrade_whole(db, version, true, error))
        return false;
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return db_switch_log_on(db, error);
}

/* Merely looking at a file makes SQLite put an empty log beside it. It goes when the
 * last connection is closed in the usual way, which an empty log makes harmless. */
static void close_refused(struct db *db)
{
    char *log = db->path ? db_path_beside(db->path, "-wal") : NULL;
    struct stat status;
    if (db->handle && log && stat(log, &status) == 0 && status.st_size == 0)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    free(log);
    db_close(db);
}

bool db_open(struct db *db, const char *folder, const struct db_kind *kind, struct error *error)
{
    *db = (struct db){.kind = kind};
    bool ok =
        make_path(db, folder, error) && file_make_folders(folder, error) && make_file(db, error);
    if (ok && access(folder, W_OK | X_OK) != 0)
        ok = db_fail(db, opening, SQLITE_READONLY, error);
    ok = ok && connect(db, db->path, error) && check_and_prepare(db, error);
    if (!ok)
        close_refused(db);
    return ok;
}

static bool prepare_copy(struct db *db, struct error *error)
{
    int64_t version;
    if (!db_execute(db, opening, "PRAGMA locking_mode = EXCLUSIVE", error) ||
        !check_all(db, &version, error))
        return false;
    if (version == 0)
        return db_damaged(db, "it holds no tables", error);
    return db_execute(db, opening, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF",
                      error) &&
           upgrade_whole(db, version, false, error);
}

bool db_open_copy(struct db *db, const char *file, const char *shown, const struct db_kind *kind,
                  struct error *error)
{
    *db = (struct db){.kind = kind, .path = strdup(shown)};
    bool ok = (db->path || error_out_of_memory(error)) && connect(db, file, error) &&
              prepare_copy(db, error);
    if (!ok)
        db_close(db);
    return ok;
}

bool db_open_again(struct db *again, const struct db *db, struct error *error)
{
    *again = (struct db){.kind = db->kind, .path = strdup(db->path)};
    bool ok = (again->path || error_out_of_memory(error)) && connect(again, again->path, error) &&
              run_all(again, pragmas, error);
    if (!ok)
        db_close(again);
    return ok;
}

void db_close(struct db *db)
{
    db_forget_statements(db);
    sqlite3_close(db->handle);
    free(db->path);
    *db = (struct db){0};
}
