/* states_fixture.h: what the tests of states.db share: a folder with one, states of
 * known contents, and what must come of loading them. */
#ifndef TIDEMARK_TESTS_STATES_FIXTURE_H
#define TIDEMARK_TESTS_STATES_FIXTURE_H

#include "base/clock.h"
#include "store/states.h"
#include "tests/unit/store_fixture.h"

enum { FLOATS = 5000, SIZE = 4 * FLOATS };

struct fixture {
    char folder[FIXTURE_FOLDER_SIZE];
    char path[FIXTURE_PATH_SIZE]; /* of states.db */
    struct states *states;
};

/* Floats of a common magnitude with noise below, as a model's state has. */
static inline void fill(float *floats, size_t count, uint64_t seed)
{
    uint64_t random = seed * 2654435761u + 1;
    for (size_t i = 0; i < count; i++)
        floats[i] = ((float)(next_random(&random) >> 40) / 16777216.0f - 0.5f) * 0.25f;
}

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture || !make_folder(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/states.db", fixture->folder);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    states_close(fixture->states);
    int status = remove_folder(fixture->folder);
    free(fixture);
    return status;
}

static inline void reopen(struct fixture *fixture)
{
    struct error error = {0};
    states_close(fixture->states);
    fixture->states = NULL;
    if (!states_open(&fixture->states, fixture->folder, &error))
        fail_msg("%s", error.text);
}

static inline void close_states(struct fixture *fixture)
{
    states_close(fixture->states);
    fixture->states = NULL;
}

static inline struct hash hash_of_text(const char *text)
{
    return hash_of(text, strlen(text));
}

static inline struct states_info info_at(int64_t document, enum states_kind kind, int64_t section)
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

static inline void put(struct fixture *fixture, struct states_info *info, const void *payload,
                       size_t size)
{
    struct error error = {0};
    if (!states_put(fixture->states, info, payload, size, &error))
        fail_msg("%s", error.text);
}

static inline void assert_loads(struct fixture *fixture, const struct states_info *stored,
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
static inline void assert_refused(struct fixture *fixture, const struct states_info *stored,
                                  size_t size, const char *words)
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

static inline void alter(struct fixture *fixture, const char *sql)
{
    close_states(fixture);
    tamper(fixture->path, sql);
    reopen(fixture);
}

#endif
