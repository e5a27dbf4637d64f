#include "store/states_payload.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* The upper bytes of floats (sign, exponent, first bits of the fraction) shrink and
 * the lower ones are noise; a higher level finds no more in either. */
#define LEVEL 1

static void group(unsigned char *restrict grouped, const unsigned char *restrict bytes, size_t size)
{
    size_t floats = size / 4;
    for (size_t i = 0; i < floats; i++)
        for (size_t byte = 0; byte < 4; byte++)
            grouped[byte * floats + i] = bytes[4 * i + byte];
    memcpy(grouped + 4 * floats, bytes + 4 * floats, size % 4);
}

static void ungroup(unsigned char *restrict bytes, const unsigned char *restrict grouped,
                    size_t size)
{
    size_t floats = size / 4;
    for (size_t i = 0; i < floats; i++)
        for (size_t byte = 0; byte < 4; byte++)
            bytes[4 * i + byte] = grouped[byte * floats + i];
    memcpy(bytes + 4 * floats, grouped + 4 * floats, size % 4);
}

/* Room for a frame that is worth keeping: zstd gives up when it needs more. */
static size_t worthwhile(size_t size)
{
    return size - size / 16 - (size % 16 != 0);
}

bool states_payload_pack(struct states_payload *packed, const void *payload, size_t size,
                         struct error *error)
{
    *packed = (struct states_payload){
        .codec = STATES_PAYLOAD_RAW,
        .bytes = payload,
        .size = size,
    };
    size_t room = worthwhile(size);
    if (room == 0)
        return true;
    unsigned char *grouped = malloc(size), *frame = malloc(room);
    if (!grouped || !frame) {
        free(grouped);
        free(frame);
        return error_out_of_memory(error);
    }
    group(grouped, payload, size);
    size_t used = ZSTD_compress(frame, room, grouped, size, LEVEL);
    free(grouped);
    if (ZSTD_isError(used)) {
        free(frame);
        return true;
    }
    *packed = (struct states_payload){
        .codec = STATES_PAYLOAD_ZSTD,
        .bytes = frame,
        .size = used,
        .memory = frame,
    };
    return true;
}

void states_payload_free(struct states_payload *packed)
{
    free(packed->memory);
    *packed = (struct states_payload){0};
}

bool states_payload_unpack(void *payload, size_t raw_size, int codec, const void *stored,
                           size_t stored_size, bool *sound, struct error *error)
{
    *sound = false;
    if (codec == STATES_PAYLOAD_RAW) {
        *sound = stored_size == raw_size;
        if (*sound && raw_size)
            memcpy(payload, stored, raw_size);
        return true;
    }
    if (codec != STATES_PAYLOAD_ZSTD || raw_size == 0 || stored_size == 0 ||
        ZSTD_getFrameContentSize(stored, stored_size) != raw_size)
        return true;
    unsigned char *grouped = malloc(raw_size);
    if (!grouped)
        return error_out_of_memory(error);
    *sound = ZSTD_decompress(grouped, raw_size, stored, stored_size) == raw_size;
    if (*sound)
        ungroup(payload, grouped, raw_size);
    free(grouped);
    return true;
}
