/* every_float.cu: an elementary function of the device (kernels/cuda/math.cuh) at every
 * float there is, against double. Declared in every_float.h. */
#include "tests/kernels/cuda/every_float.h"

#include "kernels/cuda/math.cuh"

__device__ static float computed(int function, float x)
{
    switch (function) {
    case EVERY_EXP2:
        return math_exp2(x);
    case EVERY_EXP:
        return math_exp(x);
    case EVERY_SILU:
        return math_silu(x);
    case EVERY_SOFTPLUS:
        return math_softplus(x);
    case EVERY_STRAIGHT_SILU:
        return math_straight_silu(x);
    case EVERY_STRAIGHT_SOFTPLUS:
        return math_straight_softplus(x);
    default:
        return math_log_one_plus(x);
    }
}

__device__ static double exact(int function, double x)
{
    switch (function) {
    case EVERY_EXP2:
        return exp2(x);
    case EVERY_EXP:
        return exp(x);
    case EVERY_SILU:
    case EVERY_STRAIGHT_SILU:
        return x / (1 + exp(-x));
    case EVERY_SOFTPLUS:
    case EVERY_STRAIGHT_SOFTPLUS:
        return x > 20 ? x : log1p(exp(x));
    default:
        return log1p(x);
    }
}

/* All floats of [0, 2^32) that are finite and in [low, high]. worst: the largest error over
 * the bound relative + growth |x|, beyond what is lost below `underflow`. */
__global__ static void every_float(int function, struct every_range range,
                                   unsigned long long *worst, unsigned long long *checksum)
{
    double most = 0;
    unsigned long long sum = 0;
    const uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
    for (uint64_t i = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x; i >> 32 == 0; i += stride) {
        float x = __uint_as_float((uint32_t)i);
        if (!isfinite(x) || x < range.low || x > range.high)
            continue;
        float have = computed(function, x);
        double want = exact(function, (double)x);
        sum += (i * 0x9E3779B97F4A7C15ull ^ __float_as_uint(have)) * 0xBF58476D1CE4E5B9ull;
        double apart = fabs((double)have - want) - range.underflow;
        double bound = (range.relative + range.growth * fabs((double)x)) * fabs(want);
        double error = apart <= 0 ? 0 : apart / bound;
        if (!(error <= most))
            most = isnan(error) ? INFINITY : error;
    }
    /* Positive doubles are ordered as their bits are. */
    atomicMax(worst, (unsigned long long)__double_as_longlong(most));
    atomicAdd(checksum, sum);
}

cudaError_t every_float_run(int function, const struct every_range *range, double *worst,
                            uint64_t *checksum)
{
    unsigned long long *results = NULL, back[2] = {0, 0};
    cudaError_t status = cudaMalloc((void **)&results, sizeof back);
    if (status == cudaSuccess)
        status = cudaMemset(results, 0, sizeof back);
    if (status == cudaSuccess) {
        every_float<<<2048, 256>>>(function, *range, results, results + 1);
        status = cudaGetLastError();
    }
    if (status == cudaSuccess)
        status = cudaMemcpy(back, results, sizeof back, cudaMemcpyDeviceToHost);
    cudaFree(results);
    memcpy(worst, &back[0], sizeof *worst);
    *checksum = back[1];
    return status;
}
