#include "engine/gguf_reader.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [GGUF_U8] = "u8",       [GGUF_I8] = "i8",   [GGUF_U16] = "u16", [GGUF_I16] = "i16",
    [GGUF_U32] = "u32",     [GGUF_I32] = "i32", [GGUF_F32] = "f32", [GGUF_BOOL] = "bool",
    [GGUF_U64] = "u64",     [GGUF_I64] = "i64", [GGUF_F64] = "f64", [GGUF_STRING] = "string",
    [GGUF_ARRAY] = "array",
};

bool gguf_open(struct gguf **file, const char *path, struct error *error)
{
    *file = NULL;
    struct gguf *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_out_of_memory(error);
    opened->path = strdup(path);
    bool ok = (opened->path || error_out_of_memory(error)) &&
              file_map_open(&opened->map, path, ERROR_MODEL, error) &&
              gguf_reader_read(opened, error);
    if (!ok) {
        gguf_close(opened);
        return false;
    }
    *file = opened;
    return true;
}

void gguf_close(struct gguf *file)
{
    if (!file)
        return;
    file_map_close(&file->map);
    free(file->path);
    free(file->entries);
    free(file->tensors);
    free(file->by_name);
    free(file);
}

const char *gguf_path(const struct gguf *file)
{
    return file->path;
}

const struct file_map *gguf_map(const struct gguf *file)
{
    return &file->map;
}

static const struct gguf_reader_entry *find(const struct gguf *file, const char *key)
{
    struct gguf_reader_entry wanted = {.key = {key, strlen(key)}};
    if (file->entry_count == 0)
        return NULL;
    return bsearch(&wanted, file->entries, file->entry_count, sizeof wanted,
                   gguf_reader_compare_keys);
}

static const struct gguf_reader_entry *find_required(const struct gguf *file, const char *key,
                                                     struct error *error)
{
    const struct gguf_reader_entry *entry = find(file, key);
    if (!entry)
        error_set(
            error, ERROR_MODEL,
            "%s has no key %s: it is not a model of the kind that is needed here; get another "
            "file",
            file->path, key);
    return entry;
}

static bool wrong_kind(const struct gguf *file, const char *key,
                       const struct gguf_reader_entry *entry, const char *wanted,
                       struct error *error)
{
    bool array = entry->kind == GGUF_ARRAY;
    return error_set(error, ERROR_MODEL, "%s: the key %s is of type %s%s, not %s: get another file",
                     file->path, key, array ? "array of " : "",
                     names[array ? entry->item : entry->kind], wanted);
}

/* The value of any integer kind; false for other kinds and for a u64 above
 * INT64_MAX, which fits nothing that we ask for. */
static bool integer_value(const struct gguf_reader_entry *entry, int64_t *value)
{
    const unsigned char *bytes = entry->value;
    uint64_t wide;
    switch (entry->kind) {
    case GGUF_U8:
        *value = bytes[0];
        return true;
    case GGUF_I8:
        *value = (int8_t)bytes[0];
        return true;
    case GGUF_U16:
        *value = (uint16_t)gguf_reader_number(bytes, 2);
        return true;
    case GGUF_I16:
        *value = (int16_t)gguf_reader_number(bytes, 2);
        return true;
    case GGUF_U32:
        *value = (uint32_t)gguf_reader_number(bytes, 4);
        return true;
    case GGUF_I32:
        *value = (int32_t)gguf_reader_number(bytes, 4);
        return true;
    case GGUF_I64:
        *value = (int64_t)gguf_reader_number(bytes, 8);
        return true;
    case GGUF_U64:
        wide = gguf_reader_number(bytes, 8);
        *value = (int64_t)wide;
        return wide <= INT64_MAX;
    default:
        return false;
    }
}

static bool entry_u32(const struct gguf *file, const char *key,
                      const struct gguf_reader_entry *entry, uint32_t *value, struct error *error)
{
    int64_t wide;
    if (!integer_value(entry, &wide))
        return wrong_kind(file, key, entry, "u32", error);
    if (wide < 0 || wide > UINT32_MAX)
        return error_set(error, ERROR_MODEL,
                         "%s: the key %s is %lld, out of range: get another file", file->path, key,
                         (long long)wide);
    *value = (uint32_t)wide;
    return true;
}

static bool entry_f32(const struct gguf *file, const char *key,
                      const struct gguf_reader_entry *entry, float *value, struct error *error)
{
    if (entry->kind != GGUF_F32)
        return wrong_kind(file, key, entry, "f32", error);
    uint32_t bits = (uint32_t)gguf_reader_number(entry->value, 4);
    memcpy(value, &bits, sizeof bits);
    return true;
}

static bool entry_text(const struct gguf *file, const char *key,
                       const struct gguf_reader_entry *entry, struct gguf_text *value,
                       struct error *error)
{
    if (entry->kind != GGUF_STRING)
        return wrong_kind(file, key, entry, "string", error);
    *value = (struct gguf_text){(const char *)entry->value, entry->count};
    return true;
}

bool gguf_get_u32(const struct gguf *file, const char *key, uint32_t *value, struct error *error)
{
    const struct gguf_reader_entry *entry = find_required(file, key, error);
    return entry && entry_u32(file, key, entry, value, error);
}

bool gguf_get_f32(const struct gguf *file, const char *key, float *value, struct error *error)
{
    const struct gguf_reader_entry *entry = find_required(file, key, error);
    return entry && entry_f32(file, key, entry, value, error);
}

bool gguf_get_text(const struct gguf *file, const char *key, struct gguf_text *value,
                   struct error *error)
{
    const struct gguf_reader_entry *entry = find_required(file, key, error);
    return entry && entry_text(file, key, entry, value, error);
}

bool gguf_get_array(const struct gguf *file, const char *key, enum gguf_kind kind,
                    struct gguf_array *value, struct error *error)
{
    assert(kind != GGUF_ARRAY);
    const struct gguf_reader_entry *entry = find_required(file, key, error);
    if (!entry)
        return false;
    if (entry->kind != GGUF_ARRAY || entry->item != kind) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "array of %s", names[kind]);
        return wrong_kind(file, key, entry, wanted, error);
    }
    *value = (struct gguf_array){kind, entry->count, entry->value};
    return true;
}

bool gguf_maybe_u32(const struct gguf *file, const char *key, uint32_t *value, struct error *error)
{
    const struct gguf_reader_entry *entry = find(file, key);
    return !entry || entry_u32(file, key, entry, value, error);
}

bool gguf_maybe_f32(const struct gguf *file, const char *key, float *value, struct error *error)
{
    const struct gguf_reader_entry *entry = find(file, key);
    return !entry || entry_f32(file, key, entry, value, error);
}

bool gguf_maybe_bool(const struct gguf *file, const char *key, bool *value, struct error *error)
{
    const struct gguf_reader_entry *entry = find(file, key);
    if (!entry)
        return true;
    if (entry->kind != GGUF_BOOL)
        return wrong_kind(file, key, entry, "bool", error);
    *value = entry->value[0] != 0;
    return true;
}

bool gguf_maybe_text(const struct gguf *file, const char *key, struct gguf_text *value,
                     struct error *error)
{
    const struct gguf_reader_entry *entry = find(file, key);
    return !entry || entry_text(file, key, entry, value, error);
}

bool gguf_has(const struct gguf *file, const char *key)
{
    return find(file, key) != NULL;
}

size_t gguf_entries(const struct gguf *file)
{
    return file->entry_count;
}

struct gguf_text gguf_entry_at(const struct gguf *file, size_t index, struct gguf_text *whole)
{
    assert(index < file->entry_count);
    *whole = file->entries[index].whole;
    return file->entries[index].key;
}

struct gguf_text gguf_next_text(const unsigned char **cursor)
{
    size_t size = (size_t)gguf_reader_number(*cursor, 8);
    struct gguf_text text = {(const char *)*cursor + 8, size};
    *cursor += 8 + size;
    return text;
}

size_t gguf_tensors(const struct gguf *file)
{
    return file->tensor_count;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *file, size_t index)
{
    assert(index < file->tensor_count);
    return &file->tensors[index].shown;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *file, const char *name)
{
    struct gguf_reader_tensor wanted = {.shown.name = {name, strlen(name)}};
    const struct gguf_reader_tensor *key = &wanted;
    if (file->tensor_count == 0)
        return NULL;
    const struct gguf_reader_tensor **found =
        bsearch(&key, file->by_name, file->tensor_count, sizeof key, gguf_reader_compare_names);
    return found ? &(*found)->shown : NULL;
}
