/* pace.h: how fast each model ran when `bench` last measured it here: the file pace.json
 * of the library's folder. It can be lost without harm. */
#ifndef TIDEMARK_APP_WORK_PACE_H
#define TIDEMARK_APP_WORK_PACE_H

#include "app/work/session.h"

struct pace {
    double prefill_tokens_per_s, decode_tokens_per_s;
    char kernels[32]; /* level, or the backend where that is a device */
    int64_t threads;  /* 0 on a device */
    int64_t time; /* when, seconds since 1970 */
};

/* Of the model in use. *known is false where nothing that can be read is noted. */
bool pace_get(const struct session *session, struct pace *pace, bool *known,
              struct error *error) WARN_UNUSED;
bool pace_put(const struct session *session, const struct pace *pace,
              struct error *error) WARN_UNUSED;

#endif
