/* stages.cuh: what a token's kernel computes between its products; private to token.cu. */
#ifndef TIDEMARK_KERNELS_CUDA_STAGES_CUH
#define TIDEMARK_KERNELS_CUDA_STAGES_CUH

#include "kernels/cuda/math.cuh"
#include "kernels/cuda/record.cuh"
#include "kernels/cuda/token.h"

/* Threads that compute; the warps after them fetch. */
enum { THREADS = 256, WARPS = THREADS / 32 };

__device__ __forceinline__ void block_wait()
{
    asm volatile("bar.sync 1, %0;" ::"r"((int)THREADS) : "memory");
}

/* The same for every thread; 16 floats of `scratch`, which must not be in use any more. */
__device__ __forceinline__ float block_sum(float x, float *scratch)
{
    x = math_warp_sum(x);
    if (threadIdx.x % 32 == 0)
        scratch[threadIdx.x / 32] = x;
    block_wait();
    x = scratch[threadIdx.x % WARPS];
#pragma unroll
    for (int step = WARPS / 2; step; step /= 2)
        x = __fadd_rn(x, __shfl_xor_sync(0xFFFFFFFFu, x, step));
    return x;
}

/* A warp's record, from a thread's eight columns as BF16. */
__device__ __forceinline__ void put_record(uint8_t *record, uint4 values, bool integers)
{
    if (integers)
        record_integers(record, values);
    else
        ((uint4 *)record)[threadIdx.x % 32] = values;
}

__device__ __forceinline__ void put_row(uint8_t *record, const float x[8], bool integers)
{
    uint32_t pair[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const __nv_bfloat162 both = __floats2bfloat162_rn(x[2 * i], x[2 * i + 1]);
        pair[i] = *(const uint32_t *)&both;
    }
    put_record(record, make_uint4(pair[0], pair[1], pair[2], pair[3]), integers);
}

/* --- norm -------------------------------------------------------------------------------- */

/* Eight numbers from `at` on, 0 from `size` on, which is a multiple of 8; past the SM's own
 * cache. */
__device__ __forceinline__ void load_eight(float out[8], const float *x, uint32_t at, uint32_t size)
{
    const float4 none = {0, 0, 0, 0};
    const bool there = at < size;
    const float4 a = there ? __ldcg((const float4 *)(x + at)) : none;
    const float4 b = there ? __ldcg((const float4 *)(x + at + 4)) : none;
    out[0] = a.x, out[1] = a.y, out[2] = a.z, out[3] = a.w;
    out[4] = b.x, out[5] = b.y, out[6] = b.z, out[7] = b.w;
}

/* N times eight, `stride` apart, of what a barrier has made sure of. */
struct plain_source {
    const float *x;

    template <int N>
    __device__ __forceinline__ void load(float out[N][8], uint32_t at, uint32_t stride,
                                         uint32_t size) const
    {
#pragma unroll
        for (int k = 0; k < N; k++)
            load_eight(out[k], x, at + k * stride, size);
    }
};

/* records [units], `pitch` bytes apart, = x normalized and weighted, by all computing threads. What
 * they hold of it is on its way at once: here counts how often memory is waited for. */
template <typename SOURCE>
__device__ __forceinline__ void normalize(uint8_t *records, uint32_t pitch, const SOURCE &x,
                                          const float *weight, float epsilon, uint32_t size,
                                          uint32_t units, float *scratch, bool integers)
{
    enum { HELD = 2 };
    const uint32_t first = threadIdx.x * 8, stride = THREADS * 8;
    float value[HELD][8], scaled[HELD][8], sum = 0;
    plain_source{weight}.load<HELD>(scaled, first, stride, size);
    x.template load<HELD>(value, first, stride, size);
#pragma unroll
    for (int k = 0; k < HELD; k++)
#pragma unroll
        for (int i = 0; i < 8; i++)
            sum = __fmaf_rn(value[k][i], value[k][i], sum);
    for (uint32_t at = first + HELD * stride; at < size; at += stride) {
        float more[1][8];
        x.template load<1>(more, at, stride, size);
#pragma unroll
        for (int i = 0; i < 8; i++)
            sum = __fmaf_rn(more[0][i], more[0][i], sum);
    }
    sum = block_sum(sum, scratch);
    const float scale =
        __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), epsilon)));
    const uint32_t warp = threadIdx.x / 32;
    auto put = [&](uint32_t unit, float v[8], const float w[8]) {
#pragma unroll
        for (int i = 0; i < 8; i++)
            v[i] = __fmul_rn(__fmul_rn(v[i], scale), w[i]);
        put_row(records + (size_t)unit * pitch, v, integers);
    };
#pragma unroll
    for (int k = 0; k < HELD; k++)
        if (warp + k * WARPS < units)
            put(warp + k * WARPS, value[k], scaled[k]);
    for (uint32_t unit = warp + HELD * WARPS; unit < units; unit += WARPS) {
        x.template load<1>(value, unit * 256 + threadIdx.x % 32 * 8, stride, size);
        load_eight(scaled[0], weight, unit * 256 + threadIdx.x % 32 * 8, size);
        put(unit, value[0], scaled[0]);
    }
}

/* --- dt, B and C --------------------------------------------------------------------------- */

/* dt's records and bc from the sums, by `warps` of which this is number `warp`. Every one takes
 * the norm that it needs: dt's for the records, the last two B and C. */
__device__ __forceinline__ void mix_norms(uint8_t *records, uint32_t pitch, float *bc,
                                          const float *values, const struct device_layer_shape &s,
                                          uint32_t units, bool integers, uint32_t warp,
                                          uint32_t warps)
{
    const uint32_t lane = threadIdx.x % 32;
    const uint32_t which = warp < warps - 2 ? 0 : warp - (warps - 3);
    const uint32_t from = which == 0 ? 0 : s.rank + (which - 1) * s.states;
    const uint32_t size = which == 0 ? s.rank : s.states;
    float sum = 0, scale = 1.0f;
#pragma unroll 8
    for (uint32_t i = lane; i < size; i += 32)
        sum = __fmaf_rn(values[from + i], values[from + i], sum);
    sum = math_warp_sum(sum);
    if (s.mixer_norm)
        scale =
            __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), s.mixer_epsilon)));
    if (which == 0) {
        for (uint32_t unit = warp; unit < units; unit += warps - 2) {
            float x[8];
#pragma unroll
            for (int i = 0; i < 8; i++) {
                uint32_t at = unit * 256 + lane * 8 + i;
                x[i] = at < s.rank ? __fmul_rn(values[at], scale) : 0.0f;
            }
            put_row(records + (size_t)unit * pitch, x, integers);
        }
    } else {
        for (uint32_t i = lane; i < s.states; i += 32)
            bc[(which - 1) * s.states + i] = __fmul_rn(values[from + i], scale);
    }
}

/* dt's records and bc of one lane from the parts of `x`, by all computing threads. */
__device__ __forceinline__ void mix(uint8_t *records, uint32_t pitch, float *bc, const float *part,
                                    size_t part_stride, uint32_t parts,
                                    const struct device_layer_shape &s, uint32_t units,
                                    float *values)
{
    const uint32_t outputs = s.rank + 2 * s.states;
    block_wait();
    for (uint32_t i = threadIdx.x; i < outputs; i += 2 * THREADS) {
        const uint32_t j = i + THREADS < outputs ? i + THREADS : i;
        float sum[2] = {0, 0};
        for (uint32_t k = 0; k < parts; k += 8) {
            float some[2][8];
#pragma unroll
            for (int e = 0; e < 8; e++) {
                some[0][e] = k + e < parts ? __ldcg(part + (k + e) * part_stride + i) : 0.0f;
                some[1][e] = k + e < parts ? __ldcg(part + (k + e) * part_stride + j) : 0.0f;
            }
#pragma unroll
            for (int e = 0; e < 8; e++) {
                sum[0] = __fadd_rn(sum[0], some[0][e]);
                sum[1] = __fadd_rn(sum[1], some[1][e]);
            }
        }
        values[i] = sum[0];
        values[j] = j == i ? sum[0] : sum[1];
    }
    block_wait();
    mix_norms(records, pitch, bc, values, s, units, false, threadIdx.x / 32, WARPS);
}

/* --- a thread's own numbers, ahead of time --------------------------------------------------- */

__device__ __forceinline__ void stash_copy(void *shared, const void *from)
{
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(
                     (uint32_t)__cvta_generic_to_shared(shared)),
                 "l"(from)
                 : "memory");
}

/* 16 bytes, past the SM's own cache. */
__device__ __forceinline__ void stash_copy_row(void *shared, const void *from)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                     (uint32_t)__cvta_generic_to_shared(shared)),
                 "l"(from)
                 : "memory");
}

/* What the first result of a thread will need is fetched to shared memory while a product
 * runs. Others are loaded when their turn comes. */
enum { STASH = 256, STASH_EACH = 12 };

struct stash {
    float *mine; /* [STASH_EACH] of them STASH apart */

    __device__ __forceinline__ void fetch(int k, const void *from) const
    {
        stash_copy(mine + k * STASH, from);
    }

    __device__ __forceinline__ float get(int k) const
    {
        return mine[k * STASH];
    }
};

__device__ __forceinline__ void stash_wait()
{
    asm volatile("cp.async.wait_all;" ::: "memory");
}

/* What nobody else reads before the next token may be written while the grid is waited for:
 * a barrier waits for all writes before it. One result's at a time. */
struct late_stores {
    bool allowed;
    uint32_t count = 0;
    float *to = NULL;
    float values[4] = {};

    __device__ __forceinline__ void flush(uint32_t stride)
    {
#pragma unroll
        for (uint32_t i = 0; i < 4; i++)
            if (i < count)
                to[(size_t)i * stride] = values[i];
        count = 0;
    }
    __device__ __forceinline__ void put(float *at, const float *some, uint32_t how_many,
                                        uint32_t stride)
    {
        if (count > 0)
            flush(stride);
        to = at;
        count = how_many;
#pragma unroll
        for (uint32_t i = 0; i < 4; i++)
            values[i] = some[i];
        if (!allowed)
            flush(stride);
    }
};

/* --- convolution ------------------------------------------------------------------------------ */

struct conv_numbers {
    float weight[4], bias, tail[3];
};

enum { STASH_CONV_BIAS = 4, STASH_CONV_TAIL = 5 };

/* Of one channel; what is beyond `taps` is 0. */
__device__ __forceinline__ void conv_load(conv_numbers &c, const float *tail,
                                          const struct token_layer &layer, uint32_t d,
                                          const struct device_layer_shape &s)
{
#pragma unroll
    for (int j = 0; j < 4; j++)
        c.weight[j] = j < s.taps ? __ldg(layer.conv_weight + (size_t)j * s.inner + d) : 0.0f;
    c.bias = __ldg(layer.conv_bias + d);
#pragma unroll
    for (int j = 0; j < 3; j++)
        c.tail[j] = j + 1 < s.taps ? __ldcg(tail + (size_t)j * s.inner) : 0.0f;
}

__device__ __forceinline__ void conv_take(conv_numbers &c, const stash &stash,
                                          const struct device_layer_shape &s)
{
#pragma unroll
    for (int j = 0; j < 4; j++)
        c.weight[j] = j < s.taps ? stash.get(j) : 0.0f;
    c.bias = stash.get(STASH_CONV_BIAS);
#pragma unroll
    for (int j = 0; j < 3; j++)
        c.tail[j] = j + 1 < s.taps ? stash.get(STASH_CONV_TAIL + j) : 0.0f;
}

__device__ __forceinline__ void conv_fetch(const stash &stash, const float *tail,
                                           const struct token_layer &layer, uint32_t d,
                                           const struct device_layer_shape &s)
{
    for (int j = 0; j < s.taps; j++)
        stash.fetch(j, layer.conv_weight + (size_t)j * s.inner + d);
    stash.fetch(STASH_CONV_BIAS, layer.conv_bias + d);
    for (int j = 0; j + 1 < s.taps; j++)
        stash.fetch(STASH_CONV_TAIL + j, tail + (size_t)j * s.inner);
}

/* SiLU of the convolution; the tail moves on. */
__device__ __forceinline__ float conv_step(const conv_numbers &c, float *tail, float x,
                                           late_stores &late, const struct device_layer_shape &s)
{
    float sum = c.bias, moved[4] = {};
#pragma unroll
    for (int j = 0; j < 3; j++) {
        if (j + 1 < s.taps)
            sum = __fmaf_rn(c.weight[j], c.tail[j], sum);
        moved[j] = j + 2 == s.taps ? x : c.tail[j + 1 < 3 ? j + 1 : 2];
    }
    late.put(tail, moved, s.taps - 1, s.inner);
    float last = s.taps == 4 ? c.weight[3] : s.taps == 3 ? c.weight[2] : c.weight[1];
    return math_silu(__fmaf_rn(last, x, sum));
}

/* --- scan ----------------------------------------------------------------------------------------
 */

/* A quarter of a channel's states, and what is the channel's. */
struct scan_numbers {
    float a[4], h[4], bias, skip, x;
};

enum { STASH_SCAN_H = 4, STASH_SCAN_BIAS = 8, STASH_SCAN_SKIP, STASH_SCAN_XC, STASH_SCAN_Z };

__device__ __forceinline__ void scan_load(scan_numbers &c, const float *h,
                                          const struct token_layer &layer, uint32_t d,
                                          uint32_t quarter, const struct device_layer_shape &s)
{
    const uint32_t each = s.states / 4;
    const size_t from = (size_t)quarter * each * s.inner + d;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        c.a[i] = i < each ? __ldg(layer.a + from + (size_t)i * s.inner) : 0.0f;
        c.h[i] = i < each ? __ldcg(h + from + (size_t)i * s.inner) : 0.0f;
    }
    c.bias = __ldg(layer.dt_bias + d);
    c.skip = __ldg(layer.skip + d);
}

__device__ __forceinline__ void scan_take(scan_numbers &c, const stash &stash,
                                          const struct device_layer_shape &s)
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        c.a[i] = i < s.states / 4 ? stash.get(i) : 0.0f;
        c.h[i] = i < s.states / 4 ? stash.get(STASH_SCAN_H + i) : 0.0f;
    }
    c.bias = stash.get(STASH_SCAN_BIAS);
    c.skip = stash.get(STASH_SCAN_SKIP);
}

__device__ __forceinline__ void scan_take_made(float &x, float &z, const stash &stash, uint32_t d)
{
    const uint32_t pair = __float_as_uint(stash.get(STASH_SCAN_XC));
    x = __uint_as_float(d % 2 ? pair & 0xFFFF0000u : pair << 16);
    z = stash.get(STASH_SCAN_Z);
}

__device__ __forceinline__ void scan_fetch(const stash &stash, const float *h,
                                           const struct token_layer &layer, uint32_t d,
                                           uint32_t quarter, const struct device_layer_shape &s)
{
    const uint32_t each = s.states / 4;
    const size_t from = (size_t)quarter * each * s.inner + d;
    for (uint32_t i = 0; i < each; i++) {
        stash.fetch((int)i, layer.a + from + (size_t)i * s.inner);
        stash.fetch(STASH_SCAN_H + (int)i, h + from + (size_t)i * s.inner);
    }
    stash.fetch(STASH_SCAN_BIAS, layer.dt_bias + d);
    stash.fetch(STASH_SCAN_SKIP, layer.skip + d);
}

/* What the block made itself: x and the gate. */
__device__ __forceinline__ void scan_fetch_made(const stash &stash, const __nv_bfloat16 *xc,
                                                const float *gate)
{
    stash.fetch(STASH_SCAN_XC, (const void *)((uintptr_t)xc & ~(uintptr_t)3));
    stash.fetch(STASH_SCAN_Z, gate);
}

/* This quarter of c . h after a step; the states go back to memory. */
__device__ __forceinline__ float scan_step(const scan_numbers &c, float *h, const float *bc,
                                           float delta, float dx, uint32_t d, uint32_t quarter,
                                           late_stores &late, const struct device_layer_shape &s)
{
    const uint32_t each = s.states / 4;
    float sum = 0, states[4] = {};
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        if (i >= each)
            break;
        const uint32_t at = quarter * each + i;
        const float e = math_exp2(__fmul_rn(delta, __fmul_rn(c.a[i], MATH_LOG2_E)));
        const float state = __fmaf_rn(e, c.h[i], __fmul_rn(dx, bc[at]));
        sum = __fmaf_rn(bc[s.states + at], state, sum);
        states[i] = state;
    }
    late.put(h + (size_t)quarter * each * s.inner + d, states, each, s.inner);
    return sum;
}

#endif
