/* archive.h: a ZIP archive on standard input, within limits.
 *
 * What it holds may be larger than it by ARCHIVE_RATIO, and ARCHIVE_FREE besides; its
 * entries may not lie over each other. Whatever is against that, and an entry that is
 * encrypted or broken, ends the process with a line of its own (emit_fail). */
#ifndef TIDEMARK_EXTRACT_ARCHIVE_H
#define TIDEMARK_EXTRACT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARCHIVE_RATIO 200
#define ARCHIVE_FREE (UINT64_C(16) << 20)
#define ARCHIVE_ENTRIES_MOST 65536
#define ARCHIVE_ENTRY_MOST ((size_t)64 << 20) /* of one that is held as a whole */

void archive_open(int descriptor);
bool archive_has(const char *name);

/* The whole entry, NUL behind it; NULL when there is none. The caller frees it. */
char *archive_read(const char *name, size_t *size);

/* Calls take with piece after piece of an entry that is there. */
void archive_each_piece(const char *name,
                        void (*take)(void *context, const char *bytes, size_t size), void *context);

/* Bytes of the archive. */
uint64_t archive_size(void);

#endif
