/* Tests of states_verify: nothing is reported of what is sound, and every sort of
 * damage is, by document and section. */
#include "tests/unit/states_fixture.h"

struct findings {
    char text[4000];
    int lines;
    atomic_bool *cancel; /* raised at the first line, unless NULL */
};

static void find(void *context, const char *line)
{
    struct findings *findings = context;
    size_t used = strlen(findings->text);
    findings->lines++;
    assert_null(strchr(line, '\n'));
    snprintf(findings->text + used, sizeof findings->text - used, "%s\n", line);
    if (findings->cancel)
        atomic_store(findings->cancel, true);
}

static int64_t verify(struct fixture *fixture, struct findings *findings)
{
    struct error error = {0};
    int64_t problems;
    *findings = (struct findings){0};
    if (!states_verify(fixture->states, NULL, find, findings, &problems, &error))
        fail_msg("%s", error.text);
    return problems;
}

/* A prefix state of document 1, section 3, and a section state of document 2, section
 * 5, which does not compress. */
static void put_two(struct fixture *fixture)
{
    float floats[FLOATS];
    unsigned char noise[SIZE];
    uint64_t random = 11;
    fill(floats, FLOATS, 1);
    for (size_t i = 0; i < SIZE; i++)
        noise[i] = (unsigned char)(next_random(&random) >> 32);
    struct states_info info = info_at(1, STATES_PREFIX, 2);
    put(fixture, &info, floats, SIZE);
    info = info_at(2, STATES_SECTION, 4);
    put(fixture, &info, noise, SIZE);
}

static void sound_states_give_no_line(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    reopen(fixture);
    assert_int_equal(verify(fixture, &findings), 0);
    put_two(fixture);
    for (int64_t section = 0; section < 50; section++) {
        struct states_info info = info_at(3, STATES_SECTION, section);
        snprintf(info.numerics, sizeof info.numerics, "%s", section % 2 ? "cuda NVIDIA H200" : "");
        put(fixture, &info, "seven b", 1 + (size_t)section % 7);
        info = info_at(3, STATES_ANSWER, section + 1);
        put(fixture, &info, "seven b", 1 + (size_t)section % 7);
    }
    assert_int_equal(verify(fixture, &findings), 0);
    assert_int_equal(findings.lines, 0);
}

#define PREFIX "the prefix state of document 1, section 3, is damaged ("
#define SECTION "the section state of document 2, section 5, is damaged ("
#define FIRST " WHERE id = (SELECT min(id) FROM state)"
#define SECOND " WHERE id = (SELECT max(id) FROM state)"

static void every_damage_is_named(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE payload SET bytes = zeroblob(length(bytes)) WHERE state = 1",
         PREFIX "it cannot be unpacked)"},
        {"UPDATE payload SET bytes = zeroblob(length(bytes)) WHERE state = 2",
         SECTION "checksum differs)"},
        {"UPDATE payload SET bytes = x'00' WHERE state = 2",
         SECTION "its sizes do not fit together)"},
        {"UPDATE payload SET bytes = CAST(bytes || x'00' AS BLOB) WHERE state = 1",
         PREFIX "its stored size differs)"},
        {"DELETE FROM payload WHERE state = 2", SECTION "it has no payload)"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM state" FIRST,
         "row 1 of payload refers to a state that is not there"},
        {"UPDATE state SET hash = zeroblob(16)" FIRST, PREFIX "checksum differs)"},
        {"UPDATE state SET hash = zeroblob(15)" FIRST, PREFIX "a value does not fit its column)"},
        {"UPDATE state SET model = zeroblob(17)" SECOND,
         SECTION "a value does not fit its column)"},
        {"UPDATE state SET token = -1" SECOND, SECTION "a value does not fit its column)"},
        {"UPDATE state SET format = 2147483648" SECOND, SECTION "a value does not fit its column)"},
        {"UPDATE state SET kind = 4" SECOND,
         "the state of document 2, section 5, is damaged (its kind is unknown)"},
        {"UPDATE state SET kind = 0" SECOND,
         "the state of document 2, section 5, is damaged (its kind is unknown)"},
        {"UPDATE state SET kind = 3, hash = zeroblob(16)" SECOND,
         "the answer state of document 2, question 4, is damaged (checksum differs)"},
        {"UPDATE state SET kind = 3, token = -1" SECOND,
         "the answer state of document 2, question 4, is damaged (a value does not fit"},
        {"UPDATE state SET kind = 3, section = 9223372036854775807, raw_bytes = 0" SECOND,
         "document 2, question 9223372036854775807, is damaged (its sizes do not fit"},
        {"UPDATE state SET kind = -9223372036854775807" SECOND, "(its kind is unknown)"},
        {"UPDATE state SET codec = 9" FIRST, PREFIX "its codec is unknown)"},
        {"UPDATE state SET codec = 0" FIRST, PREFIX "its sizes do not fit together)"},
        {"UPDATE state SET codec = 1" SECOND, SECTION "it cannot be unpacked)"},
        {"UPDATE state SET raw_bytes = 0" FIRST, PREFIX "its sizes do not fit together)"},
        {"UPDATE state SET raw_bytes = raw_bytes + 4" FIRST, PREFIX "it cannot be unpacked)"},
        {"UPDATE state SET raw_bytes = 1073741825" FIRST, PREFIX "its sizes do not fit together)"},
        {"UPDATE state SET raw_bytes = 9223372036854775807" FIRST,
         PREFIX "its sizes do not fit together)"},
        {"UPDATE state SET raw_bytes = -1" FIRST, PREFIX "a value does not fit its column)"},
        {"UPDATE state SET stored_bytes = 1" FIRST, PREFIX "its stored size differs)"},
        {"UPDATE state SET stored_bytes = 9223372036854775807" SECOND,
         SECTION "its stored size differs)"},
        {"UPDATE state SET numerics = printf('%.64c', 'x')" FIRST,
         PREFIX "its numerics tag is not one)"},
        {"UPDATE state SET numerics = 'a' || char(10) || 'b'" FIRST,
         PREFIX "its numerics tag is not one)"},
        {"UPDATE state SET hash = zeroblob(16), section = 9223372036854775807" FIRST,
         "the prefix state of document 1, section 9223372036854775807, is damaged (checksum"},
    };
    reopen(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct findings findings;
        put_two(fixture);
        alter(fixture, cases[i].sql);
        int64_t problems = verify(fixture, &findings);
        if (problems != 1 || findings.lines != 1 || !strstr(findings.text, cases[i].words))
            fail_msg("%s: %lld problems, expected \"%s\":\n%s", cases[i].sql, (long long)problems,
                     cases[i].words, findings.text);
        alter(fixture, "DELETE FROM payload; DELETE FROM state");
    }
}

/* Ids at both ends of what they can be. */
static void every_state_is_looked_at(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    reopen(fixture);
    put_two(fixture);
    alter(fixture, "UPDATE state SET hash = zeroblob(16);"
                   "UPDATE state SET id = -9223372036854775807 - 1 WHERE id = 1;"
                   "UPDATE state SET id = 9223372036854775807 WHERE id = 2;"
                   "UPDATE payload SET state = -9223372036854775807 - 1 WHERE state = 1;"
                   "UPDATE payload SET state = 9223372036854775807 WHERE state = 2");
    assert_int_equal(verify(fixture, &findings), 2);
    assert_non_null(strstr(findings.text, PREFIX));
    assert_non_null(strstr(findings.text, SECTION));
}

/* A hundred lines are told, all problems are counted. */
static void many_problems_are_counted(void **state)
{
    struct fixture *fixture = *state;
    struct findings findings;
    reopen(fixture);
    for (int64_t section = 0; section < 130; section++) {
        struct states_info info = info_at(1, STATES_SECTION, section);
        put(fixture, &info, "x", 1);
    }
    alter(fixture, "UPDATE state SET hash = zeroblob(16)");
    assert_int_equal(verify(fixture, &findings), 130);
    assert_int_equal(findings.lines, 100);
}

/* Bytes changed anywhere in the file: found, or of no consequence for any state. */
static void damaged_pages_are_found(void **state)
{
    struct fixture *fixture = *state;
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    reopen(fixture);
    put_two(fixture);
    close_states(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size), *bad = malloc(size);
    assert_non_null(bad);
    int found = 0;
    for (int round = 0; round < 100; round++) {
        memcpy(bad, good, size);
        size_t at = 16384 + next_random(&random) % (size - 16384);
        for (size_t i = at; i < size && i < at + 40; i++)
            bad[i] = (unsigned char)(next_random(&random) >> 32);
        write_file(fixture->path, bad, size);
        struct error error = {0};
        struct findings findings = {0};
        int64_t problems = 0;
        bool ok = states_open(&fixture->states, fixture->folder, &error) &&
                  states_verify(fixture->states, NULL, find, &findings, &problems, &error);
        if (!ok && error.kind != ERROR_STORE)
            fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round, error.text);
        found += !ok || problems > 0;
        close_states(fixture);
        remove_log(fixture->path);
    }
    /* Some bytes lie in the unused parts of pages. */
    if (found < 20)
        fail_msg("seed %llu: only %d of 100 found", (unsigned long long)seed, found);
    free(good);
    free(bad);
}

static void cancelling_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct findings findings = {0};
    int64_t problems;
    reopen(fixture);
    for (int64_t section = 0; section < 10; section++) {
        struct states_info info = info_at(1, STATES_SECTION, section);
        put(fixture, &info, "x", 1);
    }
    alter(fixture, "UPDATE state SET hash = zeroblob(16)");
    atomic_bool cancel = true;
    assert_false(states_verify(fixture->states, &cancel, find, &findings, &problems, &error));
    assert_int_equal(error.kind, ERROR_INTERRUPTED);
    assert_int_equal(findings.lines, 0);
    atomic_store(&cancel, false);
    findings.cancel = &cancel;
    assert_false(states_verify(fixture->states, &cancel, find, &findings, &problems, &error));
    assert_int_equal(error.kind, ERROR_INTERRUPTED);
    assert_true(findings.lines == 1 && problems == 1);
    /* And is over with it. */
    assert_int_equal(verify(fixture, &findings), 10);
    struct states_info info = info_at(2, STATES_SECTION, 1);
    put(fixture, &info, "x", 1);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(sound_states_give_no_line), STORED(every_damage_is_named),
        STORED(every_state_is_looked_at),  STORED(many_problems_are_counted),
        STORED(damaged_pages_are_found),   STORED(cancelling_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
