/* library_fixture.h: a library in a folder that goes away, for the tests of it. */
#ifndef TIDEMARK_TESTS_LIBRARY_FIXTURE_H
#define TIDEMARK_TESTS_LIBRARY_FIXTURE_H

#include "store/library.h"
#include "tests/unit/store_fixture.h"

struct fixture {
    char folder[FIXTURE_FOLDER_SIZE];
    char path[FIXTURE_PATH_SIZE]; /* of library.db */
    struct library *library;
    struct error error;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture || !make_folder(fixture->folder))
        return -1;
    snprintf(fixture->path, sizeof fixture->path, "%s/library.db", fixture->folder);
    *state = fixture;
    return library_open(&fixture->library, fixture->folder, &fixture->error) ? 0 : -1;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    library_close(fixture->library);
    int status = remove_folder(fixture->folder);
    free(fixture);
    return status;
}

static inline void close_library(struct fixture *fixture)
{
    library_close(fixture->library);
    fixture->library = NULL;
}

static inline void reopen(struct fixture *fixture)
{
    close_library(fixture);
    if (!library_open(&fixture->library, fixture->folder, &fixture->error))
        fail_msg("%s", fixture->error.text);
}

/* Fails the test with the error's text. */
#define MUST(call)                                                                                 \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s", fixture->error.text);                                                   \
    } while (0)

#define MUST_FAIL(call, wanted_kind, words)                                                        \
    do {                                                                                           \
        assert_false(call);                                                                        \
        assert_int_equal(fixture->error.kind, wanted_kind);                                        \
        if (!strstr(fixture->error.text, words))                                                   \
            fail_msg("\"%s\" does not say \"%s\"", fixture->error.text, words);                    \
    } while (0)

/* With the full-text index against the text. */
static inline void assert_integrity(const char *path)
{
    assert_sound(path);
    tamper(path, "INSERT INTO search (search, rank) VALUES ('integrity-check', 1)");
}

static inline int64_t add_document(struct fixture *fixture, const char *name, const char *path)
{
    int64_t id;
    MUST(library_add_document(fixture->library, name, path, 1, &id, &fixture->error));
    struct library_source source = {.path = (char *)(uintptr_t)path};
    MUST(library_add_source(fixture->library, id, &source, &fixture->error));
    return id;
}

static inline struct library_section make_section(int64_t ordinal, const char *title,
                                                  const char *text)
{
    struct library_section section = {
        .ordinal = ordinal,
        .title = (char *)(uintptr_t)title,
        .level = 1,
        .part = 1,
        .begin_byte = 100 * ordinal,
        .end_byte = 100 * ordinal + 100,
        .line = 1 + 5 * ordinal,
        .page = 1,
        .characters = (int64_t)strlen(text),
        .text_hash = hash_of(text, strlen(text)),
        .text = (char *)(uintptr_t)text,
        .text_size = strlen(text),
        .map = (char *)(uintptr_t) "map",
        .map_size = 3,
    };
    return section;
}

static inline void add_section(struct fixture *fixture, int64_t document, int64_t ordinal,
                               const char *title, const char *text)
{
    struct library_section section = make_section(ordinal, title, text);
    MUST(library_add_section(fixture->library, document, &section, &fixture->error));
}

#endif
