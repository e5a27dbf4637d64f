/* grounding.h: what an answer quotes, looked up in the document. */
#ifndef TIDEMARK_APP_WORK_GROUNDING_H
#define TIDEMARK_APP_WORK_GROUNDING_H

#include "app/work/asking.h"

/* Splits the model's text into result->answer (without the lines that quote) and
 * result->quotes, each looked up in section `first`, then in all others. */
bool grounding_run(struct session *session, int64_t document, int64_t first, const char *text,
                   struct asking_result *result, struct error *error) WARN_UNUSED;

/* Looks up the quotes that are not verified: in section `first`, then in all others. */
bool grounding_look(struct session *session, int64_t document, int64_t first,
                    struct asking_quote *quotes, size_t count, struct error *error) WARN_UNUSED;

/* Looks up quotes of an earlier answer in the text as it is now: each where it was, which
 * its `section` says (-1: not known), then all that are left in one walk through the
 * hold its words. None is verified yet. */
bool grounding_look_again(struct session *session, int64_t document, struct asking_quote *quotes,
                          size_t count, struct error *error) WARN_UNUSED;

/* Adds bytes [begin, end) of a section's text as a verified quote, unless they are
 * among the quotes already. The section comes with text and map. */
bool grounding_add(struct asking_result *result, const struct library_section *section,
                   size_t begin, size_t end, struct error *error) WARN_UNUSED;

#endif
