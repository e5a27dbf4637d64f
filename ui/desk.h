/* desk.h: where the reader's thread hands work over: two workers behind one counter.
 *
 *     struct desk *desk = desk_open(&options, &error);
 *     desk_submit(desk, DESK_QUICK, &request, NULL);
 *     poll desk_descriptors(); desk_handle(desk);      calls request.done in time
 *     desk_close(desk);
 *
 * One worker does what takes long: reading, asking, summarizing. The other looks things up
 * and notes things down, each in a moment, whatever the first one does. All callbacks come
 * on the caller's thread, from desk_handle and desk_close. */
#ifndef TIDEMARK_UI_DESK_H
#define TIDEMARK_UI_DESK_H

#include "app/work/worker.h"

#include <poll.h>

struct desk;

enum desk_counter {
    DESK_QUICK,   /* the worker for quick things */
    DESK_IN_TURN, /* the worker for long things, after what waits there */
    DESK_URGENT,  /* the same, at once, while what runs there pauses */
};

struct desk_request {
    worker_job *run; /* on the worker's thread */
    void *context;   /* handed to run, event and done */
    /* While it runs; may be NULL. */
    void (*event)(void *context, const struct event *event);
    /* Comes once, and is the end: failure is NULL when all went well. The context is the
     * callee's to free. */
    void (*done)(void *context, const struct error *failure);
};

struct desk *desk_open(const struct session_options *options, struct error *error);

/* Cancels all that runs or waits; every request is done, with ERROR_INTERRUPTED, before
 * this returns. NULL is fine. */
void desk_close(struct desk *desk);

/* Waits until what is quick is done. NULL is fine. */
void desk_finish(struct desk *desk);

/* *ticket (may be NULL) is for desk_cancel. When the request cannot be taken, done comes
 * at once with the failure. */
void desk_submit(struct desk *desk, enum desk_counter counter, const struct desk_request *request,
                 uint64_t *ticket);

/* Asks a request to stop; nothing for one that is done, and for 0. */
void desk_cancel(struct desk *desk, uint64_t ticket);

void desk_descriptors(const struct desk *desk, struct pollfd descriptors[2]);
/* Takes events that wait; should some be left, the descriptors tell. */
void desk_handle(struct desk *desk);

/* Whether requests are on their way: at the quick worker, at the other one. */
bool desk_is_busy(const struct desk *desk, bool quick, bool slow);

#endif
