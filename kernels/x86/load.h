/* load.h: reading a file's bytes, which are aligned to nothing. Private to kernels/. */
#ifndef TIDEMARK_KERNELS_X86_LOAD_H
#define TIDEMARK_KERNELS_X86_LOAD_H

#include <immintrin.h>
#include <string.h>

static inline __attribute__((always_inline)) float x86_half(const unsigned char *bytes)
{
    unsigned short half;
    memcpy(&half, bytes, sizeof half);
    return _cvtsh_ss(half);
}

static inline __attribute__((always_inline)) __m128i x86_load16(const unsigned char *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

static inline __attribute__((always_inline)) __m256i x86_load32(const unsigned char *bytes)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)bytes);
}

#endif
