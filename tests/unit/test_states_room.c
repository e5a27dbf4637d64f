/* Tests of what states take and of getting rid of them: totals, states_sweep,
 * states_shred, and loading while another process removes. */
#include "tests/unit/states_fixture.h"

static int64_t total(struct fixture *fixture)
{
    struct error error = {0};
    int64_t bytes;
    if (!states_total_bytes(fixture->states, 0, &bytes, &error))
        fail_msg("%s", error.text);
    return bytes;
}

static void put_small(struct fixture *fixture, int64_t document, int64_t section, size_t size)
{
    static const char bytes[] = "twenty bytes or so...";
    struct states_info info = info_at(document, STATES_SECTION, section);
    assert_true(size <= sizeof bytes);
    put(fixture, &info, bytes, size);
}

/* --- totals ---------------------------------------------------------------- */

static void total_follows_every_change(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = *fixture;
    struct error error = {0};
    struct states_info info = info_at(1, STATES_PREFIX, 7);
    reopen(fixture);
    reopen(&other);
    assert_int_equal(total(fixture), 0);
    put_small(fixture, 1, 1, 10);
    assert_int_equal(total(fixture), 10);
    put_small(fixture, 1, 1, 4); /* in place of the other */
    assert_int_equal(total(fixture), 4);
    assert_int_equal(total(&other), 4);
    put_small(&other, 2, 1, 5);
    assert_int_equal(total(fixture), 9);
    put_small(&other, 2, 1, 6);
    put_small(fixture, 2, 2, 1);
    assert_int_equal(total(fixture), 11);
    assert_int_equal(total(&other), 11);
    assert_true(states_remove_from(fixture->states, 2, 2, &error));
    assert_int_equal(total(fixture), 10);
    assert_true(states_remove_document(other.states, 2, &error));
    assert_int_equal(total(fixture), 4);
    assert_int_equal(total(&other), 4);
    tamper(fixture->path, "CREATE UNIQUE INDEX narrow ON state (token)");
    info.token = 200;
    assert_false(states_put(fixture->states, &info, "x", 1, &error));
    assert_int_equal(total(fixture), 4);
    states_close(other.states);
}

/* --- sweeping -------------------------------------------------------------- */

struct sweeping {
    struct fixture *fixture;
    struct states *other; /* writes meanwhile; NULL: nobody does */
    int visited;
    int fail_at;
};

/* Keeps what an odd section number has. */
static bool keep_odd(void *context, const struct states_info *info, bool *keep, struct error *error)
{
    struct sweeping *sweeping = context;
    struct states_info seen;
    bool found;
    if (++sweeping->visited == sweeping->fail_at)
        return error_set(error, ERROR_INPUT, "no answer");
    assert_true(states_look(sweeping->fixture->states, &info->place, &seen, &found, error) &&
                found);
    *keep = info->place.section % 2 != 0;
    if (sweeping->other && info->place.section == 4) {
        struct states_info anew = info_at(1, STATES_SECTION, 2);
        assert_true(states_put(sweeping->other, &anew, "made anew", 9, error));
        anew = info_at(9, STATES_SECTION, 2);
        assert_true(states_put(sweeping->other, &anew, "of another", 10, error));
    }
    return true;
}

static void sweep_drops_what_is_not_kept(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct states_freed freed;
    reopen(fixture);
    for (int64_t section = 0; section < 7; section++)
        put_small(fixture, 1 + section % 2, section, 10 + (size_t)section);

    struct sweeping sweeping = {.fixture = fixture, .fail_at = 6};
    assert_false(states_sweep(fixture->states, keep_odd, &sweeping, &freed, &error));
    assert_string_equal(error.text, "no answer");
    assert_int_equal(error.kind, ERROR_INPUT);
    assert_true(freed.states == 0 && freed.bytes == 0);
    assert_int_equal(total(fixture), 91);

    sweeping = (struct sweeping){.fixture = fixture};
    assert_true(states_sweep(fixture->states, keep_odd, &sweeping, &freed, &error));
    assert_int_equal(sweeping.visited, 7);
    assert_int_equal(freed.states, 4);
    assert_int_equal(freed.bytes, 10 + 12 + 14 + 16);
    assert_int_equal(freed.left, 11 + 13 + 15);
    assert_int_equal(total(fixture), freed.left);
    sweeping = (struct sweeping){.fixture = fixture};
    assert_true(states_sweep(fixture->states, keep_odd, &sweeping, &freed, &error));
    assert_true(sweeping.visited == 3 && freed.states == 0 && freed.left == 39);
    close_states(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM payload"), 3);
    assert_sound(fixture->path);
}

/* While the callback is asked, others store; what they replaced is not dropped. */
static void sweep_leaves_others_to_write(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct states_freed freed;
    struct states *other;
    reopen(fixture);
    assert_true(states_open(&other, fixture->folder, &error));
    for (int64_t section = 5; section >= 2; section--)
        put_small(fixture, 1, section, 10); /* what is made anew gets the same id */
    struct sweeping sweeping = {.fixture = fixture, .other = other};
    double before = clock_seconds();
    assert_true(states_sweep(fixture->states, keep_odd, &sweeping, &freed, &error));
    assert_true(clock_seconds() - before < 4);
    assert_true(freed.states == 1 && freed.bytes == 10);
    assert_int_equal(freed.left, 10 + 10 + 9 + 10);
    struct states_info anew = info_at(1, STATES_SECTION, 2);
    anew.hash = hash_of("made anew", 9);
    char loaded[9];
    struct states_info info;
    bool found;
    assert_true(
        states_get(fixture->states, &anew.place, &anew.key, &info, loaded, 9, &found, &error));
    assert_true(found);
    assert_memory_equal(loaded, "made anew", 9);
    states_close(other);
}

/* --- shredding ------------------------------------------------------------- */

enum { LARGE = 150000, SMALL = 3000, PROBE = 16 };

static bool file_holds(const char *path, const unsigned char *bytes, size_t size)
{
    size_t file_size;
    unsigned char *file = read_file(path, &file_size);
    bool holds = false;
    for (size_t at = 0; at + PROBE <= size; at += 500)
        holds = holds || memmem(file, file_size, bytes + at, PROBE);
    free(file);
    return holds;
}

/* Any of some probes in any file of the folder. */
static bool folder_holds(const char *path, const unsigned char *bytes, size_t size)
{
    bool holds = false;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char file[FIXTURE_PATH_SIZE + 300];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.')
            holds = holds || file_holds(file, bytes, size);
    }
    closedir(folder);
    return holds;
}

static void assert_only_the_database(const char *path)
{
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "states.db") != 0 &&
            strcmp(entry->d_name, "states.db-wal") != 0 &&
            strcmp(entry->d_name, "states.db-shm") != 0)
            fail_msg("%s was left", entry->d_name);
    closedir(folder);
}

static void make_noise(unsigned char *noise, size_t size, uint64_t seed)
{
    uint64_t random = seed * 2654435761u + 1;
    for (size_t i = 0; i < size; i++)
        noise[i] = (unsigned char)(next_random(&random) >> 32);
}

static void shredded_states_are_nowhere(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    unsigned char *secret = malloc(LARGE), *other = malloc(LARGE), small[SMALL];
    assert_true(secret && other);
    make_noise(secret, LARGE, 1);
    make_noise(other, LARGE, 2);
    make_noise(small, SMALL, 3);
    struct hash secret_key = hash_of(small, SMALL);
    reopen(fixture);
    /* Small ones lie in pages that split and join, beside others' that stay. */
    for (int64_t section = 0; section < 60; section++) {
        struct states_info info = info_at(1 + section % 2, STATES_SECTION, section * 7 % 60);
        if (section % 2)
            info.key.text = secret_key;
        put(fixture, &info, section % 2 ? small : other, SMALL);
    }
    struct states_info kept = info_at(1, STATES_PREFIX, 1), gone = info_at(2, STATES_PREFIX, 1);
    put(fixture, &gone, secret, LARGE);
    put(fixture, &kept, other, LARGE);
    put(fixture, &gone, secret + 1000, LARGE - 1000);
    for (int64_t section = 0; section < 60; section += 3) {
        struct states_info info = info_at(1, STATES_SECTION, 100 + section);
        put(fixture, &info, other, SMALL);
    }
    assert_true(states_remove_document(fixture->states, 2, &error));
    assert_true(folder_holds(fixture->folder, secret, LARGE));
    if (!states_shred(fixture->states, &error))
        fail_msg("%s", error.text);
    assert_false(folder_holds(fixture->folder, secret, LARGE));
    assert_false(folder_holds(fixture->folder, small, SMALL));
    assert_false(folder_holds(fixture->folder, secret_key.bytes, sizeof secret_key.bytes));
    assert_only_the_database(fixture->folder);

    /* The rest is there, and it goes on as before. */
    assert_loads(fixture, &kept, other, LARGE);
    put(fixture, &gone, other, LARGE);
    assert_loads(fixture, &gone, other, LARGE);
    assert_mode(fixture->folder, "states.db", 0600);
    assert_mode(fixture->folder, "states.db-wal", 0600);
    assert_int_equal(total(fixture), 2 * LARGE + 50 * SMALL);
    close_states(fixture);
    assert_false(folder_holds(fixture->folder, secret, LARGE));
    assert_false(folder_holds(fixture->folder, small, SMALL));
    assert_int_equal(ask_number(fixture->path, "PRAGMA auto_vacuum"), 2);
    assert_sound(fixture->path);
    free(secret);
    free(other);
}

static void shredding_waits_for_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct states *other;
    unsigned char noise[SMALL];
    make_noise(noise, SMALL, 5);
    reopen(fixture);
    assert_true(states_open(&other, fixture->folder, &error));
    struct states_info info = info_at(1, STATES_SECTION, 1);
    put(fixture, &info, noise, SMALL);
    assert_false(states_shred(fixture->states, &error));
    assert_int_equal(error.kind, ERROR_STORE);
    assert_non_null(strstr(error.text, fixture->path));
    assert_non_null(strstr(error.text, "another tidemark"));
    assert_null(strchr(error.text, '\n'));
    assert_loads(fixture, &info, noise, SMALL);
    info = info_at(1, STATES_SECTION, 2);
    assert_true(states_put(other, &info, "x", 1, &error));
    states_close(other);
    assert_true(states_shred(fixture->states, &error));
    assert_loads(fixture, &info, "x", 1);
}

/* --- room for those that come next ------------------------------------------ */

static void room_stays_for_the_next_states(void **state)
{
    enum { STATES = 8 };
    struct fixture *fixture = *state;
    struct error error = {0};
    struct states_freed freed;
    unsigned char *noise = malloc(LARGE);
    assert_non_null(noise);
    make_noise(noise, LARGE, 7);
    reopen(fixture);
    for (int64_t i = 0; i < STATES; i++) {
        struct states_info info = info_at(1, STATES_PREFIX, i);
        put(fixture, &info, noise, LARGE);
    }
    int64_t pages = ask_number(fixture->path, "PRAGMA page_count");
    assert_true(states_make_room(fixture->states, 5 * LARGE, &freed, &error));
    assert_true(freed.states >= 3 && freed.left <= 5 * LARGE);
    assert_int_equal(total(fixture), freed.left);
    assert_true(ask_number(fixture->path, "PRAGMA freelist_count") > 0);
    assert_int_equal(ask_number(fixture->path, "PRAGMA page_count"), pages);
    struct states_info last = {0};
    for (int64_t i = 0; i < freed.states; i++) {
        last = info_at(1, STATES_PREFIX, STATES + i);
        put(fixture, &last, noise, LARGE);
    }
    assert_true(ask_number(fixture->path, "PRAGMA page_count") <= pages + 1);
    assert_true(states_make_room(fixture->states, 5 * LARGE, &freed, &error));
    assert_true(states_shrink(fixture->states, &error));
    assert_int_equal(ask_number(fixture->path, "PRAGMA freelist_count"), 0);
    assert_true(ask_number(fixture->path, "PRAGMA page_count") < pages);
    /* What went farthest is never removed. */
    assert_loads(fixture, &last, noise, LARGE);
    free(noise);
}

/* --- other processes ------------------------------------------------------- */

enum { SECTIONS = 12 };

static void thin_and_store(const char *folder, int pipe_end, int64_t round)
{
    struct states *states;
    struct error error = {0};
    float floats[FLOATS];
    bool ok = states_open(&states, folder, &error);
    for (; ok; round++) {
        struct states_freed freed;
        struct states_info info = info_at(1, STATES_PREFIX, round % SECTIONS);
        fill(floats, FLOATS, (uint64_t)info.place.section);
        ok = states_put(states, &info, floats, SIZE, &error) &&
             states_thin(states, 4 * SIZE, &freed, &error) &&
             write(pipe_end, &round, sizeof round) == sizeof round;
    }
    fprintf(stderr, "%s\n", error.text);
    _exit(1);
}

/* A state is there whole or not at all, whatever becomes of it meanwhile. */
static void loads_while_others_thin_are_soft(void **state)
{
    struct fixture *fixture = *state;
    float floats[FLOATS], loaded[FLOATS];
    int found_count = 0, gone_count = 0;
    int ends[2];
    reopen(fixture);
    close_states(fixture);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        thin_and_store(fixture->folder, ends[1], 0);
    }
    close(ends[1]);
    reopen(fixture);
    double started = clock_seconds();
    for (int64_t round; read(ends[0], &round, sizeof round) == sizeof round;) {
        if (round > 600 || clock_seconds() - started > 20)
            break;
        for (int64_t section = 0; section < SECTIONS; section++) {
            struct states_info nearest, info, wanted = info_at(1, STATES_PREFIX, section);
            struct error error = {0};
            bool found;
            if (!states_nearest_prefix(fixture->states, 1, &wanted.place.model, section, &nearest,
                                       &found, &error))
                fail_msg("%s", error.text);
            if (!found)
                continue;
            if (!states_get(fixture->states, &nearest.place, &wanted.key, &info, loaded, SIZE,
                            &found, &error))
                fail_msg("round %lld: %s", (long long)round, error.text);
            fill(floats, FLOATS, (uint64_t)nearest.place.section);
            if (found)
                assert_memory_equal(loaded, floats, SIZE);
            found_count += found;
            gone_count += !found;
        }
    }
    int status;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    close(ends[0]);
    print_message("%d loaded, %d gone meanwhile\n", found_count, gone_count);
    assert_true(found_count > 0);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(total_follows_every_change),     STORED(sweep_drops_what_is_not_kept),
        STORED(sweep_leaves_others_to_write),   STORED(shredded_states_are_nowhere),
        STORED(shredding_waits_for_nobody),     STORED(loads_while_others_thin_are_soft),
        STORED(room_stays_for_the_next_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
