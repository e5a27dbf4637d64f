/* A wall clock that jumps. */
#include "tests/faults/fault.h"

#include <stddef.h>
#include <sys/time.h>
#include <time.h>

static time_t jump(void)
{
    if (!fault_is_on())
        return 0;
    bool later = atomic_fetch_add(&fault_report->clock_calls, 1) >= fault_plan.clock_calls;
    return later ? (time_t)fault_plan.clock_jump : 0;
}

FAULT_EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    fault_find(&real, "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += jump();
    return result;
}

FAULT_EXPORT time_t time(time_t *out)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

FAULT_EXPORT int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}
