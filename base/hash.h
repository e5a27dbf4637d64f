/* hash.h: XXH3-128, the fingerprint of everything that a checkpoint depends on.
 *
 * Not cryptographic: it tells different files apart, it does not defend against
 * someone who builds a collision on purpose. Bytes are in XXH's canonical
 * (big-endian) order, so that the hexadecimal form equals that of xxh128sum. */
#ifndef TIDEMARK_BASE_HASH_H
#define TIDEMARK_BASE_HASH_H

#include "base/error.h"

#include <stddef.h>

#define HASH_HEX_SIZE 33

struct hash {
    unsigned char bytes[16];
};

struct hash_stream; /* owned by the caller, freed by hash_stream_free */

struct hash hash_of(const void *data, size_t size);
bool hash_equal(const struct hash *a, const struct hash *b);
void hash_to_hex(char hex[HASH_HEX_SIZE], const struct hash *hash);
bool hash_from_hex(struct hash *hash, const char *hex) WARN_UNUSED;

/* NULL when out of memory. */
struct hash_stream *hash_stream_new(void);
void hash_stream_reset(struct hash_stream *stream);
void hash_stream_add(struct hash_stream *stream, const void *data, size_t size);
struct hash hash_stream_end(const struct hash_stream *stream);
void hash_stream_free(struct hash_stream *stream);

#endif
