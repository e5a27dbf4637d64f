/* amx_weights.h: weights as tiles (amx_tiles.h), decoded by rows. Private to the AMX level.
 *
 * A Q4_K group has 16 different weights. They are made and rounded first, as a table of bf16
 * values in one register, in which nibbles look their weights up, 32 at a time. */
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

/* What a nibble stands for, twice: of an index the fifth bit, which is the next nibble's, does
 * not count. */
AVX512_INLINE __m512i amx_q4_k_table(float scale, float minimum)
{
    const __m512 q = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512 w = _mm512_fmsub_ps(_mm512_set1_ps(scale), q, _mm512_set1_ps(minimum));
    return (__m512i)_mm512_cvtne2ps_pbh(w, w);
}

/* A stretch of 256 weights of output o: its row of eight tiles. What lies `ahead` bytes on, a
 * stretch of the same length, is fetched: tiles go down many rows, and no prefetcher of the
 * processor's follows. Beyond the matrix this is harmless. */
AVX512_INLINE void amx_q4_k_row(uint16_t *tiles, const struct vnni_rows *rows, size_t o,
                                const struct amx_q4_k_scales *s, size_t ahead)
{
    const unsigned char *block = rows->at + o * rows->row_bytes, *packed = block + 16;
    for (size_t i = 0; i < vnni_stretch_bytes(BLOCKS_Q4_K) + 48; i += 64)
        _mm_prefetch((const char *)block + ahead + i, _MM_HINT_T1);
    uint16_t *out = tiles + o * BF16_TILE_COLUMNS;
#pragma GCC unroll 4
    for (size_t group = 0; group < VNNI_BLOCKS; group += 2, packed += 32) {
        const __m512i low = _mm512_cvtepu8_epi16(x86_load32(packed));
        const __m512i high = _mm512_srli_epi16(low, 4);
        const __m512i table0 = amx_q4_k_table(s->scale[group][o], s->minimum[group][o]);
        const __m512i table1 = amx_q4_k_table(s->scale[group + 1][o], s->minimum[group + 1][o]);
        _mm512_storeu_si512(out + group * BF16_TILE, _mm512_permutexvar_epi16(low, table0));
        _mm512_storeu_si512(out + (group + 1) * BF16_TILE, _mm512_permutexvar_epi16(high, table1));
    }
}

#endif
