/* ingest.h: text and outline of files into the library. */
#ifndef TIDEMARK_APP_WORK_INGEST_H
#define TIDEMARK_APP_WORK_INGEST_H

#include "app/work/session.h"

/* Brings the document made of these files (in order) up to date: adds it when it
 * is new, does nothing when the files are as they were, and otherwise keeps every
 * section up to the first that differs and all that hangs on those. *id is set.
 * name: NULL for the first file's name without folder and extension. */
bool ingest_run(struct session *session, const char *const *paths, size_t count, const char *name,
                int64_t *id, struct error *error) WARN_UNUSED;

#endif
