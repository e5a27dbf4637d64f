/* Tests of what people leave in a library: conversations, marks, bookmarks, notes and
 * places, and of searching all documents. */
#include "base/clock.h"
#include "tests/unit/library_fixture.h"

/* --- conversations --------------------------------------------------------- */

static int64_t ask(struct fixture *fixture, int64_t document, int64_t parent, const char *text)
{
    struct library_question question = {
        .document = document,
        .model = touch_model(fixture, "model"),
        .parent = parent,
        .asked_at = 1700000000,
        .scope = (char *)(uintptr_t) "section 2",
        .question = (char *)(uintptr_t)text,
        .answer = (char *)(uintptr_t) "It does.",
        .detail = (char *)(uintptr_t) "{\"a\":1}",
    };
    int64_t id;
    MUST(library_add_question(fixture->library, &question, &id, &fixture->error));
    return id;
}

static int64_t parent_of(struct fixture *fixture, int64_t id)
{
    struct library_question question;
    MUST(library_get_question(fixture->library, id, &question, &fixture->error));
    assert_int_equal(question.id, id);
    int64_t parent = question.parent;
    library_question_free(&question);
    return parent;
}

static void question_comes_back_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct library_question question;
    int64_t document = add_whole_document(fixture, "d", "lighthouse");
    int64_t first = ask(fixture, document, 0, "Does it?"), second;
    second = ask(fixture, document, first, "And then?");
    reopen(fixture);
    MUST(library_get_question(fixture->library, second, &question, &fixture->error));
    assert_int_equal(question.id, second);
    assert_int_equal(question.document, document);
    assert_int_equal(question.model, touch_model(fixture, "model"));
    assert_int_equal(question.parent, first);
    assert_int_equal(question.asked_at, 1700000000);
    assert_string_equal(question.scope, "section 2");
    assert_string_equal(question.question, "And then?");
    assert_string_equal(question.answer, "It does.");
    assert_string_equal(question.detail, "{\"a\":1}");
    library_question_free(&question);
    assert_int_equal(parent_of(fixture, first), 0);
    MUST_FAIL(library_get_question(fixture->library, 99, &question, &fixture->error), ERROR_INPUT,
              "no question 99");
    assert_null(question.question);
    assert_no_problems(fixture);
}

struct tree {
    char text[256]; /* "id<parent " for each */
};

static bool list_question(void *context, const struct library_question *question)
{
    struct tree *tree = context;
    size_t used = strlen(tree->text);
    snprintf(tree->text + used, sizeof tree->text - used, "%lld<%lld ", (long long)question->id,
             (long long)question->parent);
    return true;
}

static void assert_tree(struct fixture *fixture, int64_t document, const char *expected)
{
    struct tree tree = {0};
    MUST(library_each_question(fixture->library, document, list_question, &tree, &fixture->error));
    assert_string_equal(tree.text, expected);
}

static void followers_stay_without_a_parent(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d");
    int64_t one = ask(fixture, document, 0, "1"), two = ask(fixture, document, one, "2");
    ask(fixture, document, two, "3");
    ask(fixture, document, two, "4");
    ask(fixture, document, one, "5");
    assert_tree(fixture, document, "1<0 2<1 3<2 4<2 5<1 ");
    MUST(library_remove_question(fixture->library, two, &fixture->error));
    assert_tree(fixture, document, "1<0 3<0 4<0 5<1 ");
    MUST_FAIL(library_remove_question(fixture->library, two, &fixture->error), ERROR_INPUT,
              "no question 2");
    assert_no_problems(fixture);
    /* Numbers are not given again: states know answers by them. */
    MUST(library_remove_question(fixture->library, 5, &fixture->error));
    assert_int_equal(ask(fixture, document, one, "6"), 6);
    MUST(library_remove_document(fixture->library, document, &fixture->error));
    assert_tree(fixture, document, "");
    assert_no_problems(fixture);
}

/* Removed while its follower was being answered, or of another document. */
static void parent_that_cannot_be_is_none(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    int64_t one = ask(fixture, document, 0, "1");
    MUST(library_remove_question(fixture->library, one, &fixture->error));
    int64_t two = ask(fixture, document, one, "2");
    assert_int_equal(parent_of(fixture, two), 0);
    assert_int_equal(parent_of(fixture, ask(fixture, other, two, "3")), 0);
    assert_int_equal(parent_of(fixture, ask(fixture, document, 99, "4")), 0);
    assert_int_equal(parent_of(fixture, ask(fixture, document, -1, "5")), 0);
    assert_no_problems(fixture);
}

/* Removing the root of a long chain, and a document full of them. */
static void long_conversations_are_removed(void **state)
{
    struct fixture *fixture = *state;
    enum { LENGTH = 3000 };
    int64_t document = add_document(fixture, "d", "/d"), last = 0;
    MUST(library_begin(fixture->library, &fixture->error));
    for (int i = 0; i < LENGTH; i++)
        last = ask(fixture, document, i % 3 == 2 ? 1 : last, "Again?");
    MUST(library_commit(fixture->library, &fixture->error));
    MUST(library_remove_question(fixture->library, 1, &fixture->error));
    assert_int_equal(parent_of(fixture, 2), 0);
    assert_int_equal(parent_of(fixture, 3), 0);
    assert_int_equal(parent_of(fixture, LENGTH), 0);
    assert_int_equal(parent_of(fixture, LENGTH - 1), LENGTH - 2);
    assert_no_problems(fixture);
    MUST(library_remove_document(fixture->library, document, &fixture->error));
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT count(*) FROM question"), 0);
    assert_integrity(fixture->path);
}

static void last_question_is_of_its_document(void **state)
{
    struct fixture *fixture = *state;
    struct library_question question;
    bool found;
    int64_t one = add_document(fixture, "d", "/d"), two = add_document(fixture, "e", "/e");
    int64_t none = add_document(fixture, "f", "/f");
    ask(fixture, one, 0, "first of one");
    ask(fixture, two, 0, "first of two");
    ask(fixture, one, 0, "last of one");
    ask(fixture, two, 0, "last of two");
    MUST(library_last_question(fixture->library, one, &question, &found, &fixture->error));
    assert_true(found && question.document == one);
    assert_string_equal(question.question, "last of one");
    library_question_free(&question);
    MUST(library_remove_question(fixture->library, 3, &fixture->error));
    MUST(library_last_question(fixture->library, one, &question, &found, &fixture->error));
    assert_string_equal(question.question, "first of one");
    library_question_free(&question);
    MUST(library_last_question(fixture->library, none, &question, &found, &fixture->error));
    assert_false(found);
    assert_null(question.question);
    MUST(library_last_question(fixture->library, 99, &question, &found, &fixture->error));
    assert_false(found);
}

/* A loop would have no end for who goes from a question to its parent: one that is not
 * earlier is none, and library_verify tells it. Everything else can be used on. */
static void damaged_conversations_have_no_loops(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *sql, *tree;
    } cases[] = {
        {"UPDATE question SET parent = 3 WHERE id = 1", "1<0 2<1 3<2 "},
        {"UPDATE question SET parent = 2 WHERE id = 2", "1<0 2<0 3<2 "},
        {"UPDATE question SET parent = 3 WHERE id = 3", "1<0 2<1 3<0 "},
        {"PRAGMA foreign_keys = OFF; UPDATE question SET parent = -5 WHERE id = 2", "1<0 2<0 3<2 "},
        {"PRAGMA foreign_keys = OFF; UPDATE question SET parent = 99 WHERE id = 2", "1<0 2<0 3<2 "},
        {"UPDATE question SET parent = 4 WHERE id = 3", "1<0 2<1 3<0 "},
    };
    int64_t document = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    ask(fixture, document, ask(fixture, document, ask(fixture, document, 0, "1"), "2"), "3");
    ask(fixture, other, 0, "4");
    assert_tree(fixture, document, "1<0 2<1 3<2 ");
    close_library(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct found_problems found;
        struct library_question last;
        bool any;
        write_file(fixture->path, good, size);
        tamper(fixture->path, cases[i].sql);
        reopen(fixture);
        assert_tree(fixture, document, cases[i].tree);
        MUST(library_last_question(fixture->library, document, &last, &any, &fixture->error));
        assert_true(any && last.id == 3);
        assert_int_equal(parent_of(fixture, 3), last.parent);
        library_question_free(&last);
        if (find_problems(fixture, &found) != 1)
            fail_msg("%s: %s", cases[i].sql, found.text);
        close_library(fixture);
    }
    free(good);
}

/* --- notes ----------------------------------------------------------------- */

static struct library_note make_note(int64_t document, enum library_note_kind kind,
                                     const char *name, int64_t section, int64_t begin,
                                     const char *text)
{
    struct library_note note = {
        .document = document,
        .kind = kind,
        .name = (char *)(uintptr_t)name,
        .section = section,
        .begin = begin,
        .end = begin + 5,
        .passage = (char *)(uintptr_t) "caf\xC3\xA9",
        .text = (char *)(uintptr_t)text,
    };
    return note;
}

static int64_t put_note(struct fixture *fixture, int64_t document, enum library_note_kind kind,
                        const char *name, int64_t section, int64_t begin, const char *text)
{
    struct library_note note = make_note(document, kind, name, section, begin, text);
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    assert_true(note.id > 0);
    return note.id;
}

struct notes {
    char text[512]; /* "id:kind name@section.begin text " for each */
    int stop_after;
};

static bool list_note(void *context, const struct library_note *note)
{
    struct notes *notes = context;
    size_t used = strlen(notes->text);
    snprintf(notes->text + used, sizeof notes->text - used, "%lld:%d%s@%lld.%lld %s ",
             (long long)note->id, (int)note->kind, note->name, (long long)note->section,
             (long long)note->begin, note->text);
    return --notes->stop_after != 0;
}

static void assert_notes(struct fixture *fixture, int64_t document, const char *expected)
{
    struct notes notes = {0};
    MUST(library_each_note(fixture->library, document, list_note, &notes, &fixture->error));
    assert_string_equal(notes.text, expected);
}

static bool check_note(void *context, const struct library_note *note)
{
    const struct library_note *expected = context;
    assert_int_equal(note->id, expected->id);
    assert_int_equal(note->document, expected->document);
    assert_int_equal(note->kind, expected->kind);
    assert_string_equal(note->name, expected->name ? expected->name : "");
    assert_int_equal(note->section, expected->section);
    assert_int_equal(note->begin, expected->begin);
    assert_int_equal(note->end, expected->end);
    assert_string_equal(note->passage, expected->passage ? expected->passage : "");
    assert_string_equal(note->text, expected->text ? expected->text : "");
    assert_int_equal(note->made_at, expected->made_at);
    return true;
}

static void notes_come_back_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), before = clock_unix_time();
    struct library_note note = {0};
    MUST(library_each_note(fixture->library, document, check_note, NULL, &fixture->error));
    note = make_note(document, LIBRARY_NOTE_NOTE, "", 7, 123, "\x1B[31m \xF0\x9F\x8C\x8A'\"");
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    assert_int_equal(note.id, 1);
    assert_true(note.made_at >= before && note.made_at <= clock_unix_time());
    reopen(fixture);
    MUST(library_each_note(fixture->library, document, check_note, &note, &fixture->error));
    note.end = note.begin;
    note.kind = LIBRARY_NOTE_BOOKMARK;
    note.section = INT64_MAX;
    note.passage = note.text = note.name = NULL;
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    assert_int_equal(note.id, 1);
    reopen(fixture);
    MUST(library_each_note(fixture->library, document, check_note, &note, &fixture->error));
    assert_no_problems(fixture);
}

static void notes_are_listed_by_place(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    put_note(fixture, document, LIBRARY_NOTE_NOTE, "", 2, 5, "late");
    put_note(fixture, document, LIBRARY_NOTE_MARK, "x", 0, 900, "");
    put_note(fixture, other, LIBRARY_NOTE_NOTE, "", 0, 0, "other");
    put_note(fixture, document, LIBRARY_NOTE_NOTE, "", 0, 1000, "b");
    put_note(fixture, document, LIBRARY_NOTE_BOOKMARK, "", 0, 900, "a");
    assert_notes(fixture, document, "2:1x@0.900  5:2@0.900 a 4:3@0.1000 b 1:3@2.5 late ");
    assert_notes(fixture, other, "3:3@0.0 other ");
    assert_notes(fixture, 99, "");
    struct notes notes = {.stop_after = 2};
    MUST(library_each_note(fixture->library, document, list_note, &notes, &fixture->error));
    assert_string_equal(notes.text, "2:1x@0.900  5:2@0.900 a ");
}

static void notes_are_changed_and_removed(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    int64_t one = put_note(fixture, document, LIBRARY_NOTE_NOTE, "", 1, 5, "one");
    int64_t two = put_note(fixture, document, LIBRARY_NOTE_NOTE, "", 1, 5, "two");
    struct library_note note = make_note(document, LIBRARY_NOTE_NOTE, "", 3, 6, "one again");
    note.id = one;
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    assert_notes(fixture, document, "2:3@1.5 two 1:3@3.6 one again ");
    note.document = other; /* it is not that document's */
    MUST_FAIL(library_put_note(fixture->library, &note, &fixture->error), ERROR_STORE, "note 1");
    note.document = document;
    MUST(library_remove_note(fixture->library, one, &fixture->error));
    MUST_FAIL(library_put_note(fixture->library, &note, &fixture->error), ERROR_STORE,
              "removed meanwhile");
    MUST_FAIL(library_remove_note(fixture->library, one, &fixture->error), ERROR_INPUT, "note 1");
    assert_notes(fixture, document, "2:3@1.5 two ");
    MUST(library_remove_note(fixture->library, two, &fixture->error));
    assert_notes(fixture, document, "");
    assert_int_equal(put_note(fixture, document, LIBRARY_NOTE_NOTE, "", 0, 0, ""), 3);
    note = make_note(99, LIBRARY_NOTE_NOTE, "", 0, 0, "");
    MUST_FAIL(library_put_note(fixture->library, &note, &fixture->error), ERROR_STORE,
              "cannot keep a note");
    assert_int_equal(note.id, 0);
    assert_no_problems(fixture);
}

static void mark_moves_when_it_is_set_again(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    int64_t a = put_note(fixture, document, LIBRARY_NOTE_MARK, "a", 1, 5, "");
    int64_t b = put_note(fixture, document, LIBRARY_NOTE_MARK, "b", 1, 6, "");
    put_note(fixture, document, LIBRARY_NOTE_MARK, "A", 1, 7, "");
    put_note(fixture, other, LIBRARY_NOTE_MARK, "a", 1, 8, "");
    assert_int_equal(put_note(fixture, document, LIBRARY_NOTE_MARK, "a", 2, 1, "moved"), a);
    assert_notes(fixture, document, "2:1b@1.6  3:1A@1.7  1:1a@2.1 moved ");
    assert_notes(fixture, other, "4:1a@1.8  ");
    /* One that takes another's name takes its place, too. */
    struct library_note note = make_note(document, LIBRARY_NOTE_MARK, "a", 9, 9, "");
    note.id = b;
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    assert_notes(fixture, document, "3:1A@1.7  2:1a@9.9  ");
    /* Only marks have a name; any number of the others may be at a place. */
    for (int i = 0; i < 3; i++)
        put_note(fixture, document, LIBRARY_NOTE_BOOKMARK, "", 9, 9, "");
    note.kind = LIBRARY_NOTE_BOOKMARK;
    note.name = NULL;
    MUST(library_put_note(fixture->library, &note, &fixture->error));
    reopen(fixture);
    int64_t again = put_note(fixture, document, LIBRARY_NOTE_MARK, "a", 1, 1, "");
    assert_true(again > b);
    MUST(library_remove_note(fixture->library, again, &fixture->error));
    assert_no_problems(fixture);
}

/* By two processes, each of which sets the same mark. */
static void mark_is_set_once_by_two(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d");
    struct library *second;
    MUST(library_open(&second, fixture->folder, &fixture->error));
    int64_t id = put_note(fixture, document, LIBRARY_NOTE_MARK, "a", 1, 5, "");
    struct library_note note = make_note(document, LIBRARY_NOTE_MARK, "a", 2, 5, "");
    MUST(library_put_note(second, &note, &fixture->error));
    assert_int_equal(note.id, id);
    MUST(library_remove_note(second, id, &fixture->error));
    library_close(second);
    assert_notes(fixture, document, "");
}

static void places_are_kept(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_document(fixture, "d", "/d"), other = add_document(fixture, "e", "/e");
    int64_t section = 7, byte = 7;
    bool found;
    MUST(library_get_place(fixture->library, document, &section, &byte, &found, &fixture->error));
    assert_true(!found && section == 0 && byte == 0);
    MUST(library_put_place(fixture->library, document, 3, 4711, &fixture->error));
    MUST(library_put_place(fixture->library, other, 0, 0, &fixture->error));
    MUST(library_put_place(fixture->library, document, 4, INT64_MAX, &fixture->error));
    reopen(fixture);
    MUST(library_get_place(fixture->library, document, &section, &byte, &found, &fixture->error));
    assert_true(found && section == 4 && byte == INT64_MAX);
    MUST(library_get_place(fixture->library, other, &section, &byte, &found, &fixture->error));
    assert_true(found && section == 0 && byte == 0);
    MUST_FAIL(library_put_place(fixture->library, 99, 0, 0, &fixture->error), ERROR_STORE,
              "cannot keep the place");
    assert_no_problems(fixture);
}

static void notes_and_places_outlive_a_cut(void **state)
{
    struct fixture *fixture = *state;
    int64_t document = add_whole_document(fixture, "d", "lighthouse"), section, byte;
    bool found;
    put_note(fixture, document, LIBRARY_NOTE_MARK, "a", 2, 5, "");
    put_note(fixture, document, LIBRARY_NOTE_NOTE, "", 0, 5, "n");
    MUST(library_put_place(fixture->library, document, 2, 5, &fixture->error));
    MUST(library_cut_document(fixture->library, document, 0, 1, &fixture->error));
    assert_notes(fixture, document, "2:3@0.5 n 1:1a@2.5  ");
    MUST(library_get_place(fixture->library, document, &section, &byte, &found, &fixture->error));
    assert_true(found && section == 2 && byte == 5);
    assert_no_problems(fixture);
    MUST(library_remove_document(fixture->library, document, &fixture->error));
    assert_notes(fixture, document, "");
    MUST(library_get_place(fixture->library, document, &section, &byte, &found, &fixture->error));
    assert_false(found);
    close_library(fixture);
    assert_int_equal(ask_number(fixture->path, "SELECT (SELECT count(*) FROM note)"
                                               " + (SELECT count(*) FROM place)"),
                     0);
}

static void damaged_notes_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const cases[] = {
        "UPDATE note SET kind = 4",
        "UPDATE note SET kind = 0",
        "UPDATE note SET section = -1",
        "UPDATE note SET begin = -1",
        "UPDATE note SET end = begin - 1",
        "UPDATE note SET end = -9223372036854775807 - 1",
        "UPDATE note SET id = -7",
        "UPDATE place SET section = -1",
        "UPDATE place SET byte = -9223372036854775807 - 1",
    };
    int64_t document = add_document(fixture, "d", "/d");
    put_note(fixture, document, LIBRARY_NOTE_NOTE, "", 2, 5, "");
    MUST(library_put_place(fixture->library, document, 2, 5, &fixture->error));
    close_library(fixture);
    size_t size;
    unsigned char *good = read_file(fixture->path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct notes notes = {0};
        int64_t section, byte;
        bool found = false;
        write_file(fixture->path, good, size);
        tamper(fixture->path, cases[i]);
        reopen(fixture);
        bool ok =
            library_each_note(fixture->library, document, list_note, &notes, &fixture->error) &&
            library_get_place(fixture->library, document, &section, &byte, &found, &fixture->error);
        MUST_FAIL(ok, ERROR_STORE, "library.db is damaged");
        assert_false(found);
        close_library(fixture);
    }
    free(good);
}

/* --- summaries of chapters -------------------------------------------------- */

static bool note_chapter(void *context, const struct library_summary *summary)
{
    char *text = context;
    if (summary->kind == LIBRARY_SUMMARY_CHAPTER)
        snprintf(text + strlen(text), 64 - strlen(text), "%lld ", (long long)summary->section);
    return true;
}

/* 0 Part, 1 . Chapter, 2 .. Section, 3 .. Section, 4 .. (part 2 of it), 5 . Chapter, and 6 is
 * the first of another file. */
static void chapters_that_are_cut_lose_their_summary(void **state)
{
    struct fixture *fixture = *state;
    static const int levels[] = {1, 2, 3, 3, 3, 2, 9};
    static const char *const left[] = {
        "", "", "", "", "2 ", "2 ", "1 2 3 ", "0 1 2 3 5 ",
    };
    int64_t model = touch_model(fixture, "model");
    struct hash from = hash_of("a", 1);
    for (int64_t cut = 0; cut < 8; cut++) {
        char name[8], kept[64] = "";
        snprintf(name, sizeof name, "d%d", (int)cut);
        int64_t id = add_document(fixture, name, "/d");
        struct library_source second = {.ordinal = 1, .path = name};
        MUST(library_add_source(fixture->library, id, &second, &fixture->error));
        for (int i = 0; i < 7; i++) {
            struct library_section section = make_section(i, "Title", "text\n");
            section.level = levels[i];
            section.part = i == 4 ? 2 : 1;
            section.source = i == 6;
            MUST(library_add_section(fixture->library, id, &section, &fixture->error));
            if (i != 4 && i != 6)
                MUST(library_put_summary(fixture->library, id, model, LIBRARY_SUMMARY_CHAPTER, i,
                                         &from, "s", &fixture->error));
        }
        assert_no_problems(fixture);
        MUST(library_cut_document(fixture->library, id, cut, 1, &fixture->error));
        MUST(library_each_summary(fixture->library, id, note_chapter, kept, &fixture->error));
        if (strcmp(kept, left[cut]) != 0)
            fail_msg("cut at %d: chapters \"%s\" are left, not \"%s\"", (int)cut, kept, left[cut]);
        assert_no_problems(fixture);
    }
}

/* --- searching all documents ------------------------------------------------ */

static size_t search_all(struct fixture *fixture, const char *const *words, size_t word_count,
                         struct library_shelf_hit *hits, size_t capacity)
{
    size_t count;
    MUST(library_search_all(fixture->library, words, word_count, hits, capacity, &count,
                            &fixture->error));
    assert_true(count <= capacity);
    for (size_t i = 0; i < count; i++) {
        assert_true(hits[i].score > 0 && hits[i].document > 0 && hits[i].section >= 0);
        assert_true(i == 0 || hits[i - 1].score >= hits[i].score);
    }
    return count;
}

static void all_documents_are_searched(void **state)
{
    struct fixture *fixture = *state;
    struct library_shelf_hit hits[8];
    int64_t one = add_document(fixture, "d", "/d"), two = add_document(fixture, "e", "/e");
    add_section(fixture, one, 0, "Harbour", "The ships were sailing at dawn, all of them.\n");
    add_section(fixture, two, 0, "Ships", "Ship, ship, ship and ship again.\n");
    add_section(fixture, one, 1, "Weather", "Rain fell on the caf\xC3\xA9 and on the street.\n");
    add_section(fixture, two, 1, "Weather", "Nothing to be seen but fog.\n");
    for (int i = 2; i < 6; i++) {
        add_section(fixture, one, i, "Twin", "Equal words here.\n");
        add_section(fixture, two, i, "Twin", "Equal words here.\n");
    }
    static const char *const ship[] = {"ship"}, *const words[] = {"CAFE", "absent", "fog"};
    assert_int_equal(search_all(fixture, ship, 1, hits, 8), 2);
    assert_true(hits[0].document == two && hits[0].section == 0);
    assert_true(hits[1].document == one && hits[1].section == 0);
    assert_int_equal(search_all(fixture, words, 3, hits, 8), 2);
    assert_true(hits[0].section == 1 && hits[1].section == 1);

    static const char *const twin[] = {"equal"};
    assert_int_equal(search_all(fixture, twin, 1, hits, 8), 8);
    for (int i = 0; i < 8; i++)
        assert_true(hits[i].document == (i < 4 ? one : two) && hits[i].section == 2 + i % 4);
    assert_int_equal(search_all(fixture, twin, 1, hits, 3), 3);
    assert_true(hits[2].document == one && hits[2].section == 4);
    assert_int_equal(search_all(fixture, twin, 0, hits, 8), 0);
    assert_int_equal(search_all(fixture, twin, 1, NULL, 0), 0);
    MUST(library_remove_document(fixture->library, one, &fixture->error));
    assert_int_equal(search_all(fixture, twin, 1, hits, 8), 4);
    MUST(library_cut_document(fixture->library, two, 3, 1, &fixture->error));
    assert_int_equal(search_all(fixture, twin, 1, hits, 8), 1);
    assert_true(hits[0].document == two && hits[0].section == 2);
}

static void words_for_all_documents_are_never_syntax(void **state)
{
    struct fixture *fixture = *state;
    struct library_shelf_hit hits[8];
    int64_t id = add_document(fixture, "d", "/d");
    add_section(fixture, id, 0, "One", "plain words AND more OR less NOT here NEAR there\n");
    static const char *const hostile[] = {
        "",     "\"",    "\"\"\"",         "*",       "plain*",   "AND",
        "OR",   "NOT",   "NEAR(a",         "(",       ")",        "title:",
        "-",    "^x",    "{title}",        "a\"b\"c", "\\",       "\xFF",
        "\xC3", "'",     "; DROP",         "+",       "text : x", "\x01",
        "...",  "a b c", "plain\" OR \"x", "--",      "$1",       "\xEF\xBB\xBF",
    };
    enum { COUNT = sizeof hostile / sizeof *hostile };
    for (size_t i = 0; i < COUNT; i++) {
        search_all(fixture, &hostile[i], 1, hits, 8);
        const char *const with_plain[] = {hostile[i], "plain", hostile[(i + 1) % COUNT]};
        if (search_all(fixture, with_plain, 3, hits, 8) != 1)
            fail_msg("\"%s\" and \"%s\"", with_plain[0], with_plain[2]);
    }
    assert_int_equal(search_all(fixture, hostile, COUNT, hits, 8), 1);
    uint64_t seed = 29, random = seed;
    for (int round = 0; round < 500; round++) {
        char word[3][9];
        const char *words[3];
        size_t count;
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 8; j++)
                word[i][j] = (char)(next_random(&random) % 255 + 1);
            word[i][8] = '\0';
            words[i] = word[i];
        }
        if (!library_search_all(fixture->library, words, 3, hits, 8, &count, &fixture->error))
            fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round,
                     fixture->error.text);
    }

    enum { MANY = 3000 };
    static char text[MANY][16];
    static const char *many[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "w%d", i);
        many[i] = text[i];
    }
    many[MANY - 1] = "plain";
    assert_int_equal(search_all(fixture, many, MANY, hits, 8), 1);
}

/* What the index finds must be a section of a document. */
static void hits_are_of_sections_that_are_there(void **state)
{
    struct fixture *fixture = *state;
    struct library_shelf_hit hits[8];
    static const char *const words[] = {"lighthouse"};
    add_whole_document(fixture, "one", "lighthouse");
    add_whole_document(fixture, "two", "lighthouse");
    close_library(fixture);
    tamper(fixture->path, "PRAGMA foreign_keys = OFF; DELETE FROM section WHERE id = 2;"
                          "DELETE FROM document WHERE id = 2;"
                          "INSERT INTO search (rowid, title, text) VALUES (77, '', 'lighthouse')");
    reopen(fixture);
    assert_int_equal(search_all(fixture, words, 1, hits, 8), 2);
    for (int i = 0; i < 2; i++)
        assert_true(hits[i].document == 1 && hits[i].section == 2 * i);
    close_library(fixture);
    tamper(fixture->path, "UPDATE section SET ordinal = -1 WHERE id = 1");
    reopen(fixture);
    size_t count;
    MUST_FAIL(library_search_all(fixture->library, words, 1, hits, 8, &count, &fixture->error),
              ERROR_STORE, "is damaged");
    assert_int_equal(count, 0);
}

int main(void)
{
#define STORED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORED(question_comes_back_as_it_was),
        STORED(followers_stay_without_a_parent),
        STORED(parent_that_cannot_be_is_none),
        STORED(long_conversations_are_removed),
        STORED(last_question_is_of_its_document),
        STORED(damaged_conversations_have_no_loops),
        STORED(notes_come_back_as_they_were),
        STORED(notes_are_listed_by_place),
        STORED(notes_are_changed_and_removed),
        STORED(mark_moves_when_it_is_set_again),
        STORED(mark_is_set_once_by_two),
        STORED(places_are_kept),
        STORED(notes_and_places_outlive_a_cut),
        STORED(damaged_notes_are_refused),
        STORED(chapters_that_are_cut_lose_their_summary),
        STORED(all_documents_are_searched),
        STORED(words_for_all_documents_are_never_syntax),
        STORED(hits_are_of_sections_that_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
