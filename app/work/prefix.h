/* prefix.h: where a reading stands: the hash of the text up to a section, by which a prefix
 * state is known, and the states themselves. */
#ifndef TIDEMARK_APP_WORK_PREFIX_H
#define TIDEMARK_APP_WORK_PREFIX_H

#include "app/work/session.h"

/* Adds a section, with its text, to the running hash of a document's text. */
void prefix_hash_section(struct hash_stream *stream, const struct library_section *section);

/* The running hash of a document's text up to the end of `section`: the `text` of
 * a prefix state's key. */
bool prefix_text_hash(struct session *session, int64_t document, int64_t section, struct hash *hash,
                      struct error *error) WARN_UNUSED;

/* Adds the sections [begin, end) to a running hash, and their lengths to *characters, which
 * may be NULL. */
bool prefix_hash_sections(struct session *session, int64_t document, int64_t begin, int64_t end,
                          struct hash_stream *stream, int64_t *characters,
                          struct error *error) WARN_UNUSED;

/* Loads the last usable prefix state at or before `section`. One that does not fit
 * is named in a note and the one before it is tried. *next: the section to go on
 * with; 0 and an empty state when there is none. */
bool prefix_load(struct session *session, int64_t document, int64_t section, struct state *state,
                 struct states_info *info, int64_t *next, struct error *error) WARN_UNUSED;

/* Brings `state` to the end of `section`: from the prefix state there, or from the
 * nearest earlier one (or the beginning), reading on from it. *info is that of the
 * saved state used (token 0: none), *tokens_reread what of the document had to be read again. */
bool prefix_reach(struct session *session, int64_t document, int64_t section, struct state *state,
                  struct states_info *info, int64_t *tokens_reread,
                  struct error *error) WARN_UNUSED;

#endif
