#include "app/work/generate.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPETITION_WINDOW = 256 };

struct run {
    struct session *session;
    const struct sampler_options *options;
    struct generate_lane *lanes;
    size_t count;
    struct sampler **samplers; /* [count]: a draw in one lane must not move another's; NULL:
                                  the likeliest token each time */
    size_t *shown_bytes;       /* [count] of each lane's text that have been emitted */

    size_t going;                   /* lanes that go on, */
    size_t *which;                  /* [going] which these are, */
    struct state **states;          /* [going] their states, */
    struct forward_choice *choices; /* [going] the tokens that come next, */
    int32_t *next;                  /* [going] and those that are not the end */
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

/* A sampler's own choice, for the lane that is number `item` of those that go on. */
static void sample_item(void *context, size_t item, unsigned worker)
{
    const struct run *run = context;
    const struct tokens *tokens = &run->lanes[run->which[item]].tokens;
    size_t recent = tokens->count < REPETITION_WINDOW ? tokens->count : REPETITION_WINDOW;
    struct forward_choice *choice = &run->choices[item];
    (void)worker;
    choice->token = sampler_next(run->samplers[run->which[item]], run->states[item]->logits,
                                 recent ? tokens->data + (tokens->count - recent) : NULL, recent,
                                 &choice->log_probability);
}

/* A choice goes through the whole vocabulary: a device makes it where its logits are, and the
 * processor on all its cores. */
static bool choose_all(struct run *run, struct error *error)
{
    if (!run->samplers)
        return forward_choose(run->session->forward, run->states, run->going, run->choices, error);
    for (size_t i = 0; i < run->going; i++)
        if (!state_fetch_logits(run->states[i], error))
            return false;
    return pool_run(run->session->pool, sample_item, run, run->going) ||
           error_set(error, ERROR_INTERRUPTED, "interrupted");
}

bool generate_can_follow(const struct forward_choice *choice, struct error *error)
{
    return choice->token != SAMPLER_NONE ||
           error_set(error, ERROR_MODEL,
                     "the model's arithmetic broke down (no next token has a probability)");
}

/* Appends a chosen token, unless it ends the answer. */
static bool take_choice(struct run *run, struct generate_lane *l,
                        const struct forward_choice *choice, struct error *error)
{
    const struct model *model = run->session->model;
    if (!generate_can_follow(choice, error))
        return false;
    if (l->counted == 0)
        l->began = clock_seconds();
    l->log_probability += (double)choice->log_probability;
    l->lowest = fmin(l->lowest, (double)choice->log_probability);
    l->counted++;
    if (prompt_stops(&model->prompt, choice->token, l->text.data, l->text.size)) {
        l->ended = true;
        return true;
    }
    return tokenizer_decode(model->tokenizer, choice->token, &l->text, error) &&
           tokens_append(&l->tokens, choice->token, error);
}

/* Leaves out lanes that have ended or reached the limit. */
static void go_on(struct run *run, size_t max_tokens)
{
    size_t left = 0;
    for (size_t i = 0; i < run->going; i++) {
        const struct generate_lane *l = &run->lanes[run->which[i]];
        if (l->ended || l->tokens.count == max_tokens)
            continue;
        run->states[left] = l->state;
        run->which[left++] = run->which[i];
    }
    run->going = left;
}

static bool decode_all(struct run *run, size_t max_tokens, int shown, struct error *error)
{
    for (size_t i = 0; i < run->count; i++) {
        run->which[i] = i;
        run->lanes[i].ended = false;
    }
    run->going = run->count;
    for (go_on(run, max_tokens); run->going > 0; go_on(run, max_tokens)) {
        if (!choose_all(run, error))
            return false;
        size_t left = 0;
        for (size_t i = 0; i < run->going; i++) {
            struct generate_lane *l = &run->lanes[run->which[i]];
            if (!take_choice(run, l, &run->choices[i], error))
                return false;
            if ((int)run->which[i] == shown)
                emit_text(run, run->which[i]);
            if (l->ended)
                continue;
            run->states[left] = l->state;
            run->next[left++] = run->choices[i].token;
        }
        if (left > 0 && !forward_decode(run->session->forward, run->states, run->next, left, error))
            return false;
    }
    return true;
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

static bool make_samplers(struct run *run, struct error *error)
{
    run->samplers = calloc(run->count, sizeof *run->samplers);
    if (!run->samplers)
        return error_out_of_memory(error);
    for (size_t i = 0; i < run->count; i++) {
        run->samplers[i] = sampler_new(run->options, run->session->model->shape.vocabulary, error);
        if (!run->samplers[i])
            return false;
    }
    return true;
}

static bool run_new(struct run *run, struct error *error)
{
    run->shown_bytes = calloc(run->count, sizeof *run->shown_bytes);
    run->which = calloc(run->count, sizeof *run->which);
    run->states = calloc(run->count, sizeof *run->states);
    run->choices = calloc(run->count, sizeof *run->choices);
    run->next = calloc(run->count, sizeof *run->next);
    if (!run->shown_bytes || !run->which || !run->states || !run->choices || !run->next)
        return error_out_of_memory(error);
    return sampler_check(run->options, error) &&
           (sampler_is_plain(run->options) || make_samplers(run, error));
}

static void run_free(struct run *run)
{
    for (size_t i = 0; run->samplers && i < run->count; i++)
        sampler_free(run->samplers[i]);
    free(run->samplers);
    free(run->shown_bytes);
    free(run->which);
    free(run->states);
    free(run->choices);
    free(run->next);
}

bool generate_run(struct session *session, struct generate_lane *lanes, size_t count,
                  const struct sampler_options *sampler, size_t max_tokens, int shown,
                  struct error *error)
{
    if (count == 0)
        return true;
    struct run run = {.session = session, .options = sampler, .lanes = lanes, .count = count};
    bool ok = run_new(&run, error) && decode_all(&run, max_tokens, shown, error);
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
