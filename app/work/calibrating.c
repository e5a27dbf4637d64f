#include "app/work/calibrating.h"

#include "app/work/feeding.h"
#include "app/work/ingest.h"
#include "base/clock.h"
#include "document/document.h"

#include <stdlib.h>
#include <strings.h>

enum { PIECE = 256, MOST_TOKENS = 100000 };

struct calibration {
    struct session *session;
    struct model *model;
    struct forward *forward;
    struct state *state;
    struct tokens tokens; /* of one section */
    int64_t done;
    double began;
};

static struct feeding feeding_of(const struct calibration *c)
{
    return (struct feeding){
        .session = c->session,
        .forward = c->forward,
        .progress = {.doing = "calibrating", .tokens = c->done},
        .tokens = c->done,
        .seconds = clock_seconds() - c->began,
    };
}

static void report(const struct calibration *c)
{
    const struct feeding feeding = feeding_of(c);
    const struct event_progress progress = feeding_progress(&feeding, 0, 0);
    session_progress(c->session, &progress);
}

/* Every token's logits are asked for, so that the output matrix sees all of them. */
static bool read_tokens(struct calibration *c, const int32_t *tokens, size_t count,
                        struct error *error)
{
    for (size_t at = 0; at < count && c->done < MOST_TOKENS;) {
        float bits[PIECE];
        size_t piece = count - at < PIECE ? count - at : PIECE;
        struct forward_lane lane = {
            .state = c->state, .tokens = tokens + at, .count = piece, .bits = bits};
        struct feeding feeding = feeding_of(c);
        if (!feeding_prefill(&feeding, &lane, 1, error))
            return false;
        at += piece;
        c->done += (int64_t)piece;
        report(c);
    }
    return true;
}

static bool read_section(struct calibration *c, const struct document_section *section,
                         struct error *error)
{
    struct tokenizer *tokenizer = c->model->tokenizer;
    c->tokens.count = 0;
    return (c->done == 0 || tokenizer_encode(tokenizer, "\n\n", 2, &c->tokens, error)) &&
           tokenizer_encode(tokenizer, section->text, session_trimmed(section->text, section->size),
                            &c->tokens, error) &&
           read_tokens(c, c->tokens.data, c->tokens.count, error);
}

static bool read_text(struct calibration *c, struct document_reader *reader, const char *path,
                      struct error *error)
{
    struct tokens preamble = {0};
    struct document_section section;
    bool ok = prompt_preamble(&c->model->prompt, c->model->tokenizer, &preamble, error);
    struct forward_lane lane = {
        .state = c->state, .tokens = preamble.data, .count = preamble.count};
    ok = ok && forward_prefill(c->forward, &lane, 1, error);
    tokens_free(&preamble);
    while (ok && c->done < MOST_TOKENS && document_next(reader, &section, error))
        ok = read_section(c, &section, error);
    ok = ok && error->kind == ERROR_NONE;
    return ok && (c->done > 0 ||
                  error_set(error, ERROR_INPUT, "%s holds no text to calibrate with", path));
}

bool calibrating_run(struct session *session, struct model *model, struct pool *pool,
                     const struct calibrating_text *text, struct importance **importance,
                     int64_t *tokens, struct error *error)
{
    struct calibration c = {.session = session, .model = model, .began = clock_seconds()};
    struct document_reader *reader;
    const char *encoding = text->encoding;
    *importance = NULL;
    if (encoding && strcasecmp(encoding, INGEST_FIND_OUT) == 0)
        encoding = NULL;
    if (!document_open(&reader, text->path, encoding, session->cancel, error))
        return false;
    *importance = importance_new(model, error);
    c.forward = *importance ? forward_new(model, session->kernels, pool, error) : NULL;
    c.state = c.forward ? state_new(&model->shape, error) : NULL;
    bool ok = c.state != NULL;
    if (ok) {
        importance_watch(*importance, c.forward);
        ok = read_text(&c, reader, text->path, error);
    }
    *tokens = c.done;
    state_free(c.state);
    forward_free(c.forward);
    tokens_free(&c.tokens);
    document_close(reader);
    if (!ok) {
        importance_free(*importance);
        *importance = NULL;
    }
    return ok;
}
