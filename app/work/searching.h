/* searching.h: regular expressions (PCRE2) over the text of a document.
 *
 *     struct searching *search = searching_new("tid(e|al)", &error);
 *     for (int64_t at = 0; at < sections;)
 *         if (!searching_run(search, session, document, at, &hits, &at, &error)) ...
 *     searching_free(search);
 *
 * A pattern is matched section by section, in UTF mode with Unicode properties; letters
 * match in either case unless the pattern holds an upper-case letter. Matching is bounded
 * (match, depth and heap limits, and time), so that no pattern can hold up its caller. */
#ifndef TIDEMARK_APP_WORK_SEARCHING_H
#define TIDEMARK_APP_WORK_SEARCHING_H

#include "app/work/session.h"

#define SEARCHING_MOST_HITS 100000 /* of one document; what lies beyond is not gathered */

struct searching;

/* ERROR_USAGE with what is wrong and where, in the pattern's characters from 1. */
struct searching *searching_new(const char *pattern, struct error *error);
void searching_free(struct searching *search);

struct searching_hit {
    int64_t section;
    size_t begin, end; /* bytes of its text, begin < end */
};

struct searching_hits {
    struct searching_hit *items; /* in the order of the text */
    size_t count, capacity;
    bool cut; /* there are more than were gathered: too many, or a section whose matching
                 ran into a limit */
};
void searching_hits_free(struct searching_hits *hits);

/* Appends the hits of the sections from `from` on until the document ends or some 20 ms
 * are spent; *next is the section to go on with. */
bool searching_run(struct searching *search, struct session *session, int64_t document,
                   int64_t from, struct searching_hits *hits, int64_t *next,
                   struct error *error) WARN_UNUSED;

/* The same in one text: `section` is noted in the hits. */
bool searching_text(struct searching *search, int64_t section, const char *text, size_t size,
                    struct searching_hits *hits, struct error *error) WARN_UNUSED;

#endif
