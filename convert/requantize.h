/* requantize.h: a GGUF file becomes a planned one of another type. */
#ifndef TIDEMARK_CONVERT_REQUANTIZE_H
#define TIDEMARK_CONVERT_REQUANTIZE_H

#include "convert/plan.h"
#include "convert/types.h"
#include "engine/gguf.h"

/* Fills an empty plan, which borrows from the file and `descriptor`, the same file open
 * for reading, until it is freed. All keys are kept but those that say how it is
 * quantized. ERROR_MODEL when a tensor is of a type that is not read. */
bool requantize_plan(struct plan *plan, const struct gguf *file, int descriptor,
                     const struct types_file *types, struct error *error) WARN_UNUSED;

#endif
