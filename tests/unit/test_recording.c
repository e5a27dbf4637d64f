/* State first, library second, where a thread stores the states: also when one of them, or a row,
 * cannot be stored. The thread, the forward and the library are stand-ins. */
#include "app/work/recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SECTIONS = 3, COUNT = 4 };

static struct {
    size_t put, taken; /* states */
    size_t ready;      /* how many states the thread is done with */
    size_t bad_state;  /* that cannot be stored: its number from 1 on, or 0 */
    int64_t rows;      /* in the library, ... */
    int64_t committed; /* ... and of these, for good */
    int64_t bad_row;   /* the section whose row is refused, or -1 */
    size_t calls;      /* of keeping_take(): an end to waiting for nothing */
} fake;

bool __wrap_forward_snapshots(const struct forward *forward);
bool __wrap_forward_snapshots(const struct forward *forward)
{
    (void)forward;
    return true;
}

struct keeping *__wrap_keeping_new(struct session *session, struct error *error);
struct keeping *__wrap_keeping_new(struct session *session, struct error *error)
{
    (void)error;
    return (void *)session;
}

void __wrap_keeping_free(struct keeping *keeping);
void __wrap_keeping_free(struct keeping *keeping)
{
    (void)keeping;
}

bool __wrap_keeping_full(struct keeping *keeping);
bool __wrap_keeping_full(struct keeping *keeping)
{
    (void)keeping;
    return false;
}

bool __wrap_keeping_put(struct keeping *keeping, const struct states_info *info,
                        struct state *state, struct error *error);
bool __wrap_keeping_put(struct keeping *keeping, const struct states_info *info,
                        struct state *state, struct error *error)
{
    (void)keeping, (void)info, (void)state, (void)error;
    fake.put++;
    return true;
}

bool __wrap_keeping_take(struct keeping *keeping, bool wait, struct states_info *kept, bool *found,
                         struct error *error);
bool __wrap_keeping_take(struct keeping *keeping, bool wait, struct states_info *kept, bool *found,
                         struct error *error)
{
    (void)keeping;
    if (++fake.calls > 100)
        fail_msg("keeping_take() is called again and again, %zu of %zu states taken", fake.taken,
                 fake.put);
    *found = fake.taken < (wait ? fake.put : fake.ready);
    if (!*found)
        return true;
    *kept = (struct states_info){.token = (int64_t)++fake.taken};
    return fake.taken != fake.bad_state || error_set(error, ERROR_STORE, "no room");
}

struct states_info __wrap_session_info(const struct session *session, int64_t document,
                                       enum states_kind kind, int64_t section,
                                       const struct hash *text, const struct state *state);
struct states_info __wrap_session_info(const struct session *session, int64_t document,
                                       enum states_kind kind, int64_t section,
                                       const struct hash *text, const struct state *state)
{
    (void)session, (void)document, (void)kind, (void)section, (void)text, (void)state;
    return (struct states_info){0};
}

void __wrap_session_emit(struct session *session, const struct event *event);
void __wrap_session_emit(struct session *session, const struct event *event)
{
    (void)session, (void)event;
}

bool __wrap_library_begin(struct library *library, struct error *error);
bool __wrap_library_begin(struct library *library, struct error *error)
{
    (void)library, (void)error;
    return true;
}

bool __wrap_library_commit(struct library *library, struct error *error);
bool __wrap_library_commit(struct library *library, struct error *error)
{
    (void)library, (void)error;
    fake.committed = fake.rows;
    return true;
}

void __wrap_library_rollback(struct library *library);
void __wrap_library_rollback(struct library *library)
{
    (void)library;
    fake.rows = fake.committed;
}

bool __wrap_library_put_reading(struct library *library, struct library_reading *reading,
                                struct error *error);
bool __wrap_library_put_reading(struct library *library, struct library_reading *reading,
                                struct error *error)
{
    (void)library, (void)error;
    assert_int_equal(reading->sections, fake.rows);
    return true;
}

/* Rows come in order, none before the states recorded before it. */
bool __wrap_library_put_section_reading(struct library *library, int64_t reading,
                                        const struct library_section_reading *row,
                                        struct error *error);
bool __wrap_library_put_section_reading(struct library *library, int64_t reading,
                                        const struct library_section_reading *row,
                                        struct error *error)
{
    (void)library, (void)reading;
    if (row->section == fake.bad_row)
        return error_set(error, ERROR_STORE, "no room");
    assert_int_equal(row->section, fake.rows);
    assert_int_equal(row->tokens, COUNT);
    assert_true((int64_t)fake.taken > row->section);
    assert_true(!fake.bad_state || fake.taken < fake.bad_state);
    fake.rows++;
    return true;
}

/* A state and a row for each section, as long as nothing fails. While section i's row is made the
 * thread is done with ready[i] states. */
static bool record(const size_t ready[SECTIONS], struct error *error)
{
    static const float bits[COUNT] = {1, 2, 3, 4};
    const struct library_document document = {.id = 1, .sections = SECTIONS};
    const struct hash text = {{0}};
    struct session session = {0};
    struct state state = {0};
    struct recording recording = {.session = &session, .document = &document};
    bool ok = recording_begin(&recording, error);
    for (int64_t i = 0; ok && i < SECTIONS; i++) {
        ok = recording_state(&recording, i, &text, &state, error);
        fake.ready = ready[i];
        ok = ok && recording_section(&recording, i, bits, COUNT, &state, error);
    }
    ok = recording_end(&recording, ok, error);
    recording_free(&recording);
    return ok;
}

static int reset(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.bad_row = -1;
    return 0;
}

static void test_order(void **state)
{
    static const size_t ready[][SECTIONS] = {{0, 0, 0}, {1, 2, 3}, {0, 1, 1}, {0, 2, 2}};
    for (size_t i = 0; i < sizeof ready / sizeof ready[0]; i++) {
        struct error error = {0};
        reset(state);
        assert_true(record(ready[i], &error));
        assert_int_equal(fake.rows, SECTIONS);
    }
}

/* Each state in turn, found out at once or at the end. */
static void test_state_that_is_not_stored(void **state)
{
    static const size_t ready[][SECTIONS] = {{0, 0, 0}, {1, 2, 3}, {0, 2, 3}};
    for (size_t i = 0; i < sizeof ready / sizeof ready[0]; i++)
        for (size_t bad = 1; bad <= SECTIONS; bad++) {
            struct error error = {0};
            reset(state);
            fake.bad_state = bad;
            assert_false(record(ready[i], &error));
            assert_int_equal(error.kind, ERROR_STORE);
            assert_true(fake.rows < (int64_t)bad);
        }
}

/* Those after it would pass it by: its surprise would be missing for good. */
static void test_row_that_is_not_put(void **state)
{
    static const size_t ready[][SECTIONS] = {{0, 0, 0}, {1, 2, 3}, {0, 1, 2}, {0, 0, 1}};
    for (size_t i = 0; i < sizeof ready / sizeof ready[0]; i++)
        for (int64_t bad = 0; bad < SECTIONS; bad++) {
            struct error error = {0};
            reset(state);
            fake.bad_row = bad;
            assert_false(record(ready[i], &error));
            assert_int_equal(error.kind, ERROR_STORE);
            assert_true(fake.rows <= bad && fake.rows == fake.committed);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_order, reset),
        cmocka_unit_test_setup(test_state_that_is_not_stored, reset),
        cmocka_unit_test_setup(test_row_that_is_not_put, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
