/* bf16.h: products in bf16, for the levels that round activations. Private to kernels/x86.
 *
 * Both factors lie in tiles of 1 KiB. The VNNI level's:
 *
 *     activations   [row / 16][k / 32][16 rows][32 columns]
 *     weights       [output / 16][k / 32][16 pairs of columns][16 outputs][2 columns]
 *
 * AMX has them the other way round (amx_tiles.h): it shares sizes and bf16_decode_row().
 * Columns beyond the matrix and rows beyond the last are zero. Activations are packed
 * once a pass. Weights are decoded into a panel of up to BF16_OUTPUTS x BF16_COLUMNS
 * which stays in the second-level cache while all rows of the pass go by. */
#ifndef TIDEMARK_KERNELS_X86_BF16_H
#define TIDEMARK_KERNELS_X86_BF16_H

#include "kernels/levels.h"

#include <immintrin.h>
#include <stdint.h>

enum {
    BF16_OUTPUTS = LEVELS_BF16_OUTPUTS,
    BF16_COLUMNS = LEVELS_BF16_COLUMNS,
    BF16_TILE = 512, /* elements of a tile */
    BF16_TILE_OUTPUTS = 16,
    BF16_TILE_COLUMNS = 32,
    BF16_STRETCH = 256,            /* columns decoded at once */
    BF16_WORK = 16 * BF16_STRETCH, /* elements: rows that are being transposed */
};

/* Elements between groups of 16 packed rows. Where all groups' tiles of the same columns
 * would fall into the same few sets of a cache, they are moved apart. */
static inline size_t bf16_apart(size_t columns)
{
    size_t tiles = (columns + BF16_TILE_COLUMNS - 1) / BF16_TILE_COLUMNS;
    return BF16_TILE * (tiles % 64 ? tiles : tiles + 32);
}

/* Packs `count` <= 16 rows of `columns` floats. */
void bf16_pack(uint16_t *tiles, const float *x, size_t x_stride, size_t count, size_t columns);

/* Decodes columns [begin, end), begin a multiple of 256, of outputs [first, first + count)
 * into panel; outputs are filled up with zeros to a multiple of 16. The panel's rows of tiles are
 * `steps` tiles long. rows: BF16_WORK elements of work memory. */
void bf16_panel(uint16_t *panel, size_t steps, uint16_t *rows, const struct matrix *w, size_t first,
                size_t count, size_t begin, size_t end);

/* A row's columns [begin, end), at most BF16_STRETCH, filled up with zeros to a multiple of 32, of
 * which each 32 lie `apart` elements after those before; the same columns `ahead` bytes on are
 * fetched. */
void bf16_decode_row(uint16_t *out, size_t apart, const struct matrix *w, size_t output,
                     size_t begin, size_t end, size_t ahead);

/* A pseudo-random pair of bf16 values between 2^-9 and 2^8, of either sign: to find out
 * how a processor rounds. */
static inline uint32_t bf16_probe_pair(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    uint32_t random = *state ^ *state >> 15;
    return (random & 0x87FF87FFu) + 0x3B003B00u; /* exponents 0x76 + 0 to 15 */
}

/* w0 in the lower half. */
static inline __attribute__((always_inline)) __m512i bf16_round_pair(__m512 w0, __m512 w1)
{
    return (__m512i)_mm512_cvtne2ps_pbh(w1, w0);
}

/* Tiles of a row of tiles. */
static inline size_t bf16_steps(size_t columns)
{
    return (columns + BF16_TILE_COLUMNS - 1) / BF16_TILE_COLUMNS;
}

#endif
