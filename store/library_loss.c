#include "store/library_loss.h"

#include <stdlib.h>
#include <string.h>

static const char doing[] = "compare with the backup";

/* --- sets ------------------------------------------------------------------ */

struct entry {
    struct hash key;
    int64_t value;
};

struct set {
    struct entry *entries;
    size_t count, capacity;
};

static bool add(struct set *set, const struct hash *key, int64_t value, struct error *error)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? 2 * set->capacity : 64;
        if (capacity > SIZE_MAX / sizeof *set->entries)
            return error_out_of_memory(error);
        struct entry *entries = realloc(set->entries, capacity * sizeof *entries);
        if (!entries)
            return error_out_of_memory(error);
        set->entries = entries;
        set->capacity = capacity;
    }
    set->entries[set->count++] = (struct entry){*key, value};
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int order = memcmp(&left->key, &right->key, sizeof left->key);
    return order ? order : (left->value > right->value) - (left->value < right->value);
}

static int by_value(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    return (left->value > right->value) - (left->value < right->value);
}

static void sort(struct set *set)
{
    if (set->count)
        qsort(set->entries, set->count, sizeof *set->entries, by_key);
}

/* How many entries of a sorted set the other one lacks. *more adds up by how much the
 * values are larger, where the key is in both, or all of them. */
static int64_t count_missing(const struct set *set, const struct set *other, int64_t *more)
{
    int64_t missing = 0;
    *more = 0;
    for (size_t i = 0, j = 0; i < set->count;) {
        int order = j == other->count
                        ? -1
                        : memcmp(&set->entries[i].key, &other->entries[j].key, sizeof(struct hash));
        if (order > 0) {
            j++;
            continue;
        }
        int64_t had = order == 0 ? other->entries[j++].value : 0;
        int64_t has = set->entries[i++].value;
        missing += order < 0;
        *more += has > had ? has - had : 0;
    }
    return missing;
}

/* --- what a library holds -------------------------------------------------- */

struct contents {
    struct set keys; /* of the documents, in the order of their ids, which are the values */
    struct set documents, questions, summaries, notes, readings;
    int64_t latest;
};

static void free_contents(struct contents *contents)
{
    free(contents->keys.entries);
    free(contents->documents.entries);
    free(contents->questions.entries);
    free(contents->summaries.entries);
    free(contents->notes.entries);
    free(contents->readings.entries);
}

/* The terminator keeps what follows apart. */
static void add_text(struct hash_stream *stream, struct db_query *query)
{
    size_t size;
    char *text = db_get_text(query, &size);
    if (text)
        hash_stream_add(stream, text, size + 1);
    free(text);
}

static void add_hash(struct hash_stream *stream, struct db_query *query)
{
    struct hash hash = db_get_hash(query);
    hash_stream_add(stream, &hash, sizeof hash);
}

static void add_number(struct hash_stream *stream, struct db_query *query)
{
    int64_t number = db_get_int(query, INT64_MIN, INT64_MAX);
    hash_stream_add(stream, &number, sizeof number);
}

/* Adds what the query gives of a document, row by row. */
static bool add_rows(struct hash_stream *stream, struct db *db, const char *sql, int64_t document,
                     void (*add_column)(struct hash_stream *, struct db_query *),
                     struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, doing, sql);
    db_bind_int(&query, document);
    while (db_row(&query))
        add_column(stream, &query);
    return db_finish(&query, error);
}

static bool take_document(struct contents *contents, struct db *db, struct hash_stream *stream,
                          struct db_query *query, struct error *error)
{
    hash_stream_reset(stream);
    int64_t id = db_get_int(query, 1, INT64_MAX);
    add_number(stream, query);
    add_text(stream, query);
    if (!db_ok(query))
        return true;
    if (!add_rows(stream, db, "SELECT path FROM source WHERE document = ? ORDER BY ordinal", id,
                  add_text, error))
        return false;
    struct hash key = hash_stream_end(stream);
    if (!add(&contents->keys, &key, id, error) ||
        !add_rows(stream, db, "SELECT text_hash FROM section WHERE document = ? ORDER BY ordinal",
                  id, add_hash, error))
        return false;
    struct hash with_text = hash_stream_end(stream);
    return add(&contents->documents, &with_text, 0, error);
}

static bool take_documents(struct contents *contents, struct db *db, struct hash_stream *stream,
                           struct error *error)
{
    struct db_query query;
    bool ok = true;
    db_prepare(&query, db, doing, "SELECT id, added_at, name FROM document ORDER BY id");
    while (ok && db_row(&query))
        ok = take_document(contents, db, stream, &query, error);
    return db_finish(&query, ok ? error : NULL) && ok;
}

/* Begins an entry for what hangs on a document: the next column is its id. */
static void begin_entry(struct contents *contents, struct hash_stream *stream,
                        struct db_query *query)
{
    struct entry wanted = {.value = db_get_int(query, INT64_MIN, INT64_MAX)};
    const struct entry *found = NULL;
    if (contents->keys.count)
        found =
            bsearch(&wanted, contents->keys.entries, contents->keys.count, sizeof wanted, by_value);
    hash_stream_reset(stream);
    if (found)
        hash_stream_add(stream, &found->key, sizeof found->key);
}

static bool end_entry(struct set *set, struct hash_stream *stream, int64_t value,
                      const struct db_query *query, struct error *error)
{
    struct hash key = hash_stream_end(stream);
    return !db_ok(query) || add(set, &key, value, error);
}

static bool take_questions(struct contents *contents, struct db *db, struct hash_stream *stream,
                           struct error *error)
{
    struct db_query query;
    bool ok = true;
    db_prepare(&query, db, doing, "SELECT document, asked_at, scope, question FROM question");
    while (ok && db_row(&query)) {
        begin_entry(contents, stream, &query);
        add_number(stream, &query);
        add_text(stream, &query);
        add_text(stream, &query);
        ok = end_entry(&contents->questions, stream, 0, &query, error);
    }
    return db_finish(&query, ok ? error : NULL) && ok;
}

static bool take_summaries(struct contents *contents, struct db *db, struct hash_stream *stream,
                           struct error *error)
{
    struct db_query query;
    bool ok = true;
    db_prepare(&query, db, doing,
               "SELECT summary.document, model.fingerprint, summary.kind, summary.section,"
               " summary.made_from FROM summary JOIN model ON model.id = summary.model");
    while (ok && db_row(&query)) {
        begin_entry(contents, stream, &query);
        add_hash(stream, &query);
        add_number(stream, &query);
        add_number(stream, &query);
        add_hash(stream, &query);
        ok = end_entry(&contents->summaries, stream, 0, &query, error);
    }
    return db_finish(&query, ok ? error : NULL) && ok;
}

/* A note that was moved or written anew is another one. */
static bool take_notes(struct contents *contents, struct db *db, struct hash_stream *stream,
                       struct error *error)
{
    struct db_query query;
    bool ok = true;
    db_prepare(&query, db, doing,
               "SELECT document, kind, section, begin, end, name, passage, text FROM note");
    while (ok && db_row(&query)) {
        begin_entry(contents, stream, &query);
        for (int i = 0; i < 4; i++)
            add_number(stream, &query);
        for (int i = 0; i < 3; i++)
            add_text(stream, &query);
        ok = end_entry(&contents->notes, stream, 0, &query, error);
    }
    return db_finish(&query, ok ? error : NULL) && ok;
}

static bool take_readings(struct contents *contents, struct db *db, struct hash_stream *stream,
                          struct error *error)
{
    struct db_query query;
    bool ok = true;
    db_prepare(&query, db, doing,
               "SELECT reading.document, model.fingerprint, min(reading.sections,"
               " (SELECT count(*) FROM section_reading WHERE reading = reading.id))"
               " FROM reading JOIN model ON model.id = reading.model");
    while (ok && db_row(&query)) {
        begin_entry(contents, stream, &query);
        add_hash(stream, &query);
        int64_t sections = db_get_count(&query);
        ok = end_entry(&contents->readings, stream, sections, &query, error);
    }
    return db_finish(&query, ok ? error : NULL) && ok;
}

static bool take_latest(struct contents *contents, struct db *db, struct error *error)
{
    struct db_query query;
    db_prepare(&query, db, doing,
               "SELECT coalesce(max(at), 0) FROM (SELECT max(added_at) AS at FROM document"
               " UNION ALL SELECT max(asked_at) FROM question"
               " UNION ALL SELECT max(made_at) FROM summary"
               " UNION ALL SELECT max(made_at) FROM note"
               " UNION ALL SELECT max(updated_at) FROM reading)");
    contents->latest = db_row(&query) ? db_get_int(&query, INT64_MIN, INT64_MAX) : 0;
    return db_finish(&query, error);
}

static bool take_all(struct contents *contents, struct db *db, struct error *error)
{
    struct hash_stream *stream = hash_stream_new();
    bool ok =
        (stream || error_out_of_memory(error)) && take_documents(contents, db, stream, error) &&
        take_questions(contents, db, stream, error) &&
        take_summaries(contents, db, stream, error) && take_notes(contents, db, stream, error) &&
        take_readings(contents, db, stream, error) && take_latest(contents, db, error);
    hash_stream_free(stream);
    sort(&contents->documents);
    sort(&contents->questions);
    sort(&contents->summaries);
    sort(&contents->notes);
    sort(&contents->readings);
    return ok;
}

bool library_loss_find(struct library_loss *loss, struct db *present, struct db *backup,
                       struct error *error)
{
    struct contents now = {0}, then = {0};
    bool ok = take_all(&now, present, error) && take_all(&then, backup, error);
    *loss = (struct library_loss){0};
    if (ok) {
        int64_t none;
        *loss = (struct library_loss){
            .documents = count_missing(&now.documents, &then.documents, &none),
            .questions = count_missing(&now.questions, &then.questions, &none),
            .summaries = count_missing(&now.summaries, &then.summaries, &none),
            .notes = count_missing(&now.notes, &then.notes, &none),
            .backup_at = then.latest,
            .library_at = now.latest,
        };
        count_missing(&now.readings, &then.readings, &loss->sections_read);
    }
    free_contents(&now);
    free_contents(&then);
    return ok;
}
