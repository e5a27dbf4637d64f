/* json.h: JSON values become text, and nothing of them is lost on the way.
 *
 * Jansson builds and prints on when memory runs out, leaving out what it could not
 * hold. json_prepare has it remember that, and json_text tells. */
#ifndef TIDEMARK_APP_WORK_JSON_H
#define TIDEMARK_APP_WORK_JSON_H

#include "base/buffer.h"

#include <jansson.h>

/* Once, before the first value is made. */
void json_prepare(void);

/* As json_array_append_new and json_object_set_new; a NULL value, which is what making
 * one without memory gives, is remembered like a failed allocation. */
void json_append(json_t *array, json_t *value);
void json_put(json_t *object, const char *key, json_t *value);

/* Whether an allocation of jansson's has failed since the last look. */
bool json_exhausted(void);

/* Appends the value as one line of ASCII, so that no control or direction mark of a
 * document passes in a string. Takes the reference; NULL counts as out of memory, and
 * so does an allocation that failed since the last call. */
bool json_text(struct buffer *out, json_t *value, struct error *error) WARN_UNUSED;

#endif
