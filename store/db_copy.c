/* Copies of a whole database: into a file of its own, and from one in place of what
 * was there. */
#include "store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *db_path_beside(const char *path, const char *end)
{
    size_t length = strlen(path), more = strlen(end) + 1;
    char *beside = malloc(length + more);
    if (beside) {
        memcpy(beside, path, length);
        memcpy(beside + length, end, more);
    }
    return beside;
}

bool db_sync_folder_of(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    if (!folder)
        return error_out_of_memory(error);
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Not every file system can sync a folder; EINVAL says so. */
    bool ok = descriptor >= 0 && (fsync(descriptor) == 0 || errno == EINVAL);
    if (!ok)
        error_set(error, ERROR_STORE, "cannot write the folder %s to its disk: %s", folder,
                  strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    free(folder);
    return ok;
}

/* --- into a file ----------------------------------------------------------- */

static bool fail_to_make(const char *path, const char *reason, struct error *error)
{
    return error_set(error, ERROR_STORE, "cannot write %s: %s: choose another place", path, reason);
}

static bool exists(const char *path, struct error *error)
{
    return error_set(error, ERROR_STORE, "%s exists already: choose another name", path);
}

static bool make_part(const char *part, struct error *error)
{
    int descriptor = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0 && errno == EEXIST)
        return error_set(error, ERROR_STORE,
                         "%s exists: another copy is being written, or one was cut off: if nobody "
                         "writes it, remove it",
                         part);
    if (descriptor < 0)
        return fail_to_make(part, strerror(errno), error);
    close(descriptor);
    return true;
}

static void remove_part(const char *part)
{
    static const char *const ends[] = {"", "-journal", "-wal", "-shm"};
    char path[PATH_MAX + 16]; /* there may be no memory; a longer path could not be opened */
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if ((size_t)snprintf(path, sizeof path, "%s%s", part, ends[i]) < sizeof path)
            unlink(path);
}

static bool copy_pages(struct db *copy, struct db *db, struct error *error)
{
    static const char doing[] = "copy the database";
    sqlite3_backup *backup = sqlite3_backup_init(copy->handle, "main", db->handle, "main");
    if (!backup)
        return db_fail(copy, doing, sqlite3_errcode(copy->handle), error);
    int status = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    return status == SQLITE_DONE || db_fail(copy, doing, status, error);
}

/* The log of the original is named in the copy, too: without it, it is whole by itself. */
static bool check_copy(struct db *copy, struct error *error)
{
    static const char doing[] = "check the copy";
    struct db_query query;
    int64_t id = 0;
    if (!db_execute(copy, doing, "PRAGMA journal_mode = DELETE", error))
        return false;
    db_prepare(&query, copy, doing, "PRAGMA application_id");
    if (!db_run_for_count(&query, &id, error))
        return false;
    bool sound = !db_find_damage(&query, copy, doing, "PRAGMA quick_check(1)", NULL) &&
                 id == (int64_t)copy->kind->application_id;
    return db_finish(&query, error) && (sound || db_damaged(copy, "the copy is not sound", error));
}

static bool fill_part(struct db *db, const char *part, struct error *error)
{
    struct db copy = {.kind = db->kind, .path = strdup(part)};
    if (!copy.path)
        return error_out_of_memory(error);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    int status = sqlite3_open_v2(part, &copy.handle, flags, NULL);
    bool ok = status == SQLITE_OK || db_fail(&copy, "make the copy", status, error);
    ok = ok &&
         db_execute(&copy, "make the copy",
                    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF;"
                    " PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY",
                    error) &&
         copy_pages(&copy, db, error) && check_copy(&copy, error);
    db_close(&copy);
    return ok;
}

static bool sync_file(const char *path, struct error *error)
{
    int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool ok = descriptor >= 0 && fsync(descriptor) == 0;
    if (!ok)
        fail_to_make(path, strerror(errno), error);
    if (descriptor >= 0)
        close(descriptor);
    return ok;
}

/* Gives the file its name, but never another file's. */
static bool publish(const char *part, const char *path, struct error *error)
{
    int status = renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE);
    /* Not every file system can do this; EINVAL says so. */
    if (status != 0 && (errno == EINVAL || errno == ENOSYS)) {
        status = link(part, path);
        if (status == 0)
            unlink(part);
    }
    if (status != 0)
        return errno == EEXIST ? exists(path, error) : fail_to_make(path, strerror(errno), error);
    if (db_sync_folder_of(path, error))
        return true;
    unlink(path);
    return false;
}

static bool copy_through(struct db *db, const char *part, const char *path, struct error *error)
{
    struct stat status;
    if (lstat(path, &status) == 0)
        return exists(path, error);
    if (!make_part(part, error))
        return false;
    bool ok = fill_part(db, part, error) && sync_file(part, error) && publish(part, path, error);
    if (!ok)
        remove_part(part);
    return ok;
}

bool db_copy(struct db *db, const char *path, struct error *error)
{
    assert(sqlite3_get_autocommit(db->handle));
    /* A name that begins with "file:" would be read as a URI. */
    char *plain = strncmp(path, "file:", 5) == 0 ? db_path_beside("./", path) : strdup(path);
    char *part = plain ? db_path_beside(plain, ".part") : NULL;
    bool ok = part ? copy_through(db, part, plain, error) : error_out_of_memory(error);
    free(part);
    free(plain);
    return ok;
}

/* --- in place of what was there -------------------------------------------- */

static const char replacing[] = "replace the contents";

/* Once more when it is busy: SQLite says so, too, where it had no memory for a moment. */
static int step_pages(sqlite3_backup *backup, int pages)
{
    int status = sqlite3_backup_step(backup, pages);
    return (status & 0xFF) == SQLITE_BUSY ? sqlite3_backup_step(backup, pages) : status;
}

/* The first step takes the write lock and moves no page. */
static bool step(struct db *db, sqlite3_backup *backup, db_may_replace *may, void *context,
                 bool *go, struct error *error)
{
    int status = step_pages(backup, 0);
    if (status != SQLITE_OK)
        return db_fail(db, replacing, status, error);
    if (may && !may(context, go, error))
        return false;
    if (!*go)
        return true;
    status = step_pages(backup, -1);
    return status == SQLITE_DONE || db_fail(db, replacing, status, error);
}

bool db_replace(struct db *db, struct db *from, db_may_replace *may, void *context,
                struct error *error)
{
    assert(sqlite3_get_autocommit(db->handle));
    db_forget_statements(db);
    sqlite3_backup *backup = sqlite3_backup_init(db->handle, "main", from->handle, "main");
    if (!backup)
        return db_fail(db, replacing, sqlite3_errcode(db->handle), error);
    bool go = true;
    bool ok = step(db, backup, may, context, &go, error);
    int status = sqlite3_backup_finish(backup);
    if (ok && go && status != SQLITE_OK)
        ok = db_fail(db, replacing, status, error);
    /* The log holds everything a second time now. It is no matter when others are at it. */
    if (ok && go)
        sqlite3_wal_checkpoint_v2(db->handle, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return ok;
}
