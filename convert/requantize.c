#include "convert/requantize.h"

#include <stdio.h>
#include <string.h>

static bool says_how(struct gguf_text key)
{
    static const char *const keys[] = {"general.file_type", "general.quantization_version",
                                       "general.alignment"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (key.size == strlen(keys[i]) && memcmp(key.data, keys[i], key.size) == 0)
            return true;
    return false;
}

static bool copy_keys(struct plan *plan, const struct gguf *file, struct error *error)
{
    for (size_t i = 0; i < gguf_entries(file); i++) {
        struct gguf_text whole, key = gguf_entry_at(file, i, &whole);
        if (!says_how(key) &&
            !plan_entry(plan, (const unsigned char *)whole.data, whole.size, error))
            return false;
    }
    return true;
}

static bool copy_tensor(struct plan *plan, const struct gguf *file, int descriptor,
                        const struct gguf_tensor *tensor, struct error *error)
{
    char name[PLAN_NAME_SIZE];
    int shown = tensor->name.size < 80 ? (int)tensor->name.size : 80;
    if (!tensor->data)
        return error_set(error, ERROR_MODEL,
                         "%s: tensor %.*s has type %u, which is not supported: use a file of type "
                         "F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K, Q5_0, Q5_1 or Q4_0",
                         gguf_path(file), shown, tensor->name.data, tensor->type);
    if (tensor->name.size >= sizeof name || memchr(tensor->name.data, 0, tensor->name.size))
        return error_set(error, ERROR_MODEL, "%s: the tensor name %.*s cannot be written again",
                         gguf_path(file), shown, tensor->name.data);
    snprintf(name, sizeof name, "%.*s", (int)tensor->name.size, tensor->name.data);
    struct plan_tensor *planned = plan_add(plan, name, error);
    if (!planned)
        return false;
    planned->dims = tensor->dims;
    memcpy(planned->ne, tensor->ne, sizeof planned->ne);
    planned->source = (struct plan_source){
        .descriptor = descriptor,
        .path = gguf_path(file),
        .offset = (uint64_t)(tensor->data - gguf_map(file)->data),
        .type = (enum blocks_type)tensor->type,
    };
    return true;
}

bool requantize_plan(struct plan *plan, const struct gguf *file, int descriptor,
                     const struct types_file *types, struct error *error)
{
    if (!copy_keys(plan, file, error) ||
        !plan_u32(plan, "general.quantization_version", 2, error) ||
        !plan_u32(plan, "general.file_type", types->file_type, error))
        return false;
    for (size_t i = 0; i < gguf_tensors(file); i++)
        if (!copy_tensor(plan, file, descriptor, gguf_tensor_at(file, i), error))
            return false;
    types_choose(plan, types);
    plan_finish(plan);
    return true;
}
