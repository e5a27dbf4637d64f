/* random_matrix.h: weight matrices of every type with hostile contents, for tests of
 * kernels. */
#ifndef TIDEMARK_TESTS_SUPPORT_RANDOM_MATRIX_H
#define TIDEMARK_TESTS_SUPPORT_RANDOM_MATRIX_H

#include "kernels/kernels.h"
#include "tests/support/random.h"

#include <string.h>

static inline void random_half(struct random *random, unsigned char *bytes)
{
    /* A finite half of either sign, now and then zero or subnormal. */
    unsigned exponent = random_below(random, 8) ? 5 + (unsigned)random_below(random, 8) : 0;
    unsigned half = (unsigned)random_next(random) & 0x83FFu;
    half |= exponent << 10;
    memcpy(bytes, &(uint16_t){(uint16_t)half}, 2);
}

static inline void random_scales(struct random *random, enum blocks_type type, unsigned char *block)
{
    switch (type) {
    case BLOCKS_F16:
    case BLOCKS_Q4_0:
    case BLOCKS_Q5_0:
    case BLOCKS_Q8_0:
        random_half(random, block);
        break;
    case BLOCKS_Q5_1:
    case BLOCKS_Q4_K:
    case BLOCKS_Q5_K:
        random_half(random, block);
        random_half(random, block + 2);
        break;
    case BLOCKS_Q6_K:
        random_half(random, block + 208);
        break;
    case BLOCKS_BF16:
        block[1] = (unsigned char)((random_next(random) & 0x80) | 0x3D);
        break;
    case BLOCKS_F32: {
        float value = random_normal(random);
        memcpy(block, &value, sizeof value);
        break;
    }
    case BLOCKS_TYPES:
        break;
    }
}

/* The data is the caller's to free. Stops the program when out of memory. */
static inline struct matrix random_matrix(struct random *random, enum blocks_type type,
                                          size_t outputs, size_t columns)
{
    const struct blocks_layout *layout = blocks_layout(type);
    struct matrix matrix = {.type = type,
                            .outputs = outputs,
                            .columns = columns,
                            .row_bytes = blocks_row_bytes(type, columns)};
    size_t size = outputs * matrix.row_bytes;
    unsigned char *data = malloc(size); /* exact: a read beyond it is caught by ASan */
    if (!data)
        abort();
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)random_next(random);
    for (size_t i = 0; i < size; i += layout->bytes)
        random_scales(random, type, data + i);
    matrix.data = data;
    return matrix;
}

static inline size_t random_columns(struct random *random, enum blocks_type type)
{
    size_t block = blocks_layout(type)->weights;
    size_t most = block == 256 ? 6 : block == 32 ? 40 : 1300;
    return block * (1 + random_below(random, most));
}

#endif
