/* A file of tensors: what its header announces lies inside it, and is found by name. The
 * first byte says how long the file claims to be beyond what is there. */
#include "tests/fuzz/harness.h"

#include "convert/safetensors.h"

#include <stdlib.h>

static struct error error;

static void walk(const struct safetensors *file)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensors_tensor *tensor = &file->tensors[i];
        HARNESS_REQUIRE(tensor->dims <= SAFETENSORS_MAX_DIMS && tensor->dtype);
        HARNESS_REQUIRE(tensor->offset >= 8 && tensor->offset <= file->size);
        HARNESS_REQUIRE(tensor->bytes <= file->size - tensor->offset);
        HARNESS_REQUIRE(i == 0 ||
                        tensor->offset >= file->tensors[i - 1].offset + file->tensors[i - 1].bytes);
        HARNESS_REQUIRE(safetensors_find(file, tensor->name) == tensor);
    }
    HARNESS_REQUIRE(!safetensors_find(file, "no such tensor"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct harness_input input = {bytes, size};
    uint64_t beyond = harness_byte(&input) * 16;
    struct safetensors *file;
    char *copy = harness_copy(input);
    if (safetensors_parse(&file, (unsigned char *)copy, input.size, input.size + beyond,
                          "fuzzed.safetensors", &error))
        walk(file);
    else
        harness_require_error(&error);
    safetensors_close(file);
    free(copy);
    return 0;
}
