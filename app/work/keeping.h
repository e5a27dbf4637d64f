/* keeping.h: states that are stored by a thread of their own while a GPU reads on.
 *
 *     struct keeping *keeping = keeping_new(session, &error);
 *     keeping_put(keeping, &info, state, &error)          a snapshot; returns at once
 *     while (keeping_take(keeping, wait, &kept, &error))  what was committed meanwhile
 *     keeping_free(keeping)                               waits for what is under way
 *
 * The thread waits for the snapshot to arrive, stores it through a connection of its own
 * and thins to the budget; the file shrinks at the end, once. At most KEEPING_MOST states are under
 * way: take until there is room (keeping_full). All but the thread's own work happens on the
 * session's thread. */
#ifndef TIDEMARK_APP_WORK_KEEPING_H
#define TIDEMARK_APP_WORK_KEEPING_H

#include "app/work/session.h"

enum { KEEPING_MOST = 3 };

struct keeping;

/* A backend whose states lie in the processor's memory gains nothing by it:
 * forward_snapshots. NULL and an error on failure. */
struct keeping *keeping_new(struct session *session, struct error *error);

/* Drops what is still under way after it has been stored. NULL is fine. */
void keeping_free(struct keeping *keeping);

bool keeping_put(struct keeping *keeping, const struct states_info *info, struct state *state,
                 struct error *error) WARN_UNUSED;

/* Whether one must be taken before the next is put. */
bool keeping_full(struct keeping *keeping);

/* The oldest state that was stored since the last call. *found false: none is done, or
 * with `wait`: none is under way. An error is that of the storing. */
bool keeping_take(struct keeping *keeping, bool wait, struct states_info *kept, bool *found,
                  struct error *error) WARN_UNUSED;

#endif
