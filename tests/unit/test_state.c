/* States whose newest copy is a device's: who is told, and when, that it is gone. */
#include "engine/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct model_shape shape = {
    .embedding = 8, .inner = 16, .states = 4, .taps = 4, .rank = 1, .layers = 2, .vocabulary = 5};

static bool fails(struct state *state, struct error *error)
{
    (void)state;
    return error_set(error, ERROR_SYSTEM, "the device failed");
}

static bool cannot(struct state *to, const struct state *from)
{
    (void)to;
    (void)from;
    return false;
}

static size_t freed;

static void count_free(struct state_mirror *mirror)
{
    (void)mirror;
    freed++;
}

static struct state_mirror mirror = {
    .fetch = fails, .fetch_logits = fails, .copy = cannot, .free = count_free};

static struct state *new_state(void)
{
    struct error error = {0};
    struct state *state = state_new(&shape, &error);
    assert_non_null(state);
    state->tokens = 3;
    return state;
}

static void assert_lost(struct state *state)
{
    struct error error = {0};
    assert_false(state_fetch(state, &error));
    assert_non_null(strstr(error.text, "lost with the device"));
    assert_false(state_fetch_logits(state, &error));
}

/* The device failed at its end: what it had is gone, and so is what is copied from there. */
static void test_copy_of_lost(void **context)
{
    (void)context;
    struct state *from = new_state(), *to = new_state();
    from->ahead = from->logits_ahead = true;
    to->mirror = &mirror;
    freed = 0;
    state_copy(to, from);
    assert_int_equal(freed, 1);
    assert_lost(to);
    assert_lost(from);
    state_free(from);
    state_free(to);
}

static void test_copy_from_failing(void **context)
{
    (void)context;
    struct state *from = new_state(), *to = new_state();
    from->mirror = &mirror;
    from->ahead = from->logits_ahead = true;
    state_copy(to, from);
    assert_lost(to);
    state_free(from);
    state_free(to);
}

/* Written anew, a state is whole again. */
static void test_written(void **context)
{
    (void)context;
    struct error error = {0};
    struct state *from = new_state(), *to = new_state();
    to->ahead = to->logits_ahead = true;
    for (size_t i = 0; i < from->floats; i++)
        from->data[i] = (float)i;
    state_copy(to, from);
    assert_true(state_fetch(to, &error) && state_fetch_logits(to, &error));
    assert_memory_equal(to->data, from->data, from->floats * sizeof *from->data);
    to->ahead = to->logits_ahead = true;
    state_reset(to);
    assert_true(state_fetch(to, &error));
    state_free(from);
    state_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_of_lost),
        cmocka_unit_test(test_copy_from_failing),
        cmocka_unit_test(test_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
