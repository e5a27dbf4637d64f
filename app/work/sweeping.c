#include "app/work/sweeping.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_POINT = 1024, MOST_READ = 1 << 20, MOST_GENERATED = 1 << 17 };

struct sweep {
    struct session *session;
    sweeping_tell *tell;
    void *context;
    struct state *state;
    int32_t *tokens; /* [piece] */
    float *bits;
    size_t piece;
    bool generating;
    int64_t done, told, next;
    double began, told_at;
};

/* Of the GPU, or else what of this process is in memory. */
static double memory_used(struct session *session)
{
    struct forward_device device;
    struct error ignored;
    if (forward_device(session->forward, &device, &ignored))
        return device.memory_used;
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void begin(struct sweep *s, bool generating)
{
    s->generating = generating;
    s->done = s->told = 0;
    s->next = FIRST_POINT;
    s->began = s->told_at = clock_seconds();
}

static void tell_point(struct sweep *s)
{
    double now = clock_seconds();
    struct sweeping_point point = {.generating = s->generating, .tokens = s->done};
    point.tokens_per_second = (double)(s->done - s->told) / (now - s->told_at);
    point.memory = memory_used(s->session);
    s->tell(s->context, &point);
    s->told = s->done;
    s->told_at = clock_seconds(); /* asking for the memory is not reading */
    s->next *= 2;
}

/* False when the sweep's part is over. */
static bool went_on(struct sweep *s, size_t count, int64_t most)
{
    s->done += (int64_t)count;
    bool more = s->done < most && clock_seconds() - s->began < SWEEPING_SECONDS;
    if (s->done >= s->next || !more)
        tell_point(s);
    struct event_progress progress = {.doing = s->generating ? "generating" : "reading",
                                      .tokens = s->done,
                                      .tokens_expected = most,
                                      .seconds_left = -1};
    session_progress(s->session, &progress);
    return more;
}

/* Tokens without a pattern: arithmetic does not depend on what they are. */
static bool read_all(struct sweep *s, struct error *error)
{
    uint64_t random = 1;
    size_t vocabulary = s->session->model->shape.vocabulary, count;
    do {
        int64_t left = s->next - s->done;
        count = left < (int64_t)s->piece ? (size_t)left : s->piece;
        for (size_t i = 0; i < count; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            s->tokens[i] = (int32_t)((random >> 33) % vocabulary);
        }
        struct forward_lane lane = {
            .state = s->state, .tokens = s->tokens, .count = count, .bits = s->bits};
        if (session_cancelled(s->session))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
        if (!forward_prefill(s->session->forward, &lane, 1, error))
            return false;
    } while (went_on(s, count, MOST_READ));
    return true;
}

static bool generate_all(struct sweep *s, struct error *error)
{
    size_t vocabulary = s->session->model->shape.vocabulary;
    do {
        const float *logits = s->state->logits;
        int32_t best = 0;
        for (size_t i = 1; i < vocabulary; i++)
            best = logits[i] > logits[best] ? (int32_t)i : best;
        if (session_cancelled(s->session))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
        if (!forward_decode(s->session->forward, &s->state, &best, 1, error))
            return false;
    } while (went_on(s, 1, MOST_GENERATED));
    return true;
}

bool sweeping_run(struct session *session, sweeping_tell *tell, void *context, struct error *error)
{
    if (!session_need_model(session, error))
        return false;
    struct sweep s = {.session = session, .tell = tell, .context = context};
    s.piece = 4 * forward_pass_tokens(session->forward);
    s.tokens = calloc(s.piece, sizeof *s.tokens);
    s.bits = calloc(s.piece, sizeof *s.bits);
    s.state = state_new(&session->model->shape, error);
    bool ok = s.tokens && s.bits && s.state;
    if (!ok)
        error_out_of_memory(error);
    /* The first pass loads kernels and has to be no part of the first point. */
    struct forward_lane warm = {
        .state = s.state, .tokens = s.tokens, .count = s.piece, .bits = s.bits};
    ok = ok && forward_prefill(session->forward, &warm, 1, error);
    if (ok) {
        state_reset(s.state);
        begin(&s, false);
        ok = read_all(&s, error);
    }
    if (ok) {
        begin(&s, true);
        ok = generate_all(&s, error);
    }
    state_free(s.state);
    free(s.tokens);
    free(s.bits);
    return ok;
}
