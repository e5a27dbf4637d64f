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

/* --- checking ------------------------------------------------------------- */

struct found_problems {
    int64_t lines;
    char text[8192]; /* the first lines, as far as there is room */
};

static inline void note_problem(void *context, const char *line)
{
    struct found_problems *found = context;
    size_t used = strlen(found->text);
    found->lines++;
    snprintf(found->text + used, sizeof found->text - used, "%s\n", line);
}

/* How many problems there are, with their lines. */
static inline int64_t find_problems(struct fixture *fixture, struct found_problems *found)
{
    int64_t problems;
    *found = (struct found_problems){0};
    MUST(library_verify(fixture->library, NULL, note_problem, found, &problems, &fixture->error));
    return problems;
}

static inline void assert_no_problems(struct fixture *fixture)
{
    struct found_problems found;
    if (find_problems(fixture, &found) != 0)
        fail_msg("%s", found.text);
}

/* --- contents ------------------------------------------------------------- */

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

static inline int64_t touch_model(struct fixture *fixture, const char *name)
{
    int64_t model;
    struct hash fingerprint = hash_of(name, strlen(name));
    MUST(library_touch_model(fixture->library, &fingerprint, name, "/m.gguf", &model,
                             &fixture->error));
    return model;
}

/* Reads the first sections of a document, 10 tokens of 2.5 bits each, after a preamble
 * of 3 tokens. */
static inline void read_sections(struct fixture *fixture, int64_t document, int64_t model,
                                 int64_t sections)
{
    struct library_reading reading;
    bool found;
    MUST(library_get_reading(fixture->library, document, model, &reading, &found, &fixture->error));
    free(reading.numerics);
    int64_t id = reading.id;
    reading = (struct library_reading){.id = id,
                                       .document = document,
                                       .model = model,
                                       .sections = sections,
                                       .tokens = sections ? 3 + 10 * sections : 0,
                                       .bits = 25.0 * (double)sections,
                                       .numerics = (char *)(uintptr_t) "test/1"};
    MUST(library_put_reading(fixture->library, &reading, &fixture->error));
    MUST(library_cut_reading(fixture->library, reading.id, 0, &fixture->error));
    for (int64_t i = 0; i < sections; i++) {
        struct library_section_reading part = {
            .section = i, .tokens = 10, .end_token = 3 + 10 * (i + 1), .bits = 25};
        MUST(library_put_section_reading(fixture->library, reading.id, &part, &fixture->error));
    }
    MUST(library_put_reading(fixture->library, &reading, &fixture->error));
}

static inline void add_question(struct fixture *fixture, int64_t document, int64_t model,
                                const char *question, const char *answer)
{
    struct library_question row = {
        .document = document,
        .model = model,
        .asked_at = 1700000000,
        .scope = (char *)(uintptr_t) "",
        .question = (char *)(uintptr_t)question,
        .answer = (char *)(uintptr_t)answer,
        .detail = (char *)(uintptr_t) "{}",
    };
    int64_t id;
    MUST(library_add_question(fixture->library, &row, &id, &fixture->error));
}

static inline void add_summary(struct fixture *fixture, int64_t document, int64_t model,
                               int64_t section, const char *text)
{
    struct hash made_from = hash_of(text, strlen(text));
    MUST(library_put_summary(fixture->library, document, model,
                             section < 0 ? LIBRARY_SUMMARY_DOCUMENT : LIBRARY_SUMMARY_SECTION,
                             section, &made_from, text, &fixture->error));
}

/* A document of three sections with a word that only it has, two sections of it read,
 * asked once, summarized once. */
static inline int64_t add_whole_document(struct fixture *fixture, const char *name,
                                         const char *word)
{
    char path[128], text[256];
    snprintf(path, sizeof path, "/texts/%s", name);
    int64_t id = add_document(fixture, name, path), model = touch_model(fixture, "model");
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "Part %d of the text has the word %s and others.\n", i, word);
        add_section(fixture, id, i, "A title", text);
    }
    MUST(library_finish_document(fixture->library, id, &fixture->error));
    read_sections(fixture, id, model, 2);
    add_question(fixture, id, model, "What is it?", "It is that.");
    add_summary(fixture, id, model, -1, "All of it.");
    return id;
}

/* How many sections of the document hold the word. */
static inline size_t search_for(struct fixture *fixture, struct library *library, int64_t document,
                                const char *word)
{
    struct library_hit hits[16];
    size_t count;
    MUST(library_search(library, document, &word, 1, hits, 16, &count, &fixture->error));
    return count;
}

static inline bool count_document(void *context, const struct library_document *document)
{
    (void)document;
    ++*(int *)context;
    return true;
}

static inline int count_documents(struct fixture *fixture, struct library *library)
{
    int count = 0;
    MUST(library_each_document(library, count_document, &count, &fixture->error));
    return count;
}

#endif
