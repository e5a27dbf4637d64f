/* clock.h: the two clocks. Durations use the monotonic one; only what a person
 * reads as a date uses the wall clock, which may jump. */
#ifndef TIDEMARK_BASE_CLOCK_H
#define TIDEMARK_BASE_CLOCK_H

#include <stdint.h>

double clock_seconds(void);    /* monotonic, from an arbitrary start */
int64_t clock_unix_time(void); /* seconds since 1970-01-01 UTC */

#endif
