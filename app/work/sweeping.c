#include "app/work/sweeping.h"

#include "app/work/generate.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_POINT = 1024, MOST_READ = 1 << 20, MOST_GENERATED = 1 << 17, MOST_TRIES = 7 };

#define TRIES_SECONDS 4.0

struct sweep {
    struct session *session;
    sweeping_tell *tell;
    void *context;
    struct state *state;
    int32_t *tokens; /* [room] */
    float *bits;
    size_t piece, room;
    enum sweeping_doing doing;
    uint64_t random;
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

static void begin(struct sweep *s, enum sweeping_doing doing)
{
    s->doing = doing;
    s->done = s->told = 0;
    s->next = FIRST_POINT;
    s->began = s->told_at = clock_seconds();
}

static void tell_point(struct sweep *s)
{
    double now = clock_seconds();
    struct sweeping_point point = {.doing = s->doing, .tokens = s->done};
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
    struct event_progress progress = {.doing = s->doing == SWEEPING_GENERATING ? "generating"
                                                                               : "reading",
                                      .tokens = s->done,
                                      .tokens_expected = most,
                                      .seconds_left = -1};
    session_progress(s->session, &progress);
    return more;
}

/* Tokens without a pattern: arithmetic does not depend on what they are. */
static bool read_some(struct sweep *s, size_t count, struct error *error)
{
    size_t vocabulary = s->session->model->shape.vocabulary;
    for (size_t i = 0; i < count; i++) {
        s->random = s->random * 6364136223846793005u + 1442695040888963407u;
        s->tokens[i] = (int32_t)((s->random >> 33) % vocabulary);
    }
    struct forward_lane lane = {
        .state = s->state, .tokens = s->tokens, .count = count, .bits = s->bits};
    if (session_cancelled(s->session))
        return error_set(error, ERROR_INTERRUPTED, "interrupted");
    return forward_prefill(s->session->forward, &lane, 1, error);
}

static bool read_all(struct sweep *s, struct error *error)
{
    size_t count;
    do {
        int64_t left = s->next - s->done;
        count = left < (int64_t)s->piece ? (size_t)left : s->piece;
        if (!read_some(s, count, error))
            return false;
    } while (went_on(s, count, MOST_READ));
    return true;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The first stretch each time from the beginning, the last one on and on. */
static bool time_stretch(struct sweep *s, enum sweeping_doing doing, struct error *error)
{
    double seconds[MOST_TRIES], all = 0;
    size_t tries = 0;
    while (tries < MOST_TRIES && all < TRIES_SECONDS) {
        if (doing == SWEEPING_FIRST)
            state_reset(s->state);
        double begun = clock_seconds();
        if (!read_some(s, SWEEPING_STRETCH, error))
            return false;
        seconds[tries] = clock_seconds() - begun;
        all += seconds[tries++];
    }
    qsort(seconds, tries, sizeof *seconds, compare);
    struct sweeping_point point = {
        .doing = doing,
        .tokens = (int64_t)s->state->tokens,
        .tokens_per_second = SWEEPING_STRETCH / seconds[tries / 2],
        .memory = memory_used(s->session),
    };
    s->tell(s->context, &point);
    return true;
}

static bool generate_all(struct sweep *s, struct error *error)
{
    do {
        struct forward_choice best;
        if (session_cancelled(s->session))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
        if (!forward_choose(s->session->forward, &s->state, 1, &best, error) ||
            !generate_can_follow(&best, error) ||
            !forward_decode(s->session->forward, &s->state, &best.token, 1, error))
            return false;
    } while (went_on(s, 1, MOST_GENERATED));
    return true;
}

static bool sweep(struct sweep *s, struct error *error)
{
    /* The first pass loads kernels and has to be no part of the first point. */
    if (!read_some(s, s->piece, error) || !time_stretch(s, SWEEPING_FIRST, error))
        return false;
    state_reset(s->state);
    begin(s, SWEEPING_READING);
    if (!read_all(s, error) || !time_stretch(s, SWEEPING_LAST, error))
        return false;
    begin(s, SWEEPING_GENERATING);
    return generate_all(s, error);
}

bool sweeping_run(struct session *session, sweeping_tell *tell, void *context, struct error *error)
{
    if (!session_need_model(session, error))
        return false;
    struct sweep s = {.session = session, .tell = tell, .context = context, .random = 1};
    s.piece = 4 * forward_pass_tokens(session->forward);
    s.room = s.piece > SWEEPING_STRETCH ? s.piece : SWEEPING_STRETCH;
    s.tokens = calloc(s.room, sizeof *s.tokens);
    s.bits = calloc(s.room, sizeof *s.bits);
    s.state = state_new(&session->model->shape, error);
    bool ok = (s.tokens && s.bits && s.state) || error_out_of_memory(error);
    ok = ok && sweep(&s, error);
    state_free(s.state);
    free(s.tokens);
    free(s.bits);
    return ok;
}
