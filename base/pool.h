/* pool.h: a team of threads that shares out numbered work items.
 *
 *     struct pool *pool = pool_new(2, &error);
 *     pool_run(pool, multiply, &context, items);   // returns when all are done
 *     pool_free(pool);
 *
 * Each thread begins with an equal share of consecutive items, which it works in their
 * order: what an item reads lies behind what the thread read before. One that is done takes
 * over the later half of what another has left, so a thread whose core is taken away by
 * another process delays one item only. Which thread works an item is left to chance all the
 * same: results must not depend on it. Waiting threads spin for a few microseconds, then
 * sleep. */
#ifndef TIDEMARK_BASE_POOL_H
#define TIDEMARK_BASE_POOL_H

#include "base/error.h"

#include <stdatomic.h>
#include <stddef.h>

struct pool;

/* Works item number `item`; `worker` is 0 to pool_threads() - 1, for scratch memory. */
typedef void pool_work(void *context, size_t item, unsigned worker);

/* threads: 0 for as many as the process may run on. NULL on failure. */
struct pool *pool_new(unsigned threads, struct error *error);
void pool_free(struct pool *pool);
unsigned pool_threads(const struct pool *pool);

/* While *cancel is true no further item is begun. NULL: never cancelled. The
 * flag stays the caller's. */
void pool_set_cancel(struct pool *pool, const atomic_bool *cancel);

/* Works all items, the calling thread taking part. False when the run was
 * cancelled: then some items may not have been worked. One run at a time, of fewer than 2^32
 * items. */
bool pool_run(struct pool *pool, pool_work *work, void *context, size_t items) WARN_UNUSED;

#endif
