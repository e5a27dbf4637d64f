#include "convert/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 3

/* --- keys -------------------------------------------------------------------------- */

static bool put_number(struct buffer *out, uint64_t value, size_t size, struct error *error)
{
    char bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(value >> (8 * i) & 0xFF);
    return buffer_append(out, bytes, size, error);
}

static bool put_string(struct buffer *out, const char *text, size_t size, struct error *error)
{
    return put_number(out, size, 8, error) && buffer_append(out, text, size, error);
}

static bool begin_entry(struct plan *plan, const char *key, enum gguf_kind kind,
                        struct error *error)
{
    plan->entry_count++;
    return put_string(&plan->entries, key, strlen(key), error) &&
           put_number(&plan->entries, kind, 4, error);
}

bool plan_u32(struct plan *plan, const char *key, uint32_t value, struct error *error)
{
    return begin_entry(plan, key, GGUF_U32, error) && put_number(&plan->entries, value, 4, error);
}

bool plan_f32(struct plan *plan, const char *key, float value, struct error *error)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return begin_entry(plan, key, GGUF_F32, error) && put_number(&plan->entries, bits, 4, error);
}

bool plan_bool(struct plan *plan, const char *key, bool value, struct error *error)
{
    return begin_entry(plan, key, GGUF_BOOL, error) && put_number(&plan->entries, value, 1, error);
}

bool plan_text(struct plan *plan, const char *key, const char *text, size_t size,
               struct error *error)
{
    return begin_entry(plan, key, GGUF_STRING, error) &&
           put_string(&plan->entries, text, size, error);
}

bool plan_array(struct plan *plan, const char *key, enum gguf_kind kind, uint64_t count,
                struct error *error)
{
    return begin_entry(plan, key, GGUF_ARRAY, error) &&
           put_number(&plan->entries, kind, 4, error) &&
           put_number(&plan->entries, count, 8, error);
}

bool plan_item_text(struct plan *plan, const char *text, size_t size, struct error *error)
{
    return put_string(&plan->entries, text, size, error);
}

bool plan_item_i32(struct plan *plan, int32_t value, struct error *error)
{
    return put_number(&plan->entries, (uint32_t)value, 4, error);
}

bool plan_entry(struct plan *plan, const unsigned char *bytes, size_t size, struct error *error)
{
    plan->entry_count++;
    return buffer_append(&plan->entries, bytes, size, error);
}

/* --- tensors ------------------------------------------------------------------------- */

struct plan_tensor *plan_add(struct plan *plan, const char *name, struct error *error)
{
    if (plan->count == plan->room) {
        size_t room = plan->room ? 2 * plan->room : 64;
        struct plan_tensor *tensors = realloc(plan->tensors, room * sizeof *tensors);
        if (!tensors) {
            error_out_of_memory(error);
            return NULL;
        }
        plan->tensors = tensors;
        plan->room = room;
    }
    struct plan_tensor *tensor = &plan->tensors[plan->count++];
    *tensor = (struct plan_tensor){.dims = 1, .ne = {1, 1, 1, 1}};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    return tensor;
}

struct plan_tensor *plan_find(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->tensors[i].name, name) == 0)
            return &plan->tensors[i];
    return NULL;
}

uint64_t plan_rows(const struct plan_tensor *tensor)
{
    return tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
}

/* -1 outside the layers. */
static long layer_of(const char *name)
{
    return strncmp(name, "blk.", 4) == 0 ? strtol(name + 4, NULL, 10) : -1;
}

static int compare_tensors(const void *left, const void *right)
{
    const struct plan_tensor *a = left, *b = right;
    long first = layer_of(a->name), second = layer_of(b->name);
    return first != second ? (first > second) - (first < second) : strcmp(a->name, b->name);
}

static uint64_t aligned(uint64_t size)
{
    return (size + PLAN_ALIGNMENT - 1) / PLAN_ALIGNMENT * PLAN_ALIGNMENT;
}

static uint64_t header_size(const struct plan *plan)
{
    uint64_t size = 4 + 4 + 8 + 8 + plan->entries.size;
    for (size_t i = 0; i < plan->count; i++)
        size += 8 + strlen(plan->tensors[i].name) + 4 + 8 * plan->tensors[i].dims + 4 + 8;
    return aligned(size);
}

void plan_finish(struct plan *plan)
{
    if (plan->count)
        qsort(plan->tensors, plan->count, sizeof *plan->tensors, compare_tensors);
    plan->size = header_size(plan);
    for (size_t i = 0; i < plan->count; i++) {
        struct plan_tensor *tensor = &plan->tensors[i];
        tensor->offset = plan->size;
        tensor->bytes = plan_rows(tensor) * blocks_row_bytes(tensor->type, (size_t)tensor->ne[0]);
        plan->size += aligned(tensor->bytes);
    }
}

bool plan_header(const struct plan *plan, struct buffer *header, struct error *error)
{
    uint64_t start = header_size(plan);
    if (!buffer_append(header, "GGUF", 4, error) || !put_number(header, VERSION, 4, error) ||
        !put_number(header, plan->count, 8, error) ||
        !put_number(header, plan->entry_count, 8, error) ||
        !buffer_append(header, plan->entries.data, plan->entries.size, error))
        return false;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_tensor *tensor = &plan->tensors[i];
        if (!put_string(header, tensor->name, strlen(tensor->name), error) ||
            !put_number(header, tensor->dims, 4, error))
            return false;
        for (unsigned j = 0; j < tensor->dims; j++)
            if (!put_number(header, tensor->ne[j], 8, error))
                return false;
        if (!put_number(header, tensor->type, 4, error) ||
            !put_number(header, tensor->offset - start, 8, error))
            return false;
    }
    while (header->size < start)
        if (!buffer_append_byte(header, 0, error))
            return false;
    return true;
}

void plan_free(struct plan *plan)
{
    buffer_free(&plan->entries);
    free(plan->tensors);
    *plan = (struct plan){0};
}
