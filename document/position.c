#include "document/position.h"

#include <assert.h>
#include <stdlib.h>

enum { HEAD_UNEQUAL = 1, HEAD_MOVED = 2, HEAD_SHIFT = 2, LINES_TURNED = 1 };

struct run {
    uint64_t normalized, source;
    struct position at;
};

struct position_map {
    struct buffer closed;      /* encoded runs */
    struct run open;           /* the last run, which may still grow; normalized 0: none */
    struct position open_from; /* what it is encoded against */
};

static const struct position beginning = {.byte = 0, .line = 1, .page = 1};

struct position_map *position_map_new(void)
{
    struct position_map *map = calloc(1, sizeof *map);
    if (map)
        map->open_from = beginning;
    return map;
}

void position_map_free(struct position_map *map)
{
    if (!map)
        return;
    buffer_free(&map->closed);
    free(map);
}

void position_map_reset(struct position_map *map)
{
    buffer_clear(&map->closed);
    map->open = (struct run){0};
    map->open_from = beginning;
}

static bool encode_run(struct buffer *out, const struct run *run, const struct position *from,
                       struct error *error)
{
    bool unequal = run->source != run->normalized;
    bool turned = run->at.page != from->page;
    bool moved = run->at.byte != from->byte || run->at.line != from->line || turned;
    uint64_t head =
        run->normalized << HEAD_SHIFT | (moved ? HEAD_MOVED : 0u) | (unequal ? HEAD_UNEQUAL : 0u);
    if (!buffer_append_varint(out, head, error))
        return false;
    if (unequal && !buffer_append_varint(out, run->source, error))
        return false;
    if (!moved)
        return true;
    uint64_t lines = (run->at.line - from->line) << 1 | (turned ? LINES_TURNED : 0u);
    return buffer_append_varint(out, run->at.byte - from->byte, error) &&
           buffer_append_varint(out, lines, error) &&
           (!turned || buffer_append_varint(out, run->at.page - from->page, error));
}

static struct position end_of(const struct run *run)
{
    struct position end = run->at;
    end.byte += run->source;
    return end;
}

bool position_map_add(struct position_map *map, size_t normalized, size_t source,
                      struct position at, struct error *error)
{
    struct run *open = &map->open;
    struct position end = open->normalized ? end_of(open) : map->open_from;
    assert(at.byte >= end.byte && at.line >= end.line && at.page >= end.page);
    if (normalized == 0)
        return true;
    bool continues = open->normalized > 0 && normalized == source &&
                     open->normalized == open->source && at.byte == end.byte &&
                     at.line == end.line && at.page == end.page;
    if (continues) {
        open->normalized += normalized;
        open->source += source;
        return true;
    }
    if (open->normalized > 0 && !encode_run(&map->closed, open, &map->open_from, error))
        return false;
    *open = (struct run){normalized, source, at};
    map->open_from = end;
    return true;
}

bool position_map_place(struct position_map *map, const struct position_place *place,
                        struct error *error)
{
    size_t size = place->size < POSITION_NAME_MOST ? place->size : POSITION_NAME_MOST;
    assert(place->unit != POSITION_LINE);
    if (map->open.normalized > 0) {
        if (!encode_run(&map->closed, &map->open, &map->open_from, error))
            return false;
        map->open_from = end_of(&map->open);
        map->open.normalized = 0;
    }
    return buffer_append_varint(&map->closed, 0, error) &&
           buffer_append_varint(&map->closed, place->unit, error) &&
           buffer_append_varint(&map->closed, size, error) &&
           buffer_append(&map->closed, place->name, size, error);
}

bool position_map_encode(const struct position_map *map, struct buffer *out, struct error *error)
{
    if (!buffer_append(out, map->closed.data, map->closed.size, error))
        return false;
    return map->open.normalized == 0 || encode_run(out, &map->open, &map->open_from, error);
}

struct cursor {
    const unsigned char *at, *end;
};

static bool read_number(uint64_t *value, struct cursor *cursor)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && cursor->at < cursor->end; shift += 7) {
        unsigned char byte = *cursor->at++;
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool advance(uint64_t *value, uint64_t by)
{
    if (by > UINT64_MAX - *value)
        return false;
    *value += by;
    return true;
}

/* Of a place whose head was read. */
static bool read_place(struct position_place *place, struct cursor *cursor)
{
    uint64_t unit, size;
    if (!read_number(&unit, cursor) || unit == POSITION_LINE || unit > POSITION_FILE ||
        !read_number(&size, cursor) || size > POSITION_NAME_MOST ||
        size > (size_t)(cursor->end - cursor->at))
        return false;
    *place = (struct position_place){(enum position_unit)unit, (const char *)cursor->at, size};
    cursor->at += size;
    return true;
}

/* Reads a run that is encoded against the end of *run, and leaves it there, with the
 * places before it. */
static bool read_run(struct run *run, struct position_place *place, struct cursor *cursor)
{
    uint64_t head, gap, lines, pages;
    struct position at = run->at;
    if (!read_number(&head, cursor) || !advance(&at.byte, run->source))
        return false;
    while (head == 0)
        if (!read_place(place, cursor) || !read_number(&head, cursor))
            return false;
    run->normalized = head >> HEAD_SHIFT;
    run->source = run->normalized;
    if (run->normalized == 0)
        return false;
    if ((head & HEAD_UNEQUAL) && !read_number(&run->source, cursor))
        return false;
    if (head & HEAD_MOVED) {
        if (!read_number(&gap, cursor) || !read_number(&lines, cursor))
            return false;
        if (!advance(&at.byte, gap) || !advance(&at.line, lines >> 1))
            return false;
        if ((lines & LINES_TURNED) && (!read_number(&pages, cursor) || !advance(&at.page, pages)))
            return false;
    }
    run->at = at;
    return run->source <= UINT64_MAX - at.byte;
}

bool position_find(struct position *position, const void *encoded, size_t size, size_t offset,
                   struct error *error)
{
    struct position_place place;
    return position_find_place(position, &place, encoded, size, offset, error);
}

bool position_find_place(struct position *position, struct position_place *place,
                         const void *encoded, size_t size, size_t offset, struct error *error)
{
    struct cursor cursor = {encoded, encoded};
    if (size > 0)
        cursor.end += size;
    struct run run = {.at = beginning};
    uint64_t left = offset;
    *place = (struct position_place){.unit = POSITION_LINE};
    do {
        if (!read_run(&run, place, &cursor))
            return error_set(error, ERROR_STORE,
                             "a stored position map is broken: read the document again");
        if (left < run.normalized) {
            *position = run.at;
            if (run.source == run.normalized)
                position->byte += left;
            return true;
        }
        left -= run.normalized;
    } while (cursor.at < cursor.end);
    *position = end_of(&run);
    return true;
}
