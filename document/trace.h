/* trace.h: text that remembers where each byte of it came from.
 *
 * Every layer between the file and a section hands one of these on: the source
 * (and whatever decoder comes to stand in it) makes it, joining and cutting copy
 * parts of it, and the section's position map is written from its spans. Bytes
 * of the file that no span names were dropped. A zeroed struct is empty. */
#ifndef TIDEMARK_DOCUMENT_TRACE_H
#define TIDEMARK_DOCUMENT_TRACE_H

#include "document/position.h"

struct trace_span {
    size_t begin;       /* where it begins in the text */
    size_t size;        /* bytes of text */
    size_t source;      /* bytes of the file; equal to size: one for one */
    struct position at; /* of the first of them */
};

struct trace {
    struct buffer text;
    struct trace_span *spans; /* in order, together as long as the text */
    size_t count, capacity;
};

bool trace_add(struct trace *trace, const char *bytes, size_t size, size_t source,
               struct position at, struct error *error) WARN_UNUSED;

/* Appends from->text[begin..end). */
bool trace_copy(struct trace *to, const struct trace *from, size_t begin, size_t end,
                struct error *error) WARN_UNUSED;

void trace_keep(struct trace *trace, size_t size); /* only the first bytes */
void trace_drop(struct trace *trace, size_t size); /* all but the first bytes */
void trace_clear(struct trace *trace);             /* keeps the memory */
void trace_free(struct trace *trace);

/* Where the byte text[offset] came from; offset < text.size. */
struct position trace_position(const struct trace *trace, size_t offset);

#endif
