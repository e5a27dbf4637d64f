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

static uint64_t submit_as(struct worker *worker, enum worker_order order, worker_job *job,
                          void *context)
{
    struct error error = {0};
    uint64_t id = 0;
    assert_true(worker_submit(worker, job, context, order, &id, &error));
    assert_true(id > 0);
    return id;
}

static uint64_t submit(struct worker *worker, worker_job *job, void *context)
{
    return submit_as(worker, WORKER_IN_TURN, job, context);
}

static uint64_t submit_urgent(struct worker *worker, worker_job *job, void *context)
{
    return submit_as(worker, WORKER_URGENT, job, context);
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

static void expect(struct worker *worker, enum event_kind kind, uint64_t job)
{
    struct event event = next(worker);
    if (event.kind != kind || event.job != job)
        fail_msg("event %d of job %llu instead of %d of %llu (%s%s)", (int)event.kind,
                 (unsigned long long)event.job, (int)kind, (unsigned long long)job, event.text,
                 event.error.text);
}

static void expect_interrupted(struct worker *worker, uint64_t job)
{
    struct event event = next(worker);
    assert_int_equal(event.kind, EVENT_FAILED);
    assert_int_equal(event.job, job);
    assert_int_equal(event.error.kind, ERROR_INTERRUPTED);
    assert_true(event.error.text[0] != '\0');
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

/* As endless_job, but lets urgent jobs run. *context counts the pauses. */
static bool pausing_job(struct session *session, void *context, struct error *error)
{
    session_note(session, "begun");
    while (session_pause(session, error)) {
        if (context)
            atomic_fetch_add((atomic_int *)context, 1);
        usleep(200);
    }
    return false;
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
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = submit(worker, note_job, names[i]);
        assert_int_equal(ids[i], i + 1);
    }
    for (int i = 0; i < 3; i++) {
        struct event event = next(worker);
        assert_int_equal(event.kind, EVENT_NOTE);
        assert_int_equal(event.job, ids[i]);
        assert_string_equal(event.text, names[i]);
        expect(worker, EVENT_DONE, ids[i]);
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

static bool one_step_job(struct session *session, void *context, struct error *error)
{
    struct event event = {.kind = EVENT_PROGRESS, .progress = {.tokens = *(int64_t *)context}};
    (void)error;
    session_emit(session, &event);
    return true;
}

/* Progress of one job never stands in for that of another. */
static bool progress_around_job(struct session *session, void *context, struct error *error)
{
    struct event event = {.kind = EVENT_PROGRESS, .progress = {.tokens = 1}};
    session_emit(session, &event);
    while (!atomic_load((atomic_bool *)context))
        usleep(200);
    if (!session_pause(session, error))
        return false;
    event.progress.tokens = 3;
    session_emit(session, &event);
    return true;
}

static void test_progress_of_each_job(void **state)
{
    struct worker *worker = *state;
    atomic_bool submitted = false;
    int64_t step = 2;
    uint64_t outer = submit(worker, progress_around_job, &submitted);
    uint64_t inner;
    struct event event;
    do /* so that the other is running when the urgent one comes */
        assert_true(worker_next(worker, &event, PATIENCE));
    while (event.kind != EVENT_PROGRESS);
    assert_int_equal(event.job, outer);
    inner = submit_urgent(worker, one_step_job, &step);
    atomic_store(&submitted, true);
    const uint64_t jobs[] = {inner, inner, outer, outer};
    const enum event_kind kinds[] = {EVENT_PROGRESS, EVENT_DONE, EVENT_PROGRESS, EVENT_DONE};
    for (int i = 0; i < 4; i++) {
        assert_true(worker_next(worker, &event, PATIENCE));
        assert_int_equal(event.job, jobs[i]);
        assert_int_equal(event.kind, kinds[i]);
        if (event.kind == EVENT_PROGRESS)
            assert_int_equal(event.progress.tokens, event.job == inner ? 2 : 3);
    }
}

/* --- urgent jobs -------------------------------------------------------------------- */

static bool gate_job(struct session *session, void *context, struct error *error)
{
    (void)error;
    session_note(session, "begun");
    while (!atomic_load((atomic_bool *)context))
        usleep(200);
    return true;
}

static void test_urgent_comes_first(void **state)
{
    struct worker *worker = *state;
    atomic_bool open = false;
    uint64_t gate = submit(worker, gate_job, &open);
    expect(worker, EVENT_NOTE, gate);
    uint64_t later[] = {submit(worker, note_job, "a"), submit(worker, note_job, "b")};
    uint64_t urgent[] = {submit_urgent(worker, note_job, "c"),
                         submit_urgent(worker, note_job, "d")};
    atomic_store(&open, true);
    expect(worker, EVENT_DONE, gate);
    for (int i = 0; i < 2; i++) {
        expect(worker, EVENT_NOTE, urgent[i]);
        expect(worker, EVENT_DONE, urgent[i]);
    }
    for (int i = 0; i < 2; i++) {
        expect(worker, EVENT_NOTE, later[i]);
        expect(worker, EVENT_DONE, later[i]);
    }
}

static void test_urgent_runs_in_a_pause(void **state)
{
    struct worker *worker = *state;
    uint64_t outer = submit(worker, pausing_job, NULL);
    expect(worker, EVENT_NOTE, outer);
    uint64_t waiting = submit(worker, note_job, "in turn");
    for (int i = 0; i < 3; i++) {
        uint64_t inner = submit_urgent(worker, i == 1 ? failing_job : note_job, "urgent");
        if (i != 1)
            expect(worker, EVENT_NOTE, inner);
        expect(worker, i == 1 ? EVENT_FAILED : EVENT_DONE, inner);
    }
    worker_cancel_job(worker, outer);
    expect_interrupted(worker, outer);
    expect(worker, EVENT_NOTE, waiting);
    expect(worker, EVENT_DONE, waiting);
}

/* An urgent job that pauses is told only whether to stop, alone or within another. */
static void test_urgent_waits_for_urgent(void **state)
{
    struct worker *worker = *state;
    for (int nested = 0; nested < 2; nested++) {
        uint64_t outer = nested ? submit(worker, pausing_job, NULL) : 0;
        atomic_int pauses = 0;
        if (nested)
            expect(worker, EVENT_NOTE, outer);
        uint64_t first = submit_urgent(worker, pausing_job, &pauses);
        expect(worker, EVENT_NOTE, first);
        uint64_t second = submit_urgent(worker, note_job, "second");
        int before = atomic_load(&pauses);
        while (atomic_load(&pauses) < before + 20)
            usleep(200);
        worker_cancel_job(worker, first);
        expect_interrupted(worker, first);
        expect(worker, EVENT_NOTE, second);
        expect(worker, EVENT_DONE, second);
        if (nested) {
            worker_cancel_job(worker, outer);
            expect_interrupted(worker, outer);
        }
    }
}

/* --- cancelling one job --------------------------------------------------------------- */

static void test_cancel_the_inner(void **state)
{
    struct worker *worker = *state;
    atomic_int pauses = 0;
    uint64_t outer = submit(worker, pausing_job, &pauses);
    expect(worker, EVENT_NOTE, outer);
    uint64_t inner = submit_urgent(worker, endless_job, NULL);
    expect(worker, EVENT_NOTE, inner);
    worker_cancel_job(worker, inner);
    expect_interrupted(worker, inner);
    int before = atomic_load(&pauses);
    while (atomic_load(&pauses) < before + 20)
        usleep(200);
    bool cancelled = true;
    uint64_t other = submit_urgent(worker, cancelled_job, &cancelled);
    expect(worker, EVENT_DONE, other);
    assert_false(cancelled);
    worker_cancel_job(worker, outer);
    expect_interrupted(worker, outer);
}

static void test_cancel_the_outer(void **state)
{
    struct worker *worker = *state;
    atomic_bool open = false;
    bool cancelled = true;
    uint64_t outer = submit(worker, pausing_job, NULL);
    expect(worker, EVENT_NOTE, outer);
    uint64_t inner = submit_urgent(worker, gate_job, &open);
    expect(worker, EVENT_NOTE, inner);
    uint64_t second = submit_urgent(worker, cancelled_job, &cancelled);
    worker_cancel_job(worker, outer);
    atomic_store(&open, true);
    expect(worker, EVENT_DONE, inner);
    /* It does not begin another job once it is to stop. */
    expect_interrupted(worker, outer);
    expect(worker, EVENT_DONE, second);
    assert_false(cancelled);
}

static void test_cancel_all(void **state)
{
    struct worker *worker = *state;
    bool cancelled = true;
    uint64_t outer = submit(worker, pausing_job, NULL);
    expect(worker, EVENT_NOTE, outer);
    uint64_t inner = submit_urgent(worker, endless_job, NULL);
    expect(worker, EVENT_NOTE, inner);
    uint64_t later = submit(worker, cancelled_job, &cancelled);
    worker_cancel(worker);
    expect_interrupted(worker, inner);
    expect_interrupted(worker, outer);
    expect(worker, EVENT_DONE, later);
    assert_false(cancelled);
}

static void test_cancel_what_waits(void **state)
{
    struct worker *worker = *state;
    bool begun[4] = {true, true, true, true};
    uint64_t running = submit(worker, endless_job, NULL);
    expect(worker, EVENT_NOTE, running);
    uint64_t ids[4];
    for (int i = 0; i < 4; i++)
        ids[i] =
            submit_as(worker, i == 3 ? WORKER_URGENT : WORKER_IN_TURN, cancelled_job, &begun[i]);
    /* The last, the first and the urgent one end while the endless one runs. */
    const int gone[] = {2, 0, 3};
    for (int i = 0; i < 3; i++) {
        worker_cancel_job(worker, ids[gone[i]]);
        worker_cancel_job(worker, ids[gone[i]]);
        expect_interrupted(worker, ids[gone[i]]);
        assert_true(begun[gone[i]]);
    }
    uint64_t last = submit(worker, note_job, "last");
    worker_cancel_job(worker, running);
    expect_interrupted(worker, running);
    expect(worker, EVENT_DONE, ids[1]);
    assert_false(begun[1]);
    expect(worker, EVENT_NOTE, last);
    expect(worker, EVENT_DONE, last);
    worker_cancel_job(worker, last);
    worker_cancel_job(worker, 12345);
    struct event event;
    assert_false(worker_next(worker, &event, 20));
}

/* --- a storm ------------------------------------------------------------------------- */

#define STORM_JOBS 400

struct storm_job {
    enum { QUICK, PAUSING, ENDLESS } kind;
    enum worker_order order;
    int steps;
    int begun;      /* written by the job; read after its end */
    bool cancelled; /* by its id */
    bool seen, ended;
    int told; /* notes that came */
};

struct storm {
    struct worker *worker;
    uint64_t random, seed;
    struct storm_job jobs[STORM_JOBS + 1]; /* by id */
    uint64_t submitted, ended;
    uint64_t stack[2]; /* of the jobs that run, as their events tell */
    int depth;
    bool cancels_all;
};

static unsigned below(struct storm *storm, unsigned limit)
{
    storm->random = storm->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(storm->random >> 33) % limit;
}

static bool storm_job(struct session *session, void *context, struct error *error)
{
    struct storm_job *job = context;
    job->begun++;
    for (int i = 0; job->kind == ENDLESS || i < job->steps; i++) {
        if (i < job->steps)
            session_note(session, "%d", i);
        if (job->kind == PAUSING || (job->kind == ENDLESS && i % 2)) {
            if (!session_pause(session, error))
                return false;
        } else if (session_cancelled(session)) {
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
        }
        if (job->kind == ENDLESS)
            usleep(50);
    }
    return true;
}

#define STORM_REQUIRE(storm, what)                                                                 \
    do {                                                                                           \
        if (!(what))                                                                               \
            fail_msg("seed %llu, job %llu of %llu, line %d: " #what,                               \
                     (unsigned long long)(storm)->seed, (unsigned long long)event->job,            \
                     (unsigned long long)(storm)->submitted, __LINE__);                            \
    } while (0)

/* Events of the jobs that run form a stack: an urgent one may begin within another. */
static void follow_note(struct storm *storm, const struct event *event)
{
    struct storm_job *job = &storm->jobs[event->job];
    STORM_REQUIRE(storm, !job->ended);
    if (!job->seen) {
        STORM_REQUIRE(storm, storm->depth < 2);
        if (storm->depth == 1) {
            STORM_REQUIRE(storm, job->order == WORKER_URGENT);
            STORM_REQUIRE(storm, storm->jobs[storm->stack[0]].order == WORKER_IN_TURN);
        }
        storm->stack[storm->depth++] = event->job;
        job->seen = true;
    }
    STORM_REQUIRE(storm, storm->stack[storm->depth - 1] == event->job);
    STORM_REQUIRE(storm, atoi(event->text) == job->told);
    job->told++;
}

static void follow_end(struct storm *storm, const struct event *event)
{
    struct storm_job *job = &storm->jobs[event->job];
    STORM_REQUIRE(storm, !job->ended);
    job->ended = true;
    storm->ended++;
    if (job->seen) {
        STORM_REQUIRE(storm, storm->stack[storm->depth - 1] == event->job);
        storm->depth--;
        STORM_REQUIRE(storm, job->begun == 1);
    } else {
        STORM_REQUIRE(storm, job->begun == 0 && event->kind == EVENT_FAILED && job->cancelled);
    }
    if (event->kind == EVENT_FAILED) {
        STORM_REQUIRE(storm, event->error.kind == ERROR_INTERRUPTED);
        STORM_REQUIRE(storm, job->cancelled || storm->cancels_all);
    } else {
        STORM_REQUIRE(storm, event->kind == EVENT_DONE && job->kind != ENDLESS);
        STORM_REQUIRE(storm, job->told == job->steps);
    }
}

static bool storm_event(struct storm *storm, int patience)
{
    struct event taken, *event = &taken;
    if (!worker_next(storm->worker, event, patience))
        return false;
    STORM_REQUIRE(storm, event->job > 0 && event->job <= storm->submitted);
    if (event->kind == EVENT_NOTE)
        follow_note(storm, event);
    else
        follow_end(storm, event);
    return true;
}

static void storm_submit(struct storm *storm)
{
    struct error error = {0};
    uint64_t id = storm->submitted + 1;
    struct storm_job *job = &storm->jobs[id];
    unsigned dice = below(storm, 10);
    job->kind = dice < 5 ? QUICK : dice < 9 ? PAUSING : ENDLESS;
    job->order = below(storm, 2) ? WORKER_URGENT : WORKER_IN_TURN;
    job->steps = 1 + (int)below(storm, 5);
    storm->submitted = id;
    uint64_t given = 0;
    assert_true(worker_submit(storm->worker, storm_job, job, job->order, &given, &error));
    assert_int_equal(given, id);
}

static void storm_cancel(struct storm *storm, uint64_t id)
{
    storm->jobs[id].cancelled = true;
    worker_cancel_job(storm->worker, id);
}

static void run_storm(struct storm *storm)
{
    while (storm->submitted < STORM_JOBS) {
        unsigned dice = below(storm, 20);
        if (dice < 9 || storm->submitted == 0)
            storm_submit(storm);
        else if (dice < 13) /* the latest most often: they are still there */
            storm_cancel(storm,
                         storm->submitted -
                             below(storm, storm->submitted < 12 ? (unsigned)storm->submitted : 12));
        else if (dice == 13 && storm->cancels_all)
            worker_cancel(storm->worker);
        else
            storm_event(storm, dice == 19 ? 1 : 0);
    }
    for (uint64_t id = 1; id <= storm->submitted; id++)
        if (storm->jobs[id].kind == ENDLESS)
            storm_cancel(storm, id);
    while (storm->ended < storm->submitted)
        if (!storm_event(storm, PATIENCE))
            fail_msg("seed %llu: the worker hangs", (unsigned long long)storm->seed);
    assert_false(storm_event(storm, 5));
    assert_int_equal(storm->depth, 0);
}

static void test_storm(void **state)
{
    static struct storm storm;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        storm = (struct storm){.seed = seed, .random = seed, .cancels_all = seed % 2 == 0};
        struct error error = {0};
        struct session_options options = {.library = folder};
        storm.worker = worker_start(&options, &error);
        assert_non_null(storm.worker);
        run_storm(&storm);
        worker_stop(storm.worker);
    }
    (void)state;
}

/* --- stopping ------------------------------------------------------------------------ */

/* Stopping ends what runs and drops what waits; tear_down does it. */
static void test_stop_while_working(void **state)
{
    struct worker *worker = *state;
    submit(worker, endless_job, NULL);
    submit(worker, endless_job, NULL);
    assert_int_equal(next(worker).kind, EVENT_NOTE);
}

static void test_stop_while_nested(void **state)
{
    struct worker *worker = *state;
    uint64_t outer = submit(worker, pausing_job, NULL);
    expect(worker, EVENT_NOTE, outer);
    uint64_t inner = submit_urgent(worker, pausing_job, NULL);
    expect(worker, EVENT_NOTE, inner);
    submit_urgent(worker, endless_job, NULL);
    submit(worker, endless_job, NULL);
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
        cmocka_unit_test_setup_teardown(test_progress_of_each_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urgent_comes_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urgent_runs_in_a_pause, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_urgent_waits_for_urgent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_the_inner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_the_outer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_what_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_storm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_while_nested, set_up, tear_down),
        cmocka_unit_test(test_library_that_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
