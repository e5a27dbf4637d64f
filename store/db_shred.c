/* Overwriting what was removed. SQLite clears the cells and pages that fall free
 * (secure_delete), but pages that were split or joined keep copies of rows in their
 * unused parts, and a log keeps whole pages. So the database is written anew, over all
 * pages that there were, and logs are overwritten before they go. */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char doing[] = "overwrite what was removed";

static const char zeros[65536];

/* --- files ----------------------------------------------------------------- */

static bool overwrite(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return false;
    for (off_t at = 0; at < status.st_size;) {
        off_t left = status.st_size - at;
        size_t size = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;
        ssize_t written = pwrite(descriptor, zeros, size, at);
        if (written <= 0 && errno != EINTR)
            return false;
        at += written > 0 ? written : 0;
    }
    return fsync(descriptor) == 0;
}

static bool fail_to_overwrite(const char *path, struct error *error)
{
    return error_set(error, ERROR_STORE, "cannot overwrite %s: %s: try again", path,
                     strerror(errno));
}

bool db_shred_file(const char *path, struct error *error)
{
    struct stat status;
    int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0)
        return errno == ENOENT || fail_to_overwrite(path, error);
    bool ok = fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && overwrite(descriptor) &&
              unlink(path) == 0;
    if (!ok)
        fail_to_overwrite(path, error);
    close(descriptor);
    return ok && db_sync_folder_of(path, error);
}

/* --- the log --------------------------------------------------------------- */

static bool others_have_it(const struct db *db, struct error *error)
{
    return error_set(error, ERROR_STORE,
                     "cannot %s: another tidemark has %s open: close it and try again", doing,
                     db->path);
}

/* Moves the log into the file and removes it, for which nobody else may have the file
 * open; comes back for a while, as others may be about to close it. */
static bool remove_log(struct db *db, struct error *error)
{
    enum { PAUSE = 20, PATIENCE = 3000 };
    for (int waited = 0;; waited += PAUSE) {
        int status = sqlite3_exec(db->handle, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
        if (status == SQLITE_OK)
            return true;
        if ((status & 0xFF) != SQLITE_BUSY && (status & 0xFF) != SQLITE_LOCKED)
            return db_fail(db, doing, status, error);
        if (waited >= PATIENCE)
            return others_have_it(db, error);
        sqlite3_sleep(PAUSE);
    }
}

/* SQLite goes on with a log that it could not remove, without a word. */
static bool overwrite_log(int log, const char *path, struct error *error)
{
    struct stat status;
    if (fstat(log, &status) == 0 && status.st_nlink > 0)
        return error_set(error, ERROR_STORE, "cannot %s: %s could not be removed: try again", doing,
                         path);
    return overwrite(log) || fail_to_overwrite(path, error);
}

/* The log is opened while our own reading keeps it from being replaced, and written
 * over when it has no name any more. SQLite locks nothing in it, so that opening and
 * closing it here does no harm. */
static bool switch_log_off(struct db *db, struct error *error)
{
    if (!db_execute(db, doing, "SELECT count(*) FROM sqlite_schema", error))
        return false;
    char *path = db_path_beside(db->path, "-wal");
    if (!path)
        return error_out_of_memory(error);
    int log = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool ok = log >= 0 || errno == ENOENT || fail_to_overwrite(path, error);
    ok = ok && remove_log(db, error) && (log < 0 || overwrite_log(log, path, error));
    if (log >= 0)
        close(log);
    free(path);
    return ok;
}

/* --- the database ---------------------------------------------------------- */

/* The limit on attached databases would forbid it. */
static bool write_anew(struct db *db, const char *part, struct error *error)
{
    int descriptor = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0)
        return error_set(error, ERROR_STORE, "cannot create %s: %s", part, strerror(errno));
    close(descriptor);
    sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 1);
    struct db_query query;
    db_prepare(&query, db, doing, "VACUUM INTO ?");
    db_bind_text(&query, part);
    bool ok = db_run(&query, error);
    sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
    return ok;
}

static bool count_bytes(struct db *db, int64_t *bytes, struct error *error)
{
    int64_t pages, size;
    struct db_query query;
    db_prepare(&query, db, doing, "PRAGMA page_count");
    if (!db_run_for_count(&query, &pages, error))
        return false;
    db_prepare(&query, db, doing, "PRAGMA page_size");
    if (!db_run_for_count(&query, &size, error))
        return false;
    *bytes = pages * size;
    return true;
}

/* Clears what lies beyond the pages that the log counts, before moving the log into the
 * file cuts it off. Through SQLite's own file: another descriptor on it, once closed,
 * would drop its locks. */
static bool clear_tail(struct db *db, struct error *error)
{
    int64_t at;
    sqlite3_int64 end = 0;
    if (!count_bytes(db, &at, error))
        return false;
    sqlite3_file *file = NULL;
    int status = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
    if (status == SQLITE_OK && (!file || !file->pMethods))
        status = SQLITE_CANTOPEN;
    if (status == SQLITE_OK)
        status = file->pMethods->xFileSize(file, &end);
    while (status == SQLITE_OK && at < end) {
        int size = end - at < (int64_t)sizeof zeros ? (int)(end - at) : (int)sizeof zeros;
        status = file->pMethods->xWrite(file, zeros, size, at);
        at += size;
    }
    if (status == SQLITE_OK)
        status = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
    return status == SQLITE_OK || db_fail(db, doing, status, error);
}

static bool replace_by_part(struct db *db, const char *part, struct error *error)
{
    struct db copy;
    if (!db_open_copy(&copy, part, db->path, db->kind, error))
        return false;
    bool ok = db_replace(db, &copy, NULL, NULL, error);
    db_close(&copy);
    return ok;
}

static bool rewrite_through(struct db *db, const char *part, struct error *error)
{
    unlink(part); /* of a run that was cut off: nobody else is here */
    bool ok = write_anew(db, part, error) && replace_by_part(db, part, error);
    unlink(part);
    return ok;
}

static bool rewrite(struct db *db, struct error *error)
{
    char *part = db_path_beside(db->path, ".part");
    bool ok = part ? rewrite_through(db, part, error) : error_out_of_memory(error);
    free(part);
    return ok && clear_tail(db, error);
}

/* With the file to ourselves, under a lock that is held from statement to statement.
 * The log comes back so that a crash on the way loses nothing. */
static bool shred_alone(struct db *db, const char *first, struct error *error)
{
    if (!db_execute(db, doing, "PRAGMA locking_mode = EXCLUSIVE", error))
        return false;
    bool ok = db_switch_log_on(db, error) && (!first || db_execute(db, doing, first, error)) &&
              rewrite(db, error);
    ok = switch_log_off(db, ok ? error : NULL) && ok;
    /* The lock falls with the first reading after this. */
    return db_execute(db, doing, "PRAGMA locking_mode = NORMAL", ok ? error : NULL) && ok;
}

bool db_shred(struct db *db, const char *first, struct error *error)
{
    assert(sqlite3_get_autocommit(db->handle));
    db_forget_statements(db);
    bool ok = switch_log_off(db, error) && shred_alone(db, first, error);
    return db_switch_log_on(db, ok ? error : NULL) && ok;
}
