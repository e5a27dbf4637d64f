#include "app/work/ranking.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* Sorted. Question words, articles, pronouns, auxiliaries, prepositions, and the
 * words with which people speak of the text itself. */
static const char *const common[] = {
    "a",     "about",   "according", "after",  "all",   "also",     "an",    "and",   "any",
    "are",   "as",      "at",        "author", "be",    "been",     "book",  "but",   "by",
    "can",   "chapter", "could",     "did",    "do",    "document", "does",  "doing", "for",
    "from",  "had",     "has",       "have",   "he",    "her",      "hers",  "him",   "his",
    "how",   "i",       "if",        "in",     "into",  "is",       "it",    "its",   "me",
    "my",    "no",      "not",       "of",     "on",    "or",       "our",   "s",     "say",
    "she",   "so",      "some",      "such",   "t",     "text",     "than",  "that",  "the",
    "their", "them",    "then",      "there",  "they",  "this",     "to",    "us",    "was",
    "we",    "were",    "what",      "when",   "where", "which",    "while", "who",   "whom",
    "whose", "why",     "will",      "with",   "would", "you",      "your",
};

static int compare_words(const void *a, const void *b)
{
    return strcmp(a, *(const char *const *)b);
}

static bool is_common(const char *word)
{
    return bsearch(word, common, sizeof common / sizeof common[0], sizeof common[0],
                   compare_words) != NULL;
}

static bool is_word_rune(uint32_t rune)
{
    switch (utf8proc_category((utf8proc_int32_t)rune)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return true;
    default:
        return false;
    }
}

static bool add_word(struct ranking_words *words, struct buffer *word, bool keep_common,
                     struct error *error)
{
    if (word->size == 0 || (!keep_common && is_common(word->data)))
        return true;
    for (size_t i = 0; i < words->count; i++) /* said twice counts once */
        if (strcmp(words->items[i], word->data) == 0)
            return true;
    char **items = realloc(words->items, (words->count + 1) * sizeof *items);
    if (!items)
        return error_out_of_memory(error);
    words->items = items;
    items[words->count] = strdup(word->data);
    if (!items[words->count])
        return error_out_of_memory(error);
    words->count++;
    return true;
}

/* Splits into lower-case words. */
static bool split(struct ranking_words *words, const char *question, bool keep_common,
                  struct error *error)
{
    struct buffer word = {0};
    size_t size = strlen(question);
    bool ok = true;
    for (size_t at = 0; ok && at < size;) {
        uint32_t rune;
        size_t length;
        char bytes[UTF8_MAX_BYTES];
        bool valid = utf8_decode(&rune, &length, question + at, size - at) == UTF8_VALID;
        at += length;
        if (valid && is_word_rune(rune)) {
            uint32_t lower = (uint32_t)utf8proc_tolower((utf8proc_int32_t)rune);
            ok = buffer_append(&word, bytes, utf8_encode(bytes, lower), error);
            continue;
        }
        ok = add_word(words, &word, keep_common, error);
        buffer_clear(&word);
    }
    ok = ok && add_word(words, &word, keep_common, error);
    buffer_free(&word);
    return ok;
}

bool ranking_words(struct ranking_words *words, const char *question, struct error *error)
{
    *words = (struct ranking_words){0};
    if (!split(words, question, false, error))
        return false;
    if (words->count > 0)
        return true;
    words->common_only = true;
    return split(words, question, true, error);
}

void ranking_words_free(struct ranking_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct ranking_words){0};
}

static bool first_sections(struct session *session, int64_t document, struct library_hit *hits,
                           size_t capacity, size_t *count, struct error *error)
{
    struct library_document found;
    if (!library_get_document(session->library, document, &found, error))
        return false;
    for (*count = 0; *count < capacity && (int64_t)*count < found.sections; ++*count)
        hits[*count] = (struct library_hit){.section = (int64_t)*count, .share = 1};
    library_document_free(&found);
    return true;
}

bool ranking_run(struct session *session, int64_t document, const char *question,
                 struct library_hit *hits, size_t capacity, size_t *count, struct error *error)
{
    struct ranking_words words;
    *count = 0;
    bool ok = ranking_words(&words, question, error);
    if (ok && words.common_only)
        ok = first_sections(session, document, hits, capacity, count, error);
    else if (ok)
        ok = library_search(session->library, document, (const char *const *)words.items,
                            words.count, hits, capacity, count, error);
    ranking_words_free(&words);
    return ok;
}
