/* What is shown while `bench` measures a slow model. */
#include "app/work/measuring.h"
#include "tests/support/saved_model.h"
#include "tests/unit/work_fixture.h"

struct told {
    int64_t tokens; /* last */
    double left;    /* last that was known */
    size_t known;   /* times that it was */
};

static void hear(void *context, const struct event *event)
{
    struct told *told = context;
    const struct event_progress *progress = &event->progress;
    if (event->kind != EVENT_PROGRESS)
        return;
    assert_true(progress->tokens >= told->tokens);
    told->tokens = progress->tokens;
    if (progress->seconds_left < 0) {
        assert_int_equal(told->known, 0);
        return;
    }
    if (told->known && progress->seconds_left > told->left)
        fail_msg("%g s left after %g", progress->seconds_left, told->left);
    told->left = progress->seconds_left;
    told->known++;
}

/* A long pass takes longer than lies between two words of progress at least. */
static void dawdle(void *context, const struct matrix *matrix, const float *x, size_t stride,
                   size_t rows)
{
    const struct model *slow = context;
    (void)x;
    (void)stride;
    if (matrix == &slow->layers[0].in && rows > 64)
        usleep(120000);
}

/* With one round there is nothing to learn once a time is known: it only becomes less. */
static void test_time_left(void **state)
{
    struct work *work = *state;
    struct session *session = &work->session;
    struct measuring_result result;
    struct told told = {0};
    session->options.model = saved_model;
    session->options.backend = "cpu";
    work_require(work, session_need_model(session, &work->error));
    forward_watch(session->forward, dawdle, session->model);
    session->emit = hear;
    session->emit_context = &told;
    work_require(work, measuring_run(session, 1, &result, &work->error));
    session->emit = NULL;
    assert_true(told.known > 2);
    assert_true(result.prefill_tokens_per_s > 0 && result.peak_flops > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_time_left, work_set_up, work_tear_down),
    };
    return cmocka_run_group_tests(tests, saved_model_mamba, saved_model_remove);
}
