#include "app/work/feeding.h"

#include "base/clock.h"

#include <math.h>

struct event_progress feeding_progress(const struct feeding *feeding, size_t tokens, double seconds)
{
    struct event_progress progress = feeding->progress;
    const double counted = (double)feeding->tokens + (double)tokens;
    const double rate = counted / fmax(feeding->seconds + seconds, 1e-6);
    progress.tokens += (int64_t)tokens;
    progress.tokens_per_second = rate;
    progress.seconds_left = -1;
    if (progress.tokens_expected > 0 && rate > 0)
        progress.seconds_left = (double)(progress.tokens_expected - progress.tokens) / rate;
    return progress;
}

static void between_layers(void *context, const struct forward_progress *at)
{
    const struct feeding *feeding = context;
    const double seconds = clock_seconds() - feeding->began;
    if (feeding->seconds + seconds < FEEDING_PATIENCE)
        return;
    const struct event_progress progress =
        feeding_progress(feeding, forward_progress_tokens(at), seconds);
    session_progress(feeding->session, &progress);
}

bool feeding_prefill(struct feeding *feeding, const struct forward_lane *lanes, size_t count,
                     struct error *error)
{
    struct forward *forward = feeding->forward ? feeding->forward : feeding->session->forward;
    feeding->began = clock_seconds();
    forward_between_layers(forward, between_layers, feeding);
    const bool ok = forward_prefill(forward, lanes, count, error);
    forward_between_layers(forward, NULL, NULL);
    return ok;
}
