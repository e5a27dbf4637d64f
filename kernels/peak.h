/* peak.h: what this machine can do at most, to hold the model's speed against.
 *
 *     struct peak_memory *memory;
 *     if (!peak_memory_open(&memory, pool, &error)) ...
 *     for (each round) {
 *         if (!peak_flops(&flops, pool, PEAK_SECONDS, &error) ||
 *             !peak_read(&bytes, memory, pool, &error)) ...
 *         ... whatever is compared with them, timed in the same round ...
 *     }
 *     peak_memory_close(memory);
 *
 * Each call of peak_flops and peak_read is one timed round on all threads of the
 * pool; a machine's clock and its neighbours change from one second
 * to the next, so callers interleave rounds with what they measure and take
 * medians. These are measurements, not model arithmetic: no state depends on
 * them, they have no levels to choose from (TIDEMARK_CPU hides nothing here) and
 * the rule of exactness in kernels.h is not about them. Both count the work from
 * the numbers that it produced, so work that was left out is not counted. */
#ifndef TIDEMARK_KERNELS_PEAK_H
#define TIDEMARK_KERNELS_PEAK_H

#include "base/pool.h"

#include <stddef.h>

/* Size of the buffer that is read: beyond any cache. */
#define PEAK_MEMORY_BYTES ((size_t)1 << 30)

/* The arithmetic that peak_flops runs here, static text: the first of "amx-bf16"
 * (tile products), "avx512-bf16" (dot products of pairs) and "f32-fma" (the widest
 * vectors there are) that the processor has. The bf16 kinds add up in float32. */
const char *peak_flops_kind(void);

/* A round's seconds, where there is no reason for others. */
#define PEAK_SECONDS 0.06

/* One round of about so many seconds, half a millisecond at least, on registers alone:
 * operations a second, a multiply-add counted as two. Between two runs of the same pool it
 * finds the threads awake and leaves them so; of the caches it takes some KiB of the first
 * level, of the tiles all. ERROR_INTERRUPTED when the pool was cancelled. */
bool peak_flops(double *flops_per_s, struct pool *pool, double seconds,
                struct error *error) WARN_UNUSED;

struct peak_memory;

/* Allocates PEAK_MEMORY_BYTES, in huge pages where the system gives them, and
 * writes them once. ERROR_SYSTEM when there is not so much memory. */
bool peak_memory_open(struct peak_memory **memory, struct pool *pool,
                      struct error *error) WARN_UNUSED;
void peak_memory_close(struct peak_memory *memory);

/* One round of PEAK_SECONDS at least, reading all of the memory: bytes a second. */
bool peak_read(double *bytes_per_s, const struct peak_memory *memory, struct pool *pool,
               struct error *error) WARN_UNUSED;

#endif
