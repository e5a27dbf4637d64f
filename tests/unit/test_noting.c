/* Notes that stay with their passages while the text changes. */
#include "app/work/noting.h"

#include "tests/unit/work_fixture.h"

static const char before[] = "# One\n\nThe sea is wide, and the sea is deep.\n\n"
                             "# Two\n\nA \xE2\x80\x9Cgreen ship\xE2\x80\x9D sailed over the bar "
                             "at noon.\n\nShort.\n\n# Three\n\nThe end of it.\n";

/* Adds a note on the n-th occurrence of these words; empty: only its place. */
static int64_t put(struct work *work, int64_t document, int64_t section, const char *words,
                   int occurrence, bool empty)
{
    struct library_section text;
    work_require(work, library_get_section(work->session.library, document, section, LIBRARY_TEXT,
                                           &text, &work->error));
    const char *at = text.text - 1;
    for (int i = 0; i <= occurrence; i++)
        assert_non_null(at = strstr(at + 1, words));
    struct library_note note = {
        .document = document,
        .kind = empty ? LIBRARY_NOTE_BOOKMARK : LIBRARY_NOTE_NOTE,
        .section = section,
        .begin = at - text.text,
        .end = at - text.text + (empty ? 0 : (int64_t)strlen(words)),
        .text = (char[]){"what I thought"},
    };
    work_require(work, noting_put(&work->session, &note, &work->error));
    library_section_free(&text);
    return note.id;
}

/* The note stands on these words, at their n-th occurrence in the section. */
static void assert_on(struct work *work, int64_t document, int64_t id, int64_t section,
                      const char *words, int occurrence)
{
    struct noting notes;
    struct library_section text;
    work_require(work, noting_list(&work->session, document, &notes, &work->error));
    const struct noting_note *item = NULL;
    for (size_t i = 0; i < notes.count; i++)
        item = notes.items[i].note.id == id ? &notes.items[i] : item;
    assert_non_null(item);
    assert_false(item->lost);
    assert_int_equal(item->note.section, section);
    work_require(work, library_get_section(work->session.library, document, section, LIBRARY_TEXT,
                                           &text, &work->error));
    const char *at = text.text - 1;
    for (int i = 0; i <= occurrence; i++)
        assert_non_null(at = strstr(at + 1, words));
    assert_int_equal(item->note.begin, at - text.text);
    bool empty = item->note.kind == LIBRARY_NOTE_BOOKMARK;
    assert_int_equal(item->note.end - item->note.begin, empty ? 0 : strlen(words));
    library_section_free(&text);
    noting_free(&notes);
}

static void assert_lost(struct work *work, int64_t document, int64_t id, int64_t section)
{
    struct noting notes;
    work_require(work, noting_list(&work->session, document, &notes, &work->error));
    bool seen = false;
    for (size_t i = 0; i < notes.count; i++) {
        const struct noting_note *item = &notes.items[i];
        if (item->note.id != id)
            continue;
        seen = true;
        assert_true(item->lost);
        assert_int_equal(item->note.section, section);
        assert_int_equal(item->note.begin, 0);
        assert_int_equal(item->note.end, 0);
        assert_string_equal(item->note.text, "what I thought");
    }
    assert_true(seen);
    noting_free(&notes);
}

static void test_unchanged(void **state)
{
    struct work *work = *state;
    struct noting notes;
    int64_t document = work_take_in(work, "sea.md", before);
    work_require(work, noting_list(&work->session, document, &notes, &work->error));
    assert_int_equal(notes.count, 0);
    noting_free(&notes);
    int64_t ship = put(work, document, 1, "green ship", 0, false);
    int64_t sea = put(work, document, 0, "the sea", 0, false);
    int64_t end = put(work, document, 2, "end", 0, true);
    assert_on(work, document, ship, 1, "green ship", 0);
    assert_on(work, document, sea, 0, "the sea", 0);
    assert_on(work, document, end, 2, "end", 0);
    work_require(work, noting_list(&work->session, document, &notes, &work->error));
    assert_int_equal(notes.count, 3);
    assert_int_equal(notes.items[0].note.id, sea);
    assert_int_equal(notes.items[1].note.id, ship);
    assert_string_equal(notes.items[1].note.passage, "green ship");
    assert_string_equal(notes.items[2].note.passage, "end of it.");
    assert_true(notes.items[2].note.made_at > 0);
    noting_free(&notes);
}

/* Each finds its passage again: nearest first, in its own section first. */
static void test_moved(void **state)
{
    struct work *work = *state;
    int64_t document = work_take_in(work, "sea.md", before);
    int64_t second = put(work, document, 0, "sea is", 1, false);
    int64_t sails = put(work, document, 1, "sailed over the bar", 0, false);
    int64_t brief = put(work, document, 1, "Short", 0, false);
    int64_t place = put(work, document, 2, "The end", 0, true);
    work_take_in(work, "sea.md",
                 "# One\n\nSo: the sea is wide, and the sea is deep.\n\n"
                 "# Two\n\nNothing is left.\n\n"
                 "# Between\n\nA green ship sailed  over\nthe bar at noon. Short.\n\n"
                 "# Three\n\nAnd this is new.\n\nThe end of it.\n");
    assert_on(work, document, second, 0, "sea is", 1);
    assert_on(work, document, sails, 2, "sailed  over\nthe bar", 0);
    assert_lost(work, document, brief, 1); /* one word is not looked for elsewhere */
    assert_on(work, document, place, 3, "The end", 0);
}

/* Typographic marks are folded when there are words enough. */
static void test_other_marks(void **state)
{
    struct work *work = *state;
    int64_t document = work_take_in(work, "sea.md", before);
    int64_t quoted =
        put(work, document, 1, "A \xE2\x80\x9Cgreen ship\xE2\x80\x9D sailed over", 0, false);
    int64_t brief = put(work, document, 1, "\xE2\x80\x9Cgreen ship\xE2\x80\x9D", 0, false);
    work_take_in(work, "sea.md", "# One\n\nSea.\n\n# Two\n\nThen: A \"green ship\" sailed over.\n");
    assert_on(work, document, quoted, 1, "A \"green ship\" sailed over", 0);
    assert_lost(work, document, brief, 1);
}

static void test_vanished(void **state)
{
    struct work *work = *state;
    int64_t document = work_take_in(work, "sea.md", before);
    int64_t ship = put(work, document, 1, "green ship", 0, false);
    int64_t end = put(work, document, 2, "end of it", 0, false);
    int64_t place = put(work, document, 2, "The end", 0, true);
    work_take_in(work, "sea.md", "# One\n\nAnother sea.\n\n# Two\n\nNo vessel.\n");
    assert_lost(work, document, ship, 1);
    assert_lost(work, document, end, 1);
    assert_lost(work, document, place, 1);
    /* What comes back is found again. */
    work_take_in(work, "sea.md", before);
    assert_on(work, document, ship, 1, "green ship", 0);
    assert_on(work, document, end, 2, "end of it", 0);
    assert_on(work, document, place, 2, "The end", 0);
}

static void test_places(void **state)
{
    struct work *work = *state;
    int64_t document = work_take_in(work, "a.txt", "\xC3\xA4\xC3\xA4 one\n\n\ntwo\n");
    struct library_note mark = {.document = document,
                                .kind = LIBRARY_NOTE_MARK,
                                .name = (char[]){"a"},
                                .begin = 3,
                                .end = 3};
    work_require(work, noting_put(&work->session, &mark, &work->error));
    assert_int_equal(mark.begin, 2);
    assert_int_equal(mark.end, 2);
    assert_null(mark.passage);
    struct noting notes;
    work_require(work, noting_list(&work->session, document, &notes, &work->error));
    assert_int_equal(notes.count, 1);
    assert_string_equal(notes.items[0].note.passage, "\xC3\xA4 one");
    noting_free(&notes);

    /* Moved to an empty line; then changed by its id. */
    mark.begin = mark.end = 9;
    mark.id = 0;
    work_require(work, noting_put(&work->session, &mark, &work->error));
    mark.text = (char[]){"words"};
    work_require(work, noting_put(&work->session, &mark, &work->error));
    work_require(work, noting_list(&work->session, document, &notes, &work->error));
    assert_int_equal(notes.count, 1);
    assert_int_equal(notes.items[0].note.begin, 9);
    assert_false(notes.items[0].lost);
    assert_non_null(strstr(notes.items[0].note.passage, "two"));
    assert_string_equal(notes.items[0].note.text, "words");
    noting_free(&notes);

    static const int64_t wrong[][3] = {{0, 0, 4000}, {0, 9, 8}, {0, -1, 3}, {7, 0, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct library_note note = {.document = document,
                                    .kind = LIBRARY_NOTE_BOOKMARK,
                                    .section = wrong[i][0],
                                    .begin = wrong[i][1],
                                    .end = wrong[i][2]};
        assert_false(noting_put(&work->session, &note, &work->error));
        assert_int_equal(work->error.kind, ERROR_INPUT);
    }
    assert_false(noting_list(&work->session, 77, &notes, &work->error) && notes.count > 0);
    noting_free(&notes);
}

/* A row that no program of ours wrote. */
static void test_hostile_rows(void **state)
{
    struct work *work = *state;
    int64_t document = work_take_in(work, "a.txt", "Only this.\n");
    static const int64_t rows[][3] = {
        {0, 0, INT64_MAX}, {0, INT64_MAX, INT64_MAX}, {INT64_MAX, 0, 5}, {0, 3, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct library_note note = {.document = document,
                                    .kind = LIBRARY_NOTE_NOTE,
                                    .name = (char[]){""},
                                    .section = rows[i][0],
                                    .begin = rows[i][1],
                                    .end = rows[i][2],
                                    .passage = (char[]){"not there"},
                                    .text = (char[]){"what I thought"}};
        work_require(work, library_put_note(work->session.library, &note, &work->error));
        assert_lost(work, document, note.id, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unchanged, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_moved, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_other_marks, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_vanished, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_places, work_set_up, work_tear_down),
        cmocka_unit_test_setup_teardown(test_hostile_rows, work_set_up, work_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
