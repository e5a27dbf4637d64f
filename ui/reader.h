/* reader.h: the terminal reader, from its first screen to its last.
 *
 * One thread, the caller's, owns terminal and views and never waits for anything but keys
 * and events. Two workers serve it (app/work/worker.h): one that reads, asks and
 * summarizes, and one for what is quick (desk.h). */
#ifndef TIDEMARK_UI_READER_H
#define TIDEMARK_UI_READER_H

#include "app/work/session.h"

struct reader_options {
    struct session_options session;
    const char *const *documents; /* files, or names of the library; the first is opened, all
                                     are added */
    size_t document_count;
    const char *script; /* a file of keys to feed instead of a terminal (script.h), or NULL */
    bool no_reading;    /* documents are not read on when opened */
};

/* Runs until the person leaves. ERROR_USAGE without a terminal or with a broken
 * configuration, ERROR_INTERRUPTED when the terminal or somebody ended it. */
bool reader_run(const struct reader_options *options, struct error *error) WARN_UNUSED;

#endif
