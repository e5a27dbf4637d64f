/* record.cuh: activations as the products for one token want them.
 *
 * A record holds 256 columns of one lane. For plain weights these are BF16, as they are.
 * For quantized weights they are 16-bit integers, cut into two bytes: x = scale *
 * (256 high + low), where scale is the power of two that makes the largest of the 256 lie
 * between 2^13 and 2^14. So a BF16 is kept exactly while it is at least 1/64 of the
 * largest, and the bytes go to the tensor cores as two columns beside each other, whose
 * integer sums are exact in any order.
 *
 * Chunks of 32 columns come in pairs, m and m + 4, as they do in packed weights (packed.cuh):
 * 16 bytes a thread. Records of 576 bytes are 64 bytes apart in shared memory's banks, and so
 * are high and low bytes. */
#ifndef TIDEMARK_KERNELS_CUDA_RECORD_CUH
#define TIDEMARK_KERNELS_CUDA_RECORD_CUH

#include <cuda_bf16.h>
#include <stdint.h>

enum {
    RECORD = 576,
    RECORD_COLUMNS = 256,
    /* Where the parts begin: high bytes [4 pairs][4 threads][2 chunks][8]; sums of a chunk's
     * bytes, below; the scale; low bytes like the high ones. */
    RECORD_SUMS = 256,
    RECORD_SCALE = 288,
    RECORD_LOW = 320,
};

/* Where the sums of pair m are: 16 bits each, high bytes of chunks m and m + 4, low ones of
 * both. First those of pairs 0 and 2, then of 1 and 3. */
__device__ __forceinline__ constexpr uint32_t record_sums(uint32_t m)
{
    return RECORD_SUMS + m % 2 * 16 + m / 2 * 8;
}

/* One byte of each. */
template <int BYTE>
__device__ __forceinline__ uint32_t record_bytes(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t first = BYTE | (4 + BYTE) << 4;
    return __byte_perm(__byte_perm(a, b, first), __byte_perm(c, d, first), 0x5410);
}

/* Thread l of a warp brings columns 8l .. 8l + 7, in order. The bytes of a chunk are put
 * down as m16n8k32 takes them: thread t gets columns 4t .. 4t + 3 and 16 + 4t .. 19 + 4t. */
__device__ __forceinline__ void record_integers(uint8_t *record, uint4 values)
{
    const uint32_t lane = threadIdx.x % 32, pair[4] = {values.x, values.y, values.z, values.w};
    uint32_t both = 0;
#pragma unroll
    for (int i = 0; i < 4; i++)
        both = __vmaxu2(both, pair[i] & 0x7FFF7FFFu);
    uint32_t most = max(both & 0xFFFF, both >> 16);
    most = __reduce_max_sync(0xFFFFFFFFu, most);
    /* Exponents as floats store them; what is below 2^-100 counts as zero. */
    const int exponent = (int)(most >> 7);
    const bool none = exponent < 27;
    const float up = none ? 0.0f : __int_as_float((127 + 13 - exponent + 127) << 23);
    float scale = none ? 0.0f : __int_as_float((exponent - 13) << 23);
    if (exponent == 255) /* infinite or not a number: so is what comes of it */
        scale = __int_as_float(0x7FC00000);
    /* A number below 2^22 added to 3 * 2^22 stands, rounded to an integer, in the lowest bits. */
    uint32_t bits[8], high[2], low[2];
#pragma unroll
    for (int i = 0; i < 8; i++)
        bits[i] = __float_as_uint(__fmaf_rn(
            __uint_as_float(i % 2 ? pair[i / 2] & 0xFFFF0000u : pair[i / 2] << 16), up, 0x3p22f));
    int sum = 0; /* of high bytes, times 2^16, and low ones */
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const uint32_t *b = bits + 4 * i;
        low[i] = record_bytes<0>(b[0], b[1], b[2], b[3]);
        high[i] = record_bytes<1>(b[0] + 128, b[1] + 128, b[2] + 128, b[3] + 128);
        sum += __dp4a((int)high[i], 0x01010101, 0) * 65536 + __dp4a((int)low[i], 0x01010101, 0);
    }
    sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 1);
    sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 2);
    const uint32_t k = lane % 4, chunk = lane / 4;
    const uint32_t at = chunk % 4 * 64 + k % 2 * 32 + chunk / 4 * 8 + k / 2 * 4;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        *(uint32_t *)(record + at + i * 16) = high[i];
        *(uint32_t *)(record + RECORD_LOW + at + i * 16) = low[i];
    }
    if (k == 0) {
        int16_t *sums = (int16_t *)(record + record_sums(chunk % 4)) + chunk / 4;
        sums[0] = (int16_t)((sum - (int16_t)sum) >> 16);
        sums[2] = (int16_t)sum;
    }
    if (lane == 0)
        *(float *)(record + RECORD_SCALE) = scale;
}

/* A record of BF16 becomes one of integers, by one warp. */
__device__ __forceinline__ void record_convert(uint8_t *record)
{
    const uint4 values = ((const uint4 *)record)[threadIdx.x % 32];
    __syncwarp();
    record_integers(record, values);
}

#endif
