/* position.h: where a piece of normalized text came from.
 *
 * A position map belongs to one section. It lists runs of the section's
 * normalized text with what each was in the source file, so that any offset can
 * be traced to a source byte, a line and a page. Encoded as bytes that the store
 * keeps unread; docs/FORMAT.md, "Position map", gives the encoding:
 *
 * The map is its runs, one after the other, to its last byte; there is no header
 * and no count. All numbers are unsigned LEB128 of at most 64 bits. A run is
 *
 *     head      normalized << 2 | moved << 1 | unequal     normalized > 0
 *     source    only if unequal: bytes of the file that the run stands for
 *     gap       only if moved: bytes of the file skipped before the run
 *     lines     only if moved: lines passed << 1 | turned
 *     pages     only if turned: pages passed
 *
 * A head of 0 begins no run, but says where what follows stands, until the next such:
 *
 *     0
 *     unit      enum position_unit, from 1
 *     size      bytes of the name, at most POSITION_NAME_MOST
 *     name      of the page, empty when it is the page's number; of the file
 *
 * Without `unequal`, source = normalized and the run is byte for byte; with it,
 * every normalized byte stands for the run's first source byte. Gap, lines and
 * pages count from the run before: the gap from its end, the others from its own
 * values. The first run counts from byte 0, line 1, page 1. So a line of ordinary
 * text costs four or five bytes. Runs that continue each other are one run. */
#ifndef TIDEMARK_DOCUMENT_POSITION_H
#define TIDEMARK_DOCUMENT_POSITION_H

#include "base/buffer.h"

#include <stdint.h>

struct position {
    uint64_t byte; /* offset in the source file, from 0 */
    uint64_t line; /* from 1 */
    uint64_t page; /* from 1; form feeds turn pages */
};

/* What a position's page counts. */
enum position_unit {
    POSITION_LINE, /* pages of a text, turned by form feeds; there are lines on them */
    POSITION_PAGE, /* pages of a PDF */
    POSITION_FILE, /* files of a book */
};

#define POSITION_NAME_MOST 255

struct position_place {
    enum position_unit unit;
    const char *name; /* [size], within the map; no NUL behind it */
    size_t size;
};

struct position_map; /* building one */

struct position_map *position_map_new(void); /* NULL when out of memory */
void position_map_free(struct position_map *map);

/* Begins anew with nothing in the map. */
void position_map_reset(struct position_map *map);

/* The next `normalized` bytes of the section stand for `source` bytes that begin
 * at `at`. Equal lengths mean byte for byte; else every normalized byte of the
 * run stands for the run's beginning. */
bool position_map_add(struct position_map *map, size_t normalized, size_t source,
                      struct position at, struct error *error) WARN_UNUSED;

/* What is added from here on stands in another place: the page or file that `at.page`
 * numbers. Names longer than POSITION_NAME_MOST are cut. */
bool position_map_place(struct position_map *map, const struct position_place *place,
                        struct error *error) WARN_UNUSED;

/* Appends the encoded map. */
bool position_map_encode(const struct position_map *map, struct buffer *out,
                         struct error *error) WARN_UNUSED;

/* Finds the source of a normalized offset in an encoded map, which may be
 * hostile: false with ERROR_STORE when it is broken. An offset at or beyond the
 * end gives the end of the last run. */
bool position_find(struct position *position, const void *encoded, size_t size, size_t offset,
                   struct error *error) WARN_UNUSED;

/* As position_find, with the place that the offset stands in. */
bool position_find_place(struct position *position, struct position_place *place,
                         const void *encoded, size_t size, size_t offset,
                         struct error *error) WARN_UNUSED;

#endif
