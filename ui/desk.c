#include "ui/desk.h"

#include <errno.h>
#include <stdlib.h>

/* A request on its way. */
struct ticket {
    uint64_t number;
    size_t worker; /* which */
    uint64_t job;  /* its number there */
    struct desk_request request;
    struct ticket *next;
};

enum { QUICK, SLOW, WORKERS };

enum { AT_ONCE = 100 }; /* events between two looks at the keys */

#define CLOSED "the reader was left"

struct desk {
    struct worker *workers[WORKERS];
    struct ticket *tickets;
    uint64_t last_number;
};

struct desk *desk_open(const struct session_options *options, struct error *error)
{
    struct desk *desk = calloc(1, sizeof *desk);
    if (!desk) {
        error_out_of_memory(error);
        return NULL;
    }
    /* One after the other: the first makes or upgrades the library. */
    for (size_t i = 0; i < WORKERS; i++) {
        desk->workers[i] = worker_start(options, error);
        if (!desk->workers[i]) {
            desk_close(desk);
            return NULL;
        }
    }
    return desk;
}

static void end_ticket(struct ticket *ticket, const struct error *failure)
{
    ticket->request.done(ticket->request.context, failure);
    free(ticket);
}

void desk_finish(struct desk *desk)
{
    while (desk && desk_is_busy(desk, true, false)) {
        struct pollfd all[2];
        desk_descriptors(desk, all);
        if (poll(all, WORKERS, -1) < 0 && errno != EINTR)
            return;
        desk_handle(desk);
    }
}

void desk_close(struct desk *desk)
{
    struct error closed = {0};
    if (!desk)
        return;
    for (size_t i = 0; i < WORKERS; i++)
        if (desk->workers[i])
            worker_cancel(desk->workers[i]);
    for (size_t i = 0; i < WORKERS; i++) {
        worker_stop(desk->workers[i]);
        desk->workers[i] = NULL; /* what is submitted from here on is refused */
    }
    error_set(&closed, ERROR_INTERRUPTED, CLOSED);
    while (desk->tickets) {
        struct ticket *first = desk->tickets;
        desk->tickets = first->next;
        end_ticket(first, &closed);
    }
    free(desk);
}

void desk_submit(struct desk *desk, enum desk_counter counter, const struct desk_request *request,
                 uint64_t *number)
{
    struct error error = {0};
    size_t worker = counter == DESK_QUICK ? QUICK : SLOW;
    struct ticket *ticket = malloc(sizeof *ticket);
    if (number)
        *number = 0;
    if (!ticket || !desk->workers[worker]) {
        if (ticket)
            error_set(&error, ERROR_INTERRUPTED, CLOSED);
        else
            error_out_of_memory(&error);
        free(ticket);
        request->done(request->context, &error);
        return;
    }
    *ticket = (struct ticket){.number = ++desk->last_number,
                              .worker = worker,
                              .request = *request,
                              .next = desk->tickets};
    enum worker_order order = counter == DESK_URGENT ? WORKER_URGENT : WORKER_IN_TURN;
    if (!worker_submit(desk->workers[ticket->worker], request->run, request->context, order,
                       &ticket->job, &error)) {
        end_ticket(ticket, &error);
        return;
    }
    desk->tickets = ticket;
    if (number)
        *number = ticket->number;
}

void desk_cancel(struct desk *desk, uint64_t number)
{
    for (struct ticket *ticket = desk->tickets; ticket; ticket = ticket->next)
        if (ticket->number == number)
            worker_cancel_job(desk->workers[ticket->worker], ticket->job);
}

void desk_descriptors(const struct desk *desk, struct pollfd descriptors[2])
{
    for (size_t i = 0; i < WORKERS; i++)
        descriptors[i] =
            (struct pollfd){.fd = worker_descriptor(desk->workers[i]), .events = POLLIN};
}

static void dispatch(struct desk *desk, size_t worker, const struct event *event)
{
    struct ticket **at = &desk->tickets;
    while (*at && ((*at)->worker != worker || (*at)->job != event->job))
        at = &(*at)->next;
    struct ticket *ticket = *at;
    if (!ticket)
        return;
    if (event->kind == EVENT_DONE || event->kind == EVENT_FAILED) {
        *at = ticket->next;
        end_ticket(ticket, event->kind == EVENT_FAILED ? &event->error : NULL);
    } else if (ticket->request.event) {
        ticket->request.event(ticket->request.context, event);
    }
}

void desk_handle(struct desk *desk)
{
    struct event event;
    for (size_t i = 0; i < WORKERS; i++)
        for (int j = 0; j < AT_ONCE && worker_next(desk->workers[i], &event, 0); j++)
            dispatch(desk, i, &event);
}

bool desk_is_busy(const struct desk *desk, bool quick, bool slow)
{
    for (const struct ticket *ticket = desk->tickets; ticket; ticket = ticket->next)
        if (ticket->worker == QUICK ? quick : slow)
            return true;
    return false;
}
