/* source.h: the bytes of a file, in whatever encoding, as lines of repaired UTF-8.
 *
 *     struct source *source = source_open(path, NULL, 0, NULL, &error);
 *     while (source_next(source, &line, &error)) ...
 *     source_close(source);
 *
 * LF, CR LF, CR and form feed end a line; a form feed turns the page, and does
 * not count as a line end in line numbers, so that these are those of an editor.
 * Soft hyphens, byte order marks and blanks at a line's end are dropped. Each
 * broken sequence (one "maximal subpart") and each NUL becomes one U+FFFD.
 * A line longer than SOURCE_PIECE bytes comes in pieces; a piece that is not the
 * last of its line never ends in a blank, and a run of blanks that alone would
 * fill a piece is cut down to its first.
 *
 * The encoding is found at the file's beginning (encoding.h). UTF-8 is taken as it
 * is; other encodings come through a decoder (decoder.h) character by character, so
 * that lines are made of the same characters by the same rules. Their spans are of
 * unequal lengths where a character's bytes in the file are more or fewer than its
 * bytes in UTF-8. */
#ifndef TIDEMARK_DOCUMENT_SOURCE_H
#define TIDEMARK_DOCUMENT_SOURCE_H

#include "base/hash.h"
#include "document/encoding.h"
#include "document/format.h"
#include "document/trace.h"

#include <stdatomic.h>

#define SOURCE_PIECE 65536

struct source;

struct source_line {
    struct trace text;      /* without line end; the caller's, freed with trace_free */
    struct position at;     /* of the piece's first byte */
    struct position stop;   /* of the byte that ended the line: the LF of CR LF */
    bool last;              /* this piece ends its line; the fields below are of that end */
    bool ended;             /* by a line end, not by the file's end */
    bool feed;              /* by a form feed */
    bool soft_hyphen;       /* one was the line's last character */
    size_t trailing_spaces; /* dropped at the line's end */
};

struct source_facts {
    uint64_t bytes;   /* taken so far */
    uint64_t lines;   /* given so far */
    uint64_t pages;   /* the last with text on it */
    uint64_t invalid; /* bytes that became U+FFFD */
};

/* `path` and `encoding` are those of document_open; `path` stays the caller's as long
 * as the source. `block` is how many bytes are read at a time: 0 for the usual, other
 * values for tests, since the lines must not depend on it. `cancel` may be NULL: raised,
 * it ends the waiting for standard input. NULL on failure. */
struct source *source_open(const char *path, const char *encoding, size_t block,
                           const atomic_bool *cancel, struct error *error);

/* The next line or piece. False at the end (ERROR_NONE) and on failure. */
bool source_next(struct source *source, struct source_line *line, struct error *error) WARN_UNUSED;

/* Valid as long as the source. */
const struct encoding *source_encoding(const struct source *source);

/* What the file is. Only FORMAT_TEXT has lines: source_next must not be called for
 * another. Of HTML the encoding is known. */
enum format source_format(const struct source *source);

/* A descriptor of the whole file, at its beginning; it stays the source's. Standard input
 * that cannot be sought in is copied into a file without a name first. For every format
 * but text. */
bool source_whole(struct source *source, int *descriptor, struct error *error) WARN_UNUSED;

/* Once all of a file that is no text was taken: its hash and size are known then. False
 * with ERROR_INPUT when it was written to meanwhile. */
bool source_end_whole(struct source *source, struct error *error) WARN_UNUSED;

struct source_facts source_facts(const struct source *source);

/* Of all the file's bytes, once source_next has come to the end. */
struct hash source_hash(const struct source *source);
void source_close(struct source *source);

#endif
