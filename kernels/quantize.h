/* quantize.h: floats become blocks of weights (blocks.h), with the least squared error
 * that a bounded search finds.
 *
 *     const struct quantize_level *level = quantize_best();
 *     if (!quantize_row(level, row, BLOCKS_Q4_K, weights, columns, importance)) ...
 *
 * Scales are found by trying inverse scales around the one that spans a group's range,
 * solving the least squares problem for each, and rounding the best to what the block
 * can hold, neighbours included. With an importance the error of a weight counts by
 * that of its column: the mean square of what the column is multiplied by makes it the
 * expected error of the product (up to the correlation of columns).
 *
 * Every level gives the same bytes: a file does not depend on where it was made. */
#ifndef TIDEMARK_KERNELS_QUANTIZE_H
#define TIDEMARK_KERNELS_QUANTIZE_H

#include "kernels/blocks.h"

struct quantize_level;

/* The fastest level that this processor has; the walk goes from the plain C reference
 * on, NULL ends it. */
const struct quantize_level *quantize_best(void);
const struct quantize_level *quantize_at(size_t index);
const char *quantize_name(const struct quantize_level *level);

enum quantize_result {
    QUANTIZE_DONE,
    QUANTIZE_NOT_FINITE, /* a weight is NaN or infinite */
    QUANTIZE_TOO_LARGE,  /* a weight or scale does not fit the type's 16-bit floats */
};

/* Writes blocks_row_bytes(type, columns) bytes. `columns` is a multiple of the type's
 * block. importance: [columns], finite and not negative, or NULL: all count alike. What is
 * written after a result other than QUANTIZE_DONE is of no use. */
enum quantize_result quantize_row(const struct quantize_level *level, void *row,
                                  enum blocks_type type, const float *weights, size_t columns,
                                  const float *importance);

/* Whether every scale in a row of blocks, or every weight where there are no blocks, is
 * finite. */
bool quantize_row_is_finite(enum blocks_type type, const void *row, size_t columns);

/* To the nearest, ties to even; what is too large becomes infinite. */
uint16_t quantize_half(float value);
uint16_t quantize_bfloat(float value);

#endif
