#include "store/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/library_private.h"
#include "store/library_search.h"

bool library_open(struct library **library, const char *folder, struct error *error)
{
    *library = calloc(1, sizeof **library);
    if (!*library)
        return error_out_of_memory(error);
    if (db_open(&(*library)->db, folder, &library_schema_kind, error)) {
        if (library_search_register(&(*library)->db, error))
            return true;
        db_close(&(*library)->db);
    }
    free(*library);
    *library = NULL;
    return false;
}

void library_close(struct library *library)
{
    if (!library)
        return;
    db_rollback(&library->db);
    db_close(&library->db);
    free(library);
}

bool library_begin(struct library *library, struct error *error)
{
    return db_begin(&library->db, error);
}

bool library_commit(struct library *library, struct error *error)
{
    return db_commit(&library->db, error);
}

void library_rollback(struct library *library)
{
    db_rollback(&library->db);
}

/* --- documents ------------------------------------------------------------- */

void library_document_free(struct library_document *document)
{
    free(document->name);
    free(document->path);
    *document = (struct library_document){0};
}

bool library_read_document(struct db_query *query, struct library_document *document)
{
    *document = (struct library_document){
        .id = db_get_int(query, 1, INT64_MAX),
    };
    document->name = db_get_text(query, NULL);
    document->path = db_get_text(query, NULL);
    document->added_at = db_get_int(query, INT64_MIN, INT64_MAX);
    document->sections = db_get_count(query);
    document->characters = db_get_count(query);
    document->bytes = db_get_count(query);
    document->normalizer = (int)db_get_int(query, INT32_MIN, INT32_MAX);
    document->complete = db_get_int(query, 0, 1) != 0;
    if (db_ok(query))
        return true;
    library_document_free(document);
    return false;
}

static bool name_is_taken(struct library *library, const char *name, bool *taken,
                          struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look for a document's name",
               "SELECT 1 FROM document WHERE name = ?");
    db_bind_text(&query, name);
    *taken = db_row(&query);
    return db_finish(&query, error);
}

/* Sets *unique to the name, with " (2)", " (3)" ... behind it where it is taken. */
static bool make_unique(struct library *library, const char *name, char **unique,
                        struct error *error)
{
    size_t size = strlen(name) + 24;
    *unique = malloc(size);
    if (!*unique)
        return error_out_of_memory(error);
    snprintf(*unique, size, "%s", name);
    bool taken = true;
    for (long long number = 2;; number++) {
        if (!name_is_taken(library, *unique, &taken, error))
            break;
        if (!taken)
            return true;
        snprintf(*unique, size, "%s (%lld)", name, number);
    }
    free(*unique);
    *unique = NULL;
    return false;
}

static bool insert_document(struct library *library, const char *name, const char *path,
                            int normalizer, int64_t *id, struct error *error)
{
    char *unique;
    if (!make_unique(library, name, &unique, error))
        return false;
    struct db_query query;
    db_prepare(&query, &library->db, "add a document",
               "INSERT INTO document (name, path, added_at, normalizer) VALUES (?, ?, ?, ?)");
    db_bind_text(&query, unique);
    db_bind_text(&query, path);
    db_bind_int(&query, clock_unix_time());
    db_bind_int(&query, normalizer);
    bool ok = db_run(&query, error);
    *id = ok ? sqlite3_last_insert_rowid(library->db.handle) : 0;
    free(unique);
    return ok;
}

bool library_add_document(struct library *library, const char *name, const char *path,
                          int normalizer, int64_t *id, struct error *error)
{
    bool own;
    return db_enter(&library->db, &own, error) &&
           db_leave(&library->db, own, insert_document(library, name, path, normalizer, id, error),
                    error);
}

static bool no_such_document(int64_t id, struct error *error)
{
    return error_set(error, ERROR_INPUT,
                     "the library has no document %lld: `tidemark ls` lists what it has",
                     (long long)id);
}

/* Ends a query that was to change or remove exactly one document. */
static bool run_on_document(struct library *library, struct db_query *query, int64_t document,
                            struct error *error)
{
    if (!db_run(query, error))
        return false;
    return sqlite3_changes(library->db.handle) == 1 || no_such_document(document, error);
}

bool library_finish_document(struct library *library, int64_t document, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "finish a document",
               "UPDATE document SET complete = 1 WHERE id = ?");
    db_bind_int(&query, document);
    return run_on_document(library, &query, document, error);
}

/* The index reads the words that it is to forget from the sections, so it goes first. */
static bool remove_rows(struct library *library, int64_t document, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "remove a document from the index",
               "INSERT INTO search (search, rowid, title, text)"
               " SELECT 'delete', id, title, text FROM section WHERE document = ?");
    db_bind_int(&query, document);
    if (!db_run(&query, error))
        return false;
    db_prepare(&query, &library->db, "remove a document", "DELETE FROM document WHERE id = ?");
    db_bind_int(&query, document);
    if (!run_on_document(library, &query, document, error))
        return false;
    /* Until its segments are merged, the index still holds the words. */
    db_prepare(&query, &library->db, "remove a document from the index",
               "INSERT INTO search (search) VALUES ('optimize')");
    return db_run(&query, error);
}

bool library_remove_document(struct library *library, int64_t document, struct error *error)
{
    bool own;
    return db_enter(&library->db, &own, error) &&
           db_leave(&library->db, own, remove_rows(library, document, error), error);
}

bool library_get_document(struct library *library, int64_t id, struct library_document *document,
                          struct error *error)
{
    *document = (struct library_document){0};
    struct db_query query;
    db_prepare(&query, &library->db, "look up a document",
               "SELECT " LIBRARY_DOCUMENT_COLUMNS " FROM document WHERE id = ?");
    db_bind_int(&query, id);
    bool found = db_row(&query) && library_read_document(&query, document);
    return db_finish(&query, error) && (found || no_such_document(id, error));
}

bool library_each_document(struct library *library, library_document_visit *visit, void *context,
                           struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "list the documents",
               "SELECT " LIBRARY_DOCUMENT_COLUMNS " FROM document ORDER BY id");
    for (bool more = true; more && db_row(&query);) {
        struct library_document document;
        if (library_read_document(&query, &document)) {
            more = visit(context, &document);
            library_document_free(&document);
        }
    }
    return db_finish(&query, error);
}

/* --- sources --------------------------------------------------------------- */

void library_source_free(struct library_source *source)
{
    free(source->path);
    free(source->encoding);
    *source = (struct library_source){0};
}

/* What is known of a file once it was read, in the order of the table's columns. */
static void bind_source(struct db_query *query, const struct library_source *source)
{
    db_bind_int(query, source->size);
    db_bind_int(query, source->lines);
    db_bind_int(query, source->pages);
    db_bind_int(query, source->invalid_bytes);
    db_bind_int(query, source->modified_ns);
    db_bind_hash(query, &source->hash);
    db_bind_text(query, source->encoding);
    db_bind_int(query, source->evidence);
    db_bind_int(query, source->confidence);
}

bool library_add_source(struct library *library, int64_t document,
                        const struct library_source *source, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "add a source file",
               "INSERT INTO source (document, ordinal, path, size, lines, pages, invalid_bytes,"
               " modified_ns, hash, encoding, evidence, confidence)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_bind_int(&query, document);
    db_bind_int(&query, source->ordinal);
    db_bind_text(&query, source->path);
    bind_source(&query, source);
    return db_run(&query, error);
}

static bool no_such_source(int64_t document, int64_t ordinal, struct error *error)
{
    return error_set(error, ERROR_INPUT, "document %lld has no source file %lld",
                     (long long)document, (long long)ordinal + 1);
}

bool library_finish_source(struct library *library, int64_t document,
                           const struct library_source *source, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "finish a source file",
               "UPDATE source SET size = ?, lines = ?, pages = ?, invalid_bytes = ?,"
               " modified_ns = ?, hash = ?, encoding = ?, evidence = ?,"
               " confidence = ?"
               " WHERE document = ? AND ordinal = ?");
    bind_source(&query, source);
    db_bind_int(&query, document);
    db_bind_int(&query, source->ordinal);
    return db_run(&query, error) && (sqlite3_changes(library->db.handle) == 1 ||
                                     no_such_source(document, source->ordinal, error));
}

bool library_get_source(struct library *library, int64_t document, int64_t ordinal,
                        struct library_source *source, struct error *error)
{
    *source = (struct library_source){.ordinal = ordinal};
    struct db_query query;
    db_prepare(&query, &library->db, "look up a source file",
               "SELECT path, size, lines, pages, invalid_bytes, modified_ns, hash, encoding,"
               " evidence, confidence FROM source WHERE document = ? AND ordinal = ?");
    db_bind_int(&query, document);
    db_bind_int(&query, ordinal);
    bool found = db_row(&query);
    if (found) {
        source->path = db_get_text(&query, NULL);
        source->size = db_get_count(&query);
        source->lines = db_get_count(&query);
        source->pages = db_get_count(&query);
        source->invalid_bytes = db_get_count(&query);
        source->modified_ns = db_get_int(&query, INT64_MIN, INT64_MAX);
        source->hash = db_get_hash(&query);
        source->encoding = db_get_optional_text(&query, NULL);
        source->evidence = db_get_count(&query);
        source->confidence = db_get_int(&query, 0, 100);
    }
    bool ok = db_finish(&query, error) && (found || no_such_source(document, ordinal, error));
    if (!ok)
        library_source_free(source);
    return ok;
}

bool library_count_sources(struct library *library, int64_t document, int64_t *count,
                           struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "count the source files",
               "SELECT count(*) FROM source WHERE document = ?");
    db_bind_int(&query, document);
    return db_run_for_count(&query, count, error);
}
