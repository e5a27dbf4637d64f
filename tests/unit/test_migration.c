/* Tests of upgrading databases that released versions wrote. Layout 1: a document "tides"
 * of three sections, read by "tiny mamba", asked twice, summarized once. Layout 2: the same
 * and a document "port" of two sections in windows-1252, asked twice as well; of "tides"
 * also the story so far. */
#include <sys/resource.h>

#include "base/clock.h"
#include "store/states.h"
#include "tests/unit/library_fixture.h"

#define OLD TESTS_SOURCE_DIR "/tests/migrations/"

static const struct old {
    int version;
    int rows; /* in all of it, with three that the index finds */
    const char *file, *layout;
} olds[] = {
    {1, 17, OLD "library-1.db", "70dbcc7756cc8e872de8a8e32324cfc0"},
    {2, 27, OLD "library-2.db", "d8d1b7d59df9887955ff4ab90fffa903"},
};

/* Every value of a version, so that two files can be compared. */
static const char *const rows_of_sources[] = {
    "SELECT quote(document) || quote(ordinal) || quote(path) || quote(size) || quote(lines)"
    " || quote(pages) || quote(invalid_bytes) || quote(modified_ns) || quote(hash) FROM source",
    "SELECT quote(document) || quote(ordinal) || quote(path) || quote(size) || quote(lines)"
    " || quote(pages) || quote(invalid_bytes) || quote(modified_ns) || quote(hash)"
    " || quote(encoding) || quote(evidence) || quote(confidence) FROM source",
};

static const char *const rows_of_others[] = {
    "SELECT quote(id) || quote(name) || quote(path) || quote(added_at) || quote(normalizer)"
    " || quote(sections) || quote(characters) || quote(complete) FROM document ORDER BY id",
    "SELECT quote(id) || quote(document) || quote(ordinal) || quote(source) || quote(title)"
    " || quote(level) || quote(part) || quote(begin_byte) || quote(end_byte) || quote(line)"
    " || quote(page) || quote(characters) || quote(text_hash) || quote(text) || quote(map)"
    " FROM section ORDER BY id",
    "SELECT quote(device) || quote(inode) || quote(size) || quote(modified_ns)"
    " || quote(changed_ns) || quote(fingerprint) FROM fingerprint",
    "SELECT quote(id) || quote(fingerprint) || quote(name) || quote(path) || quote(used_at)"
    " FROM model",
    "SELECT quote(id) || quote(document) || quote(model) || quote(sections) || quote(tokens)"
    " || quote(bits) || quote(numerics) || quote(mixed) || quote(updated_at) FROM reading",
    "SELECT quote(reading) || quote(section) || quote(tokens) || quote(end_token)"
    " || quote(bits) || quote(surprise) FROM section_reading ORDER BY reading, section",
    "SELECT quote(id) || quote(document) || quote(model) || quote(asked_at) || quote(scope)"
    " || quote(question) || quote(answer) || quote(detail) FROM question ORDER BY id",
    "SELECT quote(document) || quote(model) || quote(kind) || quote(section)"
    " || quote(made_from) || quote(text) || quote(made_at) FROM summary",
    "SELECT rowid FROM search WHERE search MATCH 'tide' ORDER BY rowid",
};

static int add_rows(struct hash_stream *stream, sqlite3 *handle, const char *sql)
{
    sqlite3_stmt *statement;
    int status, rows = 0;
    assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
    for (; (status = sqlite3_step(statement)) == SQLITE_ROW; rows++)
        hash_stream_add(stream, sqlite3_column_text(statement, 0),
                        (size_t)sqlite3_column_bytes(statement, 0) + 1);
    assert_int_equal(status, SQLITE_DONE);
    sqlite3_finalize(statement);
    return rows;
}

/* Of what a version knows. *rows counts them; the hash is of them all. */
static struct hash hash_rows(const char *path, int version, int *rows)
{
    sqlite3 *handle;
    struct hash_stream *stream = hash_stream_new();
    assert_non_null(stream);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    *rows = add_rows(stream, handle, rows_of_sources[version - 1]);
    for (size_t i = 0; i < sizeof rows_of_others / sizeof *rows_of_others; i++)
        *rows += add_rows(stream, handle, rows_of_others[i]);
    sqlite3_close(handle);
    struct hash hash = hash_stream_end(stream);
    hash_stream_free(stream);
    return hash;
}

struct migration {
    struct fixture fixture;
    const struct old *old;
    char copy[FIXTURE_PATH_SIZE]; /* library-1.db */
    struct hash rows;             /* of the original */
};

static void put_old_library(struct migration *migration)
{
    remove_log(migration->fixture.path);
    unlink(migration->copy);
    copy_file(migration->old->file, migration->fixture.path);
}

static int set_up_old(void **state)
{
    struct migration *migration = calloc(1, sizeof *migration);
    if (!migration || !make_folder(migration->fixture.folder))
        return -1;
    struct fixture *fixture = &migration->fixture;
    migration->old = *state;
    snprintf(fixture->path, sizeof fixture->path, "%s/library.db", fixture->folder);
    snprintf(migration->copy, sizeof migration->copy, "%s/library-%d.db", fixture->folder,
             migration->old->version);
    put_old_library(migration);
    int rows;
    migration->rows = hash_rows(fixture->path, migration->old->version, &rows);
    *state = migration;
    return rows == migration->old->rows ? 0 : -1;
}

static int tear_down_old(void **state)
{
    struct migration *migration = *state;
    library_close(migration->fixture.library);
    int status = remove_folder(migration->fixture.folder);
    free(migration);
    return status;
}

static void assert_same_rows(const struct migration *migration, const char *path)
{
    int rows;
    struct hash hash = hash_rows(path, migration->old->version, &rows);
    assert_int_equal(rows, migration->old->rows);
    assert_true(hash_equal(&hash, &migration->rows));
}

static void every_row_is_there_after_the_upgrade(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    assert_int_equal(ask_number(fixture->path, "PRAGMA user_version"), migration->old->version);
    reopen(fixture);
    assert_int_equal(ask_number(fixture->path, "PRAGMA user_version"), LIBRARY_SCHEMA);
    assert_same_rows(migration, fixture->path);
    assert_no_problems(fixture);
    assert_sound(fixture->path);
}

struct seen {
    int count;
    bool answered[4];
    int64_t parents; /* added up */
};

static bool see_question(void *context, const struct library_question *question)
{
    struct seen *seen = context;
    seen->answered[seen->count++ % 4] = question->answer != NULL;
    seen->parents += question->parent;
    return true;
}

static bool see_note(void *context, const struct library_note *note)
{
    (void)note;
    ++*(int *)context;
    return true;
}

/* What version 3 brought: nothing of it is there yet, and all of it can be. */
static void assert_takes_version_3(struct fixture *fixture, int64_t document)
{
    struct library *library = fixture->library;
    struct error *error = &fixture->error;
    struct library_question question;
    int64_t section, byte, last;
    bool found;
    int notes = 0;
    MUST(library_last_question(library, document, &question, &found, error));
    assert_true(found);
    last = question.id;
    library_question_free(&question);
    question = (struct library_question){.document = document,
                                         .model = 1,
                                         .parent = last,
                                         .scope = (char *)(uintptr_t) "",
                                         .question = (char *)(uintptr_t) "And then?",
                                         .detail = (char *)(uintptr_t) "{}"};
    MUST(library_add_question(library, &question, &question.id, error));
    MUST(library_last_question(library, document, &question, &found, error));
    assert_true(found);
    assert_int_equal(question.parent, last);
    library_question_free(&question);

    MUST(library_each_note(library, document, see_note, &notes, error));
    MUST(library_get_place(library, document, &section, &byte, &found, error));
    assert_true(notes == 0 && !found);
    struct library_note note = {.document = document,
                                .kind = LIBRARY_NOTE_MARK,
                                .name = (char *)(uintptr_t) "a",
                                .section = 1,
                                .end = 4};
    MUST(library_put_note(library, &note, error));
    MUST(library_put_place(library, document, 1, 9, error));
    MUST(library_each_note(library, document, see_note, &notes, error));
    MUST(library_get_place(library, document, &section, &byte, &found, error));
    assert_true(notes == 1 && found && section == 1 && byte == 9);
}

static void every_getter_works_after_the_upgrade_from_1(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    reopen(fixture);
    struct library *library = fixture->library;
    struct error *error = &fixture->error;
    struct library_document document;
    MUST(library_find_document(library, "Tides", &document, error));
    assert_int_equal(document.id, 1);
    assert_int_equal(document.sections, 3);
    assert_true(document.complete);
    library_document_free(&document);

    struct library_source source;
    MUST(library_get_source(library, 1, 0, &source, error));
    assert_string_equal(source.path, "/tmp/tides/tides.md");
    assert_int_equal(source.lines, 11);
    assert_null(source.encoding);
    assert_int_equal(source.evidence, 0);
    assert_int_equal(source.confidence, 0);
    source.encoding = strdup("UTF-16LE");
    source.evidence = 4;
    source.confidence = 93;
    MUST(library_finish_source(library, 1, &source, error));
    library_source_free(&source);
    MUST(library_get_source(library, 1, 0, &source, error));
    assert_string_equal(source.encoding, "UTF-16LE");
    assert_int_equal(source.evidence, 4);
    assert_int_equal(source.confidence, 93);
    library_source_free(&source);

    struct library_section section;
    MUST(library_get_section(library, 1, 1, LIBRARY_TEXT | LIBRARY_MAP, &section, error));
    assert_string_equal(section.title, "Spring tides");
    assert_non_null(strstr(section.text, "climbs the stone steps"));
    assert_int_equal(section.map_size, 13);
    library_section_free(&section);
    assert_int_equal(search_for(fixture, library, 1, "tide"), 3);

    struct library_reading reading;
    bool found;
    MUST(library_last_reading(library, 1, &reading, &found, error));
    assert_true(found);
    assert_int_equal(reading.tokens, 265);
    assert_string_equal(reading.numerics, "cpu/reference.1/1");
    struct library_section_reading part;
    MUST(library_get_section_reading(library, reading.id, 2, &part, &found, error));
    assert_true(found);
    assert_int_equal(part.surprise_size, 114);
    library_section_reading_free(&part);
    library_reading_free(&reading);

    struct seen seen = {0};
    MUST(library_each_question(library, 1, see_question, &seen, error));
    assert_int_equal(seen.count, 2);
    assert_true(seen.answered[0]);
    assert_false(seen.answered[1]);
    assert_int_equal(seen.parents, 0);
    struct hash made_from;
    struct buffer text = {0};
    assert_true(hash_from_hex(&made_from, "3756f4fed04a83ae961cbdf51ee1eb2e"));
    MUST(library_get_summary(library, 1, 1, LIBRARY_SUMMARY_DOCUMENT, -1, &made_from, &text, &found,
                             error));
    assert_true(found);
    assert_non_null(strstr(text.data, "twice a day along most coasts"));
    buffer_free(&text);
    assert_takes_version_3(fixture, 1);
    add_whole_document(fixture, "new", "lighthouse");
    assert_no_problems(fixture);
}

static void every_getter_works_after_the_upgrade_from_2(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    reopen(fixture);
    struct library *library = fixture->library;
    struct error *error = &fixture->error;
    struct library_source source;
    MUST(library_get_source(library, 2, 0, &source, error));
    assert_string_equal(source.encoding, "windows-1252");
    assert_int_equal(source.evidence, 4);
    assert_int_equal(source.confidence, 78);
    library_source_free(&source);

    struct library_section section;
    MUST(library_get_section(library, 2, 1, LIBRARY_TEXT | LIBRARY_MAP, &section, error));
    assert_string_equal(section.title, "La nuit");
    assert_non_null(strstr(section.text, "Le phare \xC3\xA9"
                                         "claire la c\xC3\xB4te."));
    assert_int_equal(section.map_size, 24);
    library_section_free(&section);
    assert_int_equal(search_for(fixture, library, 2, "phare"), 1);

    struct library_reading reading;
    bool found;
    MUST(library_last_reading(library, 2, &reading, &found, error));
    assert_true(found && reading.tokens == 170 && reading.sections == 2);
    library_reading_free(&reading);

    struct library_question question;
    struct seen seen = {0};
    MUST(library_each_question(library, 2, see_question, &seen, error));
    assert_true(seen.count == 2 && seen.answered[0] && seen.answered[1] && seen.parents == 0);
    MUST(library_get_question(library, 3, &question, error));
    assert_string_equal(question.scope, "section 2");
    assert_string_equal(question.question, "What does the lighthouse do?");
    library_question_free(&question);
    struct hash made_from;
    struct buffer text = {0};
    assert_true(hash_from_hex(&made_from, "50b6f8c99b04a0ffbc96e05f5744b881"));
    MUST(library_get_summary(library, 1, 1, LIBRARY_SUMMARY_SO_FAR, 1, &made_from, &text, &found,
                             error));
    assert_true(found && text.size == 184);
    buffer_free(&text);
    assert_takes_version_3(fixture, 2);
    MUST(library_remove_question(library, 4, error));
    assert_no_problems(fixture);
}

static void second_opening_upgrades_nothing(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    reopen(fixture);
    close_library(fixture);
    size_t before_size, after_size;
    unsigned char *before = read_file(fixture->path, &before_size);
    assert_int_equal(unlink(migration->copy), 0);
    reopen(fixture);
    close_library(fixture);
    unsigned char *after = read_file(fixture->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    assert_int_equal(count_files(fixture->folder), 1);
    free(before);
    free(after);
}

/* The upgraded layout is that of a new library, to the letter. */
static void upgraded_layout_is_that_of_a_new_library(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    reopen(fixture);
    assert_layout(fixture->path, "7524563dd66df44efce57d5a98db56b5");
}

static void copy_of_the_old_file_is_kept(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    reopen(fixture);
    assert_mode(fixture->folder, strrchr(migration->copy, '/') + 1, 0600);
    size_t size;
    unsigned char *bytes = read_file(migration->copy, &size);
    assert_int_equal(bytes[18], 1); /* no log belongs to it */
    assert_int_equal(bytes[19], 1);
    free(bytes);
    close_library(fixture);
    assert_int_equal(count_files(fixture->folder), 2);
    assert_int_equal(ask_number(migration->copy, "PRAGMA user_version"), migration->old->version);
    assert_same_rows(migration, migration->copy);
    assert_sound(migration->copy);
    assert_layout(migration->copy, migration->old->layout);
}

/* A library that went from 1 to 2 before has that copy already. */
static void copies_of_two_versions_lie_side_by_side(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    char first[FIXTURE_PATH_SIZE];
    snprintf(first, sizeof first, "%s/library-1.db", fixture->folder);
    copy_file(olds[0].file, first);
    reopen(fixture);
    close_library(fixture);
    assert_int_equal(count_files(fixture->folder), 3);
    assert_layout(first, olds[0].layout);
    assert_layout(migration->copy, olds[1].layout);
    assert_same_rows(migration, migration->copy);
    reopen(fixture);
    MUST(library_remove_document(fixture->library, 1, &fixture->error));
    MUST(library_shred(fixture->library, &fixture->error));
    close_library(fixture);
    assert_int_equal(count_files(fixture->folder), 1);
}

static void copy_never_replaces_a_file(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    write_file(migration->copy, "mine", 4);
    reopen(fixture);
    size_t size;
    unsigned char *bytes = read_file(migration->copy, &size);
    assert_int_equal(size, 4);
    free(bytes);
    assert_same_rows(migration, fixture->path);
    close_library(fixture);
    put_old_library(migration);
    char part[FIXTURE_PATH_SIZE + 8];
    snprintf(part, sizeof part, "%s.part", migration->copy);
    write_file(part, "of a run that was cut off", 25);
    reopen(fixture);
    assert_same_rows(migration, migration->copy);
    assert_int_not_equal(access(part, F_OK), 0);
}

static void log_of_the_old_library_is_taken_along(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    sqlite3 *handle;
    assert_int_equal(sqlite3_open(fixture->path, &handle), SQLITE_OK);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_exec(handle,
                                  "PRAGMA journal_mode = WAL;"
                                  "UPDATE document SET name = 'ebb' WHERE id = 1",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(handle);
    reopen(fixture);
    static const char sql[] = "SELECT count(*) FROM document WHERE name = 'ebb'";
    assert_int_equal(ask_number(fixture->path, sql), 1);
    assert_int_equal(ask_number(migration->copy, sql), 1);
}

/* --- upgrades that fail ---------------------------------------------------- */

/* The old version or the newest, whole, and good to go on with. */
static void assert_whole(struct migration *migration)
{
    struct fixture *fixture = &migration->fixture;
    int64_t version = ask_number(fixture->path, "PRAGMA user_version");
    assert_true(version == migration->old->version || version == LIBRARY_SCHEMA);
    assert_same_rows(migration, fixture->path);
    assert_sound(fixture->path);
    if (version != LIBRARY_SCHEMA)
        assert_layout(fixture->path, migration->old->layout);
    if (access(migration->copy, F_OK) == 0)
        assert_same_rows(migration, migration->copy);
    reopen(fixture);
    assert_int_equal(ask_number(fixture->path, "PRAGMA user_version"), LIBRARY_SCHEMA);
    assert_same_rows(migration, fixture->path);
    assert_same_rows(migration, migration->copy);
    close_library(fixture);
}

/* Every connection is interrupted at the operation of this number, counted over all. */
static int operations_left = -1;

static int count_down(void *context)
{
    (void)context;
    return operations_left > 0 && --operations_left == 0;
}

static int watch_connection(sqlite3 *handle, char **message, const void *api)
{
    (void)message;
    (void)api;
    sqlite3_progress_handler(handle, 1, count_down, NULL);
    return SQLITE_OK;
}

static void interrupted_upgrade_leaves_a_whole_library(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    sqlite3_auto_extension((void (*)(void))watch_connection);
    int stops = 0, at_old_version = 0;
    bool done = false;
    for (int operation = 1; !done; operation += 1 + operation / 12) {
        put_old_library(migration);
        operations_left = operation;
        done = library_open(&fixture->library, fixture->folder, &fixture->error);
        if (!done && fixture->error.kind != ERROR_INTERRUPTED && fixture->error.kind != ERROR_STORE)
            fail_msg("operation %d: %s", operation, fixture->error.text);
        done = done && operations_left > 0;
        operations_left = -1;
        close_library(fixture);
        at_old_version +=
            ask_number(fixture->path, "PRAGMA user_version") == migration->old->version;
        assert_whole(migration);
        stops++;
    }
    sqlite3_cancel_auto_extension((void (*)(void))watch_connection);
    assert_true(stops > 50);
    assert_true(at_old_version > 40);
}

/* In a child: opens the library, with a limit on the size of files unless 0, and says
 * whether that succeeded. */
static void open_and_leave(const char *folder, rlim_t limit)
{
    struct library *library;
    struct error error = {0};
    if (limit) {
        struct rlimit sizes = {limit, limit};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &sizes);
    }
    if (library_open(&library, folder, &error)) {
        library_close(library);
        _exit(0);
    }
    _exit(error.kind == ERROR_STORE ? 1 : 2);
}

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void upgrade_without_room_leaves_a_whole_library(void **state)
{
    struct migration *migration = *state;
    int failures = 0, successes = 0;
    for (rlim_t limit = 1000; limit < 180000; limit += 7001) {
        put_old_library(migration);
        pid_t child = fork();
        if (child == 0)
            open_and_leave(migration->fixture.folder, limit);
        int status = wait_for(child);
        if (status != 0 && status != 1)
            fail_msg("with files of %lu bytes at most: status %d", (unsigned long)limit, status);
        failures += status == 1;
        successes += status == 0;
        if (status == 1 && access(migration->copy, F_OK) != 0) {
            char part[FIXTURE_PATH_SIZE + 8];
            snprintf(part, sizeof part, "%s.part", migration->copy);
            assert_int_not_equal(access(part, F_OK), 0);
        }
        assert_whole(migration);
    }
    assert_true(failures >= 10);
    assert_true(successes >= 1);
}

static void open_until_killed(const char *folder, int pipe_end, int64_t number)
{
    (void)pipe_end;
    (void)number;
    open_and_leave(folder, 0);
}

static void killed_upgrade_leaves_a_whole_library(void **state)
{
    struct migration *migration = *state;
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 15; round++) {
        int ends[2], status;
        put_old_library(migration);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0)
            open_until_killed(migration->fixture.folder, ends[1], 0);
        usleep((useconds_t)(next_random(&random) % 40000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        close(ends[0]);
        close(ends[1]);
        assert_whole(migration);
    }
}

static void processes_may_upgrade_at_the_same_time(void **state)
{
    struct migration *migration = *state;
    for (int round = 0; round < 10; round++) {
        enum { CHILDREN = 3 };
        pid_t children[CHILDREN];
        int gate[2];
        char byte;
        put_old_library(migration);
        assert_int_equal(pipe(gate), 0);
        for (int i = 0; i < CHILDREN; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                close(gate[1]);
                if (read(gate[0], &byte, 1) != 0)
                    _exit(3);
                open_and_leave(migration->fixture.folder, 0);
            }
        }
        close(gate[0]);
        close(gate[1]); /* opens the gate */
        for (int i = 0; i < CHILDREN; i++)
            assert_int_equal(wait_for(children[i]), 0);
        assert_int_equal(ask_number(migration->fixture.path, "PRAGMA user_version"),
                         LIBRARY_SCHEMA);
        assert_whole(migration);
    }
}

static void older_library_that_was_changed_is_refused(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    tamper(fixture->path, "DROP INDEX source_by_path");
    MUST_FAIL(library_open(&fixture->library, fixture->folder, &fixture->error), ERROR_STORE,
              "is damaged");
    assert_int_equal(ask_number(fixture->path, "PRAGMA user_version"), migration->old->version);
    assert_int_not_equal(access(migration->copy, F_OK), 0);
    put_old_library(migration);
    char sql[40];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", migration->old->version + 1);
    tamper(fixture->path, sql);
    MUST_FAIL(library_open(&fixture->library, fixture->folder, &fixture->error), ERROR_STORE,
              "is damaged");
}

/* --- states ---------------------------------------------------------------- */

static bool count_state(void *context, const struct states_info *info)
{
    ++*(int *)context;
    return info->stored_bytes > 0;
}

static void states_of_version_1_are_there(void **state)
{
    struct migration *migration = *state;
    struct fixture *fixture = &migration->fixture;
    char path[FIXTURE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/states.db", fixture->folder);
    copy_file(OLD "states-1.db", path);
    int64_t rows = ask_number(path, "SELECT count(*) FROM state");
    int64_t sum = ask_number(path, "SELECT sum(stored_bytes) FROM state");
    assert_true(rows > 0);
    struct states *states;
    for (int round = 0; round < 2; round++) {
        int seen = 0;
        int64_t bytes;
        MUST(states_open(&states, fixture->folder, &fixture->error));
        MUST(states_each(states, 1, NULL, count_state, &seen, &fixture->error));
        MUST(states_total_bytes(states, 0, &bytes, &fixture->error));
        assert_int_equal(seen, rows);
        assert_int_equal(bytes, sum);
        states_close(states);
    }
    assert_int_equal(ask_number(path, "PRAGMA user_version"), STATES_SCHEMA);
    snprintf(path, sizeof path, "%s/states-1.db", fixture->folder);
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
#define FROM(version, name)                                                                        \
    cmocka_unit_test_prestate_setup_teardown(name, set_up_old, tear_down_old,                      \
                                             (void *)(uintptr_t)&olds[(version)-1])
#define FROM_BOTH(name) FROM(1, name), FROM(2, name)
    const struct CMUnitTest tests[] = {
        FROM_BOTH(every_row_is_there_after_the_upgrade),
        FROM(1, every_getter_works_after_the_upgrade_from_1),
        FROM(2, every_getter_works_after_the_upgrade_from_2),
        FROM_BOTH(second_opening_upgrades_nothing),
        FROM_BOTH(upgraded_layout_is_that_of_a_new_library),
        FROM_BOTH(copy_of_the_old_file_is_kept),
        FROM(2, copies_of_two_versions_lie_side_by_side),
        FROM_BOTH(copy_never_replaces_a_file),
        FROM_BOTH(log_of_the_old_library_is_taken_along),
        FROM_BOTH(interrupted_upgrade_leaves_a_whole_library),
        FROM_BOTH(upgrade_without_room_leaves_a_whole_library),
        FROM_BOTH(killed_upgrade_leaves_a_whole_library),
        FROM_BOTH(processes_may_upgrade_at_the_same_time),
        FROM_BOTH(older_library_that_was_changed_is_refused),
        FROM(1, states_of_version_1_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
