/* The worker thread: order, events, cancelling, stopping. */
#include "app/work/worker.h"

#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 20000 /* milliseconds: only a hanging worker takes so long */

static char folder[64];

static int set_up(void **state)
{
    struct error error = {0};
    struct session_options options = {.library = folder};
    snprintf(folder, sizeof folder, "/tmp/test_worker.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    *state = worker_start(&options, &error);
    return *state ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts;
    (void)kind;
    (void)where;
    return remove(path);
}

static int tear_down(void **state)
{
    worker_stop(*state);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void submit(struct worker *worker, worker_job *job, void *context)
{
    struct error error = {0};
    assert_true(worker_submit(worker, job, context, &error));
}

/* The next event that is not progress. */
static struct event next(struct worker *worker)
{
    struct event event;
    do
        assert_true(worker_next(worker, &event, PATIENCE));
    while (event.kind == EVENT_PROGRESS);
    return event;
}

static bool note_job(struct session *session, void *context, struct error *error)
{
    (void)error;
    session_note(session, "%s", (const char *)context);
    return true;
}

static bool failing_job(struct session *session, void *context, struct error *error)
{
    (void)session;
    (void)context;
    return error_set(error, ERROR_INPUT, "no luck");
}

/* Works until it is cancelled, saying first that it has begun. */
static bool endless_job(struct session *session, void *context, struct error *error)
{
    (void)context;
    session_note(session, "begun");
    while (!session_cancelled(session))
        usleep(500);
    return error_set(error, ERROR_INTERRUPTED, "interrupted");
}

static bool cancelled_job(struct session *session, void *context, struct error *error)
{
    (void)error;
    *(bool *)context = session_cancelled(session);
    return true;
}

static void test_jobs_run_in_order(void **state)
{
    struct worker *worker = *state;
    static char names[][8] = {"first", "second", "third"};
    for (int i = 0; i < 3; i++)
        submit(worker, note_job, names[i]);
    for (int i = 0; i < 3; i++) {
        struct event event = next(worker);
        assert_int_equal(event.kind, EVENT_NOTE);
        assert_string_equal(event.text, names[i]);
        assert_int_equal(next(worker).kind, EVENT_DONE);
    }
    struct event event;
    assert_false(worker_next(worker, &event, 0));
    assert_false(worker_next(worker, &event, 20));
}

static void test_failure_is_told(void **state)
{
    struct worker *worker = *state;
    submit(worker, failing_job, NULL);
    struct event event = next(worker);
    assert_int_equal(event.kind, EVENT_FAILED);
    assert_int_equal(event.error.kind, ERROR_INPUT);
    assert_string_equal(event.error.text, "no luck");
}

static bool is_readable(struct worker *worker)
{
    struct pollfd waiting = {.fd = worker_descriptor(worker), .events = POLLIN};
    return poll(&waiting, 1, 0) == 1;
}

static void test_descriptor_tells_of_events(void **state)
{
    struct worker *worker = *state;
    assert_false(is_readable(worker));
    submit(worker, note_job, "one");
    struct pollfd waiting = {.fd = worker_descriptor(worker), .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, PATIENCE), 1);
    assert_int_equal(next(worker).kind, EVENT_NOTE);
    assert_int_equal(next(worker).kind, EVENT_DONE);
    assert_false(is_readable(worker));
}

/* A wish to cancel ends the job that runs and no other. */
static void test_cancel_is_for_one_job(void **state)
{
    struct worker *worker = *state;
    bool cancelled = true;
    submit(worker, endless_job, NULL);
    submit(worker, cancelled_job, &cancelled);
    assert_int_equal(next(worker).kind, EVENT_NOTE);
    worker_cancel(worker);
    struct event event = next(worker);
    assert_int_equal(event.kind, EVENT_FAILED);
    assert_int_equal(event.error.kind, ERROR_INTERRUPTED);
    assert_int_equal(next(worker).kind, EVENT_DONE);
    assert_false(cancelled);
}

static void test_cancel_without_job_is_forgotten(void **state)
{
    struct worker *worker = *state;
    bool cancelled = true;
    worker_cancel(worker);
    submit(worker, cancelled_job, &cancelled);
    assert_int_equal(next(worker).kind, EVENT_DONE);
    assert_false(cancelled);
}

#define STEPS 5000

static bool progress_job(struct session *session, void *context, struct error *error)
{
    (void)error;
    for (int64_t i = 1; i <= STEPS; i++) {
        struct event event = {.kind = EVENT_PROGRESS, .progress = {.tokens = i}};
        session_emit(session, &event);
    }
    atomic_store((atomic_bool *)context, true);
    return true;
}

/* Whoever does not keep up gets the newest progress only. */
static void test_progress_does_not_pile_up(void **state)
{
    struct worker *worker = *state;
    struct event event;
    atomic_bool emitted = false;
    submit(worker, progress_job, &emitted);
    while (!atomic_load(&emitted))
        usleep(500);
    assert_true(worker_next(worker, &event, PATIENCE));
    assert_int_equal(event.kind, EVENT_PROGRESS);
    assert_int_equal(event.progress.tokens, STEPS);
    assert_true(worker_next(worker, &event, PATIENCE));
    assert_int_equal(event.kind, EVENT_DONE);
}

/* Stopping ends what runs and drops what waits; tear_down does it. */
static void test_stop_while_working(void **state)
{
    struct worker *worker = *state;
    submit(worker, endless_job, NULL);
    submit(worker, endless_job, NULL);
    assert_int_equal(next(worker).kind, EVENT_NOTE);
}

static void test_library_that_cannot_be_opened(void **state)
{
    (void)state;
    struct error error = {0};
    struct session_options options = {.library = "/dev/null/library"};
    assert_null(worker_start(&options, &error));
    assert_int_not_equal(error.kind, ERROR_NONE);
    assert_true(error.text[0] != '\0');
    worker_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_jobs_run_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failure_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptor_tells_of_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_is_for_one_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_without_job_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_progress_does_not_pile_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_while_working, set_up, tear_down),
        cmocka_unit_test(test_library_that_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
