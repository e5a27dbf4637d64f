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

/* 2 atanh(s), 0 <= s <= 1/3. */
__device__ __forceinline__ float math_twice_atanh(float s)
{
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

/* log(1 + y), 0 <= y <= 1, as 2 atanh(y / (2 + y)). */
__device__ __forceinline__ float math_log_one_plus(float y)
{
    return math_twice_atanh(__fdiv_rn(y, __fadd_rn(2.0f, y)));
}

__device__ __forceinline__ float math_softplus(float x)
{
    float y = math_exp(-fabsf(x));
    float soft = __fadd_rn(fmaxf(x, 0.0f), math_log_one_plus(y));
    return x > 20.0f ? x : soft;
}

/* --- without a branch ------------------------------------------------------------------
 *
 * __fdiv_rn looks whether its arguments are near the ends of the range, and the compiler
 * moves nothing past that. These let a thread work at several things at a time. */

/* x / d rounded correctly for 1 <= d <= 2^126 and finite x (but +0 for -0): a reciprocal,
 * one Newton step, and the exact remainder of the quotient. */
__device__ __forceinline__ float math_straight_divide(float x, float d)
{
    float r;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(d));
    r = __fmaf_rn(__fmaf_rn(-d, r, 1.0f), r, r);
    float q = __fmul_rn(x, r);
    return __fmaf_rn(__fmaf_rn(-d, q, x), r, q);
}

/* math_silu to the bit from -87 on, but for +0 at -0 and NaN at infinity; silu(-87), which
 * is -1.4e-36, below that. */
__device__ __forceinline__ float math_straight_silu(float x)
{
    x = x < -87.0f ? -87.0f : x;
    return math_straight_divide(x, __fadd_rn(1.0f, math_exp(-x)));
}

/* math_softplus to the bit. */
__device__ __forceinline__ float math_straight_softplus(float x)
{
    float y = math_exp(-fabsf(x));
    float log = math_twice_atanh(math_straight_divide(y, __fadd_rn(2.0f, y)));
    float soft = __fadd_rn(fmaxf(x, 0.0f), log);
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
