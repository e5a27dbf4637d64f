/* feeding.h: tokens go through the model, and what is told of them moves while they do.
 *
 *     struct feeding feeding = {
 *         .session = session,
 *         .progress = {.doing = "reading", .tokens = before, .tokens_expected = all},
 *         .tokens = read, .seconds = spent,
 *     };
 *     if (!feeding_prefill(&feeding, &lane, 1, &error)) ...
 *
 * A pass of a large model takes from seconds to minutes. Between its layers its tokens count
 * as done in proportion to the layers that are, of these and the logits that come last: in what
 * is shown, and in nothing else. */
#ifndef TIDEMARK_APP_WORK_FEEDING_H
#define TIDEMARK_APP_WORK_FEEDING_H

#include "app/work/session.h"

/* Nothing is told before `seconds` and what came since are so many: a short wait needs no
 * words. */
#define FEEDING_PATIENCE 0.5

struct feeding {
    struct session *session;
    struct forward *forward;        /* NULL: the session's */
    struct event_progress progress; /* before this; rate and time left are worked out */
    int64_t tokens;                 /* that the rate counts from before this, ... */
    double seconds;                 /* ... and the seconds that they took */
    double began;                   /* clock_seconds(); set by feeding_prefill */
};

/* What is to be shown when so many of the tokens have gone through, so many seconds later. The
 * time left is unknown (negative) where tokens_expected or the rate is. */
struct event_progress feeding_progress(const struct feeding *feeding, size_t tokens,
                                       double seconds);

/* forward_prefill. Where it computes on a device, nothing is told before the end. */
bool feeding_prefill(struct feeding *feeding, const struct forward_lane *lanes, size_t count,
                     struct error *error) WARN_UNUSED;

#endif
