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

static bool add_span(struct trace *trace, struct trace_span span, struct error *error)
{
    struct trace_span *last = trace->count ? &trace->spans[trace->count - 1] : NULL;
    if (last && follows(last, &span)) {
        last->size += span.size;
        last->source += span.source;
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
    trace->spans[trace->count++] = span;
    return true;
}

bool trace_add(struct trace *trace, const char *bytes, size_t size, size_t source,
               struct position at, struct error *error)
{
    if (size == 0)
        return true;
    return buffer_append(&trace->text, bytes, size, error) &&
           add_span(trace, (struct trace_span){size, source, at}, error);
}

bool trace_copy(struct trace *to, const struct trace *from, size_t begin, size_t end,
                struct error *error)
{
    assert(to != from && begin <= end && end <= from->text.size);
    if (begin == end)
        return true;
    if (!buffer_append(&to->text, from->text.data + begin, end - begin, error))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < from->count && at < end; i++) {
        struct trace_span span = from->spans[i];
        size_t next = at + span.size;
        if (next > begin) {
            size_t skip = begin > at ? begin - at : 0;
            size_t size = (next < end ? next : end) - at - skip;
            if (is_copy(&span)) {
                span.at.byte += skip;
                span.source = size;
            }
            span.size = size;
            if (!add_span(to, span, error))
                return false;
        }
        at = next;
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
    size_t first = 0, left = size;
    while (left > 0 && trace->spans[first].size <= left)
        left -= trace->spans[first++].size;
    if (left > 0) {
        struct trace_span *span = &trace->spans[first];
        if (is_copy(span)) {
            span->at.byte += left;
            span->source -= left;
        }
        span->size -= left;
    }
    trace->count -= first;
    memmove(trace->spans, trace->spans + first, trace->count * sizeof *trace->spans);
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
    size_t i = 0;
    while (trace->spans[i].size <= offset)
        offset -= trace->spans[i++].size;
    struct position at = trace->spans[i].at;
    if (is_copy(&trace->spans[i]))
        at.byte += offset;
    return at;
}
