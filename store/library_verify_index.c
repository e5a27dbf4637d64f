/* The full-text index against the text. FTS5 has a check of its own, which asks for the
 * write lock and would keep every other process from writing while it runs. So the
 * words are compared here: each occurrence in the text and each in the index is hashed
 * with its place, and the sums of the hashes must be equal. */
#include "store/library_search.h"
#include "store/library_verify.h"

#include <stdlib.h>
#include <string.h>

static const char doing[] = "check the full-text index";

/* FTS5 cuts longer words. */
#define WORD_LIMIT 32768

struct sums {
    uint64_t words, parts[2];
};

/* What makes up a place. */
struct place {
    int64_t row, column, position;
};

static void add_word(struct sums *sums, const struct place *place, const char *word, size_t size)
{
    unsigned char bytes[sizeof *place + sizeof(struct hash)];
    struct hash hash = hash_of(word, size);
    memcpy(bytes, place, sizeof *place);
    memcpy(bytes + sizeof *place, hash.bytes, sizeof hash.bytes);
    hash = hash_of(bytes, sizeof bytes);
    uint64_t parts[2];
    memcpy(parts, hash.bytes, sizeof parts);
    sums->words++;
    sums->parts[0] += parts[0];
    sums->parts[1] += parts[1];
}

/* --- the words of the text ------------------------------------------------- */

struct words {
    fts5_tokenizer functions;
    Fts5Tokenizer *tokenizer;
    struct place place;
    struct sums sums;
};

/* As the layout says it (library_schema.c). */
static bool make_tokenizer(struct words *words, struct db *db, struct error *error)
{
    const char *arguments[] = {"unicode61", "remove_diacritics", "2"};
    fts5_api *api;
    void *data = NULL;
    if (!library_search_api(db, &api, error))
        return false;
    int status = api->xFindTokenizer(api, "porter", &data, &words->functions);
    if (status == SQLITE_OK)
        status = words->functions.xCreate(data, arguments, 3, &words->tokenizer);
    return status == SQLITE_OK || db_fail(db, doing, status, error);
}

static int take_word(void *context, int flags, const char *word, int size, int begin, int end)
{
    struct words *words = context;
    (void)begin;
    (void)end;
    if (!(flags & FTS5_TOKEN_COLOCATED))
        words->place.position++;
    add_word(&words->sums, &words->place, word, (size_t)(size < WORD_LIMIT ? size : WORD_LIMIT));
    return SQLITE_OK;
}

static int take_column(struct words *words, sqlite3_stmt *row, int column)
{
    words->place.column = column - 1;
    words->place.position = -1;
    const char *text = (const char *)sqlite3_column_text(row, column);
    int size = sqlite3_column_bytes(row, column);
    if (!text)
        return SQLITE_OK;
    return words->functions.xTokenize(words->tokenizer, words, FTS5_TOKENIZE_DOCUMENT, text, size,
                                      take_word);
}

static bool take_text(struct words *words, struct db *db, struct db_report *report,
                      struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, doing, "SELECT id, title, text FROM section");
    while (db_row(&query)) {
        words->place.row = db_get_int(&query, INT64_MIN, INT64_MAX);
        query.status = take_column(words, query.statement, 1);
        if (query.status == SQLITE_OK)
            query.status = take_column(words, query.statement, 2);
    }
    return db_report_finish(report, &query, error);
}

/* --- the words of the index ------------------------------------------------ */

static bool take_entries(struct sums *sums, struct db *db, struct db_report *report,
                         struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, doing,
               "SELECT doc, CASE col WHEN 'title' THEN 0 ELSE 1 END, [offset], term"
               "  FROM temp.entries");
    while (db_row(&query)) {
        struct place place;
        place.row = db_get_int(&query, INT64_MIN, INT64_MAX);
        place.column = db_get_int(&query, 0, 1);
        place.position = db_get_int(&query, INT64_MIN, INT64_MAX);
        const void *term = sqlite3_column_text(query.statement, 3);
        int size = sqlite3_column_bytes(query.statement, 3);
        if (db_ok(&query) && term)
            add_word(sums, &place, term, (size_t)size);
    }
    return db_report_finish(report, &query, error);
}

static bool compare(struct words *words, struct db *db, struct db_report *report,
                    struct error *error)
{
    struct sums entries = {0};
    int64_t before = report->problems;
    if (!take_text(words, db, report, error) || !take_entries(&entries, db, report, error))
        return false;
    if (report->problems == before && memcmp(&entries, &words->sums, sizeof entries) != 0)
        db_report(report,
                  "%s: the full-text index holds %llu words where the text has %llu, or others",
                  db->kind->file, (unsigned long long)entries.words,
                  (unsigned long long)words->sums.words);
    return true;
}

/* *done false when damage kept it from being run. */
static bool run(struct db *db, struct db_report *report, const char *sql, bool *done,
                struct error *error)
{
    struct db_query query;
    int64_t before = report->problems;
    db_prepare(&query, db, doing, sql);
    while (db_row(&query))
        continue;
    bool ok = db_report_finish(report, &query, error);
    *done = ok && report->problems == before;
    return ok;
}

/* FTS5 shows its entries in a table that has to be made; it is only in memory. */
static bool compare_through_table(struct words *words, struct db *db, struct db_report *report,
                                  struct error *error)
{
    bool made, dropped;
    if (!run(db, report,
             "CREATE VIRTUAL TABLE temp.entries USING fts5vocab(main, search, instance)", &made,
             error))
        return false;
    if (!made)
        return true;
    bool ok = compare(words, db, report, error);
    return run(db, report, "DROP TABLE temp.entries", &dropped, ok ? error : NULL) && ok;
}

/* --- the index's own count --------------------------------------------------- */

/* SQLite's variable-length number: big-endian, seven bits a byte. Counts that are of
 * interest here have no more than four. */
static int64_t first_number(const unsigned char *bytes, size_t size)
{
    int64_t number = 0;
    for (size_t i = 0; i < size && i < 4; i++) {
        number = number << 7 | (bytes[i] & 127);
        if (bytes[i] < 128)
            return number;
    }
    return -1;
}

/* FTS5 keeps its totals in row 1 of its data: the count of rows first. Ranking and
 * removing rest on them. */
static bool check_count(struct db *db, struct db_report *report, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, doing,
               "SELECT (SELECT count(*) FROM section),"
               " coalesce((SELECT block FROM search_data WHERE id = 1), x'')");
    if (db_row(&query)) {
        size_t size;
        int64_t sections = db_get_count(&query);
        const void *bytes = db_peek_blob(&query, &size);
        int64_t counted = size > 0 ? first_number(bytes, size) : 0;
        if (db_ok(&query) && counted >= 0 && counted != sections)
            db_report(report, "%s: the full-text index counts %lld sections, there are %lld",
                      db->kind->file, (long long)counted, (long long)sections);
    }
    return db_report_finish(report, &query, error);
}

bool library_verify_index(struct db *db, struct db_report *report, struct error *error)
{
    struct words words = {0};
    int64_t before = report->problems;
    db_report_kind(report);
    bool ok = make_tokenizer(&words, db, error) && compare_through_table(&words, db, report, error);
    if (ok && report->problems == before)
        ok = check_count(db, report, error);
    if (words.tokenizer)
        words.functions.xDelete(words.tokenizer);
    return ok;
}
