#include "store/library_private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"

void library_note_free(struct library_note *note)
{
    free(note->name);
    free(note->passage);
    free(note->text);
    *note = (struct library_note){0};
}

static bool no_such_note(const struct library *library, int64_t id, enum error_kind kind,
                         struct error *error)
{
    return error_set(error, kind, "note %lld is not in %s any more: it was removed meanwhile",
                     (long long)id, library->db.path);
}

/* --- writing --------------------------------------------------------------- */

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void bind_note(struct db_query *query, const struct library_note *note)
{
    db_bind_int(query, note->document);
    db_bind_int(query, note->kind);
    db_bind_text(query, or_empty(note->name));
    db_bind_int(query, note->section);
    db_bind_int(query, note->begin);
    db_bind_int(query, note->end);
    db_bind_text(query, or_empty(note->passage));
    db_bind_text(query, or_empty(note->text));
    db_bind_int(query, note->made_at);
}

static bool insert_note(struct library *library, struct library_note *note, struct error *error)
{
    struct db_query query;
    db_prepare(
        &query, &library->db, "keep a note",
        "INSERT INTO note (document, kind, name, section, begin, end, passage, text, made_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (document, name) WHERE kind = 1 DO UPDATE SET"
        " (section, begin, end, passage, text, made_at) = (excluded.section,"
        " excluded.begin, excluded.end, excluded.passage, excluded.text, excluded.made_at)"
        " RETURNING id");
    bind_note(&query, note);
    if (db_run_for_count(&query, &note->id, error))
        return true;
    note->id = 0;
    return false;
}

/* A mark that takes the name of another of the document replaces that one. */
static bool update_note(struct library *library, const struct library_note *note,
                        struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "change a note",
               "UPDATE OR REPLACE note SET (kind, name, section, begin, end, passage, text,"
               " made_at) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) WHERE id = ?10 AND document = ?1");
    bind_note(&query, note);
    db_bind_int(&query, note->id);
    return db_run(&query, error) && (sqlite3_changes(library->db.handle) == 1 ||
                                     no_such_note(library, note->id, ERROR_STORE, error));
}

bool library_put_note(struct library *library, struct library_note *note, struct error *error)
{
    assert(note->kind >= LIBRARY_NOTE_MARK && note->kind <= LIBRARY_NOTE_NOTE);
    assert((note->kind == LIBRARY_NOTE_MARK) == (*or_empty(note->name) != '\0'));
    assert(note->section >= 0 && note->begin >= 0 && note->begin <= note->end);
    note->made_at = clock_unix_time();
    return note->id ? update_note(library, note, error) : insert_note(library, note, error);
}

bool library_remove_note(struct library *library, int64_t id, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "remove a note", "DELETE FROM note WHERE id = ?");
    db_bind_int(&query, id);
    return db_run(&query, error) && (sqlite3_changes(library->db.handle) == 1 ||
                                     no_such_note(library, id, ERROR_INPUT, error));
}

/* --- reading --------------------------------------------------------------- */

static void read_note(struct db_query *query, struct library_note *note)
{
    *note = (struct library_note){
        .id = db_get_int(query, 1, INT64_MAX),
    };
    note->document = db_get_int(query, 1, INT64_MAX);
    note->kind = (enum library_note_kind)db_get_int(query, LIBRARY_NOTE_MARK, LIBRARY_NOTE_NOTE);
    note->name = db_get_text(query, NULL);
    note->section = db_get_count(query);
    note->begin = db_get_count(query);
    note->end = db_get_int(query, note->begin, INT64_MAX);
    note->passage = db_get_text(query, NULL);
    note->text = db_get_text(query, NULL);
    note->made_at = db_get_int(query, INT64_MIN, INT64_MAX);
}

bool library_each_note(struct library *library, int64_t document, library_note_visit *visit,
                       void *context, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "list the notes",
               "SELECT id, document, kind, name, section, begin, end, passage, text, made_at"
               " FROM note WHERE document = ? ORDER BY section, begin, id");
    db_bind_int(&query, document);
    for (bool more = true; more && db_row(&query);) {
        struct library_note note;
        read_note(&query, &note);
        if (db_ok(&query))
            more = visit(context, &note);
        library_note_free(&note);
    }
    return db_finish(&query, error);
}

/* --- the place ------------------------------------------------------------- */

bool library_put_place(struct library *library, int64_t document, int64_t section, int64_t byte,
                       struct error *error)
{
    assert(section >= 0 && byte >= 0);
    struct db_query query;
    db_prepare(&query, &library->db, "keep the place in a document",
               "INSERT OR REPLACE INTO place (document, section, byte, at) VALUES (?, ?, ?, ?)");
    db_bind_int(&query, document);
    db_bind_int(&query, section);
    db_bind_int(&query, byte);
    db_bind_int(&query, clock_unix_time());
    return db_run(&query, error);
}

bool library_get_place(struct library *library, int64_t document, int64_t *section, int64_t *byte,
                       bool *found, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look up the place in a document",
               "SELECT section, byte FROM place WHERE document = ?");
    db_bind_int(&query, document);
    *section = *byte = 0;
    *found = db_row(&query);
    if (*found) {
        *section = db_get_count(&query);
        *byte = db_get_count(&query);
    }
    if (db_finish(&query, error))
        return true;
    *found = false;
    return false;
}
