/* Looking into a database without leaving a trace: not even the files that SQLite
 * keeps beside one. The store opens databases to work with them, and makes and mends
 * what is missing; this only looks. */
#include "app/work/checkup_private.h"

#include "base/buffer.h"
#include "store/library.h"
#include "store/states.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct kind {
    const char *file;
    uint32_t application_id;
    int64_t schema;
    const char *remedy;         /* when it is damaged or foreign */
    const char *const dates[4]; /* queries for the latest ones */
} kinds[] = {
    [CHECKUP_LIBRARY_DB] =
        {
            .file = "library.db",
            .application_id = LIBRARY_APPLICATION_ID,
            .schema = LIBRARY_SCHEMA,
            .remedy = "Move the file away, and bring back a backup by `tidemark restore FILE`",
            .dates = {"SELECT max(added_at) FROM document", "SELECT max(updated_at) FROM reading",
                      "SELECT max(asked_at) FROM question", "SELECT max(used_at) FROM model"},
        },
    [CHECKUP_STATES_DB] =
        {
            .file = "states.db",
            .application_id = STATES_APPLICATION_ID,
            .schema = STATES_SCHEMA,
            .remedy = "Move the file away: reading makes the states again",
        },
};

struct look {
    struct checkup *checkup;
    const struct kind *kind;
    char *path; /* without links, so that what lies beside the file is found */
    sqlite3 *handle;
};

static void tell_damage(const struct look *look, const char *what)
{
    checkup_problem(look->checkup, look->kind->file, ERROR_STORE, look->kind->remedy, "%s: %s",
                    look->path, what);
}

/* --- the first page ----------------------------------------------------------------- */

/* Offsets in it (SQLite's "Database File Format", 1.3). */
enum {
    HEADER_SIZE = 100,
    HEADER_SCHEMA_COOKIE = 40,
    HEADER_VERSION = 60,
    HEADER_APPLICATION_ID = 68,
};

static uint32_t big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* False, and told, when the file cannot be read; *size 0 when it is empty. */
static bool read_header(const struct look *look, unsigned char header[HEADER_SIZE], ssize_t *size)
{
    memset(header, 0, HEADER_SIZE);
    int file = open(look->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *size = file < 0 ? -1 : read(file, header, HEADER_SIZE);
    int reason = errno;
    if (file >= 0)
        close(file);
    if (*size < 0)
        checkup_problem(look->checkup, look->kind->file, ERROR_STORE,
                        "Give yourself the right to read and write it", "%s cannot be read: %s",
                        look->path, strerror(reason));
    return *size >= 0;
}

/* Whether it is worth opening; otherwise what it is has been told. */
static bool check_header(const struct look *look)
{
    unsigned char header[HEADER_SIZE];
    ssize_t size;
    if (!read_header(look, header, &size))
        return false;
    uint32_t id = big_endian(header + HEADER_APPLICATION_ID);
    bool in_the_making = id == 0 && big_endian(header + HEADER_SCHEMA_COOKIE) == 0;
    int64_t version = big_endian(header + HEADER_VERSION);
    if (size == 0) {
        checkup_ok(look->checkup, look->kind->file, "empty: the first `tidemark read` fills it");
        return false;
    }
    if (size < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0)
        tell_damage(look, "not a database");
    else if (id != look->kind->application_id && !in_the_making)
        tell_damage(look, "a database of another program");
    else if (version > look->kind->schema)
        checkup_problem(look->checkup, look->kind->file, ERROR_STORE,
                        "Use the newer tidemark, or move the file away",
                        "%s was made by a newer tidemark (layout %lld, this one knows %lld)",
                        look->path, (long long)version, (long long)look->kind->schema);
    else
        return true;
    return false;
}

/* --- opening ------------------------------------------------------------------------ */

/* Whether a file of this ending lies beside the database. */
static bool is_beside(const struct look *look, const char *ending)
{
    struct buffer path = {0};
    bool there = buffer_append_format(&path, NULL, "%s%s", look->path, ending) &&
                 access(path.data, F_OK) == 0;
    buffer_free(&path);
    return there;
}

/* "file:" and the path, with what a URI would take for something else escaped. */
static bool append_uri(struct buffer *uri, const char *path, const char *parameters)
{
    bool ok = buffer_append_text(uri, "file:", NULL);
    for (; ok && *path; path++)
        ok = strchr("%?#", *path) ? buffer_append_format(uri, NULL, "%%%02X", (unsigned)*path)
                                  : buffer_append_byte(uri, *path, NULL);
    return ok && buffer_append_text(uri, parameters, NULL);
}

static void limit_what_sql_may_do(sqlite3 *handle)
{
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, 1 << 28);
    sqlite3_limit(handle, SQLITE_LIMIT_EXPR_DEPTH, 100);
}

/* Without a log beside it no process has the database open, and the file alone is the
 * whole: SQLite may take it for one that never changes, and then makes no files. With
 * one, it reads through the log and the shared memory that are there. */
static int look_open(struct look *look)
{
    bool alone = !is_beside(look, "-wal") && !is_beside(look, "-journal");
    struct buffer uri = {0};
    int status = SQLITE_NOMEM;
    if (append_uri(&uri, look->path, alone ? "?mode=ro&immutable=1" : "?mode=ro&readonly_shm=1"))
        status = sqlite3_open_v2(uri.data, &look->handle,
                                 SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                                     SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
                                 NULL);
    buffer_free(&uri);
    if (status == SQLITE_OK) {
        sqlite3_busy_timeout(look->handle, 1000);
        limit_what_sql_may_do(look->handle);
        status = sqlite3_exec(look->handle,
                              "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
                              " PRAGMA temp_store = MEMORY",
                              NULL, NULL, NULL);
    }
    return status;
}

static void look_close(struct look *look)
{
    sqlite3_close(look->handle);
    look->handle = NULL;
}

/* --- what is in it ------------------------------------------------------------------ */

/* The first row of a query as text, cut to fit; "" when it has none. */
static int first_row(struct look *look, const char *sql, char *text, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int status = sqlite3_prepare_v2(look->handle, sql, -1, &statement, NULL);
    *text = '\0';
    if (status == SQLITE_OK) {
        status = sqlite3_step(statement);
        const char *value =
            status == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        snprintf(text, size, "%s", value ? value : "");
    }
    sqlite3_finalize(statement);
    return status == SQLITE_ROW || status == SQLITE_DONE ? SQLITE_OK : status;
}

static void take_dates(struct look *look, int64_t *latest)
{
    for (size_t i = 0; i < 4 && look->kind->dates[i]; i++) {
        char text[32];
        if (first_row(look, look->kind->dates[i], text, sizeof text) != SQLITE_OK)
            continue;
        long long date = strtoll(text, NULL, 10);
        if (date > *latest)
            *latest = date;
    }
}

static void tell_failure(const struct look *look, int status)
{
    static const char again[] = "tidemark ls, then tidemark doctor again";
    const struct kind *kind = look->kind;
    switch (status & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        tell_damage(look, "damaged");
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        checkup_note(look->checkup, kind->file, "tidemark doctor, again later",
                     "%s is held by another process", look->path);
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        checkup_note(look->checkup, kind->file, again,
                     "%s has a log beside it that a process left when it was ended: the next one"
                     " that opens it takes the log in",
                     look->path);
        break;
    default:
        checkup_problem(look->checkup, kind->file, ERROR_STORE, again, "%s cannot be read: %s",
                        look->path,
                        look->handle ? sqlite3_errmsg(look->handle) : sqlite3_errstr(status));
    }
}

static void tell_contents(const struct look *look, const char *check, int64_t version)
{
    struct stat facts = {0};
    double mebibytes = stat(look->path, &facts) == 0 ? (double)facts.st_size / (1 << 20) : 0;
    if (strcmp(check, "ok") != 0)
        tell_damage(look, check);
    else if (version == 0)
        checkup_ok(look->checkup, look->kind->file, "begun: the next `tidemark read` fills it");
    else if (version < look->kind->schema)
        checkup_note(look->checkup, look->kind->file, "tidemark ls",
                     "%s is sound, but of an earlier tidemark (layout %lld): the next command that"
                     " opens it brings it to layout %lld and keeps a copy beside it",
                     look->path, (long long)version, (long long)look->kind->schema);
    else
        checkup_ok(look->checkup, look->kind->file, "sound, layout %lld, %.1f MiB",
                   (long long)version, mebibytes);
}

/* Of one moment: the version, the pages and the dates. */
static int look_at_contents(struct look *look, char *check, size_t size, int64_t *version,
                            int64_t *latest)
{
    char number[32];
    int status = sqlite3_exec(look->handle, "BEGIN", NULL, NULL, NULL);
    if (status == SQLITE_OK)
        status = first_row(look, "PRAGMA user_version", number, sizeof number);
    if (status == SQLITE_OK) {
        *version = strtoll(number, NULL, 10);
        status = first_row(look, "PRAGMA quick_check(1)", check, size);
        /* A page that it has no memory for SQLite may call damaged. */
        if (status == SQLITE_OK && strcmp(check, "ok") != 0)
            status = first_row(look, "PRAGMA quick_check(1)", check, size);
    }
    if (status == SQLITE_OK)
        take_dates(look, latest);
    return status;
}

static bool same_version(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A process that opened the database after it was found alone may have changed it
 * under the look: then it was the look that was wrong, and a second one finds the log. */
static void look_inside(struct look *look, int64_t *latest)
{
    char check[512];
    int64_t version = 0;
    int status = SQLITE_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        struct stat before = {0}, after = {0};
        bool known = stat(look->path, &before) == 0;
        status = look_open(look);
        if (status == SQLITE_OK)
            status = look_at_contents(look, check, sizeof check, &version, latest);
        bool still = known && stat(look->path, &after) == 0 && same_version(&before, &after);
        if (still || attempt > 0)
            break;
        look_close(look);
    }
    if (status != SQLITE_OK)
        tell_failure(look, status);
    else
        tell_contents(look, check, version);
    look_close(look);
}

void checkup_look_into(struct checkup *checkup, const char *folder, enum checkup_database which,
                       int64_t *latest)
{
    struct look look = {.checkup = checkup, .kind = &kinds[which]};
    struct buffer path = {0};
    struct stat facts;
    if (!buffer_append_format(&path, NULL, "%s/%s", folder, look.kind->file)) {
        checkup->out_of_memory = true;
        return;
    }
    look.path = realpath(path.data, NULL);
    if (!look.path && (errno == ENOENT || errno == ENOTDIR))
        checkup_ok(checkup, look.kind->file, "not there yet: the first `tidemark read` makes it");
    else if (!look.path || stat(look.path, &facts) != 0)
        checkup_problem(checkup, look.kind->file, ERROR_STORE,
                        "Give yourself the right to read and write it", "%s: %s", path.data,
                        strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        tell_damage(&look, "not a regular file");
    else if (access(look.path, R_OK | W_OK) != 0)
        checkup_problem(checkup, look.kind->file, ERROR_STORE, "chmod u+rw on the file", "%s: %s",
                        look.path, strerror(errno));
    else if (check_header(&look))
        look_inside(&look, latest);
    free(look.path);
    buffer_free(&path);
}
