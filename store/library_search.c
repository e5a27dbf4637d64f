/* Full-text ranking by BM25 (Robertson and Zaragoza, 2009, "The Probabilistic
 * Relevance Framework"), with the statistics of one document: FTS5's own bm25()
 * counts the whole library, so that a document's ranking would change with its
 * neighbours. It is right where the whole library is searched. FTS5 finds the sections that hold a
 * word; a function of ours tells how often. A heading stands in the title and in the text, so it
 * counts twice. */
#include "store/library_search.h"
#include "store/library_private.h"

#include <math.h>
#include <stdlib.h>

/* Measured on stories with questions of which the right part is known
 * (docs/ANSWERS.md): repetition soon counts no more, and length counts little. */
#define SATURATION 0.9 /* k1 */
#define LENGTH 0.3     /* b */

/* --- how often a match occurs in a row ------------------------------------- */

static void occurrences(const Fts5ExtensionApi *api, Fts5Context *row, sqlite3_context *result,
                        int argument_count, sqlite3_value **arguments)
{
    int count = 0;
    (void)argument_count;
    (void)arguments;
    int status = api->xInstCount(row, &count);
    if (status == SQLITE_OK)
        sqlite3_result_int(result, count);
    else
        sqlite3_result_error_code(result, status);
}

static const char preparing[] = "prepare the full-text search";

bool library_search_api(struct db *db, fts5_api **api, struct error *error)
{
    sqlite3_stmt *statement = NULL;
    *api = NULL;
    int status = sqlite3_prepare_v2(db->handle, "SELECT fts5(?1)", -1, &statement, NULL);
    if (status == SQLITE_OK)
        status = sqlite3_bind_pointer(statement, 1, api, "fts5_api_ptr", NULL);
    if (status == SQLITE_OK)
        sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (status == SQLITE_OK && !*api)
        status = SQLITE_ERROR;
    return status == SQLITE_OK || db_fail(db, preparing, status, error);
}

bool library_search_register(struct db *db, struct error *error)
{
    fts5_api *api;
    if (!library_search_api(db, &api, error))
        return false;
    int status = api->xCreateFunction(api, "occurrences", NULL, occurrences, NULL);
    return status == SQLITE_OK || db_fail(db, preparing, status, error);
}

/* --- one word ---------------------------------------------------------------- */

/* A quoted string is never syntax to FTS5, whatever is in it but for the quotation
 * mark, which is doubled. A NUL byte cannot occur. */
static bool append_quoted(struct buffer *expression, const char *word, struct error *error)
{
    if (!buffer_append_byte(expression, '"', error))
        return false;
    for (; *word; word++) {
        if (*word == '"' && !buffer_append_byte(expression, '"', error))
            return false;
        if (!buffer_append_byte(expression, *word, error))
            return false;
    }
    return buffer_append_byte(expression, '"', error);
}

/* A document's sections were added one after the other: the range of their rows
 * spares the index most of what matches in other documents. */
static const char word_query[] =
    "SELECT section.ordinal, section.characters, occurrences(search)"
    "  FROM search JOIN section ON section.id = search.rowid"
    " WHERE search MATCH ?1"
    "   AND search.rowid BETWEEN (SELECT min(id) FROM section WHERE document = ?2)"
    "                        AND (SELECT max(id) FROM section WHERE document = ?2)"
    "   AND section.document = ?2";

struct ranking {
    int64_t sections;  /* of the document */
    double characters; /* of a section, on average */
    double *scores;    /* [sections] */
    double *held;      /* [sections]: rarity of the words that it holds */
    double all;        /* rarity of all words */
    double *word;      /* [sections]: what one word adds before its weight */
};

/* Adds a word's share to every section that holds it. */
static bool add_word(struct ranking *ranking, struct library *library, int64_t document,
                     const char *word, struct error *error)
{
    struct buffer expression = {0};
    struct db_query query;
    int64_t holding = 0;
    if (!append_quoted(&expression, word, error)) {
        buffer_free(&expression);
        return false;
    }
    for (int64_t i = 0; i < ranking->sections; i++)
        ranking->word[i] = 0;
    db_prepare(&query, &library->db, "search the document", word_query);
    db_bind_text_size(&query, expression.data, expression.size);
    db_bind_int(&query, document);
    while (db_row(&query)) {
        int64_t ordinal = db_get_int(&query, 0, ranking->sections - 1);
        double length = (double)db_get_count(&query) / ranking->characters;
        double count = (double)db_get_count(&query);
        if (!db_ok(&query))
            break;
        ranking->word[ordinal] =
            count * (SATURATION + 1) / (count + SATURATION * (1 - LENGTH + LENGTH * length));
        holding++;
    }
    bool ok = db_finish(&query, error);
    buffer_free(&expression);
    double rarity =
        log(1 + ((double)(ranking->sections - holding) + 0.5) / ((double)holding + 0.5));
    ranking->all += rarity;
    for (int64_t i = 0; ok && i < ranking->sections; i++) {
        ranking->scores[i] += rarity * ranking->word[i];
        ranking->held[i] += ranking->word[i] > 0 ? rarity : 0;
    }
    return ok;
}

/* --- the best ---------------------------------------------------------------- */

static bool measure(struct ranking *ranking, struct library *library, int64_t document,
                    struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "measure the document",
               "SELECT count(*), coalesce(avg(characters), 0.0) FROM section WHERE document = ?");
    db_bind_int(&query, document);
    if (db_row(&query)) {
        ranking->sections = db_get_count(&query);
        ranking->characters = db_get_real(&query);
    }
    if (!db_finish(&query, error))
        return false;
    size_t size = ranking->sections > 0 ? (size_t)ranking->sections : 1;
    ranking->scores = calloc(size, sizeof *ranking->scores);
    ranking->held = calloc(size, sizeof *ranking->held);
    ranking->word = calloc(size, sizeof *ranking->word);
    return (ranking->scores && ranking->held && ranking->word) || error_out_of_memory(error);
}

/* Keeps the hits in order while the sections pass; equal ones stay in theirs. */
static void insert_hit(struct library_hit *hits, size_t capacity, size_t *count,
                       struct library_hit hit)
{
    size_t at = *count < capacity ? *count : capacity - 1;
    if (*count == capacity && hits[at].score >= hit.score)
        return;
    for (; at > 0 && hits[at - 1].score < hit.score; at--)
        hits[at] = hits[at - 1];
    hits[at] = hit;
    if (*count < capacity)
        ++*count;
}

static bool rank(struct library *library, int64_t document, const char *const *words,
                 size_t word_count, struct library_hit *hits, size_t capacity, size_t *count,
                 struct error *error)
{
    struct ranking ranking = {0};
    bool ok = measure(&ranking, library, document, error);
    for (size_t i = 0; ok && i < word_count; i++)
        ok = add_word(&ranking, library, document, words[i], error);
    for (int64_t i = 0; ok && i < ranking.sections; i++)
        if (ranking.scores[i] > 0)
            insert_hit(hits, capacity, count,
                       (struct library_hit){i, ranking.scores[i], ranking.held[i] / ranking.all});
    free(ranking.scores);
    free(ranking.held);
    free(ranking.word);
    return ok;
}

bool library_search(struct library *library, int64_t document, const char *const *words,
                    size_t word_count, struct library_hit *hits, size_t capacity, size_t *count,
                    struct error *error)
{
    bool own;
    *count = 0;
    if (word_count == 0 || capacity == 0)
        return true;
    return db_enter_reading(&library->db, &own, error) &&
           db_leave(&library->db, own,
                    rank(library, document, words, word_count, hits, capacity, count, error),
                    error);
}

/* --- all documents ----------------------------------------------------------- */

/* Any of the words. */
static bool append_any(struct buffer *expression, const char *const *words, size_t word_count,
                       struct error *error)
{
    for (size_t i = 0; i < word_count; i++)
        if ((i > 0 && !buffer_append_text(expression, " OR ", error)) ||
            !append_quoted(expression, words[i], error))
            return false;
    return true;
}

/* bm25() is below 0, and least for the best. CROSS JOIN: through the index once, and not
 * into it for each section. */
static const char all_query[] =
    "SELECT section.document, section.ordinal, -bm25(search) AS score"
    "  FROM search CROSS JOIN section ON section.id = search.rowid"
    "  JOIN document ON document.id = section.document"
    " WHERE search MATCH ?1 ORDER BY score DESC, section.document, section.ordinal LIMIT ?2";

static bool rank_all(struct library *library, const struct buffer *expression,
                     struct library_shelf_hit *hits, size_t capacity, size_t *count,
                     struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "search the library", all_query);
    db_bind_text_size(&query, expression->data, expression->size);
    db_bind_int(&query, capacity < INT32_MAX ? (int64_t)capacity : INT32_MAX);
    while (*count < capacity && db_row(&query)) {
        struct library_shelf_hit hit = {
            .document = db_get_int(&query, 1, INT64_MAX),
        };
        hit.section = db_get_count(&query);
        hit.score = db_get_real(&query);
        if (db_ok(&query))
            hits[(*count)++] = hit;
    }
    return db_finish(&query, error);
}

bool library_search_all(struct library *library, const char *const *words, size_t word_count,
                        struct library_shelf_hit *hits, size_t capacity, size_t *count,
                        struct error *error)
{
    struct buffer expression = {0};
    *count = 0;
    if (word_count == 0 || capacity == 0)
        return true;
    bool ok = append_any(&expression, words, word_count, error) &&
              rank_all(library, &expression, hits, capacity, count, error);
    buffer_free(&expression);
    if (!ok)
        *count = 0;
    return ok;
}
