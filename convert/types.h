/* types.h: which type each tensor of a file gets.
 *
 * The rules are those of the public GGUF files of this architecture, so that other
 * programs find what they expect: matrices take the file's type; the output matrix, or
 * the embedding where it is both, takes Q6_K in every smaller type but Q8_0; norms,
 * convolutions, A, D and biases stay F32. Where rows are no whole blocks of 256, Q4_K
 * falls back to Q5_0, Q5_K to Q5_1 and Q6_K to Q8_0 (the output matrix always to Q8_0);
 * where they are no whole blocks of 32 either, to F16. */
#ifndef TIDEMARK_CONVERT_TYPES_H
#define TIDEMARK_CONVERT_TYPES_H

#include "convert/plan.h"

struct types_file {
    const char *name;        /* "q4_k_m" */
    enum blocks_type type;   /* of matrices */
    uint32_t file_type;      /* general.file_type */
    enum blocks_type output; /* of the output matrix */
};

#define TYPES_NAMES "f32 f16 bf16 q8_0 q6_k q5_k_m q4_k_m q4_0"

/* NULL for a name that is none of TYPES_NAMES, in capitals or not. */
const struct types_file *types_find(const char *name);

/* Whether the type of this tensor may be chosen. */
bool types_is_matrix(const struct plan_tensor *tensor);

/* Sets the type of every tensor. The embedding is the output when there is none of its
 * own. */
void types_choose(struct plan *plan, const struct types_file *file);

#endif
