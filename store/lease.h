/* lease.h: one process reads a document at a time, and a second learns which.
 *
 *     struct lease *lease;
 *     struct lease_holder holder;
 *     if (!lease_take(&lease, folder, document, &holder, &error)) ...
 *     if (!lease) ... holder says who has it
 *     lease_release(lease);
 *
 * A lease is a POSIX record lock (fcntl, F_SETLK) on the document's part of
 * `reading.lock` in the library's folder, so it ends with its process, however that
 * ends, and taking it never waits. The lock belongs to the process, not to the thread or
 * the descriptor: the file is open once in a process, for as long as a lease on it is
 * held, since closing any descriptor of it would drop every lock; nothing else may open
 * it. A second lease of the same document in one process is refused like any other. The
 * part of the file that is locked says when the lease was taken.
 *
 * A child of fork holds none of the leases of its parent; it may release its copies.
 * Whoever removes the file while a lease is held lets other processes in. */
#ifndef TIDEMARK_STORE_LEASE_H
#define TIDEMARK_STORE_LEASE_H

#include "base/error.h"

#include <stdint.h>

struct lease;

struct lease_holder {
    int64_t process; /* id; 0: on another machine or in another container */
    int64_t since;   /* unix seconds; 0: not known */
};

/* True with *lease NULL and *holder filled when another has it. ERROR_STORE when the
 * file cannot be made, opened or locked, or `document` is beyond any library. May be
 * called from any thread. */
bool lease_take(struct lease **lease, const char *folder, int64_t document,
                struct lease_holder *holder, struct error *error) WARN_UNUSED;
void lease_release(struct lease *lease); /* NULL is fine */

#endif
