/* upkeep.h: keeping the library sound, its states within their budget, and nothing
 * in it that belongs to nothing. */
#ifndef TIDEMARK_APP_WORK_UPKEEP_H
#define TIDEMARK_APP_WORK_UPKEEP_H

#include "app/work/session.h"

#define UPKEEP_BUDGET (INT64_C(4) << 30) /* bytes of all states, unless told otherwise */

/* --budget, else the configuration file's, else UPKEEP_BUDGET. */
bool upkeep_budget(struct session *session, int64_t *budget, struct error *error) WARN_UNUSED;

/* To be called when states were stored: removes the least useful ones when all take
 * more than the budget, and says so in a note, once a session. */
bool upkeep_thin(struct session *session, struct error *error) WARN_UNUSED;

/* The note of upkeep_thin, for who has thinned by states_thin. */
void upkeep_thinned(struct session *session, int64_t budget, const struct states_freed *freed);

/* What `tidemark gc` does: removes the states that no document, text, model or
 * version of this program fits any more, then thins the rest to the budget. */
struct upkeep_collection {
    struct states_freed orphans, thinned;
    int64_t budget;
    int64_t left; /* bytes of all states afterwards; may be more than the budget */
};
bool upkeep_collect(struct session *session, struct upkeep_collection *collection,
                    struct error *error) WARN_UNUSED;

/* What `tidemark verify` does. Changes nothing. One line a finding, which may hold
 * hostile text. */
enum upkeep_grade {
    UPKEEP_NOTE,    /* costs nothing but reading again: a state that is gone or fits
                       nothing, a source file that has changed or vanished */
    UPKEEP_PROBLEM, /* something is damaged */
};
typedef void upkeep_finding(void *context, enum upkeep_grade grade, const char *line);
struct upkeep_verification {
    int64_t documents, sections, states, state_bytes;
    int64_t problems, notes;
};
bool upkeep_verify(struct session *session, upkeep_finding *report, void *context,
                   struct upkeep_verification *verification, struct error *error) WARN_UNUSED;

/* Of the library. */
bool upkeep_count_documents(struct session *session, int64_t *count,
                            struct error *error) WARN_UNUSED;

/* library_restore, while nobody reads any document; states that do not fit what was
 * restored are removed. */
bool upkeep_restore(struct session *session, const char *path, bool force,
                    struct library_loss *loss, bool *refused, struct error *error) WARN_UNUSED;

/* Removes the document, all that hangs on it, and its states. ERROR_STORE while
 * another process reads it. */
bool upkeep_remove(struct session *session, int64_t document, struct error *error) WARN_UNUSED;

/* Overwrites what the files still hold of documents that were removed. */
bool upkeep_shred(struct session *session, struct error *error) WARN_UNUSED;

#endif
