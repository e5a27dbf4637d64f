/* Tests of store/states.h: what goes in comes out, and what does not match is refused by
 * name. */
#include "store/states_payload.h"
#include "tests/unit/states_fixture.h"

/* --- the payload ----------------------------------------------------------- */

static bool unpack_bytes(void *payload, size_t size, int codec, const void *stored,
                         size_t stored_size, struct pool *pool, bool *sound, struct error *failure)
{
    const struct states_payload_source source = states_payload_bytes(stored, stored_size);
    return states_payload_unpack(payload, size, codec, &source, pool, sound, failure);
}

static void assert_packs(const void *payload, size_t size, int codec)
{
    struct states_payload packed;
    struct error error = {0};
    unsigned char *unpacked = malloc(size + 1);
    assert_non_null(unpacked);
    assert_true(states_payload_pack(&packed, payload, size, NULL, &error));
    if (codec >= 0)
        assert_int_equal(packed.codec, codec);
    if (packed.codec == STATES_PAYLOAD_RAW)
        assert_ptr_equal(packed.bytes, payload);
    else
        assert_true(packed.size <= size - size / 16);
    bool sound;
    assert_true(unpack_bytes(unpacked, size, (int)packed.codec, packed.bytes, packed.size, NULL,
                             &sound, &error));
    assert_true(sound);
    assert_memory_equal(unpacked, payload, size);
    assert_true(unpack_bytes(unpacked, size + 1, (int)packed.codec, packed.bytes, packed.size, NULL,
                             &sound, &error));
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
    assert_true(states_payload_pack(&packed, floats, SIZE, NULL, &error));
    unsigned char *frame = malloc(packed.size + 1), *out = malloc(SIZE);
    assert_non_null(frame);
    assert_non_null(out);
    for (size_t size = 0; size < packed.size; size += 1 + size / 7) {
        memcpy(frame, packed.bytes, size);
        assert_true(
            unpack_bytes(out, SIZE, STATES_PAYLOAD_ZSTD, frame, size, NULL, &sound, &error));
        assert_false(sound);
    }
    memcpy(frame, packed.bytes, packed.size);
    frame[packed.size] = 0;
    assert_true(
        unpack_bytes(out, SIZE, STATES_PAYLOAD_ZSTD, frame, packed.size + 1, NULL, &sound, &error));
    assert_false(sound);
    uint64_t seed = 5, random = seed;
    for (int round = 0; round < 300; round++) {
        memcpy(frame, packed.bytes, packed.size);
        frame[next_random(&random) % packed.size] ^= (unsigned char)(1u << round % 8);
        assert_true(
            unpack_bytes(out, SIZE, STATES_PAYLOAD_ZSTD, frame, packed.size, NULL, &sound, &error));
    }
    assert_true(unpack_bytes(out, SIZE, 7, frame, packed.size, NULL, &sound, &error));
    assert_false(sound);
    free(frame);
    free(out);
    states_payload_free(&packed);
}

/* Large payloads are cut into stretches: by one thread or several the same bytes, which one
 * thread or several unpack; the claims of every frame are checked. */
static void payload_of_many_stretches_survives(void **state)
{
    (void)state;
    static const size_t sizes[] = {STATES_PAYLOAD_STRETCH, STATES_PAYLOAD_STRETCH + 1,
                                   5 * STATES_PAYLOAD_STRETCH / 2 + 3, 4 * STATES_PAYLOAD_STRETCH};
    struct error error = {0};
    struct pool *pool = pool_new(3, &error);
    assert_non_null(pool);
    size_t most = 4 * STATES_PAYLOAD_STRETCH;
    float *floats = malloc(most);
    unsigned char *out = malloc(most);
    assert_non_null(floats);
    assert_non_null(out);
    for (size_t i = 0; i < most / sizeof *floats; i += FLOATS)
        fill(floats + i, FLOATS < most / sizeof *floats - i ? FLOATS : most / sizeof *floats - i,
             i + 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct states_payload alone, shared;
        bool sound;
        int codec = i ? STATES_PAYLOAD_FRAMES : STATES_PAYLOAD_ZSTD;
        assert_packs(floats, sizes[i], codec);
        assert_true(states_payload_pack(&alone, floats, sizes[i], NULL, &error));
        assert_true(states_payload_pack(&shared, floats, sizes[i], pool, &error));
        assert_int_equal(shared.codec, alone.codec);
        assert_int_equal(shared.size, alone.size);
        assert_memory_equal(shared.bytes, alone.bytes, alone.size);
        assert_true(
            unpack_bytes(out, sizes[i], codec, shared.bytes, shared.size, pool, &sound, &error));
        assert_true(sound);
        assert_memory_equal(out, floats, sizes[i]);
        atomic_bool cancelled = true; /* does not leave a half of it */
        pool_set_cancel(pool, &cancelled);
        memset(out, 0, sizes[i]);
        assert_true(
            unpack_bytes(out, sizes[i], codec, shared.bytes, shared.size, pool, &sound, &error));
        assert_true(sound);
        assert_memory_equal(out, floats, sizes[i]);
        pool_set_cancel(pool, NULL);
        for (size_t size = 0; size < shared.size; size += 1 + shared.size / 50) {
            assert_true(
                unpack_bytes(out, sizes[i], codec, shared.bytes, size, pool, &sound, &error));
            assert_false(sound);
        }
        states_payload_free(&alone);
        states_payload_free(&shared);
    }
    free(floats);
    free(out);
    pool_free(pool);
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
    close_states(fixture);
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
    snprintf(listing->text + used, sizeof listing->text - used, "%lld%c ",
             (long long)info->place.section, " psa"[info->place.kind]);
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
    close_states(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM payload"), 1);
}

static void assert_listed(struct fixture *fixture, int64_t document, const char *expected)
{
    struct listing listing = {0};
    struct error error = {0};
    assert_true(states_each(fixture->states, document, NULL, list, &listing, &error));
    assert_string_equal(listing.text, expected);
}

/* Numbered by questions, they are no part of the row of sections. */
static void answers_lie_beside_the_text(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    bool found;
    reopen(fixture);
    for (int i = 0; i < 4; i++) {
        struct states_info info = info_at(1, STATES_PREFIX, i);
        put(fixture, &info, "ppp", 3);
        info = info_at(1, STATES_SECTION, i);
        put(fixture, &info, "ssss", 4);
    }
    struct states_info answer = info_at(1, STATES_ANSWER, 2), info;
    put(fixture, &answer, "aaaaa", 5);
    info = info_at(1, STATES_ANSWER, 3);
    info.place.model = hash_of_text("another model");
    put(fixture, &info, "a", 1);
    info = info_at(1, STATES_ANSWER, 3);
    put(fixture, &info, "a", 1);
    info = info_at(1, STATES_ANSWER, 1);
    info.place.section = INT64_MAX;
    put(fixture, &info, "a", 1);
    info = info_at(2, STATES_ANSWER, 3);
    put(fixture, &info, "a", 1);
    assert_loads(fixture, &answer, "aaaaa", 5);
    assert_listed(fixture, 1, "0p 0s 1p 1s 2p 2s 3p 3s 2a 3a 3a 9223372036854775807a ");
    assert_true(states_nearest_prefix(fixture->states, 1, &info.place.model, INT64_MAX, &info,
                                      &found, &error));
    assert_true(found && info.place.kind == STATES_PREFIX && info.place.section == 3);

    info = answer;
    info.key.text.bytes[0] ^= 1;
    assert_refused(fixture, &info, 5,
                   "the state of the answer to question 2 was made with another "
                   "text: ask the question again");
    info = answer;
    info.key.format = 9;
    assert_refused(fixture, &info, 5, "the answer to question 2 was made with payload format 1");
    assert_refused(fixture, &answer, 4, "the answer to question 2 has 5 bytes where");

    assert_true(states_remove_from(fixture->states, 1, 2, &error));
    assert_listed(fixture, 1, "0p 0s 1p 1s 2a 3a 3a 9223372036854775807a ");
    assert_true(states_remove_answer(fixture->states, 1, 3, &error));
    assert_listed(fixture, 1, "0p 0s 1p 1s 2a 9223372036854775807a ");
    assert_listed(fixture, 2, "3a ");
    assert_true(states_remove_answer(fixture->states, 1, 1, &error)); /* a section's number */
    assert_true(states_remove_answer(fixture->states, 2, 99, &error));
    int64_t bytes;
    assert_true(states_total_bytes(fixture->states, 0, &bytes, &error));
    assert_int_equal(bytes, 2 * 7 + 7);
    assert_true(states_remove_document(fixture->states, 1, &error));
    assert_listed(fixture, 1, "");
    close_states(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM payload"), 1);
    assert_sound(fixture->path);
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
    close_states(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM state WHERE used_at < 0"), 0);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payload_of_every_size_survives),
        cmocka_unit_test(payload_of_hostile_frames_is_refused),
        cmocka_unit_test(payload_of_many_stretches_survives),
        STORED(states_come_back_as_they_were),
        STORED(states_replace_their_place),
        STORED(states_absent_are_not_found),
        STORED(states_many_are_stored_whole_or_not_at_all),
        STORED(states_of_another_key_are_refused_by_name),
        STORED(states_altered_in_the_file_are_refused_by_name),
        STORED(states_with_a_flipped_byte_are_refused),
        STORED(states_are_listed_and_found_and_removed),
        STORED(answers_lie_beside_the_text),
        STORED(states_load_while_being_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
