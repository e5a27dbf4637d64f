/* json_memory.h: whether jansson got the memory that it asked for.
 *
 * Jansson reads, builds and prints on when memory runs out, leaving out what it could not
 * hold: a letter of a name, a member of an object. So who has used it asks here.
 *
 *     json_t *value = json_loadb(text, size, flags, &what);
 *     if (json_memory_exhausted())
 *         return error_out_of_memory(error);
 */
#ifndef TIDEMARK_BASE_JSON_MEMORY_H
#define TIDEMARK_BASE_JSON_MEMORY_H

#include <stdbool.h>

/* Once, before the first value is made. */
void json_memory_prepare(void);

/* Notes that a value could not be made or held. */
void json_memory_lack(void);

/* Whether an allocation of jansson's has failed, or a lack was noted, since the last look. */
bool json_memory_exhausted(void);

#endif
