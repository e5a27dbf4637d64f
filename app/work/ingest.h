/* ingest.h: text and outline of files into the library. */
#ifndef TIDEMARK_APP_WORK_INGEST_H
#define TIDEMARK_APP_WORK_INGEST_H

#include "app/work/session.h"

/* What is read of standard input is a document of its own: with a name, the one of
 * that name; without, the one that began with the same section, or a new one. */
#define INGEST_STANDARD_INPUT "-"

/* As an encoding: forget what was given before, and find out. */
#define INGEST_FIND_OUT "auto"

struct ingest_options {
    const char *const *paths; /* of one document's files, in order; once at most "-" */
    size_t count;
    const char *name;     /* NULL: the first file's name without folder and extension */
    const char *encoding; /* of all files; NULL: as it was given before, else found out */
    int64_t document;     /* whose files these are, by their paths in the library; 0: it is
                             found by them, or added */
    struct lease *held;   /* of the document, when the caller has it already */

    /* May be NULL: called while a new document's next sections are still being taken out
     * of its file, with what came so far in the library. False ends the taking in. */
    bool (*meanwhile)(void *context, int64_t document, struct error *error);
    void *meanwhile_context;
};

struct ingest_result {
    int64_t document;
    struct lease *lease; /* of the document, `held` or a new one; the caller releases it */
    bool changed;        /* something of it was taken in */
};

/* Brings the document made of these files up to date: adds it when it is new, does
 * nothing when the files are as they were, and otherwise keeps every section up to
 * the first that differs and all that hangs on those. ERROR_STORE while another
 * process reads or changes the document. Pauses now and then (session_pause). */
bool ingest_run(struct session *session, const struct ingest_options *options,
                struct ingest_result *result, struct error *error) WARN_UNUSED;

#endif
