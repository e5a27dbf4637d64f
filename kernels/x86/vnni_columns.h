/* vnni_columns.h: a stretch of 256 weights of each of 16 outputs, the outputs in the lanes of
 * a vector. Private to the levels with VNNI.
 *
 * Four columns of each output are one vector of unsigned bytes, the columns in their order:
 * what an instruction multiplies with four broadcast bytes of activations. What the file packs into
 * a byte is moved to its place first, and taken apart there: eight four-bit weights are moved as
 * one dword.
 *
 * The functions are inlined with a constant type. */
#ifndef TIDEMARK_KERNELS_X86_VNNI_COLUMNS_H
#define TIDEMARK_KERNELS_X86_VNNI_COLUMNS_H

#include "kernels/x86/avx512_transpose.h"
#include "kernels/x86/vnni_weights.h"

enum { VNNI_OUTPUTS = 16, VNNI_FOURS = VNNI_STRETCH / 4 };

/* Sixteen rows of a file. row_bytes < 2^27. */
struct vnni_rows {
    const unsigned char *at; /* where the first row's stretch begins */
    size_t row_bytes;
};

/* Those of outputs from `first` on, at the stretch that begins at column k. */
AVX512_INLINE struct vnni_rows vnni_rows_of(enum blocks_type type, const struct matrix *w,
                                            size_t first, size_t k)
{
    const size_t stretch = k / VNNI_STRETCH * vnni_stretch_bytes(type);
    return (struct vnni_rows){w->data + first * w->row_bytes + stretch, w->row_bytes};
}

/* A row's stretch, `ahead` bytes on, is fetched: panels and tiles go down many rows, and no
 * prefetcher of the processor's follows. Beyond the matrix this is harmless. */
AVX512_INLINE void vnni_fetch_stretch(enum blocks_type type, const struct vnni_rows *rows,
                                      size_t row, size_t ahead)
{
    const char *at = (const char *)rows->at + row * rows->row_bytes + ahead;
    for (size_t i = 0; i < vnni_stretch_bytes(type) + 48; i += 64)
        _mm_prefetch(at + i, _MM_HINT_T1);
}

AVX512_INLINE void vnni_four_vectors(__m512i out[4], const struct vnni_rows *rows, size_t byte)
{
    avx512_transpose(out, rows->at + byte, rows->row_bytes);
}

AVX512_INLINE void vnni_eight_vectors(__m512i out[8], const struct vnni_rows *rows, size_t byte)
{
    avx512_transpose_eight(out, rows->at + byte, rows->row_bytes);
}

/* Four bytes of each row. */
AVX512_INLINE __m512i vnni_dwords(const struct vnni_rows *rows, size_t byte)
{
    const __m512i number = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_i32gather_epi32(
        _mm512_mullo_epi32(number, _mm512_set1_epi32((int)rows->row_bytes)),
        (const void *)(rows->at + byte), 1);
}

AVX512_INLINE __m512i vnni_low_nibbles(__m512i q)
{
    return _mm512_and_si512(q, _mm512_set1_epi8(15));
}

AVX512_INLINE __m512i vnni_high_nibbles(__m512i q)
{
    return _mm512_and_si512(_mm512_srli_epi32(q, 4), _mm512_set1_epi8(15));
}

/* Bits moved left within their bytes; what comes from a neighbour is masked out later. */
AVX512_INLINE __m512i vnni_moved(__m512i bits, int left)
{
    return left >= 0 ? _mm512_slli_epi32(bits, (unsigned)left)
                     : _mm512_srli_epi32(bits, (unsigned)-left);
}

/* q | bits & mask */
AVX512_INLINE __m512i vnni_with_bits(__m512i q, __m512i bits, int mask)
{
    return _mm512_ternarylogic_epi32(q, bits, _mm512_set1_epi8((char)mask), 0xF8);
}

/* --- integers -------------------------------------------------------------------- */

/* A stretch is unpacked in parts of as many vectors of four columns as share what the file
 * packs together. */
AVX512_INLINE size_t vnni_part_fours(enum blocks_type type)
{
    return type == BLOCKS_Q6_K ? 32 : 16;
}

/* Weights whose file keeps them with an offset: less it, as signed bytes. */
AVX512_INLINE __m512i vnni_less_offset(enum blocks_type type, __m512i q, const bool less)
{
    return less && vnni_offset(type) ? _mm512_sub_epi8(q, _mm512_set1_epi8((char)vnni_offset(type)))
                                     : q;
}

/* Part 0 leaves in fifth[] what the others need of Q5_K. */
AVX512_INLINE void vnni_part_k(enum blocks_type type, __m512i out[16], const struct vnni_rows *rows,
                               const int part, __m512i fifth[8])
{
    const size_t nibbles = type == BLOCKS_Q5_K ? 48 : 16;
    __m512i q[8];
    if (type == BLOCKS_Q5_K && part == 0)
        vnni_eight_vectors(fifth, rows, 16);
    vnni_eight_vectors(q, rows, nibbles + 32 * (size_t)part);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        __m512i low = vnni_low_nibbles(q[i]), high = vnni_high_nibbles(q[i]);
        if (type == BLOCKS_Q5_K) {
            low = vnni_with_bits(low, vnni_moved(fifth[i], 4 - 2 * part), 16);
            high = vnni_with_bits(high, vnni_moved(fifth[i], 3 - 2 * part), 16);
        }
        out[i] = low;
        out[8 + i] = high;
    }
}

AVX512_INLINE void vnni_part_q6_k(__m512i out[32], const struct vnni_rows *rows, size_t part)
{
    __m512i q[8], top[8];
    vnni_eight_vectors(top, rows, 128 + 32 * part);
    vnni_eight_vectors(q, rows, 64 * part);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        out[i] = vnni_with_bits(vnni_low_nibbles(q[i]), vnni_moved(top[i], 4), 48);
        out[16 + i] = vnni_with_bits(vnni_high_nibbles(q[i]), top[i], 48);
    }
    vnni_eight_vectors(q, rows, 64 * part + 32);
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        out[8 + i] = vnni_with_bits(vnni_low_nibbles(q[i]), vnni_moved(top[i], 2), 48);
        out[24 + i] = vnni_with_bits(vnni_high_nibbles(q[i]), vnni_moved(top[i], -2), 48);
    }
}

AVX512_INLINE void vnni_part_q8_0(__m512i out[16], const struct vnni_rows *rows, size_t part,
                                  const bool less)
{
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++) {
        __m512i q[8];
        vnni_eight_vectors(q, rows, 34 * (2 * part + i) + 2);
#pragma GCC unroll 8
        for (size_t j = 0; j < 8; j++)
            out[8 * i + j] = less ? q[j] : _mm512_xor_si512(q[j], _mm512_set1_epi8((char)-128));
    }
}

/* Bits 4 i to 4 i + 3 of each dword, as 16 or 0 in its four bytes. */
AVX512_INLINE __m512i vnni_add_fifths(__m512i q, __m512i fifths, int i)
{
    const int at = i / 2 * 0x01010101;
    const __m512i bytes = _mm512_broadcast_i32x4(
        _mm_setr_epi32(at, at + 0x04040404, at + 0x08080808, at + 0x0C0C0C0C));
    const __m512i which = _mm512_set1_epi32(i % 2 ? (int)0x80402010 : 0x08040201);
    __mmask64 set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(fifths, bytes), which);
    return _mm512_mask_add_epi8(q, set, q, _mm512_set1_epi8(16));
}

AVX512_INLINE void vnni_part_nibbles(enum blocks_type type, __m512i out[16],
                                     const struct vnni_rows *rows, size_t part, const bool less)
{
    const size_t size = avx512_block_bytes(type);
#pragma GCC unroll 2
    for (size_t block = 2 * part; block < 2 * part + 2; block++, out += 8) {
        const size_t nibbles = size * block + size - 16;
        __m512i q[4], fifths = _mm512_setzero_si512();
        vnni_four_vectors(q, rows, nibbles);
        if (type != BLOCKS_Q4_0)
            fifths = vnni_dwords(rows, nibbles - 4);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m512i low = vnni_low_nibbles(q[j]), high = vnni_high_nibbles(q[j]);
            if (type != BLOCKS_Q4_0) {
                low = vnni_add_fifths(low, fifths, j);
                high = vnni_add_fifths(high, fifths, 4 + j);
            }
            out[j] = vnni_less_offset(type, low, less);
            out[4 + j] = vnni_less_offset(type, high, less);
        }
    }
}

/* less: as signed bytes, less the type's offset (of types in groups of 32). */
AVX512_INLINE void vnni_part(enum blocks_type type, __m512i *out, const struct vnni_rows *rows,
                             const size_t part, const bool less, __m512i fifth[8])
{
    if (type == BLOCKS_Q4_K || type == BLOCKS_Q5_K)
        vnni_part_k(type, out, rows, (int)part, fifth);
    else if (type == BLOCKS_Q6_K)
        vnni_part_q6_k(out, rows, part);
    else if (type == BLOCKS_Q8_0)
        vnni_part_q8_0(out, rows, part, less);
    else
        vnni_part_nibbles(type, out, rows, part, less);
}

AVX512_INLINE void vnni_columns(enum blocks_type type, __m512i out[VNNI_FOURS],
                                const struct vnni_rows *rows)
{
    __m512i fifth[8];
#pragma GCC unroll 4
    for (size_t part = 0; part < VNNI_FOURS / vnni_part_fours(type); part++)
        vnni_part(type, out + part * vnni_part_fours(type), rows, part, false, fifth);
}

/* --- scales ---------------------------------------------------------------------- */

/* The low and the high halves of dwords as floats. */
AVX512_INLINE __m512 vnni_low_halves(__m512i v)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v));
}

AVX512_INLINE __m512 vnni_high_halves(__m512i v)
{
    return vnni_low_halves(_mm512_srli_epi32(v, 16));
}

AVX512_INLINE __m512 vnni_scaled_byte(__m512i bytes, int i, __m512 d)
{
    __m512i byte = _mm512_srli_epi32(bytes, (unsigned)(8 * i));
    if (i < 3)
        byte = _mm512_and_si512(byte, _mm512_set1_epi32(255));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(byte), d);
}

/* Scales and minima of eight groups each: packing see blocks.c, four groups a dword. */
AVX512_INLINE void vnni_scale_columns_k(__m512 scales[VNNI_BLOCKS], __m512 minima[VNNI_BLOCKS],
                                        const struct vnni_rows *rows)
{
    const __m512i six = _mm512_set1_epi8(63), four = _mm512_set1_epi8(15);
    __m512i head[4]; /* d and dmin; bytes 0 to 3, 4 to 7, 8 to 11 */
    vnni_four_vectors(head, rows, 0);
    const __m512 d = vnni_low_halves(head[0]), dmin = vnni_high_halves(head[0]);
    const __m512i scale[2] = {
        _mm512_and_si512(head[1], six),
        vnni_with_bits(_mm512_and_si512(head[3], four), _mm512_srli_epi32(head[1], 2), 48)};
    const __m512i minimum[2] = {
        _mm512_and_si512(head[2], six),
        vnni_with_bits(_mm512_and_si512(_mm512_srli_epi32(head[3], 4), four),
                       _mm512_srli_epi32(head[2], 2), 48)};
#pragma GCC unroll 8
    for (int i = 0; i < VNNI_BLOCKS; i++) {
        scales[i] = vnni_scaled_byte(scale[i / 4], i % 4, d);
        minima[i] = vnni_scaled_byte(minimum[i / 4], i % 4, dmin);
    }
}

AVX512_INLINE void vnni_scale_columns_q6_k(__m512 scales[2 * VNNI_BLOCKS],
                                           const struct vnni_rows *rows)
{
    __m512i bytes[4];
    vnni_four_vectors(bytes, rows, 192);
    const __m512 d = vnni_high_halves(vnni_dwords(rows, 206)); /* the block's last two bytes */
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++) {
        __m512i byte = _mm512_srai_epi32(_mm512_slli_epi32(bytes[i / 4], 24 - 8 * (i % 4)), 24);
        scales[i] = _mm512_mul_ps(_mm512_cvtepi32_ps(byte), d);
    }
}

/* Of each group; minima only where the type has them. */
AVX512_INLINE void vnni_scale_columns(enum blocks_type type, __m512 scales[2 * VNNI_BLOCKS],
                                      __m512 minima[VNNI_BLOCKS], const struct vnni_rows *rows)
{
    if (type == BLOCKS_Q4_K || type == BLOCKS_Q5_K) {
        vnni_scale_columns_k(scales, minima, rows);
    } else if (type == BLOCKS_Q6_K) {
        vnni_scale_columns_q6_k(scales, rows);
    } else {
#pragma GCC unroll 8
        for (size_t i = 0; i < VNNI_BLOCKS; i++) {
            __m512i head = vnni_dwords(rows, avx512_block_bytes(type) * i);
            scales[i] = vnni_low_halves(head);
            if (type == BLOCKS_Q5_1)
                minima[i] = vnni_high_halves(head);
        }
    }
}

#endif
