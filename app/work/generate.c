#include "app/work/generate.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPETITION_WINDOW = 256 };

struct run {
    struct session *session;
    struct generate_lane *lanes;
    size_t count;
    struct sampler **samplers; /* [count]: a draw in one lane must not move another's */
    bool *finished;            /* [count] */
    size_t *shown_bytes;       /* of each lane's text that have been emitted */
    struct state **states;     /* [count] the lanes that go on */
    int32_t *next;             /* [count] their tokens */
};

static void emit_text(struct run *run, size_t lane)
{
    struct generate_lane *l = &run->lanes[lane];
    size_t ready = l->text.size - utf8_incomplete_tail(l->text.data, l->text.size);
    while (run->shown_bytes[lane] < ready) {
        struct event event = {.kind = EVENT_TOKEN};
        size_t size = ready - run->shown_bytes[lane];
        if (size >= sizeof event.text)
            size = sizeof event.text - 1;
        size_t end = utf8_floor(l->text.data, ready, run->shown_bytes[lane] + size);
        size = end - run->shown_bytes[lane];
        memcpy(event.text, l->text.data + run->shown_bytes[lane], size);
        run->shown_bytes[lane] = end;
        session_emit(run->session, &event);
    }
}

/* Chooses the lane's next token; sets *token to it, or finishes the lane. */
static bool step_lane(struct run *run, size_t lane, size_t max_tokens, int32_t *token,
                      struct error *error)
{
    struct generate_lane *l = &run->lanes[lane];
    const struct model *model = run->session->model;
    if (l->tokens.count == max_tokens) {
        run->finished[lane] = true;
        return true;
    }
    size_t recent = l->tokens.count < REPETITION_WINDOW ? l->tokens.count : REPETITION_WINDOW;
    float log_probability;
    *token = sampler_next(run->samplers[lane], l->state->logits,
                          recent ? l->tokens.data + (l->tokens.count - recent) : NULL, recent,
                          &log_probability);
    if (*token == SAMPLER_NONE) /* no logit is a number: nothing can follow */
        return error_set(error, ERROR_MODEL,
                         "the model's arithmetic broke down (no next token has a probability)");
    l->log_probability += (double)log_probability;
    l->lowest = fmin(l->lowest, (double)log_probability);
    l->counted++;
    if (prompt_stops(&model->prompt, *token, l->text.data, l->text.size)) {
        run->finished[lane] = l->ended = true;
        return true;
    }
    return tokenizer_decode(model->tokenizer, *token, &l->text, error) &&
           tokens_append(&l->tokens, *token, error);
}

static bool decode_all(struct run *run, size_t max_tokens, int shown, struct error *error)
{
    for (;;) {
        size_t going = 0;
        for (size_t i = 0; i < run->count; i++) {
            int32_t token = 0;
            if (run->finished[i])
                continue;
            if (!step_lane(run, i, max_tokens, &token, error))
                return false;
            if ((int)i == shown)
                emit_text(run, i);
            if (run->finished[i])
                continue;
            run->states[going] = run->lanes[i].state;
            run->next[going++] = token;
        }
        if (going == 0)
            return true;
        if (!forward_decode(run->session->forward, run->states, run->next, going, error))
            return false;
    }
}

/* An answer that was cut in the middle of a character loses the broken rest; one
 * whose bytes are not UTF-8 has them replaced. */
static bool repair_text(struct buffer *text, struct error *error)
{
    struct buffer whole = {0};
    for (size_t at = 0; at < text->size;) {
        uint32_t rune;
        size_t length;
        char bytes[UTF8_MAX_BYTES];
        enum utf8_status status = utf8_decode(&rune, &length, text->data + at, text->size - at);
        if (status == UTF8_INCOMPLETE)
            break;
        if (!buffer_append(&whole, bytes, utf8_encode(bytes, rune), error)) {
            buffer_free(&whole);
            return false;
        }
        at += length;
    }
    buffer_free(text);
    *text = whole;
    return buffer_append(text, "", 0, error);
}

static bool run_new(struct run *run, const struct sampler_options *options, struct error *error)
{
    run->samplers = calloc(run->count, sizeof *run->samplers);
    run->finished = calloc(run->count, sizeof *run->finished);
    run->shown_bytes = calloc(run->count, sizeof *run->shown_bytes);
    run->states = calloc(run->count, sizeof *run->states);
    run->next = calloc(run->count, sizeof *run->next);
    if (!run->samplers || !run->finished || !run->shown_bytes || !run->states || !run->next)
        return error_out_of_memory(error);
    for (size_t i = 0; i < run->count; i++) {
        run->samplers[i] = sampler_new(options, run->session->model->shape.vocabulary, error);
        if (!run->samplers[i])
            return false;
    }
    return true;
}

static void run_free(struct run *run)
{
    for (size_t i = 0; run->samplers && i < run->count; i++)
        sampler_free(run->samplers[i]);
    free(run->samplers);
    free(run->finished);
    free(run->shown_bytes);
    free(run->states);
    free(run->next);
}

bool generate_run(struct session *session, struct generate_lane *lanes, size_t count,
                  const struct sampler_options *sampler, size_t max_tokens, int shown,
                  struct error *error)
{
    if (count == 0)
        return true;
    struct run run = {.session = session, .lanes = lanes, .count = count};
    bool ok = run_new(&run, sampler, error) && decode_all(&run, max_tokens, shown, error);
    for (size_t i = 0; ok && i < count; i++)
        ok = repair_text(&lanes[i].text, error);
    run_free(&run);
    return ok;
}

void generate_lane_free(struct generate_lane *lane)
{
    buffer_free(&lane->text);
    tokens_free(&lane->tokens);
}
