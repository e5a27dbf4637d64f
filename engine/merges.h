/* merges.h: byte-pair merging (Sennrich et al., 2016) on token ids.
 *
 * A merge joins a neighbouring pair of tokens into one; its rank is the order in
 * which merges were added. merges_apply repeatedly joins the pair of lowest rank,
 * the leftmost first, until no pair has a merge. */
#ifndef TIDEMARK_ENGINE_MERGES_H
#define TIDEMARK_ENGINE_MERGES_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct merges;

/* Room for `capacity` merges. NULL when out of memory. */
struct merges *merges_new(size_t capacity, struct error *error);
void merges_free(struct merges *merges);

/* At most `capacity` calls. False, and nothing added, when the pair has a merge
 * already: the earlier one holds. Ids are not negative. */
bool merges_add(struct merges *merges, int32_t left, int32_t right, int32_t result);

/* Merges ids[0..*count) in place and lowers *count. O(n log n) time; memory is
 * needed for long words only. */
bool merges_apply(const struct merges *merges, int32_t *ids, size_t *count,
                  struct error *error) WARN_UNUSED;

#endif
