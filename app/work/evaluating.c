#include "app/work/evaluating.h"

#include "app/work/feeding.h"
#include "app/work/ingest.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "document/document.h"

#include <stdlib.h>
#include <strings.h>

enum { PIECE = 256 }; /* tokens between two looks at the clock */

struct evaluation {
    struct session *session;
    struct evaluating_result *result;
    struct state *state;
    struct tokens tokens; /* of the section being read */
    struct buffer text;   /* of the tokens of one piece */
};

/* Where a span that begins at this token ends. */
static int64_t span_limit(const struct evaluating_span *span)
{
    return span->begin == 0 ? EVALUATING_FIRST : 2 * span->begin;
}

/* The span that the next token belongs to. The last one takes whatever comes. */
static struct evaluating_span *current_span(struct evaluating_result *result)
{
    if (result->span_count > 0) {
        struct evaluating_span *last = &result->spans[result->span_count - 1];
        if (result->tokens < span_limit(last) || result->span_count == EVALUATING_SPANS)
            return last;
    }
    struct evaluating_span *span = &result->spans[result->span_count++];
    *span = (struct evaluating_span){.begin = result->tokens, .end = result->tokens};
    return span;
}

/* Tokens of one piece: up to the span's end. */
static size_t room(const struct evaluating_result *result, const struct evaluating_span *span)
{
    int64_t left = span_limit(span) - result->tokens;
    return left > 0 && left < PIECE ? (size_t)left : PIECE;
}

static bool count_bytes(struct evaluation *ev, const int32_t *tokens, size_t count, int64_t *bytes,
                        struct error *error)
{
    buffer_clear(&ev->text);
    for (size_t i = 0; i < count; i++)
        if (!tokenizer_decode(ev->session->model->tokenizer, tokens[i], &ev->text, error))
            return false;
    *bytes = (int64_t)ev->text.size;
    return true;
}

static struct feeding feeding_of(const struct evaluation *ev)
{
    const struct evaluating_result *result = ev->result;
    return (struct feeding){
        .session = ev->session,
        .progress = {.doing = "evaluating", .tokens = result->tokens},
        .tokens = result->tokens,
        .seconds = result->seconds,
    };
}

static void report(const struct evaluation *ev)
{
    const struct feeding feeding = feeding_of(ev);
    const struct event_progress progress = feeding_progress(&feeding, 0, 0);
    session_progress(ev->session, &progress);
}

static bool read_piece(struct evaluation *ev, struct evaluating_span *span, const int32_t *tokens,
                       size_t count, int64_t *bytes, struct error *error)
{
    float bits[PIECE];
    struct feeding feeding = feeding_of(ev);
    struct forward_lane lane = {.state = ev->state, .tokens = tokens, .count = count, .bits = bits};
    if (!count_bytes(ev, tokens, count, bytes, error))
        return false;
    if (!feeding_prefill(&feeding, &lane, 1, error))
        return false;
    double seconds = clock_seconds() - feeding.began, sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)bits[i];
    span->bits += sum;
    span->seconds += seconds;
    span->bytes += *bytes;
    span->end += (int64_t)count;
    ev->result->bits += sum;
    ev->result->seconds += seconds;
    ev->result->tokens += (int64_t)count;
    return true;
}

static bool read_section(struct evaluation *ev, const struct document_section *section,
                         struct error *error)
{
    bool continued = ev->result->bytes > 0;
    const size_t trimmed = session_trimmed(section->text, section->size);
    const int64_t joint = continued ? 2 : 0;
    int64_t left = (int64_t)trimmed + joint;
    struct evaluating_span *span = current_span(ev->result);
    ev->tokens.count = 0;
    ev->result->bytes += left;
    ev->result->characters += (int64_t)utf8_count(section->text, trimmed) + joint;
    if (!session_encode_section(ev->session, section->text, section->size, continued, &ev->tokens,
                                error))
        return false;
    for (size_t at = 0; at < ev->tokens.count;) {
        int64_t bytes;
        span = current_span(ev->result);
        size_t count = room(ev->result, span);
        if (count > ev->tokens.count - at)
            count = ev->tokens.count - at;
        if (!read_piece(ev, span, ev->tokens.data + at, count, &bytes, error))
            return false;
        at += count;
        left -= bytes;
        report(ev);
    }
    /* Bytes that the vocabulary has no token for are bytes of the text all the same. */
    span->bytes += left;
    return true;
}

static bool read_all(struct evaluation *ev, struct document_reader *reader, struct error *error)
{
    struct session *session = ev->session;
    struct forward_lane preamble = {
        .state = ev->state, .tokens = session->preamble.data, .count = session->preamble.count};
    if (!forward_prefill(session->forward, &preamble, 1, error))
        return false;
    struct document_section section;
    while (document_next(reader, &section, error))
        if (!read_section(ev, &section, error))
            return false;
    ev->result->source_bytes = (int64_t)document_facts(reader)->bytes;
    return error->kind == ERROR_NONE;
}

bool evaluating_run(struct session *session, const char *path, const char *encoding,
                    struct evaluating_result *result, struct error *error)
{
    struct evaluation ev = {.session = session, .result = result};
    struct document_reader *reader;
    *result = (struct evaluating_result){0};
    if (encoding && strcasecmp(encoding, INGEST_FIND_OUT) == 0)
        encoding = NULL;
    if (!document_open(&reader, path, encoding, session->cancel, error))
        return false;
    bool ok = session_need_model(session, error);
    ev.state = ok ? state_new(&session->model->shape, error) : NULL;
    ok = ok && ev.state && read_all(&ev, reader, error);
    state_free(ev.state);
    tokens_free(&ev.tokens);
    buffer_free(&ev.text);
    document_close(reader);
    return ok;
}
