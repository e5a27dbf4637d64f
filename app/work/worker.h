/* worker.h: the one thread that owns engine and store.
 *
 *     struct worker *worker = worker_start(&options, &error);
 *     worker_submit(worker, read_job, &job);
 *     while (worker_next(worker, &event, -1)) ...  until EVENT_DONE or EVENT_FAILED
 *     worker_stop(worker);
 *
 * Jobs run one after the other in the order given. Events wait in a queue behind
 * a descriptor that can be polled. */
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

bool worker_submit(struct worker *worker, worker_job *job, void *context,
                   struct error *error) WARN_UNUSED;

/* Asks the running job to stop soon: it fails with ERROR_INTERRUPTED after
 * keeping its last checkpoint. Safe in a signal handler. */
void worker_cancel(struct worker *worker);

/* Readable while events wait. */
int worker_descriptor(const struct worker *worker);

/* Takes the next event, waiting up to `milliseconds` (-1: for ever). False when
 * none came. */
bool worker_next(struct worker *worker, struct event *event, int milliseconds);

#endif
