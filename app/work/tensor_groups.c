#include "app/work/tensor_groups.h"

#include "kernels/blocks.h"

#include <stdio.h>
#include <string.h>

/* The last takes what no other does. */
static const struct {
    const char *name, *tensor;
} kinds[TENSOR_GROUPS] = {
    {"embedding", "token_embd.weight"},
    {"output", "output.weight"},
    {"ssm_in", "ssm_in.weight"},
    {"ssm_x", "ssm_x.weight"},
    {"ssm_dt", "ssm_dt.weight"},
    {"ssm_out", "ssm_out.weight"},
    {"other", ""},
};

/* Without the "blk.N." of a layer. */
static struct gguf_text bare(struct gguf_text name)
{
    if (name.size < 4 || memcmp(name.data, "blk.", 4) != 0)
        return name;
    const char *point = memchr(name.data + 4, '.', name.size - 4);
    if (!point)
        return name;
    size_t cut = (size_t)(point + 1 - name.data);
    return (struct gguf_text){name.data + cut, name.size - cut};
}

static struct tensor_group *group_of(struct tensor_group groups[TENSOR_GROUPS],
                                     struct gguf_text name)
{
    size_t i = 0;
    struct gguf_text rest = bare(name);
    while (i + 1 < TENSOR_GROUPS && (rest.size != strlen(kinds[i].tensor) ||
                                     memcmp(rest.data, kinds[i].tensor, rest.size) != 0))
        i++;
    return &groups[i];
}

void tensor_groups_find(struct tensor_group groups[TENSOR_GROUPS], const struct gguf *file)
{
    bool seen[TENSOR_GROUPS][BLOCKS_TYPES] = {0};
    for (size_t i = 0; i < TENSOR_GROUPS; i++)
        groups[i] = (struct tensor_group){.name = kinds[i].name};
    for (size_t i = 0; i < gguf_tensors(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        struct tensor_group *group = group_of(groups, tensor->name);
        const struct blocks_layout *layout = blocks_layout(tensor->type);
        group->tensors++;
        group->bytes += (int64_t)tensor->bytes;
        if (!layout || seen[group - groups][tensor->type])
            continue;
        seen[group - groups][tensor->type] = true;
        size_t used = strlen(group->types);
        snprintf(group->types + used, sizeof group->types - used, "%s%s", used ? ", " : "",
                 layout->name);
    }
}
