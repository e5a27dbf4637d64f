/* stream.h: writes a planned file.
 *
 * Memory does not grow with the model: every thread of the pool reads a stretch of rows,
 * changes and quantizes it, and writes it to its place. The file grows under PATH.part,
 * which only this process may write, gets its first four bytes once all the rest is on
 * the disk, and then its name: a program that is killed leaves nothing that another takes
 * for a model, and a later run takes the place of what it left. On failure the part is
 * removed. */
#ifndef TIDEMARK_CONVERT_STREAM_H
#define TIDEMARK_CONVERT_STREAM_H

#include "base/pool.h"
#include "convert/plan.h"

struct stream_options {
    bool replace; /* a file that is there already; without it that is an error */
    struct pool *pool;
    /* Called now and then on the calling thread with the bytes read; may be NULL. */
    void (*report)(void *context, uint64_t done, uint64_t all);
    void *context;
};

/* ERROR_INPUT when the file is there already or cannot be made, ERROR_SYSTEM when it
 * cannot be written, ERROR_MODEL when the source cannot be read or holds what is no
 * number, ERROR_INTERRUPTED when the pool was cancelled. */
bool stream_write(const struct plan *plan, const char *path, const struct stream_options *options,
                  struct error *error) WARN_UNUSED;

/* Fails as stream_write would when a file of this name is there; for before the work. */
bool stream_may_write(const char *path, bool replace, struct error *error) WARN_UNUSED;

#endif
