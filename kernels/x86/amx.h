/* amx.h: the functions of the AMX level; the rest it shares with the levels below.
 * Private to kernels/x86; contracts are those of struct kernels.
 *
 * Prefill multiplies tiles of bf16 (amx_tiles.h), made in amx_panel.c: amx_prefill.c, of AMX_FEW
 * rows at most amx_few.c; Q4_K with rows that a norm has made by tiles of bytes, however many
 * they are: amx_bytes.c. Decode is the VNNI level's (vnni.h), but that several lanes are
 * multiplied by tiles of bytes (amx_lanes.c). */
#ifndef TIDEMARK_KERNELS_X86_AMX_H
#define TIDEMARK_KERNELS_X86_AMX_H

#include "kernels/levels.h"

#include <stddef.h>
#include <stdint.h>

enum { AMX_FEW = 32 };

void amx_prefill_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                        size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                        float *scratch);
const float *amx_packed_from(const float *packed, const struct matrix *w, size_t row);
void amx_pack_pass(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                   size_t first, size_t count, size_t begin, size_t end);
void amx_pack(float *packed, const struct matrix *w, const float *x, size_t x_stride, size_t first,
              size_t count, size_t begin, size_t end);
void amx_pack_row(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                  size_t first, size_t count, size_t row);
void amx_decode_matmul(float *y, size_t y_stride, const struct matrix *w, size_t first,
                       size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                       float *scratch);
void amx_decode_matmul_ahead(float *y, size_t y_stride, const struct matrix *w, size_t first,
                             size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                             struct kernels_memory ahead, float *scratch);

/* Columns [begin, end), begin a multiple of 256, of outputs [first, first + count) as tiles of
 * weights, `steps` of them for each 16 outputs. What is left of the last 16 outputs' tiles is
 * not written. */
void amx_panel(uint16_t *panel, size_t steps, const struct matrix *w, size_t first, size_t count,
               size_t begin, size_t end);

/* amx_prefill_matmul() for 0 < rows <= AMX_FEW, count > 0; x: the packed rows. */
void amx_few_rows(float *y, size_t y_stride, const struct matrix *w, size_t first, size_t count,
                  const uint16_t *x, size_t rows, bool add, float *scratch);

#endif
