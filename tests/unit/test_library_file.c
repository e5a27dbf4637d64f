/* Tests of store/library.h: the file itself: who may read it, hostile and damaged
 * ones, other processes and writers that are killed. */
#include "base/clock.h"
#include "tests/unit/library_fixture.h"

/* --- the file -------------------------------------------------------------- */

static void file_is_private(void **state)
{
    struct fixture *fixture = *state;
    char inner[600], path[700];
    snprintf(inner, sizeof inner, "%s/deep/er", fixture->folder);
    mode_t mask = umask(0);
    struct library *library;
    int64_t id;
    bool ok = library_open(&library, inner, &fixture->error) &&
              library_add_document(library, "d", "/d", 1, &id, &fixture->error);
    umask(mask);
    MUST(ok);
    assert_mode(inner, "", 0700);
    assert_mode(inner, "library.db", 0600);
    assert_mode(inner, "library.db-wal", 0600);
    assert_mode(inner, "library.db-shm", 0600);
    library_close(library);
    snprintf(path, sizeof path, "%s/library.db", inner);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(inner), 0);
    inner[strlen(inner) - 3] = '\0';
    assert_int_equal(rmdir(inner), 0);
    assert_int_equal(ask_number(fixture->path, "PRAGMA application_id"), LIBRARY_APPLICATION_ID);
    assert_int_equal(ask_number(fixture->path, "PRAGMA user_version"), LIBRARY_SCHEMA);
}

static void assert_refused_untouched(struct fixture *fixture, const char *words)
{
    size_t before_size, after_size;
    unsigned char *before = read_file(fixture->path, &before_size);
    MUST_FAIL(library_open(&fixture->library, fixture->folder, &fixture->error), ERROR_STORE,
              words);
    assert_non_null(strstr(fixture->error.text, fixture->path));
    assert_null(fixture->library);
    unsigned char *after = read_file(fixture->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
}

static void file_has_the_layout_of_its_version(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(LIBRARY_SCHEMA, 3);
    assert_layout(fixture->path, "7524563dd66df44efce57d5a98db56b5");
    char old[FIXTURE_PATH_SIZE];
    snprintf(old, sizeof old, "%s/old.db", fixture->folder);
    copy_file(TESTS_SOURCE_DIR "/tests/migrations/library-1.db", old);
    assert_layout(old, "70dbcc7756cc8e872de8a8e32324cfc0");
    copy_file(TESTS_SOURCE_DIR "/tests/migrations/library-2.db", old);
    assert_layout(old, "d8d1b7d59df9887955ff4ab90fffa903");
}

static void file_of_another_layout_is_refused_untouched(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"PRAGMA user_version = 99", "newer tidemark (layout 99"},
        {"PRAGMA application_id = 5", "another program"},
        {"DROP INDEX source_by_path", "is damaged"},
        {"DROP INDEX note_mark", "is damaged"},
        {"DROP TABLE place", "is damaged"},
        {"DROP TABLE question", "is damaged"},
        {"DROP TABLE search", "is damaged"},
        {"CREATE TRIGGER t AFTER INSERT ON document BEGIN SELECT 1; END", "is damaged"},
        {"ALTER TABLE model RENAME COLUMN name TO title", "is damaged"},
    };
    close_library(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(fixture->path, good, size);
        tamper(fixture->path, cases[i].sql);
        assert_refused_untouched(fixture, cases[i].words);
        assert_int_equal(count_files(fixture->folder), 1);
    }
    write_file(fixture->path, good, size / 2);
    assert_refused_untouched(fixture, "restore a backup, or move the file away to begin anew");
    write_file(fixture->path, "not a database at all", 21);
    assert_refused_untouched(fixture, "is not a database");
    free(good);
}

/* The log may hold the newer layout while the file itself still shows the old one. */
static void file_with_a_foreign_log_is_refused_untouched(void **state)
{
    struct fixture *fixture = *state;
    close_library(fixture);
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(fixture->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, "PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = 9",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_refused_untouched(fixture, "newer tidemark (layout 9");
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(handle);
    assert_refused_untouched(fixture, "newer tidemark (layout 9");
}

static void damage_in_values_is_reported(void **state)
{
    struct fixture *fixture = *state;
    static const char *const cases[] = {
        "UPDATE section SET text = 'other'",
        "UPDATE section SET text_hash = zeroblob(16)",
        "UPDATE section SET text_hash = zeroblob(3)",
        "UPDATE section SET begin_byte = -1",
        "UPDATE section SET level = 99999999999",
        "UPDATE section SET characters = -9223372036854775808",
        "UPDATE section SET ordinal = 0, part = -1",
        "PRAGMA writable_schema = ON; UPDATE document SET sections = -1",
        "UPDATE document SET complete = 2",
        "UPDATE document SET normalizer = 9223372036854775807",
    };
    close_library(fixture);
    size_t size;
    reopen(fixture);
    int64_t id = add_document(fixture, "d", "/d");
    add_section(fixture, id, 0, "One", "text\n");
    close_library(fixture);
    unsigned char *good = read_file(fixture->path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(fixture->path, good, size);
        tamper(fixture->path, cases[i]);
        reopen(fixture);
        struct library_section section;
        struct library_document document;
        bool ok =
            library_get_section(fixture->library, id, 0, LIBRARY_TEXT, &section, &fixture->error);
        library_section_free(&section);
        if (ok) {
            ok = library_get_document(fixture->library, id, &document, &fixture->error);
            library_document_free(&document);
        }
        MUST_FAIL(ok, ERROR_STORE, "library.db is damaged");
        close_library(fixture);
    }
    free(good);
}

static bool visit_nothing(void *context, const struct library_section *section)
{
    ++*(int *)context;
    return section->text != NULL;
}

static bool visit_no_question(void *context, const struct library_question *question)
{
    (void)context;
    return question->question != NULL;
}

static bool visit_no_note(void *context, const struct library_note *note)
{
    (void)context;
    assert_true(note->begin <= note->end);
    return note->text != NULL;
}

static bool visit_no_document(void *context, const struct library_document *document)
{
    (void)context;
    return document->name != NULL;
}

/* Every way of looking into a file with bytes changed anywhere ends in an answer or
 * in a refusal with ERROR_STORE (or ERROR_INPUT where something is not there). */
static void file_that_is_damaged_is_read_safely(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d");
    char text[400];
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "Section %d of many has words, word%d and others.\n", i, i);
        add_section(fixture, id, i, "Title", text);
        add_question(fixture, id, touch_model(fixture, "m"), text, i % 2 ? text : NULL);
        struct library_note note = {.document = id,
                                    .kind = LIBRARY_NOTE_NOTE,
                                    .section = i,
                                    .passage = text,
                                    .text = (char *)(uintptr_t) "What I thought of it."};
        MUST(library_put_note(fixture->library, &note, &fixture->error));
        MUST(library_put_place(fixture->library, id, i, i, &fixture->error));
    }
    close_library(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size), *bad = malloc(size);
    assert_non_null(bad);
    uint64_t seed = 31, random = seed;
    int failed = 0;
    for (int round = 0; round < 150; round++) {
        memcpy(bad, good, size);
        for (int i = 0; i < 1 + round % 30; i++)
            bad[100 + next_random(&random) % (size - 100)] =
                (unsigned char)(next_random(&random) >> 40);
        write_file(fixture->path, bad, size);
        struct error *error = &fixture->error;
        *error = (struct error){0};
        struct library_hit hits[8];
        struct library_shelf_hit shelf[8];
        struct library_document document = {0};
        struct library_question question = {0};
        size_t count;
        int64_t place[2];
        bool found;
        int seen = 0;
        static const char *const words[] = {"section", "word7"};
        bool ok = library_open(&fixture->library, fixture->folder, error) &&
                  library_each_document(fixture->library, visit_no_document, NULL, error) &&
                  library_each_section(fixture->library, id, 3, visit_nothing, &seen, error) &&
                  library_search(fixture->library, id, words, 2, hits, 8, &count, error) &&
                  library_search_all(fixture->library, words, 2, shelf, 8, &count, error) &&
                  library_each_question(fixture->library, id, visit_no_question, NULL, error) &&
                  library_last_question(fixture->library, id, &question, &found, error) &&
                  library_each_note(fixture->library, id, visit_no_note, NULL, error) &&
                  library_get_place(fixture->library, id, &place[0], &place[1], &found, error) &&
                  library_find_document(fixture->library, "d", &document, error) &&
                  library_remove_document(fixture->library, id, error);
        library_document_free(&document);
        library_question_free(&question);
        if (!ok && error->kind != ERROR_STORE && error->kind != ERROR_INPUT)
            fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round, error->text);
        failed += !ok;
        close_library(fixture);
        remove_log(fixture->path);
    }
    assert_true(failed > 30);
    free(good);
    free(bad);
}

/* --- other processes ------------------------------------------------------- */

static void connections_share_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct library *second;
    MUST(library_open(&second, fixture->folder, &fixture->error));
    int64_t id = add_document(fixture, "d", "/d");
    struct library_document document;
    MUST(library_get_document(second, id, &document, &fixture->error));
    library_document_free(&document);
    MUST(library_begin(second, &fixture->error));
    double before = clock_seconds();
    struct hash fingerprint = hash_of("m", 1);
    int64_t model;
    MUST_FAIL(
        library_touch_model(fixture->library, &fingerprint, "m", "/m", &model, &fixture->error),
        ERROR_STORE, "is busy: another tidemark is writing; try again");
    assert_true(clock_seconds() - before > 3);
    library_rollback(second);
    library_close(second);
    MUST(library_touch_model(fixture->library, &fingerprint, "m", "/m", &model, &fixture->error));
}

/* Adds section after section and reports each, once it is stored, through the pipe. */
static void add_until_killed(const char *folder, int pipe_end, int64_t ordinal)
{
    struct library *library;
    struct error error = {0};
    char text[4000];
    if (!library_open(&library, folder, &error)) {
        fprintf(stderr, "%s\n", error.text);
        _exit(1);
    }
    for (;; ordinal++) {
        memset(text, 'a' + (int)(ordinal % 26), sizeof text - 1);
        text[sizeof text - 1] = '\0';
        struct library_section section = make_section(ordinal, "Title", text);
        if (!library_add_section(library, 1, &section, &error)) {
            fprintf(stderr, "%s\n", error.text);
            _exit(1);
        }
        if (write(pipe_end, &ordinal, sizeof ordinal) != sizeof ordinal)
            _exit(1);
    }
}

static void killed_writers_lose_nothing_they_reported(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d"), stored = 0;
    close_library(fixture);
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    for (int round = 0; round < 20; round++) {
        int64_t reported =
            kill_at_work(add_until_killed, fixture->folder, stored, next_random(&random) % 60000);
        reopen(fixture);
        struct library_document document;
        MUST(library_get_document(fixture->library, id, &document, &fixture->error));
        stored = document.sections;
        library_document_free(&document);
        if (stored < reported)
            fail_msg("seed %llu, round %d: %lld of %lld sections are there",
                     (unsigned long long)seed, round, (long long)stored, (long long)reported);
        int seen = 0;
        MUST(library_each_section(fixture->library, id, LIBRARY_TEXT, visit_nothing, &seen,
                                  &fixture->error));
        assert_int_equal(seen, stored);
        close_library(fixture);
        assert_integrity(fixture->path);
    }
    assert_true(stored > 0);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(file_is_private),
        STORED(file_has_the_layout_of_its_version),
        STORED(file_of_another_layout_is_refused_untouched),
        STORED(file_with_a_foreign_log_is_refused_untouched),
        STORED(damage_in_values_is_reported),
        STORED(file_that_is_damaged_is_read_safely),
        STORED(connections_share_the_file),
        STORED(killed_writers_lose_nothing_they_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
