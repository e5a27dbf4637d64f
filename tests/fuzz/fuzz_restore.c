/* A backup from anywhere, restored over a library with a document in it: nothing comes
 * in that is not sound, and a backup that is refused leaves the library as it was. The
 * input is the file, which is never changed. */
#include "tests/fuzz/harness.h"

#include "store/library.h"

#include <stdio.h>
#include <string.h>

#define PATH_SIZE 1024

static struct error error;

static bool worked(bool ok)
{
    if (!ok)
        harness_require_error(&error);
    return ok;
}

static void add_document(struct library *library)
{
    static char path[] = "/tides", title[] = "The moon", text[] = "The moon pulls the water.\n";
    const size_t size = strlen(text);
    struct library_source source = {.path = path, .size = (int64_t)size, .lines = 1, .pages = 1};
    struct library_section section = {
        .title = title,
        .level = 1,
        .part = 1,
        .end_byte = (int64_t)size,
        .line = 1,
        .page = 1,
        .text = text,
        .text_size = size,
        .characters = (int64_t)size,
        .text_hash = hash_of(text, size),
    };
    int64_t id;
    HARNESS_REQUIRE(library_add_document(library, "tides", path, 1, &id, &error));
    HARNESS_REQUIRE(library_add_source(library, id, &source, &error));
    HARNESS_REQUIRE(library_add_section(library, id, &section, &error));
    HARNESS_REQUIRE(library_finish_document(library, id, &error));
}

/* A library with a document in it, made once. */
static void write_library(void)
{
    static char *bytes;
    static size_t size;
    struct library *library;
    if (!bytes) {
        HARNESS_REQUIRE(library_open(&library, harness_folder(), &error));
        add_document(library);
        library_close(library);
        bytes = harness_read("library.db", &size);
        harness_clear();
    }
    harness_write("library.db", bytes, size);
}

static void note_problem(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

static void require_sound(struct library *library)
{
    int64_t problems = 0;
    HARNESS_REQUIRE(library_verify(library, NULL, note_problem, NULL, &problems, &error));
    HARNESS_REQUIRE(problems == 0);
}

static void require_document(struct library *library, bool present)
{
    struct library_document document;
    bool found = library_find_document(library, "/tides", &document, &error);
    HARNESS_REQUIRE(!present || found);
    if (found)
        library_document_free(&document);
}

static void restore(struct library *library, const char *backup)
{
    struct library_loss loss;
    bool refused = false;
    bool restored = worked(library_restore(library, backup, false, &loss, &refused, &error));
    require_document(library, !restored || refused);
    if (restored && refused) {
        restored = worked(library_restore(library, backup, true, &loss, &refused, &error));
        HARNESS_REQUIRE(!refused);
        require_document(library, !restored);
    }
    require_sound(library);
    if (restored) {
        char copy[PATH_SIZE];
        snprintf(copy, sizeof copy, "%s/copy.db", harness_folder());
        HARNESS_REQUIRE(library_backup(library, copy, &error));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct library *library;
    char backup[PATH_SIZE];
    harness_clear();
    write_library();
    snprintf(backup, sizeof backup, "%s", harness_write("backup.db", bytes, size));
    HARNESS_REQUIRE(library_open(&library, harness_folder(), &error));
    restore(library, backup);
    library_close(library);
    HARNESS_REQUIRE(harness_is_unchanged("backup.db", bytes, size));
    return 0;
}
