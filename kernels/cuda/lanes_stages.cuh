/* lanes_stages.cuh: what lanes.cu computes between its products; private to it. The sums run
 * in the order of stages.cuh and finish.cuh. */
#ifndef TIDEMARK_KERNELS_CUDA_LANES_STAGES_CUH
#define TIDEMARK_KERNELS_CUDA_LANES_STAGES_CUH

#include "kernels/cuda/lanes.cuh"

/* --- parts of products ------------------------------------------------------------------ */

/* A warp's sums of an item to part [group][TOKEN_LANES][stride]. */
__device__ __forceinline__ void lanes_put_part(const lanes_run_state &c, const lanes_item &item,
                                               uint32_t row, uint32_t stride,
                                               const float (&acc)[32])
{
    const uint32_t thread = lanes_thread();
    if (row == LANES_NO_ROW)
        return;
    float *to = c.w.part + (size_t)item.group * TOKEN_LANES * stride + row;
#pragma unroll
    for (int i = 0; i < 32; i++) {
        const uint32_t n = lanes_acc_lane(thread, i);
        if (n < c.lanes)
            to[(size_t)n * stride + lanes_acc_row(thread, i)] = acc[i];
    }
}

__device__ __forceinline__ void lanes_put_logits(const lanes_run_state &c, uint32_t row,
                                                 const float (&acc)[32])
{
    const uint32_t thread = lanes_thread();
    if (row == LANES_NO_ROW)
        return;
#pragma unroll
    for (int i = 0; i < 32; i++) {
        const uint32_t n = lanes_acc_lane(thread, i), at = row + lanes_acc_row(thread, i);
        if (n < c.lanes && at < c.model.vocabulary) {
            c.w.logits[(size_t)n * c.model.vocabulary + at] = acc[i];
            c.shared.states[n][c.model.state_logits + at] = acc[i];
        }
    }
}

/* --- norm ------------------------------------------------------------------------------- */

struct lanes_eight {
    float4 a, b;
};

__device__ __forceinline__ lanes_eight lanes_eight_at(const float *from)
{
    return {__ldcg((const float4 *)from), __ldcg((const float4 *)from + 1)};
}

__device__ __forceinline__ void lanes_eight_add(lanes_eight &x, const lanes_eight &y)
{
    x.a.x = __fadd_rn(x.a.x, y.a.x), x.a.y = __fadd_rn(x.a.y, y.a.y);
    x.a.z = __fadd_rn(x.a.z, y.a.z), x.a.w = __fadd_rn(x.a.w, y.a.w);
    x.b.x = __fadd_rn(x.b.x, y.b.x), x.b.y = __fadd_rn(x.b.y, y.b.y);
    x.b.z = __fadd_rn(x.b.z, y.b.z), x.b.w = __fadd_rn(x.b.w, y.b.w);
}

__device__ __forceinline__ float lanes_eight_squares(float sum, const lanes_eight &x)
{
    sum = __fmaf_rn(x.a.x, x.a.x, sum), sum = __fmaf_rn(x.a.y, x.a.y, sum);
    sum = __fmaf_rn(x.a.z, x.a.z, sum), sum = __fmaf_rn(x.a.w, x.a.w, sum);
    sum = __fmaf_rn(x.b.x, x.b.x, sum), sum = __fmaf_rn(x.b.y, x.b.y, sum);
    return sum = __fmaf_rn(x.b.z, x.b.z, sum), __fmaf_rn(x.b.w, x.b.w, sum);
}

/* A lane's x with what OUT made added, and its units of u, by all computing threads. What they
 * hold of it is on its way at once: what is not there is read in another place, since
 * conditions cost registers. */
__device__ __forceinline__ void lanes_normalize(const lanes_run_state &c, uint32_t n,
                                                const float *weight, uint32_t slices)
{
    enum { HELD = 2, PARTS = 4 };
    const uint32_t first = lanes_thread() * 8, stride = THREADS * 8, size = c.model.embedding;
    const uint32_t width = c.w.embedding_stride;
    const size_t apart = (size_t)TOKEN_LANES * width;
    float *x = c.w.x + (size_t)n * width, sum = 0;
    const float *part = c.w.part + (size_t)n * width;
    lanes_eight v[HELD];
    auto residual = [&](lanes_eight &r, lanes_eight p[PARTS], uint32_t at) {
#pragma unroll
        for (uint32_t k = 1; k < PARTS; k++)
            if (k < slices)
                lanes_eight_add(p[0], p[k]);
        for (uint32_t k = PARTS; k < slices; k++)
            lanes_eight_add(p[0], lanes_eight_at(part + k * apart + at));
        if (slices > 0)
            lanes_eight_add(r, p[0]);
        sum = lanes_eight_squares(sum, r);
        if (slices > 0) {
            *(float4 *)(x + at) = r.a;
            *(float4 *)(x + at + 4) = r.b;
        }
    };
    auto put = [&](const lanes_eight &r, const lanes_eight &w, float scale, uint32_t at) {
        lanes_put(c.w.u, n, at, __fmul_rn(__fmul_rn(r.a.x, scale), w.a.x),
                  __fmul_rn(__fmul_rn(r.a.y, scale), w.a.y));
        lanes_put(c.w.u, n, at + 2, __fmul_rn(__fmul_rn(r.a.z, scale), w.a.z),
                  __fmul_rn(__fmul_rn(r.a.w, scale), w.a.w));
        lanes_put(c.w.u, n, at + 4, __fmul_rn(__fmul_rn(r.b.x, scale), w.b.x),
                  __fmul_rn(__fmul_rn(r.b.y, scale), w.b.y));
        lanes_put(c.w.u, n, at + 6, __fmul_rn(__fmul_rn(r.b.z, scale), w.b.z),
                  __fmul_rn(__fmul_rn(r.b.w, scale), w.b.w));
    };
    {
        lanes_eight p[HELD][PARTS];
#pragma unroll
        for (int k = 0; k < HELD; k++) {
            const uint32_t at = min(first + k * stride, size - 8);
            v[k] = lanes_eight_at(x + at);
#pragma unroll
            for (uint32_t i = 0; i < PARTS; i++)
                p[k][i] = lanes_eight_at(part + min(i, max(slices, 1u) - 1) * apart + at);
        }
#pragma unroll
        for (int k = 0; k < HELD; k++)
            if (first + k * stride < size)
                residual(v[k], p[k], first + k * stride);
    }
    for (uint32_t at = first + HELD * stride; at < size; at += stride) {
        lanes_eight more = lanes_eight_at(x + at), p[PARTS];
#pragma unroll
        for (uint32_t i = 0; i < PARTS; i++)
            p[i] = lanes_eight_at(part + min(i, max(slices, 1u) - 1) * apart + at);
        residual(more, p, at);
    }
    lanes_eight w[HELD];
#pragma unroll
    for (int k = 0; k < HELD; k++)
        w[k] = lanes_eight_at(weight + min(first + k * stride, size - 8));
    sum = block_sum(sum, c.shared.scratch);
    const float scale =
        __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), c.model.epsilon)));
#pragma unroll
    for (int k = 0; k < HELD; k++)
        if (first + k * stride < size)
            put(v[k], w[k], scale, first + k * stride);
    for (uint32_t at = first + HELD * stride; at < size; at += stride)
        put(lanes_eight_at(x + at), lanes_eight_at(weight + at), scale, at);
    block_wait(); /* before `scratch` is used again */
}

/* --- dt, B and C ------------------------------------------------------------------------ */

/* A lane's units of dt, and bc, from the parts of X, by all computing threads. values: room
 * for the sums of all cuts in shared memory. */
__device__ __forceinline__ void lanes_mix(const lanes_run_state &c, uint32_t n, float *values)
{
    const uint32_t thread = lanes_thread();
    enum { HELD = 3 };
    const lanes_stage &x = c.w.stages[LANES_X];
    const uint32_t rank = c.s.rank, states = c.s.states, cuts = x.items / x.across / x.slices;
    const size_t apart = (size_t)TOKEN_LANES * c.w.mixer_stride;
    const float *part = c.w.part + (size_t)n * c.w.mixer_stride;
    for (uint32_t i0 = thread; i0 < cuts * x.outputs; i0 += HELD * THREADS) {
        float some[HELD][WARPS];
#pragma unroll
        for (int k = 0; k < HELD; k++) {
            const uint32_t i = min(i0 + k * THREADS, cuts * x.outputs - 1), cut = i / x.outputs;
            const float *from = part + cut * x.slices * apart + (i - cut * x.outputs);
#pragma unroll
            for (uint32_t e = 0; e < WARPS; e++)
                some[k][e] = __ldcg(from + min(e, x.slices - 1) * apart);
        }
#pragma unroll
        for (int k = 0; k < HELD; k++) {
#pragma unroll
            for (uint32_t e = 1; e < WARPS; e++)
                if (e < x.slices)
                    some[k][0] = __fadd_rn(some[k][0], some[k][e]);
            if (i0 + k * THREADS < cuts * x.outputs)
                values[i0 + k * THREADS] = some[k][0];
        }
    }
    block_wait();
    for (uint32_t i = thread; i < x.outputs; i += THREADS) {
        float sum = 0;
        for (uint32_t k = 0; k < cuts; k++)
            sum = __fadd_rn(sum, values[k * x.outputs + i]);
        values[i] = sum;
    }
    block_wait();
    const uint32_t warp = thread / 32, lane = thread % 32;
    const uint32_t which = warp < WARPS - 2 ? 0 : warp - (WARPS - 3);
    const uint32_t from = which == 0 ? 0 : rank + (which - 1) * states;
    const uint32_t size = which == 0 ? rank : states;
    float sum = 0, scale = 1.0f;
    for (uint32_t i = lane; i < size; i += 32)
        sum = __fmaf_rn(values[from + i], values[from + i], sum);
    sum = math_warp_sum(sum);
    if (c.s.mixer_norm)
        scale =
            __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), c.s.mixer_epsilon)));
    if (which == 0) {
        const uint32_t columns = (rank + 255) / 256 * 256;
        for (uint32_t at = thread * 2; at < columns; at += (WARPS - 2) * 64)
            lanes_put(c.w.dt, n, at, at < rank ? __fmul_rn(values[at], scale) : 0.0f,
                      at + 1 < rank ? __fmul_rn(values[at + 1], scale) : 0.0f);
    } else if (lane < states) {
        c.w.bc[n * 32 + (which - 1) * states + lane] = __fmul_rn(values[from + lane], scale);
    }
    block_wait(); /* before `values` are written again */
}

/* --- convolution ------------------------------------------------------------------------ */

/* Threads take four channels of a lane: warp w the quads 8 (w % 2) + l % 8, and lanes w / 2,
 * l / 8 of sixteen. */
__device__ __forceinline__ uint32_t lanes_quad(uint32_t thread)
{
    return thread / 32 % 2 * 8 + thread % 8;
}

__device__ __forceinline__ float4 lanes_get(const float *from)
{
    return __ldcg((const float4 *)from);
}

/* A thread's tails, of four lanes. */
struct lanes_tails {
    float4 of[4][3];
};

__device__ __forceinline__ void lanes_load_tails(const lanes_run_state &c, lanes_tails &tails,
                                                 const lanes_item &item)
{
    const uint32_t thread = lanes_thread(), quad = lanes_quad(thread), inner = c.s.inner;
    const uint32_t first = thread / 64 * 4 + thread % 32 / 8;
    const size_t offset = c.s.layer_offset + (size_t)c.s.states * inner + item.tile * 16 + quad * 4;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const uint32_t n = first + i * 16;
#pragma unroll
        for (int j = 0; j < 3; j++)
            if (n < c.lanes && quad * 4 < item.tiles * 16)
                tails.of[i][j] = lanes_get(c.shared.states[n] + offset + (size_t)j * inner);
    }
}

/* From the sums of IN: xc, tails and gates. */
__device__ __forceinline__ void lanes_finish_in(const lanes_run_state &c, const lanes_tails &tails,
                                                const lanes_item &item, const float *sums)
{
    const uint32_t thread = lanes_thread();
    const uint32_t quad = lanes_quad(thread), d = item.tile * 16 + quad * 4, inner = c.s.inner;
    if (quad * 4 >= item.tiles * 16)
        return;
    float4 weight[4];
#pragma unroll
    for (int j = 0; j < 4; j++)
        weight[j] = __ldg((const float4 *)(c.layer->conv_weight + (size_t)j * inner + d));
    const float4 bias = __ldg((const float4 *)(c.layer->conv_bias + d));
    const size_t offset = c.s.layer_offset + (size_t)c.s.states * inner + d;
    const uint32_t first = thread / 64 * 4 + thread % 32 / 8;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const uint32_t n = first + i * 16;
        if (n >= c.lanes)
            break;
        const float4 x = *(const float4 *)(sums + n * LANES_PITCH + quad * 4);
        const float4 z = *(const float4 *)(sums + LANES_SUMS + n * LANES_PITCH + quad * 4);
        float out[4];
#define LANES_CONV(k, e)                                                                           \
    out[k] = math_silu(                                                                            \
        __fmaf_rn(weight[3].e, x.e,                                                                \
                  __fmaf_rn(weight[2].e, tails.of[i][2].e,                                         \
                            __fmaf_rn(weight[1].e, tails.of[i][1].e,                               \
                                      __fmaf_rn(weight[0].e, tails.of[i][0].e, bias.e)))))
        LANES_CONV(0, x);
        LANES_CONV(1, y);
        LANES_CONV(2, z);
        LANES_CONV(3, w);
#undef LANES_CONV
        float *to = c.shared.states[n] + offset;
        *(float4 *)to = tails.of[i][1];
        *(float4 *)(to + inner) = tails.of[i][2];
        *(float4 *)(to + (size_t)2 * inner) = x;
        lanes_put(c.w.xc, n, d, out[0], out[1]);
        lanes_put(c.w.xc, n, d + 2, out[2], out[3]);
        *(float4 *)(c.w.z + (size_t)n * c.w.inner_stride + d) =
            make_float4(math_silu(z.x), math_silu(z.y), math_silu(z.z), math_silu(z.w));
    }
}

/* --- scan ------------------------------------------------------------------------------- */

/* Threads take four states of four channels of a lane: warp w the lanes w / 2 + 4 i and the
 * quads of lanes_quad(), thread l states 4 (l / 8) .. 4 (l / 8) + 3. */
enum { LANES_HELD = 2 };

struct lanes_scan {
    float4 h[LANES_HELD][4];
    float4 z[4]; /* the gates of four lanes, and their xc */
    __nv_bfloat162 x[4][2];
    size_t offset; /* of the thread's first state from a state's begin */
    bool mine;
};

__device__ __forceinline__ void lanes_scan_load(const lanes_run_state &c, lanes_scan &scan, int i,
                                                uint32_t n)
{
    if (scan.mine && n < c.lanes) {
#pragma unroll
        for (int j = 0; j < 4; j++)
            scan.h[i][j] = lanes_get(c.shared.states[n] + scan.offset + (size_t)j * c.s.inner);
    }
}

/* Ahead of the product: the states that come first, and what IN made. */
__device__ __forceinline__ void lanes_scan_begin(const lanes_run_state &c, lanes_scan &scan,
                                                 const lanes_item &item)
{
    const uint32_t thread = lanes_thread();
    const uint32_t quad = lanes_quad(thread), quarter = thread % 32 / 8;
    scan.mine = quad * 4 < item.tiles * 16;
    scan.offset = c.s.layer_offset + (size_t)quarter * 4 * c.s.inner + item.tile * 16 + quad * 4;
#pragma unroll
    for (int i = 0; i < LANES_HELD; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++)
            scan.h[i][j] = make_float4(0, 0, 0, 0);
        lanes_scan_load(c, scan, i, thread / 64 + 4 * i);
    }
    const uint32_t d = item.tile * 16 + quad * 4;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const uint32_t n = thread / 64 * 4 + quarter + i * 16;
        if (n >= c.lanes || !scan.mine)
            break;
        scan.z[i] = lanes_get(c.w.z + (size_t)n * c.w.inner_stride + d);
#pragma unroll
        for (uint32_t k = 0; k < 2; k++)
            scan.x[i][k] = __ldcg((const __nv_bfloat162 *)lanes_at(c.w.xc, n, d + 2 * k));
    }
}

/* sums [3][TOKEN_LANES][LANES_PITCH]: DT's become delta; xc and the gate come beside. */
__device__ __forceinline__ void lanes_make_delta(const lanes_run_state &c, const lanes_scan &scan,
                                                 const lanes_item &item, float *sums)
{
    const uint32_t thread = lanes_thread();
    const uint32_t quad = lanes_quad(thread), d = item.tile * 16 + quad * 4;
    if (quad * 4 >= item.tiles * 16)
        return;
    const float4 bias = __ldg((const float4 *)(c.layer->dt_bias + d));
    const uint32_t first = thread / 64 * 4 + thread % 32 / 8;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const uint32_t n = first + i * 16;
        if (n >= c.lanes)
            break;
        float *at = sums + n * LANES_PITCH + quad * 4;
        float4 v = *(const float4 *)at;
        v.x = math_softplus(__fadd_rn(v.x, bias.x));
        v.y = math_softplus(__fadd_rn(v.y, bias.y));
        v.z = math_softplus(__fadd_rn(v.z, bias.z));
        v.w = math_softplus(__fadd_rn(v.w, bias.w));
        const float2 a = __bfloat1622float2(scan.x[i][0]), b = __bfloat1622float2(scan.x[i][1]);
        *(float4 *)at = v;
        *(float4 *)(at + LANES_SUMS) = make_float4(a.x, a.y, b.x, b.y);
        *(float4 *)(at + 2 * LANES_SUMS) = scan.z[i];
    }
}

__device__ __forceinline__ float lanes_step(float &h, float &sum, float a, float delta, float dx,
                                            float b, float c)
{
    h = __fmaf_rn(math_exp2(__fmul_rn(delta, a)), h, __fmul_rn(dx, b));
    return sum = __fmaf_rn(c, h, sum);
}

/* One lane's step; buffer i of the states gets those of `next`. */
__device__ __forceinline__ void lanes_scan_lane(const lanes_run_state &c, lanes_scan &scan, int i,
                                                uint32_t thread, uint32_t n, uint32_t next,
                                                const float4 a[4], const float2 &skip,
                                                const float *sums, uint32_t d)
{
    const uint32_t quarter = thread % 32 / 8;
    const float *at = sums + n * LANES_PITCH + lanes_quad(thread) * 4;
    const float4 delta = *(const float4 *)at, x = *(const float4 *)(at + LANES_SUMS);
    const float4 b = *(const float4 *)&c.shared.bc[n][quarter * 4];
    const float4 cc = *(const float4 *)&c.shared.bc[n][16 + quarter * 4];
    const float bs[4] = {b.x, b.y, b.z, b.w}, cs[4] = {cc.x, cc.y, cc.z, cc.w};
    const float4 dx = make_float4(__fmul_rn(delta.x, x.x), __fmul_rn(delta.y, x.y),
                                  __fmul_rn(delta.z, x.z), __fmul_rn(delta.w, x.w));
    float4 sum = make_float4(0, 0, 0, 0);
    float *to = c.shared.states[n] + scan.offset;
#pragma unroll
    for (int j = 0; j < 4; j++) {
        float4 h = scan.h[i][j];
        lanes_step(h.x, sum.x, a[j].x, delta.x, dx.x, bs[j], cs[j]);
        lanes_step(h.y, sum.y, a[j].y, delta.y, dx.y, bs[j], cs[j]);
        lanes_step(h.z, sum.z, a[j].z, delta.z, dx.z, bs[j], cs[j]);
        lanes_step(h.w, sum.w, a[j].w, delta.w, dx.w, bs[j], cs[j]);
        if (scan.mine)
            __stcs((float4 *)(to + (size_t)j * c.s.inner), h);
    }
    lanes_scan_load(c, scan, i, next);
#pragma unroll
    for (int step = 8; step <= 16; step *= 2) {
        sum.x = __fadd_rn(sum.x, __shfl_xor_sync(0xFFFFFFFFu, sum.x, step));
        sum.y = __fadd_rn(sum.y, __shfl_xor_sync(0xFFFFFFFFu, sum.y, step));
        sum.z = __fadd_rn(sum.z, __shfl_xor_sync(0xFFFFFFFFu, sum.z, step));
        sum.w = __fadd_rn(sum.w, __shfl_xor_sync(0xFFFFFFFFu, sum.w, step));
    }
    if (quarter < 2 && scan.mine) {
        const float2 z = *(const float2 *)(at + 2 * LANES_SUMS + quarter * 2);
        const float s0 = quarter ? sum.z : sum.x, s1 = quarter ? sum.w : sum.y;
        lanes_put(c.w.y, n, d + quarter * 2,
                  __fmul_rn(__fmaf_rn(skip.x, quarter ? x.z : x.x, s0), z.x),
                  __fmul_rn(__fmaf_rn(skip.y, quarter ? x.w : x.y, s1), z.y));
    }
}

__device__ __forceinline__ void lanes_scan_all(const lanes_run_state &c, lanes_scan &scan,
                                               const lanes_item &item, const float *sums)
{
    const uint32_t thread = lanes_thread();
    const uint32_t quad = lanes_quad(thread), d = item.tile * 16 + quad * 4;
    const uint32_t quarter = thread % 32 / 8;
    float4 a[4] = {};
    float2 skip = make_float2(0, 0);
    if (scan.mine) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const float4 v =
                __ldg((const float4 *)(c.layer->a + (size_t)(quarter * 4 + j) * c.s.inner + d));
            a[j] = make_float4(__fmul_rn(v.x, MATH_LOG2_E), __fmul_rn(v.y, MATH_LOG2_E),
                               __fmul_rn(v.z, MATH_LOG2_E), __fmul_rn(v.w, MATH_LOG2_E));
        }
        skip = __ldg((const float2 *)(c.layer->skip + d + quarter % 2 * 2));
    }
#pragma unroll 1
    for (uint32_t n = thread / 64; n < c.lanes; n += 4 * LANES_HELD) {
#pragma unroll
        for (int i = 0; i < LANES_HELD; i++)
            if (n + 4 * i < c.lanes)
                lanes_scan_lane(c, scan, i, thread, n + 4 * i, n + 4 * (i + LANES_HELD), a, skip,
                                sums, d);
    }
}

#endif
