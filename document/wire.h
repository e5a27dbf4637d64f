/* wire.h: what the programs that take documents apart (extract/) say to tidemark.
 *
 * The stream begins with WIRE_MAGIC; frames follow, each a head of WIRE_HEAD bytes
 *
 *     kind     1   enum wire_kind
 *     level    1   of a heading, from 1; the unit of a place (enum position_unit)
 *     flags    1   WIRE_CONTINUES, WIRE_TIGHT
 *     zero     1
 *     size     4   bytes that follow the head, at most WIRE_PAYLOAD
 *     number   8   of the line or paragraph in the source, the page or file, or the frames
 *
 * and its bytes, numbers little-endian. The last frame is WIRE_END, which counts those
 * before it, or WIRE_FAILED, whose bytes are what the user should read. Nothing that
 * comes through is trusted: whoever reads it checks all of it (extraction.c). */
#ifndef TIDEMARK_DOCUMENT_WIRE_H
#define TIDEMARK_DOCUMENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAGIC "TMWIRE1\n"
#define WIRE_MAGIC_SIZE 8
#define WIRE_HEAD 16
#define WIRE_PAYLOAD 65536
#define WIRE_LEVEL_MOST 32
#define WIRE_LABEL_MOST 255   /* bytes of a place's name */
#define WIRE_FAILURE_MOST 400 /* bytes of what went wrong */

enum wire_kind {
    WIRE_HEADING = 1,
    WIRE_TEXT, /* paragraphs, list items, code, notes: as they are to stand */
    WIRE_ROW,  /* of a table: no empty line between rows */
    WIRE_PLACE,
    WIRE_END,
    WIRE_FAILED,
};

enum {
    WIRE_CONTINUES = 1, /* the block goes on in the next frame */
    WIRE_TIGHT = 2,     /* no empty line before it */
};

struct wire_frame {
    enum wire_kind kind;
    unsigned level, flags;
    uint32_t size;
    uint64_t number;
    const char *bytes; /* [size], within what was parsed */
};

enum wire_status { WIRE_COMPLETE, WIRE_MORE, WIRE_BROKEN };

/* Takes a frame apart that begins at bytes[0]. WIRE_MORE: it does not end within `size`. */
enum wire_status wire_parse(struct wire_frame *frame, const char *bytes, size_t size);

void wire_head(unsigned char head[WIRE_HEAD], const struct wire_frame *frame);

#endif
