/* tensor_groups.h: which types and how many bytes each kind of a model's tensors has. */
#ifndef TIDEMARK_APP_WORK_TENSOR_GROUPS_H
#define TIDEMARK_APP_WORK_TENSOR_GROUPS_H

#include "engine/gguf.h"

#define TENSOR_GROUPS 7

struct tensor_group {
    const char *name; /* "embedding", "ssm_in", ..., "other"; static */
    char types[64];   /* "Q4_K", "Q4_K, Q6_K" */
    int64_t tensors, bytes;
};

/* Groups without a tensor have none of all. */
void tensor_groups_find(struct tensor_group groups[TENSOR_GROUPS], const struct gguf *file);

#endif
