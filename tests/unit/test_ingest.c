/* Tests of taking in text: what others may do meanwhile, texts that grow, and texts that
 * turn out not to be readable. */
#include "app/work/ingest.h"
#include "tests/unit/work_fixture.h"

enum left { NOTHING, NOTE, QUESTION };

struct scene {
    struct work *work;
    struct library *other; /* as another process has it */
    int64_t aside;         /* a document that nobody changes */
    int64_t document;      /* the one that is taken in */
    int sections, pauses, notes;
    int64_t seen; /* sections, by the other at the last pause */
    char second[WORK_PATH_SIZE];
    enum left left;
};

static void open_scene(struct scene *scene, struct work *work)
{
    *scene = (struct scene){.work = work};
    scene->aside = work_take_in(work, "aside.txt", "Something else.\n");
    work_require(work, library_open(&scene->other, work->folder, &work->error));
}

static void watch(struct scene *scene, void (*emit)(void *context, const struct event *event),
                  bool (*pause)(void *context, struct error *error))
{
    struct session *session = &scene->work->session;
    session->emit = emit;
    session->pause = pause;
    session->emit_context = session->pause_context = scene;
    session->last_progress = 0; /* the next one is sent, whenever the last one was */
}

static void close_scene(struct scene *scene)
{
    watch(scene, NULL, NULL);
    library_close(scene->other);
}

static void write_parts(const char *path, int parts)
{
    char line[64];
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < parts; i++) {
        int size = snprintf(line, sizeof line, "# Part %d\n\nText of part %d.\n\n", i, i);
        assert_int_equal(fwrite(line, 1, (size_t)size, file), size);
    }
    assert_int_equal(fclose(file), 0);
}

static bool take_in(struct work *work, const char *const *paths, size_t count,
                    struct ingest_result *result)
{
    struct ingest_options options = {.paths = paths, .count = count};
    bool ok = ingest_run(&work->session, &options, result, &work->error);
    lease_release(result->lease);
    return ok;
}

static int64_t count_sections(struct work *work, int64_t document)
{
    struct library_document found;
    work_require(work, library_get_document(work->session.library, document, &found, &work->error));
    int64_t sections = found.complete ? found.sections : -1;
    library_document_free(&found);
    return sections;
}

/* --- beside others ----------------------------------------------------------------------- */

/* A section came; the next one takes its time. */
static void write_elsewhere(void *context, const struct event *event)
{
    struct scene *scene = context;
    struct error error = {0};
    if (event->kind != EVENT_PROGRESS)
        return;
    if (!library_put_place(scene->other, scene->aside, 0, scene->sections, &error))
        fail_msg("after section %d: %s", scene->sections, error.text);
    scene->document = event->progress.document;
    scene->sections++;
    usleep(260000);
}

static bool look_elsewhere(void *context, struct error *error)
{
    struct scene *scene = context;
    struct library_document document;
    scene->pauses++;
    if (!library_get_document(scene->other, scene->document, &document, error))
        return false;
    scene->seen = document.sections;
    library_document_free(&document);
    return true;
}

/* However long parsing takes, others can write meanwhile, see what came, and get a pause. */
static void test_others_can_write(void **state)
{
    struct work *work = *state;
    struct scene scene;
    struct ingest_result result;
    char path[WORK_PATH_SIZE];
    const char *paths[] = {path};
    open_scene(&scene, work);
    snprintf(path, sizeof path, "%s/slow.md", work->folder);
    write_parts(path, 3);
    watch(&scene, write_elsewhere, look_elsewhere);
    work_require(work, take_in(work, paths, 1, &result));
    close_scene(&scene);
    assert_int_equal(scene.sections, 3);
    assert_true(scene.pauses >= 1);
    assert_true(scene.seen >= 2);
    assert_int_equal(count_sections(work, result.document), 3);
}

/* --- texts that change --------------------------------------------------------------------- */

/* Every section that is there stays the same: nothing of it differs, and more comes. */
static void test_grows_at_the_end_of_a_section(void **state)
{
    struct work *work = *state;
    int64_t document = work_take_in(work, "a.md", "# A\n\nText.\n");
    assert_int_equal(work_take_in(work, "a.md", "# A\n\nText.\n# B\n\nMore.\n"), document);
    assert_int_equal(count_sections(work, document), 2);
    assert_int_equal(work_take_in(work, "a.md", "# A\n\nText.\n"), document);
    assert_int_equal(count_sections(work, document), 1);
}

static void test_another_normalizer(void **state)
{
    struct work *work = *state;
    static const char text[] = "# A\n\nText.\n# B\n\nMore.\n";
    int64_t document = work_take_in(work, "a.md", text);
    work_require(work, library_cut_document(work->session.library, document, 2, 7, &work->error));
    assert_int_equal(work_take_in(work, "a.md", text), document);
    assert_int_equal(count_sections(work, document), 2);
}

static void test_several_files(void **state)
{
    struct work *work = *state;
    char one[WORK_PATH_SIZE], two[WORK_PATH_SIZE];
    const char *paths[] = {one, two};
    struct ingest_result result;
    snprintf(one, sizeof one, "%s/one.md", work->folder);
    snprintf(two, sizeof two, "%s/two.md", work->folder);
    write_parts(one, 70);
    write_parts(two, 3);
    work_require(work, take_in(work, paths, 2, &result));
    assert_true(result.changed);
    assert_int_equal(count_sections(work, result.document), 73);
    work_require(work, take_in(work, paths, 2, &result));
    assert_false(result.changed);
    for (int64_t i = 0; i < 2; i++) {
        struct library_source source;
        work_require(work, library_get_source(work->session.library, result.document, i, &source,
                                              &work->error));
        assert_string_equal(source.path, paths[i]);
        assert_int_equal(source.lines, i ? 12 : 280);
        assert_non_null(source.encoding);
        library_source_free(&source);
    }
    /* The first becomes shorter: what was of the second comes earlier. */
    write_parts(one, 2);
    work_require(work, take_in(work, paths, 2, &result));
    assert_true(result.changed);
    assert_int_equal(count_sections(work, result.document), 5);
}

/* --- texts that cannot be read -------------------------------------------------------------- */

static void leave_note(struct scene *scene)
{
    struct work *work = scene->work;
    struct library_note note = {.document = scene->document,
                                .kind = LIBRARY_NOTE_BOOKMARK,
                                .passage = (char[]){"Part"},
                                .text = (char[]){"here"}};
    work_require(work, library_put_note(work->session.library, &note, &work->error));
}

static void leave_question(struct scene *scene)
{
    struct work *work = scene->work;
    struct hash model = {{1}};
    struct library_question question = {.document = scene->document,
                                        .scope = (char[]){""},
                                        .question = (char[]){"Why?"},
                                        .detail = (char[]){"{}"}};
    int64_t id;
    work_require(work, library_touch_model(work->session.library, &model, "m", "/m",
                                           &question.model, &work->error));
    work_require(work, library_add_question(work->session.library, &question, &id, &work->error));
}

/* At the first pause somebody uses what is there, and the second file goes away. */
static bool use_and_spoil(void *context, struct error *error)
{
    struct scene *scene = context;
    if (scene->pauses++ > 0)
        return true;
    struct states_info info = {.place = {.document = scene->document, .kind = STATES_SECTION},
                               .numerics = "test"};
    if (!states_put(scene->work->session.states, &info, "a state", 7, error))
        return false;
    if (scene->left == NOTE)
        leave_note(scene);
    if (scene->left == QUESTION)
        leave_question(scene);
    assert_int_equal(unlink(scene->second), 0);
    return true;
}

static void count_notes(void *context, const struct event *event)
{
    struct scene *scene = context;
    if (event->kind == EVENT_PROGRESS)
        scene->document = event->progress.document;
    scene->notes += event->kind == EVENT_NOTE;
}

static void fail_after(struct scene *scene, struct work *work, enum left left)
{
    struct ingest_result result;
    char first[WORK_PATH_SIZE];
    const char *paths[] = {first, scene->second};
    open_scene(scene, work);
    scene->left = left;
    snprintf(first, sizeof first, "%s/first.md", work->folder);
    snprintf(scene->second, sizeof scene->second, "%s/second.md", work->folder);
    write_parts(first, 70);
    write_parts(scene->second, 2);
    watch(scene, count_notes, use_and_spoil);
    assert_false(take_in(work, paths, 2, &result));
    assert_int_equal(work->error.kind, ERROR_INPUT);
    assert_true(scene->pauses >= 1);
    close_scene(scene);
}

static void test_nothing_is_left_of_a_broken_text(void **state)
{
    struct work *work = *state;
    struct scene scene;
    struct library_document document;
    int64_t bytes;
    fail_after(&scene, work, NOTHING);
    assert_false(
        library_get_document(work->session.library, scene.document, &document, &work->error));
    assert_int_equal(work->error.kind, ERROR_INPUT);
    work_require(work, states_total_bytes(work->session.states, 0, &bytes, &work->error));
    assert_int_equal(bytes, 0);
    assert_int_equal(scene.notes, 0);
}

static bool count_note(void *context, const struct library_note *note)
{
    (void)note;
    ++*(int *)context;
    return true;
}

static void test_what_a_person_left_stays(void **state)
{
    struct work *work = *state;
    static const enum left cases[] = {NOTE, QUESTION};
    for (int i = 0; i < 2; i++) {
        enum left left = cases[i];
        struct scene scene;
        struct library_question question;
        int64_t bytes;
        int notes = 0;
        bool found;
        fail_after(&scene, work, left);
        assert_int_equal(scene.notes, 1);
        work_require(work, library_each_note(work->session.library, scene.document, count_note,
                                             &notes, &work->error));
        assert_int_equal(notes, left == NOTE);
        work_require(work, library_last_question(work->session.library, scene.document, &question,
                                                 &found, &work->error));
        assert_int_equal(found, left == QUESTION);
        library_question_free(&question);
        work_require(
            work, states_total_bytes(work->session.states, scene.document, &bytes, &work->error));
        assert_true(bytes > 0);
        assert_int_equal(count_sections(work, scene.document), -1); /* not whole */
        work_require(work,
                     library_remove_document(work->session.library, scene.document, &work->error));
        work_require(work,
                     states_remove_document(work->session.states, scene.document, &work->error));
    }
}

int main(void)
{
#define WORKED(name) cmocka_unit_test_setup_teardown(name, work_set_up, work_tear_down)
    const struct CMUnitTest tests[] = {
        WORKED(test_others_can_write),
        WORKED(test_grows_at_the_end_of_a_section),
        WORKED(test_another_normalizer),
        WORKED(test_several_files),
        WORKED(test_nothing_is_left_of_a_broken_text),
        WORKED(test_what_a_person_left_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
