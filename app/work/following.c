#include "app/work/following.h"

#include "app/work/ingest.h"
#include "base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY 50 /* milliseconds; also how long a cancel may wait */
#define STILL_FOR 0.3 /* seconds without a change after which a writer has paused */
#define AT_MOST 3.0   /* seconds of change after which there is no more waiting */

static bool look(struct file_identity *identities, const char *const *paths, size_t count,
                 struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!file_identify(&identities[i], paths[i], error))
            return false;
    return true;
}

bool following_begin(struct following *following, const char *const *paths, size_t count,
                     struct error *error)
{
    *following = (struct following){.paths = paths, .count = count};
    for (size_t i = 0; i < count; i++)
        if (strcmp(paths[i], INGEST_STANDARD_INPUT) == 0)
            return error_set(error, ERROR_USAGE,
                             "standard input is read to its end: --follow needs a file");
    following->seen = calloc(count, sizeof *following->seen);
    return following->seen ? look(following->seen, paths, count, error)
                           : error_out_of_memory(error);
}

void following_end(struct following *following)
{
    free(following->seen);
    *following = (struct following){0};
}

static bool refuse(const char *path, const char *what, struct error *error)
{
    return error_set(error, ERROR_INPUT,
                     "%.500s was %s: what was read of it is kept; read it again to take it as it "
                     "is now",
                     path, what);
}

/* *changed: since `seen`, which is brought up to date. */
static bool check(struct file_identity *seen, const char *path, bool *changed, struct error *error)
{
    struct file_identity now;
    struct error gone;
    if (!file_identify(&now, path, &gone))
        return refuse(path, "removed", error);
    if (now.device != seen->device || now.inode != seen->inode)
        return refuse(path, "replaced", error);
    if (now.size < seen->size)
        return refuse(path, "cut short", error);
    *changed = *changed || now.size != seen->size || now.modified_ns != seen->modified_ns;
    *seen = now;
    return true;
}

bool following_wait(struct following *following, struct session *session, struct error *error)
{
    double first = 0, last = 0; /* changes; 0: none yet */
    for (;;) {
        bool changed = false;
        for (size_t i = 0; i < following->count; i++)
            if (!check(&following->seen[i], following->paths[i], &changed, error))
                return false;
        double now = clock_seconds();
        if (changed) {
            last = now;
            first = first > 0 ? first : now;
        }
        if (first > 0 && (now - last >= STILL_FOR || now - first >= AT_MOST))
            return true;
        if (!session_pause(session, error))
            return error_set(error, ERROR_INTERRUPTED,
                             "stopped following; all that was read is kept");
        poll(NULL, 0, LOOK_EVERY);
    }
}
