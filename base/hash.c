#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

static struct hash canonical(XXH128_hash_t value)
{
    XXH128_canonical_t form;
    XXH128_canonicalFromHash(&form, value);
    struct hash hash;
    memcpy(hash.bytes, form.digest, sizeof hash.bytes);
    return hash;
}

struct hash hash_of(const void *data, size_t size)
{
    return canonical(XXH3_128bits(data, size));
}

bool hash_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void hash_to_hex(char hex[HASH_HEX_SIZE], const struct hash *hash)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof hash->bytes; i++) {
        hex[2 * i] = digits[hash->bytes[i] >> 4];
        hex[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    hex[HASH_HEX_SIZE - 1] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hash_from_hex(struct hash *hash, const char *hex)
{
    for (size_t i = 0; i < sizeof hash->bytes; i++) {
        int high = digit_value(hex[2 * i]);
        int low = high < 0 ? -1 : digit_value(hex[2 * i + 1]);
        if (low < 0)
            return false;
        hash->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return hex[HASH_HEX_SIZE - 1] == '\0';
}

struct hash_stream *hash_stream_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (state)
        XXH3_128bits_reset(state);
    return (struct hash_stream *)state;
}

void hash_stream_reset(struct hash_stream *stream)
{
    XXH3_128bits_reset((XXH3_state_t *)stream);
}

void hash_stream_add(struct hash_stream *stream, const void *data, size_t size)
{
    if (size)
        XXH3_128bits_update((XXH3_state_t *)stream, data, size);
}

struct hash hash_stream_end(const struct hash_stream *stream)
{
    return canonical(XXH3_128bits_digest((const XXH3_state_t *)stream));
}

void hash_stream_free(struct hash_stream *stream)
{
    XXH3_freeState((XXH3_state_t *)stream);
}
