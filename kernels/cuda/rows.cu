/* rows.cu: what is done row by row: norms, the mixer's norms, logits' sums. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/math.cuh"

/* --- the layers' norm --------------------------------------------------------------- */

enum { NORM_THREADS = 256 };

/* The first KEPT x 256 values of a row stay in registers between their two uses. */
template <typename T, int KEPT>
__global__ void __launch_bounds__(NORM_THREADS)
    norm(T *out, uint32_t out_stride, const float *x, uint32_t x_stride, const int32_t *index,
         const float *weight, float epsilon, uint32_t size)
{
    __shared__ float scratch[33];
    size_t from = index ? (size_t)index[blockIdx.x] : blockIdx.x;
    const float *row = x + from * x_stride;
    const uint32_t beyond = KEPT * NORM_THREADS + threadIdx.x;
    float kept[KEPT], sum = 0;
#pragma unroll
    for (int k = 0; k < KEPT; k++) {
        uint32_t i = k * NORM_THREADS + threadIdx.x;
        kept[k] = i < size ? row[i] : 0.0f;
    }
#pragma unroll
    for (int k = 0; k < KEPT; k++)
        sum = __fmaf_rn(kept[k], kept[k], sum);
    for (uint32_t i = beyond; i < size; i += NORM_THREADS)
        sum = __fmaf_rn(row[i], row[i], sum);
    sum = math_block_sum(sum, scratch);
    float scale = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), epsilon)));
    T *to = out + (size_t)blockIdx.x * out_stride;
#pragma unroll
    for (int k = 0; k < KEPT; k++) {
        uint32_t i = k * NORM_THREADS + threadIdx.x;
        if (i < size)
            math_store(to + i, __fmul_rn(__fmul_rn(kept[k], scale), weight[i]));
    }
    for (uint32_t i = beyond; i < size; i += NORM_THREADS)
        math_store(to + i, __fmul_rn(__fmul_rn(row[i], scale), weight[i]));
}

template <typename T>
static void launch_norm(T *out, uint32_t out_stride, const float *x, uint32_t x_stride,
                        const int32_t *index, const float *weight, float epsilon, uint32_t size,
                        uint32_t rows, cudaStream_t stream)
{
    if (size <= 4 * NORM_THREADS)
        norm<T, 4><<<rows, NORM_THREADS, 0, stream>>>(out, out_stride, x, x_stride, index, weight,
                                                      epsilon, size);
    else
        norm<T, 16><<<rows, NORM_THREADS, 0, stream>>>(out, out_stride, x, x_stride, index, weight,
                                                       epsilon, size);
}

void device_norm(void *out, bool precise, uint32_t out_stride, const float *x, uint32_t x_stride,
                 const int32_t *index, const float *weight, float epsilon, uint32_t size,
                 uint32_t rows, cudaStream_t stream)
{
    if (rows == 0)
        return;
    if (precise)
        launch_norm((float *)out, out_stride, x, x_stride, index, weight, epsilon, size, rows,
                    stream);
    else
        launch_norm((__nv_bfloat16 *)out, out_stride, x, x_stride, index, weight, epsilon, size,
                    rows, stream);
}

/* --- dt, B and C ---------------------------------------------------------------------- */

/* 1 / RMS of `size` floats, by one warp. */
__device__ float mixer_scale(const float *x, uint32_t size, float epsilon, bool norm)
{
    float sum = 0;
    for (uint32_t i = threadIdx.x % 32; i < size; i += 32)
        sum = __fmaf_rn(x[i], x[i], sum);
    sum = math_warp_sum(sum);
    if (!norm)
        return 1.0f;
    return __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), epsilon)));
}

template <typename T>
__global__ void mixer(T *dt, float *bc, const float *dbc, uint32_t rows,
                      const struct device_layer_shape s)
{
    uint32_t row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows)
        return;
    const float *in = dbc + (size_t)row * s.mixer_stride;
    float scale = mixer_scale(in, s.rank, s.mixer_epsilon, s.mixer_norm);
    for (uint32_t i = lane; i < s.rank; i += 32)
        math_store(dt + (size_t)row * s.rank_stride + i, __fmul_rn(in[i], scale));
    for (uint32_t part = 0; part < 2; part++) {
        const float *from = in + s.rank + part * s.states;
        scale = mixer_scale(from, s.states, s.mixer_epsilon, s.mixer_norm);
        for (uint32_t i = lane; i < s.states; i += 32)
            bc[(size_t)row * 2 * s.states + part * s.states + i] = __fmul_rn(from[i], scale);
    }
}

void device_mixer(void *dt, float *bc, const float *dbc, uint32_t rows,
                  const struct device_layer_shape *shape, cudaStream_t stream)
{
    uint32_t blocks = (rows + 7) / 8;
    if (shape->precise)
        mixer<<<blocks, 256, 0, stream>>>((float *)dt, bc, dbc, rows, *shape);
    else
        mixer<<<blocks, 256, 0, stream>>>((__nv_bfloat16 *)dt, bc, dbc, rows, *shape);
}

/* --- logits ------------------------------------------------------------------------------ */

__device__ float block_max(float x, float *scratch)
{
    for (int step = 16; step; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        scratch[threadIdx.x / 32] = x;
    __syncthreads();
    x = scratch[0];
    for (uint32_t i = 1; i < blockDim.x / 32; i++)
        x = fmaxf(x, scratch[i]);
    __syncthreads();
    return x;
}

__global__ void logits_part(const float *logits, size_t stride, uint32_t first, uint32_t count,
                            const struct device_logit_row *rows, float *top, float *sum,
                            float *target)
{
    __shared__ float scratch[33];
    const struct device_logit_row row = rows[blockIdx.x];
    const float *x = logits + blockIdx.x * stride;
    for (int c = 0; c < 2; c++) {
        float *copy = c ? row.copy2 : row.copy;
        for (uint32_t i = threadIdx.x; copy && i < count; i += blockDim.x)
            copy[first + i] = x[i];
    }
    if (row.target < 0)
        return;
    float largest = -INFINITY;
    for (uint32_t i = threadIdx.x; i < count; i += blockDim.x)
        largest = fmaxf(largest, x[i]);
    largest = block_max(largest, scratch);
    float total = 0;
    for (uint32_t i = threadIdx.x; i < count; i += blockDim.x)
        total = __fadd_rn(total, math_exp(__fsub_rn(x[i], largest)));
    total = math_block_sum(total, scratch);
    if (threadIdx.x != 0)
        return;
    top[blockIdx.x] = largest;
    sum[blockIdx.x] = total;
    if ((uint32_t)row.target - first < count)
        target[blockIdx.x] = x[(uint32_t)row.target - first];
}

void device_logits_part(const float *logits, size_t stride, uint32_t first, uint32_t count,
                        const struct device_logit_row *rows, uint32_t row_count, float *top,
                        float *sum, float *target, cudaStream_t stream)
{
    if (row_count)
        logits_part<<<row_count, 256, 0, stream>>>(logits, stride, first, count, rows, top, sum,
                                                   target);
}

/* In double: shown to people, and kept in 1/256 bit; no state depends on it. */
__global__ void surprise(float *bits, const float *top, const float *sum, const float *target,
                         uint32_t parts, uint32_t stride, uint32_t rows)
{
    uint32_t r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows)
        return;
    double largest = -INFINITY, total = 0;
    for (uint32_t i = 0; i < parts; i++)
        largest = fmax(largest, (double)top[(size_t)i * stride + r]);
    for (uint32_t i = 0; i < parts; i++)
        total += (double)sum[(size_t)i * stride + r] *
                 exp((double)top[(size_t)i * stride + r] - largest);
    bits[r] = (float)((largest + log(total) - (double)target[r]) * 1.4426950408889634074);
}

void device_surprise(float *bits, const float *top, const float *sum, const float *target,
                     uint32_t parts, uint32_t row_stride, uint32_t rows, cudaStream_t stream)
{
    if (rows)
        surprise<<<(rows + 127) / 128, 128, 0, stream>>>(bits, top, sum, target, parts, row_stride,
                                                         rows);
}

/* --- trying out ---------------------------------------------------------------------------- */

__device__ float noise(uint64_t i, uint32_t seed)
{
    uint64_t z = (i + 1) * 0x9E3779B97F4A7C15ull + ((uint64_t)seed << 32);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ z >> 27) * 0x94D049BB133111EBull;
    return (float)((double)(z >> 40) / 8388608.0 - 1.0);
}

__global__ void fill_random(void *out, bool precise, size_t count, uint32_t seed)
{
    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < count;
         i += (size_t)gridDim.x * blockDim.x) {
        if (precise)
            ((float *)out)[i] = noise(i, seed);
        else
            ((__nv_bfloat16 *)out)[i] = __float2bfloat16_rn(noise(i, seed));
    }
}

void device_fill_random(void *out, bool precise, size_t count, uint32_t seed, cudaStream_t stream)
{
    fill_random<<<1024, 256, 0, stream>>>(out, precise, count, seed);
}

__global__ void compare_rows(int *different, const uint8_t *a, const uint8_t *b, size_t bytes,
                             size_t stride, uint32_t first, uint32_t count)
{
    const uint32_t *x = (const uint32_t *)(a + (first + count - 1 - blockIdx.x) * stride);
    const uint32_t *y = (const uint32_t *)(b + blockIdx.x * stride);
    for (size_t i = threadIdx.x; i < bytes / 4; i += blockDim.x)
        if (x[i] != y[i])
            *different = 1;
}

void device_compare_rows(int *different, const void *a, const void *b, size_t row_bytes,
                         size_t stride_bytes, uint32_t first, uint32_t count, cudaStream_t stream)
{
    compare_rows<<<count, 256, 0, stream>>>(different, (const uint8_t *)a, (const uint8_t *)b,
                                            row_bytes, stride_bytes, first, count);
}

__global__ void reverse_rows(uint8_t *out, const uint8_t *in, size_t stride, uint32_t first,
                             uint32_t count)
{
    const uint32_t *from = (const uint32_t *)(in + (first + count - 1 - blockIdx.x) * stride);
    uint32_t *to = (uint32_t *)(out + blockIdx.x * stride);
    for (size_t i = threadIdx.x; i < stride / 4; i += blockDim.x)
        to[i] = from[i];
}

void device_reverse_rows(void *out, const void *in, size_t stride_bytes, uint32_t first,
                         uint32_t count, cudaStream_t stream)
{
    reverse_rows<<<count, 256, 0, stream>>>((uint8_t *)out, (const uint8_t *)in, stride_bytes,
                                            first, count);
}
