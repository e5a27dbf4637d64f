/* What is shown while a pass is on its way: tokens by the layers that are done. */
#include "app/work/feeding.h"
#include "app/work/prefix.h"
#include "base/clock.h"
#include "tests/support/saved_model.h"
#include "tests/unit/work_fixture.h"

enum { WORDS = 70 }; /* a few letters each: more than the trial has tokens, less than a pass */

/* --- arithmetic --------------------------------------------------------------------------- */

static void test_arithmetic(void **state)
{
    const struct feeding feeding = {
        .progress = {.doing = "reading", .section = 3, .tokens = 10000, .tokens_expected = 20192},
        .tokens = 808,
        .seconds = 8,
    };
    (void)state;
    struct event_progress at = feeding_progress(&feeding, 192, 2);
    assert_string_equal(at.doing, "reading");
    assert_int_equal(at.section, 3);
    assert_int_equal(at.tokens, 10192);
    assert_int_equal(at.tokens_expected, 20192);
    assert_true(at.tokens_per_second == 100);
    assert_true(at.seconds_left == 100);
    at = feeding_progress(&feeding, 0, 0);
    assert_int_equal(at.tokens, 10000);
    assert_true(at.tokens_per_second == 101);
}

static void test_unknown(void **state)
{
    struct feeding feeding = {.progress = {.tokens_expected = 100}};
    (void)state;
    assert_true(feeding_progress(&feeding, 0, 3).seconds_left < 0);
    assert_true(feeding_progress(&feeding, 50, 10).seconds_left == 10);
    assert_true(feeding_progress(&feeding, 120, 10).seconds_left < 0);
    feeding.progress.tokens_expected = 0;
    assert_true(feeding_progress(&feeding, 50, 10).seconds_left < 0);
    assert_true(feeding_progress(&feeding, 50, 0).tokens_per_second > 0);
}

/* --- a slow model --------------------------------------------------------------------------- */

struct told {
    const char *doing;
    int64_t begin, end; /* tokens before the piece in question, and after it */
    size_t within;      /* progress between the two */
    int64_t tokens;     /* last */
    bool expects;       /* the piece is among the tokens expected */
};

static void hear(void *context, const struct event *event)
{
    struct told *told = context;
    const struct event_progress *progress = &event->progress;
    if (event->kind != EVENT_PROGRESS || strcmp(progress->doing, told->doing) != 0)
        return;
    assert_true(progress->tokens >= told->tokens);
    if (told->expects && progress->tokens <= told->end)
        assert_true(progress->tokens_expected >= told->end);
    told->tokens = progress->tokens;
    told->within += progress->tokens > told->begin && progress->tokens < told->end;
}

/* Makes each layer of a long pass take longer than what is passed over in silence. */
static void dawdle(void *context, const struct matrix *matrix, const float *x, size_t stride,
                   size_t rows)
{
    const struct model *slow = context;
    (void)x;
    (void)stride;
    for (size_t i = 0; i < slow->shape.layers; i++)
        if (matrix == &slow->layers[i].in && rows > 64)
            usleep((useconds_t)(1.2e6 * FEEDING_PATIENCE));
}

static void need_model(struct work *work, bool slow, struct told *told)
{
    struct session *session = &work->session;
    session->options.model = saved_model;
    session->options.backend = "cpu";
    session->emit = hear;
    session->emit_context = told;
    work_require(work, session_need_model(session, &work->error));
    forward_watch(session->forward, slow ? dawdle : NULL, session->model);
}

static void read_slowly(struct work *work, const char *name, bool slow, struct told *told,
                        struct reading_result *result)
{
    struct buffer text = {0};
    char path[WORK_PATH_SIZE];
    const char *const paths[] = {path};
    const struct reading_options options = {.paths = paths, .path_count = 1, .alone = true};
    struct session *session = &work->session;
    for (int i = 0; i < WORDS; i++)
        work_require(work, buffer_append_format(&text, &work->error, "%d ", i));
    snprintf(path, sizeof path, "%s/%s", work->folder, name);
    work_write(path, text.data, text.size);
    buffer_free(&text);
    need_model(work, slow, told);
    told->begin = (int64_t)session->preamble.count;
    work_require(work, reading_run(session, &options, result, &work->error));
    session->emit = NULL;
}

/* What is told of a piece before it is read is shown, and neither stored nor counted. */
static void test_slow_pass(void **state)
{
    struct work *work = *state;
    struct told quick = {.doing = "reading"}, slow = {.doing = "reading"};
    struct reading_result results[2];
    struct library_reading reading;
    bool found;
    read_slowly(work, "a.txt", false, &quick, &results[0]);
    slow.end = results[0].tokens;
    read_slowly(work, "b.txt", true, &slow, &results[1]);
    assert_in_range(slow.end - slow.begin, 65, 255);
    assert_true(slow.within > 0);
    assert_true(slow.tokens <= slow.end);
    assert_int_equal(results[0].tokens, results[1].tokens);
    assert_int_equal(results[1].tokens_read, results[1].tokens);
    assert_true(results[0].bits == results[1].bits);
    work_require(work, library_get_reading(work->session.library, results[1].document,
                                           work->session.model_id, &reading, &found, &work->error));
    assert_true(found);
    assert_int_equal(reading.tokens, results[1].tokens);
    library_reading_free(&reading);
}

/* A preamble counts, too: when a document is read and when a state is reached again. */
static void test_slow_preamble(void **state)
{
    struct work *work = *state;
    struct session *session = &work->session;
    struct told reading = {.doing = "reading", .expects = true}, again = {.doing = "reading on"};
    struct reading_result result;
    struct states_info info;
    int64_t reread;
    need_model(work, true, &reading);
    while (session->preamble.count < 80)
        work_require(work, tokens_append(&session->preamble, 1, &work->error));
    reading.end = again.end = (int64_t)session->preamble.count;
    const struct reading_options options = {
        .document = work_take_in(work, "a.txt", "Four words are here."), .alone = true};
    work_require(work, reading_run(session, &options, &result, &work->error));
    assert_true(reading.within > 0);
    session->emit_context = &again;
    work_require(work, states_remove_document(session->states, options.document, &work->error));
    struct state *reached = state_new(&session->model->shape, &work->error);
    work_require(work, reached != NULL);
    work_require(work,
                 prefix_reach(session, options.document, 0, reached, &info, &reread, &work->error));
    assert_true(again.within > 0);
    assert_int_equal(info.token, 0);
    assert_int_equal(reread + again.end, reached->tokens);
    assert_int_equal(result.tokens, reached->tokens);
    session->emit = NULL;
    state_free(reached);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test_setup_teardown(test_slow_pass, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_slow_preamble, work_set_up, work_tear_down),
    };
    return cmocka_run_group_tests(tests, saved_model_mamba, saved_model_remove);
}
