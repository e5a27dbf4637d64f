/* section_states.h: states that have read one section alone, made when first needed
 * and then kept: better ground for questions than a long prefix, which overwrites
 * details. */
#ifndef TIDEMARK_APP_WORK_SECTION_STATES_H
#define TIDEMARK_APP_WORK_SECTION_STATES_H

#include "app/work/session.h"

/* Loads the section states of `count` sections into states[0..count), making and
 * keeping those that are not there, side by side. from_saved[i] says which were
 * there; *tokens_reread counts document tokens read for the others. */
bool section_states_load(struct session *session, int64_t document, const int64_t *sections,
                         size_t count, struct state *const *states, struct states_info *infos,
                         bool *from_saved, int64_t *tokens_reread, struct error *error) WARN_UNUSED;

#endif
