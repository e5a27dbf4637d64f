/* record.cuh: activations as the products for one token want them.
 *
 * A record holds 256 columns of one lane. For plain weights these are BF16, as they are.
 * For quantized weights they are 16-bit integers, cut into two bytes: x = scale *
 * (256 high + low), where scale is the power of two that makes the largest of the 256 lie
 * between 2^13 and 2^14. So a BF16 is kept exactly while it is at least 1/64 of the
 * largest, and the bytes go to the tensor cores as two columns beside each other, whose
 * integer sums are exact in any order.
 *
 * Records of 576 bytes are 64 bytes apart in shared memory's banks, high and low bytes 32. */
#ifndef TIDEMARK_KERNELS_CUDA_RECORD_CUH
#define TIDEMARK_KERNELS_CUDA_RECORD_CUH

#include <cuda_bf16.h>
#include <stdint.h>

enum {
    RECORD = 576,
    RECORD_COLUMNS = 256,
    /* Where the parts begin: high bytes [8 chunks][4 threads][8], the chunks' sums of
     * 256 high + low, low bytes like the high ones, the scale. */
    RECORD_SUMS = 256,
    RECORD_LOW = 288,
    RECORD_SCALE = 544,
};

/* Thread l of a warp brings columns 8l .. 8l + 7, in order. The bytes of a chunk are put
 * down as m16n8k32 takes them: thread t gets columns 4t .. 4t + 3 and 16 + 4t .. 19 + 4t. */
__device__ __forceinline__ void record_integers(uint8_t *record, uint4 values)
{
    const uint32_t lane = threadIdx.x % 32, pair[4] = {values.x, values.y, values.z, values.w};
    uint32_t most = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        most = max(most, pair[i] & 0x7FFFu);
        most = max(most, pair[i] >> 16 & 0x7FFFu);
    }
    most = __reduce_max_sync(0xFFFFFFFFu, most);
    /* Exponents as floats store them; what is below 2^-100 counts as zero. */
    const int exponent = (int)(most >> 7);
    const bool none = exponent < 27;
    const float up = none ? 0.0f : __int_as_float((127 + 13 - exponent + 127) << 23);
    float scale = none ? 0.0f : __int_as_float((exponent - 13) << 23);
    if (exponent == 255) /* infinite or not a number: so is what comes of it */
        scale = __int_as_float(0x7FC00000);
    uint32_t high[2] = {0, 0}, low[2] = {0, 0};
    int sum = 0;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        float x = __uint_as_float(i % 2 ? pair[i / 2] & 0xFFFF0000u : pair[i / 2] << 16);
        int v = __float2int_rn(__fmul_rn(x, up)), h = (v + 128) >> 8;
        sum += v;
        high[i / 4] |= ((uint32_t)h & 255) << 8 * (i % 4);
        low[i / 4] |= ((uint32_t)(v - h * 256) & 255) << 8 * (i % 4);
    }
    sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 1);
    sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 2);
    const uint32_t k = lane % 4, at = lane / 4 * 32 + k % 2 * 16 + k / 2 * 4;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        *(uint32_t *)(record + at + i * 8) = high[i];
        *(uint32_t *)(record + RECORD_LOW + at + i * 8) = low[i];
    }
    if (k == 0)
        *(int *)(record + RECORD_SUMS + lane / 4 * 4) = sum;
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
