#include <stdlib.h>

#include "base/clock.h"
#include "store/library_private.h"

void library_question_free(struct library_question *question)
{
    free(question->scope);
    free(question->question);
    free(question->answer);
    free(question->detail);
    *question = (struct library_question){0};
}

/* An answer takes a while to come: another process may have removed the parent since. */
bool library_add_question(struct library *library, const struct library_question *question,
                          int64_t *id, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "keep a question",
               "INSERT INTO question (document, model, asked_at, scope, question, answer, detail,"
               " parent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
               " (SELECT id FROM question WHERE id = ?8 AND document = ?1))");
    db_bind_int(&query, question->document);
    db_bind_int(&query, question->model);
    db_bind_int(&query, question->asked_at);
    db_bind_text(&query, question->scope);
    db_bind_text(&query, question->question);
    db_bind_text(&query, question->answer);
    db_bind_text(&query, question->detail);
    db_bind_int(&query, question->parent);
    bool ok = db_run(&query, error);
    *id = ok ? sqlite3_last_insert_rowid(library->db.handle) : 0;
    return ok;
}

/* In the order that read_question takes. A parent that a damaged file names counts only
 * if it is there, of the same document, and an earlier question: who follows parents up
 * comes to an end. */
#define SELECT_QUESTION                                                                            \
    "SELECT id, document, model, coalesce((SELECT parent.id FROM question AS parent"               \
    " WHERE parent.id = question.parent AND parent.document = question.document"                   \
    " AND parent.id > 0 AND parent.id < question.id), 0),"                                         \
    " asked_at, scope, question, answer, detail FROM question"

static void read_question(struct db_query *query, struct library_question *question)
{
    *question = (struct library_question){
        .id = db_get_int(query, 1, INT64_MAX),
    };
    question->document = db_get_int(query, 1, INT64_MAX);
    question->model = db_get_int(query, 1, INT64_MAX);
    question->parent = db_get_int(query, 0, question->id - 1);
    question->asked_at = db_get_int(query, INT64_MIN, INT64_MAX);
    question->scope = db_get_text(query, NULL);
    question->question = db_get_text(query, NULL);
    question->answer = db_get_optional_text(query, NULL);
    question->detail = db_get_text(query, NULL);
}

/* Takes the one row that the query gives, if any, and ends it. */
static bool take_question(struct db_query *query, struct library_question *question, bool *found,
                          struct error *error)
{
    *question = (struct library_question){0};
    *found = db_row(query);
    if (*found)
        read_question(query, question);
    if (db_finish(query, error))
        return true;
    library_question_free(question);
    *found = false;
    return false;
}

static bool no_such_question(int64_t id, struct error *error)
{
    return error_set(error, ERROR_INPUT,
                     "the library has no question %lld: it was removed, or never asked",
                     (long long)id);
}

bool library_get_question(struct library *library, int64_t id, struct library_question *question,
                          struct error *error)
{
    struct db_query query;
    bool found;
    db_prepare(&query, &library->db, "look up a question", SELECT_QUESTION " WHERE id = ?");
    db_bind_int(&query, id);
    return take_question(&query, question, &found, error) && (found || no_such_question(id, error));
}

bool library_last_question(struct library *library, int64_t document,
                           struct library_question *question, bool *found, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look up the last question",
               SELECT_QUESTION " WHERE document = ? ORDER BY id DESC LIMIT 1");
    db_bind_int(&query, document);
    if (!take_question(&query, question, found, error))
        return false;
    if (!*found || question->document == document)
        return true;
    library_question_free(question);
    *found = false;
    return db_damaged(&library->db, "an index does not fit its table", error);
}

bool library_remove_question(struct library *library, int64_t id, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "remove a question", "DELETE FROM question WHERE id = ?");
    db_bind_int(&query, id);
    return db_run(&query, error) &&
           (sqlite3_changes(library->db.handle) == 1 || no_such_question(id, error));
}

bool library_each_question(struct library *library, int64_t document, library_question_visit *visit,
                           void *context, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "list the questions",
               SELECT_QUESTION " WHERE document = ? ORDER BY id");
    db_bind_int(&query, document);
    for (bool more = true; more && db_row(&query);) {
        struct library_question question;
        read_question(&query, &question);
        if (db_ok(&query))
            more = visit(context, &question);
        library_question_free(&question);
    }
    return db_finish(&query, error);
}

bool library_get_summary(struct library *library, int64_t document, int64_t model,
                         enum library_summary_kind kind, int64_t section,
                         const struct hash *made_from, struct buffer *text, bool *found,
                         struct error *error)
{
    buffer_clear(text);
    struct db_query query;
    db_prepare(&query, &library->db, "look up a summary",
               "SELECT text FROM summary WHERE document = ? AND model = ? AND kind = ?"
               " AND section = ? AND made_from = ?");
    db_bind_int(&query, document);
    db_bind_int(&query, model);
    db_bind_int(&query, kind);
    db_bind_int(&query, section);
    db_bind_hash(&query, made_from);
    size_t size = 0;
    char *stored = NULL;
    *found = db_row(&query);
    if (*found)
        stored = db_get_text(&query, &size);
    bool ok = db_finish(&query, error) && (!stored || buffer_append(text, stored, size, error));
    free(stored);
    if (!ok)
        *found = false;
    return ok;
}

bool library_put_summary(struct library *library, int64_t document, int64_t model,
                         enum library_summary_kind kind, int64_t section,
                         const struct hash *made_from, const char *text, struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "keep a summary",
               "INSERT OR REPLACE INTO summary (document, model, kind, section, made_from, text,"
               " made_at) VALUES (?, ?, ?, ?, ?, ?, ?)");
    db_bind_int(&query, document);
    db_bind_int(&query, model);
    db_bind_int(&query, kind);
    db_bind_int(&query, section);
    db_bind_hash(&query, made_from);
    db_bind_text(&query, text);
    db_bind_int(&query, clock_unix_time());
    return db_run(&query, error);
}

/* --- summaries -------------------------------------------------------------- */

void library_summary_free(struct library_summary *summary)
{
    free(summary->text);
    *summary = (struct library_summary){0};
}

bool library_each_summary(struct library *library, int64_t document, library_summary_visit *visit,
                          void *context, struct error *error)
{
    struct db_query query;
    /* Beside max(), SQLite takes the other columns from the row that has it. */
    db_prepare(&query, &library->db, "list the summaries",
               "SELECT model, kind, section, text, max(made_at) FROM summary WHERE document = ?"
               " GROUP BY kind, section ORDER BY kind, section");
    db_bind_int(&query, document);
    for (bool more = true; more && db_row(&query);) {
        struct library_summary summary = {.model = db_get_int(&query, 1, INT64_MAX)};
        summary.kind = (enum library_summary_kind)db_get_int(&query, LIBRARY_SUMMARY_SECTION,
                                                             LIBRARY_SUMMARY_CHAPTER);
        summary.section = db_get_int(&query, -1, INT64_MAX);
        summary.text = db_get_text(&query, NULL);
        summary.made_at = db_get_int(&query, INT64_MIN, INT64_MAX);
        if (db_ok(&query))
            more = visit(context, &summary);
        library_summary_free(&summary);
    }
    return db_finish(&query, error);
}
