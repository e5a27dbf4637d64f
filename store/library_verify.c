/* Whether a library is as it must be. One kind of problem after the other is looked
 * for, so that one does not hide the next; a query that damage ends is a problem, too
 * (db_report_finish). */
#include "store/library_verify.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "store/library_private.h"

static int64_t get_any(struct db_query *query)
{
    return db_get_int(query, INT64_MIN, INT64_MAX);
}

/* The next section, and this one as people count them. */
static long long after(int64_t ordinal)
{
    return ordinal < INT64_MAX ? (long long)ordinal + 1 : 0;
}

/* --- text ------------------------------------------------------------------ */

struct section {
    int64_t document, ordinal, source, begin, end, characters;
    bool has_source;
    struct hash hash;
    char *title, *text;
    size_t title_size, text_size;
};

static void read_section(struct db_query *query, struct section *section)
{
    section->document = get_any(query);
    section->ordinal = get_any(query);
    section->source = get_any(query);
    section->has_source = db_get_int(query, 0, 1) != 0;
    section->begin = get_any(query);
    section->end = get_any(query);
    section->characters = get_any(query);
    section->hash = db_get_hash(query);
    section->title = db_get_text(query, &section->title_size);
    section->text = db_get_text(query, &section->text_size);
}

static void report_section(struct db_report *report, const struct section *section,
                           const char *what)
{
    db_report(report, "document %lld, section %lld: %s", (long long)section->document,
              after(section->ordinal), what);
}

static void check_section(struct db_report *report, const struct section *section)
{
    struct hash hash = hash_of(section->text, section->text_size);
    bool is_utf8 = utf8_is_valid(section->text, section->text_size);
    if (!hash_equal(&hash, &section->hash))
        report_section(report, section, "the checksum of its text differs");
    if (!is_utf8)
        report_section(report, section, "its text is not UTF-8");
    else if (section->characters < 0 ||
             (uint64_t)section->characters != utf8_count(section->text, section->text_size))
        report_section(report, section, "its text has not as many characters as it claims");
    if (!utf8_is_valid(section->title, section->title_size))
        report_section(report, section, "its title is not UTF-8");
    if (!section->has_source)
        report_section(report, section, "the source file that it is from is not there");
    if (section->begin < 0 || section->begin > section->end)
        report_section(report, section, "it ends before it begins");
}

static bool check_sections(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    int64_t document = 0, next = 0;
    db_report_kind(report);
    db_prepare(&query, db, "check the sections",
               "SELECT document, ordinal, source,"
               " EXISTS (SELECT 1 FROM source WHERE source.document = section.document"
               "            AND source.ordinal = section.source),"
               " begin_byte, end_byte, characters, text_hash, title, text"
               " FROM section ORDER BY document, ordinal");
    while (db_row(&query)) {
        struct section section = {0};
        read_section(&query, &section);
        if (db_ok(&query)) {
            if (section.document != document)
                next = 0;
            document = section.document;
            if (section.ordinal != next)
                report_section(report, &section, "the section before it is missing");
            next = after(section.ordinal);
            check_section(report, &section);
        }
        free(section.title);
        free(section.text);
    }
    return db_report_finish(report, &query, error);
}

/* --- documents ------------------------------------------------------------- */

static bool check_documents(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check the documents",
               "SELECT document.id, document.sections, document.characters, count(section.id),"
               " CAST(total(section.characters) AS INTEGER)"
               " FROM document LEFT JOIN section ON section.document = document.id"
               " GROUP BY document.id");
    while (db_row(&query)) {
        long long id = get_any(&query);
        long long sections = get_any(&query), characters = get_any(&query);
        long long sections_there = get_any(&query), characters_there = get_any(&query);
        if (db_ok(&query) && sections != sections_there)
            db_report(report, "document %lld: it claims %lld sections, %lld are there", id,
                      sections, sections_there);
        if (db_ok(&query) && characters != characters_there)
            db_report(report, "document %lld: it claims %lld characters, %lld are there", id,
                      characters, characters_there);
    }
    return db_report_finish(report, &query, error);
}

static bool check_sources(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check the source files",
               "SELECT document.id, count(source.ordinal), coalesce(min(source.ordinal), 0),"
               " coalesce(max(source.ordinal), -1)"
               " FROM document LEFT JOIN source ON source.document = document.id"
               " GROUP BY document.id");
    while (db_row(&query)) {
        long long id = get_any(&query), count = get_any(&query);
        long long first = get_any(&query), last = get_any(&query);
        if (db_ok(&query) && (count == 0 || first != 0 || last != count - 1))
            db_report(report, "document %lld: a source file is missing", id);
    }
    return db_report_finish(report, &query, error);
}

/* --- readings -------------------------------------------------------------- */

/* The sum may have been taken in another order. */
static bool same_bits(double a, double b)
{
    double difference = fabs(a - b);
    return isfinite(difference) && difference <= 1e-6 * (1 + fmax(fabs(a), fabs(b)));
}

static bool check_readings(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check what was read",
               "SELECT reading.document, reading.id, reading.sections, reading.tokens,"
               " reading.bits, document.sections, count(part.section),"
               " coalesce(max(part.end_token), 0), total(part.bits)"
               " FROM reading JOIN document ON document.id = reading.document"
               " LEFT JOIN section_reading AS part ON part.reading = reading.id"
               " GROUP BY reading.id");
    while (db_row(&query)) {
        long long document = get_any(&query), id = get_any(&query);
        long long sections = get_any(&query), tokens = get_any(&query);
        double bits = db_get_real(&query);
        long long all = get_any(&query);
        long long sections_there = get_any(&query), tokens_there = get_any(&query);
        double bits_there = db_get_real(&query);
        if (!db_ok(&query))
            break;
        if (sections > all)
            db_report(report, "document %lld, reading %lld: %lld sections are read of %lld",
                      document, id, sections, all);
        if (sections != sections_there)
            db_report(report,
                      "document %lld, reading %lld: it claims %lld sections, %lld are there",
                      document, id, sections, sections_there);
        if (tokens != tokens_there)
            db_report(report, "document %lld, reading %lld: it claims %lld tokens, %lld are there",
                      document, id, tokens, tokens_there);
        if (!same_bits(bits, bits_there))
            db_report(report, "document %lld, reading %lld: it claims %g bits, %g are there",
                      document, id, bits, bits_there);
    }
    return db_report_finish(report, &query, error);
}

static bool check_section_readings(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    int64_t reading = 0, next = 0, stream = 0;
    db_report_kind(report);
    db_prepare(&query, db, "check what was read of the sections",
               "SELECT reading, section, tokens, end_token FROM section_reading"
               " ORDER BY reading, section");
    while (db_row(&query)) {
        int64_t id = get_any(&query), section = get_any(&query);
        int64_t tokens = get_any(&query), end = get_any(&query);
        if (!db_ok(&query))
            break;
        if (id != reading)
            next = 0;
        reading = id;
        if (section != next)
            db_report(report, "reading %lld, section %lld: the section before it is missing",
                      (long long)id, after(section));
        else if (tokens < 0 || end < tokens || (section > 0 && end - tokens != stream))
            db_report(report,
                      "reading %lld, section %lld: its tokens do not go on where those of "
                      "the section before it end",
                      (long long)id, after(section));
        stream = end;
        next = after(section);
    }
    return db_report_finish(report, &query, error);
}

/* --- summaries ------------------------------------------------------------- */

static bool check_summaries(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check the summaries",
               "SELECT document.id, summary.kind, summary.section"
               " FROM summary JOIN document ON document.id = summary.document"
               " WHERE summary.kind NOT BETWEEN ? AND ?"
               " OR summary.section NOT BETWEEN -1 AND document.sections - 1");
    db_bind_int(&query, LIBRARY_SUMMARY_SECTION);
    db_bind_int(&query, LIBRARY_SUMMARY_CHAPTER);
    while (db_row(&query)) {
        long long document = get_any(&query), kind = get_any(&query), section = get_any(&query);
        if (db_ok(&query))
            db_report(report,
                      "document %lld: there cannot be a summary of kind %lld of section %lld",
                      document, kind, after(section));
    }
    return db_report_finish(report, &query, error);
}

/* --- questions ------------------------------------------------------------- */

/* A parent that is not there at all is found with what else refers to nothing. */
static bool check_questions(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check the questions",
               "SELECT question.document, question.id, parent.id"
               " FROM question JOIN question AS parent ON parent.id = question.parent"
               " WHERE parent.document <> question.document OR parent.id >= question.id");
    while (db_row(&query)) {
        long long document = get_any(&query), id = get_any(&query), parent = get_any(&query);
        if (db_ok(&query))
            db_report(report, "document %lld, question %lld: it cannot follow up question %lld",
                      document, id, parent);
    }
    return db_report_finish(report, &query, error);
}

/* --- notes ----------------------------------------------------------------- */

struct note {
    long long document, id, kind, section, begin, end;
    char *texts[3]; /* name, passage, text */
    size_t sizes[3];
};

static void read_note(struct db_query *query, struct note *note)
{
    note->document = get_any(query);
    note->id = get_any(query);
    note->kind = get_any(query);
    note->section = get_any(query);
    note->begin = get_any(query);
    note->end = get_any(query);
    for (int i = 0; i < 3; i++)
        note->texts[i] = db_get_text(query, &note->sizes[i]);
}

static void report_note(struct db_report *report, const struct note *note, const char *what)
{
    db_report(report, "document %lld, note %lld: %s", note->document, note->id, what);
}

static void check_note(struct db_report *report, const struct note *note)
{
    bool is_mark = note->kind == LIBRARY_NOTE_MARK;
    bool is_utf8 = true;
    for (int i = 0; i < 3; i++)
        is_utf8 = is_utf8 && utf8_is_valid(note->texts[i], note->sizes[i]);
    if (note->kind < LIBRARY_NOTE_MARK || note->kind > LIBRARY_NOTE_NOTE)
        report_note(report, note, "its kind is unknown");
    else if (is_mark != (note->sizes[0] > 0))
        report_note(report, note, is_mark ? "a mark without a name" : "a name, but no mark");
    if (note->section < 0 || note->begin < 0 || note->begin > note->end)
        report_note(report, note, "there cannot be such a place");
    if (!is_utf8)
        report_note(report, note, "its text is not UTF-8");
}

static bool check_notes(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check the notes",
               "SELECT document, id, kind, section, begin, end, name, passage, text"
               " FROM note ORDER BY id");
    while (db_row(&query)) {
        struct note note = {0};
        read_note(&query, &note);
        if (db_ok(&query))
            check_note(report, &note);
        for (int i = 0; i < 3; i++)
            free(note.texts[i]);
    }
    return db_report_finish(report, &query, error);
}

static bool check_places(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_report_kind(report);
    db_prepare(&query, db, "check the places",
               "SELECT document FROM place WHERE section < 0 OR byte < 0");
    while (db_row(&query)) {
        long long document = get_any(&query);
        if (db_ok(&query))
            db_report(report, "document %lld: nobody can have been where its place is kept",
                      document);
    }
    return db_report_finish(report, &query, error);
}

/* --- all ------------------------------------------------------------------- */

static bool check_all(struct db *db, struct db_report *report, struct error *error)
{
    return db_verify_file(db, report, error) && check_sections(db, report, error) &&
           check_documents(db, report, error) && check_sources(db, report, error) &&
           check_readings(db, report, error) && check_section_readings(db, report, error) &&
           check_summaries(db, report, error) && check_questions(db, report, error) &&
           check_notes(db, report, error) && check_places(db, report, error) &&
           library_verify_index(db, report, error);
}

/* Everything of one moment. Nothing is written, so there is nothing to commit, which
 * damage could make fail. */
bool library_verify_all(struct db *db, struct db_report *report, struct error *error)
{
    bool own;
    assert(sqlite3_get_autocommit(db->handle));
    if (!db_enter_reading(db, &own, error))
        return false;
    bool ok = check_all(db, report, error);
    db_rollback(db);
    return ok;
}

bool library_verify(struct library *library, const atomic_bool *cancel, library_problem *line,
                    void *context, int64_t *problems, struct error *error)
{
    struct db_report report = {.line = line, .context = context};
    db_watch(&library->db, cancel);
    bool ok = library_verify_all(&library->db, &report, error);
    db_watch(&library->db, NULL);
    *problems = report.problems;
    return ok;
}
