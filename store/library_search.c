#include "store/library_private.h"

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

static bool any_of(struct buffer *expression, const char *const *words, size_t word_count,
                   struct error *error)
{
    for (size_t i = 0; i < word_count; i++) {
        if (i && !buffer_append_text(expression, " OR ", error))
            return false;
        if (!append_quoted(expression, words[i], error))
            return false;
    }
    return true;
}

/* A document's sections were added one after the other: the range of their rows
 * spares the index most of what matches in other documents. */
static const char search_query[] =
    "SELECT section.ordinal, -bm25(search, ?1, 1.0) AS score"
    "  FROM search JOIN section ON section.id = search.rowid"
    " WHERE search MATCH ?2"
    "   AND search.rowid BETWEEN (SELECT min(id) FROM section WHERE document = ?3)"
    "                        AND (SELECT max(id) FROM section WHERE document = ?3)"
    "   AND section.document = ?3"
    " ORDER BY score DESC, section.ordinal LIMIT ?4";

bool library_search(struct library *library, int64_t document, const char *const *words,
                    size_t word_count, double title_weight, struct library_hit *hits,
                    size_t capacity, size_t *count, struct error *error)
{
    *count = 0;
    if (word_count == 0 || capacity == 0)
        return true;
    struct buffer expression = {0};
    if (!any_of(&expression, words, word_count, error)) {
        buffer_free(&expression);
        return false;
    }
    struct db_query query;
    db_prepare(&query, &library->db, "search the document", search_query);
    db_bind_real(&query, title_weight);
    db_bind_text_size(&query, expression.data, expression.size);
    db_bind_int(&query, document);
    db_bind_int(&query, capacity > INT32_MAX ? INT32_MAX : (int64_t)capacity);
    while (*count < capacity && db_row(&query)) {
        struct library_hit hit = {.section = db_get_count(&query)};
        hit.score = db_get_real(&query);
        if (db_ok(&query))
            hits[(*count)++] = hit;
    }
    bool ok = db_finish(&query, error);
    buffer_free(&expression);
    if (!ok)
        *count = 0;
    return ok;
}
