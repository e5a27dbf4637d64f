/* states_payload.h: a state's bytes as they lie in states.db; private to this folder.
 *
 * The payload is cut into stretches of STATES_PAYLOAD_STRETCH bytes, the last one shorter,
 * which are packed and unpacked apart from each other, by as many threads as there are.
 * Each becomes one zstd frame with the size of its content. The content is the stretch
 * taken as floats of four bytes and grouped by significance: all bytes number 0, then all
 * bytes number 1, 2 and 3; up to three bytes that are left at the end follow as they are. */
#ifndef TIDEMARK_STORE_STATES_PAYLOAD_H
#define TIDEMARK_STORE_STATES_PAYLOAD_H

#include "base/error.h"
#include "base/pool.h"

#include <stddef.h>

/* The values are stored. */
enum states_payload_codec {
    STATES_PAYLOAD_RAW = 0,
    STATES_PAYLOAD_ZSTD = 1,   /* one frame: the whole payload is one stretch */
    STATES_PAYLOAD_FRAMES = 2, /* a table of the frames' sizes, four bytes each, the least
                                  significant first; then the frames */
};

#define STATES_PAYLOAD_STRETCH ((size_t)1 << 20)

/* What is to be stored. `bytes` is the caller's payload itself when packing would
 * save less than a sixteenth, else it points into `memory`, which states_payload_free
 * releases. */
struct states_payload {
    enum states_payload_codec codec;
    const void *bytes;
    size_t size;
    void *memory;
};

/* pool: NULL, or threads to share the work. What comes out does not depend on it. */
bool states_payload_pack(struct states_payload *packed, const void *payload, size_t size,
                         struct pool *pool, struct error *error) WARN_UNUSED;
void states_payload_free(struct states_payload *packed);

/* Where stored bytes come from. Reads are whole, within `size`, and never two at a time, but
 * from any thread of the pool. */
struct states_payload_source {
    bool (*read)(void *context, void *to, size_t at, size_t size, struct error *error);
    void *context;
    size_t size;
};

/* Bytes in memory, borrowed. */
struct states_payload_source states_payload_bytes(const void *stored, size_t size);

/* Writes at most raw_size bytes at payload. *sound is false, without an error, when the
 * stored bytes (which may be hostile) do not give exactly that many. False: out of memory,
 * or the source failed. */
bool states_payload_unpack(void *payload, size_t raw_size, int codec,
                           const struct states_payload_source *source, struct pool *pool,
                           bool *sound, struct error *error) WARN_UNUSED;

#endif
