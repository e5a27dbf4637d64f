/* passage.h: where in a document a passage may stand that is no longer where it was.
 *
 * Looking through a whole long document for each of many passages takes minutes; the
 * full-text index names the few sections that are worth it. */
#ifndef TIDEMARK_APP_WORK_PASSAGE_H
#define TIDEMARK_APP_WORK_PASSAGE_H

#include "app/work/session.h"

enum { PASSAGE_SECTIONS = 8 };

/* Up to PASSAGE_SECTIONS sections that hold most of the passage's longest words, best
 * first. */
bool passage_sections(struct session *session, int64_t document, const char *passage,
                      int64_t sections[PASSAGE_SECTIONS], size_t *count,
                      struct error *error) WARN_UNUSED;

#endif
