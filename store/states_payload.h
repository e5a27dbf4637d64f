/* states_payload.h: a state's bytes as they lie in states.db; private to this folder.
 *
 * STATES_PAYLOAD_ZSTD is one zstd frame with the size of its content. The content is
 * the payload taken as floats of four bytes and grouped by significance: all bytes
 * number 0, then all bytes number 1, 2 and 3; up to three bytes that are left at the
 * end follow as they are. */
#ifndef TIDEMARK_STORE_STATES_PAYLOAD_H
#define TIDEMARK_STORE_STATES_PAYLOAD_H

#include "base/error.h"

#include <stddef.h>

/* The values are stored. */
enum states_payload_codec {
    STATES_PAYLOAD_RAW = 0,
    STATES_PAYLOAD_ZSTD = 1,
};

/* What is to be stored. `bytes` is the caller's payload itself when packing would
 * save less than a sixteenth, else it points into `memory`, which states_payload_free
 * releases. */
struct states_payload {
    enum states_payload_codec codec;
    const void *bytes;
    size_t size;
    void *memory;
};

bool states_payload_pack(struct states_payload *packed, const void *payload, size_t size,
                         struct error *error) WARN_UNUSED;
void states_payload_free(struct states_payload *packed);

/* Writes exactly raw_size bytes at payload. *sound is false, without an error, when
 * the stored bytes (which may be hostile) do not give that many. False: out of memory. */
bool states_payload_unpack(void *payload, size_t raw_size, int codec, const void *stored,
                           size_t stored_size, bool *sound, struct error *error) WARN_UNUSED;

#endif
