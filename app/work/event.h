/* event.h: what work says while it runs. */
#ifndef TIDEMARK_APP_WORK_EVENT_H
#define TIDEMARK_APP_WORK_EVENT_H

#include "base/error.h"

#include <stdint.h>

#define EVENT_TEXT_SIZE 512

enum event_kind {
    EVENT_PROGRESS,   /* progress is set; comes at most ten times a second */
    EVENT_NOTE,       /* text: one line the user should know */
    EVENT_OUTLINE,    /* the document's text and outline are in the library; progress
                         holds its size and `text` one line about it */
    EVENT_TOKEN,      /* text: the next piece of an answer that is being written, whole
                         characters */
    EVENT_ANSWER,     /* text: a piece of the answer that was chosen, whole characters,
                         at progress.bytes of progress.bytes_expected; its quotes come later */
    EVENT_SECTION,    /* a section was read to its end: progress.section, section_tokens,
                         section_bits */
    EVENT_CHECKPOINT, /* a state was kept: progress.section, .tokens */
    EVENT_DONE,       /* the job has ended well */
    EVENT_FAILED,     /* the job has ended; error is set */
};

struct event_progress {
    const char *doing;             /* "reading", "making states", ... static text */
    int64_t document;              /* id, or 0 */
    int64_t section;               /* ordinal being worked on */
    int64_t sections;              /* in all */
    int64_t tokens;                /* done so far */
    int64_t tokens_expected;       /* in all, estimated; 0: unknown */
    int64_t bytes, bytes_expected; /* of a file that is worked on; 0: there is none */
    double tokens_per_second;
    double seconds_left; /* negative: unknown */
    int64_t section_tokens;
    double section_bits; /* sum of the tokens' surprise */
};

struct event {
    enum event_kind kind;
    uint64_t job; /* whose it is (worker.h); 0: outside any */
    struct event_progress progress;
    struct error error;
    char text[EVENT_TEXT_SIZE]; /* may hold document or model bytes: not fit for a
                                   terminal before visible_append() */
};

#endif
