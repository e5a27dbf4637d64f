/* A library.db from anywhere: opened, all of it read, then written to. The input is
 * the file. One that is refused is left as it was. */
#include "tests/fuzz/harness.h"

#include "document/position.h"
#include "store/library.h"

#include <stdio.h>
#include <string.h>

#define DOCUMENTS 4 /* that are looked at */
#define SECTIONS 8  /* of each */

static struct error error;

struct walk {
    struct library *library;
    int64_t documents[DOCUMENTS];
    size_t count;
    int64_t document, model, reading; /* the last ones seen */
    size_t sections;
};

/* What fails says why. */
static bool worked(bool ok)
{
    if (!ok)
        harness_require_error(&error);
    return ok;
}

static bool note_document(void *context, const struct library_document *document)
{
    struct walk *walk = context;
    HARNESS_REQUIRE(document->name && document->path);
    HARNESS_REQUIRE(document->sections >= 0 && document->bytes >= 0);
    walk->documents[walk->count++] = document->id;
    return walk->count < DOCUMENTS;
}

/* --- one document --------------------------------------------------------------------- */

static void find_document(struct walk *walk, const char *key)
{
    struct library_document document;
    if (worked(library_find_document(walk->library, key, &document, &error)))
        library_document_free(&document);
}

static void walk_sources(struct walk *walk)
{
    int64_t count = 0;
    struct library_source source;
    if (!worked(library_count_sources(walk->library, walk->document, &count, &error)))
        return;
    HARNESS_REQUIRE(count >= 0);
    for (int64_t i = 0; i <= count && i < 3; i++)
        if (worked(library_get_source(walk->library, walk->document, i, &source, &error))) {
            const char *path = source.path;
            struct library_document document;
            bool found;
            HARNESS_REQUIRE(path != NULL);
            if (worked(library_find_by_paths(walk->library, &path, 1, &document, &found, &error)) &&
                found)
                library_document_free(&document);
            library_source_free(&source);
        }
}

static bool note_section(void *context, const struct library_section *section)
{
    struct walk *walk = context;
    struct position p;
    HARNESS_REQUIRE(section->title && section->text);
    HARNESS_REQUIRE(strlen(section->text) <= section->text_size);
    for (size_t offset = 0; offset <= section->text_size; offset += 1 + section->text_size / 8)
        worked(position_find(&p, section->map, section->map_size, offset, &error));
    return ++walk->sections < SECTIONS;
}

static void walk_sections(struct walk *walk)
{
    struct library_section section;
    int64_t ordinal;
    static const char *const keys[] = {"1", "99", "the", "Chapter", "\xFF"};
    walk->sections = 0;
    worked(library_each_section(walk->library, walk->document, LIBRARY_TEXT | LIBRARY_MAP,
                                note_section, walk, &error));
    for (int64_t i = 0; i < 3; i++)
        if (worked(library_get_section(walk->library, walk->document, i, LIBRARY_TEXT | LIBRARY_MAP,
                                       &section, &error))) {
            HARNESS_REQUIRE(section.ordinal == i && section.title && section.text);
            library_section_free(&section);
        }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        worked(library_find_section(walk->library, walk->document, keys[i], &ordinal, &error));
}

static void search(struct walk *walk)
{
    static const char *const words[] = {"tide", "moon", "water", "\"*", "a"};
    struct library_hit hits[4];
    size_t count;
    if (!worked(library_search(walk->library, walk->document, words, 5, hits, 4, &count, &error)))
        return;
    HARNESS_REQUIRE(count <= 4);
    for (size_t i = 0; i < count; i++) {
        HARNESS_REQUIRE(hits[i].section >= 0);
        HARNESS_REQUIRE(hits[i].share >= 0 && hits[i].share <= 1 + 1e-9);
        HARNESS_REQUIRE(i == 0 || hits[i].score <= hits[i - 1].score);
    }
}

/* --- what was made of it ---------------------------------------------------------------- */

static void walk_readings(struct walk *walk)
{
    struct library_reading reading;
    struct library_section_reading section;
    bool found;
    for (int64_t model = 1; model <= 2; model++)
        if (worked(library_get_reading(walk->library, walk->document, model, &reading, &found,
                                       &error)) &&
            found)
            library_reading_free(&reading);
    if (!worked(library_last_reading(walk->library, walk->document, &reading, &found, &error)) ||
        !found)
        return;
    HARNESS_REQUIRE(reading.numerics && reading.sections >= 0 && reading.tokens >= 0);
    walk->reading = reading.id;
    walk->model = reading.model;
    library_reading_free(&reading);
    for (int64_t i = 0; i < 3; i++)
        if (worked(library_get_section_reading(walk->library, walk->reading, i, &section, &found,
                                               &error)) &&
            found)
            library_section_reading_free(&section);
}

static bool note_question(void *context, const struct library_question *question)
{
    size_t *count = context;
    HARNESS_REQUIRE(question->scope && question->question && question->detail);
    return ++*count < SECTIONS;
}

static bool note_summary(void *context, const struct library_summary *summary)
{
    size_t *count = context;
    HARNESS_REQUIRE(summary->text != NULL);
    return ++*count < SECTIONS;
}

static void walk_questions(struct walk *walk)
{
    size_t count = 0;
    worked(library_each_question(walk->library, walk->document, note_question, &count, &error));
    count = 0;
    worked(library_each_summary(walk->library, walk->document, note_summary, &count, &error));
    for (int kind = LIBRARY_SUMMARY_SECTION; kind <= LIBRARY_SUMMARY_SO_FAR; kind++) {
        struct hash made_from = hash_of("made from", 9);
        struct buffer text = {0};
        bool found;
        worked(library_get_summary(
            walk->library, walk->document, walk->model, (enum library_summary_kind)kind,
            kind == LIBRARY_SUMMARY_SECTION ? 0 : -1, &made_from, &text, &found, &error));
        buffer_free(&text);
    }
}

static void walk_models(struct walk *walk)
{
    struct hash fingerprint = hash_of("model", 5);
    struct file_identity identity = {1, 2, 3, 4, 5};
    bool found;
    worked(library_find_model(walk->library, &fingerprint, &walk->model, &found, &error));
    worked(library_get_fingerprint(walk->library, &identity, &fingerprint, &found, &error));
}

/* --- the whole -------------------------------------------------------------------------- */

static void note_problem(void *context, const char *line)
{
    HARNESS_REQUIRE(line && *line);
    ++*(int64_t *)context;
}

static void verify(struct library *library)
{
    int64_t reported = 0, problems = 0;
    if (worked(library_verify(library, NULL, note_problem, &reported, &problems, &error)))
        HARNESS_REQUIRE((reported > 0) == (problems > 0));
}

static void write_text(struct walk *walk, int64_t document)
{
    static char path[] = "/tides", title[] = "The moon", text[] = "The moon pulls the water.\n";
    struct library_source source = {.path = path, .size = 26, .lines = 1, .pages = 1};
    struct library_section section = {
        .title = title,
        .level = 1,
        .part = 1,
        .end_byte = 26,
        .line = 1,
        .page = 1,
        .text = text,
        .text_size = sizeof text - 1,
        .characters = sizeof text - 1,
        .text_hash = hash_of(text, sizeof text - 1),
    };
    worked(library_add_source(walk->library, document, &source, &error));
    worked(library_add_section(walk->library, document, &section, &error));
    worked(library_finish_document(walk->library, document, &error));
}

static void write_everything(struct walk *walk)
{
    struct hash fingerprint = hash_of("another model", 13);
    struct library_section_reading section = {.tokens = 3, .end_token = 3};
    int64_t document;
    if (worked(library_begin(walk->library, &error)))
        worked(library_commit(walk->library, &error));
    worked(library_touch_model(walk->library, &fingerprint, "m", "/m", &walk->model, &error));
    if (walk->reading > 0) {
        worked(library_put_section_reading(walk->library, walk->reading, &section, &error));
        worked(library_cut_reading(walk->library, walk->reading, 1, &error));
    }
    if (walk->document > 0) {
        worked(library_cut_document(walk->library, walk->document, 1, 1, &error));
        worked(library_remove_document(walk->library, walk->document, &error));
    }
    if (worked(library_add_document(walk->library, "tides", "/tides", 1, &document, &error)))
        write_text(walk, document);
}

static void walk_all(struct library *library)
{
    struct walk walk = {.library = library, .model = 1};
    worked(library_each_document(library, note_document, &walk, &error));
    walk_models(&walk);
    find_document(&walk, "1");
    find_document(&walk, "Tides");
    find_document(&walk, "/nowhere");
    for (size_t i = 0; i < walk.count; i++) {
        walk.document = walk.documents[i];
        walk_sources(&walk);
        walk_sections(&walk);
        search(&walk);
        walk_readings(&walk);
        walk_questions(&walk);
    }
    verify(library);
    write_everything(&walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct library *library;
    harness_clear();
    harness_write("library.db", bytes, size);
    if (worked(library_open(&library, harness_folder(), &error))) {
        walk_all(library);
        library_close(library);
    } else {
        HARNESS_REQUIRE(harness_is_unchanged("library.db", bytes, size));
    }
    return 0;
}
