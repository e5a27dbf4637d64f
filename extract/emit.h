/* emit.h: headings, paragraphs, list items, rows and code on their way to tidemark.
 *
 *     emit_start(EMIT_PARAGRAPH, 0);
 *     emit_text("some ", 5);
 *     emit_text("words", 5);
 *     emit_finish();
 *     emit_end();                // the last call; it does not return
 *
 * One block is open at a time; starting another finishes it. Outside EMIT_CODE, runs of
 * blanks become one, and blanks at the ends go. Text is repaired UTF-8: what is broken,
 * or a control character, becomes U+FFFD; soft hyphens and byte order marks go. A block
 * without text is not sent. Long ones are sent in pieces, so memory does not grow.
 *
 * The process ends in emit_end or emit_fail: nothing here returns an error. */
#ifndef TIDEMARK_EXTRACT_EMIT_H
#define TIDEMARK_EXTRACT_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum emit_kind {
    EMIT_PARAGRAPH,
    EMIT_HEADING, /* level from 1 */
    EMIT_ROW,     /* cells with emit_cell before each */
    EMIT_CODE,    /* blanks and line ends stay */
};

enum emit_unit { EMIT_NO_UNIT, EMIT_PAGE, EMIT_FILE }; /* as enum position_unit */

struct emit_limits {
    uint64_t text;     /* bytes in all */
    uint64_t headings; /* in all */
};

/* Before anything else. The stream goes to descriptor 1. */
void emit_begin(const struct emit_limits *limits);

/* From here on: page `number`, called `label` unless that is empty; or file `number` of a
 * book. A block may be open, and goes on. EMIT_NO_UNIT: `label` is what the document is. */
void emit_place(enum emit_unit unit, uint64_t number, const char *label, size_t size);

/* The line or paragraph of the source that comes now; a smaller one than before counts
 * as that. */
void emit_line(uint64_t line);

void emit_start(enum emit_kind kind, unsigned level);

/* What stands before the first word of the open block, when there is one, and how far
 * its other lines are indented. */
void emit_prefix(const char *prefix);

/* No empty line between this block and the one before. */
void emit_tight(void);

void emit_text(const char *text, size_t size);
void emit_break(void); /* a line end that stays */
void emit_cell(void);  /* before each cell of a row, the first as well */
void emit_finish(void);

bool emit_is_open(void);
bool emit_is_blank(void); /* no block is open, or there is nothing in it yet */
enum emit_kind emit_open_kind(void);
uint64_t emit_blocks(void); /* sent so far */

/* The document is whole. */
_Noreturn void emit_end(void);

/* The document cannot be read; `format` says why, as the rest of a sentence that begins
 * with its name. */
_Noreturn void emit_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for want of memory, of which there is as much as the sandbox lets have. */
_Noreturn void emit_no_memory(void);

#endif
