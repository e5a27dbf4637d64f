/* math.cuh: elementary functions of the device's kernels.
 *
 * Exponentials are the special function unit's 2^x (ex2.approx.ftz): on an H200 within
 * 0.62 x 2^-22 of itself at every float there is, as tests/kernels/cuda/test_cuda_math.c
 * measures. A GPU model fixes their bits, and the numerics tag names the model. The rest is
 * made of correctly rounded operations: division is IEEE's, logarithms a polynomial. */
#ifndef TIDEMARK_KERNELS_CUDA_MATH_CUH
#define TIDEMARK_KERNELS_CUDA_MATH_CUH

#include <cuda_bf16.h>

__device__ __forceinline__ float math_exp2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#define MATH_LOG2_E 1.44269504088896340736f

__device__ __forceinline__ float math_exp(float x)
{
    return math_exp2(__fmul_rn(x, MATH_LOG2_E));
}

__device__ __forceinline__ float math_silu(float x)
{
    return __fdiv_rn(x, __fadd_rn(1.0f, math_exp(-x)));
}

/* log(1 + y), 0 <= y <= 1, as 2 atanh(y / (2 + y)): the argument is a third at most. */
__device__ __forceinline__ float math_log_one_plus(float y)
{
    float s = __fdiv_rn(y, __fadd_rn(2.0f, y));
    float q = __fmul_rn(s, s);
    float p = 1.0f / 13;
    p = __fmaf_rn(p, q, 1.0f / 11);
    p = __fmaf_rn(p, q, 1.0f / 9);
    p = __fmaf_rn(p, q, 1.0f / 7);
    p = __fmaf_rn(p, q, 1.0f / 5);
    p = __fmaf_rn(p, q, 1.0f / 3);
    float t = __fmul_rn(__fadd_rn(s, s), q);
    return __fmaf_rn(t, p, __fadd_rn(s, s));
}

__device__ __forceinline__ float math_softplus(float x)
{
    float y = math_exp(-fabsf(x));
    float soft = __fadd_rn(fmaxf(x, 0.0f), math_log_one_plus(y));
    return x > 20.0f ? x : soft;
}

/* --- sums ------------------------------------------------------------------------- */

/* A fixed tree over a warp; every lane gets the sum. */
__device__ __forceinline__ float math_warp_sum(float x)
{
#pragma unroll
    for (int step = 16; step; step /= 2)
        x = __fadd_rn(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
    return x;
}

/* Over a block of up to 32 whole warps; every thread gets the sum. `scratch`: 33 floats. */
__device__ __forceinline__ float math_block_sum(float x, float *scratch)
{
    x = math_warp_sum(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        scratch[threadIdx.x / 32] = x;
    __syncthreads();
    if (threadIdx.x < 32) {
        float y = threadIdx.x < blockDim.x / 32 ? scratch[threadIdx.x] : 0.0f;
        y = math_warp_sum(y);
        if (threadIdx.x == 0)
            scratch[32] = y;
    }
    __syncthreads();
    return scratch[32];
}

__device__ __forceinline__ float math_load(const float *p)
{
    return *p;
}

__device__ __forceinline__ float math_load(const __nv_bfloat16 *p)
{
    return __bfloat162float(*p);
}

__device__ __forceinline__ void math_store(float *p, float x)
{
    *p = x;
}

__device__ __forceinline__ void math_store(__nv_bfloat16 *p, float x)
{
    *p = __float2bfloat16_rn(x);
}

#endif
