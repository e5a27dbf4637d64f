/* recording.h: what a reading has made on its way into the stores: prefix states, and each
 * section's tokens and surprise.
 *
 *     struct recording recording = {.session = session, .document = &document};
 *     recording_begin(&recording, &error)
 *     ... recording.reading = the reading's row, as it is in the library ...
 *     each section: recording_state(&recording, section, &text, state, &error)
 *                   recording_section(&recording, section, bits, count, state, &error)
 *     ok = recording_end(&recording, ok, &error);
 *     recording_free(&recording);
 *
 * State first, library second: a section's row is put into the library once the states that were
 * recorded before it are stored, so that a crash between the two leaves an orphan state at worst;
 * after one that could not be stored, state or row, no further row is put.
 * Where the states lie in a device's memory a thread stores them meanwhile (keeping.h), and rows
 * wait. A row is in the library, and a state stored, when EVENT_SECTION or EVENT_CHECKPOINT says
 * so. */
#ifndef TIDEMARK_APP_WORK_RECORDING_H
#define TIDEMARK_APP_WORK_RECORDING_H

#include "app/work/keeping.h"

struct recording_row;

struct recording {
    struct session *session;
    const struct library_document *document; /* borrowed */
    struct library_reading reading; /* id, model and document are the caller's to set; what was
                                       read moves with each row that is put */
    int64_t last_stored;            /* token of the last prefix state that is stored */
    int64_t last_taken;             /* of the last that is, or is being, stored */

    /* Its own. */
    struct keeping *keeping;    /* NULL: states are stored as they are taken */
    int64_t taken, stored;      /* states given to it, and stored by it */
    struct recording_row *rows; /* [row_count] that wait for the states before them */
    size_t row_count, row_capacity;
    bool failed; /* a state or a row is missing: none after it is put */
};

/* The session has its model. */
bool recording_begin(struct recording *recording, struct error *error) WARN_UNUSED;

/* The state at the end of `section`; text: the hash of all text up to there (prefix.h). */
bool recording_state(struct recording *recording, int64_t section, const struct hash *text,
                     struct state *state, struct error *error) WARN_UNUSED;

/* A section that was read to its end, which is where `state` stands: bits [count], of each of its
 * tokens. */
bool recording_section(struct recording *recording, int64_t section, const float *bits,
                       size_t count, const struct state *state, struct error *error) WARN_UNUSED;

/* Waits for what is under way, however the reading has ended (`ok`, with its own error), unless
 * something could not be stored, and gives how both have. */
bool recording_end(struct recording *recording, bool ok, struct error *error) WARN_UNUSED;

void recording_free(struct recording *recording);

#endif
