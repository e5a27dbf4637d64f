/* exporting.h: what the library knows of a document, as Markdown (CommonMark).
 *
 * Quotes are looked up again in the text as it is now: what an answer quoted from a
 * text that has changed since is not shown as the document's. The same goes for the
 * passages that a person's notes are about. */
#ifndef TIDEMARK_APP_WORK_EXPORTING_H
#define TIDEMARK_APP_WORK_EXPORTING_H

#include "app/work/session.h"

/* Appends outline, summaries, questions as a tree with answers and quotes, and marks,
 * bookmarks and notes. Text of documents, models and people is escaped for Markdown, not
 * for a terminal. */
bool exporting_run(struct session *session, int64_t document, struct buffer *out,
                   struct error *error) WARN_UNUSED;

#endif
