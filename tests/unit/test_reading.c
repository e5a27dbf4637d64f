/* Reading while other things are done: pauses, cancelling, and two workers at a time. */
#include "app/work/listing.h"
#include "app/work/noting.h"
#include "app/work/reading.h"
#include "app/work/upkeep.h"
#include "app/work/worker.h"
#include "base/clock.h"
#include "tests/support/saved_model.h"
#include "tests/unit/work_fixture.h"

#define PATIENCE 60000 /* milliseconds: only a hanging worker takes so long */

enum { SECTIONS = 6 };

/* --- readings --------------------------------------------------------------------------- */

struct reading_job {
    struct reading_options options;
    struct reading_result result;
    struct worker *worker;
    worker_job *inner; /* handed in as an urgent one at the second pause; NULL: none */
    void *inner_context;
    bool always; /* at every pause */
    int pauses;
    bool (*pause)(void *context, struct error *error); /* the worker's own */
    void *pause_context;
};

static bool pause_and_submit(void *context, struct error *error)
{
    struct reading_job *job = context;
    /* On a slow machine there may be pauses while the text is taken in. */
    if (job->result.document == 0)
        return job->pause(job->pause_context, error);
    if ((++job->pauses == 2 || job->always) && job->inner &&
        !worker_submit(job->worker, job->inner, job->inner_context, WORKER_URGENT, NULL, error))
        return false;
    return job->pause(job->pause_context, error);
}

static bool reading_job(struct session *session, void *context, struct error *error)
{
    struct reading_job *job = context;
    job->pauses = 0;
    job->pause = session->pause;
    job->pause_context = session->pause_context;
    session->pause = pause_and_submit;
    session->pause_context = job;
    bool ok = reading_run(session, &job->options, &job->result, error);
    session->pause = job->pause;
    session->pause_context = job->pause_context;
    return ok;
}

static void write_document(struct work *work, char path[WORK_PATH_SIZE], const char *name,
                           int sections)
{
    struct buffer text = {0};
    for (int i = 0; i < sections; i++) {
        work_require(work, buffer_append_format(&text, &work->error, "# Part %d\n\n", i));
        for (int line = 0; line < 10; line++)
            work_require(work,
                         buffer_append_format(&text, &work->error, "Line %d of part %d says %d.\n",
                                              line, i, line * line + i));
        work_require(work, buffer_append_text(&text, "\n", &work->error));
    }
    snprintf(path, WORK_PATH_SIZE, "%s/%s", work->folder, name);
    work_write(path, text.data, text.size);
    buffer_free(&text);
}

static struct worker *start(const struct work *work)
{
    struct error error = {0};
    struct session_options options = {.library = work->folder, .model = saved_model, .threads = 2};
    struct worker *worker = worker_start(&options, &error);
    if (!worker)
        fail_msg("%s", error.text);
    return worker;
}

static uint64_t submit(struct worker *worker, worker_job *job, void *context,
                       enum worker_order order)
{
    struct error error = {0};
    uint64_t id;
    assert_true(worker_submit(worker, job, context, order, &id, &error));
    return id;
}

static struct event next(struct worker *worker)
{
    struct event event;
    assert_true(worker_next(worker, &event, PATIENCE));
    return event;
}

static bool is_end(const struct event *event, uint64_t job)
{
    return event->job == job && (event->kind == EVENT_DONE || event->kind == EVENT_FAILED);
}

static void require_done(struct worker *worker, uint64_t job)
{
    struct event event;
    do
        event = next(worker);
    while (!is_end(&event, job));
    if (event.kind != EVENT_DONE)
        fail_msg("%s", event.error.text);
}

/* The job's end; *note is its last note. */
static struct event wait_for(struct worker *worker, uint64_t job, char note[EVENT_TEXT_SIZE])
{
    struct event event;
    note[0] = '\0';
    for (;;) {
        event = next(worker);
        if (event.job == job && event.kind == EVENT_NOTE)
            snprintf(note, EVENT_TEXT_SIZE, "%s", event.text);
        if (is_end(&event, job))
            return event;
    }
}

/* --- what runs within ------------------------------------------------------------------- */

/* Uses model and library as a question would, then leaves a note. */
static bool busy_job(struct session *session, void *context, struct error *error)
{
    int64_t document = *(int64_t *)context;
    int32_t tokens[40] = {1, 2, 3};
    struct listing list;
    struct library_note note = {.document = document, .kind = LIBRARY_NOTE_BOOKMARK};
    if (!session_need_model(session, error) || !listing_documents(session, &list, error))
        return false;
    listing_free(&list);
    struct state *states[3] = {NULL};
    struct forward_lane lanes[3];
    bool ok = true;
    for (int i = 0; i < 3; i++) {
        states[i] = state_new(&session->model->shape, error);
        ok = ok && states[i];
        lanes[i] = (struct forward_lane){.state = states[i], .tokens = tokens, .count = 40};
    }
    ok = ok && forward_prefill(session->forward, lanes, 3, error);
    for (int i = 0; i < 3; i++)
        state_free(states[i]);
    return ok && noting_put(session, &note, error);
}

struct hash_walk {
    struct hash_stream *stream;
    size_t count;
};

static bool hash_state(void *context, const struct states_info *info)
{
    struct hash_walk *walk = context;
    hash_stream_add(walk->stream, &info->hash, sizeof info->hash);
    hash_stream_add(walk->stream, &info->token, sizeof info->token);
    walk->count++;
    return true;
}

/* All states of a document as one hash: their bytes' checksums and places. */
static struct hash hash_states(struct work *work, int64_t document)
{
    struct hash_walk walk = {hash_stream_new(), 0};
    work_require(
        work, states_each(work->session.states, document, NULL, hash_state, &walk, &work->error));
    struct hash hash = hash_stream_end(walk.stream);
    hash_stream_free(walk.stream);
    assert_int_equal(walk.count, SECTIONS);
    return hash;
}

/* Reads to the end; sums up what is told of the sections and of the jobs within. */
static void read_all(struct worker *worker, struct reading_job *job, int *nested, double *bits)
{
    uint64_t id = submit(worker, reading_job, job, WORKER_IN_TURN);
    int64_t section = 0;
    struct event event;
    *nested = 0;
    *bits = 0;
    do {
        event = next(worker);
        if (event.kind == EVENT_FAILED)
            fail_msg("%s", event.error.text);
        *nested += event.kind == EVENT_DONE && event.job != id;
        if (event.kind != EVENT_SECTION)
            continue;
        assert_int_equal(event.job, id);
        assert_int_equal(event.progress.section, section++);
        assert_int_equal(event.progress.sections, SECTIONS);
        assert_true(event.progress.section_tokens > 100);
        *bits += event.progress.section_bits;
    } while (!is_end(&event, id));
    assert_int_equal(section, SECTIONS);
}

/* What runs in its pauses changes nothing of what is read. */
static void test_pauses_change_nothing(void **state)
{
    struct work *work = *state;
    struct reading_job jobs[2];
    char paths[2][WORK_PATH_SIZE];
    int nested[2];
    double bits[2];
    struct worker *worker = start(work);
    for (int i = 0; i < 2; i++) {
        const char *path = paths[i];
        write_document(work, paths[i], i ? "b.md" : "a.md", SECTIONS);
        jobs[i] = (struct reading_job){.options = {.paths = &path, .path_count = 1},
                                       .worker = worker,
                                       .inner = i ? busy_job : NULL,
                                       .inner_context = &jobs[i].result.document,
                                       .always = true};
        read_all(worker, &jobs[i], &nested[i], &bits[i]);
        assert_true(fabs(bits[i] - jobs[i].result.bits) < 1e-6 * bits[i]);
        assert_int_equal(jobs[i].result.tokens_read, jobs[i].result.tokens);
    }
    worker_stop(worker);
    assert_int_equal(nested[0], 0);
    assert_true(nested[1] > SECTIONS);
    assert_int_equal(nested[1], jobs[1].pauses);
    assert_true(jobs[0].result.bits == jobs[1].result.bits);
    assert_int_equal(jobs[0].result.tokens, jobs[1].result.tokens);
    struct hash one = hash_states(work, jobs[0].result.document);
    struct hash two = hash_states(work, jobs[1].result.document);
    assert_true(hash_equal(&one, &two));
}

static bool sleeping_job(struct session *session, void *context, struct error *error)
{
    (void)session;
    (void)error;
    usleep(*(unsigned *)context);
    return true;
}

static void test_others_time_does_not_count(void **state)
{
    struct work *work = *state;
    char path[WORK_PATH_SIZE];
    const char *paths[] = {path};
    unsigned microseconds = 400000;
    write_document(work, path, "a.md", SECTIONS);
    struct worker *worker = start(work);
    struct reading_job job = {.options = {.paths = paths, .path_count = 1},
                              .worker = worker,
                              .inner = sleeping_job,
                              .inner_context = &microseconds};
    double begin = clock_seconds();
    require_done(worker, submit(worker, reading_job, &job, WORKER_IN_TURN));
    double all = clock_seconds() - begin;
    worker_stop(worker);
    if (all < 0.4 || job.result.seconds <= 0 || job.result.seconds > all - 0.4)
        fail_msg("%f of %f seconds", job.result.seconds, all);
}

/* --- cancelling -------------------------------------------------------------------------- */

static bool waiting_job(struct session *session, void *context, struct error *error)
{
    (void)context;
    session_note(session, "begun");
    while (!session_cancelled(session))
        usleep(200);
    return error_set(error, ERROR_INTERRUPTED, "interrupted");
}

/* The job that has begun within `outer`. */
static uint64_t wait_for_inner(struct worker *worker, uint64_t outer)
{
    struct event event;
    do {
        event = next(worker);
        assert_false(is_end(&event, outer));
    } while (event.job == outer || event.kind != EVENT_NOTE);
    return event.job;
}

static void test_cancel_inner_or_outer(void **state)
{
    struct work *work = *state;
    char path[WORK_PATH_SIZE], note[EVENT_TEXT_SIZE];
    const char *paths[] = {path};
    write_document(work, path, "a.md", SECTIONS);
    struct worker *worker = start(work);
    struct reading_job job = {
        .options = {.paths = paths, .path_count = 1}, .worker = worker, .inner = waiting_job};
    uint64_t reading = submit(worker, reading_job, &job, WORKER_IN_TURN);
    uint64_t inner = wait_for_inner(worker, reading);
    worker_cancel_job(worker, reading);
    usleep(20000);
    worker_cancel_job(worker, inner);
    struct event event = wait_for(worker, inner, note);
    assert_int_equal(event.error.kind, ERROR_INTERRUPTED);
    event = wait_for(worker, reading, note);
    assert_int_equal(event.error.kind, ERROR_INTERRUPTED);
    assert_non_null(strstr(event.error.text, "interrupted in section"));

    reading = submit(worker, reading_job, &job, WORKER_IN_TURN);
    inner = wait_for_inner(worker, reading);
    worker_cancel_job(worker, inner);
    event = wait_for(worker, inner, note);
    assert_int_equal(event.error.kind, ERROR_INTERRUPTED);
    require_done(worker, reading);
    assert_int_equal(job.result.sections, SECTIONS);
    worker_stop(worker);
    hash_states(work, job.result.document);
}

/* --- what is pulled away ------------------------------------------------------------------ */

struct removal {
    int64_t other, read;
    struct error refusal;
};

/* In the usual way another document may go, but not the one that is being read. */
static bool remove_job(struct session *session, void *context, struct error *error)
{
    struct removal *removal = context;
    if (!upkeep_remove(session, removal->other, error))
        return false;
    if (upkeep_remove(session, removal->read, &removal->refusal))
        return error_set(error, ERROR_STORE, "the document was removed");
    return library_remove_document(session->library, removal->read, error);
}

static void test_removed_while_reading(void **state)
{
    struct work *work = *state;
    char path[WORK_PATH_SIZE], note[EVENT_TEXT_SIZE];
    const char *paths[] = {path};
    struct removal removal = {.other = work_take_in(work, "other.txt", "Another.\n")};
    write_document(work, path, "a.md", SECTIONS);
    struct worker *worker = start(work);
    struct reading_job job = {.options = {.paths = paths, .path_count = 1, .text_only = true}};
    require_done(worker, submit(worker, reading_job, &job, WORKER_IN_TURN));
    removal.read = job.result.document;
    job = (struct reading_job){.options = {.paths = paths, .path_count = 1},
                               .worker = worker,
                               .inner = remove_job,
                               .inner_context = &removal};
    uint64_t reading = submit(worker, reading_job, &job, WORKER_IN_TURN);
    struct event event = wait_for(worker, reading, note);
    assert_int_equal(event.kind, EVENT_FAILED);
    assert_int_equal(event.error.kind, ERROR_INPUT);
    assert_non_null(strstr(event.error.text, "a was removed from the library"));
    assert_int_equal(removal.refusal.kind, ERROR_STORE);
    assert_non_null(strstr(removal.refusal.text, "is being read by"));
    worker_stop(worker);
}

/* --- by its number -------------------------------------------------------------------------- */

static void test_known_document(void **state)
{
    struct work *work = *state;
    char path[WORK_PATH_SIZE], note[EVENT_TEXT_SIZE];
    const char *paths[] = {path};
    struct worker *worker = start(work);
    write_document(work, path, "a.md", 2);
    struct reading_job first = {.options = {.paths = paths, .path_count = 1, .text_only = true}};
    require_done(worker, submit(worker, reading_job, &first, WORKER_IN_TURN));
    struct reading_job job = {.options = {.document = first.result.document}};
    require_done(worker, submit(worker, reading_job, &job, WORKER_IN_TURN));
    assert_int_equal(job.result.document, first.result.document);
    assert_int_equal(job.result.sections, 2);
    assert_false(job.result.was_complete);

    /* The file has grown: so does the document. */
    write_document(work, path, "a.md", SECTIONS);
    require_done(worker, submit(worker, reading_job, &job, WORKER_IN_TURN));
    assert_int_equal(job.result.document, first.result.document);
    assert_int_equal(job.result.sections, SECTIONS);
    assert_true(job.result.resumed_at > 0);

    /* Without its file the text in the library serves, and it is said so. */
    assert_int_equal(unlink(path), 0);
    struct event event = wait_for(worker, submit(worker, reading_job, &job, WORKER_IN_TURN), note);
    assert_int_equal(event.kind, EVENT_DONE);
    assert_non_null(strstr(note, "no longer there"));
    assert_true(job.result.was_complete);

    job.options.document = 99;
    event = wait_for(worker, submit(worker, reading_job, &job, WORKER_IN_TURN), note);
    assert_int_equal(event.kind, EVENT_FAILED);
    assert_int_equal(event.error.kind, ERROR_INPUT);
    worker_stop(worker);
}

/* --- a library that is replaced ------------------------------------------------------------- */

struct model_look {
    int64_t id, found; /* as the session has it, as the library has it */
    bool known;
};

static bool look_at_model(struct session *session, void *context, struct error *error)
{
    struct model_look *look = context;
    struct hash fingerprint;
    bool found;
    if (!session_known_model(session, &look->id, &fingerprint, &look->known, error) ||
        !session_need_model(session, error) ||
        !library_find_model(session->library, &session->fingerprint, &look->found, &found, error))
        return false;
    look->id = session->model_id;
    return true;
}

/* By a backup in which the model is not: its number must not be taken for another's. */
static void test_model_after_restoring(void **state)
{
    struct work *work = *state;
    char path[WORK_PATH_SIZE];
    struct library_loss loss;
    struct model_look look;
    bool refused;
    snprintf(path, sizeof path, "%s/backup.db", work->folder);
    work_require(work, library_backup(work->session.library, path, &work->error));
    struct worker *worker = start(work);
    require_done(worker, submit(worker, look_at_model, &look, WORKER_IN_TURN));
    assert_false(look.known);
    int64_t first = look.id;
    require_done(worker, submit(worker, look_at_model, &look, WORKER_IN_TURN));
    assert_true(look.known && look.id == first && look.found == first);

    work_require(work, upkeep_restore(&work->session, path, true, &loss, &refused, &work->error));
    require_done(worker, submit(worker, look_at_model, &look, WORKER_IN_TURN));
    assert_false(look.known);
    assert_int_equal(look.id, look.found);
    assert_true(look.id > first);

    int64_t document = work_take_in(work, "a.md", "# One\n\nWords of one.\n");
    struct reading_job job = {.options = {.document = document}};
    require_done(worker, submit(worker, reading_job, &job, WORKER_IN_TURN));
    struct library_reading reading;
    bool found;
    work_require(work, library_last_reading(work->session.library, document, &reading, &found,
                                            &work->error));
    assert_true(found && reading.model == look.id);
    library_reading_free(&reading);
    worker_stop(worker);
}

/* --- two workers ---------------------------------------------------------------------------- */

struct visit {
    int64_t document;
    int round;
};

/* What a person does beside a reading, with a session of its own. */
static bool visiting_job(struct session *session, void *context, struct error *error)
{
    struct visit *visit = context;
    struct listing_document document;
    struct noting notes;
    struct library_note note = {.document = visit->document,
                                .kind = LIBRARY_NOTE_NOTE,
                                .section = visit->round % SECTIONS,
                                .begin = 2,
                                .end = 8,
                                .text = (char[]){"seen"}};
    if (!listing_document(session, visit->document, true, &document, error))
        return false;
    listing_document_free(&document);
    if (!noting_put(session, &note, error) ||
        !library_put_place(session->library, visit->document, visit->round % SECTIONS, 3, error) ||
        !noting_list(session, visit->document, &notes, error))
        return false;
    bool found = notes.count == (size_t)visit->round + 1;
    for (size_t i = 0; i < notes.count; i++)
        found = found && !notes.items[i].lost;
    noting_free(&notes);
    return found || error_set(error, ERROR_STORE, "round %d: other notes", visit->round);
}

static bool gate_job(struct session *session, void *context, struct error *error)
{
    session_note(session, "begun");
    while (!atomic_load((atomic_bool *)context))
        if (session_cancelled(session))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
    return true;
}

static void test_two_workers(void **state)
{
    struct work *work = *state;
    char path[WORK_PATH_SIZE], note[EVENT_TEXT_SIZE];
    const char *paths[] = {path};
    atomic_bool open = false;
    write_document(work, path, "a.md", SECTIONS);
    struct worker *reader = start(work), *visitor = start(work);
    struct reading_job again = {.options = {.paths = paths, .path_count = 1}}, job = again;
    job.worker = reader;
    job.inner = gate_job;
    job.inner_context = &open;
    uint64_t reading = submit(reader, reading_job, &job, WORKER_IN_TURN);
    struct event event;
    do
        event = next(reader);
    while (event.kind != EVENT_OUTLINE);
    struct visit visit = {.document = event.progress.document};
    wait_for_inner(reader, reading);
    struct event refusal =
        wait_for(visitor, submit(visitor, reading_job, &again, WORKER_IN_TURN), note);
    assert_int_equal(refusal.kind, EVENT_FAILED);
    if (!strstr(refusal.error.text, "is being read by process"))
        fail_msg("%s", refusal.error.text);
    atomic_store(&open, true);
    for (bool ended = false; !ended || visit.round < 20; visit.round++) {
        require_done(visitor, submit(visitor, visiting_job, &visit, WORKER_IN_TURN));
        while (!ended && worker_next(reader, &event, 0)) {
            ended = is_end(&event, reading);
            if (event.kind == EVENT_FAILED)
                fail_msg("%s", event.error.text);
        }
    }
    worker_stop(visitor);
    worker_stop(reader);
    hash_states(work, visit.document);
    struct noting notes;
    work_require(work, noting_list(&work->session, visit.document, &notes, &work->error));
    assert_int_equal(notes.count, visit.round);
    noting_free(&notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pauses_change_nothing, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_others_time_does_not_count, work_set_up,
                                        work_tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_inner_or_outer, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_removed_while_reading, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_known_document, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_model_after_restoring, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_two_workers, work_set_up, work_tear_down),
    };
    return cmocka_run_group_tests(tests, saved_model_mamba, saved_model_remove);
}
