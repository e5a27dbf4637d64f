#include "document/trace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool is_copy(const struct trace_span *span)
{
    return span->size == span->source;
}

static bool follows(const struct trace_span *span, const struct trace_span *next)
{
    return is_copy(span) && is_copy(next) && next->at.byte == span->at.byte + span->source &&
           next->at.line == span->at.line && next->at.page == span->at.page;
}

static bool add_span(struct trace *trace, const struct trace_span *span, struct error *error)
{
    struct trace_span *last = trace->count ? &trace->spans[trace->count - 1] : NULL;
    if (last && follows(last, span)) {
        last->size += span->size;
        last->source += span->source;
        return true;
    }
    if (trace->count == trace->capacity) {
        size_t capacity = trace->capacity ? trace->capacity * 2 : 16;
        if (capacity > SIZE_MAX / sizeof *trace->spans)
            return error_out_of_memory(error);
        struct trace_span *spans = realloc(trace->spans, capacity * sizeof *spans);
        if (!spans)
            return error_out_of_memory(error);
        trace->spans = spans;
        trace->capacity = capacity;
    }
    trace->spans[trace->count++] = *span;
    return true;
}

bool trace_add(struct trace *trace, const char *bytes, size_t size, size_t source,
               struct position at, struct error *error)
{
    if (size == 0)
        return true;
    const struct trace_span span = {trace->text.size, size, source, at};
    return buffer_append(&trace->text, bytes, size, error) && add_span(trace, &span, error);
}

/* The span that holds text[offset]; offset < text.size. */
static size_t find_span(const struct trace *trace, size_t offset)
{
    size_t low = 0, high = trace->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (trace->spans[middle].begin <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool trace_copy(struct trace *to, const struct trace *from, size_t begin, size_t end,
                struct error *error)
{
    assert(to != from && begin <= end && end <= from->text.size);
    if (begin == end)
        return true;
    size_t shift = to->text.size;
    if (!buffer_append(&to->text, from->text.data + begin, end - begin, error))
        return false;
    for (size_t i = find_span(from, begin); i < from->count && from->spans[i].begin < end; i++) {
        struct trace_span span = from->spans[i];
        size_t next = span.begin + span.size;
        size_t skip = begin > span.begin ? begin - span.begin : 0;
        size_t size = (next < end ? next : end) - span.begin - skip;
        if (is_copy(&span)) {
            span.at.byte += skip;
            span.source = size;
        }
        span.begin = shift + span.begin + skip - begin;
        span.size = size;
        if (!add_span(to, &span, error))
            return false;
    }
    return true;
}

void trace_keep(struct trace *trace, size_t size)
{
    assert(size <= trace->text.size);
    size_t excess = trace->text.size - size;
    while (excess > 0) {
        struct trace_span *last = &trace->spans[trace->count - 1];
        if (last->size > excess) {
            if (is_copy(last))
                last->source -= excess;
            last->size -= excess;
            break;
        }
        excess -= last->size;
        trace->count--;
    }
    trace->text.size = size;
    if (trace->text.data)
        trace->text.data[size] = '\0';
}

void trace_drop(struct trace *trace, size_t size)
{
    assert(size <= trace->text.size);
    if (size == 0)
        return;
    size_t first = size < trace->text.size ? find_span(trace, size) : trace->count;
    trace->count -= first;
    memmove(trace->spans, trace->spans + first, trace->count * sizeof *trace->spans);
    for (size_t i = 0; i < trace->count; i++) {
        struct trace_span *span = &trace->spans[i];
        size_t left = span->begin < size ? size - span->begin : 0;
        if (is_copy(span)) {
            span->at.byte += left;
            span->source -= left;
        }
        span->size -= left;
        span->begin += left - size;
    }
    trace->text.size -= size;
    memmove(trace->text.data, trace->text.data + size, trace->text.size + 1);
}

void trace_clear(struct trace *trace)
{
    buffer_clear(&trace->text);
    trace->count = 0;
}

void trace_free(struct trace *trace)
{
    buffer_free(&trace->text);
    free(trace->spans);
    *trace = (struct trace){0};
}

struct position trace_position(const struct trace *trace, size_t offset)
{
    assert(offset < trace->text.size);
    const struct trace_span *span = &trace->spans[find_span(trace, offset)];
    struct position at = span->at;
    if (is_copy(span))
        at.byte += offset - span->begin;
    return at;
}
