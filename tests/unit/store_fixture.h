/* store_fixture.h: what the tests of the store share: a folder that goes away, files as
 * bytes, and databases behind the back of the store. */
#ifndef TIDEMARK_TESTS_STORE_FIXTURE_H
#define TIDEMARK_TESTS_STORE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/hash.h"

#define FIXTURE_FOLDER_SIZE 512
#define FIXTURE_PATH_SIZE 560

/* A small generator of our own, so that a seed means the same everywhere. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* False when it cannot be made. */
static inline bool make_folder(char folder[FIXTURE_FOLDER_SIZE])
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, FIXTURE_FOLDER_SIZE, "%s/tidemark-store-XXXXXX",
             parent && *parent ? parent : "/tmp");
    return mkdtemp(folder) != NULL;
}

/* With the files in it; a status as of rmdir. */
static inline int remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    return rmdir(path);
}

static inline void assert_mode(const char *folder, const char *name, mode_t mode)
{
    char path[FIXTURE_PATH_SIZE + 200];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (stat(path, &status) != 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(status.st_mode & 0777, mode);
}

/* Removes what SQLite leaves beside a database. */
static inline void remove_log(const char *path)
{
    static const char *const ends[] = {"-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char beside[FIXTURE_PATH_SIZE + 16];
        snprintf(beside, sizeof beside, "%s%s", path, ends[i]);
        unlink(beside);
    }
}

static inline void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The whole file; *size bytes, to be freed. */
static inline unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static inline void copy_file(const char *from, const char *to)
{
    size_t size;
    unsigned char *bytes = read_file(from, &size);
    write_file(to, bytes, size);
    free(bytes);
}

/* How many files are in a folder. */
static inline int count_files(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Runs SQL on a database. */
static inline void tamper(const char *path, const char *sql)
{
    sqlite3 *handle;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    if (sqlite3_exec(handle, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(handle), SQLITE_OK);
}

static inline int64_t ask_number(const char *path, const char *sql)
{
    sqlite3 *handle;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return number;
}

/* The layout as it is written in the file, FTS5's own tables left out. What was once
 * released under a version must stay as it was, to the letter: files that were made
 * with other words are refused. */
static inline void assert_layout(const char *path, const char *expected_hex)
{
    sqlite3 *handle;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    static const char sql[] =
        "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema"
        " WHERE substr(name, 1, 7) <> 'search_' AND sql IS NOT NULL ORDER BY name)";
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    assert_non_null(text);
    struct hash hash = hash_of(text, strlen(text));
    char hex[HASH_HEX_SIZE];
    hash_to_hex(hex, &hash);
    assert_string_equal(hex, expected_hex);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
}

static inline void assert_sound(const char *path)
{
    assert_int_equal(ask_number(path, "SELECT count(*) FROM pragma_integrity_check"
                                      " WHERE integrity_check <> 'ok'"),
                     0);
    assert_int_equal(ask_number(path, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

/* Has a child work from number `first` on until it is killed, so many microseconds
 * later. The child writes each number to its end of the pipe once it is done; one more
 * than the last of them is returned. */
typedef void fixture_work(const char *folder, int pipe_end, int64_t first);

static inline int64_t kill_at_work(fixture_work *work, const char *folder, int64_t first,
                                   uint64_t microseconds)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        work(folder, ends[1], first);
        _exit(1);
    }
    close(ends[1]);
    usleep((useconds_t)microseconds);
    kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    for (int64_t number; read(ends[0], &number, sizeof number) == sizeof number;)
        first = number + 1;
    close(ends[0]);
    return first;
}

#endif
