#include "app/work/worker.h"

#include "base/clock.h"

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
    worker_job *run;
    void *context;
    struct queued_event *end; /* made with the job, so that its end is never lost */
    struct queued_job *next;
};

struct worker {
    pthread_t thread;
    struct session_options options;
    atomic_bool cancel;
    int pipe[2]; /* holds one byte while events wait */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    enum { OPENING, OPEN, REFUSED } state;
    struct error refusal;
    bool stopping;
    bool busy; /* a job runs */
    struct queued_job *first_job, *last_job;
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

/* A reader that is slow needs to see only the newest of progress. */
static bool replace_progress(struct worker *worker, const struct event *event)
{
    bool replaced = false;
    pthread_mutex_lock(&worker->lock);
    if (worker->last_event && worker->last_event->event.kind == EVENT_PROGRESS) {
        worker->last_event->event = *event;
        replaced = true;
    }
    pthread_mutex_unlock(&worker->lock);
    return replaced;
}

static void emit(void *context, const struct event *event)
{
    struct worker *worker = context;
    if (event->kind == EVENT_PROGRESS && replace_progress(worker, event))
        return;
    struct queued_event *queued = malloc(sizeof *queued);
    if (!queued) /* what matters comes with the job's end, which has its own */
        return;
    queued->event = *event;
    queue_event(worker, queued);
}

/* --- the thread -------------------------------------------------------------------- */

static struct queued_job *next_job(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    while (!worker->stopping && !worker->first_job)
        pthread_cond_wait(&worker->changed, &worker->lock);
    struct queued_job *job = worker->stopping ? NULL : worker->first_job;
    if (job) {
        worker->first_job = job->next;
        if (!worker->first_job)
            worker->last_job = NULL;
        worker->busy = true;
    }
    pthread_mutex_unlock(&worker->lock);
    return job;
}

/* A wish to cancel ends with the job that it was meant for. */
static void leave_job(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->busy = false;
    if (!worker->stopping)
        atomic_store(&worker->cancel, false);
    pthread_mutex_unlock(&worker->lock);
}

static void run_job(struct worker *worker, struct session *session, struct queued_job *job)
{
    struct queued_event *end = job->end;
    end->event = (struct event){0};
    bool ok = job->run(session, job->context, &end->event.error);
    end->event.kind = ok ? EVENT_DONE : EVENT_FAILED;
    leave_job(worker);
    queue_event(worker, end);
    free(job);
}

static bool open_session(struct worker *worker, struct session *session)
{
    struct error error = {0};
    bool ok = session_open(session, &worker->options, &worker->cancel, emit, worker, &error);
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
    struct session session;
    if (!open_session(worker, &session))
        return NULL;
    struct queued_job *job;
    while ((job = next_job(worker)) != NULL)
        run_job(worker, &session, job);
    session_close(&session);
    return NULL;
}

/* --- starting and stopping ------------------------------------------------------------ */

static void free_worker(struct worker *worker)
{
    while (worker->first_job) {
        struct queued_job *job = worker->first_job;
        worker->first_job = job->next;
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
    sigset_t all, before;
    sigfillset(&all);
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
    atomic_store(&worker->cancel, true);
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    pthread_join(worker->thread, NULL);
    free_worker(worker);
}

/* --- jobs ------------------------------------------------------------------------- */

bool worker_submit(struct worker *worker, worker_job *job, void *context, struct error *error)
{
    struct queued_job *queued = malloc(sizeof *queued);
    struct queued_event *end = malloc(sizeof *end);
    if (!queued || !end) {
        free(queued);
        free(end);
        return error_out_of_memory(error);
    }
    *queued = (struct queued_job){.run = job, .context = context, .end = end};
    pthread_mutex_lock(&worker->lock);
    /* One that came while nothing was there to cancel is not meant for this job;
     * from here on it is. */
    if (!worker->busy && !worker->first_job)
        atomic_store(&worker->cancel, false);
    if (worker->last_job)
        worker->last_job->next = queued;
    else
        worker->first_job = queued;
    worker->last_job = queued;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->lock);
    return true;
}

void worker_cancel(struct worker *worker)
{
    atomic_store(&worker->cancel, true);
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
