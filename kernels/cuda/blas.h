/* blas.h: BF16 products by cuBLASLt, whose bits stay put.
 *
 *     struct blas *blas = blas_new();                      NULL: no library, or none that fits
 *     if (blas && blas_prepare(blas, &shape, ...)) ...     once for each shape, at load
 *     blas_product(blas, &shape, y, w, x, rows, stream)
 *
 * cuBLASLt may choose another algorithm for another number of rows, and one may split a
 * sum as it likes. So one algorithm is pinned for each shape, without split sums, and is
 * taken only if a row comes out the same to the bit in every number of rows that is used,
 * at other places and among other rows. The library is opened at run time. */
#ifndef TIDEMARK_KERNELS_CUDA_BLAS_H
#define TIDEMARK_KERNELS_CUDA_BLAS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* y[r][j] = (add ? y[r][j] : 0) + sum_k w[j][k] x[r][k]; y is BF16 or F32 (which `add`
 * needs). */
struct blas_shape {
    uint32_t outputs, columns;
    size_t y_stride, w_stride, x_stride; /* elements */
    bool y_bf16, add;
};

/* Numbers of rows that products are made with, ascending. */
#define BLAS_ROW_COUNTS 33
extern const uint32_t blas_row_counts[BLAS_ROW_COUNTS];

struct blas;

/* Fails softly: *why says in one line what is missing. */
struct blas *blas_new(size_t shapes, char why[256]);
void blas_free(struct blas *blas);

/* A text that changes with the library's version. */
unsigned blas_version(const struct blas *blas);

/* Finds and tries the algorithm of a shape. x and y are work memory: x [most][x_stride] of
 * random numbers, x2 of the same size, w [outputs][w_stride] random too, y and y2
 * [most][y_stride]; `most` is one of blas_row_counts. False: none keeps its bits. */
bool blas_prepare(struct blas *blas, const struct blas_shape *shape, uint32_t most, void *y,
                  void *y2, const void *w, const void *x, void *x2, int *different,
                  cudaStream_t stream);

/* False: the shape was not prepared, or the library failed. */
bool blas_product(struct blas *blas, const struct blas_shape *shape, void *y, const void *w,
                  const void *x, uint32_t rows, cudaStream_t stream);

#endif
