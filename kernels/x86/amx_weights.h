/* amx_weights.h: weights as tiles (amx_tiles.h), decoded by rows. Private to the AMX level.
 *
 * A Q4_K group has 16 different weights. Those of two groups are made and rounded first, as a table
 * of 32 bf16 values in one register, in which nibbles look their weights up, 32 at a time. */
#ifndef TIDEMARK_KERNELS_X86_AMX_WEIGHTS_H
#define TIDEMARK_KERNELS_X86_AMX_WEIGHTS_H

#include "kernels/x86/bf16.h"
#include "kernels/x86/vnni_columns.h"

/* A group's scale and minimum of 16 outputs. */
struct amx_q4_k_scales {
    float scale[VNNI_BLOCKS][VNNI_OUTPUTS], minimum[VNNI_BLOCKS][VNNI_OUTPUTS];
};

AVX512_INLINE void amx_q4_k_scales(struct amx_q4_k_scales *s, const struct vnni_rows *rows)
{
    __m512 scales[VNNI_BLOCKS], minima[VNNI_BLOCKS];
    vnni_scale_columns_k(scales, minima, rows);
    for (size_t group = 0; group < VNNI_BLOCKS; group++) {
        _mm512_storeu_ps(s->scale[group], scales[group]);
        _mm512_storeu_ps(s->minimum[group], minima[group]);
    }
}

/* 64 weights of output o, groups `group` and the next: what a nibble stands for is made once for
 * both, the low nibbles' 16 values first. An index has five bits that count. */
AVX512_INLINE void amx_q4_k_pair(uint16_t *tiles, const unsigned char *block,
                                 const struct amx_q4_k_scales *s, size_t group, size_t o)
{
    const __m512 q = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512 w0 = _mm512_fmsub_ps(q, _mm512_set1_ps(s->scale[group][o]),
                                      _mm512_set1_ps(s->minimum[group][o]));
    const __m512 w1 = _mm512_fmsub_ps(q, _mm512_set1_ps(s->scale[group + 1][o]),
                                      _mm512_set1_ps(s->minimum[group + 1][o]));
    const __m512i table = bf16_round_pair(w0, w1);
    const __m512i both = _mm512_cvtepu8_epi16(x86_load32(block + 16 + 16 * group));
    const __m512i low = _mm512_and_si512(both, _mm512_set1_epi16(15));
    const __m512i high = _mm512_or_si512(_mm512_srli_epi16(both, 4), _mm512_set1_epi16(16));
    uint16_t *out = tiles + group * BF16_TILE + o * BF16_TILE_COLUMNS;
    _mm512_storeu_si512(out, _mm512_permutexvar_epi16(low, table));
    _mm512_storeu_si512(out + BF16_TILE, _mm512_permutexvar_epi16(high, table));
}

/* A stretch of 256 weights of each of outputs o and o + 1: their rows of eight tiles. What lies
 * `ahead` bytes on is fetched. */
AVX512_INLINE void amx_q4_k_two_rows(uint16_t *tiles, const struct vnni_rows *rows, size_t o,
                                     const struct amx_q4_k_scales *s, size_t ahead)
{
    vnni_fetch_stretch(BLOCKS_Q4_K, rows, o, ahead);
    vnni_fetch_stretch(BLOCKS_Q4_K, rows, o + 1, ahead);
    const unsigned char *block = rows->at + o * rows->row_bytes, *next = block + rows->row_bytes;
#pragma GCC unroll 4
    for (size_t group = 0; group < VNNI_BLOCKS; group += 2) {
        amx_q4_k_pair(tiles, block, s, group, o);
        amx_q4_k_pair(tiles, next, s, group, o + 1);
    }
}

#endif
