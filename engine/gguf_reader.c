#include "engine/gguf_reader.h"

#include "kernels/blocks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 3
#define VERSION_SWAPPED 0x03000000u
#define DEFAULT_ALIGNMENT 32
#define ALIGNMENT_UNIT 8 /* the format asks for a multiple of 8 */
#define KEY_MAX 65535
#define TENSOR_NAME_MAX 64
#define NESTING_MAX 4

/* The fewest bytes that a key-value, a tensor's entry, a string and an array can
 * take: a count of more than the rest of the file holds is refused unread. */
#define ENTRY_MIN (8 + 1 + 4 + 1)
#define TENSOR_MIN (8 + 1 + 4 + 8 + 4 + 8)
#define STRING_MIN 8
#define ARRAY_MIN (4 + 8)

/* Walks the file from front to back; `at` never passes the end. */
struct reader {
    const struct gguf *file;
    size_t at;
    struct error *error;
};

/* Bytes of a value; 0: as long as it says. */
static const size_t sizes[] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2,  [GGUF_I16] = 2,    [GGUF_U32] = 4,
    [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_STRING] = 0, [GGUF_ARRAY] = 0,
    [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

static bool damaged(const struct reader *reader, size_t at, const char *format, ...)
    PRINTF_LIKE(3, 4);

static bool damaged(const struct reader *reader, size_t at, const char *format, ...)
{
    char what[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return error_set(reader->error, ERROR_MODEL, "%s is damaged: at byte %zu %s: download it again",
                     reader->file->path, at, what);
}

/* How much of a name goes into an error. */
static int shown_length(struct gguf_text text)
{
    return text.size < 80 ? (int)text.size : 80;
}

uint64_t gguf_reader_number(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static size_t rest(const struct reader *reader)
{
    return reader->file->map.size - reader->at;
}

static const unsigned char *here(const struct reader *reader)
{
    return reader->file->map.data + reader->at;
}

static bool take_number(struct reader *reader, uint64_t *value, size_t size, const char *what)
{
    *value = 0;
    if (rest(reader) < size)
        return damaged(reader, reader->at, "the file ends inside %s", what);
    *value = gguf_reader_number(here(reader), size);
    reader->at += size;
    return true;
}

static bool take_text(struct reader *reader, struct gguf_text *text, const char *what)
{
    size_t start = reader->at;
    uint64_t size;
    if (!take_number(reader, &size, 8, what))
        return false;
    if (size > rest(reader))
        return damaged(reader, start, "%s of %llu bytes goes beyond the end of the file", what,
                       (unsigned long long)size);
    *text = (struct gguf_text){(const char *)here(reader), (size_t)size};
    reader->at += (size_t)size;
    return true;
}

static bool take_kind(struct reader *reader, enum gguf_kind *kind)
{
    size_t start = reader->at;
    uint64_t number;
    if (!take_number(reader, &number, 4, "a value's type"))
        return false;
    if (number >= sizeof sizes / sizeof sizes[0])
        return damaged(reader, start, "is a value of the unknown type %llu",
                       (unsigned long long)number);
    *kind = (enum gguf_kind)number;
    return true;
}

static bool check_bools(const struct reader *reader, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] > 1)
            return damaged(reader, (size_t)(bytes - reader->file->map.data) + i,
                           "is a bool that is neither 0 nor 1");
    return true;
}

static bool take_array(struct reader *reader, struct gguf_reader_entry *entry, unsigned depth);

static bool take_array_items(struct reader *reader, const struct gguf_reader_entry *entry,
                             unsigned depth)
{
    for (size_t i = 0; i < entry->count; i++) {
        struct gguf_text text;
        struct gguf_reader_entry inner;
        bool ok = entry->item == GGUF_STRING ? take_text(reader, &text, "a string in an array")
                                             : take_array(reader, &inner, depth + 1);
        if (!ok)
            return false;
    }
    return true;
}

static bool take_array(struct reader *reader, struct gguf_reader_entry *entry, unsigned depth)
{
    size_t start = reader->at;
    uint64_t count;
    if (depth == NESTING_MAX)
        return damaged(reader, start, "are arrays inside arrays, more than %d deep", NESTING_MAX);
    if (!take_kind(reader, &entry->item) || !take_number(reader, &count, 8, "an array's length"))
        return false;
    size_t item = sizes[entry->item];
    size_t least = item ? item : entry->item == GGUF_STRING ? STRING_MIN : ARRAY_MIN;
    if (count > rest(reader) / least)
        return damaged(reader, start, "an array of %llu items goes beyond the end of the file",
                       (unsigned long long)count);
    entry->value = here(reader);
    entry->count = (size_t)count;
    if (!item)
        return take_array_items(reader, entry, depth);
    reader->at += entry->count * item;
    return entry->item != GGUF_BOOL || check_bools(reader, entry->value, entry->count);
}

static bool take_value(struct reader *reader, struct gguf_reader_entry *entry)
{
    if (entry->kind == GGUF_ARRAY)
        return take_array(reader, entry, 0);
    if (entry->kind == GGUF_STRING) {
        struct gguf_text text;
        if (!take_text(reader, &text, "a string"))
            return false;
        entry->value = (const unsigned char *)text.data;
        entry->count = text.size;
        return true;
    }
    uint64_t value;
    entry->value = here(reader);
    return take_number(reader, &value, sizes[entry->kind], "a value") &&
           (entry->kind != GGUF_BOOL || check_bools(reader, entry->value, 1));
}

static bool take_entry(struct reader *reader, struct gguf_reader_entry *entry)
{
    size_t start = reader->at;
    *entry = (struct gguf_reader_entry){0};
    if (!take_text(reader, &entry->key, "a key"))
        return false;
    if (entry->key.size == 0 || entry->key.size > KEY_MAX)
        return damaged(reader, start, "is a key of %zu bytes (1 to %d are allowed)",
                       entry->key.size, KEY_MAX);
    if (!take_kind(reader, &entry->kind) || !take_value(reader, entry))
        return false;
    const unsigned char *begin = reader->file->map.data + start;
    entry->whole = (struct gguf_text){(const char *)begin, reader->at - start};
    return true;
}

static bool take_tensor(struct reader *reader, struct gguf_reader_tensor *tensor)
{
    size_t start = reader->at;
    struct gguf_tensor *shown = &tensor->shown;
    *tensor = (struct gguf_reader_tensor){0};
    if (!take_text(reader, &shown->name, "a tensor's name"))
        return false;
    if (shown->name.size == 0 || shown->name.size > TENSOR_NAME_MAX)
        return damaged(reader, start, "is a tensor's name of %zu bytes (1 to %d are allowed)",
                       shown->name.size, TENSOR_NAME_MAX);
    uint64_t dims, type;
    if (!take_number(reader, &dims, 4, "a tensor's number of dimensions"))
        return false;
    if (dims < 1 || dims > GGUF_MAX_DIMS)
        return damaged(reader, start, "the tensor %.*s has %llu dimensions (1 to %d are allowed)",
                       shown_length(shown->name), shown->name.data, (unsigned long long)dims,
                       GGUF_MAX_DIMS);
    shown->dims = (unsigned)dims;
    for (size_t i = 0; i < GGUF_MAX_DIMS; i++) {
        shown->ne[i] = 1;
        if (i < dims && !take_number(reader, &shown->ne[i], 8, "a tensor's shape"))
            return false;
        if (shown->ne[i] == 0)
            return damaged(reader, start, "the tensor %.*s has a dimension of 0",
                           shown_length(shown->name), shown->name.data);
    }
    if (!take_number(reader, &type, 4, "a tensor's type"))
        return false;
    shown->type = (uint32_t)type;
    return take_number(reader, &tensor->offset, 8, "a tensor's offset");
}

static bool take_header(struct reader *reader, uint64_t *tensors, uint64_t *entries)
{
    const char *path = reader->file->path;
    uint64_t version;
    if (rest(reader) < 4 || memcmp(here(reader), "GGUF", 4) != 0)
        return error_set(
            reader->error, ERROR_MODEL,
            "%s is not a GGUF file: it does not begin with \"GGUF\"; give a .gguf file", path);
    reader->at = 4;
    if (!take_number(reader, &version, 4, "the version"))
        return false;
    if (version == VERSION_SWAPPED)
        return error_set(reader->error, ERROR_MODEL,
                         "%s is a big-endian GGUF file, which is not read: get or convert a "
                         "little-endian one",
                         path);
    if (version != VERSION)
        return error_set(reader->error, ERROR_MODEL,
                         "%s is a GGUF file of version %llu; only version %d is read: get or "
                         "convert a newer file",
                         path, (unsigned long long)version, VERSION);
    if (!take_number(reader, tensors, 8, "the number of tensors") ||
        !take_number(reader, entries, 8, "the number of keys"))
        return false;
    if (*tensors > rest(reader) / TENSOR_MIN)
        return damaged(reader, 8, "are announced %llu tensors, more than the file can hold",
                       (unsigned long long)*tensors);
    if (*entries > rest(reader) / ENTRY_MIN)
        return damaged(reader, 16, "are announced %llu keys, more than the file can hold",
                       (unsigned long long)*entries);
    return true;
}

/* Grows by doubling, so that memory follows what was read, not what was announced. */
static void *with_room(void *items, size_t count, size_t size)
{
    if (count & (count - 1) || (count > 0 && count < 16))
        return items;
    return realloc(items, (count < 16 ? 16 : 2 * count) * size);
}

static int compare_texts(struct gguf_text a, struct gguf_text b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

int gguf_reader_compare_keys(const void *a, const void *b)
{
    return compare_texts(((const struct gguf_reader_entry *)a)->key,
                         ((const struct gguf_reader_entry *)b)->key);
}

static bool take_entries(struct reader *reader, struct gguf *file, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct gguf_reader_entry *entries =
            with_room(file->entries, file->entry_count, sizeof *entries);
        if (!entries)
            return error_out_of_memory(reader->error);
        file->entries = entries;
        if (!take_entry(reader, &entries[file->entry_count]))
            return false;
        file->entry_count++;
    }
    if (file->entry_count)
        qsort(file->entries, file->entry_count, sizeof *file->entries, gguf_reader_compare_keys);
    for (size_t i = 1; i < file->entry_count; i++) {
        struct gguf_text key = file->entries[i].key;
        if (compare_texts(file->entries[i - 1].key, key) == 0)
            return damaged(reader, (size_t)((const unsigned char *)key.data - file->map.data),
                           "the key %.*s comes a second time", shown_length(key), key.data);
    }
    return true;
}

static bool take_tensors(struct reader *reader, struct gguf *file, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct gguf_reader_tensor *tensors =
            with_room(file->tensors, file->tensor_count, sizeof *tensors);
        if (!tensors)
            return error_out_of_memory(reader->error);
        file->tensors = tensors;
        if (!take_tensor(reader, &tensors[file->tensor_count]))
            return false;
        file->tensor_count++;
    }
    return true;
}

/* An error about one tensor; `what` follows its name. */
static bool tensor_damaged(const struct reader *reader, const struct gguf_reader_tensor *tensor,
                           const char *what)
{
    struct gguf_text name = tensor->shown.name;
    return error_set(reader->error, ERROR_MODEL,
                     "%s is damaged: the tensor %.*s %s: download it again", reader->file->path,
                     shown_length(name), name.data, what);
}

static bool multiply(uint64_t *product, uint64_t factor)
{
    return !__builtin_mul_overflow(*product, factor, product);
}

/* The bytes that the tensor takes, from its type and shape; 0 for a type that we
 * do not read. */
static bool measure_tensor(const struct reader *reader, const struct gguf_reader_tensor *tensor,
                           uint64_t *bytes)
{
    const struct gguf_tensor *shown = &tensor->shown;
    const struct blocks_layout *layout = blocks_layout(shown->type);
    *bytes = 0;
    if (!layout)
        return true;
    if (shown->ne[0] % layout->weights)
        return tensor_damaged(reader, tensor, "has rows that are not whole blocks of its type");
    uint64_t total = shown->ne[0] / layout->weights;
    bool fits = multiply(&total, layout->bytes);
    for (size_t i = 1; i < GGUF_MAX_DIMS; i++)
        fits = fits && multiply(&total, shown->ne[i]);
    if (!fits)
        return tensor_damaged(reader, tensor, "has a shape that is too large for any file");
    *bytes = total;
    return true;
}

static bool place_tensor(const struct reader *reader, struct gguf_reader_tensor *tensor,
                         size_t data_start, uint32_t alignment)
{
    uint64_t bytes, available = reader->file->map.size - data_start;
    if (!measure_tensor(reader, tensor, &bytes))
        return false;
    if (tensor->offset % alignment)
        return tensor_damaged(reader, tensor, "has an offset that breaks the file's alignment");
    if (tensor->offset >= available || bytes > available - tensor->offset)
        return tensor_damaged(reader, tensor,
                              "goes beyond the end of the file, which is cut short");
    if (bytes) {
        tensor->shown.data = reader->file->map.data + data_start + tensor->offset;
        tensor->shown.bytes = (size_t)bytes;
    }
    return true;
}

static int compare_offsets(const void *a, const void *b)
{
    const struct gguf_reader_tensor *left = *(const struct gguf_reader_tensor *const *)a;
    const struct gguf_reader_tensor *right = *(const struct gguf_reader_tensor *const *)b;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

int gguf_reader_compare_names(const void *a, const void *b)
{
    const struct gguf_reader_tensor *left = *(const struct gguf_reader_tensor *const *)a;
    const struct gguf_reader_tensor *right = *(const struct gguf_reader_tensor *const *)b;
    return compare_texts(left->shown.name, right->shown.name);
}

static bool check_overlaps(const struct reader *reader, const struct gguf_reader_tensor **sorted,
                           size_t count)
{
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (sorted[i]->offset < end)
            return tensor_damaged(reader, sorted[i], "overlaps another tensor");
        /* How far a type that we do not read goes is unknown: at least a byte. */
        end = sorted[i]->offset + (sorted[i]->shown.bytes ? sorted[i]->shown.bytes : 1);
    }
    return true;
}

static bool index_tensors(const struct reader *reader, struct gguf *file)
{
    size_t count = file->tensor_count;
    const struct gguf_reader_tensor **sorted = calloc(count, sizeof *sorted);
    if (!sorted)
        return error_out_of_memory(reader->error);
    file->by_name = sorted;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &file->tensors[i];
    qsort(sorted, count, sizeof *sorted, compare_offsets);
    if (!check_overlaps(reader, sorted, count))
        return false;
    qsort(sorted, count, sizeof *sorted, gguf_reader_compare_names);
    for (size_t i = 1; i < count; i++)
        if (gguf_reader_compare_names(&sorted[i - 1], &sorted[i]) == 0)
            return tensor_damaged(reader, sorted[i], "comes a second time");
    return true;
}

static bool place_tensors(const struct reader *reader, struct gguf *file)
{
    uint32_t alignment = DEFAULT_ALIGNMENT;
    if (!gguf_maybe_u32(file, "general.alignment", &alignment, reader->error))
        return false;
    if (alignment == 0 || alignment % ALIGNMENT_UNIT)
        return error_set(reader->error, ERROR_MODEL,
                         "%s is damaged: the key general.alignment is %u, not a multiple of %d: "
                         "download it again",
                         file->path, alignment, ALIGNMENT_UNIT);
    /* A file that holds a vocabulary only may end right after its keys. */
    if (file->tensor_count == 0)
        return true;
    size_t over = reader->at % alignment;
    size_t padding = over ? alignment - over : 0;
    if (padding >= rest(reader))
        return damaged(reader, reader->at, "the file ends before the tensor data");
    for (size_t i = 0; i < file->tensor_count; i++)
        if (!place_tensor(reader, &file->tensors[i], reader->at + padding, alignment))
            return false;
    return index_tensors(reader, file);
}

bool gguf_reader_read(struct gguf *file, struct error *error)
{
    struct reader reader = {.file = file, .error = error};
    uint64_t tensors = 0, entries = 0;
    return take_header(&reader, &tensors, &entries) && take_entries(&reader, file, entries) &&
           take_tensors(&reader, file, tensors) && place_tensors(&reader, file);
}
