/* floats.h: memory for many floats. */
#ifndef TIDEMARK_ENGINE_FLOATS_H
#define TIDEMARK_ENGINE_FLOATS_H

#include <stddef.h>

/* `count` floats at a multiple of 64 bytes, not set to anything; in huge pages where they are
 * many and the system gives such: most steps go down columns of rows that lie pages apart.
 * NULL when out of memory; free() ends them. */
float *floats_new(size_t count);

#endif
