#include "tests/faults/cut.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A change that was not synced yet. */
struct change {
    char *path;
    off_t offset;
    off_t size_before, size_after; /* of the file */
    void *before, *after;          /* bytes from `offset` on */
    size_t before_size, after_size;
    struct change *older;
};

static struct change *newest;

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

static void free_change(struct change *change)
{
    free(change->path);
    free(change->before);
    free(change->after);
    free(change);
}

/* Files that were opened for reading. They stay open: closing any descriptor of a file
 * would drop the locks that the process holds on it. */
struct reader {
    dev_t device;
    ino_t inode;
    int descriptor;
    struct reader *next;
};

static struct reader *readers;

static int reader_of(const char *path, struct stat *status)
{
    if (stat(path, status) != 0)
        abort();
    for (const struct reader *reader = readers; reader; reader = reader->next)
        if (reader->device == status->st_dev && reader->inode == status->st_ino)
            return reader->descriptor;
    struct reader *reader = malloc(sizeof *reader);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (!reader || descriptor < 0)
        abort();
    *reader = (struct reader){status->st_dev, status->st_ino, descriptor, readers};
    readers = reader;
    return descriptor;
}

/* Fills in what is there before; `end` of what the change touches. */
static struct change *note(const char *path, off_t offset, off_t end)
{
    struct change *change = calloc(1, sizeof *change);
    struct stat status;
    int descriptor = reader_of(path, &status);
    if (!change)
        abort();
    if (end > status.st_size)
        end = status.st_size;
    change->path = copy_of(path, strlen(path) + 1);
    change->offset = offset;
    change->size_before = change->size_after = status.st_size;
    change->before_size = end > offset ? (size_t)(end - offset) : 0;
    change->before = copy_of("", 0);
    if (change->before_size) {
        free(change->before);
        change->before = malloc(change->before_size);
        if (!change->before || pread(descriptor, change->before, change->before_size, offset) !=
                                   (ssize_t)change->before_size)
            abort();
    }
    change->older = newest;
    newest = change;
    return change;
}

void cut_write(const char *path, off_t offset, const void *bytes, size_t size)
{
    struct change *change = note(path, offset, offset + (off_t)size);
    change->after = copy_of(bytes, size);
    change->after_size = size;
    if (offset + (off_t)size > change->size_after)
        change->size_after = offset + (off_t)size;
}

void cut_truncate(const char *path, off_t size)
{
    struct stat status;
    off_t end = stat(path, &status) == 0 ? status.st_size : 0;
    struct change *change = note(path, size, end);
    change->after = copy_of("", 0);
    change->size_after = size;
}

void cut_sync(const char *path)
{
    for (struct change **link = &newest; *link;) {
        struct change *change = *link;
        if (strcmp(change->path, path) == 0) {
            *link = change->older;
            free_change(change);
        } else {
            link = &change->older;
        }
    }
}

void cut_rename(const char *path, const char *to)
{
    for (struct change *change = newest; change; change = change->older)
        if (strcmp(change->path, path) == 0) {
            free(change->path);
            change->path = copy_of(to, strlen(to) + 1);
        }
}

/* A file that has no name any more is lost with its changes. */
static void put(const char *path, off_t offset, const void *bytes, size_t size, off_t file_size)
{
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return;
    if ((size && pwrite(descriptor, bytes, size, offset) != (ssize_t)size) ||
        ftruncate(descriptor, file_size) != 0)
        abort();
    close(descriptor);
}

static uint64_t next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random >> 33;
}

/* A write that survives the one before it may leave a hole there: the file is only ever
 * made larger by it. */
static void make_again(const struct change *change)
{
    struct stat status;
    off_t size = change->size_after;
    if (change->after_size && stat(change->path, &status) == 0 && status.st_size > size)
        size = status.st_size;
    put(change->path, change->offset, change->after, change->after_size, size);
}

void cut_power(uint64_t seed)
{
    struct change *oldest = NULL;
    while (newest) {
        struct change *change = newest;
        put(change->path, change->offset, change->before, change->before_size, change->size_before);
        newest = change->older;
        change->older = oldest; /* from here on: the one after it */
        oldest = change;
    }
    uint64_t random = seed * 0x9E3779B97F4A7C15u;
    for (const struct change *change = oldest; change; change = change->older)
        if (seed && next(&random) & 1)
            make_again(change);
}
