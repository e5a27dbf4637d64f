/* amx_tiles.h: the tile registers and what lies in them. Private to the AMX level.
 *
 * Weights are the left factor of a tile product, activations the right one, so that weights
 * are decoded as their rows lie, and only activations are transposed, once a pass:
 *
 *     weights       [output / 16][k / 32][16 outputs][32 columns]           bf16
 *     activations   [row / 16][k / 32][16 pairs of columns][16 rows][2]     bf16
 *     sums          [16 outputs][16 rows]                                   float
 *
 * (Intel's Architecture Instruction Set Extensions Programming Reference, chapter 3). Columns
 * beyond the matrix and rows beyond the last are zero. */
#ifndef TIDEMARK_KERNELS_X86_AMX_TILES_H
#define TIDEMARK_KERNELS_X86_AMX_TILES_H

#include "kernels/blocks.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMX_INLINE static inline __attribute__((always_inline))

enum {
    AMX_SIDE = 16,
    AMX_ROW_BYTES = 64,
    AMX_SUMS = AMX_SIDE * AMX_SIDE, /* floats of a tile */
    AMX_FOUR_SUMS = 4 * AMX_SUMS,
};

struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* of tiles 0 to 7; the rest must be 0 */
    uint8_t rows[16];
};
_Static_assert(sizeof(struct amx_config) == 64, "the processor reads 64 bytes");

/* Up to 32 outputs x 32 rows of sums, of which tiles 0 to 3 hold what there is:
 *
 *                       rows 0-15      rows 16-31
 *     outputs 0-15      tile 0         tile 1         weights: tiles 4 and 5
 *     outputs 16-31     tile 2         tile 3         activations: 6 and 7 */
struct amx_shape {
    size_t outputs, rows;
};

/* The tile intrinsics do not tell every compiler all of the memory that they read:
 * without this the writes of what they are to see may be left out or come late. */
AMX_INLINE void amx_finish_writes(void)
{
    __asm__ volatile("" : : : "memory");
}

AMX_INLINE size_t amx_first(size_t count)
{
    return count < AMX_SIDE ? count : AMX_SIDE;
}

/* Of those after the first 16; where there are none, their tiles are not used. */
AMX_INLINE size_t amx_rest(size_t count)
{
    return count > AMX_SIDE ? amx_first(count - AMX_SIDE) : AMX_SIDE;
}

/* What the tiles hold is lost, unless they have this shape already. */
AMX_INLINE void amx_reshape(struct amx_shape *shape, size_t outputs, size_t rows)
{
    if (shape->outputs == outputs && shape->rows == rows)
        return;
    *shape = (struct amx_shape){outputs, rows};
    _Alignas(64) struct amx_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        const int below = i == 2 || i == 3 || i == 5, beside = i % 2;
        size_t tile_rows = below ? amx_rest(outputs) : amx_first(outputs);
        size_t bytes = sizeof(float) * (beside ? amx_rest(rows) : amx_first(rows));
        config.rows[i] = (uint8_t)(i >= 6 ? AMX_SIDE : tile_rows);
        config.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? AMX_ROW_BYTES : bytes);
    }
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

/* R x N tiles of sums, each 1 or 2; sums: [4][16][16]. */
AMX_INLINE void amx_load_sums(const int R, const int N, const float *sums)
{
    _tile_loadd(0, sums, AMX_ROW_BYTES);
    if (N > 1)
        _tile_loadd(1, sums + AMX_SUMS, AMX_ROW_BYTES);
    if (R > 1)
        _tile_loadd(2, sums + 2 * AMX_SUMS, AMX_ROW_BYTES);
    if (R > 1 && N > 1)
        _tile_loadd(3, sums + 3 * AMX_SUMS, AMX_ROW_BYTES);
}

AMX_INLINE void amx_store_sums(const int R, const int N, float *sums)
{
    _tile_stored(0, sums, AMX_ROW_BYTES);
    if (N > 1)
        _tile_stored(1, sums + AMX_SUMS, AMX_ROW_BYTES);
    if (R > 1)
        _tile_stored(2, sums + 2 * AMX_SUMS, AMX_ROW_BYTES);
    if (R > 1 && N > 1)
        _tile_stored(3, sums + 3 * AMX_SUMS, AMX_ROW_BYTES);
}

AMX_INLINE void amx_zero_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* Four tiles of sums to y[row][output] and from there, for up to 32 outputs and rows. away: past
 * the caches where whole lines are written; whoever asks for it ends with _mm_sfence(). */
void amx_give_sums(float *y, size_t y_stride, const float *sums, size_t outputs, size_t rows,
                   bool away);
void amx_take_sums(float *sums, const float *y, size_t y_stride, size_t outputs, size_t rows);

#endif
