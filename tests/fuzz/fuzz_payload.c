/* A state's bytes as a database holds them. The input: a codec, a byte whose bit 0
 * says that the size is the one that the frame itself claims, else three bytes of
 * size; then the stored bytes. They also go through as a payload to be packed. */
#include "tests/fuzz/harness.h"

#include "store/states_payload.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define SIZE_LIMIT ((size_t)3 << 19) /* more than a stretch */

static struct error error;

static bool unpack_bytes(void *payload, size_t size, int codec, const void *stored,
                         size_t stored_size, struct pool *pool, bool *sound, struct error *failure)
{
    const struct states_payload_source source = states_payload_bytes(stored, stored_size);
    return states_payload_unpack(payload, size, codec, &source, pool, sound, failure);
}

static void unpack(size_t size, int codec, const char *stored, size_t stored_size)
{
    bool sound;
    struct harness_input nothing = {NULL, 0};
    char *payload = size > 0 ? malloc(size) : harness_copy(nothing);
    HARNESS_REQUIRE(payload != NULL);
    HARNESS_REQUIRE(unpack_bytes(payload, size, codec, stored, stored_size, NULL, &sound, &error));
    if (sound && codec == STATES_PAYLOAD_RAW)
        HARNESS_REQUIRE(size == stored_size && memcmp(payload, stored, size) == 0);
    HARNESS_REQUIRE(!sound || (codec >= STATES_PAYLOAD_RAW && codec <= STATES_PAYLOAD_FRAMES));
    free(payload);
}

static void check_round_trip(const char *payload, size_t size)
{
    struct states_payload packed;
    bool sound;
    char *back = malloc(size + 1);
    HARNESS_REQUIRE(back != NULL);
    HARNESS_REQUIRE(states_payload_pack(&packed, payload, size, NULL, &error));
    HARNESS_REQUIRE(packed.size <= size);
    int codec = (int)packed.codec;
    HARNESS_REQUIRE(
        unpack_bytes(back, size, codec, packed.bytes, packed.size, NULL, &sound, &error));
    HARNESS_REQUIRE(sound && memcmp(back, payload, size) == 0);
    HARNESS_REQUIRE(
        unpack_bytes(back, size - 1, codec, packed.bytes, packed.size, NULL, &sound, &error));
    HARNESS_REQUIRE(!sound);
    states_payload_free(&packed);
    free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    int codec = (int8_t)harness_byte(&input);
    bool claimed = harness_byte(&input) & 1;
    size_t given = claimed ? 0 : (size_t)harness_number(&input, 3);
    char *stored = harness_copy(input);
    unsigned long long claim = ZSTD_getFrameContentSize(stored, input.size);
    size_t raw = claimed && claim <= SIZE_LIMIT ? (size_t)claim : given;
    if (raw <= SIZE_LIMIT)
        unpack(raw, codec, stored, input.size);
    if (input.size > 0)
        check_round_trip(stored, input.size);
    free(stored);
    return 0;
}
