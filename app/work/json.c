#include "app/work/json.h"

#include "base/json_memory.h"

#include <string.h>

void json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        json_memory_lack();
}

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        json_memory_lack();
}

/* DEL is the one control character that jansson's ASCII leaves as it is. */
static bool append(struct buffer *out, const char *text, size_t size, struct error *error)
{
    const char *end = text + size;
    for (const char *del; (del = memchr(text, 0x7F, (size_t)(end - text))); text = del + 1)
        if (!buffer_append(out, text, (size_t)(del - text), error) ||
            !buffer_append_text(out, "\\u007F", error))
            return false;
    return buffer_append(out, text, (size_t)(end - text), error);
}

struct dump {
    struct buffer *out;
    struct error *error;
    bool ok;
};

/* Jansson does not look at every result. */
static int take(const char *text, size_t size, void *context)
{
    struct dump *dump = context;
    dump->ok = dump->ok && append(dump->out, text, size, dump->error);
    return dump->ok ? 0 : -1;
}

bool json_text(struct buffer *out, json_t *value, struct error *error)
{
    struct dump dump = {.out = out, .error = error, .ok = value != NULL};
    size_t before = out->size;
    if (value && json_dump_callback(value, take, &dump, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)))
        dump.ok = false;
    json_decref(value);
    if (json_memory_exhausted())
        dump.ok = false;
    if (dump.ok)
        return true;
    out->size = before;
    if (out->data)
        out->data[before] = '\0';
    return error_out_of_memory(error);
}
