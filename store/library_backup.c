/* The library as a whole: into a backup, out of one, and without what was removed. */
#include "store/library.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/library_loss.h"
#include "store/library_private.h"
#include "store/library_verify.h"

bool library_backup(struct library *library, const char *path, struct error *error)
{
    return db_copy(&library->db, path, error);
}

/* --- shredding ------------------------------------------------------------- */

bool library_shred(struct library *library, struct error *error)
{
    struct db *db = &library->db;
    if (!db_shred(db, "INSERT INTO search (search) VALUES ('rebuild')", error))
        return false;
    bool ok = true;
    for (int64_t version = 1; ok && version < LIBRARY_SCHEMA; version++) {
        char *path = db_path_of_version(db, version);
        ok = path ? db_shred_file(path, error) : error_out_of_memory(error);
        free(path);
    }
    return ok;
}

/* --- a copy of the backup -------------------------------------------------- */

/* The backup is worked on in a copy in the library's folder, so that it stays as it is
 * and nothing appears beside it. A lock (flock; SQLite's own locks are of another sort)
 * tells a copy in use from one that was left by a run that was cut off. */
struct part {
    const char *shown; /* the backup's path */
    char *path, *log;
    int descriptor;
};

static bool fail_to_copy(const struct part *part, const char *path, struct error *error)
{
    return error_set(error, ERROR_STORE, "cannot copy %s to %s: %s", part->shown, path,
                     strerror(errno));
}

static bool lock_part(const struct part *part, struct error *error)
{
    struct stat opened, named;
    if (flock(part->descriptor, LOCK_EX | LOCK_NB) != 0 || fstat(part->descriptor, &opened) != 0 ||
        lstat(part->path, &named) != 0 || opened.st_ino != named.st_ino)
        return error_set(error, ERROR_STORE,
                         "%s is in use: another tidemark is restoring a backup; try again when it "
                         "is done",
                         part->path);
    return true;
}

static bool open_part(struct part *part, const struct db *db, const char *shown,
                      struct error *error)
{
    *part = (struct part){.shown = shown, .descriptor = -1};
    part->path = db_path_beside(db->path, ".restore");
    part->log = db_path_beside(db->path, ".restore-wal");
    if (!part->path || !part->log)
        return error_out_of_memory(error);
    part->descriptor = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (part->descriptor < 0)
        return fail_to_copy(part, part->path, error);
    if (!lock_part(part, error)) {
        close(part->descriptor);
        part->descriptor = -1;
        return false;
    }
    unlink(part->log);
    return ftruncate(part->descriptor, 0) == 0 || fail_to_copy(part, part->path, error);
}

/* After SQLite has closed it: closing another descriptor drops SQLite's locks. */
static void close_part(struct part *part)
{
    if (part->descriptor >= 0) {
        unlink(part->path);
        unlink(part->log);
        close(part->descriptor);
    }
    free(part->path);
    free(part->log);
}

/* --- reading the backup ---------------------------------------------------- */

#define PIECE 65536

/* Through SQLite's own file, since the path may lead to a database that this process
 * has open: closing another descriptor on it would drop its locks. */
static bool copy_main(const struct part *part, struct db *backup, struct error *error)
{
    char piece[PIECE];
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    int status =
        sqlite3_file_control(backup->handle, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
    if (status == SQLITE_OK && (!file || !file->pMethods))
        status = SQLITE_CANTOPEN;
    if (status == SQLITE_OK)
        status = file->pMethods->xFileSize(file, &size);
    for (sqlite3_int64 at = 0; status == SQLITE_OK && at < size;) {
        int count = size - at < PIECE ? (int)(size - at) : PIECE;
        status = file->pMethods->xRead(file, piece, count, at);
        if (status == SQLITE_OK && !file_write(part->descriptor, piece, (size_t)count))
            return fail_to_copy(part, part->path, error);
        at += count;
    }
    return status == SQLITE_OK || error_set(error, ERROR_STORE, "cannot read %s: %s", backup->path,
                                            sqlite3_errstr(status));
}

static bool copy_log_through(const struct part *part, int from, struct error *error)
{
    char piece[PIECE];
    int to = open(part->log, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return fail_to_copy(part, part->log, error);
    ssize_t count;
    while ((count = read(from, piece, sizeof piece)) > 0)
        if (!file_write(to, piece, (size_t)count))
            break;
    bool ok = count == 0 || fail_to_copy(part, part->log, error);
    close(to);
    return ok;
}

/* A library that was copied while in use has a part of it in its log. */
static bool copy_log(const struct part *part, struct error *error)
{
    struct stat status;
    char *log = db_path_beside(part->shown, "-wal");
    if (!log)
        return error_out_of_memory(error);
    bool ok = true;
    if (stat(log, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        int from = open(log, O_RDONLY | O_CLOEXEC);
        ok = from >= 0 ? copy_log_through(part, from, error) : fail_to_copy(part, log, error);
        if (from >= 0)
            close(from);
    }
    free(log);
    return ok;
}

/* What is in a journal would have to be undone first, and it may name other files. */
static bool refuse_journal(const char *path, struct error *error)
{
    struct stat status;
    char *journal = db_path_beside(path, "-journal");
    if (!journal)
        return error_out_of_memory(error);
    bool ok = lstat(journal, &status) != 0 || status.st_size == 0;
    free(journal);
    return ok || error_set(error, ERROR_STORE,
                           "%s was being written when it was copied (there is a %s-journal): "
                           "choose another backup",
                           path, path);
}

static bool check_kind_of_file(const struct db *db, const char *path, struct error *error)
{
    struct stat backup, present;
    if (stat(path, &backup) != 0)
        return error_set(error, ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISREG(backup.st_mode))
        return error_set(error, ERROR_STORE, "%s is not a regular file: choose a backup", path);
    if (stat(db->path, &present) == 0 && backup.st_dev == present.st_dev &&
        backup.st_ino == present.st_ino)
        return error_set(error, ERROR_STORE, "%s is the library itself: choose a backup", path);
    return refuse_journal(path, error);
}

static bool copy_backup(const struct part *part, const struct db_kind *kind, struct error *error)
{
    /* A name that begins with "file:" would be read as a URI. */
    struct db backup = {.kind = kind};
    backup.path = strncmp(part->shown, "file:", 5) == 0 ? db_path_beside("./", part->shown)
                                                        : strdup(part->shown);
    if (!backup.path)
        return error_out_of_memory(error);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    int status = sqlite3_open_v2(backup.path, &backup.handle, flags, NULL);
    bool ok = status == SQLITE_OK;
    if (status == SQLITE_NOMEM)
        error_out_of_memory(error);
    else if (!ok)
        error_set(error, ERROR_INPUT, "cannot open %s: %s", part->shown, sqlite3_errstr(status));
    ok = ok && db_check_header(&backup, error) && copy_main(part, &backup, error) &&
         copy_log(part, error);
    db_close(&backup);
    return ok;
}

/* --- checking the copy ----------------------------------------------------- */

static void keep_first_line(void *context, const char *line)
{
    char *first = context;
    if (!*first)
        snprintf(first, ERROR_TEXT_SIZE, "%s", line);
}

static bool check_soundness(struct db *copy, struct error *error)
{
    char first[ERROR_TEXT_SIZE] = "";
    struct db_report report = {.line = keep_first_line, .context = first};
    if (!library_verify_all(copy, &report, error))
        return false;
    if (report.problems == 0)
        return true;
    return error_set(error, ERROR_STORE, "%s is damaged (%.300s%s): %s", copy->path, first,
                     report.problems > 1 ? " and more" : "", copy->kind->advice);
}

static bool read_page_size(struct db *db, int64_t *size, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, "look at the page size", "PRAGMA page_size");
    return db_run_for_count(&query, size, error);
}

/* A database with a log cannot change the size of its pages. */
static bool fit_page_size(struct db *copy, struct db *present, struct error *error)
{
    int64_t size, wanted;
    if (!read_page_size(copy, &size, error) || !read_page_size(present, &wanted, error))
        return false;
    if (size == wanted)
        return true;
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA page_size = %lld; VACUUM", (long long)wanted);
    sqlite3_limit(copy->handle, SQLITE_LIMIT_ATTACHED, 1);
    bool ok = db_execute(copy, "fit the page size", sql, error);
    sqlite3_limit(copy->handle, SQLITE_LIMIT_ATTACHED, 0);
    return ok;
}

/* --- restoring ------------------------------------------------------------- */

struct restoring {
    struct library_loss *loss;
    struct db *copy, *present; /* another connection than the one that is written to */
    bool force, *refused;
};

/* --- numbers --------------------------------------------------------------- */

static const char keeping[] = "keep the numbers of documents, questions and models";

/* Numbers of the table up to `last` are given to no new row. */
static bool raise_numbers(struct db *copy, const char *table, int64_t last, struct error *error)
{
    struct db_query query;
    db_prepare(&query, copy, keeping,
               "UPDATE sqlite_sequence SET seq = max(CAST(seq AS INTEGER), ?) WHERE name = ?");
    db_bind_int(&query, last);
    db_bind_text(&query, table);
    if (!db_run(&query, error))
        return false;
    if (sqlite3_changes(copy->handle) > 0)
        return true;
    db_prepare(&query, copy, keeping, "INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)");
    db_bind_int(&query, last);
    db_bind_text(&query, table);
    return db_run(&query, error);
}

static bool keep_numbers_of(const struct restoring *restoring, const char *table,
                            struct error *error)
{
    struct db_query query;
    int64_t last;
    db_prepare(&query, restoring->present, keeping,
               "SELECT seq FROM sqlite_sequence WHERE name = ?");
    db_bind_text(&query, table);
    return db_run_for_count(&query, &last, error) &&
           raise_numbers(restoring->copy, table, last, error);
}

/* Of those that a model has or had. */
static bool last_model(struct db *db, int64_t *last, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, keeping,
               "SELECT coalesce(max(number), 0) FROM (SELECT max(id) AS number FROM model"
               " UNION ALL SELECT CAST(seq AS INTEGER) FROM sqlite_sequence WHERE name = 'model')");
    return db_run_for_count(&query, last, error);
}

/* The first model with a larger number than *id; 0 when there is none. */
static bool next_model(struct db *db, int64_t *id, struct hash *fingerprint, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, keeping,
               "SELECT id, fingerprint FROM model WHERE id > ? ORDER BY id LIMIT 1");
    db_bind_int(&query, *id);
    *id = 0;
    if (db_row(&query)) {
        *id = db_get_int(&query, 1, INT64_MAX);
        *fingerprint = db_get_hash(&query);
    }
    return db_finish(&query, error);
}

/* With all that refers to it, to -`to`: another model may still have `to`. */
static bool set_model_aside(struct db *copy, int64_t from, int64_t to, struct error *error)
{
    static const char *const updates[] = {
        "UPDATE model SET id = -?2 WHERE id = ?1",
        "UPDATE reading SET model = -?2 WHERE model = ?1",
        "UPDATE question SET model = -?2 WHERE model = ?1",
        "UPDATE summary SET model = -?2 WHERE model = ?1",
    };
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof updates / sizeof *updates; i++) {
        struct db_query query;
        db_prepare(&query, copy, keeping, updates[i]);
        db_bind_int(&query, from);
        db_bind_int(&query, to);
        ok = db_run(&query, error);
    }
    return ok;
}

/* What a model of the copy is to be called: as the library calls it, or a number that the
 * library never gave to another; *last is the largest in use. */
static bool choose_number(const struct restoring *restoring, int64_t present_last, int64_t id,
                          const struct hash *fingerprint, int64_t *last, int64_t *number,
                          struct error *error)
{
    struct db_query query;
    db_prepare(&query, restoring->present, keeping, "SELECT id FROM model WHERE fingerprint = ?");
    db_bind_hash(&query, fingerprint);
    if (!db_run_for_count(&query, number, error))
        return false;
    if (*number == 0 && id <= present_last) {
        if (*last == INT64_MAX)
            return db_damaged(restoring->copy, "it has no number left for a model", error);
        ++*last;
        *number = *last;
    } else if (*number == 0) {
        *number = id;
    }
    return true;
}

/* A session elsewhere may hold the number of a model while the library is replaced. */
static bool keep_models(const struct restoring *restoring, struct error *error)
{
    struct db *copy = restoring->copy;
    struct hash fingerprint;
    int64_t present_last, last, id = 0, number;
    if (!last_model(restoring->present, &present_last, error) ||
        !raise_numbers(copy, "model", present_last, error) || !last_model(copy, &last, error) ||
        !db_execute(copy, keeping, "PRAGMA defer_foreign_keys = ON", error))
        return false;
    for (;;) {
        if (!next_model(copy, &id, &fingerprint, error))
            return false;
        if (id == 0)
            break;
        if (!choose_number(restoring, present_last, id, &fingerprint, &last, &number, error) ||
            (number != id && !set_model_aside(copy, id, number, error)))
            return false;
    }
    return raise_numbers(copy, "model", last, error) &&
           db_execute(copy, keeping,
                      "UPDATE model SET id = -id WHERE id < 0;"
                      " UPDATE reading SET model = -model WHERE model < 0;"
                      " UPDATE question SET model = -model WHERE model < 0;"
                      " UPDATE summary SET model = -model WHERE model < 0",
                      error);
}

/* states.db refers to documents and questions by number: none is given to another. In a
 * transaction of its own: of the comparison before there may be one that could not be undone. */
static bool keep_numbers(const struct restoring *restoring, struct error *error)
{
    return db_begin(restoring->copy, error) &&
           db_leave(restoring->copy, true,
                    keep_numbers_of(restoring, "document", error) &&
                        keep_numbers_of(restoring, "question", error) &&
                        keep_models(restoring, error),
                    error);
}

/* --- replacing ------------------------------------------------------------- */

static bool is_loss(const struct library_loss *loss)
{
    return loss->documents > 0 || loss->questions > 0 || loss->summaries > 0 || loss->notes > 0 ||
           loss->sections_read > 0;
}

/* Asked while nobody else can write. A library that is too damaged to be compared may
 * be replaced by force alone. */
static bool may_replace(void *context, bool *may, struct error *error)
{
    struct restoring *restoring = context;
    bool own;
    if (!db_enter_reading(restoring->present, &own, error))
        return false;
    bool ok = library_loss_find(restoring->loss, restoring->present, restoring->copy, error) &&
              keep_numbers(restoring, error);
    db_rollback(restoring->present);
    *restoring->refused = ok && !restoring->force && is_loss(restoring->loss);
    *may = restoring->force || (ok && !*restoring->refused);
    if (!ok && !restoring->force)
        return error_context(error, "cannot tell what restoring would lose, so it takes force");
    return true;
}

static bool replace(struct library *library, struct restoring *restoring, struct error *error)
{
    struct db present;
    if (!db_open_again(&present, &library->db, error))
        return false;
    restoring->present = &present;
    bool ok = fit_page_size(restoring->copy, &present, error) &&
              db_replace(&library->db, restoring->copy, may_replace, restoring, error);
    db_close(&present);
    return ok;
}

static bool restore_through(struct library *library, const struct part *part,
                            struct restoring *restoring, struct error *error)
{
    struct db_kind kind = library_schema_kind;
    kind.advice = "it cannot be restored; choose another backup";
    struct db copy;
    if (!copy_backup(part, &kind, error) ||
        !db_open_copy(&copy, part->path, part->shown, &kind, error))
        return false;
    restoring->copy = &copy;
    bool ok = check_soundness(&copy, error) && replace(library, restoring, error);
    db_close(&copy);
    return ok;
}

bool library_restore(struct library *library, const char *path, bool force,
                     struct library_loss *loss, bool *refused, struct error *error)
{
    assert(sqlite3_get_autocommit(library->db.handle));
    struct restoring restoring = {.loss = loss, .force = force, .refused = refused};
    struct part part;
    *loss = (struct library_loss){0};
    *refused = false;
    if (!check_kind_of_file(&library->db, path, error))
        return false;
    bool ok = open_part(&part, &library->db, path, error) &&
              restore_through(library, &part, &restoring, error);
    close_part(&part);
    return ok;
}
