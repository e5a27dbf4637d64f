/* json_read.h: JSON out of files that nobody vouches for.
 *
 * Before a value is built, the text is walked once: nesting deeper than 32 or more
 * values than 4 million, which no model's files have, are refused, so that hostile text
 * cannot take memory out of proportion. Names that come twice in an object are refused:
 * which one counts is for nobody to guess. Errors are ERROR_MODEL, one line with the
 * path. */
#ifndef TIDEMARK_CONVERT_JSON_READ_H
#define TIDEMARK_CONVERT_JSON_READ_H

#include "base/error.h"

#include <jansson.h>
#include <stdint.h>

#define JSON_READ_FILE_LIMIT ((size_t)256 << 20)

/* The text is an object. On success the caller owns *value. `path` is for errors. */
bool json_read_text(json_t **value, const char *text, size_t size, const char *path,
                    struct error *error) WARN_UNUSED;

/* A whole file of at most JSON_READ_FILE_LIMIT bytes. */
bool json_read_file(json_t **value, const char *path, struct error *error) WARN_UNUSED;

/* The item of this name when it is there and of a kind that fits, else NULL. `object`
 * may be NULL. Borrowed. */
const json_t *json_read_object(const json_t *object, const char *name);
const json_t *json_read_array(const json_t *object, const char *name);
const char *json_read_string(const json_t *object, const char *name);

/* An item that is absent or null leaves *value as it is; false with an error when it is
 * of another kind or out of range. */
bool json_read_count(const json_t *object, const char *name, int64_t most, int64_t *value,
                     const char *path, struct error *error) WARN_UNUSED;
bool json_read_real(const json_t *object, const char *name, double *value, const char *path,
                    struct error *error) WARN_UNUSED;
bool json_read_flag(const json_t *object, const char *name, bool *value, const char *path,
                    struct error *error) WARN_UNUSED;

#endif
