#include "convert/types.h"

#include <string.h>
#include <strings.h>

static const struct types_file files[] = {
    {"f32", BLOCKS_F32, 0, BLOCKS_F32},       {"f16", BLOCKS_F16, 1, BLOCKS_F16},
    {"bf16", BLOCKS_BF16, 32, BLOCKS_BF16},   {"q8_0", BLOCKS_Q8_0, 7, BLOCKS_Q8_0},
    {"q6_k", BLOCKS_Q6_K, 18, BLOCKS_Q6_K},   {"q5_k_m", BLOCKS_Q5_K, 17, BLOCKS_Q6_K},
    {"q4_k_m", BLOCKS_Q4_K, 15, BLOCKS_Q6_K}, {"q4_0", BLOCKS_Q4_0, 2, BLOCKS_Q6_K},
};

const struct types_file *types_find(const char *name)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcasecmp(files[i].name, name) == 0)
            return &files[i];
    return NULL;
}

bool types_is_matrix(const struct plan_tensor *tensor)
{
    static const char end[] = ".weight";
    size_t length = strlen(tensor->name);
    return tensor->dims >= 2 && length > strlen(end) &&
           strcmp(tensor->name + length - strlen(end), end) == 0 &&
           !strstr(tensor->name, "_norm.weight") && !strstr(tensor->name, "ssm_conv1d.weight");
}

static bool divides(enum blocks_type type, uint64_t columns)
{
    return columns % blocks_layout(type)->weights == 0;
}

static enum blocks_type choose(const struct types_file *file, uint64_t columns, bool output)
{
    enum blocks_type type = output ? file->output : file->type;
    if (!divides(type, columns)) {
        if (type == BLOCKS_Q4_K)
            type = BLOCKS_Q5_0;
        else if (type == BLOCKS_Q5_K)
            type = BLOCKS_Q5_1;
        else if (type == BLOCKS_Q6_K)
            type = BLOCKS_Q8_0;
    }
    return divides(type, columns) ? type : BLOCKS_F16;
}

void types_choose(struct plan *plan, const struct types_file *file)
{
    const char *output = plan_find(plan, "output.weight") ? "output.weight" : "token_embd.weight";
    for (size_t i = 0; i < plan->count; i++) {
        struct plan_tensor *tensor = &plan->tensors[i];
        tensor->type = types_is_matrix(tensor)
                           ? choose(file, tensor->ne[0], strcmp(tensor->name, output) == 0)
                           : BLOCKS_F32;
    }
}
