/* What a person types for a document or a section, and which one is meant. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "store/library_private.h"

/* The text without regard to case, or as it is where it is not UTF-8. NULL when
 * out of memory. */
static char *fold(const char *text)
{
    utf8proc_uint8_t *folded = NULL;
    utf8proc_option_t options =
        UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD;
    utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)text, 0, &folded, options);
    if (size >= 0)
        return (char *)folded;
    return size == UTF8PROC_ERROR_NOMEM ? NULL : strdup(text);
}

/* A number as people write one: digits alone, from 1. */
static bool parse_number(const char *key, int64_t *number)
{
    int64_t value = 0;
    for (const char *at = key; *at; at++) {
        if (*at < '0' || *at > '9' || value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (*at - '0');
    }
    *number = value;
    return value > 0;
}

/* What fits, with the numbers of the first few for the message. */
#define SHOWN 4

struct matches {
    int64_t count;
    int64_t numbers[SHOWN]; /* as people count */
};

static void add_match(struct matches *matches, int64_t number)
{
    if (matches->count < SHOWN)
        matches->numbers[matches->count] = number;
    matches->count++;
}

static bool several(const struct matches *matches, const char *things, const char *key,
                    struct error *error)
{
    char list[128] = "";
    size_t used = 0;
    for (int i = 0; i < SHOWN && i < matches->count; i++) {
        int length = snprintf(list + used, sizeof list - used, "%s%lld", i ? ", " : "",
                              (long long)matches->numbers[i]);
        used += length > 0 ? (size_t)length : 0;
    }
    return error_set(error, ERROR_INPUT, "%lld %s could be meant by \"%s\" (%s%s): use the number",
                     (long long)matches->count, things, key, list,
                     matches->count > SHOWN ? " ..." : "");
}

/* --- documents ------------------------------------------------------------- */

/* Counts the rows and takes the first as the document; ends the query. */
static bool take_document(struct db_query *query, struct library_document *document,
                          struct matches *matches, struct error *error)
{
    while (db_row(query)) {
        struct library_document row;
        if (!library_read_document(query, &row))
            break;
        add_match(matches, row.id);
        if (matches->count == 1)
            *document = row;
        else
            library_document_free(&row);
    }
    if (db_finish(query, error))
        return true;
    library_document_free(document);
    return false;
}

static bool find_by_number(struct library *library, const char *key,
                           struct library_document *document, struct matches *matches,
                           struct error *error)
{
    int64_t id;
    if (!parse_number(key, &id))
        return true;
    struct db_query query;
    db_prepare(&query, &library->db, "look up a document",
               "SELECT " LIBRARY_DOCUMENT_COLUMNS " FROM document WHERE id = ?");
    db_bind_int(&query, id);
    return take_document(&query, document, matches, error);
}

static bool find_by_name(struct library *library, const char *key,
                         struct library_document *document, struct matches *matches,
                         struct error *error)
{
    struct db_query query;
    db_prepare(&query, &library->db, "look up a document",
               "SELECT " LIBRARY_DOCUMENT_COLUMNS " FROM document WHERE name = ?");
    db_bind_text(&query, key);
    return take_document(&query, document, matches, error);
}

static bool find_by_path(struct library *library, const char *key,
                         struct library_document *document, struct matches *matches,
                         struct error *error)
{
    char *real = realpath(key, NULL);
    struct db_query query;
    db_prepare(&query, &library->db, "look up a document",
               "SELECT " LIBRARY_DOCUMENT_COLUMNS " FROM document WHERE id IN"
               " (SELECT document FROM source WHERE path IN (?, ?)) ORDER BY id");
    db_bind_text(&query, key);
    db_bind_text(&query, real);
    bool ok = take_document(&query, document, matches, error);
    free(real);
    return ok;
}

/* Looks for the only document whose name, or name without its extension, equals
 * the key but for case. */
struct likeness {
    const char *key; /* folded */
    struct library_document *document;
    struct matches *matches;
    bool out_of_memory;
};

static bool is_like(const char *name, const char *key)
{
    if (strcmp(name, key) == 0)
        return true;
    const char *dot = strrchr(name, '.');
    size_t stem = dot ? (size_t)(dot - name) : 0;
    return stem > 0 && strlen(key) == stem && memcmp(name, key, stem) == 0;
}

static bool note_likeness(void *context, const struct library_document *document)
{
    struct likeness *likeness = context;
    char *name = fold(document->name);
    bool alike = name && is_like(name, likeness->key);
    likeness->out_of_memory |= !name;
    free(name);
    if (alike)
        add_match(likeness->matches, document->id);
    if (alike && likeness->matches->count == 1) {
        *likeness->document = *document;
        likeness->document->name = strdup(document->name);
        likeness->document->path = strdup(document->path);
        likeness->out_of_memory |= !likeness->document->name || !likeness->document->path;
    }
    return !likeness->out_of_memory;
}

static bool find_by_likeness(struct library *library, const char *key,
                             struct library_document *document, struct matches *matches,
                             struct error *error)
{
    char *folded = fold(key);
    struct likeness likeness = {
        .key = folded, .document = document, .matches = matches, .out_of_memory = !folded};
    bool ok = folded && library_each_document(library, note_likeness, &likeness, error);
    free(folded);
    if (likeness.out_of_memory)
        ok = error_out_of_memory(error);
    if (!ok)
        library_document_free(document);
    return ok;
}

typedef bool find_function(struct library *library, const char *key,
                           struct library_document *document, struct matches *matches,
                           struct error *error);

bool library_find_document(struct library *library, const char *key,
                           struct library_document *document, struct error *error)
{
    static find_function *const ways[] = {find_by_number, find_by_name, find_by_path,
                                          find_by_likeness};
    *document = (struct library_document){0};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct matches matches = {0};
        if (!ways[i](library, key, document, &matches, error))
            return false;
        if (matches.count == 1)
            return true;
        library_document_free(document);
        if (matches.count > 1)
            return several(&matches, "documents that `tidemark ls` lists", key, error);
    }
    return error_set(error, ERROR_INPUT,
                     "no document \"%s\" is in the library: `tidemark ls` lists what it has", key);
}

/* Whether the document's sources are exactly these. */
static bool has_sources(struct library *library, int64_t document, const char *const *paths,
                        size_t count, bool *same, struct error *error)
{
    size_t matched = 0, seen = 0;
    struct db_query query;
    db_prepare(&query, &library->db, "compare source files",
               "SELECT path FROM source WHERE document = ? ORDER BY ordinal");
    db_bind_int(&query, document);
    while (db_row(&query)) {
        char *path = db_get_text(&query, NULL);
        matched += path && seen < count && strcmp(path, paths[seen]) == 0;
        seen++;
        free(path);
    }
    *same = seen == count && matched == count;
    return db_finish(&query, error);
}

bool library_find_by_paths(struct library *library, const char *const *paths, size_t count,
                           struct library_document *document, bool *found, struct error *error)
{
    *document = (struct library_document){0};
    *found = false;
    if (count == 0)
        return true;
    int64_t id = 0;
    struct db_query query;
    db_prepare(&query, &library->db, "look for a document by its files",
               "SELECT document FROM source WHERE ordinal = 0 AND path = ? ORDER BY document DESC");
    db_bind_text(&query, paths[0]);
    bool ok = true;
    while (ok && !*found && db_row(&query)) {
        id = db_get_int(&query, 1, INT64_MAX);
        ok = has_sources(library, id, paths, count, found, error);
    }
    ok = db_finish(&query, ok ? error : NULL) && ok;
    if (ok && *found)
        ok = library_get_document(library, id, document, error);
    if (!ok)
        *found = false;
    return ok;
}

/* --- sections -------------------------------------------------------------- */

/* How well a title fits, best last. */
enum fit { FIT_NONE, FIT_PART, FIT_FOLDED, FIT_EXACT };

struct title_search {
    const char *key, *folded;
    enum fit best;
    struct matches matches; /* titles that fit as well as the best */
    bool out_of_memory;
};

static enum fit fit_of(const struct title_search *search, const char *title, const char *folded)
{
    if (strcmp(title, search->key) == 0)
        return FIT_EXACT;
    if (strcmp(folded, search->folded) == 0)
        return FIT_FOLDED;
    return *search->folded && strstr(folded, search->folded) ? FIT_PART : FIT_NONE;
}

static bool note_title(void *context, const struct library_section *section)
{
    struct title_search *search = context;
    char *folded = fold(section->title);
    if (!folded) {
        search->out_of_memory = true;
        return false;
    }
    enum fit fit = fit_of(search, section->title, folded);
    free(folded);
    if (fit == FIT_NONE || fit < search->best)
        return true;
    if (fit > search->best) {
        search->best = fit;
        search->matches.count = 0;
    }
    add_match(&search->matches, section->ordinal + 1);
    return true;
}

static bool find_title(struct library *library, const struct library_document *document,
                       const char *key, int64_t *ordinal, struct error *error)
{
    char *folded = fold(key);
    struct title_search search = {.key = key, .folded = folded, .out_of_memory = !folded};
    bool ok = folded && library_each_section(library, document->id, LIBRARY_OUTLINE, note_title,
                                             &search, error);
    free(folded);
    if (search.out_of_memory)
        return error_out_of_memory(error);
    if (!ok)
        return false;
    if (search.matches.count > 1)
        return several(&search.matches, "sections", key, error);
    if (search.matches.count == 0)
        return error_set(error, ERROR_INPUT,
                         "\"%s\" has no section \"%s\": give a title, or a number from 1 to %lld",
                         document->name, key, (long long)document->sections);
    *ordinal = search.matches.numbers[0] - 1;
    return true;
}

bool library_find_section(struct library *library, int64_t document, const char *key,
                          int64_t *ordinal, struct error *error)
{
    struct library_document facts;
    if (!library_get_document(library, document, &facts, error))
        return false;
    int64_t number;
    bool ok = true;
    if (parse_number(key, &number) && number <= facts.sections)
        *ordinal = number - 1;
    else
        ok = find_title(library, &facts, key, ordinal, error);
    library_document_free(&facts);
    return ok;
}
