/* Tests of library_backup and library_restore. */
#include <sys/resource.h>

#include "base/clock.h"
#include "store/states.h"
#include "tests/unit/library_fixture.h"

/* A library with a backup of it in a folder of its own. */
struct backup {
    struct fixture fixture;
    char folder[FIXTURE_FOLDER_SIZE];
    char path[FIXTURE_PATH_SIZE];
    struct library_loss loss;
    bool refused;
};

static int set_up_backup(void **state)
{
    struct backup *backup = calloc(1, sizeof *backup);
    if (!backup || !make_folder(backup->fixture.folder) || !make_folder(backup->folder))
        return -1;
    struct fixture *fixture = &backup->fixture;
    snprintf(fixture->path, sizeof fixture->path, "%s/library.db", fixture->folder);
    snprintf(backup->path, sizeof backup->path, "%s/backup.db", backup->folder);
    *state = backup;
    return library_open(&fixture->library, fixture->folder, &fixture->error) ? 0 : -1;
}

static int tear_down_backup(void **state)
{
    struct backup *backup = *state;
    library_close(backup->fixture.library);
    int status = remove_folder(backup->fixture.folder) | remove_folder(backup->folder);
    free(backup);
    return status;
}

static void back_up(struct backup *backup)
{
    struct fixture *fixture = &backup->fixture;
    unlink(backup->path);
    MUST(library_backup(fixture->library, backup->path, &fixture->error));
}

static bool restore(struct backup *backup, bool force)
{
    struct fixture *fixture = &backup->fixture;
    fixture->error = (struct error){0};
    return library_restore(fixture->library, backup->path, force, &backup->loss, &backup->refused,
                           &fixture->error);
}

/* Fails, changes nothing, and leaves nothing behind. */
static void must_refuse(struct backup *backup, enum error_kind kind, const char *words)
{
    struct fixture *fixture = &backup->fixture;
    int before = count_files(fixture->folder), beside = count_files(backup->folder);
    int documents = count_documents(fixture, fixture->library);
    MUST_FAIL(restore(backup, true), kind, words);
    assert_false(backup->refused);
    assert_null(strchr(fixture->error.text, '\n'));
    assert_int_equal(count_files(fixture->folder), before);
    assert_int_equal(count_files(backup->folder), beside);
    assert_int_equal(count_documents(fixture, fixture->library), documents);
    assert_no_problems(fixture);
}

/* --- backing up ------------------------------------------------------------ */

static void backup_is_one_whole_private_file(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    add_whole_document(fixture, "one", "lighthouse");
    mode_t mask = umask(0);
    back_up(backup);
    umask(mask);
    assert_int_equal(count_files(backup->folder), 1);
    assert_mode(backup->folder, "backup.db", 0600);
    size_t size;
    unsigned char *bytes = read_file(backup->path, &size);
    assert_int_equal(bytes[18], 1); /* no log belongs to it */
    assert_int_equal(bytes[19], 1);
    free(bytes);
    assert_sound(backup->path);
    char alone[FIXTURE_PATH_SIZE];
    snprintf(alone, sizeof alone, "%s/library.db", backup->folder);
    assert_int_equal(rename(backup->path, alone), 0);
    struct library *library;
    MUST(library_open(&library, backup->folder, &fixture->error));
    assert_int_equal(count_documents(fixture, library), 1);
    assert_int_equal(search_for(fixture, library, 1, "lighthouse"), 3);
    library_close(library);
}

static void backup_never_replaces_a_file(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    char part[FIXTURE_PATH_SIZE + 8], inner[FIXTURE_PATH_SIZE + 32];
    size_t size;
    write_file(backup->path, "mine", 4);
    MUST_FAIL(library_backup(fixture->library, backup->path, &fixture->error), ERROR_STORE,
              "exists already");
    unsigned char *bytes = read_file(backup->path, &size);
    assert_int_equal(size, 4);
    free(bytes);
    assert_int_equal(count_files(backup->folder), 1);
    unlink(backup->path);

    assert_int_equal(symlink("nowhere", backup->path), 0);
    MUST_FAIL(library_backup(fixture->library, backup->path, &fixture->error), ERROR_STORE,
              "exists already");
    unlink(backup->path);

    snprintf(part, sizeof part, "%s.part", backup->path);
    write_file(part, "mine", 4);
    MUST_FAIL(library_backup(fixture->library, backup->path, &fixture->error), ERROR_STORE,
              "if nobody writes it, remove it");
    bytes = read_file(part, &size);
    assert_int_equal(size, 4);
    free(bytes);
    assert_int_equal(count_files(backup->folder), 1);
    unlink(part);

    snprintf(inner, sizeof inner, "%s/missing/backup.db", backup->folder);
    MUST_FAIL(library_backup(fixture->library, inner, &fixture->error), ERROR_STORE,
              "choose another place");
    MUST_FAIL(library_backup(fixture->library, backup->folder, &fixture->error), ERROR_STORE,
              "exists already");
    MUST_FAIL(library_backup(fixture->library, fixture->path, &fixture->error), ERROR_STORE,
              "exists already");
    assert_int_equal(count_files(backup->folder), 0);
}

/* Names are names, whatever they look like. */
static void backup_takes_any_name(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    add_whole_document(fixture, "one", "lighthouse");
    static const char *const names[] = {"file:a.db?mode=memory", "a b%41#?.db", "-x"};
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(backup->folder), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        MUST(library_backup(fixture->library, names[i], &fixture->error));
        assert_int_equal(count_files(backup->folder), i + 1);
        assert_int_equal(access(names[i], F_OK), 0);
        struct library_loss loss;
        bool refused;
        MUST(library_restore(fixture->library, names[i], false, &loss, &refused, &fixture->error));
        assert_false(refused);
        assert_int_equal(count_files(backup->folder), i + 1);
    }
    assert_int_equal(chdir(here), 0);
    assert_no_problems(fixture);
}

static void write_until_killed(const char *folder, int pipe_end, int64_t number)
{
    struct fixture other = {0};
    char name[64];
    if (!library_open(&other.library, folder, &other.error))
        _exit(1);
    for (;; number++) {
        snprintf(name, sizeof name, "document %lld of %d", (long long)number, (int)getpid());
        add_whole_document(&other, name, "harbour");
        if (write(pipe_end, &number, sizeof number) != sizeof number)
            _exit(1);
    }
}

static void backup_is_of_one_moment(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    int ends[2], status;
    char alone[FIXTURE_PATH_SIZE];
    int64_t number;
    snprintf(alone, sizeof alone, "%s/library.db", backup->folder);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        write_until_killed(fixture->folder, ends[1], 0);
    for (int round = 0; round < 8; round++) {
        assert_int_equal(read(ends[0], &number, sizeof number), sizeof number);
        back_up(backup);
        assert_int_equal(rename(backup->path, alone), 0);
        struct fixture copy = {0};
        MUST(library_open(&copy.library, backup->folder, &fixture->error));
        /* What the child does is not one transaction, so a moment may be in the middle of
         * a document; a section and its entry in the index always are one. */
        int64_t problems;
        struct found_problems found = {0};
        MUST(library_verify(copy.library, NULL, note_problem, &found, &problems, &fixture->error));
        if (strstr(found.text, "full-text") || strstr(found.text, "library.db:") ||
            strstr(found.text, "characters"))
            fail_msg("%s", found.text);
        assert_true(count_documents(fixture, copy.library) >= number + 1);
        library_close(copy.library);
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(ends[0]);
    close(ends[1]);
}

/* In a child: no file may grow beyond the limit. */
static void limit_files(rlim_t limit)
{
    struct rlimit sizes = {limit, limit};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &sizes);
}

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void backup_without_room_leaves_nothing(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    add_whole_document(fixture, "one", "lighthouse");
    close_library(fixture);
    for (rlim_t limit = 1; limit < 60000; limit += 8190) {
        pid_t child = fork();
        if (child == 0) {
            struct library *library;
            struct error error = {0};
            if (!library_open(&library, fixture->folder, &error))
                _exit(3);
            limit_files(limit);
            bool ok = library_backup(library, backup->path, &error);
            _exit(ok ? 0 : error.kind == ERROR_STORE ? 1 : 2);
        }
        assert_int_equal(wait_for(child), 1);
        assert_int_equal(count_files(backup->folder), 0);
    }
    reopen(fixture);
    assert_no_problems(fixture);
}

/* --- restoring ------------------------------------------------------------- */

static void restored_library_is_the_one_backed_up(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    int64_t two = add_whole_document(fixture, "two", "harbour");
    back_up(backup);
    struct library *second;
    MUST(library_open(&second, fixture->folder, &fixture->error));
    MUST(library_remove_document(fixture->library, two, &fixture->error));
    assert_int_equal(count_documents(fixture, second), 1);
    assert_int_equal(search_for(fixture, second, two, "harbour"), 0);
    assert_int_equal(search_for(fixture, fixture->library, one, "lighthouse"), 3);

    size_t before_size, after_size;
    unsigned char *before = read_file(backup->path, &before_size);
    MUST(restore(backup, false));
    assert_false(backup->refused);
    assert_int_equal(backup->loss.documents, 0);
    unsigned char *after = read_file(backup->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
    assert_int_equal(count_files(backup->folder), 1);
    assert_int_equal(count_files(fixture->folder), 3); /* with the log */

    struct library *third;
    MUST(library_open(&third, fixture->folder, &fixture->error));
    struct library *const libraries[] = {fixture->library, second, third};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(count_documents(fixture, libraries[i]), 2);
        assert_int_equal(search_for(fixture, libraries[i], one, "lighthouse"), 3);
        assert_int_equal(search_for(fixture, libraries[i], two, "harbour"), 3);
    }
    library_close(third);
    assert_no_problems(fixture);
    struct library *kept = fixture->library;
    fixture->library = second;
    assert_no_problems(fixture);
    add_whole_document(fixture, "by the second", "lantern");
    fixture->library = kept;
    library_close(second);
    add_whole_document(fixture, "by the first", "anchor");
    assert_no_problems(fixture);
    reopen(fixture);
    assert_int_equal(count_documents(fixture, fixture->library), 4);
    assert_no_problems(fixture);
}

static void loss_is_counted_and_refused(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    int64_t model = touch_model(fixture, "model"), other = touch_model(fixture, "other model");
    back_up(backup);
    MUST(restore(backup, false));
    assert_false(backup->refused);

    read_sections(fixture, one, model, 3); /* one more */
    read_sections(fixture, one, other, 2);
    add_question(fixture, one, model, "What is it?", "The same again."); /* asked twice */
    add_question(fixture, one, model, "And what is that?", NULL);
    add_summary(fixture, one, model, 0, "Another.");
    add_summary(fixture, one, other, -1, "All of it.");
    add_summary(fixture, one, other, 1, "A part.");
    MUST(restore(backup, false));
    assert_true(backup->refused);
    assert_int_equal(backup->loss.documents, 0);
    assert_int_equal(backup->loss.questions, 2);
    assert_int_equal(backup->loss.summaries, 3);
    assert_int_equal(backup->loss.notes, 0);
    assert_int_equal(backup->loss.sections_read, 3);
    assert_true(backup->loss.backup_at > 1700000000);
    assert_true(backup->loss.library_at >= backup->loss.backup_at);
    assert_int_equal(search_for(fixture, fixture->library, one, "lighthouse"), 3);

    int64_t two = add_whole_document(fixture, "two", "harbour");
    MUST(restore(backup, false));
    assert_true(backup->refused);
    assert_int_equal(backup->loss.documents, 1);
    assert_int_equal(backup->loss.questions, 3);
    assert_int_equal(backup->loss.summaries, 4);
    assert_int_equal(backup->loss.sections_read, 5);
    assert_int_equal(search_for(fixture, fixture->library, two, "harbour"), 3);
    assert_int_equal(count_files(backup->folder), 1);
    assert_int_equal(count_files(fixture->folder), 3);

    MUST(restore(backup, true));
    assert_false(backup->refused);
    assert_int_equal(backup->loss.documents, 1);
    assert_int_equal(count_documents(fixture, fixture->library), 1);
    assert_no_problems(fixture);
    assert_int_equal(add_whole_document(fixture, "three", "anchor"), two + 1);
}

static int64_t put_note(struct fixture *fixture, int64_t document, int64_t id, const char *name,
                        int64_t begin, const char *text)
{
    struct library_note note = {.id = id,
                                .document = document,
                                .kind = *name ? LIBRARY_NOTE_MARK : LIBRARY_NOTE_NOTE,
                                .name = (char *)(uintptr_t)name,
                                .begin = begin,
                                .end = begin + 3,
                                .passage = (char *)(uintptr_t) "the",
                                .text = (char *)(uintptr_t)text};
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    return note.id;
}

/* Where none would be, the backup is in place of the library afterwards. */
static void assert_notes_lost(struct backup *backup, int64_t notes)
{
    struct fixture *fixture = &backup->fixture;
    MUST(restore(backup, false));
    assert_int_equal(backup->loss.notes, notes);
    assert_int_equal(backup->refused, notes > 0);
    assert_int_equal(backup->loss.documents + backup->loss.questions + backup->loss.summaries +
                         backup->loss.sections_read,
                     0);
}

static void notes_that_would_be_lost_are_counted(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    int64_t two = add_whole_document(fixture, "two", "harbour");
    int64_t note = put_note(fixture, one, 0, "", 5, "a note");
    put_note(fixture, one, 0, "", 5, "a note"); /* twice */
    put_note(fixture, one, 0, "a", 9, "");
    back_up(backup);
    assert_notes_lost(backup, 0);
    MUST(library_put_place(fixture->library, one, 1, 5, &fixture->error));
    assert_notes_lost(backup, 0); /* a place alone is none */
    MUST(library_remove_note(fixture->library, note, &fixture->error));
    assert_notes_lost(backup, 0);
    MUST(library_remove_note(fixture->library, note, &fixture->error));
    put_note(fixture, one, 0, "", 5, "a note"); /* as before, but for its number */
    assert_notes_lost(backup, 0);
    int64_t third = put_note(fixture, one, 0, "", 5, "a note");
    assert_notes_lost(backup, 1);
    put_note(fixture, two, 0, "a", 9, ""); /* of another document */
    assert_notes_lost(backup, 2);
    put_note(fixture, one, 0, "a", 10, ""); /* moved */
    assert_notes_lost(backup, 3);
    put_note(fixture, one, third, "", 5, "written anew");
    assert_notes_lost(backup, 3);
    MUST(library_remove_note(fixture->library, note, &fixture->error));
    assert_notes_lost(backup, 3);
    assert_true(backup->loss.library_at >= backup->loss.backup_at);

    MUST(restore(backup, true));
    assert_int_equal(backup->loss.notes, 3);
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM note"), 3);
    reopen(fixture);
    assert_no_problems(fixture);
}

static int64_t ask_again(struct fixture *fixture, int64_t document, int64_t parent)
{
    struct library_question question = {.document = document,
                                        .model = 1,
                                        .parent = parent,
                                        .asked_at = 1700000000,
                                        .scope = (char *)(uintptr_t) "",
                                        .question = (char *)(uintptr_t) "And then?",
                                        .detail = (char *)(uintptr_t) "{}"};
    int64_t id;
    MUST(library_add_question(fixture->library, &question, &id, &fixture->error));
    return id;
}

/* States know answers by the numbers of their questions. */
static void restored_conversation_goes_on_with_new_numbers(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    back_up(backup);
    char empty[FIXTURE_PATH_SIZE + 8];
    snprintf(empty, sizeof empty, "%s.empty", backup->path);
    assert_int_equal(rename(backup->path, empty), 0);
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    assert_int_equal(ask_again(fixture, one, 1), 2);
    put_note(fixture, one, 0, "", 5, "a note");
    MUST(library_put_place(fixture->library, one, 1, 5, &fixture->error));
    back_up(backup);
    assert_int_equal(ask_again(fixture, one, 2), 3);
    MUST(restore(backup, false));
    assert_true(backup->refused);
    assert_int_equal(backup->loss.questions, 1);
    MUST(restore(backup, true));
    struct library_question question;
    MUST(library_get_question(fixture->library, 2, &question, &fixture->error));
    assert_int_equal(question.parent, 1);
    library_question_free(&question);
    int64_t section, byte;
    bool found;
    MUST(library_get_place(fixture->library, one, &section, &byte, &found, &fixture->error));
    assert_true(found && section == 1 && byte == 5);
    assert_int_equal(ask_again(fixture, one, 2), 4);
    assert_no_problems(fixture);

    assert_int_equal(rename(empty, backup->path), 0);
    MUST(restore(backup, true));
    assert_int_equal(add_whole_document(fixture, "two", "harbour"), one + 1);
    MUST(library_last_question(fixture->library, one + 1, &question, &found, &fixture->error));
    assert_true(found && question.id == 5);
    library_question_free(&question);
    assert_no_problems(fixture);
}

/* A document that each of the models has read, asked about and summarized. */
static void use_models(struct fixture *fixture, const char *const *names, size_t count)
{
    int64_t document = add_document(fixture, "d", "/d");
    for (int i = 0; i < 4; i++)
        add_section(fixture, document, i, "A title", "Some words.\n");
    MUST(library_finish_document(fixture->library, document, &fixture->error));
    for (size_t i = 0; i < count; i++) {
        int64_t model = touch_model(fixture, names[i]);
        assert_int_equal(model, i + 1);
        read_sections(fixture, document, model, names[i][0] - 'a');
        add_question(fixture, document, model, names[i], NULL);
        add_summary(fixture, document, model, -1, names[i]);
    }
}

/* A session that is open elsewhere has the numbers of models in hand. */
static void models_keep_their_numbers(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture, other = {0};
    static const char *const here[] = {"a", "b"}, *const there[] = {"b", "c", "a", "d"};
    assert_true(make_folder(other.folder));
    assert_true(library_open(&other.library, other.folder, &other.error));
    use_models(&other, there, 4);
    MUST(library_backup(other.library, backup->path, &fixture->error));
    library_close(other.library);
    assert_int_equal(remove_folder(other.folder), 0);

    use_models(fixture, here, 2);
    MUST(restore(backup, true));
    assert_no_problems(fixture);
    assert_int_equal(touch_model(fixture, "a"), 1);
    assert_int_equal(touch_model(fixture, "b"), 2);
    assert_int_equal(touch_model(fixture, "c"), 5); /* 2 is another's */
    assert_int_equal(touch_model(fixture, "d"), 4);
    int64_t fresh = touch_model(fixture, "e");
    assert_true(fresh > 5);
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path,
                                "SELECT count(*) FROM question JOIN model ON model.id = model"
                                " WHERE question = name"),
                     4);
    assert_int_equal(ask_number(fixture->path,
                                "SELECT count(*) FROM summary JOIN model ON model.id = model"
                                " WHERE text = name"),
                     4);
    assert_int_equal(ask_number(fixture->path,
                                "SELECT count(*) FROM reading JOIN model ON model.id = model"
                                " WHERE sections = unicode(name) - unicode('a')"),
                     4);
    assert_integrity(fixture->path);
    reopen(fixture);

    /* Nor does one that is not in the backup leave its number to another. */
    back_up(backup);
    int64_t gone = touch_model(fixture, "f");
    MUST(restore(backup, true));
    assert_true(touch_model(fixture, "g") > gone);
    assert_int_equal(touch_model(fixture, "e"), fresh);
}

static void changed_text_is_a_loss(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    back_up(backup);
    MUST(library_cut_document(fixture->library, one, 2, 1, &fixture->error));
    add_section(fixture, one, 2, "New", "New text.\n");
    MUST(restore(backup, false));
    assert_true(backup->refused);
    assert_int_equal(backup->loss.documents, 1);
    assert_int_equal(backup->loss.questions, 0);
    assert_int_equal(backup->loss.sections_read, 0);
}

static void empty_library_takes_any_backup(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    back_up(backup);
    add_whole_document(fixture, "one", "lighthouse");
    MUST(restore(backup, false));
    assert_true(backup->refused);
    assert_int_equal(backup->loss.backup_at, 0);
    MUST(restore(backup, true));
    assert_int_equal(count_documents(fixture, fixture->library), 0);
    assert_int_equal(add_whole_document(fixture, "two", "harbour"), 2);
    back_up(backup);
    MUST(library_remove_document(fixture->library, 2, &fixture->error));
    MUST(restore(backup, false));
    assert_false(backup->refused);
    assert_int_equal(count_documents(fixture, fixture->library), 1);
}

static void many_rows_are_compared_quickly(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    enum { ROWS = 4000 };
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    int64_t model = touch_model(fixture, "model");
    char text[64];
    MUST(library_begin(fixture->library, &fixture->error));
    for (int i = 0; i < ROWS; i++) {
        snprintf(text, sizeof text, "Question or summary %d?", i);
        add_question(fixture, one, model, text, text);
        add_summary(fixture, one, model, -1, text);
        if (i == ROWS / 2) {
            MUST(library_commit(fixture->library, &fixture->error));
            back_up(backup);
            MUST(library_begin(fixture->library, &fixture->error));
        }
    }
    MUST(library_commit(fixture->library, &fixture->error));
    double before = clock_seconds();
    MUST(restore(backup, false));
    assert_true(clock_seconds() - before < 10);
    assert_true(backup->refused);
    assert_int_equal(backup->loss.questions, ROWS / 2 - 1);
    assert_int_equal(backup->loss.summaries, ROWS / 2 - 1);
}

static void restore_old(struct backup *backup, const char *old)
{
    struct fixture *fixture = &backup->fixture;
    copy_file(old, backup->path);
    size_t before_size, after_size;
    unsigned char *before = read_file(backup->path, &before_size);
    MUST(restore(backup, false));
    assert_false(backup->refused);
    unsigned char *after = read_file(backup->path, &after_size);
    assert_int_equal(before_size, after_size);
    assert_memory_equal(before, after, before_size);
    free(before);
    free(after);
    assert_int_equal(count_files(backup->folder), 1);
    assert_no_problems(fixture);
    assert_int_equal(search_for(fixture, fixture->library, 1, "tide"), 3);
    put_note(fixture, 1, 0, "a", 5, "");
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path, "PRAGMA user_version"), LIBRARY_SCHEMA);
    assert_int_equal(count_files(fixture->folder), 1);
    reopen(fixture);
    MUST(restore(backup, false));
    assert_true(backup->refused && backup->loss.notes == 1);
    MUST(library_remove_document(fixture->library, 1, &fixture->error));
}

static void backup_of_an_earlier_layout_is_restored(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    restore_old(backup, TESTS_SOURCE_DIR "/tests/migrations/library-1.db");
    restore_old(backup, TESTS_SOURCE_DIR "/tests/migrations/library-2.db");
    MUST(restore(backup, false));
    struct library_source source;
    MUST(library_get_source(fixture->library, 2, 0, &source, &fixture->error));
    assert_string_equal(source.encoding, "windows-1252");
    library_source_free(&source);
}

static void pages_of_another_size_are_fitted(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    static const int sizes[] = {512, 1024, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char sql[64];
        back_up(backup);
        snprintf(sql, sizeof sql, "PRAGMA page_size = %d; VACUUM", sizes[i]);
        tamper(backup->path, sql);
        assert_int_equal(ask_number(backup->path, "PRAGMA page_size"), sizes[i]);
        MUST(library_remove_document(fixture->library, one, &fixture->error));
        MUST(restore(backup, false));
        assert_int_equal(search_for(fixture, fixture->library, one, "lighthouse"), 3);
        assert_int_equal(ask_number(fixture->path, "PRAGMA page_size"), 4096);
        assert_no_problems(fixture);
    }
}

/* A copy of the folder of a library that was in use. */
static void log_beside_the_backup_belongs_to_it(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    char from[FIXTURE_PATH_SIZE + 8], to[FIXTURE_PATH_SIZE + 8];
    reopen(fixture);
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    snprintf(from, sizeof from, "%s-wal", fixture->path);
    snprintf(to, sizeof to, "%s-wal", backup->path);
    copy_file(fixture->path, backup->path);
    copy_file(from, to);
    MUST(library_remove_document(fixture->library, one, &fixture->error));
    MUST(restore(backup, false));
    assert_int_equal(search_for(fixture, fixture->library, one, "lighthouse"), 3);
    assert_int_equal(count_files(backup->folder), 2);
    assert_no_problems(fixture);
}

/* --- what is refused ------------------------------------------------------- */

static void foreign_and_damaged_files_are_refused(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"PRAGMA application_id = 5", "another program"},
        {"PRAGMA user_version = 99", "newer tidemark (layout 99"},
        {"PRAGMA user_version = 0", "no layout version"},
        {"PRAGMA user_version = 1", "its tables are not"},
        {"PRAGMA user_version = 2", "its tables are not"},
        {"DROP INDEX question_by_parent", "its tables are not"},
        {"DROP TABLE note", "its tables are not"},
        {"UPDATE question SET parent = id", "cannot follow up"},
        {"DROP TABLE question", "its tables are not"},
        {"DROP TABLE search", "its tables are not"},
        {"CREATE TRIGGER t AFTER INSERT ON document BEGIN DELETE FROM document; END", "damaged"},
        {"CREATE VIEW v AS SELECT 1", "its tables are not"},
        {"CREATE TABLE extra (a)", "its tables are not"},
        {"UPDATE section SET text = 'other' WHERE id = 1", "checksum of its text differs"},
        {"UPDATE document SET sections = 7", "claims 7 sections"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM model", "refers to a model"},
        {"DELETE FROM search_data", "is damaged"},
    };
    add_whole_document(fixture, "one", "lighthouse");
    back_up(backup);
    size_t size;
    unsigned char *good = read_file(backup->path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(backup->path, good, size);
        tamper(backup->path, cases[i].sql);
        must_refuse(backup, ERROR_STORE, cases[i].words);
        assert_non_null(strstr(fixture->error.text, backup->path));
        assert_null(strstr(fixture->error.text, ".restore"));
    }
    write_file(backup->path, good, size / 2);
    must_refuse(backup, ERROR_STORE, "it cannot be restored; choose another backup");
    write_file(backup->path, good, 99);
    must_refuse(backup, ERROR_STORE, "is not a database");
    write_file(backup->path, good, 150);
    must_refuse(backup, ERROR_STORE, backup->path);
    write_file(backup->path, "", 0);
    must_refuse(backup, ERROR_STORE, "it holds no tables");
    write_file(backup->path, "not a database at all, but some text", 36);
    must_refuse(backup, ERROR_STORE, "is not a database");
    unlink(backup->path);
    tamper(backup->path, "PRAGMA user_version = 2");
    must_refuse(backup, ERROR_STORE, "");
    free(good);
}

static void odd_files_are_refused(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    add_whole_document(fixture, "one", "lighthouse");
    must_refuse(backup, ERROR_INPUT, "cannot open");
    assert_int_equal(mkfifo(backup->path, 0600), 0);
    must_refuse(backup, ERROR_STORE, "not a regular file");
    unlink(backup->path);
    assert_int_equal(mkdir(backup->path, 0700), 0);
    must_refuse(backup, ERROR_STORE, "not a regular file");
    rmdir(backup->path);
    assert_int_equal(symlink("/dev/zero", backup->path), 0);
    must_refuse(backup, ERROR_STORE, "not a regular file");
    unlink(backup->path);
    assert_int_equal(symlink(fixture->path, backup->path), 0);
    must_refuse(backup, ERROR_STORE, "is the library itself");
    unlink(backup->path);
    assert_int_equal(link(fixture->path, backup->path), 0);
    must_refuse(backup, ERROR_STORE, "is the library itself");
    unlink(backup->path);
    char journal[FIXTURE_PATH_SIZE + 16];
    snprintf(journal, sizeof journal, "%s-journal", backup->path);
    back_up(backup);
    write_file(journal, "anything", 8);
    must_refuse(backup, ERROR_STORE, "was being written when it was copied");
    unlink(journal);

    struct states *states;
    MUST(states_open(&states, fixture->folder, &fixture->error));
    snprintf(backup->path, sizeof backup->path, "%s/states.db", fixture->folder);
    must_refuse(backup, ERROR_STORE, "another program");
    states_close(states);
}

static void only_one_restores_at_a_time(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    char part[FIXTURE_PATH_SIZE + 16];
    add_whole_document(fixture, "one", "lighthouse");
    back_up(backup);
    snprintf(part, sizeof part, "%s.restore", fixture->path);
    write_file(part, "of a run that was cut off", 25);
    MUST(restore(backup, false));
    assert_int_not_equal(access(part, F_OK), 0);
    char log[FIXTURE_PATH_SIZE + 32];
    snprintf(log, sizeof log, "%s-wal", part);
    write_file(log, "and its log", 11);
    MUST(restore(backup, false));
    assert_int_not_equal(access(log, F_OK), 0);
    assert_no_problems(fixture);

    struct library *second;
    MUST(library_open(&second, fixture->folder, &fixture->error));
    MUST(library_begin(second, &fixture->error));
    int files = count_files(fixture->folder);
    MUST_FAIL(restore(backup, true), ERROR_STORE, "is busy");
    assert_int_equal(count_files(fixture->folder), files);
    library_rollback(second);
    library_close(second);
    MUST(restore(backup, true));
    assert_no_problems(fixture);
}

/* Bytes changed anywhere, log and all: restored whole or not at all. */
static void hostile_backups_do_no_harm(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        add_whole_document(fixture, name, "lighthouse");
    }
    char good_copy[FIXTURE_PATH_SIZE], log[FIXTURE_PATH_SIZE + 8];
    back_up(backup);
    snprintf(good_copy, sizeof good_copy, "%s/good.db", backup->folder);
    copy_file(backup->path, good_copy);
    snprintf(log, sizeof log, "%s-wal", backup->path);
    size_t size;
    unsigned char *good = read_file(backup->path, &size), *bad = malloc(size);
    assert_non_null(bad);
    uint64_t seed = 4711, random = seed;
    int refused = 0;
    for (int round = 0; round < 150; round++) {
        memcpy(bad, good, size);
        size_t span = round % 3 == 0 ? 100 : round % 3 == 1 ? 4096 : size;
        for (int i = 0; i < 1 + round % 40; i++)
            bad[16 + next_random(&random) % (span - 16)] =
                (unsigned char)(next_random(&random) >> 9);
        write_file(backup->path, bad, round % 5 ? size : next_random(&random) % size);
        if (round % 7 == 0)
            write_file(log, bad + size / 2, size / 3);
        bool ok = restore(backup, true);
        if (!ok && fixture->error.kind != ERROR_STORE)
            fail_msg("seed %llu, round %d: kind %d, %s", (unsigned long long)seed, round,
                     fixture->error.kind, fixture->error.text);
        refused += !ok;
        struct found_problems found;
        if (find_problems(fixture, &found))
            fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round, found.text);
        if (!ok)
            assert_int_equal(count_documents(fixture, fixture->library), 6);
        unlink(log);
        copy_file(good_copy, backup->path);
        if (ok)
            MUST(restore(backup, true));
    }
    assert_true(refused > 100);
    reopen(fixture);
    assert_no_problems(fixture);
    free(good);
    free(bad);
}

/* --- failures on the way --------------------------------------------------- */

/* The library holds "now", the backup "then", which is larger. */
static void fill_both(struct backup *backup)
{
    struct fixture *fixture = &backup->fixture;
    char name[32];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "then %d", i);
        add_whole_document(fixture, name, "lighthouse");
    }
    back_up(backup);
    for (int i = 1; i <= 8; i++)
        MUST(library_remove_document(fixture->library, i, &fixture->error));
    add_whole_document(fixture, "now", "harbour");
}

/* True when it holds "then". */
static bool assert_one_or_the_other(struct backup *backup)
{
    struct fixture *fixture = &backup->fixture;
    reopen(fixture);
    assert_no_problems(fixture);
    int documents = count_documents(fixture, fixture->library);
    if (documents == 1)
        assert_int_equal(search_for(fixture, fixture->library, 9, "harbour"), 3);
    else
        assert_int_equal(documents, 8);
    return documents == 8;
}

static void restoring_without_room_keeps_the_library(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    fill_both(backup);
    close_library(fixture);
    int failures = 0, successes = 0;
    for (rlim_t limit = 1; limit < 400000; limit += 16000) {
        pid_t child = fork();
        if (child == 0) {
            struct fixture *other = fixture;
            if (!library_open(&other->library, fixture->folder, &other->error))
                _exit(3);
            limit_files(limit);
            bool ok = restore(backup, true);
            _exit(ok ? 0 : other->error.kind == ERROR_STORE ? 1 : 2);
        }
        int status = wait_for(child);
        assert_in_range(status, 0, 1);
        bool restored = assert_one_or_the_other(backup);
        if (restored != (status == 0))
            fail_msg("files of %lu bytes at most: status %d", (unsigned long)limit, status);
        if (restored)
            break;
        failures++;
        close_library(fixture);
        assert_int_equal(count_files(fixture->folder), 1);
    }
    successes = fixture->library != NULL;
    assert_true(failures > 5);
    assert_true(successes);
}

static void restore_until_killed(const char *folder, int pipe_end, int64_t number)
{
    struct fixture other = {0};
    struct library_loss loss;
    bool refused;
    char path[FIXTURE_PATH_SIZE];
    (void)pipe_end;
    (void)number;
    snprintf(path, sizeof path, "%s/backup.copy", folder);
    if (!library_open(&other.library, folder, &other.error))
        _exit(1);
    bool ok = library_restore(other.library, path, true, &loss, &refused, &other.error);
    fprintf(stderr, "%s", ok ? "" : other.error.text);
    pause();
}

static void killed_restoring_keeps_one_or_the_other(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    char copy[FIXTURE_PATH_SIZE];
    fill_both(backup);
    snprintf(copy, sizeof copy, "%s/backup.copy", fixture->folder);
    copy_file(backup->path, copy);
    back_up(backup); /* of now */
    uint64_t seed = (uint64_t)clock_unix_time() | 1, random = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 25; round++) {
        close_library(fixture);
        kill_at_work(restore_until_killed, fixture->folder, 0, next_random(&random) % 150000);
        if (assert_one_or_the_other(backup))
            MUST(restore(backup, true));
    }
}

/* What cannot be compared can still be replaced, but only by force. */
static void damaged_library_is_replaced_by_force(void **state)
{
    struct backup *backup = *state;
    struct fixture *fixture = &backup->fixture;
    int64_t one = add_whole_document(fixture, "one", "lighthouse");
    back_up(backup);
    close_library(fixture);
    tamper(fixture->path, "UPDATE section SET text_hash = x'00'");
    reopen(fixture);
    MUST_FAIL(restore(backup, false), ERROR_STORE, "so it takes force");
    MUST(restore(backup, true));
    assert_int_equal(search_for(fixture, fixture->library, one, "lighthouse"), 3);
    assert_no_problems(fixture);
}

int main(void)
{
#define BACKED(name) cmocka_unit_test_setup_teardown(name, set_up_backup, tear_down_backup)
    const struct CMUnitTest tests[] = {
        BACKED(backup_is_one_whole_private_file),
        BACKED(backup_never_replaces_a_file),
        BACKED(backup_takes_any_name),
        BACKED(backup_is_of_one_moment),
        BACKED(backup_without_room_leaves_nothing),
        BACKED(restored_library_is_the_one_backed_up),
        BACKED(loss_is_counted_and_refused),
        BACKED(notes_that_would_be_lost_are_counted),
        BACKED(restored_conversation_goes_on_with_new_numbers),
        BACKED(models_keep_their_numbers),
        BACKED(changed_text_is_a_loss),
        BACKED(empty_library_takes_any_backup),
        BACKED(many_rows_are_compared_quickly),
        BACKED(backup_of_an_earlier_layout_is_restored),
        BACKED(pages_of_another_size_are_fitted),
        BACKED(log_beside_the_backup_belongs_to_it),
        BACKED(foreign_and_damaged_files_are_refused),
        BACKED(odd_files_are_refused),
        BACKED(only_one_restores_at_a_time),
        BACKED(hostile_backups_do_no_harm),
        BACKED(restoring_without_room_keeps_the_library),
        BACKED(killed_restoring_keeps_one_or_the_other),
        BACKED(damaged_library_is_replaced_by_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
