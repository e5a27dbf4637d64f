/* Tests of library_verify: each kind of damage, made on purpose, is reported. */
#include "tests/unit/library_fixture.h"

/* A mark, a note, a place, and a question that follows up the first of the document. */
static void add_leavings(struct fixture *fixture, int64_t document)
{
    struct library_note note = {.document = document,
                                .kind = LIBRARY_NOTE_MARK,
                                .name = (char *)(uintptr_t) "a",
                                .section = 2,
                                .begin = 5,
                                .end = 5,
                                .passage = (char *)(uintptr_t) "caf\xC3\xA9"};
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    note.id = 0;
    note.kind = LIBRARY_NOTE_NOTE;
    note.name = NULL;
    note.text = (char *)(uintptr_t) "See there.";
    note.section = 99; /* of a text that was longer once */
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    MUST(library_put_place(fixture->library, document, 77, 1000, &fixture->error));
    struct library_question question;
    bool found;
    MUST(library_last_question(fixture->library, document, &question, &found, &fixture->error));
    assert_true(found);
    question.parent = question.id;
    MUST(library_add_question(fixture->library, &question, &question.id, &fixture->error));
    library_question_free(&question);
}

static void sound_library_has_no_problems(void **state)
{
    struct fixture *fixture = *state;
    assert_no_problems(fixture);
    int64_t id = add_whole_document(fixture, "one", "lighthouse");
    add_whole_document(fixture, "two", "harbour");
    assert_no_problems(fixture);
    add_leavings(fixture, id);
    struct hash made_from = hash_of("a", 1);
    MUST(library_put_summary(fixture->library, id, 1, LIBRARY_SUMMARY_CHAPTER, 1, &made_from,
                             "Two sections.", &fixture->error));
    assert_no_problems(fixture);
    MUST(library_cut_document(fixture->library, id, 1, 1, &fixture->error));
    assert_no_problems(fixture);
}

static void characters_are_counted_as_people_do(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d");
    struct library_section section =
        make_section(0, "Caf\xC3\xA9", "na\xC3\xAFve \xF0\x9D\x84\x9E\n");
    section.characters = 8;
    MUST(library_add_section(fixture->library, id, &section, &fixture->error));
    assert_no_problems(fixture);
}

static void words_of_every_sort_are_found_in_the_index(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d");
    uint64_t seed = 77, random = seed;
    char *text = malloc(60001);
    assert_non_null(text);
    for (int64_t i = 0; i < 12; i++) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789 .,-ABC";
        size_t size = next_random(&random) % 3000;
        for (size_t at = 0; at < size; at++)
            text[at] = letters[next_random(&random) % (sizeof letters - 1)];
        text[size] = '\0';
        if (i == 7) { /* one word, longer than the index keeps */
            memset(text, 'q', 60000);
            text[60000] = '\0';
        }
        add_section(fixture, id, i, i % 2 ? "Sailing ships sailed" : "", text);
    }
    free(text);
    assert_no_problems(fixture);
    MUST(library_cut_document(fixture->library, id, 4, 1, &fixture->error));
    assert_no_problems(fixture);
}

struct damage {
    const char *sql, *words;
    int64_t at_most; /* lines that it may take */
};

static const struct damage damages[] = {
    {"UPDATE section SET text = text || 'x' WHERE id = 2", "section 2: the checksum of its text",
     4},
    {"UPDATE section SET text_hash = zeroblob(16) WHERE id = 1", "section 1: the checksum of its",
     1},
    {"UPDATE section SET text = CAST(x'41ff' AS TEXT) WHERE id = 1", "its text is not UTF-8", 4},
    {"UPDATE section SET title = CAST(x'41ff' AS TEXT) WHERE id = 1", "its title is not UTF-8", 2},
    {"UPDATE section SET characters = 7 WHERE id = 1", "has not as many characters", 2},
    {"UPDATE section SET characters = -9223372036854775808 WHERE id = 1", "many characters", 2},
    {"UPDATE section SET characters = 9223372036854775807", "many characters", 8},
    {"UPDATE section SET source = 3 WHERE id = 1", "the source file that it is from is not", 1},
    {"UPDATE section SET begin_byte = 900 WHERE id = 1", "it ends before it begins", 1},
    {"UPDATE section SET begin_byte = -1 WHERE id = 1", "it ends before it begins", 1},
    {"UPDATE section SET ordinal = 9 WHERE id = 3", "section 10: the section before it is missing",
     1},
    {"UPDATE section SET ordinal = 9223372036854775807 WHERE id = 3", "before it is missing", 1},
    {"UPDATE document SET sections = 4 WHERE id = 1", "document 1: it claims 4 sections, 3 are", 1},
    {"UPDATE document SET sections = 1 WHERE id = 1", "2 sections are read of 1", 2},
    {"UPDATE document SET sections = -1 WHERE id = 1", "it claims -1 sections", 3},
    {"UPDATE document SET characters = 1 WHERE id = 1", "document 1: it claims 1 characters", 1},
    {"DELETE FROM source WHERE document = 2", "document 2: a source file is missing", 4},
    {"UPDATE source SET ordinal = 1 WHERE document = 2", "document 2: a source file is missing", 4},
    {"UPDATE reading SET sections = 1 WHERE id = 1", "it claims 1 sections, 2 are there", 1},
    {"UPDATE reading SET tokens = 1 WHERE id = 1", "it claims 1 tokens, 23 are there", 1},
    {"UPDATE reading SET bits = 1.5 WHERE id = 1", "it claims 1.5 bits, 50 are there", 1},
    {"UPDATE reading SET bits = 9e999 WHERE id = 1", "it claims inf bits", 1},
    {"DELETE FROM section_reading WHERE reading = 1 AND section = 0",
     "reading 1, section 2: the section before it is missing", 3},
    {"UPDATE section_reading SET tokens = 11 WHERE reading = 1 AND section = 1",
     "reading 1, section 2: its tokens do not go on", 1},
    {"UPDATE section_reading SET tokens = -9223372036854775808", "its tokens do not go on", 4},
    {"UPDATE summary SET kind = 9 WHERE document = 1", "a summary of kind 9", 1},
    {"UPDATE summary SET kind = 6 WHERE document = 1", "a summary of kind 6", 1},
    {"UPDATE summary SET kind = 0 WHERE document = 1", "a summary of kind 0", 1},
    {"UPDATE summary SET section = 3 WHERE document = 1", "kind 3 of section 4", 1},
    {"UPDATE summary SET section = 9223372036854775807", "cannot be a summary", 2},
    {"UPDATE question SET parent = 2 WHERE id = 3", "question 3: it cannot follow up question 2",
     1},
    {"UPDATE question SET parent = 3 WHERE id = 1", "question 1: it cannot follow up question 3",
     1},
    {"UPDATE question SET parent = 3 WHERE id = 3", "question 3: it cannot follow up question 3",
     1},
    {"PRAGMA foreign_keys = OFF; UPDATE question SET parent = 88 WHERE id = 3",
     "row 3 of question refers to a question that is not", 1},
    {"UPDATE note SET kind = 4 WHERE id = 2", "document 1, note 2: its kind is unknown", 1},
    {"UPDATE note SET kind = -9223372036854775807 WHERE id = 2", "note 2: its kind is unknown", 1},
    {"UPDATE note SET name = '' WHERE id = 1", "note 1: a mark without a name", 1},
    {"UPDATE note SET kind = 2 WHERE id = 1", "note 1: a name, but no mark", 1},
    {"UPDATE note SET section = -1 WHERE id = 1", "note 1: there cannot be such a place", 1},
    {"UPDATE note SET begin = -1 WHERE id = 1", "note 1: there cannot be such a place", 1},
    {"UPDATE note SET end = 4 WHERE id = 1", "note 1: there cannot be such a place", 1},
    {"UPDATE note SET passage = CAST(x'41ff' AS TEXT) WHERE id = 1",
     "note 1: its text is not UTF-8", 1},
    {"UPDATE note SET text = CAST(x'41ff' AS TEXT) WHERE id = 2", "note 2: its text is not", 1},
    {"PRAGMA foreign_keys = OFF; UPDATE note SET document = 55 WHERE id = 2",
     "row 2 of note refers to a document that is not", 1},
    {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'UNIQUE ', '')"
     " WHERE name = 'note_mark'; PRAGMA writable_schema = RESET;"
     " INSERT INTO note SELECT 9, document, kind, name, section, begin, end, passage, text,"
     " made_at FROM note WHERE id = 1; PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql ="
     " replace(sql, 'CREATE ', 'CREATE UNIQUE ') WHERE name = 'note_mark'",
     "non-unique entry in index note_mark", 1},
    {"UPDATE place SET byte = -1", "document 1: nobody can have been where its place is", 1},
    {"UPDATE place SET section = -1", "document 1: nobody can have been where its place is", 1},
    {"PRAGMA foreign_keys = OFF; UPDATE place SET document = 55",
     "row 55 of place refers to a document that is not", 1},
    {"PRAGMA foreign_keys = OFF; DELETE FROM model", "of reading refers to a model that is not", 7},
    {"PRAGMA foreign_keys = OFF; DELETE FROM document WHERE id = 2", "refers to a document that",
     9},
    {"INSERT INTO search (search) VALUES ('delete-all')", "holds 0 words where the text has", 1},
    {"INSERT INTO search (rowid, title, text) VALUES (77, 'of', 'nothing')", "full-text index", 1},
    {"INSERT INTO search (search, rowid, title, text)"
     " SELECT 'delete', id, title, text FROM section WHERE id = 1",
     "the full-text index holds", 1},
    {"UPDATE section SET title = 'B title' WHERE id = 1", "full-text index", 1},
    {"UPDATE search_data SET block = x'000000' WHERE id = 1", "index counts 0 sections", 1},
    {"UPDATE search_data SET block = zeroblob(40) WHERE id > 10", "the full-text index holds", 1},
    {"UPDATE search_config SET v = 99 WHERE k = 'version'", "check the full-text index", 3},
    {"DELETE FROM search_data", "library.db is damaged", 2},
    {"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage ="
     " (SELECT rootpage FROM sqlite_schema WHERE name = 'question_by_document')"
     " WHERE name = 'source_by_path'",
     "library.db: ", 30},
};

static void damage_is_reported(void **state)
{
    struct fixture *fixture = *state;
    add_whole_document(fixture, "one", "lighthouse");
    add_whole_document(fixture, "two", "harbour");
    add_leavings(fixture, 1);
    close_library(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct found_problems found;
        write_file(fixture->path, good, size);
        tamper(fixture->path, damages[i].sql);
        reopen(fixture);
        int64_t problems = find_problems(fixture, &found);
        if (problems < 1 || problems > damages[i].at_most || problems != found.lines ||
            !strstr(found.text, damages[i].words))
            fail_msg("%s gives %lld problems:\n%s", damages[i].sql, (long long)problems,
                     found.text);
        close_library(fixture);
    }
    free(good);
}

/* Bytes overwritten at random in a page: there is an answer, and mostly one that names
 * problems; some bytes are in the unused part of a page, or in what nothing repeats. */
static void damaged_pages_are_reported(void **state)
{
    struct fixture *fixture = *state;
    char name[32];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "document %d", i);
        add_whole_document(fixture, name, "lighthouse");
    }
    close_library(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size), *bad = malloc(size);
    assert_non_null(bad);
    uint64_t seed = 99, random = seed;
    int reported = 0, refused = 0;
    for (int round = 0; round < 120; round++) {
        memcpy(bad, good, size);
        size_t page = 1 + next_random(&random) % (size / 4096 - 1);
        for (int i = 0; i < 64; i++)
            bad[4096 * page + next_random(&random) % 4096] = (unsigned char)next_random(&random);
        write_file(fixture->path, bad, size);
        fixture->error = (struct error){0};
        if (library_open(&fixture->library, fixture->folder, &fixture->error)) {
            struct found_problems found = {0};
            int64_t problems = 0;
            if (!library_verify(fixture->library, NULL, note_problem, &found, &problems,
                                &fixture->error))
                fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round,
                         fixture->error.text);
            reported += problems > 0;
        } else {
            assert_int_equal(fixture->error.kind, ERROR_STORE);
            refused++;
        }
        close_library(fixture);
        remove_log(fixture->path);
    }
    if (reported + refused < 80)
        fail_msg("seed %llu: %d reported, %d refused", (unsigned long long)seed, reported, refused);
    free(good);
    free(bad);
}

static void lines_are_limited_and_single(void **state)
{
    struct fixture *fixture = *state;
    int64_t id = add_document(fixture, "d", "/d");
    for (int i = 0; i < 150; i++)
        add_section(fixture, id, i, "Title", "text\n");
    close_library(fixture);
    tamper(fixture->path, "UPDATE section SET end_byte = -1");
    reopen(fixture);
    struct found_problems found;
    assert_int_equal(find_problems(fixture, &found), 150);
    assert_int_equal(found.lines, 100);
    int lines = 0;
    for (const char *at = found.text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, 100);
}

static void checking_changes_nothing_and_waits_for_nobody(void **state)
{
    struct fixture *fixture = *state;
    add_whole_document(fixture, "one", "lighthouse");
    close_library(fixture);
    reopen(fixture);
    size_t before_size, after_size;
    unsigned char *before = read_file(fixture->path, &before_size);
    struct library *second;
    MUST(library_open(&second, fixture->folder, &fixture->error));
    MUST(library_begin(second, &fixture->error));
    assert_no_problems(fixture);
    library_rollback(second);
    library_close(second);
    assert_no_problems(fixture);
    unsigned char *after = read_file(fixture->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    char log[FIXTURE_PATH_SIZE + 8];
    struct stat status;
    snprintf(log, sizeof log, "%s-wal", fixture->path);
    if (stat(log, &status) == 0)
        assert_int_equal(status.st_size, 0);
    free(before);
    free(after);
    add_whole_document(fixture, "two", "harbour");
}

static void checking_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    char name[32];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "document %d", i);
        add_whole_document(fixture, name, "lighthouse");
    }
    atomic_bool cancel = true;
    struct found_problems found = {0};
    int64_t problems;
    MUST_FAIL(
        library_verify(fixture->library, &cancel, note_problem, &found, &problems, &fixture->error),
        ERROR_INTERRUPTED, "interrupted");
    assert_no_problems(fixture);
    add_whole_document(fixture, "another", "harbour");
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(sound_library_has_no_problems),
        STORED(characters_are_counted_as_people_do),
        STORED(words_of_every_sort_are_found_in_the_index),
        STORED(damage_is_reported),
        STORED(damaged_pages_are_reported),
        STORED(lines_are_limited_and_single),
        STORED(checking_changes_nothing_and_waits_for_nobody),
        STORED(checking_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
