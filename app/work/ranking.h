/* ranking.h: which sections may hold the answer to a question. */
#ifndef TIDEMARK_APP_WORK_RANKING_H
#define TIDEMARK_APP_WORK_RANKING_H

#include "app/work/session.h"

/* The question's words for full-text search: without those that every text holds
 * ("what", "the", ...), unless nothing else is left. */
struct ranking_words {
    char **items;
    size_t count;
    bool common_only; /* nothing but such words were asked */
};

bool ranking_words(struct ranking_words *words, const char *question,
                   struct error *error) WARN_UNUSED;
void ranking_words_free(struct ranking_words *words);

/* Writes up to `capacity` sections, best first, with their scores. None when the document
 * holds none of the question's words; the first sections when the question names
 * nothing that could be looked up. */
bool ranking_run(struct session *session, int64_t document, const char *question,
                 struct library_hit *hits, size_t capacity, size_t *count,
                 struct error *error) WARN_UNUSED;

#endif
