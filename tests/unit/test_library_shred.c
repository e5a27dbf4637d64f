/* Tests of library_shred: what was removed is nowhere in the folder any more. */
#include <fcntl.h>

#include "base/clock.h"
#include "tests/unit/library_fixture.h"

#define COPIES 40 /* sections of a document, enough for many pages */

/* Whether the bytes occur in any file of the folder. */
static bool folder_holds(const char *path, const char *bytes, char where[600])
{
    bool found = false;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; !found && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        size_t size;
        snprintf(where, 600, "%s/%s", path, entry->d_name);
        unsigned char *content = read_file(where, &size);
        found = memmem(content, size, bytes, strlen(bytes)) != NULL;
        free(content);
    }
    closedir(folder);
    return found;
}

/* Each phrase is of one place alone; a word in the index shares its first letters with
 * its neighbour there, and is kept without them. */
static const char *const phrases[] = {
    "Zyrkovian",           "yrkovian",    "plomquist",
    "Quaxtable heading",   "uaxtabl",     "Why wobbleforth",
    "Because grumbleduke", "detailsnork", "Summary of flumquat",
    "vexinode.txt",        "secretname",  "Thought of brindlewort",
    "passage tormelling",
};

static int64_t add_secret(struct fixture *fixture, int64_t model)
{
    char text[2000];
    int64_t id = add_document(fixture, "secretname", "/home/me/vexinode.txt");
    for (int i = 0; i < COPIES; i++) {
        size_t used = 0;
        for (int line = 0; line < 20; line++)
            used += (size_t)snprintf(text + used, sizeof text - used,
                                     "The Zyrkovian number %d met plomquist %d again.\n", i, line);
        add_section(fixture, id, i, i % 7 ? "Plain" : "Quaxtable heading", text);
    }
    MUST(library_finish_document(fixture->library, id, &fixture->error));
    struct library_question question = {
        .document = id,
        .model = model,
        .asked_at = 1,
        .scope = (char *)(uintptr_t) "",
        .question = (char *)(uintptr_t) "Why wobbleforth?",
        .answer = (char *)(uintptr_t) "Because grumbleduke.",
        .detail = (char *)(uintptr_t) "{\"detailsnork\":1}",
    };
    int64_t number;
    MUST(library_add_question(fixture->library, &question, &number, &fixture->error));
    for (int i = 0; i < COPIES; i++)
        add_summary(fixture, id, model, i, "Summary of flumquat.");
    for (int i = 0; i < COPIES; i++) {
        struct library_note note = {.document = id,
                                    .kind = LIBRARY_NOTE_NOTE,
                                    .section = i,
                                    .passage = (char *)(uintptr_t) "passage tormelling",
                                    .text = (char *)(uintptr_t) "Thought of brindlewort."};
        MUST(library_put_note(fixture->library, &note, &fixture->error));
    }
    MUST(library_put_place(fixture->library, id, 3, 3, &fixture->error));
    return id;
}

/* Two documents with others before, between and behind, so that their rows share pages;
 * one of the two is cut and written again. Returns its number. */
static int64_t fill(struct fixture *fixture)
{
    int64_t model = touch_model(fixture, "model");
    char name[32];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "before %d", i);
        add_whole_document(fixture, name, "harbour");
    }
    int64_t secret = add_secret(fixture, model);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "behind %d", i);
        add_whole_document(fixture, name, "lighthouse");
    }
    MUST(library_cut_document(fixture->library, secret, COPIES / 2, 1, &fixture->error));
    add_section(fixture, secret, COPIES / 2, "End", "The Zyrkovian plomquist.\n");
    return secret;
}

static void assert_nothing_left(struct fixture *fixture)
{
    char where[600];
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (folder_holds(fixture->folder, phrases[i], where))
            fail_msg("\"%s\" is still in %s", phrases[i], where);
}

static void assert_others_intact(struct fixture *fixture, int64_t secret)
{
    assert_no_problems(fixture);
    assert_int_equal(count_documents(fixture, fixture->library), 10);
    assert_int_equal(search_for(fixture, fixture->library, 1, "harbour"), 3);
    assert_int_equal(search_for(fixture, fixture->library, secret + 1, "lighthouse"), 3);
    assert_int_equal(search_for(fixture, fixture->library, 1, "lighthouse"), 0);
}

static void shredded_text_is_in_no_file(void **state)
{
    struct fixture *fixture = *state;
    char where[600];
    int64_t secret = fill(fixture);
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (!folder_holds(fixture->folder, phrases[i], where))
            fail_msg("\"%s\" was never there", phrases[i]);
    MUST(library_remove_document(fixture->library, secret, &fixture->error));
    MUST(library_shred(fixture->library, &fixture->error));
    assert_nothing_left(fixture);
    assert_others_intact(fixture, secret);
    assert_mode(fixture->folder, "library.db", 0600);
    struct library *second;
    MUST(library_open(&second, fixture->folder, &fixture->error));
    int64_t id;
    MUST(library_add_document(second, "new", "/new", 1, &id, &fixture->error));
    assert_int_equal(id, secret + 6);
    library_close(second);
    assert_int_equal(count_documents(fixture, fixture->library), 11);
    assert_mode(fixture->folder, "library.db-wal", 0600);
    add_whole_document(fixture, "another", "harbour");
    MUST(library_shred(fixture->library, &fixture->error));
    close_library(fixture);
    assert_nothing_left(fixture);
    assert_int_equal(count_files(fixture->folder), 1);
}

/* Without secure_delete and merged segments the file has more to hide. */
static void careless_leftovers_are_overwritten(void **state)
{
    struct fixture *fixture = *state;
    int64_t secret = fill(fixture);
    close_library(fixture);
    tamper(fixture->path,
           "PRAGMA secure_delete = OFF; PRAGMA foreign_keys = ON;"
           "INSERT INTO search (search, rowid, title, text) SELECT 'delete', id, title, text"
           " FROM section WHERE document = 6; DELETE FROM document WHERE id = 6;");
    assert_int_equal(secret, 6);
    char where[600];
    assert_true(folder_holds(fixture->folder, "Zyrkovian", where));
    reopen(fixture);
    MUST(library_shred(fixture->library, &fixture->error));
    assert_nothing_left(fixture);
    assert_others_intact(fixture, secret);
}

/* A removed log lives on while it is open, as its blocks do on a disk. */
static void log_is_overwritten_before_it_goes(void **state)
{
    struct fixture *fixture = *state;
    int64_t secret = fill(fixture);
    MUST(library_remove_document(fixture->library, secret, &fixture->error));
    char path[FIXTURE_PATH_SIZE + 8], bytes[4096];
    snprintf(path, sizeof path, "%s-wal", fixture->path);
    int log = open(path, O_RDONLY);
    assert_true(log >= 0);
    struct stat status;
    assert_int_equal(fstat(log, &status), 0);
    assert_true(status.st_size > 0);
    MUST(library_shred(fixture->library, &fixture->error));
    off_t size = 0;
    for (ssize_t count; (count = read(log, bytes, sizeof bytes)) > 0; size += count)
        for (ssize_t i = 0; i < count; i++)
            assert_int_equal(bytes[i], 0);
    assert_int_equal(size, status.st_size);
    close(log);
}

static void copies_of_older_layouts_go_too(void **state)
{
    struct fixture *fixture = *state;
    for (int version = 1; version < LIBRARY_SCHEMA; version++) {
        char old[FIXTURE_PATH_SIZE], copy[FIXTURE_PATH_SIZE], where[600];
        close_library(fixture);
        remove_log(fixture->path);
        snprintf(old, sizeof old, "%s/tests/migrations/library-%d.db", TESTS_SOURCE_DIR, version);
        copy_file(old, fixture->path);
        reopen(fixture);
        snprintf(copy, sizeof copy, "%s/library-%d.db", fixture->folder, version);
        assert_int_equal(access(copy, F_OK), 0);
        MUST(library_remove_document(fixture->library, 1, &fixture->error));
        MUST(library_shred(fixture->library, &fixture->error));
        assert_int_not_equal(access(copy, F_OK), 0);
        assert_false(folder_holds(fixture->folder, "harbour book", where));
        assert_false(folder_holds(fixture->folder, "Who rules Rome", where));
    }
}

static void another_user_of_the_library_is_in_the_way(void **state)
{
    struct fixture *fixture = *state;
    int64_t secret = fill(fixture);
    struct library *second;
    MUST(library_open(&second, fixture->folder, &fixture->error));
    assert_int_equal(count_documents(fixture, second), 11);
    MUST(library_remove_document(fixture->library, secret, &fixture->error));
    MUST_FAIL(library_shred(fixture->library, &fixture->error), ERROR_STORE,
              "another tidemark has");
    assert_non_null(strstr(fixture->error.text, "close it and try again"));
    assert_int_equal(count_documents(fixture, second), 10);
    assert_others_intact(fixture, secret);
    int64_t id;
    MUST(library_add_document(second, "new", "/new", 1, &id, &fixture->error));
    MUST(library_remove_document(second, id, &fixture->error));
    library_close(second);
    MUST(library_shred(fixture->library, &fixture->error));
    assert_nothing_left(fixture);
    assert_others_intact(fixture, secret);
}

static void shred_for_good(const char *folder, int pipe_end, int64_t number)
{
    struct library *library;
    struct error error = {0};
    (void)pipe_end;
    (void)number;
    if (!library_open(&library, folder, &error))
        _exit(1);
    for (;;)
        if (!library_shred(library, &error))
            _exit(1);
}

static void killed_shredding_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    int64_t secret = fill(fixture);
    MUST(library_remove_document(fixture->library, secret, &fixture->error));
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 25; round++) {
        close_library(fixture);
        kill_at_work(shred_for_good, fixture->folder, 0, next_random(&random) % 80000);
        reopen(fixture);
        assert_others_intact(fixture, secret);
    }
    MUST(library_shred(fixture->library, &fixture->error));
    assert_nothing_left(fixture);
    assert_others_intact(fixture, secret);
    close_library(fixture);
    assert_int_equal(count_files(fixture->folder), 1);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(shredded_text_is_in_no_file),
        STORED(careless_leftovers_are_overwritten),
        STORED(log_is_overwritten_before_it_goes),
        STORED(copies_of_older_layouts_go_too),
        STORED(another_user_of_the_library_is_in_the_way),
        STORED(killed_shredding_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
