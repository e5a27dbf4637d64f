/* asking.h: a question about a document that has been read.
 *
 * Sections are ranked by the words of the question; each of the best starts a
 * lane from its saved section state; the question is added, the lanes are decoded
 * side by side, and the most confident answer wins. docs/ANSWERS.md says how each
 * of these choices was measured. A follow-up is one lane, from the state after the
 * answer that it follows (answer_states.h). */
#ifndef TIDEMARK_APP_WORK_ASKING_H
#define TIDEMARK_APP_WORK_ASKING_H

#include "app/work/citing.h"
#include "app/work/session.h"
#include "engine/sampler.h"

#include <jansson.h>

#define ASKING_MAX_LANES 64

struct asking_options {
    int64_t document;
    const char *question;
    int64_t section;   /* ask this section only; -1: find the best */
    int64_t as_of;     /* answer from the prefix state at this section's end; -1: no */
    bool reread;       /* read the passages again, question first */
    size_t lanes;      /* how many of the best sections; 0: the measured default */
    size_t max_tokens; /* of an answer; 0: the default */
    struct sampler_options sampler;
    bool keep;     /* add question and answer to the library, and the answer's state to the
                      states */
    int64_t after; /* go on from the answer to this question, of the same document, as in a
                      conversation; 0: no. Goes with none of section, as_of, reread. Had it no
                      answer, this one is asked afresh, within the limits of that one */
    bool stream;   /* tell the first lane's words as EVENT_TOKEN while they come, another
                      lane's may be the answer in the end; and this, once it is known, as
                      EVENT_ANSWER, before a sentence to quote is looked for */
};

struct asking_quote {
    char *text;
    bool verified;
    int64_t section; /* ordinal; -1 when not in the document */
    struct citing at;
    size_t begin, end; /* bytes of the section's text */
};

/* One lane: where it started from and what it answered. */
struct asking_source {
    int64_t section;
    bool saved; /* a state that was there; false: made for this question */
    enum states_kind kind;
    int64_t question; /* of an answer's state: whose answer; else 0 */
    int64_t token;    /* in the state; 0 when no state was used or kept */
    struct hash hash;
    char *answer;           /* quotes included */
    bool denied;            /* it says that the text does not say */
    bool verbatim;          /* the answer's words stand in the section as they are */
    double log_probability; /* of the answer, natural log, summed over ... */
    double lowest;          /* least of the summands */
    size_t counted;         /* ... so many tokens */
    double rank_score;      /* of the full-text search; 0 without one */
};

struct asking_result {
    int64_t question;  /* its id in the library; 0: not kept */
    bool found;        /* false: the document does not say */
    char *answer;      /* NULL unless found; without the lines that quote */
    int64_t section;   /* whose lane answered; with as_of: the last section read */
    int64_t as_of;     /* answered from everything up to here, given or of the conversation
                          that was gone on with; -1: no */
    double confidence; /* 0 to 1 */
    struct asking_quote *quotes;
    size_t quote_count;
    struct asking_source *sources; /* lanes in order of rank */
    size_t source_count;
    int64_t tokens_reread;    /* document tokens fed for this question */
    int64_t tokens_generated; /* all lanes */
    double seconds;
    double first_token_seconds; /* of these, until the first token of an answer was chosen, the
                                   opening of the model included; 0 without one */
};

bool asking_run(struct session *session, const struct asking_options *options,
                struct asking_result *result, struct error *error) WARN_UNUSED;
void asking_result_free(struct asking_result *result);

/* The answer as `ask --json` prints it; NULL when out of memory. The caller owns
 * the reference. */
json_t *asking_json(struct session *session, const struct asking_options *options,
                    const struct asking_result *result);

/* True for the ways in which a model says that the text does not say. */
bool asking_is_denial(const char *answer);

#endif
