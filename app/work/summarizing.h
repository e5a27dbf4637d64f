/* summarizing.h: each section from its state, then the whole from the parts.
 *
 * By default a summary is a few of the text's own sentences, which the model chooses
 * (quoting.h): nothing in it is invented, whatever the model. In its own words a
 * large model writes better, and a small one makes things up. */
#ifndef TIDEMARK_APP_WORK_SUMMARIZING_H
#define TIDEMARK_APP_WORK_SUMMARIZING_H

#include "app/work/session.h"

struct summarizing_options {
    int64_t document;
    int64_t section;   /* this section only; -1: the whole document */
    int64_t chapter;   /* 1 + a section: it and all below it in the outline, and the other
                          parts of a long one; 0: no */
    int64_t so_far;    /* the story up to this section's end, from the prefix state; -1: no */
    bool own_words;    /* written by the model instead of chosen from the text */
    size_t max_tokens; /* of one summary in its own words; 0: the default */
};

struct summarizing_part {
    int64_t section;
    char *text;
    bool kept; /* it was in the library already */
};

struct summarizing_result {
    char *text;                     /* of what was asked for */
    bool kept;                      /* it was in the library already */
    struct summarizing_part *parts; /* of a document or chapter: its sections in order */
    size_t part_count;
    int64_t tokens_reread;
    int64_t tokens_generated;
    double seconds;
};

bool summarizing_run(struct session *session, const struct summarizing_options *options,
                     struct summarizing_result *result, struct error *error) WARN_UNUSED;
void summarizing_result_free(struct summarizing_result *result);

#endif
