/* flagged.cuh: numbers that go from block to block without a barrier; private to token.cu.
 *
 * A word is 8 bytes: 4 of payload and a flag, which says of what layer of what token they are.
 * It is written and read as one (PTX ISA, memory consistency model: scalar accesses of 64 bits
 * are single), so whoever finds the flag has the payload, too, and neither writer nor reader
 * waits for other memory. A barrier costs the way to memory four times: for what was written,
 * for the arrival, for whoever asks whether all have come, and for the data; this costs it
 * twice.
 *
 * A warp reads 256 columns as a record wants them, thread l columns 8l .. 8l + 7, in loads
 * of two words a thread that lie side by side. */
#ifndef TIDEMARK_KERNELS_CUDA_FLAGGED_CUH
#define TIDEMARK_KERNELS_CUDA_FLAGGED_CUH

#include <stdint.h>

enum {
    FLAGGED_FLOATS = 256, /* words of 256 columns, */
    FLAGGED_PAIRS = 128,  /* and of two BF16 each */
};

/* Where word i of thread l's `each` (8 floats, 4 pairs) is: in its unit of 256 columns. */
__device__ __forceinline__ uint32_t flagged_place(uint32_t l, uint32_t i)
{
    return i / 2 * 64 + l * 2 + i % 2;
}

/* Of a column's float; of the pair that begins with a column. */
__device__ __forceinline__ uint32_t flagged_float(uint32_t column)
{
    return column / 256 * FLAGGED_FLOATS + flagged_place(column % 256 / 8, column % 8);
}

__device__ __forceinline__ uint32_t flagged_pair(uint32_t column)
{
    return column / 256 * FLAGGED_PAIRS + flagged_place(column % 256 / 8, column % 8 / 2);
}

__device__ __forceinline__ void flagged_store(uint64_t *to, uint32_t payload, uint32_t flag)
{
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(to),
                 "l"((uint64_t)flag << 32 | payload)
                 : "memory");
}

__device__ __forceinline__ void flagged_load(uint64_t (&word)[1], const uint64_t *from)
{
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(word[0]) : "l"(from) : "memory");
}

__device__ __forceinline__ void flagged_load(uint64_t (&word)[2], const uint64_t *from)
{
    asm volatile("ld.relaxed.gpu.global.v2.u64 {%0, %1}, [%2];"
                 : "=l"(word[0]), "=l"(word[1])
                 : "l"(from)
                 : "memory");
}

/* Loads k < N of `wanted` (a bit each), EACH words from at(k) on, until all have the flag; the
 * others' payload is 0. Where all are wanted, one is asked for until it has come, and then the
 * others, all at once: whoever is early would ask for all of them in vain, and all blocks
 * together would ask L2 for more than the weights do. What has not come then is asked for
 * again. The code for the common case is short: it has to come from memory, too. */
template <int N, int EACH, typename AT>
__device__ __forceinline__ void flagged_wait(uint32_t payload[N][EACH], uint32_t wanted,
                                             uint32_t flag, AT at)
{
    uint64_t word[N][EACH];
    uint32_t wrong = 0;
    if (wanted == (uint32_t)((1ull << N) - 1)) {
        do
            flagged_load(word[0], at(0));
        while ((uint32_t)(word[0][0] >> 32) != flag);
#pragma unroll
        for (int k = 1; k < N; k++)
            flagged_load(word[k], at(k));
#pragma unroll
        for (int k = 0; k < N; k++)
#pragma unroll
            for (int e = 0; e < EACH; e++)
                wrong |= (uint32_t)(word[k][e] >> 32) ^ flag;
    } else {
#pragma unroll
        for (int k = 0; k < N; k++)
#pragma unroll
            for (int e = 0; e < EACH; e++)
                word[k][e] = wanted >> k & 1 ? (uint64_t)~flag << 32 : 0;
        wrong = wanted;
    }
    while (wrong) {
        wrong = 0;
#pragma unroll
        for (int k = 0; k < N; k++) {
            bool missing = false;
#pragma unroll
            for (int e = 0; e < EACH; e++)
                missing = missing || (uint32_t)(word[k][e] >> 32) != flag;
            if (wanted >> k & 1 && missing) {
                flagged_load(word[k], at(k));
                wrong = 1;
            }
        }
    }
#pragma unroll
    for (int k = 0; k < N; k++)
#pragma unroll
        for (int e = 0; e < EACH; e++)
            payload[k][e] = (uint32_t)word[k][e];
}

#endif
