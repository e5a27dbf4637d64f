/* worker.h: the one thread that owns engine and store.
 *
 *     struct worker *worker = worker_start(&options, &error);
 *     uint64_t id;
 *     if (worker_submit(worker, read_job, &job, WORKER_IN_TURN, &id, &error))
 *         while (worker_next(worker, &event, -1)) ...  until EVENT_DONE or EVENT_FAILED of id
 *     worker_stop(worker);
 *
 * Jobs run one after the other in the order given, but for urgent ones: these come
 * before all others, and run also while a long job pauses (session_pause). Events
 * wait in a queue behind a descriptor that can be polled; each names its job. */
#ifndef TIDEMARK_APP_WORK_WORKER_H
#define TIDEMARK_APP_WORK_WORKER_H

#include "app/work/session.h"

struct worker;

/* Runs on the worker's thread. `context` stays the submitter's, who may look at
 * it again after the job's EVENT_DONE or EVENT_FAILED. */
typedef bool worker_job(struct session *session, void *context, struct error *error);

/* Opens the library on the worker's thread; NULL and an error when that fails. */
struct worker *worker_start(const struct session_options *options, struct error *error);

/* Cancels what runs, ends the thread, closes everything. NULL is fine. */
void worker_stop(struct worker *worker);

enum worker_order {
    WORKER_IN_TURN,
    WORKER_URGENT, /* an urgent job never pauses for another */
};

/* *id (may be NULL) is set before the job can begin: what its events will carry. From 1,
 * never given twice by one worker. */
bool worker_submit(struct worker *worker, worker_job *job, void *context, enum worker_order order,
                   uint64_t *id, struct error *error) WARN_UNUSED;

/* Asks every job that runs, or when none does the next that waits, to stop soon: it fails
 * with ERROR_INTERRUPTED after keeping its last checkpoint. Safe in a signal handler. */
void worker_cancel(struct worker *worker);

/* Asks one job to stop, whether it runs, pauses or waits; one that waits fails without
 * having begun. The others go on. Nothing happens when it has ended. Not for signal
 * handlers. */
void worker_cancel_job(struct worker *worker, uint64_t id);

/* Readable while events wait. */
int worker_descriptor(const struct worker *worker);

/* Takes the next event, waiting up to `milliseconds` (-1: for ever). False when
 * none came. */
bool worker_next(struct worker *worker, struct event *event, int milliseconds);

#endif
