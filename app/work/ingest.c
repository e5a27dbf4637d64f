#include "app/work/ingest.h"

#include "document/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sections in one transaction: enough that commits cost nothing beside parsing,
 * few enough that the write-ahead log stays small. */
enum { SECTIONS_PER_COMMIT = 64 };

struct ingest {
    struct session *session;
    int64_t document;
    int64_t ordinal; /* of the next section */
    int64_t stored;  /* sections that an earlier run left */
    bool differs;    /* everything from here on is new */
    int64_t pending; /* sections since the last commit */
};

/* --- which document --------------------------------------------------------------- */

static bool absolute_paths(char ***absolute, const char *const *paths, size_t count,
                           struct error *error)
{
    char **result = calloc(count, sizeof *result);
    if (!result)
        return error_out_of_memory(error);
    *absolute = result;
    for (size_t i = 0; i < count; i++) {
        result[i] = realpath(paths[i], NULL);
        if (!result[i])
            return error_set(error, ERROR_INPUT, "cannot open %s: %s", paths[i], strerror(errno));
    }
    return true;
}

static void free_paths(char **paths, size_t count)
{
    for (size_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
}

static void name_from_path(char name[256], const char *path)
{
    const char *base = strrchr(path, '/');
    snprintf(name, 256, "%s", base ? base + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name)
        *dot = '\0';
}

/* True when every file has the size and time that the library noted. */
static bool is_unchanged(struct ingest *in, char *const *paths, size_t count, bool *unchanged,
                         struct error *error)
{
    *unchanged = true;
    for (size_t i = 0; *unchanged && i < count; i++) {
        struct library_source source;
        struct file_identity now;
        if (!library_get_source(in->session->library, in->document, (int64_t)i, &source, error))
            return false;
        bool seen = file_identify(&now, paths[i], error);
        *unchanged =
            seen && (int64_t)now.size == source.size && now.modified_ns == source.modified_ns;
        library_source_free(&source);
        if (!seen)
            return false;
    }
    return true;
}

/* --- sections ----------------------------------------------------------------------- */

static bool same_section(const struct library_section *a, const struct library_section *b)
{
    return a->source == b->source && a->level == b->level && a->part == b->part &&
           a->begin_byte == b->begin_byte && a->end_byte == b->end_byte && a->line == b->line &&
           a->page == b->page && hash_equal(&a->text_hash, &b->text_hash) &&
           strcmp(a->title, b->title) == 0;
}

/* Drops what was stored from section `ordinal` on, with the states over it. */
static bool cut(struct ingest *in, int64_t ordinal, struct error *error)
{
    return states_remove_from(in->session->states, in->document, ordinal, error) &&
           library_cut_document(in->session->library, in->document, ordinal, DOCUMENT_NORMALIZER,
                                error);
}

static bool keep_or_cut(struct ingest *in, const struct library_section *fresh, struct error *error)
{
    if (in->differs)
        return true;
    if (in->ordinal < in->stored) {
        struct library_section old;
        if (!library_get_section(in->session->library, in->document, in->ordinal, LIBRARY_OUTLINE,
                                 &old, error))
            return false;
        bool same = same_section(&old, fresh);
        library_section_free(&old);
        if (same)
            return true;
        if (!cut(in, in->ordinal, error))
            return false;
    }
    in->differs = true;
    return true;
}

static bool take_section(struct ingest *in, int64_t source, const struct document_section *section,
                         struct error *error)
{
    struct library_section row = {
        .ordinal = in->ordinal,
        .source = source,
        .title = (char *)(uintptr_t)section->title,
        .level = section->level,
        .part = section->part,
        .begin_byte = (int64_t)section->begin.byte,
        .end_byte = (int64_t)section->end_byte,
        .line = (int64_t)section->begin.line,
        .page = (int64_t)section->begin.page,
        .characters = (int64_t)section->characters,
        .text_hash = hash_of(section->text, section->size),
        .text = (char *)(uintptr_t)section->text,
        .text_size = section->size,
        .map = (void *)(uintptr_t)section->map,
        .map_size = section->map_size,
    };
    struct library *library = in->session->library;
    if (!keep_or_cut(in, &row, error))
        return false;
    if (in->differs && !library_add_section(library, in->document, &row, error))
        return false;
    in->ordinal++;
    if (++in->pending < SECTIONS_PER_COMMIT)
        return true;
    in->pending = 0;
    return library_commit(library, error) && library_begin(library, error);
}

static void report(struct ingest *in)
{
    struct event_progress progress = {.doing = "taking in text",
                                      .document = in->document,
                                      .section = in->ordinal,
                                      .seconds_left = -1};
    session_progress(in->session, &progress);
}

static bool take_sections(struct ingest *in, struct document_reader *reader, int64_t source,
                          struct error *error)
{
    struct document_section section;
    while (document_next(reader, &section, error)) {
        if (!take_section(in, source, &section, error))
            return false;
        report(in);
        if (session_cancelled(in->session))
            return error_set(error, ERROR_INTERRUPTED,
                             "interrupted while taking in the text: read it again to go on");
    }
    return error->kind == ERROR_NONE;
}

/* --- files ------------------------------------------------------------------------------ */

static bool take_source(struct ingest *in, const char *path, int64_t ordinal, struct error *error)
{
    struct document_reader *reader;
    struct file_identity identity;
    if (!file_identify(&identity, path, error) || !document_open(&reader, path, error))
        return false;
    struct library_source source = {.ordinal = ordinal, .path = (char *)(uintptr_t)path};
    error->kind = ERROR_NONE;
    bool ok = take_sections(in, reader, ordinal, error);
    const struct document_facts *facts = document_facts(reader);
    source.size = (int64_t)identity.size;
    source.modified_ns = identity.modified_ns;
    source.lines = (int64_t)facts->lines;
    source.pages = (int64_t)facts->pages;
    source.invalid_bytes = (int64_t)facts->invalid_bytes;
    source.hash = facts->hash;
    if (ok && facts->invalid_bytes)
        session_note(in->session, "%s: %llu bytes are not UTF-8 and are shown as U+FFFD", path,
                     (unsigned long long)facts->invalid_bytes);
    ok = ok && library_finish_source(in->session->library, in->document, &source, error);
    document_close(reader);
    return ok;
}

static bool take_all(struct ingest *in, char *const *paths, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!take_source(in, paths[i], (int64_t)i, error))
            return false;
    if (in->ordinal < in->stored && !in->differs && !cut(in, in->ordinal, error))
        return false;
    return library_finish_document(in->session->library, in->document, error);
}

/* The document with all its sources, so that a run that was cut off is found
 * again by its paths. */
static bool add_document(struct ingest *in, char *const *paths, size_t count, const char *name,
                         struct error *error)
{
    struct library *library = in->session->library;
    /* A library that was begun anew gives out ids again that old states still name. */
    if (!library_add_document(library, name, paths[0], DOCUMENT_NORMALIZER, &in->document, error) ||
        !states_remove_document(in->session->states, in->document, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct library_source source = {.ordinal = (int64_t)i, .path = paths[i]};
        if (!library_add_source(library, in->document, &source, error))
            return false;
    }
    return true;
}

/* A document that could not be taken in leaves nothing behind. */
static void forget(struct ingest *in)
{
    struct error ignored;
    struct library *library = in->session->library;
    if (!library_begin(library, &ignored))
        return;
    if (!library_remove_document(library, in->document, &ignored) ||
        !library_commit(library, &ignored))
        library_rollback(library);
}

/* Refuses what cannot be read before anything of it is in the library. */
static bool check_sources(char *const *paths, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct document_reader *reader;
        if (!document_open(&reader, paths[i], error))
            return false;
        document_close(reader);
    }
    return true;
}

static bool update(struct ingest *in, char *const *paths, size_t count, const char *name,
                   struct error *error)
{
    struct library_document found;
    bool known, unchanged = false, current = true;
    struct library *library = in->session->library;
    if (!library_find_by_paths(library, (const char *const *)(uintptr_t)paths, count, &found,
                               &known, error))
        return false;
    if (known) {
        in->document = found.id;
        in->stored = found.sections;
        current = found.normalizer == DOCUMENT_NORMALIZER;
        bool complete = found.complete && current;
        library_document_free(&found);
        if (complete && !is_unchanged(in, paths, count, &unchanged, error))
            return false;
        if (unchanged)
            return true;
    }
    if (!check_sources(paths, count, error) || !library_begin(library, error))
        return false;
    /* Another normalizer may cut the same bytes otherwise: nothing is kept then. */
    bool ok = (!known || current || cut(in, 0, error)) &&
              (known || add_document(in, paths, count, name, error)) &&
              take_all(in, paths, count, error) && library_commit(library, error);
    if (ok)
        return true;
    library_rollback(library);
    if (!known && in->document && error->kind != ERROR_INTERRUPTED)
        forget(in);
    return false;
}

bool ingest_run(struct session *session, const char *const *paths, size_t count, const char *name,
                int64_t *id, struct error *error)
{
    struct ingest in = {.session = session};
    char **absolute = NULL;
    char own_name[256];
    bool ok = absolute_paths(&absolute, paths, count, error);
    if (ok) {
        name_from_path(own_name, absolute[0]);
        ok = update(&in, absolute, count, name ? name : own_name, error);
    }
    free_paths(absolute, count);
    *id = in.document;
    return ok;
}
