#include "convert/json_read.h"

#include "base/file.h"
#include "base/json_memory.h"

#include <string.h>

enum {
    DEPTH_LIMIT = 32,
    VALUE_LIMIT = 4000000,
};

/* --- limits ------------------------------------------------------------------------ */

/* The end of a string that begins at text[at], which is a quotation mark. */
static size_t string_end(const char *text, size_t size, size_t at)
{
    for (at++; at < size && text[at] != '"'; at++)
        if (text[at] == '\\')
            at++;
    return at;
}

static bool within_limits(const char *text, size_t size, const char *path, struct error *error)
{
    size_t depth = 0, values = 0;
    for (size_t at = 0; at < size; at++) {
        char c = text[at];
        if (c == '"')
            at = string_end(text, size, at);
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        values += c == '{' || c == '[' || c == ',';
        if (depth > DEPTH_LIMIT)
            return error_set(error, ERROR_MODEL,
                             "%s: at byte %zu the JSON is nested more than %d deep: get the file "
                             "again",
                             path, at, DEPTH_LIMIT);
        if (values > VALUE_LIMIT)
            return error_set(error, ERROR_MODEL,
                             "%s: the JSON holds more than %d values: get the file again", path,
                             VALUE_LIMIT);
    }
    return true;
}

bool json_read_text(json_t **value, const char *text, size_t size, const char *path,
                    struct error *error)
{
    json_error_t what;
    *value = NULL;
    if (!within_limits(text, size, path, error))
        return false;
    json_t *read = json_loadb(text, size, JSON_REJECT_DUPLICATES, &what);
    /* Public files give 10^30 for "no limit". Then all numbers become real ones, and who
     * needs a whole one finds none. */
    if (!read && json_error_code(&what) == json_error_numeric_overflow)
        read = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &what);
    if (json_memory_exhausted()) {
        json_decref(read);
        return error_out_of_memory(error);
    }
    if (!read)
        return error_set(error, ERROR_MODEL,
                         "%s is no sound JSON: line %d: %.160s: get the file again", path,
                         what.line, what.text);
    if (!json_is_object(read)) {
        json_decref(read);
        return error_set(error, ERROR_MODEL, "%s: the JSON is no object: get the file again", path);
    }
    *value = read;
    return true;
}

bool json_read_file(json_t **value, const char *path, struct error *error)
{
    struct file_map map;
    *value = NULL;
    if (!file_map_open(&map, path, ERROR_MODEL, error))
        return false;
    bool ok = map.size <= JSON_READ_FILE_LIMIT
                  ? json_read_text(value, (const char *)map.data, map.size, path, error)
                  : error_set(error, ERROR_MODEL,
                              "%s is larger than %zu MiB, which no such file is: give another one",
                              path, JSON_READ_FILE_LIMIT >> 20);
    file_map_close(&map);
    return ok;
}

/* --- items --------------------------------------------------------------------------- */

const json_t *json_read_object(const json_t *object, const char *name)
{
    const json_t *item = json_object_get(object, name);
    return json_is_object(item) ? item : NULL;
}

const json_t *json_read_array(const json_t *object, const char *name)
{
    const json_t *item = json_object_get(object, name);
    return json_is_array(item) ? item : NULL;
}

const char *json_read_string(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static const json_t *given(const json_t *object, const char *name)
{
    const json_t *item = json_object_get(object, name);
    return json_is_null(item) ? NULL : item;
}

bool json_read_count(const json_t *object, const char *name, int64_t most, int64_t *value,
                     const char *path, struct error *error)
{
    const json_t *item = given(object, name);
    if (!item)
        return true;
    if (!json_is_integer(item) || json_integer_value(item) < 0 || json_integer_value(item) > most)
        return error_set(error, ERROR_MODEL, "%s: \"%s\" is not a number from 0 to %lld", path,
                         name, (long long)most);
    *value = json_integer_value(item);
    return true;
}

bool json_read_real(const json_t *object, const char *name, double *value, const char *path,
                    struct error *error)
{
    const json_t *item = given(object, name);
    if (item && !json_is_number(item))
        return error_set(error, ERROR_MODEL, "%s: \"%s\" is not a number", path, name);
    *value = item ? json_number_value(item) : *value;
    return true;
}

bool json_read_flag(const json_t *object, const char *name, bool *value, const char *path,
                    struct error *error)
{
    const json_t *item = given(object, name);
    if (item && !json_is_boolean(item))
        return error_set(error, ERROR_MODEL, "%s: \"%s\" is neither true nor false", path, name);
    *value = item ? json_is_true(item) : *value;
    return true;
}
