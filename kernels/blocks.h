/* blocks.h: how weights lie in a GGUF file.
 *
 * A matrix is stored row by row; a row is a sequence of blocks of one type, each
 * holding 1, 32 or 256 weights. Layouts: docs/FORMAT.md, "Weight blocks". */
#ifndef TIDEMARK_KERNELS_BLOCKS_H
#define TIDEMARK_KERNELS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The values are GGUF's own type numbers. */
enum blocks_type {
    BLOCKS_F32 = 0,
    BLOCKS_F16 = 1,
    BLOCKS_Q4_0 = 2,
    BLOCKS_Q5_0 = 6,
    BLOCKS_Q5_1 = 7,
    BLOCKS_Q8_0 = 8,
    BLOCKS_Q4_K = 12,
    BLOCKS_Q5_K = 13,
    BLOCKS_Q6_K = 14,
    BLOCKS_BF16 = 30,
    BLOCKS_TYPES = 31, /* one more than the largest */
};

struct blocks_layout {
    const char *name; /* "Q4_K" */
    unsigned weights; /* in one block */
    unsigned bytes;   /* of one block */
};

/* NULL for a type that we do not read. */
const struct blocks_layout *blocks_layout(uint32_t type);

/* Bytes of a row of `columns` weights; columns is a multiple of the block. */
size_t blocks_row_bytes(enum blocks_type type, size_t columns);

/* The plain C reference that every faster variant is tested against: writes
 * `columns` floats. Each weight is computed with one rounding per written
 * operation, in the order d * scale, times q, minus min. */
void blocks_to_float(float *out, enum blocks_type type, const void *row, size_t columns);

float blocks_half_to_float(uint16_t half);

#endif
