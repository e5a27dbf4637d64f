/* json.h: JSON values become text, and nothing of them is lost on the way, if memory runs
 * out, either (base/json_memory.h). */
#ifndef TIDEMARK_APP_WORK_JSON_H
#define TIDEMARK_APP_WORK_JSON_H

#include "base/buffer.h"

#include <jansson.h>

/* As json_array_append_new and json_object_set_new; a NULL value, which is what making
 * one without memory gives, is remembered like a failed allocation. */
void json_append(json_t *array, json_t *value);
void json_put(json_t *object, const char *key, json_t *value);

/* Appends the value as one line of ASCII, so that no control or direction mark of a
 * document passes in a string. Takes the reference; NULL counts as out of memory, and
 * so does an allocation that failed since the last call. */
bool json_text(struct buffer *out, json_t *value, struct error *error) WARN_UNUSED;

#endif
