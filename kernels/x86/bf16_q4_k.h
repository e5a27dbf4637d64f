/* bf16_q4_k.h: a stretch of 256 Q4_K weights of each of 16 outputs as bf16 tiles (bf16.h).
 * Private to vnni_panel.c.
 *
 * Rows are transposed as the file packs them, eight weights a dword, and decoded afterwards
 * with an output in each lane, so that nothing but tiles is written. */
#ifndef TIDEMARK_KERNELS_X86_BF16_Q4_K_H
#define TIDEMARK_KERNELS_X86_BF16_Q4_K_H

#include "kernels/x86/bf16.h"
#include "kernels/x86/vnni_columns.h"

enum { BF16_Q4_K_PARTS = 8 };

/* A column's weights of 16 outputs: nibble i of each dword, where it stands. That it is 16^i
 * times as large is taken back by the scale. scale * q has no more than 11 + 6 + 4 bits and
 * is exact: the sum rounds once, as it does after a product of its own. */
AVX512_INLINE __m512 bf16_q4_k_column(__m512i nibbles, int i, __m512 scale, __m512 minimum)
{
    __m512i q = _mm512_and_si512(nibbles, _mm512_set1_epi32((int)(15u << 4 * i)));
    return _mm512_fmsub_ps(scale, _mm512_cvtepu32_ps(q), minimum);
}

/* Four columns, of the low or the high nibbles: two rows of a tile. */
AVX512_INLINE void bf16_q4_k_pairs(uint16_t *tile, __m512i nibbles, int high, const __m512 scale[4],
                                   __m512 minimum)
{
    const __m512i beside =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
#pragma GCC unroll 2
    for (int i = 0; i < 4; i += 2) {
        __m512 w0 = bf16_q4_k_column(nibbles, 2 * i + high, scale[i], minimum);
        __m512 w1 = bf16_q4_k_column(nibbles, 2 * i + 2 + high, scale[i + 1], minimum);
        _mm512_storeu_si512(tile + 16 * i,
                            _mm512_permutexvar_epi16(beside, bf16_round_pair(w0, w1)));
    }
}

/* Part `part` of the eight tiles: 16 columns of two groups. scales, minima:
 * vnni_scale_columns_k() of the rows. */
AVX512_INLINE void bf16_q4_k_part(uint16_t *tiles, const struct vnni_rows *rows, size_t part,
                                  const __m512 scales[VNNI_BLOCKS],
                                  const __m512 minima[VNNI_BLOCKS])
{
    const size_t low = part / 2 * 2, half = part % 2;
    __m512i nibbles[4];
    vnni_four_vectors(nibbles, rows, 16 + 16 * part);
#pragma GCC unroll 2
    for (int high = 0; high < 2; high++) {
        const size_t group = low + (size_t)high;
        uint16_t *tile = tiles + group * BF16_TILE + half * BF16_TILE / 2;
        __m512 scale[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            scale[i] = _mm512_mul_ps(scales[group],
                                     _mm512_set1_ps(1.0f / (float)(1u << (8 * i + 4 * high))));
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            bf16_q4_k_pairs(tile + 64 * i, nibbles[i], high, scale, minima[group]);
    }
}

#endif
