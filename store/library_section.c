#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "store/library_private.h"

void library_section_free(struct library_section *section)
{
    free(section->title);
    free(section->text);
    free(section->map);
    *section = (struct library_section){0};
}

/* Counts the section in its document; fails unless it is the next one. */
static bool count_section(struct library *library, int64_t document,
                          const struct library_section *section, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "add a section",
               "UPDATE document SET sections = sections + 1, characters = characters + ?"
               " WHERE id = ? AND sections = ? AND complete = 0");
    db_bind_int(&query, section->characters);
    db_bind_int(&query, document);
    db_bind_int(&query, section->ordinal);
    if (!db_run(&query, error))
        return false;
    if (sqlite3_changes(library->db.handle) == 1)
        return true;
    return error_set(error, ERROR_STORE,
                     "cannot add section %lld: document %lld in %s is not waiting for it; remove "
                     "the document and add it again",
                     (long long)section->ordinal + 1, (long long)document, library->db.path);
}

static bool insert_section(struct library *library, int64_t document,
                           const struct library_section *section, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "add a section",
               "INSERT INTO section (document, ordinal, source, title, level, part, begin_byte,"
               " end_byte, line, page, characters, text_hash, text, map)"
               " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_bind_int(&query, document);
    db_bind_int(&query, section->ordinal);
    db_bind_int(&query, section->source);
    db_bind_text(&query, section->title);
    db_bind_int(&query, section->level);
    db_bind_int(&query, section->part);
    db_bind_int(&query, section->begin_byte);
    db_bind_int(&query, section->end_byte);
    db_bind_int(&query, section->line);
    db_bind_int(&query, section->page);
    db_bind_int(&query, section->characters);
    db_bind_hash(&query, &section->text_hash);
    db_bind_text_size(&query, section->text, section->text_size);
    db_bind_blob(&query, section->map, section->map_size);
    return db_run(&query, error);
}

static bool index_section(struct library *library, const struct library_section *section,
                          struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "index a section",
               "INSERT INTO search (rowid, title, text) VALUES (?, ?, ?)");
    db_bind_int(&query, sqlite3_last_insert_rowid(library->db.handle));
    db_bind_text(&query, section->title);
    db_bind_text_size(&query, section->text, section->text_size);
    return db_run(&query, error);
}

bool library_add_section(struct library *library, int64_t document,
                         const struct library_section *section, struct error *error)
{
    bool own;
    if (!db_enter(&library->db, &own, error))
        return false;
    bool ok = count_section(library, document, section, error) &&
              insert_section(library, document, section, error) &&
              index_section(library, section, error);
    return db_leave(&library->db, own, ok, error);
}

/* Runs a statement whose parameters are the document and the section. */
static bool run_from(struct library *library, const char *doing, const char *sql, int64_t document,
                     int64_t section, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, doing, sql);
    db_bind_int(&query, document);
    db_bind_int(&query, section);
    return db_run(&query, error);
}

/* A chapter goes on until a heading of its level or above, or the next source; if there is
 * none before the cut, it held what is dropped, or holds what comes. */
static bool cut_chapters(struct library *library, int64_t document, int64_t section,
                         struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "drop the summaries of chapters that were cut",
               "DELETE FROM summary WHERE document = ?1 AND kind = ?3 AND NOT EXISTS"
               " (SELECT 1 FROM section AS head JOIN section AS next"
               "     ON next.document = head.document AND next.ordinal > head.ordinal"
               "    AND next.ordinal < ?2 AND (next.source <> head.source"
               "         OR (next.level <= head.level AND next.part <= 1))"
               "  WHERE head.document = ?1 AND head.ordinal = summary.section)");
    db_bind_int(&query, document);
    db_bind_int(&query, section);
    db_bind_int(&query, LIBRARY_SUMMARY_CHAPTER);
    return db_run(&query, error);
}

static bool cut_rows(struct library *library, int64_t document, int64_t section, int normalizer,
                     struct error *error)
{
    static const char doing[] = "drop the end of a document";
    struct db_query query;
    if (!run_from(library, doing,
                  "INSERT INTO search (search, rowid, title, text) SELECT 'delete', id, title, text"
                  " FROM section WHERE document = ? AND ordinal >= ?",
                  document, section, error) ||
        !run_from(library, doing, "DELETE FROM section WHERE document = ? AND ordinal >= ?",
                  document, section, error) ||
        !run_from(library, doing,
                  "DELETE FROM summary WHERE document = ? AND (section >= ? OR section < 0)",
                  document, section, error) ||
        !cut_chapters(library, document, section, error) ||
        !run_from(library, doing,
                  "DELETE FROM section_reading WHERE reading IN"
                  " (SELECT id FROM reading WHERE document = ?) AND section >= ?",
                  document, section, error) ||
        !run_from(library, doing,
                  "UPDATE reading SET (sections, tokens, bits) ="
                  " (SELECT count(*), coalesce(max(end_token), 0), coalesce(sum(bits), 0.0)"
                  "    FROM section_reading WHERE reading = reading.id)"
                  " WHERE document = ? AND sections > ?",
                  document, section, error))
        return false;
    db_prepare(&query, &library->db, doing,
               "UPDATE document SET complete = 0, normalizer = ?2, (sections, characters) ="
               " (SELECT count(*), coalesce(sum(characters), 0) FROM section WHERE document = ?1)"
               " WHERE id = ?1");
    db_bind_int(&query, document);
    db_bind_int(&query, normalizer);
    return db_run(&query, error);
}

bool library_cut_document(struct library *library, int64_t document, int64_t section,
                          int normalizer, struct error *error)
{
    bool own;
    return db_enter(&library->db, &own, error) &&
           db_leave(&library->db, own, cut_rows(library, document, section, normalizer, error),
                    error);
}

/* The long columns are fetched only where ?1 asks for them. */
#define SECTION_COLUMNS                                                                            \
    "SELECT ordinal, source, title, level, part, begin_byte, end_byte, line, page, characters,"    \
    " text_hash, CASE WHEN ?1 & 1 THEN text END, CASE WHEN ?1 & 2 THEN map END FROM section"

static void read_section(struct db_query *query, struct library_section *section)
{
    *section = (struct library_section){
        .ordinal = db_get_count(query),
    };
    section->source = db_get_count(query);
    section->title = db_get_text(query, NULL);
    section->level = db_get_int(query, 0, INT32_MAX);
    section->part = db_get_int(query, 0, INT32_MAX);
    section->begin_byte = db_get_count(query);
    section->end_byte = db_get_count(query);
    section->line = db_get_count(query);
    section->page = db_get_count(query);
    section->characters = db_get_count(query);
    section->text_hash = db_get_hash(query);
    section->text = db_get_optional_text(query, &section->text_size);
    section->map = db_get_optional_blob(query, &section->map_size);
}

/* A text that is not what was stored would be read, and vouched for, as the document's. */
static bool check_text(struct library *library, unsigned parts,
                       const struct library_section *section, struct error *error)
{
    if (!(parts & LIBRARY_TEXT))
        return true;
    if (!section->text)
        return db_damaged(&library->db, "a section has no text", error);
    struct hash hash = hash_of(section->text, section->text_size);
    if (!hash_equal(&hash, &section->text_hash))
        return db_damaged(&library->db, "the checksum of a section's text differs", error);
    if (!utf8_is_valid(section->text, section->text_size))
        return db_damaged(&library->db, "a section's text is not UTF-8", error);
    return true;
}

bool library_get_section(struct library *library, int64_t document, int64_t ordinal, unsigned parts,
                         struct library_section *section, struct error *error)
{
    *section = (struct library_section){0};
    struct db_query query;
    db_prepare(&query, &library->db, "look up a section",
               SECTION_COLUMNS " WHERE document = ?2 AND ordinal = ?3");
    db_bind_int(&query, parts);
    db_bind_int(&query, document);
    db_bind_int(&query, ordinal);
    bool found = db_row(&query);
    if (found)
        read_section(&query, section);
    bool ok = db_finish(&query, error);
    if (ok && !found)
        ok = error_set(error, ERROR_INPUT, "document %lld has no section %lld", (long long)document,
                       (long long)ordinal + 1);
    /* An index that does not fit its table finds another. */
    if (ok && section->ordinal != ordinal)
        ok = db_damaged(&library->db, "an index does not fit its table", error);
    ok = ok && check_text(library, parts, section, error);
    if (!ok)
        library_section_free(section);
    return ok;
}

bool library_each_section(struct library *library, int64_t document, unsigned parts,
                          library_section_visit *visit, void *context, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "list the sections",
               SECTION_COLUMNS " WHERE document = ?2 ORDER BY ordinal");
    db_bind_int(&query, parts);
    db_bind_int(&query, document);
    bool sound = true;
    for (bool more = true; more && sound && db_row(&query);) {
        struct library_section section;
        read_section(&query, &section);
        if (db_ok(&query)) {
            sound = check_text(library, parts, &section, error);
            more = sound && visit(context, &section);
        }
        library_section_free(&section);
    }
    return db_finish(&query, sound ? error : NULL) && sound;
}
