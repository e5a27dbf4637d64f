/* Tests of store/states.h: what goes in comes out, what does not match is refused by
 * name, and nothing that was reported as stored is lost. */
#include "base/clock.h"
#include "store/states.h"
#include "store/states_payload.h"
#include "tests/unit/store_fixture.h"

enum { FLOATS = 5000, SIZE = 4 * FLOATS };

struct fixture {
    char folder[FIXTURE_FOLDER_SIZE];
    char path[FIXTURE_PATH_SIZE]; /* of states.db */
    struct states *states;
};

/* Floats of a common magnitude with noise below, as a model's state has. */
static void fill(float *floats, size_t count, uint64_t seed)
{
    uint64_t random = seed * 2654435761u + 1;
    for (size_t i = 0; i < count; i++)
        floats[i] = ((float)(next_random(&random) >> 40) / 16777216.0f - 0.5f) * 0.25f;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture || !make_folder(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/states.db", fixture->folder);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    states_close(fixture->states);
    int status = remove_folder(fixture->folder);
    free(fixture);
    return status;
}

static void reopen(struct fixture *fixture)
{
    struct error error = {0};
    states_close(fixture->states);
    fixture->states = NULL;
    if (!states_open(&fixture->states, fixture->folder, &error))
        fail_msg("%s", error.text);
}

static struct hash hash_of_text(const char *text)
{
    return hash_of(text, strlen(text));
}

static struct states_info info_at(int64_t document, enum states_kind kind, int64_t section)
{
    struct states_info info = {
        .place = {document, hash_of_text("model"), kind, section},
        .key = {.format = 1,
                .tokenizer = 2,
                .normalizer = 3,
                .preamble = hash_of_text("preamble"),
                .text = hash_of_text("text")},
        .numerics = "cpu/reference/1",
        .token = 100 * (section + 1),
    };
    return info;
}

static void put(struct fixture *fixture, struct states_info *info, const void *payload, size_t size)
{
    struct error error = {0};
    if (!states_put(fixture->states, info, payload, size, &error))
        fail_msg("%s", error.text);
}

static void assert_loads(struct fixture *fixture, const struct states_info *stored,
                         const void *payload, size_t size)
{
    struct states_info info;
    struct error error = {0};
    bool found;
    void *loaded = malloc(size);
    assert_non_null(loaded);
    if (!states_get(fixture->states, &stored->place, &stored->key, &info, loaded, size, &found,
                    &error))
        fail_msg("%s", error.text);
    assert_true(found);
    assert_memory_equal(loaded, payload, size);
    assert_true(hash_equal(&info.hash, &stored->hash));
    assert_string_equal(info.numerics, stored->numerics);
    assert_int_equal(info.token, stored->token);
    assert_int_equal(info.raw_bytes, size);
    assert_int_equal(info.stored_bytes, stored->stored_bytes);
    assert_int_equal(info.created_at, stored->created_at);
    assert_int_equal(info.place.section, stored->place.section);
    assert_int_equal(info.place.kind, stored->place.kind);
    free(loaded);
}

/* Loading must fail, with ERROR_STORE and a line that has these words. */
static void assert_refused(struct fixture *fixture, const struct states_info *stored, size_t size,
                           const char *words)
{
    struct states_info info;
    struct error error = {0};
    bool found;
    void *loaded = malloc(size);
    assert_non_null(loaded);
    assert_false(states_get(fixture->states, &stored->place, &stored->key, &info, loaded, size,
                            &found, &error));
    free(loaded);
    assert_int_equal(error.kind, ERROR_STORE);
    if (!strstr(error.text, words))
        fail_msg("\"%s\" does not say \"%s\"", error.text, words);
    assert_null(strchr(error.text, '\n'));
}

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

static void alter(struct fixture *fixture, const char *sql)
{
    states_close(fixture->states);
    fixture->states = NULL;
    tamper(fixture->path, sql);
    reopen(fixture);
}

/* --- the payload ----------------------------------------------------------- */

static void assert_packs(const void *payload, size_t size, int codec)
{
    struct states_payload packed;
    struct error error = {0};
    unsigned char *unpacked = malloc(size + 1);
    assert_non_null(unpacked);
    assert_true(states_payload_pack(&packed, payload, size, &error));
    if (codec >= 0)
        assert_int_equal(packed.codec, codec);
    if (packed.codec == STATES_PAYLOAD_RAW)
        assert_ptr_equal(packed.bytes, payload);
    else
        assert_true(packed.size <= size - size / 16);
    bool sound;
    assert_true(states_payload_unpack(unpacked, size, (int)packed.codec, packed.bytes, packed.size,
                                      &sound, &error));
    assert_true(sound);
    assert_memory_equal(unpacked, payload, size);
    assert_true(states_payload_unpack(unpacked, size + 1, (int)packed.codec, packed.bytes,
                                      packed.size, &sound, &error));
    assert_false(sound);
    states_payload_free(&packed);
    free(unpacked);
}

static void payload_of_every_size_survives(void **state)
{
    (void)state;
    static float floats[FLOATS];
    fill(floats, FLOATS, 1);
    for (size_t size = 1; size < 70; size++)
        assert_packs(floats, size, -1);
    for (size_t size = SIZE - 5; size <= SIZE; size++)
        assert_packs(floats, size, STATES_PAYLOAD_ZSTD);
    static unsigned char noise[SIZE];
    uint64_t random = 7;
    for (size_t i = 0; i < SIZE; i++)
        noise[i] = (unsigned char)(next_random(&random) >> 32);
    assert_packs(noise, SIZE, STATES_PAYLOAD_RAW);
    memset(noise, 0, SIZE);
    assert_packs(noise, SIZE, STATES_PAYLOAD_ZSTD);
}

/* Frames cut short, lengthened or with a byte changed: never more than the room
 * given is written, which the sanitizer watches. */
static void payload_of_hostile_frames_is_refused(void **state)
{
    (void)state;
    static float floats[FLOATS];
    fill(floats, FLOATS, 2);
    struct states_payload packed;
    struct error error = {0};
    bool sound;
    assert_true(states_payload_pack(&packed, floats, SIZE, &error));
    unsigned char *frame = malloc(packed.size + 1), *out = malloc(SIZE);
    assert_non_null(frame);
    assert_non_null(out);
    for (size_t size = 0; size < packed.size; size += 1 + size / 7) {
        memcpy(frame, packed.bytes, size);
        assert_true(
            states_payload_unpack(out, SIZE, STATES_PAYLOAD_ZSTD, frame, size, &sound, &error));
        assert_false(sound);
    }
    memcpy(frame, packed.bytes, packed.size);
    frame[packed.size] = 0;
    assert_true(states_payload_unpack(out, SIZE, STATES_PAYLOAD_ZSTD, frame, packed.size + 1,
                                      &sound, &error));
    assert_false(sound);
    uint64_t seed = 5, random = seed;
    for (int round = 0; round < 300; round++) {
        memcpy(frame, packed.bytes, packed.size);
        frame[next_random(&random) % packed.size] ^= (unsigned char)(1u << round % 8);
        assert_true(states_payload_unpack(out, SIZE, STATES_PAYLOAD_ZSTD, frame, packed.size,
                                          &sound, &error));
    }
    assert_true(states_payload_unpack(out, SIZE, 7, frame, packed.size, &sound, &error));
    assert_false(sound);
    free(frame);
    free(out);
    states_payload_free(&packed);
}

/* --- round trips ----------------------------------------------------------- */

static void states_come_back_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    float floats[FLOATS];
    fill(floats, FLOATS, 3);
    reopen(fixture);
    struct states_info info = info_at(1, STATES_PREFIX, 2);
    int64_t before = clock_unix_time();
    put(fixture, &info, floats, SIZE);
    struct hash hash = hash_of(floats, SIZE);
    assert_true(hash_equal(&info.hash, &hash));
    assert_int_equal(info.raw_bytes, SIZE);
    assert_true(info.stored_bytes < SIZE);
    assert_true(info.created_at >= before && info.created_at <= clock_unix_time());
    assert_loads(fixture, &info, floats, SIZE);
    reopen(fixture);
    assert_loads(fixture, &info, floats, SIZE);

    /* Odd sizes and what does not compress too. */
    struct states_info odd = info_at(1, STATES_SECTION, 2);
    put(fixture, &odd, "seven b", 7);
    assert_int_equal(odd.stored_bytes, 7);
    assert_loads(fixture, &odd, "seven b", 7);
    assert_loads(fixture, &info, floats, SIZE);
    assert_sound(fixture->path);
}

static void states_replace_their_place(void **state)
{
    struct fixture *fixture = *state;
    float floats[FLOATS];
    reopen(fixture);
    struct states_info info = info_at(1, STATES_PREFIX, 2);
    for (uint64_t round = 0; round < 5; round++) {
        fill(floats, FLOATS, round);
        info.token = 10 + (int64_t)round;
        info.key.text = hash_of(&round, sizeof round);
        put(fixture, &info, floats, SIZE - 4 * round);
        assert_loads(fixture, &info, floats, SIZE - 4 * round);
    }
    states_close(fixture->states);
    fixture->states = NULL;
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM state"), 1);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM payload"), 1);
}

static void states_absent_are_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    reopen(fixture);
    struct states_info stored = info_at(1, STATES_PREFIX, 2), info;
    char byte = 'x';
    put(fixture, &stored, &byte, 1);
    struct states_place places[4] = {stored.place, stored.place, stored.place, stored.place};
    places[0].document = 2;
    places[1].model = hash_of_text("another model");
    places[2].kind = STATES_SECTION;
    places[3].section = 3;
    for (int i = 0; i < 4; i++) {
        bool found = true;
        assert_true(
            states_get(fixture->states, &places[i], &stored.key, &info, &byte, 1, &found, &error));
        assert_false(found);
        found = true;
        assert_true(states_look(fixture->states, &places[i], &info, &found, &error));
        assert_false(found);
    }
}

static void states_many_are_stored_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    float floats[3][FLOATS];
    struct states_info infos[3];
    const void *payloads[3];
    size_t sizes[3];
    struct error error = {0};
    reopen(fixture);
    for (int i = 0; i < 3; i++) {
        fill(floats[i], FLOATS, 20 + (uint64_t)i);
        infos[i] = info_at(1, STATES_SECTION, i);
        payloads[i] = floats[i];
        sizes[i] = SIZE - (size_t)i;
    }
    assert_true(states_put_many(fixture->states, infos, payloads, sizes, 3, &error));
    for (int i = 0; i < 3; i++)
        assert_loads(fixture, &infos[i], floats[i], sizes[i]);
    assert_true(states_put_many(fixture->states, infos, payloads, sizes, 0, &error));

    /* The index stands for any failure in the middle: the last state breaks it. */
    alter(fixture, "DELETE FROM payload; DELETE FROM state");
    tamper(fixture->path, "CREATE UNIQUE INDEX narrow ON state (token)");
    infos[2].token = infos[1].token;
    assert_false(states_put_many(fixture->states, infos, payloads, sizes, 3, &error));
    assert_int_equal(error.kind, ERROR_STORE);
    int64_t bytes;
    assert_true(states_total_bytes(fixture->states, 0, &bytes, &error));
    assert_int_equal(bytes, 0);
    assert_true(states_put_many(fixture->states, infos, payloads, sizes, 2, &error));
}

/* --- refusals -------------------------------------------------------------- */

static void states_of_another_key_are_refused_by_name(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    struct states_info stored = info_at(1, STATES_PREFIX, 2), wanted;
    put(fixture, &stored, "payload!", 8);
    wanted = stored;
    wanted.key.format = 9;
    assert_refused(fixture, &wanted, 8,
                   "the state of section 3 was made with payload format 1, this program has 9");
    wanted = stored;
    wanted.key.tokenizer = 9;
    assert_refused(fixture, &wanted, 8,
                   "the state of section 3 was made with tokenizer version 2, this program has 9: "
                   "read the document again");
    wanted = stored;
    wanted.key.normalizer = 9;
    assert_refused(fixture, &wanted, 8, "normalizer version 3, this program has 9");
    wanted = stored;
    wanted.key.preamble.bytes[15] ^= 1;
    assert_refused(fixture, &wanted, 8, "another preamble");
    wanted = stored;
    wanted.key.text.bytes[0] ^= 1;
    assert_refused(fixture, &wanted, 8, "another text");
    assert_refused(fixture, &stored, 7, "has 8 bytes where the model has 7");
    assert_refused(fixture, &stored, 9, "has 8 bytes where the model has 9");

    /* The key counts without a payload too; looking asks for none. */
    struct error error = {0};
    struct states_info info;
    bool found;
    assert_false(
        states_get(fixture->states, &wanted.place, &wanted.key, &info, NULL, 0, &found, &error));
    assert_true(
        states_get(fixture->states, &stored.place, &stored.key, &info, NULL, 0, &found, &error));
    assert_true(found);
    assert_int_equal(info.raw_bytes, 8);
    assert_true(states_look(fixture->states, &stored.place, &info, &found, &error));
    assert_true(found && info.token == 300);
}

static void states_altered_in_the_file_are_refused_by_name(void **state)
{
    struct fixture *fixture = *state;
    float floats[FLOATS];
    fill(floats, FLOATS, 4);
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE state SET format = 4", "payload format 4"},
        {"UPDATE state SET tokenizer = 1", "tokenizer version 1, this program has 2"},
        {"UPDATE state SET normalizer = 1", "normalizer version 1, this program has 3"},
        {"UPDATE state SET preamble = zeroblob(16)", "another preamble"},
        {"UPDATE state SET text = zeroblob(16)", "another text"},
        {"UPDATE state SET hash = zeroblob(16)", "damaged (checksum differs)"},
        {"UPDATE state SET hash = zeroblob(15)", "is damaged"},
        {"UPDATE state SET model = zeroblob(15), document = 1", NULL},
        {"UPDATE state SET codec = 9", "codec is unknown"},
        {"UPDATE state SET codec = -1", "is damaged"},
        {"UPDATE state SET codec = 0", "cannot be unpacked"},
        {"UPDATE state SET raw_bytes = raw_bytes + 4", "bytes where the model has"},
        {"UPDATE state SET raw_bytes = -1", "is damaged"},
        {"UPDATE state SET raw_bytes = 9223372036854775807", "bytes where the model has"},
        {"UPDATE state SET stored_bytes = 1", "stored size differs"},
        {"UPDATE state SET numerics = printf('%.100c', 'x'), token = 1", NULL},
        {"UPDATE payload SET bytes = x''", "stored size differs"},
        {"UPDATE payload SET bytes = zeroblob(length(bytes))", "cannot be unpacked"},
        {"DELETE FROM payload", "stored size differs"},
    };
    reopen(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct states_info info = info_at(1, STATES_PREFIX, 2);
        put(fixture, &info, floats, SIZE);
        alter(fixture, cases[i].sql);
        if (cases[i].words)
            assert_refused(fixture, &info, SIZE, cases[i].words);
        alter(fixture, "DELETE FROM payload; DELETE FROM state");
    }
}

/* A changed byte anywhere in a stored payload is noticed, compressed or not. */
static void states_with_a_flipped_byte_are_refused(void **state)
{
    struct fixture *fixture = *state;
    unsigned char noise[SIZE];
    uint64_t random = 11;
    for (size_t i = 0; i < SIZE; i++)
        noise[i] = (unsigned char)(next_random(&random) >> 32);
    float floats[FLOATS];
    fill(floats, FLOATS, 6);
    reopen(fixture);
    for (int round = 0; round < 16; round++) {
        struct states_info info = info_at(1, STATES_PREFIX, 2);
        put(fixture, &info, round % 2 ? (const void *)noise : floats, SIZE);
        uint64_t at = next_random(&random) % (uint64_t)(info.stored_bytes - 1) + 1;
        char sql[256];
        snprintf(sql, sizeof sql,
                 "UPDATE payload SET bytes = CAST(substr(bytes, 1, %llu) ||"
                 " CASE substr(bytes, %llu, 1) WHEN x'00' THEN x'01' ELSE x'00' END ||"
                 " substr(bytes, %llu) AS BLOB)",
                 (unsigned long long)at - 1, (unsigned long long)at, (unsigned long long)at + 1);
        alter(fixture, sql);
        assert_refused(fixture, &info, SIZE, round % 2 ? "checksum differs" : "is damaged");
    }
}

/* --- listing --------------------------------------------------------------- */

struct listing {
    char text[256];
    int stop_after;
};

static bool list(void *context, const struct states_info *info)
{
    struct listing *listing = context;
    size_t used = strlen(listing->text);
    snprintf(listing->text + used, sizeof listing->text - used, "%lld%s ",
             (long long)info->place.section, info->place.kind == STATES_PREFIX ? "p" : "s");
    return --listing->stop_after != 0;
}

static void states_are_listed_and_found_and_removed(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct hash model = hash_of_text("model"), other = hash_of_text("other");
    reopen(fixture);
    static const int sections[] = {7, 2, 4};
    for (size_t i = 0; i < 3; i++) {
        struct states_info info = info_at(1, STATES_SECTION, sections[i]);
        put(fixture, &info, "ssss", 4);
        info = info_at(1, STATES_PREFIX, sections[i]);
        put(fixture, &info, "ppp", 3);
    }
    struct states_info info = info_at(1, STATES_SECTION, 9);
    info.place.model = other;
    put(fixture, &info, "mm", 2);
    info = info_at(2, STATES_SECTION, 5);
    put(fixture, &info, "d", 1);

    struct listing listing = {0};
    assert_true(states_each(fixture->states, 1, &model, list, &listing, &error));
    assert_string_equal(listing.text, "2p 2s 4p 4s 7p 7s ");
    listing = (struct listing){0};
    assert_true(states_each(fixture->states, 1, NULL, list, &listing, &error));
    assert_string_equal(listing.text, "2p 2s 4p 4s 7p 7s 9s ");
    listing = (struct listing){.stop_after = 2};
    assert_true(states_each(fixture->states, 1, NULL, list, &listing, &error));
    assert_string_equal(listing.text, "2p 2s ");

    static const int nearest[] = {-1, -1, 2, 2, 4, 4, 4, 7, 7};
    for (int section = 0; section < 9; section++) {
        bool found;
        assert_true(
            states_nearest_prefix(fixture->states, 1, &model, section, &info, &found, &error));
        assert_int_equal(found, nearest[section] >= 0);
        if (found)
            assert_int_equal(info.place.section, nearest[section]);
        assert_true(
            states_nearest_prefix(fixture->states, 1, &other, section, &info, &found, &error));
        assert_false(found);
    }

    int64_t bytes;
    assert_true(states_total_bytes(fixture->states, 1, &bytes, &error));
    assert_int_equal(bytes, 3 * 7 + 2);
    assert_true(states_total_bytes(fixture->states, 0, &bytes, &error));
    assert_int_equal(bytes, 3 * 7 + 3);
    assert_true(states_remove_document(fixture->states, 1, &error));
    assert_true(states_total_bytes(fixture->states, 1, &bytes, &error));
    assert_int_equal(bytes, 0);
    assert_true(states_total_bytes(fixture->states, 0, &bytes, &error));
    assert_int_equal(bytes, 1);
    states_close(fixture->states);
    fixture->states = NULL;
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM payload"), 1);
}

/* A load inside a listing, as a check of all states does. */
struct check {
    struct states *states;
    int loaded;
};

static bool load_listed(void *context, const struct states_info *info)
{
    struct check *check = context;
    char byte;
    struct states_info again;
    struct error error = {0};
    bool found;
    check->loaded +=
        states_get(check->states, &info->place, &info->key, &again, &byte, 1, &found, &error) &&
        found;
    return true;
}

static void states_load_while_being_listed(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    reopen(fixture);
    for (int i = 0; i < 20; i++) {
        struct states_info info = info_at(1, STATES_SECTION, i);
        put(fixture, &info, "x", 1);
    }
    alter(fixture, "UPDATE state SET used_at = -9223372036854775807 - section % 2");
    struct check check = {.states = fixture->states};
    assert_true(states_each(fixture->states, 1, NULL, load_listed, &check, &error));
    assert_int_equal(check.loaded, 20);
    states_close(fixture->states);
    fixture->states = NULL;
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM state WHERE used_at < 0"), 0);
}

/* --- the file -------------------------------------------------------------- */

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
        states_close(fixture->states);
        fixture->states = NULL;
        tamper(fixture->path, cases[i].sql);
        assert_refused_untouched(fixture, cases[i].words);
        assert_int_equal(unlink(fixture->path), 0);
    }
}

static void file_of_the_other_database_is_refused(void **state)
{
    struct fixture *fixture = *state;
    reopen(fixture);
    states_close(fixture->states);
    fixture->states = NULL;
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
    states_close(fixture->states);
    fixture->states = NULL;
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
        states_close(fixture->states);
        fixture->states = NULL;
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
    states_close(fixture->states);
    fixture->states = NULL;
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
        states_close(fixture->states);
        fixture->states = NULL;
        assert_sound(fixture->path);
    }
    assert_true(stored > 0);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_of_every_size_survives),
        cmocka_unit_test(payload_of_hostile_frames_is_refused),
        STORED(states_come_back_as_they_were),
        STORED(states_replace_their_place),
        STORED(states_absent_are_not_found),
        STORED(states_many_are_stored_whole_or_not_at_all),
        STORED(states_of_another_key_are_refused_by_name),
        STORED(states_altered_in_the_file_are_refused_by_name),
        STORED(states_with_a_flipped_byte_are_refused),
        STORED(states_are_listed_and_found_and_removed),
        STORED(states_load_while_being_listed),
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
