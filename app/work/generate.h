/* generate.h: lanes decoded side by side until each has ended. */
#ifndef TIDEMARK_APP_WORK_GENERATE_H
#define TIDEMARK_APP_WORK_GENERATE_H

#include "app/work/session.h"
#include "engine/sampler.h"

struct generate_lane {
    struct state *state;    /* in: after the prompt; out: after the answer */
    struct buffer text;     /* out: the answer, whole UTF-8 characters; caller frees */
    struct tokens tokens;   /* out: its tokens; caller frees */
    bool ended;             /* the model ended it; false: cut at the limit */
    double log_probability; /* out: sum over tokens, the end token included */
    double lowest;          /* out: least log probability of a token */
    size_t counted;         /* tokens in the sum */
    double began;           /* out: clock_seconds() when the first token was chosen */
};

/* What is emitted as EVENT_TOKEN: the text of lane `shown`, or nothing for -1. */
bool generate_run(struct session *session, struct generate_lane *lanes, size_t count,
                  const struct sampler_options *sampler, size_t max_tokens, int shown,
                  struct error *error) WARN_UNUSED;

/* Whether a token can follow: there is none where no logit is a number. */
bool generate_can_follow(const struct forward_choice *choice, struct error *error) WARN_UNUSED;

void generate_lane_free(struct generate_lane *lane); /* text and tokens, not state */

#endif
