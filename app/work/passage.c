#include "app/work/passage.h"

#include "app/work/ranking.h"

#include <stdlib.h>
#include <string.h>

/* The longest words are the rarest, as a rule. */
enum { WORDS = 8 };

static int by_length(const void *a, const void *b)
{
    size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);
    return (x < y) - (x > y);
}

bool passage_sections(struct session *session, int64_t document, const char *passage,
                      int64_t sections[PASSAGE_SECTIONS], size_t *count, struct error *error)
{
    struct ranking_words words = {0};
    struct library_hit hits[PASSAGE_SECTIONS];
    *count = 0;
    if (!ranking_words(&words, passage, error))
        return false;
    if (words.count > 0)
        qsort(words.items, words.count, sizeof *words.items, by_length);
    bool ok = words.count == 0 ||
              library_search(session->library, document, (const char *const *)words.items,
                             words.count < WORDS ? words.count : WORDS, hits, PASSAGE_SECTIONS,
                             count, error);
    for (size_t i = 0; ok && i < *count; i++)
        sections[i] = hits[i].section;
    ranking_words_free(&words);
    return ok;
}
