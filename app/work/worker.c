#include "app/work/worker.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct queued_event {
    struct event event;
    struct queued_event *next;
};

struct queued_job {
    uint64_t id;
    worker_job *run;
    void *context;
    enum worker_order order;
    struct queued_event *end; /* made with the job, so that its end is never lost */
    struct queued_job *next;
};

struct job_queue {
    struct queued_job *first, *last;
};

enum {
    ORDERS = WORKER_URGENT + 1,
    LEVELS = 2, /* a job, and an urgent one while it pauses */
};

struct worker {
    pthread_t thread;
    struct session_options options;
    struct session session; /* the thread's own */
    /* One for each level, so that whatever a pausing job holds goes on looking at the
     * flag that is meant for it. */
    atomic_bool cancel[LEVELS];
    int pipe[2]; /* holds one byte while events wait */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    enum { OPENING, OPEN, REFUSED } state;
    struct error refusal;
    bool stopping;
    uint64_t last_id;
    struct queued_job *running[LEVELS]; /* written by the thread only, which may also
                                           read them without the lock */
    unsigned depth;                     /* of running; likewise */
    struct job_queue waiting[ORDERS];
    struct queued_event *first_event, *last_event;
};

/* --- events ----------------------------------------------------------------------- */

static void fill_pipe(struct worker *worker)
{
    while (write(worker->pipe[1], "", 1) < 0 && errno == EINTR)
        ;
}

static void empty_pipe(struct worker *worker)
{
    char byte;
    while (read(worker->pipe[0], &byte, 1) < 0 && errno == EINTR)
        ;
}

static void queue_event(struct worker *worker, struct queued_event *queued)
{
    queued->next = NULL;
    pthread_mutex_lock(&worker->lock);
    if (worker->last_event)
        worker->last_event->next = queued;
    else
        worker->first_event = queued;
    worker->last_event = queued;
    if (worker->first_event == queued)
        fill_pipe(worker);
    pthread_mutex_unlock(&worker->lock);
}

/* A reader that is slow needs to see only the newest of a job's progress. */
static bool replace_progress(struct worker *worker, const struct event *event)
{
    bool replaced = false;
    pthread_mutex_lock(&worker->lock);
    struct queued_event *last = worker->last_event;
    if (last && last->event.kind == EVENT_PROGRESS && last->event.job == event->job) {
        last->event = *event;
        replaced = true;
    }
    pthread_mutex_unlock(&worker->lock);
    return replaced;
}

static void emit(void *context, const struct event *from)
{
    struct worker *worker = context;
    struct event event = *from;
    event.job = worker->depth ? worker->running[worker->depth - 1]->id : 0;
    if (event.kind == EVENT_PROGRESS && replace_progress(worker, &event))
        return;
    struct queued_event *queued = malloc(sizeof *queued);
    if (!queued) /* what matters comes with the job's end, which has its own */
        return;
    queued->event = event;
    queue_event(worker, queued);
}

/* --- the jobs that wait -------------------------------------------------------------- */

static bool any_waits(const struct worker *worker)
{
    return worker->waiting[WORKER_IN_TURN].first || worker->waiting[WORKER_URGENT].first;
}

static void append_job(struct job_queue *queue, struct queued_job *job)
{
    if (queue->last)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

static struct queued_job *take_first(struct job_queue *queue)
{
    struct queued_job *job = queue->first;
    if (job)
        queue->first = job->next;
    if (!queue->first)
        queue->last = NULL;
    return job;
}

/* NULL when no such job waits there. */
static struct queued_job *take_by_id(struct job_queue *queue, uint64_t id)
{
    struct queued_job *before = NULL, *job = queue->first;
    while (job && job->id != id) {
        before = job;
        job = job->next;
    }
    if (!job)
        return NULL;
    if (before)
        before->next = job->next;
    else
        queue->first = job->next;
    if (queue->last == job)
        queue->last = before;
    return job;
}

/* --- the thread -------------------------------------------------------------------- */

/* The job is running from here on: whoever wants to cancel it finds it there. */
static void enter_job(struct worker *worker, struct queued_job *job)
{
    if (worker->depth > 0) /* a wish to cancel all was not meant for one that came later */
        atomic_store(&worker->cancel[worker->depth], false);
    worker->running[worker->depth++] = job;
}

static struct queued_job *next_job(struct worker *worker)
{
    struct queued_job *job = NULL;
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping && !any_waits(worker))
        pthread_cond_wait(&worker->changed, &worker->lock);
    if (!worker->stopping) {
        job = take_first(&worker->waiting[WORKER_URGENT]);
        if (!job)
            job = take_first(&worker->waiting[WORKER_IN_TURN]);
        enter_job(worker, job);
    }
    pthread_mutex_unlock(&worker->lock);
    return job;
}

/* An urgent job that may run while the innermost one pauses, or NULL. */
static struct queued_job *next_nested(struct worker *worker)
{
    struct queued_job *job = NULL;
    pthread_mutex_lock(&worker->lock);
    bool may = !worker->stopping && worker->running[worker->depth - 1]->order != WORKER_URGENT;
    if (may)
        job = take_first(&worker->waiting[WORKER_URGENT]);
    if (job)
        enter_job(worker, job);
    pthread_mutex_unlock(&worker->lock);
    return job;
}

/* A wish to cancel ends with the job that it was meant for. */
static void leave_job(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->depth--;
    worker->running[worker->depth] = NULL;
    if (!worker->stopping)
        atomic_store(&worker->cancel[worker->depth], false);
    pthread_mutex_unlock(&worker->lock);
}

static void run_job(struct worker *worker, struct queued_job *job)
{
    struct queued_event *end = job->end;
    end->event = (struct event){.job = job->id};
    bool ok = job->run(&worker->session, job->context, &end->event.error);
    end->event.kind = ok ? EVENT_DONE : EVENT_FAILED;
    leave_job(worker);
    queue_event(worker, end);
    free(job);
}

/* What session_pause does: the innermost job waits here while urgent ones run. */
static bool pause_job(void *context, struct error *error)
{
    struct worker *worker = context;
    assert(worker->depth > 0);
    const atomic_bool *own = &worker->cancel[worker->depth - 1];
    struct queued_job *job;
    while (!atomic_load(own) && (job = next_nested(worker)) != NULL) {
        session_watch(&worker->session, &worker->cancel[worker->depth - 1]);
        run_job(worker, job);
        session_watch(&worker->session, own);
    }
    return !atomic_load(own) || error_set(error, ERROR_INTERRUPTED, "interrupted");
}

static bool open_session(struct worker *worker)
{
    struct error error = {0};
    struct session *session = &worker->session;
    bool ok = session_open(session, &worker->options, &worker->cancel[0], emit, worker, &error);
    if (ok) {
        session->pause = pause_job;
        session->pause_context = worker;
    }
    pthread_mutex_lock(&worker->lock);
    worker->state = ok ? OPEN : REFUSED;
    worker->refusal = error;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return ok;
}

static void *work(void *context)
{
    struct worker *worker = context;
    if (!open_session(worker))
        return NULL;
    struct queued_job *job;
    while ((job = next_job(worker)) != NULL)
        run_job(worker, job);
    session_close(&worker->session);
    return NULL;
}

/* --- starting and stopping ------------------------------------------------------------ */

static void free_worker(struct worker *worker)
{
    for (int order = 0; order < ORDERS; order++)
        for (struct queued_job *job; (job = take_first(&worker->waiting[order])) != NULL;) {
            free(job->end);
            free(job);
        }
    while (worker->first_event) {
        struct queued_event *event = worker->first_event;
        worker->first_event = event->next;
        free(event);
    }
    for (int i = 0; i < 2; i++)
        if (worker->pipe[i] >= 0)
            close(worker->pipe[i]);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}

/* Signals are for the thread that waits for events: it starts with all of them
 * blocked, and so do the threads that it starts. */
static int start_thread(struct worker *worker)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all, before;
    sigfillset(&all);
    /* A fault is handled where it happens, or nowhere. */
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&worker->thread, NULL, work, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* True once the session is open; the thread has ended otherwise. */
static bool wait_until_open(struct worker *worker, struct error *error)
{
    pthread_mutex_lock(&worker->lock);
    while (worker->state == OPENING)
        pthread_cond_wait(&worker->changed, &worker->lock);
    bool open = worker->state == OPEN;
    pthread_mutex_unlock(&worker->lock);
    if (open)
        return true;
    pthread_join(worker->thread, NULL);
    *error = worker->refusal;
    return false;
}

struct worker *worker_start(const struct session_options *options, struct error *error)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        error_out_of_memory(error);
        return NULL;
    }
    worker->options = *options;
    worker->pipe[0] = worker->pipe[1] = -1;
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->changed, NULL);
    int status = 0;
    if (pipe2(worker->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        error_set(error, ERROR_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    else if ((status = start_thread(worker)) != 0)
        error_set(error, ERROR_SYSTEM, "cannot start a thread: %s", strerror(status));
    else if (wait_until_open(worker, error))
        return worker;
    free_worker(worker);
    return NULL;
}

void worker_stop(struct worker *worker)
{
    if (!worker)
        return;
    pthread_mutex_lock(&worker->lock);
    worker->stopping = true;
    worker_cancel(worker);
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    free_worker(worker);
}

/* --- jobs ------------------------------------------------------------------------- */

bool worker_submit(struct worker *worker, worker_job *job, void *context, enum worker_order order,
                   uint64_t *id, struct error *error)
{
    struct queued_job *queued = malloc(sizeof *queued);
    struct queued_event *end = malloc(sizeof *end);
    if (!queued || !end) {
        free(queued);
        free(end);
        return error_out_of_memory(error);
    }
    *queued = (struct queued_job){.run = job, .context = context, .order = order, .end = end};
    pthread_mutex_lock(&worker->lock);
    /* One that came while nothing was there to cancel is not meant for this job;
     * from here on it is. */
    if (worker->depth == 0 && !any_waits(worker))
        atomic_store(&worker->cancel[0], false);
    queued->id = ++worker->last_id;
    if (id)
        *id = queued->id;
    append_job(&worker->waiting[order], queued);
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return true;
}

/* The inner job first, so that one wish never ends an outer job and then another that
 * runs in its stead. */
void worker_cancel(struct worker *worker)
{
    for (int level = LEVELS; level-- > 0;)
        atomic_store(&worker->cancel[level], true);
}

static bool cancel_running(struct worker *worker, uint64_t id)
{
    for (unsigned level = 0; level < worker->depth; level++)
        if (worker->running[level]->id == id) {
            atomic_store(&worker->cancel[level], true);
            return true;
        }
    return false;
}

void worker_cancel_job(struct worker *worker, uint64_t id)
{
    struct queued_job *job = NULL;
    pthread_mutex_lock(&worker->lock);
    if (!cancel_running(worker, id))
        for (int order = 0; !job && order < ORDERS; order++)
            job = take_by_id(&worker->waiting[order], id);
    pthread_mutex_unlock(&worker->lock);
    if (!job)
        return;
    job->end->event = (struct event){.kind = EVENT_FAILED, .job = id};
    error_set(&job->end->event.error, ERROR_INTERRUPTED, "cancelled before it began");
    queue_event(worker, job->end);
    free(job);
}

int worker_descriptor(const struct worker *worker)
{
    return worker->pipe[0];
}

static bool take_event(struct worker *worker, struct event *event)
{
    pthread_mutex_lock(&worker->lock);
    struct queued_event *first = worker->first_event;
    if (first) {
        worker->first_event = first->next;
        if (!worker->first_event) {
            worker->last_event = NULL;
            empty_pipe(worker);
        }
    }
    pthread_mutex_unlock(&worker->lock);
    if (!first)
        return false;
    *event = first->event;
    free(first);
    return true;
}

/* Milliseconds until the deadline, rounded up so that poll never spins. */
static int remaining(double deadline)
{
    double left = ceil((deadline - clock_seconds()) * 1000);
    return left > 0 ? (int)left : 0;
}

bool worker_next(struct worker *worker, struct event *event, int milliseconds)
{
    double deadline = clock_seconds() + milliseconds / 1000.0;
    struct pollfd waiting = {.fd = worker->pipe[0], .events = POLLIN};
    for (;;) {
        if (take_event(worker, event))
            return true;
        int wait = milliseconds < 0 ? -1 : remaining(deadline);
        if (wait == 0)
            return false;
        if (poll(&waiting, 1, wait) < 0 && errno != EINTR)
            return false;
    }
}
