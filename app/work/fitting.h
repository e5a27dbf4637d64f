/* fitting.h: does a stored state still fit the library's documents and this program?
 *
 *     struct fitting *fitting = fitting_new(session);
 *     if (!fitting_check(fitting, &info, &why, &error)) ...
 *     fitting_free(fitting);
 *
 * Cheap when states come document by document: the texts of one are hashed once. */
#ifndef TIDEMARK_APP_WORK_FITTING_H
#define TIDEMARK_APP_WORK_FITTING_H

#include "app/work/session.h"

struct fitting;

/* NULL when out of memory. The session stays the caller's. */
struct fitting *fitting_new(struct session *session);
void fitting_free(struct fitting *fitting);

/* *why is NULL for a state that fits, else what it does not fit: static text that
 * completes "made ...". The preamble is not looked at: it takes the model to know. */
bool fitting_check(struct fitting *fitting, const struct states_info *info, const char **why,
                   struct error *error) WARN_UNUSED;

#endif
