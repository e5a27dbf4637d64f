/* importance.h: how much each column of a model's matrices counts: the mean square of
 * what it is multiplied by while a text is read.
 *
 *     struct importance *importance = importance_new(model, &error);
 *     importance_watch(importance, forward);
 *     ... forward_prefill ...
 *     importance_unwatch(importance, forward);
 *     importance_apply(importance, &plan);      // the plan borrows
 *     importance_free(importance);
 */
#ifndef TIDEMARK_CONVERT_IMPORTANCE_H
#define TIDEMARK_CONVERT_IMPORTANCE_H

#include "convert/plan.h"
#include "engine/forward.h"

struct importance;

/* Borrows the model. NULL when out of memory. */
struct importance *importance_new(const struct model *model, struct error *error);
void importance_free(struct importance *importance);

/* From here on, until importance_unwatch, what the forward pass multiplies is added up. */
void importance_watch(struct importance *importance, struct forward *forward);
void importance_unwatch(struct importance *importance, struct forward *forward);

/* Gives the matrices of the plan the means so far; a matrix that nothing was multiplied
 * by keeps counting all columns alike, as an embedding does that is only looked up. The
 * plan borrows until importance_free. */
void importance_apply(struct importance *importance, struct plan *plan);

#endif
