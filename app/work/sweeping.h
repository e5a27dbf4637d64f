/* sweeping.h: does the pace stay, and the memory? One long reading, one long answer. */
#ifndef TIDEMARK_APP_WORK_SWEEPING_H
#define TIDEMARK_APP_WORK_SWEEPING_H

#include "app/work/session.h"

struct sweeping_point {
    bool generating;          /* false: reading */
    int64_t tokens;           /* read or generated so far */
    double tokens_per_second; /* since the point before */
    double memory;            /* bytes in use, of the GPU or else of this process */
};

/* Reads to 2^20 tokens and generates 2^17, each for SWEEPING_SECONDS at most, and gives a
 * point at every power of two from 1024 on and one at the end. */
#define SWEEPING_SECONDS 200.0

typedef void sweeping_tell(void *context, const struct sweeping_point *point);
bool sweeping_run(struct session *session, sweeping_tell *tell, void *context,
                  struct error *error) WARN_UNUSED;

#endif
