/* Tests of states_thin: a greedy choice compared with one made the slow way, what is
 * never removed, hostile rows, and what it costs. */
#include <math.h>

#include "tests/unit/states_fixture.h"

#define MONTH (30 * 86400)

static struct states_freed thin(struct fixture *fixture, int64_t budget)
{
    struct error error = {0};
    struct states_freed freed;
    if (!states_thin(fixture->states, budget, &freed, &error))
        fail_msg("%s", error.text);
    return freed;
}

/* --- the slow way ---------------------------------------------------------- */

enum { MOST = 32 };

struct reference {
    int64_t id, document, kind, token, bytes, used_at, created_at;
    unsigned char model;
    bool gone, kept;
};

struct references {
    struct reference items[MOST];
    size_t count;
    int64_t now;
};

static void read_references(struct references *references, const char *path)
{
    sqlite3 *handle;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle,
                                        "SELECT id, document, kind, token, stored_bytes, used_at,"
                                        " created_at, model FROM state"
                                        " ORDER BY document, model, kind, section",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    *references = (struct references){.now = clock_unix_time()};
    while (sqlite3_step(statement) == SQLITE_ROW) {
        assert_true(references->count < MOST);
        struct reference *item = &references->items[references->count++];
        int64_t *const numbers[] = {&item->id,    &item->document, &item->kind,      &item->token,
                                    &item->bytes, &item->used_at,  &item->created_at};
        for (int i = 0; i < 7; i++)
            *numbers[i] = sqlite3_column_int64(statement, i);
        item->model = *(const unsigned char *)sqlite3_column_blob(statement, 7);
    }
    sqlite3_finalize(statement);
    sqlite3_close(handle);
}

static bool same_chain(const struct reference *a, const struct reference *b)
{
    return a->document == b->document && a->model == b->model && a->kind == STATES_PREFIX &&
           b->kind == STATES_PREFIX;
}

static void mark_kept(struct references *references)
{
    for (size_t i = 0; i < references->count; i++) {
        struct reference *item = &references->items[i];
        bool farthest = item->kind == STATES_PREFIX, newest = farthest;
        for (size_t j = 0; j < references->count; j++) {
            const struct reference *other = &references->items[j];
            if (!same_chain(item, other))
                continue;
            farthest = farthest && j <= i;
            newest = newest && (other->created_at < item->created_at ||
                                (other->created_at == item->created_at && j <= i));
        }
        item->kept = farthest || newest;
    }
}

/* Tokens times positions that it saves now, not weighed by age. */
static int64_t saved(const struct references *references, size_t index)
{
    const struct reference *item = &references->items[index];
    if (item->kind == STATES_SECTION)
        return 64 * item->token * item->token;
    if (item->kind == STATES_ANSWER)
        return item->token < 256 ? item->token * item->token : 65536;
    int64_t before = 0, after = -1;
    for (size_t i = 0; i < references->count; i++) {
        const struct reference *other = &references->items[i];
        if (other->gone || !same_chain(item, other))
            continue;
        if (i < index)
            before = other->token;
        if (i > index && after < 0)
            after = other->token;
    }
    assert_true(after >= 0);
    if (item->token <= before || after <= item->token)
        return 0;
    return (item->token - before) * (after - item->token);
}

static double aged(const struct references *references, size_t index)
{
    const struct reference *item = &references->items[index];
    int64_t age = references->now > item->used_at ? references->now - item->used_at : 0;
    return (double)saved(references, index) / (double)item->bytes *
           exp2(-(double)age / (double)MONTH);
}

static int64_t total(const struct references *references)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < references->count; i++)
        if (!references->items[i].gone)
            bytes += references->items[i].bytes;
    return bytes;
}

/* False when two are so near to each other that the clock could decide between them. */
static bool remove_least(struct references *references, bool *none)
{
    size_t least = SIZE_MAX;
    bool clear = true;
    for (size_t i = 0; i < references->count; i++) {
        const struct reference *item = &references->items[i];
        if (item->gone || item->kept)
            continue;
        if (least == SIZE_MAX) {
            least = i;
            continue;
        }
        const struct reference *best = &references->items[least];
        double a = aged(references, i), b = aged(references, least);
        bool near = fabs(a - b) <= 1e-5 * fmax(a, b);
        bool equal =
            (saved(references, i) == 0 && saved(references, least) == 0) ||
            (saved(references, i) * best->bytes == saved(references, least) * item->bytes &&
             item->used_at == best->used_at);
        if (near && equal)
            continue;
        if (!near && a < b)
            clear = true;
        else if (near)
            clear = false;
        if (a < b)
            least = i;
    }
    *none = least == SIZE_MAX;
    if (!*none)
        references->items[least].gone = true;
    return clear;
}

static bool thin_slowly(struct references *references, int64_t budget)
{
    mark_kept(references);
    if (total(references) <= budget)
        return true;
    for (bool none = false; !none && total(references) > budget - budget / 16;)
        if (!remove_least(references, &none))
            return false;
    return true;
}

/* --- random sets ----------------------------------------------------------- */

static void alter_open(struct fixture *fixture, const char *format, ...) PRINTF_LIKE(2, 3);
static void alter_open(struct fixture *fixture, const char *format, ...)
{
    char sql[500];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    tamper(fixture->path, sql);
}

/* In every other round, tokens that do not rise from section to section. */
static void put_random(struct fixture *fixture, int round, uint64_t *random)
{
    enum { LARGEST = 400 };
    static unsigned char noise[LARGEST];
    struct states_info infos[MOST];
    const void *payloads[MOST];
    size_t sizes[MOST], count = 1 + next_random(random) % (MOST - 4);
    struct error error = {0};
    for (size_t i = 0; i < LARGEST; i++)
        noise[i] = (unsigned char)(next_random(random) >> 32);
    for (size_t i = 0; i < count; i++) {
        int64_t section = (int64_t)(next_random(random) % 12);
        static const enum states_kind kinds[] = {STATES_PREFIX, STATES_PREFIX,  STATES_PREFIX,
                                                 STATES_PREFIX, STATES_SECTION, STATES_ANSWER};
        enum states_kind kind = kinds[next_random(random) % 6];
        infos[i] = info_at(1 + (int64_t)(next_random(random) % 2), kind, section);
        infos[i].place.model.bytes[0] = (unsigned char)(next_random(random) % 2);
        infos[i].token =
            kind == STATES_PREFIX
                ? 1000 * section + (int64_t)(next_random(random) % (round % 2 ? 1500 : 6000))
                : (int64_t)(next_random(random) % 300) * (kind == STATES_ANSWER ? 2 : 1);
        payloads[i] = noise;
        sizes[i] = next_random(random) % 2 ? 100 : 1 + next_random(random) % LARGEST;
    }
    if (!states_put_many(fixture->states, infos, payloads, sizes, count, &error))
        fail_msg("%s", error.text);
    int64_t now = clock_unix_time();
    uint64_t seed = next_random(random);
    alter_open(fixture,
               "UPDATE state SET created_at = %lld + id %% %llu,"
               " used_at = %lld - CASE WHEN id %% 3 = 0 THEN 0 ELSE id * %llu %% %d END",
               (long long)now, 1 + (unsigned long long)(seed % 5), (long long)now,
               (unsigned long long)(seed % 1000003), 4 * MONTH);
}

static void assert_same_choice(struct fixture *fixture, const struct references *references,
                               const char *where)
{
    for (size_t i = 0; i < references->count; i++) {
        char sql[100];
        const struct reference *item = &references->items[i];
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM state JOIN payload ON state = id"
                 " WHERE id = %lld",
                 (long long)item->id);
        if (ask_number(fixture->path, sql) == item->gone)
            fail_msg("%s: state %zu of document %lld, kind %lld, token %lld is %s", where, i,
                     (long long)item->document, (long long)item->kind, (long long)item->token,
                     item->gone ? "kept" : "removed");
    }
}

static void choice_is_that_of_the_slow_way(void **state)
{
    struct fixture *fixture = *state;
    enum { ROUNDS = 150 };
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    int unclear = 0;
    reopen(fixture);
    for (int round = 0; round < ROUNDS; round++) {
        alter_open(fixture, "PRAGMA foreign_keys = ON; DELETE FROM state");
        put_random(fixture, round, &random);
        struct references references;
        read_references(&references, fixture->path);
        int64_t before = total(&references);
        int64_t budget = (int64_t)(next_random(&random) % (uint64_t)(before + before / 8 + 1));
        char where[100];
        snprintf(where, sizeof where, "seed %llu, round %d, budget %lld", (unsigned long long)seed,
                 round, (long long)budget);
        struct states_freed freed = thin(fixture, budget);
        int64_t left =
            ask_number(fixture->path, "SELECT coalesce(sum(stored_bytes), 0) FROM state");
        if (freed.left != left || freed.bytes != before - left)
            fail_msg("%s: %lld of %lld bytes removed, %lld left, said to be %lld", where,
                     (long long)freed.bytes, (long long)before, (long long)left,
                     (long long)freed.left);
        if (thin_slowly(&references, budget))
            assert_same_choice(fixture, &references, where);
        else
            unclear++;
    }
    if (unclear > ROUNDS / 3)
        fail_msg("seed %llu: %d of %d rounds were not clear", (unsigned long long)seed, unclear,
                 ROUNDS);
    close_states(fixture);
    assert_sound(fixture->path);
}

/* --- small sets ------------------------------------------------------------ */

static void put_bytes(struct fixture *fixture, enum states_kind kind, int64_t section,
                      int64_t token, size_t size)
{
    static const unsigned char bytes[15] = "fifteen bytes.";
    struct states_info info = info_at(1, kind, section);
    info.token = token;
    assert_true(size <= sizeof bytes);
    put(fixture, &info, bytes, size);
}

struct listing {
    char text[256];
};

static bool list(void *context, const struct states_info *info)
{
    struct listing *listing = context;
    size_t used = strlen(listing->text);
    snprintf(listing->text + used, sizeof listing->text - used, "%lld%c ",
             (long long)info->place.section, " psa"[info->place.kind]);
    return true;
}

static void assert_left(struct fixture *fixture, int64_t document, const char *expected)
{
    struct listing listing = {0};
    struct error error = {0};
    assert_true(states_each(fixture->states, document, NULL, list, &listing, &error));
    assert_string_equal(listing.text, expected);
}

/* One budget after the other: the order in which states go. */
static void least_useful_goes_first(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    put_bytes(fixture, STATES_PREFIX, 0, 100, 10);   /* 100 x 900 = 90 000 */
    put_bytes(fixture, STATES_PREFIX, 1, 1000, 10);  /* 900 x 9000 */
    put_bytes(fixture, STATES_PREFIX, 2, 10000, 10); /* the farthest */
    put_bytes(fixture, STATES_SECTION, 0, 30, 10);   /* 64 x 900 = 57 600 */
    put_bytes(fixture, STATES_SECTION, 1, 40, 10);   /* 64 x 1600 = 102 400 */
    put_bytes(fixture, STATES_SECTION, 2, 40, 5);    /* as much, in half the room */
    struct states_freed freed = thin(fixture, 55);
    assert_int_equal(freed.states, 0);
    assert_int_equal(freed.left, 55);
    assert_left(fixture, 1, "0p 0s 1p 1s 2p 2s ");
    freed = thin(fixture, 54);
    assert_true(freed.states == 1 && freed.bytes == 10 && freed.left == 45);
    assert_left(fixture, 1, "0p 1p 1s 2p 2s ");
    thin(fixture, 44);
    assert_left(fixture, 1, "1p 1s 2p 2s ");
    thin(fixture, 34);
    assert_left(fixture, 1, "1p 2p 2s ");
    thin(fixture, 24);
    assert_left(fixture, 1, "1p 2p ");
    freed = thin(fixture, 19);
    assert_left(fixture, 1, "2p ");
    assert_int_equal(freed.left, 10);
    freed = thin(fixture, 0);
    assert_left(fixture, 1, "2p ");
    assert_true(freed.states == 0 && freed.left == 10);
}

static void what_is_not_used_goes_first(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    for (int64_t section = 0; section < 4; section++)
        put_bytes(fixture, STATES_SECTION, section, 100 + section, 10);
    put_bytes(fixture, STATES_SECTION, 4, 60, 10);
    /* Half for a month: 103 squared, halved, is still more than 60 squared; a quarter is
     * less. A date to come is now. */
    int64_t now = clock_unix_time();
    alter_open(fixture, "UPDATE state SET used_at = %lld WHERE section = 3",
               (long long)now - MONTH);
    alter_open(fixture, "UPDATE state SET used_at = %lld WHERE section = 2",
               (long long)now - 2 * MONTH);
    alter_open(fixture, "UPDATE state SET used_at = %lld WHERE section = 0",
               (long long)now + 50 * MONTH);
    static const char *const left[] = {"0s 1s 3s 4s ", "0s 1s 3s ", "0s 1s ", "1s ", ""};
    for (int i = 0; i < 5; i++) {
        thin(fixture, 49 - 10 * i);
        assert_left(fixture, 1, left[i]);
    }
}

/* An answer's state saves question and answer alone, and no more the longer the text was
 * that they are about: the states of sections and prefixes save that. */
static void answers_count_for_question_and_answer(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    put_bytes(fixture, STATES_SECTION, 0, 31, 10);     /* 64 x 961, less than 256 squared */
    put_bytes(fixture, STATES_SECTION, 1, 33, 10);     /* more than that */
    put_bytes(fixture, STATES_ANSWER, 2, 255, 10);     /* shorter than what is taken for one */
    put_bytes(fixture, STATES_ANSWER, 4, 1000000, 10); /* as of some section */
    put_bytes(fixture, STATES_ANSWER, 7, 256, 5);      /* as much, in half the room */
    put_bytes(fixture, STATES_ANSWER, 9, 1000000, 10); /* not used for a month */
    alter_open(fixture, "UPDATE state SET used_at = %lld WHERE section = 9",
               (long long)clock_unix_time() - MONTH);
    assert_left(fixture, 1, "0s 1s 2a 4a 7a 9a ");
    static const struct {
        int64_t budget;
        const char *left;
    } steps[] = {{54, "0s 1s 2a 4a 7a "}, {44, "1s 2a 4a 7a "}, {34, "1s 4a 7a "},
                 {24, "1s 7a "},          {14, "7a "},          {4, ""}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        thin(fixture, steps[i].budget);
        assert_left(fixture, 1, steps[i].left);
    }
}

/* Questions that were asked once and never gone on from must not cost a book its
 * checkpoints, however many they are and however long the sections. */
static void answers_make_way_for_checkpoints(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    for (int64_t section = 0; section < 8; section++)
        put_bytes(fixture, STATES_PREFIX, section, 1500 * (section + 1), 10);
    for (int64_t section = 0; section < 3; section++)
        put_bytes(fixture, STATES_SECTION, section, 1500, 10);
    for (int64_t question = 1; question <= 40; question++)
        put_bytes(fixture, STATES_ANSWER, question, question % 2 ? 1700 : 12000, 10);
    struct states_freed freed = thin(fixture, 119);
    assert_int_equal(freed.left, 110);
    assert_left(fixture, 1, "0p 0s 1p 1s 2p 2s 3p 4p 5p 6p 7p ");
    /* And of the two others a section's goes last, as before. */
    thin(fixture, 42);
    assert_left(fixture, 1, "0s 1s 2s 7p ");
}

static void long_row_is_left_evenly_spread(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    for (int64_t section = 0; section < 64; section++)
        put_bytes(fixture, STATES_PREFIX, section, 1000 * (section + 1), 10);
    struct states_freed freed = thin(fixture, 170); /* 160 when thinned */
    assert_int_equal(freed.left, 160);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM state"), 16);
    int64_t widest =
        ask_number(fixture->path, "SELECT max(token - before) FROM (SELECT token, lag(token, 1, 0)"
                                  " OVER (ORDER BY token) AS before FROM state)");
    assert_true(widest <= 8000);
    assert_int_equal(ask_number(fixture->path, "SELECT max(section) FROM state"), 63);
}

/* A document that is read anew, and was read farther before, keeps both ends. */
static void what_a_reading_goes_on_from_stays(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    for (int64_t section = 0; section < 9; section++)
        put_bytes(fixture, STATES_PREFIX, section, 100 * (section + 1), 10);
    alter_open(fixture, "UPDATE state SET created_at = created_at - 1000 - section");
    put_bytes(fixture, STATES_PREFIX, 3, 400, 10);
    struct states_info other = info_at(1, STATES_PREFIX, 1);
    other.place.model = hash_of_text("another model");
    put(fixture, &other, "x", 1);
    other = info_at(2, STATES_PREFIX, 5);
    put(fixture, &other, "x", 1);
    struct states_freed freed = thin(fixture, 0);
    assert_left(fixture, 1, "1p 3p 8p ");
    assert_left(fixture, 2, "5p ");
    assert_int_equal(freed.left, 22);
    freed = thin(fixture, 0);
    assert_true(freed.states == 0 && freed.bytes == 0 && freed.left == 22);
}

static void file_shrinks(void **state)
{
    struct fixture *fixture = *state;
    enum { LARGE = 200000 };
    unsigned char *noise = malloc(LARGE);
    assert_non_null(noise);
    uint64_t random = 3;
    for (size_t i = 0; i < LARGE; i++)
        noise[i] = (unsigned char)(next_random(&random) >> 32);
    reopen(fixture);
    for (int64_t section = 0; section < 40; section++) {
        struct states_info info = info_at(1, STATES_PREFIX, section);
        put(fixture, &info, noise, LARGE);
    }
    struct states_freed freed = thin(fixture, 10 * LARGE);
    assert_int_equal(freed.states, 31);
    close_states(fixture);
    struct stat status;
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_true(status.st_size < 10 * LARGE);
    assert_sound(fixture->path);
    reopen(fixture);
    struct states_info last = info_at(1, STATES_PREFIX, 39), found_info;
    struct error error = {0};
    bool found;
    assert_true(states_get(fixture->states, &last.place, &last.key, &found_info, noise, LARGE,
                           &found, &error));
    assert_true(found);
    free(noise);
}

/* --- hostile and many ------------------------------------------------------ */

static void hostile_rows_do_no_harm(void **state)
{
    struct fixture *fixture = *state;
    static const char *const values[] = {"-9223372036854775807 - 1", "-1", "0", "1", "1073741825",
                                         "9223372036854775807"};
    static const char *const columns[] = {"token",   "stored_bytes", "used_at",   "created_at",
                                          "section", "kind",         "raw_bytes", "codec"};
    enum { VALUES = sizeof values / sizeof *values, COLUMNS = sizeof columns / sizeof *columns };
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    reopen(fixture);
    for (int round = 0; round < 30; round++) {
        alter_open(fixture, "PRAGMA foreign_keys = ON; DELETE FROM state");
        put_random(fixture, round, &random);
        for (int i = 0; i < 20; i++)
            alter_open(fixture, "UPDATE OR IGNORE state SET %s = %s WHERE id %% 5 = %d",
                       columns[next_random(&random) % COLUMNS],
                       values[next_random(&random) % VALUES], (int)(next_random(&random) % 5));
        int64_t chains =
            ask_number(fixture->path,
                       "SELECT count(DISTINCT document || hex(model)) FROM state WHERE kind = 1");
        int64_t states = ask_number(fixture->path, "SELECT count(*) FROM state");
        int64_t bytes;
        struct error error = {0};
        assert_true(states_total_bytes(fixture->states, 0, &bytes, &error));
        assert_true(bytes >= 0);
        struct states_freed freed = thin(fixture, 0);
        int64_t left = ask_number(fixture->path, "SELECT count(*) FROM state");
        if (freed.left < 0 || freed.states != states - left || left > states ||
            (freed.left > 0 && left < chains))
            fail_msg("seed %llu, round %d: %lld states left of %lld, %lld chains, %lld bytes",
                     (unsigned long long)seed, round, (long long)left, (long long)states,
                     (long long)chains, (long long)freed.left);
        assert_true(states_total_bytes(fixture->states, 0, &bytes, &error));
        assert_int_equal(bytes, freed.left);
    }
}

/* A hash of another length is damage, which is named, and nothing is removed. */
static void damaged_rows_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct states_freed freed;
    reopen(fixture);
    put_bytes(fixture, STATES_SECTION, 1, 40, 10);
    put_bytes(fixture, STATES_SECTION, 2, 40, 10);
    alter_open(fixture, "UPDATE state SET model = zeroblob(15) WHERE section = 2");
    assert_false(states_thin(fixture->states, 5, &freed, &error));
    assert_int_equal(error.kind, ERROR_STORE);
    assert_non_null(strstr(error.text, "is damaged"));
    assert_int_equal(freed.states, 0);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM state"), 2);
}

static void many_states_are_thinned_quickly(void **state)
{
    struct fixture *fixture = *state;
    enum { MANY = 20000, CALLS = 500 };
    reopen(fixture);
    alter_open(fixture,
               "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d - 1)"
               " INSERT INTO state SELECT NULL, i %% 10, zeroblob(16), 1 + i / 10 %% 2, i, 1, 1, 1,"
               " zeroblob(16), zeroblob(16), 'tag', i * 37 %% 5000 + i / 10 * 700, zeroblob(16), 0,"
               " 10, 10, 0, i * 7919 FROM n;"
               "INSERT INTO payload SELECT id, randomblob(10) FROM state",
               MANY);
    thin(fixture, 10 * MANY); /* adds up once */
    double started = clock_seconds();
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(thin(fixture, 10 * MANY).left, 10 * MANY);
    double check = (clock_seconds() - started) / CALLS;
    started = clock_seconds();
    struct states_freed freed = thin(fixture, 5 * MANY);
    double all = clock_seconds() - started;
    print_message("%d states: %.1f us below the budget, %.0f ms to remove %lld\n", MANY,
                  1e6 * check, 1e3 * all, (long long)freed.states);
    assert_true(freed.left <= 5 * MANY - 5 * MANY / 16);
    assert_true(check < 1e-3);
    assert_true(all < 20);
    started = clock_seconds();
    thin(fixture, 0);
    print_message("%.0f ms to remove the rest\n", 1e3 * (clock_seconds() - started));
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM state"), 10);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(choice_is_that_of_the_slow_way),    STORED(least_useful_goes_first),
        STORED(what_is_not_used_goes_first),       STORED(answers_count_for_question_and_answer),
        STORED(answers_make_way_for_checkpoints),  STORED(long_row_is_left_evenly_spread),
        STORED(what_a_reading_goes_on_from_stays), STORED(file_shrinks),
        STORED(hostile_rows_do_no_harm),           STORED(damaged_rows_are_refused),
        STORED(many_states_are_thinned_quickly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
