/* cut.h: what the disk holds after a power cut: what was synced, and of the writes since
 * then any, in the file's order or not.
 *
 *     cut_write(path, offset, bytes, size);   before a write is made
 *     cut_truncate(path, size);               before a file is cut or grown to `size`
 *     cut_sync(path);                         after a sync has succeeded
 *     cut_rename(path, to);                   after that
 *     cut_power(seed);                        makes the files so
 *
 * Names are on the disk at once. Not for two threads at a time; memory that is lacking
 * ends the process. */
#ifndef TIDEMARK_FAULTS_CUT_H
#define TIDEMARK_FAULTS_CUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void cut_write(const char *path, off_t offset, const void *bytes, size_t size);
void cut_truncate(const char *path, off_t size);
void cut_sync(const char *path);
void cut_rename(const char *path, const char *to);

/* Takes back all changes that were not synced, then makes some of them once more, by
 * chance; seed 0: none. */
void cut_power(uint64_t seed);

#endif
