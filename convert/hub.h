/* hub.h: a model as the hub lays it out becomes a planned GGUF file.
 *
 *     struct hub *hub;
 *     if (hub_open(&hub, paths, count, tokenizer, &error) &&
 *         hub_plan(hub, &plan, types_find("q8_0"), &error))
 *         ... stream_write(&plan, ...)
 *     hub_close(hub);
 *
 * Read are Mamba (`model_type` "mamba", and the original files of state-spaces, whose
 * config.json says `d_model` and `n_layer`) and Falcon-Mamba. Shapes come from the
 * tensors; a tensor that the architecture has no place for is refused, since a model
 * without it would be another one. */
#ifndef TIDEMARK_CONVERT_HUB_H
#define TIDEMARK_CONVERT_HUB_H

#include "convert/plan.h"
#include "convert/types.h"

struct hub;

/* Arguments as in hub_files.h. On success the caller owns *hub; hub_close(NULL) is fine. */
bool hub_open(struct hub **hub, char *const *paths, size_t count, const char *tokenizer,
              struct error *error) WARN_UNUSED;
void hub_close(struct hub *hub);

/* Fills an empty plan, which borrows from hub until it is freed. */
bool hub_plan(struct hub *hub, struct plan *plan, const struct types_file *types,
              struct error *error) WARN_UNUSED;

/* What the user should know of it after hub_plan, or NULL; static text. */
const char *hub_note(const struct hub *hub);

#endif
