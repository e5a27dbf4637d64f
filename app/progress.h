/* progress.h: what a running job says, on standard error.
 *
 * On a terminal one line is rewritten in place, and shows the words of an answer that is
 * being written; elsewhere a line comes every ten seconds and at the end; with `quiet`
 * nothing comes. */
#ifndef TIDEMARK_APP_PROGRESS_H
#define TIDEMARK_APP_PROGRESS_H

#include "app/work/event.h"

struct progress {
    bool quiet, terminal;
    bool shown;        /* the terminal's line holds something */
    bool stale;        /* `last` was not printed */
    double printed_at; /* clock_seconds() of the last line elsewhere */
    struct event_progress last;
    char words[256]; /* of an answer, as many as the line holds */
};

void progress_begin(struct progress *progress, bool quiet);
void progress_event(struct progress *progress, const struct event *event);
void progress_hide(struct progress *progress); /* before other text goes to the terminal */
void progress_end(struct progress *progress);  /* leaves standard error's line empty */

#endif
