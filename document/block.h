/* block.h: a file as headings and paragraphs, each as it will stand in a section.
 *
 * A line too long to hold is given as several blocks. Fenced code is given line
 * by line. Empty lines are not given; a block says whether some stood before it. */
#ifndef TIDEMARK_DOCUMENT_BLOCK_H
#define TIDEMARK_DOCUMENT_BLOCK_H

#include "document/source.h"

#include <stdatomic.h>

struct block_reader;

struct block {
    struct trace text; /* ends in a line end, unless the next block goes on with its line */
    bool heading;
    unsigned level;
    struct buffer title;    /* of the last heading; blanks in it are single spaces */
    struct position begin;  /* of the first line */
    bool gap;               /* empty lines stand before it */
    struct position gap_at; /* the line end of the first of them */
};

/* The source stays the caller's, and `name`, the document's, for errors; raising *cancel
 * (NULL: none) ends the waiting for md4c. NULL when out of memory. */
struct block_reader *block_reader_new(struct source *source, const char *name,
                                      const atomic_bool *cancel);
void block_reader_free(struct block_reader *reader);

/* False at the end (ERROR_NONE) and on failure. A zeroed block is ready for use. */
bool block_next(struct block_reader *reader, struct block *block, struct error *error) WARN_UNUSED;
void block_free(struct block *block);

/* Appends text with every run of blanks as one space, none at its ends. */
bool block_append_title(struct buffer *title, const char *text, size_t size,
                        struct error *error) WARN_UNUSED;

#endif
