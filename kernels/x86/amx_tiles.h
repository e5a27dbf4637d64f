/* amx_tiles.h: the tile registers' shape. Private to the AMX level. */
#ifndef TIDEMARK_KERNELS_X86_AMX_TILES_H
#define TIDEMARK_KERNELS_X86_AMX_TILES_H

#include <immintrin.h>
#include <stdbool.h>
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

/* Sums of up to 32 rows x 32 outputs lie in tiles 0 to 3, those of up to 80 rows x 16 outputs
 * in tiles 0 to 4. All have the shape of what there is of them.
 *
 *                      outputs 0-15   outputs 16-31      weights: tiles 6 and 7,
 *     rows 0-15        tile 0         tile 1             16 pairs of columns each
 *     rows 16-31       tile 2         tile 3             activations: 4 and 5
 *
 *     rows 0-15, 16-31, ...: tiles 0, 1, ...             weights: tile 7
 *                                                        activations: 5; of the last rows 6 */
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

AMX_INLINE size_t amx_tile_rows(size_t rows, size_t tile)
{
    if (rows <= 2 * AMX_SIDE)
        return tile >= 6                             ? AMX_SIDE
               : tile == 2 || tile == 3 || tile == 5 ? amx_rest(rows)
                                                     : amx_first(rows);
    const size_t last = (rows - 1) / AMX_SIDE;
    return tile == last || tile == 6 ? rows - last * AMX_SIDE : AMX_SIDE;
}

AMX_INLINE size_t amx_tile_bytes(size_t rows, size_t outputs, size_t tile)
{
    const bool wide = rows <= 2 * AMX_SIDE;
    if (wide ? tile == 4 || tile == 5 : tile == 5 || tile == 6)
        return AMX_ROW_BYTES;
    return sizeof(float) * (wide && tile % 2 ? amx_rest(outputs) : amx_first(outputs));
}

/* What the tiles hold is lost, unless they have this shape already. */
AMX_INLINE void amx_reshape(struct amx_shape *shape, size_t rows, size_t outputs)
{
    if (shape->rows == rows && shape->outputs == outputs)
        return;
    *shape = (struct amx_shape){rows, outputs};
    _Alignas(64) struct amx_config config = {.palette = 1};
    for (size_t i = 0; i < 8; i++) {
        config.rows[i] = (uint8_t)amx_tile_rows(rows, i);
        config.row_bytes[i] = (uint16_t)amx_tile_bytes(rows, outputs, i);
    }
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

#endif
