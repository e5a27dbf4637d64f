/* session.h: what work has in its hands: the library, the states, and, once
 * needed, a model ready to run.
 *
 * A session belongs to one thread, the worker's (worker.h), and is handed to each
 * job. Nothing here prints; what the user should know goes out as events. */
#ifndef TIDEMARK_APP_WORK_SESSION_H
#define TIDEMARK_APP_WORK_SESSION_H

#include "app/work/event.h"
#include "app/work/place.h"
#include "engine/forward.h"
#include "store/lease.h"
#include "store/library.h"
#include "store/states.h"

#include <stdatomic.h>

struct session_options {
    const char *model;   /* --model or NULL */
    const char *library; /* --library or NULL */
    const char *kernels; /* --kernels or NULL */
    const char *backend; /* --backend or NULL: auto */
    unsigned threads;    /* --threads; 0: as many as the process may run on */
    bool budget_given;   /* --budget */
    int64_t budget;      /* of all states, bytes */
};

struct session {
    struct session_options options;
    char *folder;                  /* of library and states */
    const struct kernels *kernels; /* by name, or the fastest that run here */
    struct library *library;
    struct states *states;

    /* Set by session_need_model. */
    struct pool *pool;
    struct model *model;
    struct forward *forward;
    enum place_source model_source;
    struct hash fingerprint;
    int64_t model_id; /* in the library as it was at the last session_need_model */
    struct tokens preamble;
    struct hash preamble_hash;
    char tag[FORWARD_TAG_SIZE];

    const atomic_bool *cancel; /* raised by another thread; may be NULL */
    void (*emit)(void *context, const struct event *event);
    void *emit_context;
    bool (*pause)(void *context, struct error *error); /* set by the worker; may be NULL */
    void *pause_context;
    double last_progress; /* clock_seconds() of the last one sent */

    bool budget_known; /* `budget` holds what options or configuration say */
    int64_t budget;
    bool thinned, over; /* the user was told that states were removed; that the budget
                           is too small */
};

/* Options' texts are borrowed for the session's life. The library is opened at
 * once. cancel and emit may be NULL. */
bool session_open(struct session *session, const struct session_options *options,
                  const atomic_bool *cancel, void (*emit)(void *context, const struct event *event),
                  void *context, struct error *error) WARN_UNUSED;
void session_close(struct session *session);

/* Finds, checks and binds the model, and registers it in the library. When that was
 * done before, only model_id is looked up anew, since the library may have been replaced:
 * every job that uses the id begins with this, and holds the id no longer than it runs. */
bool session_need_model(struct session *session, struct error *error) WARN_UNUSED;

/* The id of the model that would be used, without loading it: its fingerprint is
 * known from an earlier use. *known is false when it is not, or no model is found. */
bool session_known_model(struct session *session, int64_t *id, struct hash *fingerprint,
                         bool *known, struct error *error) WARN_UNUSED;

bool session_cancelled(const struct session *session);

/* Lets urgent jobs run now, on this thread and with this session, before it returns. To be
 * called by a long job between two steps, outside any transaction, with nothing in hand
 * that they could pull away: they may ask, add notes, remove other documents. False with
 * ERROR_INTERRUPTED when the job itself is to stop. */
bool session_pause(struct session *session, struct error *error) WARN_UNUSED;

/* From here on `cancel` is the flag that stops the work, the model's threads' too. Between
 * two steps only. */
void session_watch(struct session *session, const atomic_bool *cancel);

/* Takes the lease of a document that is to be read or removed. ERROR_STORE, naming the
 * holder, while another process has it. */
bool session_take_document(struct session *session, int64_t document, struct lease **lease,
                           struct error *error) WARN_UNUSED;

/* Where the model computes: "cpu" or "cuda". */
const char *session_backend(const struct session *session);

void session_note(struct session *session, const char *format, ...) PRINTF_LIKE(2, 3);
void session_progress(struct session *session, const struct event_progress *progress);
void session_emit(struct session *session, const struct event *event);

/* The key of a state over this text hash, under this session's model. */
struct states_key session_key(const struct session *session, const struct hash *text);
struct states_place session_place(const struct session *session, int64_t document,
                                  enum states_kind kind, int64_t section);

/* Fills `info` for storing `state`. */
struct states_info session_info(const struct session *session, int64_t document,
                                enum states_kind kind, int64_t section, const struct hash *text,
                                const struct state *state);

/* Loads the state of a place when it is there and its key fits. *found is false
 * when there is none; one that does not fit is an error that names the reason. */
bool session_load_state(struct session *session, const struct states_place *place,
                        const struct hash *text, struct state *state, struct states_info *info,
                        bool *found, struct error *error) WARN_UNUSED;

/* Appends the tokens of plain text. */
bool session_encode(struct session *session, const char *text, size_t size, struct tokens *tokens,
                    struct error *error) WARN_UNUSED;

/* Appends the tokens of a section's text without the blank at its end, so that a
 * question's own empty line can follow a state at its end as the model was taught.
 * `continued`: text came before it in the stream; an empty line then leads. */
bool session_encode_section(struct session *session, const char *text, size_t size, bool continued,
                            struct tokens *tokens, struct error *error) WARN_UNUSED;

/* Size of a section's text without the blank at its end. */
size_t session_trimmed(const char *text, size_t size);

#endif
