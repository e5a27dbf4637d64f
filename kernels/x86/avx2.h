/* avx2.h: the functions of the AVX2 level, one file an operation. Private to
 * kernels/x86; contracts are those of struct kernels. */
#ifndef TIDEMARK_KERNELS_X86_AVX2_H
#define TIDEMARK_KERNELS_X86_AVX2_H

#include "kernels/levels.h"

void avx2_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                         size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                         float *scratch);
void avx2_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch);
void avx2_rms_norm(float *y, const float *x, const float *weight, float epsilon, size_t size);
void avx2_conv_silu(const struct conv *conv);
void avx2_scan(const struct scan *scan);
void avx2_row(float *out, const struct matrix *w, size_t index);
float avx2_sum_exp(float *top, const float *x, size_t size);

/* Columns [begin, end) of a row of weights as floats; begin is a multiple of 256. */
void avx2_decode_columns(float *out, enum blocks_type type, const unsigned char *row, size_t begin,
                         size_t end);

#endif
