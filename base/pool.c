#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

/* About 20 microseconds of pause instructions: longer than the serial stretch
 * between two parallel ones, shorter than what a neighbour process would miss. */
enum { SPINS = 600 };

/* The items that a thread has before it: [begin, end) in one word, so that one exchange takes
 * some of them away. On a cache line of its own, which others touch only when theirs are done. */
struct share {
    _Alignas(64) _Atomic uint64_t items; /* begin in the upper half, end in the lower */
};

struct worker {
    struct pool *pool;
    unsigned number;
    pthread_t thread;
};

struct pool {
    unsigned threads;
    struct worker *workers; /* [threads]; number 0 is the caller of pool_run */
    struct share *shares;   /* [threads] */
    const atomic_bool *cancel;

    /* The run in progress. Written before `generation` is raised. */
    pool_work *work;
    void *context;
    atomic_bool cancelled;

    /* A helper takes part by raising `inside` and then finding the run open.
     * The caller closes the run once no item is left and waits only for those
     * inside: a helper whose core is busy elsewhere is not waited for. */
    atomic_uint generation; /* raised once a run */
    atomic_bool open;
    atomic_uint inside;
    atomic_bool quit;

    pthread_mutex_t mutex;
    pthread_cond_t begin, end;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

static bool is_cancelled(struct pool *pool)
{
    if (!pool->cancel || !atomic_load_explicit(pool->cancel, memory_order_relaxed))
        return false;
    atomic_store(&pool->cancelled, true);
    return true;
}

static uint64_t range(uint64_t begin, uint64_t end)
{
    return begin << 32 | end;
}

static uint64_t begin_of(uint64_t items)
{
    return items >> 32;
}

static uint64_t end_of(uint64_t items)
{
    return items & UINT32_MAX;
}

/* Equal shares; thread 0, which is awake, has the first item. */
static void share_out(struct pool *pool, size_t items)
{
    const uint64_t threads = pool->threads;
    for (uint64_t i = 0; i < threads; i++)
        atomic_store_explicit(
            &pool->shares[i].items,
            range((i * items + threads - 1) / threads, ((i + 1) * items + threads - 1) / threads),
            memory_order_relaxed);
}

/* The first item of the thread's own share. */
static bool take_first(struct share *share, size_t *item)
{
    uint64_t items = atomic_load(&share->items);
    while (begin_of(items) < end_of(items))
        if (atomic_compare_exchange_weak(&share->items, &items,
                                         range(begin_of(items) + 1, end_of(items)))) {
            *item = (size_t)begin_of(items);
            return true;
        }
    return false;
}

/* The later half of what another thread has before it becomes the thread's own. */
static bool take_over(struct pool *pool, unsigned number)
{
    for (unsigned i = 1; i < pool->threads; i++) {
        struct share *other = &pool->shares[(number + i) % pool->threads];
        uint64_t items = atomic_load(&other->items);
        while (begin_of(items) < end_of(items)) {
            const uint64_t middle = begin_of(items) + (end_of(items) - begin_of(items)) / 2;
            if (atomic_compare_exchange_weak(&other->items, &items,
                                             range(begin_of(items), middle))) {
                atomic_store(&pool->shares[number].items, range(middle, end_of(items)));
                return true;
            }
        }
    }
    return false;
}

static void work_items(struct pool *pool, unsigned number)
{
    size_t item = 0;
    while (!is_cancelled(pool)) {
        if (take_first(&pool->shares[number], &item))
            pool->work(pool->context, item, number);
        else if (!take_over(pool, number))
            return;
    }
}

static void wait_for_run(struct pool *pool, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&pool->generation) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->begin, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

static void *helper(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    for (unsigned seen = 0;;) {
        wait_for_run(pool, seen);
        seen = atomic_load(&pool->generation);
        if (atomic_load(&pool->quit))
            return NULL;
        atomic_fetch_add(&pool->inside, 1);
        if (atomic_load(&pool->open))
            work_items(pool, worker->number);
        if (atomic_fetch_sub(&pool->inside, 1) == 1) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->end);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

static void announce(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->generation, 1);
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->mutex);
}

static void wait_for_helpers(struct pool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&pool->inside) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->inside) != 0)
        pthread_cond_wait(&pool->end, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

bool pool_run(struct pool *pool, pool_work *work, void *context, size_t items)
{
    assert(items <= UINT32_MAX);
    pool->work = work;
    pool->context = context;
    atomic_store(&pool->cancelled, false);
    share_out(pool, items);
    if (pool->threads > 1 && items > 1) {
        atomic_store(&pool->open, true);
        announce(pool);
        work_items(pool, 0);
        atomic_store(&pool->open, false);
        wait_for_helpers(pool);
    } else {
        work_items(pool, 0);
    }
    return !atomic_load(&pool->cancelled);
}

static unsigned allowed_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}

struct pool *pool_new(unsigned threads, struct error *error)
{
    struct pool *pool = calloc(1, sizeof *pool);
    unsigned wanted = threads ? threads : allowed_processors();
    struct worker *workers = pool ? calloc(wanted, sizeof *workers) : NULL;
    struct share *shares =
        workers ? aligned_alloc(_Alignof(struct share), wanted * sizeof *shares) : NULL;
    if (!shares) {
        free(workers);
        free(pool);
        error_out_of_memory(error);
        return NULL;
    }
    pool->workers = workers;
    pool->shares = shares;
    pool->threads = 1;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->end, NULL);
    for (unsigned i = 1; i < wanted; i++) {
        workers[i] = (struct worker){.pool = pool, .number = i};
        if (pthread_create(&workers[i].thread, NULL, helper, &workers[i]) != 0) {
            pool_free(pool);
            error_set(error, ERROR_SYSTEM,
                      "cannot start thread %u of %u: use --threads with a smaller number", i + 1,
                      wanted);
            return NULL;
        }
        pool->threads = i + 1;
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->quit, true);
    announce(pool);
    for (unsigned i = 1; i < pool->threads; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->end);
    free(pool->shares);
    free(pool->workers);
    free(pool);
}

unsigned pool_threads(const struct pool *pool)
{
    return pool->threads;
}

void pool_set_cancel(struct pool *pool, const atomic_bool *cancel)
{
    pool->cancel = cancel;
}
