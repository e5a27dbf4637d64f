/* Tile products of bf16 (Intel's Architecture Instruction Set Extensions
 * Programming Reference, chapter 3): C [16][16] += A [16][32] B [32][16]. */
#include "kernels/peak_levels.h"
#include "kernels/x86/tiles.h"

#include <immintrin.h>

enum {
    ROWS = 16,
    ROW_BYTES = 64,
    TILES = 8,
    SUM_TILES = 4,
};

struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16]; /* of tiles 0 to 7; the rest must be 0 */
    uint8_t rows[16];
};
_Static_assert(sizeof(struct tile_config) == 64, "the processor reads 64 bytes");

static bool runs(void)
{
    return tiles_allowed();
}

/* The tile intrinsics do not tell every compiler all of the memory that they
 * read: without this the writes of what they are to see may be left out. */
static void finish_writes(const void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

static void configure(void)
{
    _Alignas(64) struct tile_config config = {.palette = 1};
    for (int tile = 0; tile < TILES; tile++) {
        config.row_bytes[tile] = ROW_BYTES;
        config.rows[tile] = ROWS;
    }
    finish_writes(&config);
    _tile_loadconfig(&config);
}

static uint64_t total_of(float sums[SUM_TILES][ROWS][ROWS])
{
    uint64_t total = 0;
    for (size_t tile = 0; tile < SUM_TILES; tile++)
        for (size_t row = 0; row < ROWS; row++)
            for (size_t column = 0; column < ROWS; column++)
                total += (unsigned)(int)sums[tile][row][column];
    return total;
}

/* Two tiles of A and two of B give four sums: enough to hide a product's 52
 * cycles behind the 16 that each occupies the unit. */
static uint64_t multiply_add(size_t steps)
{
    static const volatile uint16_t hidden = 0x3f80; /* 1 in bf16 */
    _Alignas(64) uint16_t ones[ROWS][ROW_BYTES / sizeof(uint16_t)];
    _Alignas(64) float sums[SUM_TILES][ROWS][ROWS];
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < ROW_BYTES / sizeof(uint16_t); column++)
            ones[row][column] = hidden;
    finish_writes(ones);
    configure();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, ones, ROW_BYTES);
    _tile_loadd(5, ones, ROW_BYTES);
    _tile_loadd(6, ones, ROW_BYTES);
    _tile_loadd(7, ones, ROW_BYTES);
    for (size_t i = 0; i < steps; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums[0], ROW_BYTES);
    _tile_stored(1, sums[1], ROW_BYTES);
    _tile_stored(2, sums[2], ROW_BYTES);
    _tile_stored(3, sums[3], ROW_BYTES);
    _tile_release();
    finish_writes(sums);
    return total_of(sums);
}

const struct peak_level peak_amx = {"amx-bf16", runs, 20000, multiply_add};
