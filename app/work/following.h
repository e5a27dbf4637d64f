/* following.h: waiting for files to grow.
 *
 *     struct following following;
 *     if (!following_begin(&following, paths, count, &error)) ...
 *     do
 *         take_in(paths);
 *     while (following_wait(&following, session, &error));
 *     following_end(&following); */
#ifndef TIDEMARK_APP_WORK_FOLLOWING_H
#define TIDEMARK_APP_WORK_FOLLOWING_H

#include "app/work/session.h"
#include "base/file.h"

struct following {
    const char *const *paths; /* borrowed */
    size_t count;
    struct file_identity *seen; /* [count]: of the files when they were last looked at */
};

/* Standard input has an end and cannot be followed: ERROR_USAGE. */
bool following_begin(struct following *following, const char *const *paths, size_t count,
                     struct error *error) WARN_UNUSED;

/* Returns when a file has changed since the last look and then kept still for a
 * moment, or changes without end; pauses meanwhile (session_pause). False:
 * ERROR_INTERRUPTED when the session was cancelled; ERROR_INPUT when a file was cut
 * short, replaced or removed, as rotated logs are, since what was read of it would be
 * lost by going on. */
bool following_wait(struct following *following, struct session *session,
                    struct error *error) WARN_UNUSED;

void following_end(struct following *following);

#endif
