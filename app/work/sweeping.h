/* sweeping.h: does the pace stay, and the memory? One long reading, one long answer. */
#ifndef TIDEMARK_APP_WORK_SWEEPING_H
#define TIDEMARK_APP_WORK_SWEEPING_H

#include "app/work/session.h"

enum sweeping_doing {
    SWEEPING_FIRST, /* reading SWEEPING_STRETCH tokens from the beginning */
    SWEEPING_READING,
    SWEEPING_LAST, /* reading as many more, the same way, after all that was read */
    SWEEPING_GENERATING,
};

struct sweeping_point {
    enum sweeping_doing doing;
    int64_t tokens;           /* read or generated so far */
    double tokens_per_second; /* since the point before */
    double memory;            /* bytes in use, of the GPU or else of this process */
};

/* Reads to 2^20 tokens and generates 2^17, each for SWEEPING_SECONDS at most, and gives a
 * point at every power of two from 1024 on and one at the end; before the reading one of its
 * first tokens' pace and after it one of its last's, medians of some tries. */
#define SWEEPING_SECONDS 200.0
#define SWEEPING_STRETCH 10000

typedef void sweeping_tell(void *context, const struct sweeping_point *point);
bool sweeping_run(struct session *session, sweeping_tell *tell, void *context,
                  struct error *error) WARN_UNUSED;

#endif
