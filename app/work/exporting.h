/* exporting.h: what the library knows of a document, as Markdown (CommonMark).
 *
 * Quotes are looked up again in the text as it is now: what an answer quoted from a
 * text that has changed since is not shown as the document's. */
#ifndef TIDEMARK_APP_WORK_EXPORTING_H
#define TIDEMARK_APP_WORK_EXPORTING_H

#include "app/work/session.h"

/* Appends outline, summaries, questions, answers and quotes. Text of documents and
 * models is escaped for Markdown, not for a terminal. */
bool exporting_run(struct session *session, int64_t document, struct buffer *out,
                   struct error *error) WARN_UNUSED;

#endif
