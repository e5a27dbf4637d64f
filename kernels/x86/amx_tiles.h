/* amx_tiles.h: the tile registers' shape. Private to the AMX level. */
#ifndef TIDEMARK_KERNELS_X86_AMX_TILES_H
#define TIDEMARK_KERNELS_X86_AMX_TILES_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define AMX_INLINE static inline __attribute__((always_inline))

enum { AMX_SIDE = 16, AMX_ROW_BYTES = 64 };

struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* of tiles 0 to 7; the rest must be 0 */
    uint8_t rows[16];
};
_Static_assert(sizeof(struct amx_config) == 64, "the processor reads 64 bytes");

/* Up to 32 rows x 32 outputs of sums, of which tiles 0 to 3 hold what there is:
 *
 *                      outputs 0-15   outputs 16-31      weights: tiles 6 and 7,
 *     rows 0-15        tile 0         tile 1             16 pairs of columns each
 *     rows 16-31       tile 2         tile 3             activations: 4 and 5 */
struct amx_shape {
    size_t rows, outputs;
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
AMX_INLINE void amx_reshape(struct amx_shape *shape, size_t rows, size_t outputs)
{
    if (shape->rows == rows && shape->outputs == outputs)
        return;
    *shape = (struct amx_shape){rows, outputs};
    _Alignas(64) struct amx_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        const int below = i == 2 || i == 3 || i == 5, beside = i % 2;
        size_t tile_rows = below ? amx_rest(rows) : amx_first(rows);
        size_t bytes = sizeof(float) * (beside ? amx_rest(outputs) : amx_first(outputs));
        config.rows[i] = (uint8_t)(i >= 6 ? AMX_SIDE : tile_rows);
        config.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? AMX_ROW_BYTES : bytes);
    }
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

/* Where the sums of tiles 0 to 3 lie. */
struct amx_sums {
    float *at;
    size_t stride;       /* bytes between rows */
    size_t down, beside; /* floats to the tile below and to the one beside */
};

/* R x N of them, each 1 or 2. */
AMX_INLINE void amx_load_sums(const int R, const int N, const struct amx_sums *s)
{
    _tile_loadd(0, s->at, s->stride);
    if (N > 1)
        _tile_loadd(1, s->at + s->beside, s->stride);
    if (R > 1)
        _tile_loadd(2, s->at + s->down, s->stride);
    if (R > 1 && N > 1)
        _tile_loadd(3, s->at + s->down + s->beside, s->stride);
}

AMX_INLINE void amx_store_sums(const int R, const int N, const struct amx_sums *s)
{
    _tile_stored(0, s->at, s->stride);
    if (N > 1)
        _tile_stored(1, s->at + s->beside, s->stride);
    if (R > 1)
        _tile_stored(2, s->at + s->down, s->stride);
    if (R > 1 && N > 1)
        _tile_stored(3, s->at + s->down + s->beside, s->stride);
}

AMX_INLINE void amx_zero_sums(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

#endif
