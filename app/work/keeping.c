#include "app/work/keeping.h"

#include "app/work/upkeep.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* Threads that pack a state, so that it is the disk alone that a fast GPU may have to wait
 * for. */
enum { PACKERS = 4 };

/* A state under way. */
struct job {
    struct states_info info;
    struct forward_snapshot *snapshot;
    struct states_freed freed;
    struct error error; /* kind NONE: it was stored */
    bool done;
};

struct keeping {
    struct session *session;
    struct states *states; /* the thread's own connection */
    struct pool *pool;     /* its own, too: the session's is in use meanwhile */
    int64_t budget;
    size_t bytes; /* of a state */

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job jobs[KEEPING_MOST]; /* a ring: [first, first + count) */
    size_t first, count, stored;   /* stored: how many of them are done */
    bool ending;
    bool roomy; /* the file is larger than its states; the thread's alone */
};

static struct job *job_at(struct keeping *k, size_t index)
{
    return &k->jobs[(k->first + index) % KEEPING_MOST];
}

/* --- the thread --------------------------------------------------------------------- */

static void store(struct keeping *k, struct job *job)
{
    const float *data;
    if (forward_snapshot_wait(k->session->forward, job->snapshot, &data, &job->error) &&
        states_put(k->states, &job->info, data, k->bytes, &job->error) &&
        states_make_room(k->states, k->budget, &job->freed, &job->error))
        job->error.kind = ERROR_NONE;
    k->roomy = k->roomy || job->freed.states > 0;
}

static void *work(void *context)
{
    struct keeping *k = context;
    pthread_mutex_lock(&k->lock);
    while (!k->ending || k->stored < k->count) {
        if (k->stored == k->count) {
            pthread_cond_wait(&k->changed, &k->lock);
            continue;
        }
        struct job *job = job_at(k, k->stored);
        pthread_mutex_unlock(&k->lock);
        store(k, job);
        pthread_mutex_lock(&k->lock);
        job->done = true;
        k->stored++;
        pthread_cond_broadcast(&k->changed);
    }
    pthread_mutex_unlock(&k->lock);
    /* When that fails, the file is a little larger until states are thinned again. */
    struct error ignored;
    if (k->roomy)
        k->roomy = !states_shrink(k->states, &ignored);
    return NULL;
}

/* --- the session's side --------------------------------------------------------------- */

static void release(struct keeping *k)
{
    states_close(k->states);
    pool_free(k->pool);
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

struct keeping *keeping_new(struct session *session, struct error *error)
{
    struct keeping *k = calloc(1, sizeof *k);
    if (!k) {
        error_out_of_memory(error);
        return NULL;
    }
    k->session = session;
    k->bytes = state_bytes(&session->model->shape);
    unsigned threads = pool_threads(session->pool);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    k->pool = pool_new(threads < PACKERS ? threads : PACKERS, error);
    if (k->pool && upkeep_budget(session, &k->budget, error) &&
        states_open(&k->states, session->folder, error)) {
        states_use_pool(k->states, k->pool);
        if (pthread_create(&k->thread, NULL, work, k) == 0)
            return k;
        error_set(error, ERROR_SYSTEM, "cannot start a thread that stores states");
    }
    release(k);
    return NULL;
}

void keeping_free(struct keeping *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->ending = true;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    pthread_join(k->thread, NULL);
    for (size_t i = 0; i < k->count; i++)
        forward_snapshot_free(k->session->forward, job_at(k, i)->snapshot);
    release(k);
}

/* `count` is this thread's alone to change. */
bool keeping_full(struct keeping *k)
{
    pthread_mutex_lock(&k->lock);
    bool full = k->count == KEEPING_MOST;
    pthread_mutex_unlock(&k->lock);
    return full;
}

bool keeping_put(struct keeping *k, const struct states_info *info, struct state *state,
                 struct error *error)
{
    struct forward_snapshot *snapshot;
    assert(!keeping_full(k));
    if (!forward_snapshot(k->session->forward, state, &snapshot, error))
        return false;
    pthread_mutex_lock(&k->lock);
    *job_at(k, k->count) = (struct job){.info = *info, .snapshot = snapshot};
    k->count++;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
    return true;
}

bool keeping_take(struct keeping *k, bool wait, struct states_info *kept, bool *found,
                  struct error *error)
{
    struct job job = {0};
    pthread_mutex_lock(&k->lock);
    while (wait && k->count > 0 && k->stored == 0)
        pthread_cond_wait(&k->changed, &k->lock);
    *found = k->stored > 0;
    if (*found) {
        job = *job_at(k, 0);
        k->first = (k->first + 1) % KEEPING_MOST;
        k->count--;
        k->stored--;
    }
    pthread_mutex_unlock(&k->lock);
    if (!*found)
        return true;
    forward_snapshot_free(k->session->forward, job.snapshot);
    if (job.error.kind != ERROR_NONE) {
        *error = job.error;
        return false;
    }
    *kept = job.info;
    upkeep_thinned(k->session, k->budget, &job.freed);
    return true;
}
