/* file.h: files that are mapped or created. */
#ifndef TIDEMARK_BASE_FILE_H
#define TIDEMARK_BASE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/* What tells one version of a file from another without reading it. */
struct file_identity {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns; /* mtime and ctime, nanoseconds since 1970 */
};

/* A whole file mapped read-only. A file that shrinks while mapped raises
 * SIGBUS: only for files that the user keeps still, such as a model. */
struct file_map {
    const unsigned char *data;
    size_t size;
    struct file_identity identity;
};

/* An empty file, a directory or a file that cannot be read fails with `kind`. */
bool file_map_open(struct file_map *map, const char *path, enum error_kind kind,
                   struct error *error) WARN_UNUSED;
void file_map_close(struct file_map *map);

bool file_identify(struct file_identity *identity, const char *path,
                   struct error *error) WARN_UNUSED;

/* Creates every missing folder of the path with mode 0700. */
bool file_make_folders(const char *path, struct error *error) WARN_UNUSED;

/* Writes all bytes to a descriptor, however many calls it takes; false with errno. */
bool file_write(int descriptor, const char *bytes, size_t size);

/* Makes a new file of mode 0600 with these bytes. ERROR_INPUT when it cannot be made or is
 * there already, ERROR_SYSTEM when it cannot be written; nothing is left of it then. */
bool file_write_new(const char *path, const char *bytes, size_t size,
                    struct error *error) WARN_UNUSED;

#endif
