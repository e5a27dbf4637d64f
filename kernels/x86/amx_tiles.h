/* amx_tiles.h: the tile registers' shape. Private to the AMX level. */
#ifndef TIDEMARK_KERNELS_X86_AMX_TILES_H
#define TIDEMARK_KERNELS_X86_AMX_TILES_H

#include <immintrin.h>
#include <stdint.h>

#define AMX_INLINE static inline __attribute__((always_inline))

struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* of tiles 0 to 7; the rest must be 0 */
    uint8_t rows[16];
};
_Static_assert(sizeof(struct amx_config) == 64, "the processor reads 64 bytes");

/* The tile intrinsics do not tell every compiler all of the memory that they read:
 * without this the writes of what they are to see may be left out or come late. */
AMX_INLINE void amx_finish_writes(void)
{
    __asm__ volatile("" : : : "memory");
}

/* Tiles 0-3 (sums) of 16 rows of `width` bytes; 4 and 5 (left factors) of 16 rows of
 * `bytes`; 6 and 7 (right factors) of `rows` rows of `width` bytes. */
AMX_INLINE void amx_configure(unsigned bytes, unsigned rows, unsigned width)
{
    _Alignas(64) struct amx_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? bytes : width);
        config.rows[i] = (uint8_t)(i >= 6 ? rows : 16);
    }
    __asm__ volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
}

#endif
