#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t nanoseconds(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct file_identity identity_of(const struct stat *status)
{
    return (struct file_identity){
        .device = (uint64_t)status->st_dev,
        .inode = (uint64_t)status->st_ino,
        .size = (uint64_t)status->st_size,
        .modified_ns = nanoseconds(status->st_mtim),
        .changed_ns = nanoseconds(status->st_ctim),
    };
}

static bool map_descriptor(struct file_map *map, int descriptor, const char *path,
                           enum error_kind kind, struct error *error)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return error_set(error, kind, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, kind, "%s is not a regular file: name a file%s", path,
                         S_ISDIR(status.st_mode) ? ", not a folder" : "");
    if (status.st_size == 0)
        return error_set(error, kind, "%s is empty: get it again", path);
    size_t size = (size_t)status.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED)
        return error_set(error, kind, "cannot map %s: %s", path, strerror(errno));
    map->data = data;
    map->size = size;
    map->identity = identity_of(&status);
    return true;
}

bool file_map_open(struct file_map *map, const char *path, enum error_kind kind,
                   struct error *error)
{
    *map = (struct file_map){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set(error, kind, "cannot open %s: %s", path, strerror(errno));
    bool ok = map_descriptor(map, descriptor, path, kind, error);
    close(descriptor);
    return ok;
}

void file_map_close(struct file_map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct file_map){0};
}

bool file_identify(struct file_identity *identity, const char *path, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return error_set(error, ERROR_INPUT, "cannot look at %s: %s", path, strerror(errno));
    *identity = identity_of(&status);
    return true;
}

bool file_make_folders(const char *path, struct error *error)
{
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part)
        return error_set(error, ERROR_STORE, "the path %.80s... is too long", path);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return error_set(error, ERROR_STORE, "cannot create the folder %s: %s%s", part,
                             strerror(errno),
                             errno == ENOTDIR ? " (a file is in its way): choose another" : "");
        part[i] = kept;
    }
    return true;
}

bool file_write(int descriptor, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(descriptor, bytes, size);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
    return true;
}

bool file_write_new(const char *path, const char *bytes, size_t size, struct error *error)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return error_set(error, ERROR_INPUT, "cannot create %s: %s", path, strerror(errno));
    int failure = file_write(file, bytes, size) ? 0 : errno;
    if (close(file) != 0 && failure == 0)
        failure = errno;
    if (failure == 0)
        return true;
    unlink(path);
    return error_set(error, ERROR_SYSTEM, "cannot write %s: %s", path, strerror(failure));
}
