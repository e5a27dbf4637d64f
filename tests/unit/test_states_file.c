/* Tests of store/states.h: the file, foreign or damaged, and what several processes do
 * with it; nothing that was reported as stored is lost. */
#include "tests/unit/states_fixture.h"

/* --- the file -------------------------------------------------------------- */

static void assert_opening_refused(struct fixture *fixture, const char *words)
{
    struct error error = {0};
    struct states *states;
    assert_false(states_open(&states, fixture->folder, &error));
    assert_null(states);
    assert_int_equal(error.kind, ERROR_STORE);
    if (!strstr(error.text, words) || !strstr(error.text, fixture->path))
        fail_msg("\"%s\" does not say \"%s\" and the path", error.text, words);
}

static void file_and_folder_are_private(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    char inner[600];
    snprintf(inner, sizeof inner, "%s/inner", fixture->folder);
    mode_t mask = umask(0);
    struct states *states;
    assert_true(states_open(&states, inner, &error));
    struct states_info info = info_at(1, STATES_SECTION, 1);
    assert_true(states_put(states, &info, "x", 1, &error));
    umask(mask);
    assert_mode(inner, "", 0700);
    assert_mode(inner, "states.db", 0600);
    assert_mode(inner, "states.db-wal", 0600);
    assert_mode(inner, "states.db-shm", 0600);
    states_close(states);
    char path[700];
    snprintf(path, sizeof path, "%s/states.db", inner);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(inner), 0);
}

/* Refused with these words, and not a byte changed nor a file added by it. */
static void assert_refused_untouched(struct fixture *fixture, const char *words)
{
    size_t before_size, after_size;
    unsigned char *before = read_file(fixture->path, &before_size);
    assert_opening_refused(fixture, words);
    unsigned char *after = read_file(fixture->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
}

static void file_has_the_layout_of_its_version(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    assert_int_equal(STATES_SCHEMA, 1);
    assert_layout(fixture->path, "db467f591c01d92740a8c7c4c71901a7");
}

static void file_of_another_sort_is_refused_untouched(void **state)
{
    struct fixture *fixture = *state;
    unsigned char noise[3000];
    uint64_t random = 13;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)(next_random(&random) >> 32);
    write_file(fixture->path, noise, sizeof noise);
    assert_refused_untouched(fixture, "is not a database");
    write_file(fixture->path, noise, 99);
    assert_refused_untouched(fixture, "is not a database");
    assert_int_equal(unlink(fixture->path), 0);

    tamper(fixture->path, "CREATE TABLE theirs (x)");
    assert_refused_untouched(fixture, "another program");
    tamper(fixture->path, "PRAGMA application_id = 7");
    assert_refused_untouched(fixture, "another program");
    tamper(fixture->path, "PRAGMA journal_mode = WAL; INSERT INTO theirs VALUES (1)");
    assert_refused_untouched(fixture, "another program");
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_opening_refused(fixture, "not a regular file");
    assert_int_equal(rmdir(fixture->path), 0);
}

static void file_of_a_newer_or_altered_layout_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"PRAGMA user_version = 2", "newer tidemark (layout 2, this one knows 1)"},
        {"PRAGMA user_version = 0", "damaged"},
        {"PRAGMA user_version = -5", "damaged"},
        {"DROP TABLE payload", "is damaged (its tables"},
        {"ALTER TABLE state ADD COLUMN extra TEXT", "is damaged (its tables"},
        {"CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM payload; END", "is damaged"},
        {"CREATE VIEW v AS SELECT * FROM state", "is damaged"},
        {"CREATE TABLE more (x)", "is damaged"},
        {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE state (oh'"
         " WHERE name = 'state'",
         "is damaged (malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reopen(fixture);
        close_states(fixture);
        tamper(fixture->path, cases[i].sql);
        assert_refused_untouched(fixture, cases[i].words);
        assert_int_equal(unlink(fixture->path), 0);
    }
}

static void file_of_the_other_database_is_refused(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    close_states(fixture);
    tamper(fixture->path, "PRAGMA application_id = 0x7469646D"); /* library.db's */
    assert_refused_untouched(fixture, "another program");
}

/* Cut at any length and with bytes changed anywhere, a file either opens or is
 * refused with a line; what opens loads what was stored or refuses it. */
static void file_that_is_damaged_never_gives_a_wrong_state(void **state)
{
    struct fixture *fixture = *state;
    float floats[FLOATS], loaded[FLOATS];
    fill(floats, FLOATS, 8);
    reopen(fixture);
    struct states_info stored = info_at(1, STATES_PREFIX, 2);
    put(fixture, &stored, floats, SIZE);
    close_states(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size), *bad = malloc(size);
    assert_non_null(bad);
    uint64_t seed = 17, random = seed;
    int refused = 0;
    for (int round = 0; round < 250; round++) {
        memcpy(bad, good, size);
        size_t kept = size;
        if (round % 5 == 0)
            kept = 1 + next_random(&random) % (size - 1);
        size_t first = round % 2 ? 2048 : size;
        for (int i = 0; i < 1 + round % 9; i++)
            bad[next_random(&random) % first] = (unsigned char)(next_random(&random) >> 40);
        write_file(fixture->path, bad, kept);
        struct error error = {0};
        struct states_info info;
        bool found = false;
        bool ok = states_open(&fixture->states, fixture->folder, &error) &&
                  states_get(fixture->states, &stored.place, &stored.key, &info, loaded, SIZE,
                             &found, &error);
        if (!ok && error.kind != ERROR_STORE)
            fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round, error.text);
        if (ok && found && memcmp(loaded, floats, SIZE) != 0)
            fail_msg("seed %llu, round %d: another state", (unsigned long long)seed, round);
        refused += !ok;
        close_states(fixture);
        remove_log(fixture->path);
    }
    assert_true(refused > 50);
    free(good);
    free(bad);
}

/* Without the rights of root, which no mode keeps out. */
static void file_that_cannot_be_written_is_refused(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    close_states(fixture);
    assert_int_equal(chmod(fixture->path, 0444), 0);
    assert_int_equal(chmod(fixture->folder, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        struct error error = {0};
        struct states *states;
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        bool opened = states_open(&states, fixture->folder, &error);
        _exit(opened || error.kind != ERROR_STORE || !strstr(error.text, "cannot be written"));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(fixture->folder, 0700), 0);
    assert_int_equal(status, 0);
}

/* --- other processes ------------------------------------------------------- */

static void connections_share_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = *fixture;
    float floats[FLOATS];
    fill(floats, FLOATS, 9);
    reopen(fixture);
    reopen(&other);
    for (int i = 0; i < 10; i++) {
        struct states_info info = info_at(1, STATES_PREFIX, i);
        put(i % 2 ? fixture : &other, &info, floats, SIZE);
        assert_loads(i % 2 ? &other : fixture, &info, floats, SIZE);
    }
    states_close(other.states);
    struct states_info info = info_at(1, STATES_PREFIX, 20);
    put(fixture, &info, floats, SIZE);
    assert_loads(fixture, &info, floats, SIZE);
}

static void connections_that_wait_too_long_say_so(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    reopen(fixture);
    struct states_info info = info_at(1, STATES_PREFIX, 1);
    put(fixture, &info, "x", 1);
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(fixture->path, &handle), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(handle, "BEGIN IMMEDIATE; UPDATE state SET used_at = 0", NULL, NULL, NULL),
        SQLITE_OK);
    double before = clock_seconds();
    assert_false(states_put(fixture->states, &info, "y", 1, &error));
    assert_true(clock_seconds() - before > 3);
    assert_int_equal(error.kind, ERROR_STORE);
    assert_non_null(strstr(error.text, "is busy: another tidemark is writing; try again"));
    /* Reading goes on, and does not wait to note the use. */
    before = clock_seconds();
    assert_loads(fixture, &info, "x", 1);
    assert_true(clock_seconds() - before < 2);
    sqlite3_close(handle);
    put(fixture, &info, "y", 1);
}

/* Many processes make the same new file at once. */
static void connections_may_all_be_the_first(void **state)
{
    struct fixture *fixture = *state;
    enum { CHILDREN = 6 };
    for (int round = 0; round < 5; round++) {
        pid_t children[CHILDREN];
        for (int i = 0; i < CHILDREN; i++) {
            children[i] = fork();
            if (children[i] != 0)
                continue;
            struct error error = {0};
            struct states *states;
            struct states_info info = info_at(1, STATES_SECTION, i);
            bool ok = states_open(&states, fixture->folder, &error) &&
                      states_put(states, &info, "x", 1, &error);
            if (!ok)
                fprintf(stderr, "%s\n", error.text);
            states_close(states);
            _exit(!ok);
        }
        for (int i = 0; i < CHILDREN; i++) {
            int status;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_int_equal(status, 0);
        }
        assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM state"), CHILDREN);
        assert_int_equal(unlink(fixture->path), 0);
    }
}

/* Stores state after state and reports each, once it is stored, through the pipe. */
static void store_until_killed(const char *folder, int pipe_end, int64_t section)
{
    struct states *states;
    struct error error = {0};
    float floats[FLOATS];
    if (!states_open(&states, folder, &error)) {
        fprintf(stderr, "%s\n", error.text);
        _exit(1);
    }
    for (;; section++) {
        struct states_info info = info_at(1, STATES_PREFIX, section);
        fill(floats, FLOATS, (uint64_t)section);
        if (!states_put(states, &info, floats, SIZE, &error)) {
            fprintf(stderr, "%s\n", error.text);
            _exit(1);
        }
        if (write(pipe_end, &section, sizeof section) != sizeof section)
            _exit(1);
    }
}

static void killed_writers_lose_nothing_they_reported(void **state)
{
    struct fixture *fixture = *state;
    int64_t stored = 0;
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    for (int round = 0; round < 20; round++) {
        stored =
            kill_at_work(store_until_killed, fixture->folder, stored, next_random(&random) % 60000);
        reopen(fixture);
        float floats[FLOATS], loaded[FLOATS];
        for (int64_t section = 0; section < stored; section++) {
            struct states_info info = info_at(1, STATES_PREFIX, section), found_info;
            struct error error = {0};
            bool found;
            fill(floats, FLOATS, (uint64_t)section);
            if (!states_get(fixture->states, &info.place, &info.key, &found_info, loaded, SIZE,
                            &found, &error) ||
                !found || memcmp(loaded, floats, SIZE) != 0)
                fail_msg("seed %llu, round %d: section %lld of %lld is lost: %s",
                         (unsigned long long)seed, round, (long long)section, (long long)stored,
                         error.text);
        }
        close_states(fixture);
        assert_sound(fixture->path);
    }
    assert_true(stored > 0);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(file_and_folder_are_private),
        STORED(file_has_the_layout_of_its_version),
        STORED(file_of_another_sort_is_refused_untouched),
        STORED(file_of_a_newer_or_altered_layout_is_refused),
        STORED(file_of_the_other_database_is_refused),
        STORED(file_that_is_damaged_never_gives_a_wrong_state),
        STORED(file_that_cannot_be_written_is_refused),
        STORED(connections_share_the_file),
        STORED(connections_that_wait_too_long_say_so),
        STORED(connections_may_all_be_the_first),
        STORED(killed_writers_lose_nothing_they_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
