/* token.cu: a generated token as one kernel that stays on all multiprocessors.
 *
 * A token reads every weight once, so that memory's bandwidth is the floor and everything
 * else has to hide behind it. One block of 16 warps sits on each multiprocessor for the
 * whole token. A layer is four stages with a barrier over the grid after each:
 *
 *   1. norm, `in`; from a block's own rows at once the convolution and SiLU
 *   2. `x`, cut over rows and K, in parts
 *   3. the parts' sum, norms of dt, B, C; `dt`; from a block's own channels at once the scan
 *   4. `out`, added to the residual
 *
 * (With more than 8 lanes, norms are shared out over the blocks, a stage each.) Before it
 * waits at a barrier, a block asks for its next weights to be fetched into L2, so that
 * memory goes on while the grid comes together.
 *
 * A block owns whole row tiles of a matrix; its warps cut K into slices of units of 128
 * columns, dealt out in turn, and the slices are added in order. So the order of a sum
 * depends on the shape and on the number of blocks, never on lanes. */
#include "kernels/cuda/fragment.cuh"
#include "kernels/cuda/math.cuh"
#include "kernels/cuda/token.h"

#include <cstdio>
#include <cstdlib>

enum { THREADS = 512, WARPS = 16 };

/* Shared memory of a block with 8 NT lanes. */
template <int NT> struct token_shared {
    static constexpr int lanes = 8 * NT;
    static constexpr int columns = NT == 1 ? 8192 : 1024; /* of activations at a time */
    static constexpr int row_bytes = columns * 2 + 64;    /* rows of 64 bytes apart in banks */
    alignas(16) uint8_t activations[lanes][row_bytes];
    float sums[lanes][columns / 32]; /* of each chunk of them */
    float parts[WARPS][16][lanes];   /* a warp's product; then a tile's, in the first */
    float bc[lanes][64];
    float scratch[33];
    struct token_layer layers[2]; /* this one and the next */
    float *states[lanes];
};

struct token_work {
    float *x, *z, *part, *bc, *logits;
    __nv_bfloat16 *u, *xc, *dt, *y;
    uint32_t *barrier;
    uint32_t embedding_stride, inner_stride, rank_stride, mixer_stride;
};

/* --- the grid ------------------------------------------------------------------------- */

/* Waits for all blocks; what they wrote before is seen after. */
__device__ __forceinline__ void grid_barrier(uint32_t *counter, uint32_t &target)
{
    target += gridDim.x;
    __syncthreads();
    if (threadIdx.x == 0) {
        uint32_t seen;
        asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
        do {
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                         : "=r"(seen)
                         : "l"(counter)
                         : "memory");
        } while ((int32_t)(seen - target) < 0);
    }
    __syncthreads();
}

/* A block's row tiles of a matrix. */
struct share {
    uint32_t first, count; /* tiles */
    uint32_t width;        /* tiles side by side: a power of two; 16 / width slices of K */
};

__device__ __forceinline__ share share_of(const struct device_matrix &m)
{
    uint32_t tiles = m.rows / 16, each = (tiles + gridDim.x - 1) / gridDim.x;
    share s;
    s.first = blockIdx.x * each;
    s.count = s.first >= tiles ? 0 : tiles - s.first < each ? tiles - s.first : each;
    s.width = each >= 8 ? 8 : each > 4 ? 8 : each > 2 ? 4 : each;
    return s;
}

__device__ __forceinline__ size_t tile_row_bytes(const struct device_matrix &m)
{
    switch (m.form == DEVICE_PACKED ? m.type : FRAGMENT_PLAIN) {
    case BLOCKS_Q4_0:
        return (size_t)m.padded / 256 * packed<BLOCKS_Q4_0>::tile;
    case BLOCKS_Q5_0:
        return (size_t)m.padded / 256 * packed<BLOCKS_Q5_0>::tile;
    case BLOCKS_Q5_1:
        return (size_t)m.padded / 256 * packed<BLOCKS_Q5_1>::tile;
    case BLOCKS_Q8_0:
        return (size_t)m.padded / 256 * packed<BLOCKS_Q8_0>::tile;
    case BLOCKS_Q4_K:
        return (size_t)m.padded / 256 * packed<BLOCKS_Q4_K>::tile;
    case BLOCKS_Q5_K:
        return (size_t)m.padded / 256 * packed<BLOCKS_Q5_K>::tile;
    case BLOCKS_Q6_K:
        return (size_t)m.padded / 256 * packed<BLOCKS_Q6_K>::tile;
    default:
        return (size_t)m.padded * 32;
    }
}

/* Has the first weights of the block's tiles, `most` bytes together, brought into L2. */
__device__ void prefetch(const struct device_matrix &m, uint32_t most)
{
    const share s = share_of(m);
    if (s.count == 0)
        return;
    const bool rows = m.form != DEVICE_PACKED;
    const size_t piece = rows ? (size_t)m.padded * 2 : tile_row_bytes(m);
    const uint32_t pieces = rows ? s.count * 16 : s.count;
    uint32_t lines = most / pieces / 128;
    if (lines > piece / 128)
        lines = (uint32_t)(piece / 128);
    const uint8_t *base = (const uint8_t *)m.data + s.first * tile_row_bytes(m);
    for (uint32_t i = threadIdx.x; i < pieces * lines; i += THREADS)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(base + i / lines * piece + i % lines * 128));
}

/* --- products --------------------------------------------------------------------------- */

/* Activations of the block in shared memory, from the column `begin` on. */
template <int NT> struct shared_lanes {
    const token_shared<NT> &shared;
    uint32_t column; /* of the unit, from `begin` */

    template <bool SUMS> __device__ __forceinline__ uint4 get(int c, int n, float2 &x) const
    {
        const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
        const uint32_t at = column + c * 32;
        if constexpr (SUMS)
            x = make_float2(shared.sums[n * 8 + 2 * t][at / 32],
                            shared.sums[n * 8 + 2 * t + 1][at / 32]);
        return *(const uint4 *)&shared.activations[n * 8 + g][(at + t * 8) * 2];
    }
};

/* Activations straight from memory, for a product that no two warps share them in. */
struct global_lanes {
    const __nv_bfloat16 *x; /* [lanes][stride], the unit's first column */
    uint32_t stride, lanes;

    template <bool SUMS> __device__ __forceinline__ uint4 get(int c, int n, float2 &x_sum) const
    {
        const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
        uint4 v = make_uint4(0, 0, 0, 0);
        if (n * 8 + g < lanes)
            v = __ldcg((const uint4 *)(x + (size_t)(n * 8 + g) * stride + c * 32 + t * 8));
        if constexpr (SUMS) {
            const uint32_t w[4] = {v.x, v.y, v.z, v.w};
            float sum = 0;
            for (int i = 0; i < 4; i++) {
                sum = __fadd_rn(sum, __uint_as_float(w[i] << 16));
                sum = __fadd_rn(sum, __uint_as_float(w[i] & 0xFFFF0000u));
            }
            sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 1));
            sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 2));
            x_sum.x = __shfl_sync(0xFFFFFFFFu, sum, 2 * t * 4);
            x_sum.y = __shfl_sync(0xFFFFFFFFu, sum, (2 * t + 1) * 4);
        }
        return v;
    }
};

template <int NT>
__device__ __forceinline__ void get_parts(const token_shared<NT> &shared, float acc[NT][4],
                                          bool there)
{
    const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            acc[n][e] = there ? shared.parts[warp][g + e / 2 * 8][n * 8 + 2 * t + e % 2] : 0.0f;
}

template <int NT>
__device__ __forceinline__ void put_parts(token_shared<NT> &shared, float acc[NT][4])
{
    const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            shared.parts[warp][g + e / 2 * 8][n * 8 + 2 * t + e % 2] = acc[n][e];
}

/* This warp's slice of a tile over columns [begin, end), which are in shared memory, added
 * to what its part holds. A function of its own for each type, so that the stages share it. */
template <int TYPE, int NT>
__device__ __noinline__ void slice(const struct device_matrix &m, uint32_t tile, uint32_t number,
                                   uint32_t slices, uint32_t begin, uint32_t end,
                                   token_shared<NT> &shared)
{
    constexpr int DEPTH = fragment_depth<TYPE, NT>::value;
    fragment<TYPE> f[DEPTH];
    float acc[NT][4];
    /* The first unit from `begin` on whose turn is this slice's. */
    const uint32_t base = begin / UNIT, last = end / UNIT;
    const uint32_t first = base + (number + slices - base % slices) % slices;
#pragma unroll
    for (int d = 0; d < DEPTH; d++)
        if (first + d * slices < last)
            f[d].load(m, tile, first + d * slices);
    get_parts(shared, acc, begin > 0);
#pragma unroll 1
    for (uint32_t unit = first; unit < last; unit += DEPTH * slices) {
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            uint32_t now = unit + d * slices;
            if (now < last)
                f[d].template multiply<NT>(acc, shared_lanes<NT>{shared, now * UNIT - begin});
            if (now + DEPTH * slices < last)
                f[d].load(m, tile, now + DEPTH * slices);
        }
    }
    put_parts(shared, acc);
}

/* Calls f.run<TYPE>() for a matrix's type. */
template <typename F> __device__ __forceinline__ void by_type(const struct device_matrix &m, F &&f)
{
    if (m.form != DEVICE_PACKED) {
        f.template run<FRAGMENT_PLAIN>();
        return;
    }
    switch (m.type) {
    case BLOCKS_Q4_0:
        f.template run<BLOCKS_Q4_0>();
        break;
    case BLOCKS_Q5_0:
        f.template run<BLOCKS_Q5_0>();
        break;
    case BLOCKS_Q5_1:
        f.template run<BLOCKS_Q5_1>();
        break;
    case BLOCKS_Q8_0:
        f.template run<BLOCKS_Q8_0>();
        break;
    case BLOCKS_Q4_K:
        f.template run<BLOCKS_Q4_K>();
        break;
    case BLOCKS_Q5_K:
        f.template run<BLOCKS_Q5_K>();
        break;
    case BLOCKS_Q6_K:
        f.template run<BLOCKS_Q6_K>();
        break;
    }
}

template <int NT> struct slice_call {
    const struct device_matrix &m;
    uint32_t tile, number, slices, begin, end;
    token_shared<NT> &shared;
    template <int TYPE> __device__ __forceinline__ void run()
    {
        slice<TYPE, NT>(m, tile, number, slices, begin, end, shared);
    }
};

/* [lanes][columns] of BF16 from memory to shared memory. What lies in the rows of lanes that
 * are not there gets into sums that nobody looks at. */
template <int NT>
__device__ void load_lanes(token_shared<NT> &shared, const __nv_bfloat16 *x, uint32_t stride,
                           uint32_t lanes, uint32_t begin, uint32_t end)
{
    const uint32_t vectors = (end - begin) / 8;
    for (uint32_t n = threadIdx.x / 128; n < lanes; n += THREADS / 128)
#pragma unroll 8
        for (uint32_t k = threadIdx.x % 128; k < vectors; k += 128)
            *(uint4 *)&shared.activations[n][k * 16] =
                __ldcg((const uint4 *)(x + (size_t)n * stride + begin + k * 8));
}

template <int NT>
__device__ void sum_chunks(token_shared<NT> &shared, uint32_t lanes, uint32_t columns)
{
    const uint32_t chunks = columns / 32;
    for (uint32_t i = threadIdx.x; i < lanes * chunks; i += THREADS) {
        const uint4 *x = (const uint4 *)&shared.activations[i / chunks][i % chunks * 64];
        float sum = 0;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const uint4 v = x[k];
            const uint32_t w[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
            for (int e = 0; e < 4; e++) {
                sum = __fadd_rn(sum, __uint_as_float(w[e] << 16));
                sum = __fadd_rn(sum, __uint_as_float(w[e] & 0xFFFF0000u));
            }
        }
        shared.sums[i / chunks][i % chunks] = sum;
    }
}

__device__ __forceinline__ bool wants_sums(const struct device_matrix &m)
{
    return m.form == DEVICE_PACKED &&
           (m.type == BLOCKS_Q4_K || m.type == BLOCKS_Q5_K || m.type == BLOCKS_Q5_1);
}

/* The block's tiles of W x. finish(row, lane, value) gets each result once. x NULL: the
 * activations are in shared memory already, all of them. */
template <int NT, typename F>
__device__ void product(token_shared<NT> &shared, const struct device_matrix &m,
                        const __nv_bfloat16 *x, uint32_t stride, uint32_t lanes, F &&finish)
{
    const share s = share_of(m);
    const uint32_t warp = threadIdx.x / 32, number = warp / s.width, slices = WARPS / s.width;
    bool loaded = x == NULL;
    if (loaded) {
        if (wants_sums(m))
            sum_chunks(shared, lanes, m.padded);
        __syncthreads();
    }
    for (uint32_t round = 0; round < s.count; round += s.width) {
        const uint32_t tile = round + warp % s.width;
        for (uint32_t begin = 0; begin < m.padded; begin += shared.columns) {
            uint32_t end = begin + shared.columns < m.padded ? begin + shared.columns : m.padded;
            if (!loaded) {
                __syncthreads();
                load_lanes(shared, x, stride, lanes, begin, end);
                if (wants_sums(m)) {
                    __syncthreads();
                    sum_chunks(shared, lanes, end - begin);
                }
                __syncthreads();
                loaded = m.padded <= shared.columns;
            }
            if (tile < s.count && number < slices)
                by_type(m, slice_call<NT>{m, s.first + tile, number, slices, begin, end, shared});
        }
        __syncthreads();
        const uint32_t outputs = s.width * 16;
        for (uint32_t i = threadIdx.x; i < outputs * lanes; i += THREADS) {
            uint32_t r = i % outputs, n = i / outputs, t = r / 16;
            float sum = shared.parts[t][r % 16][n];
            for (uint32_t k = 1; k < slices; k++)
                sum = __fadd_rn(sum, shared.parts[t + k * s.width][r % 16][n]);
            uint32_t row = (s.first + round) * 16 + r;
            if (round + t < s.count && row < m.outputs)
                finish(row, n, sum);
        }
        __syncthreads();
    }
}

/* --- stages ------------------------------------------------------------------------------ */

/* u = x normalized and weighted, by a whole block. All of a thread's numbers are on their
 * way together: what counts here is how often memory is waited for. */
__device__ __noinline__ void normalize(__nv_bfloat16 *u, const float *x, const float *weight,
                                       float epsilon, uint32_t size, uint32_t padded,
                                       float *scratch)
{
    enum { EACH = 8 };
    float value[EACH], scaled[EACH], sum = 0;
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        uint32_t at = threadIdx.x + i * THREADS;
        value[i] = at < size ? __ldcg(x + at) : 0.0f;
        scaled[i] = at < size ? __ldg(weight + at) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < EACH; i++)
        sum = __fmaf_rn(value[i], value[i], sum);
    for (uint32_t at = threadIdx.x + EACH * THREADS; at < size; at += THREADS)
        sum = __fmaf_rn(__ldcg(x + at), __ldcg(x + at), sum);
    sum = math_block_sum(sum, scratch);
    float scale = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), epsilon)));
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        uint32_t at = threadIdx.x + i * THREADS;
        if (at < padded)
            u[at] = __float2bfloat16_rn(__fmul_rn(__fmul_rn(value[i], scale), scaled[i]));
    }
    for (uint32_t at = threadIdx.x + EACH * THREADS; at < padded; at += THREADS)
        u[at] = __float2bfloat16_rn(
            at < size ? __fmul_rn(__fmul_rn(__ldcg(x + at), scale), weight[at]) : 0.0f);
}

/* dt (BF16) and B, C of one lane from the parts of `x`, by a whole block. */
__device__ __noinline__ void mix(__nv_bfloat16 *dt, float *bc, const float *part,
                                 size_t part_stride, uint32_t parts,
                                 const struct device_layer_shape &s, uint32_t padded, float *values,
                                 float *scratch)
{
    const uint32_t outputs = s.rank + 2 * s.states;
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < outputs; i += THREADS) {
        float sum = 0;
        for (uint32_t k = 0; k < parts; k += 16) {
            float some[16];
#pragma unroll
            for (int e = 0; e < 16; e++)
                some[e] = k + e < parts ? __ldcg(part + (k + e) * part_stride + i) : 0.0f;
#pragma unroll
            for (int e = 0; e < 16; e++)
                sum = __fadd_rn(sum, some[e]);
        }
        values[i] = sum;
    }
    __syncthreads();
    /* A warp each for dt, B and C. */
    const uint32_t which = threadIdx.x / 32;
    if (which < 3) {
        const uint32_t from = which == 0 ? 0 : s.rank + (which - 1) * s.states;
        const uint32_t size = which == 0 ? s.rank : s.states;
        float sum = 0;
        for (uint32_t i = threadIdx.x % 32; i < size; i += 32)
            sum = __fmaf_rn(values[from + i], values[from + i], sum);
        sum = math_warp_sum(sum);
        scratch[which] =
            s.mixer_norm
                ? __fdiv_rn(1.0f,
                            __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, (float)size), s.mixer_epsilon)))
                : 1.0f;
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < padded; i += THREADS)
        dt[i] = __float2bfloat16_rn(i < s.rank ? __fmul_rn(values[i], scratch[0]) : 0.0f);
    for (uint32_t i = threadIdx.x; i < 2 * s.states; i += THREADS)
        bc[i] = __fmul_rn(values[s.rank + i], scratch[1 + i / s.states]);
}

/* Convolution and SiLU of one channel, whose tail moves on. */
__device__ float convolve(float *tail, float x, const float *weight, const float *bias, uint32_t d,
                          const struct device_layer_shape &s)
{
    float w[4], before[3], sum = bias[d];
#pragma unroll
    for (int j = 0; j < 4; j++)
        w[j] = j < s.taps ? weight[(size_t)j * s.inner + d] : 0.0f;
#pragma unroll
    for (int j = 0; j < 3; j++)
        before[j] = j + 1 < s.taps ? tail[(size_t)j * s.inner] : 0.0f;
#pragma unroll
    for (int j = 0; j < 3; j++) {
        if (j + 1 < s.taps)
            sum = __fmaf_rn(w[j], before[j], sum);
        if (j + 2 < s.taps)
            tail[(size_t)j * s.inner] = before[j + 1 < 3 ? j + 1 : 2];
        if (j + 2 == s.taps)
            tail[(size_t)j * s.inner] = x;
    }
    float last = s.taps == 4 ? w[3] : s.taps == 3 ? w[2] : w[1];
    return math_silu(__fmaf_rn(last, x, sum));
}

/* One step of a channel's states; returns c . h. */
template <int S>
__device__ float step(float *h, const float *a, const float *b, float delta, float dx,
                      uint32_t stride)
{
    float state[S], decay[S], sum = 0;
#pragma unroll
    for (int i = 0; i < S; i++) {
        state[i] = h[(size_t)i * stride];
        decay[i] = a[(size_t)i * stride];
    }
#pragma unroll
    for (int i = 0; i < S; i++) {
        float e = math_exp2(__fmul_rn(delta, __fmul_rn(decay[i], MATH_LOG2_E)));
        state[i] = __fmaf_rn(e, state[i], __fmul_rn(dx, b[i]));
        sum = __fmaf_rn(b[S + i], state[i], sum);
        h[(size_t)i * stride] = state[i];
    }
    return sum;
}

__device__ float step_any(float *h, const float *a, const float *b, float delta, float dx,
                          const struct device_layer_shape &s)
{
    switch (s.states) {
    case 4:
        return step<4>(h, a, b, delta, dx, s.inner);
    case 8:
        return step<8>(h, a, b, delta, dx, s.inner);
    case 12:
        return step<12>(h, a, b, delta, dx, s.inner);
    default:
        return step<16>(h, a, b, delta, dx, s.inner);
    }
}

/* A warp's 256 columns of a tile of `x`, to part[k][lane][row]. */
template <int TYPE, int NT>
__device__ __noinline__ void piece(const struct device_matrix &m, uint32_t tile, uint32_t part,
                                   const token_work &w, uint32_t lanes)
{
    const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    float acc[NT][4] = {};
    fragment<TYPE> f[2];
    f[0].load(m, tile, 2 * part);
    f[1].load(m, tile, 2 * part + 1);
#pragma unroll
    for (uint32_t i = 0; i < 2; i++)
        f[i].template multiply<NT>(
            acc, global_lanes{w.xc + (2 * part + i) * UNIT, w.inner_stride, lanes});
#pragma unroll
    for (int n = 0; n < NT; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            uint32_t to = n * 8 + 2 * t + e % 2, row = tile * 16 + g + e / 2 * 8;
            if (to < lanes)
                w.part[((size_t)part * TOKEN_LANES + to) * w.mixer_stride + row] = acc[n][e];
        }
}

template <int NT> struct piece_call {
    const struct device_matrix &m;
    uint32_t tile, part;
    const token_work &w;
    uint32_t lanes;
    template <int TYPE> __device__ __forceinline__ void run()
    {
        piece<TYPE, NT>(m, tile, part, w, lanes);
    }
};

/* `x` by warps over the whole grid. */
template <int NT>
__device__ void product_x(const struct device_matrix &m, const token_work &w, uint32_t lanes)
{
    const uint32_t tiles = m.rows / 16, parts = m.padded / 256;
    for (uint32_t i = threadIdx.x / 32 * gridDim.x + blockIdx.x; i < tiles * parts;
         i += gridDim.x * WARPS)
        by_type(m, piece_call<NT>{m, i / parts, i % parts, w, lanes});
}

/* --- the kernel --------------------------------------------------------------------------- */

/* A layer's struct from memory, which would be waited for again and again. */
template <int NT>
__device__ __forceinline__ void load_layer(token_shared<NT> &shared,
                                           const struct token_model &model, uint32_t index)
{
    if (index < model.layer_count && threadIdx.x < sizeof(struct token_layer) / 4)
        ((uint32_t *)&shared.layers[index % 2])[threadIdx.x] =
            ((const uint32_t *)&model.layers[index])[threadIdx.x];
}

/* Bytes a block has fetched ahead: all blocks' together are well below the L2's size. */
enum { PREFETCH_IN = 112 << 10, PREFETCH_OUT = 96 << 10, PREFETCH_OUTPUT = 112 << 10 };

template <int NT>
__global__ void __launch_bounds__(THREADS, 1)
    token_kernel(const __grid_constant__ struct token_model model,
                 const __grid_constant__ token_work w, const struct token_lanes *lane_table,
                 uint32_t lanes, uint32_t barrier_base)
{
    extern __shared__ __align__(16) uint8_t memory[];
    token_shared<NT> &shared = *(token_shared<NT> *)memory;
    const bool few = NT == 1; /* every block norms every lane for itself */
    uint32_t target = barrier_base;
    struct device_layer_shape s = model.shape;

    load_layer(shared, model, 0);
    for (uint32_t n = threadIdx.x; n < lanes; n += THREADS)
        shared.states[n] = lane_table->states[n];
    __syncthreads();
    prefetch(shared.layers[0].in, PREFETCH_IN);
    for (uint32_t index = 0; index < model.layer_count; index++) {
        const struct token_layer &layer = shared.layers[index % 2];
        load_layer(shared, model, index + 1);
        s.layer_offset = (size_t)index * (s.states + s.taps - 1) * s.inner;

        if (few) {
            for (uint32_t n = 0; n < lanes; n++) {
                __nv_bfloat16 *u = (__nv_bfloat16 *)shared.activations[n];
                normalize(u, w.x + (size_t)n * w.embedding_stride, layer.norm, model.epsilon,
                          model.embedding, layer.in.padded, shared.scratch);
            }
            __syncthreads();
        } else {
            for (uint32_t n = blockIdx.x; n < lanes; n += gridDim.x)
                normalize(w.u + (size_t)n * w.embedding_stride,
                          w.x + (size_t)n * w.embedding_stride, layer.norm, model.epsilon,
                          model.embedding, layer.in.padded, shared.scratch);
            grid_barrier(w.barrier, target);
        }
        product(shared, layer.in, few ? NULL : w.u, w.embedding_stride, lanes,
                [&](uint32_t row, uint32_t n, float value) {
                    if (row >= s.inner) {
                        w.z[(size_t)n * w.inner_stride + row - s.inner] = math_silu(value);
                        return;
                    }
                    float *tail =
                        shared.states[n] + s.layer_offset + (size_t)s.states * s.inner + row;
                    w.xc[(size_t)n * w.inner_stride + row] = __float2bfloat16_rn(
                        convolve(tail, value, layer.conv_weight, layer.conv_bias, row, s));
                });
        prefetch(layer.dt, 32 << 10);
        prefetch(layer.out, PREFETCH_OUT);
        grid_barrier(w.barrier, target);

        product_x<NT>(layer.x, w, lanes);
        grid_barrier(w.barrier, target);

        const size_t part_stride = (size_t)TOKEN_LANES * w.mixer_stride;
        const uint32_t parts = layer.x.padded / 256;
        float *values = &shared.parts[0][0][0];
        if (few) {
            for (uint32_t n = 0; n < lanes; n++) {
                __nv_bfloat16 *dt = (__nv_bfloat16 *)shared.activations[n];
                mix(dt, shared.bc[n], w.part + n * w.mixer_stride, part_stride, parts, s,
                    layer.dt.padded, values, shared.scratch);
            }
            __syncthreads();
        } else {
            for (uint32_t n = blockIdx.x; n < lanes; n += gridDim.x)
                mix(w.dt + (size_t)n * w.rank_stride, w.bc + n * 64, w.part + n * w.mixer_stride,
                    part_stride, parts, s, layer.dt.padded, values, shared.scratch);
            grid_barrier(w.barrier, target);
            for (uint32_t i = threadIdx.x; i < lanes * 64; i += THREADS)
                shared.bc[i / 64][i % 64] = __ldcg(w.bc + i);
            __syncthreads();
        }
        product(shared, layer.dt, few ? NULL : w.dt, w.rank_stride, lanes,
                [&](uint32_t d, uint32_t n, float value) {
                    size_t at = (size_t)n * w.inner_stride + d;
                    float x = __bfloat162float(w.xc[at]);
                    float delta = math_softplus(__fadd_rn(value, layer.dt_bias[d]));
                    float sum = step_any(shared.states[n] + s.layer_offset + d, layer.a + d,
                                         shared.bc[n], delta, __fmul_rn(delta, x), s);
                    w.y[at] =
                        __float2bfloat16_rn(__fmul_rn(__fmaf_rn(layer.skip[d], x, sum), w.z[at]));
                });
        grid_barrier(w.barrier, target);

        product(shared, layer.out, w.y, w.inner_stride, lanes,
                [&](uint32_t row, uint32_t n, float value) {
                    float *x = w.x + (size_t)n * w.embedding_stride + row;
                    *x = __fadd_rn(__ldcg(x), value);
                });
        if (index + 1 < model.layer_count)
            prefetch(shared.layers[(index + 1) % 2].in, PREFETCH_IN);
        else
            prefetch(model.output, PREFETCH_OUTPUT);
        grid_barrier(w.barrier, target);
    }

    for (uint32_t n = blockIdx.x; n < lanes; n += gridDim.x)
        normalize(w.u + (size_t)n * w.embedding_stride, w.x + (size_t)n * w.embedding_stride,
                  model.output_norm, model.epsilon, model.embedding, model.output.padded,
                  shared.scratch);
    grid_barrier(w.barrier, target);
    product(shared, model.output, w.u, w.embedding_stride, lanes,
            [&](uint32_t row, uint32_t n, float value) {
                w.logits[(size_t)n * model.vocabulary + row] = value;
                shared.states[n][model.state_logits + row] = value;
            });
}

/* --- the host's side ---------------------------------------------------------------------- */

struct token {
    struct token_model model;
    struct token_work work;
    void *memory;
    int blocks;
    uint32_t barrier_base;
};

static size_t lay_out(struct token *t, uint8_t *base)
{
    struct token_work *w = &t->work;
    const struct token_model *m = &t->model;
    size_t used = 0;
    auto take = [&](size_t bytes) {
        uint8_t *at = base ? base + used : NULL;
        used += (bytes + 255) / 256 * 256;
        return (void *)at;
    };
    w->embedding_stride = device_round_up(m->embedding, 256);
    w->inner_stride = device_round_up(m->shape.inner, 256);
    w->rank_stride = device_round_up(m->shape.rank, 256);
    w->mixer_stride = device_round_up(m->shape.rank + 2 * m->shape.states, 16);
    w->barrier = (uint32_t *)take(256);
    w->x = (float *)take((size_t)TOKEN_LANES * w->embedding_stride * 4);
    w->z = (float *)take((size_t)TOKEN_LANES * w->inner_stride * 4);
    w->part = (float *)take((size_t)w->inner_stride / 256 * TOKEN_LANES * w->mixer_stride * 4);
    w->bc = (float *)take((size_t)TOKEN_LANES * 64 * 4);
    w->logits = (float *)take((size_t)TOKEN_LANES * m->vocabulary * 4);
    w->u = (__nv_bfloat16 *)take((size_t)TOKEN_LANES * w->embedding_stride * 2);
    w->xc = (__nv_bfloat16 *)take((size_t)TOKEN_LANES * w->inner_stride * 2);
    w->dt = (__nv_bfloat16 *)take((size_t)TOKEN_LANES * w->rank_stride * 2);
    w->y = (__nv_bfloat16 *)take((size_t)TOKEN_LANES * w->inner_stride * 2);
    return used;
}

template <int NT> static bool fits(const struct token *t)
{
    int blocks = 0;
    return cudaFuncSetAttribute(token_kernel<NT>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                (int)sizeof(token_shared<NT>)) == cudaSuccess &&
           cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, token_kernel<NT>, THREADS,
                                                         sizeof(token_shared<NT>)) == cudaSuccess &&
           blocks >= 1 && t->blocks > 0;
}

struct token *token_new(const struct token_model *model, char why[256])
{
    struct token *t = (struct token *)calloc(1, sizeof *t);
    int device = 0, cooperative = 0;
    snprintf(why, 256, "out of memory");
    if (!t)
        return NULL;
    t->model = *model;
    size_t bytes = lay_out(t, NULL);
    if (cudaGetDevice(&device) != cudaSuccess ||
        cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&t->blocks, cudaDevAttrMultiProcessorCount, device) != cudaSuccess ||
        !cooperative || !fits<1>(t) || !fits<8>(t) ||
        t->work.mixer_stride * sizeof(float) > sizeof(token_shared<1>::parts)) {
        snprintf(why, 256, "the device cannot keep a kernel on all its multiprocessors");
    } else if (cudaMalloc(&t->memory, bytes) == cudaSuccess &&
               cudaMemset(t->memory, 0, bytes) == cudaSuccess) {
        lay_out(t, (uint8_t *)t->memory);
        return t;
    }
    (void)cudaGetLastError();
    token_free(t);
    return NULL;
}

void token_free(struct token *t)
{
    if (!t)
        return;
    cudaFree(t->memory);
    free(t);
}

const float *token_logits(const struct token *t)
{
    return t->work.logits;
}

cudaError_t token_run(struct token *t, const struct token_lanes *lanes, uint32_t count,
                      cudaStream_t stream)
{
    device_embed(t->work.x, t->work.embedding_stride, &t->model.embedding_matrix, lanes->tokens,
                 count, stream);
    void *arguments[] = {&t->model, &t->work, &lanes, &count, &t->barrier_base};
    bool few = count <= 8;
    cudaError_t status = cudaLaunchCooperativeKernel(
        few ? (const void *)token_kernel<1> : (const void *)token_kernel<8>, dim3(t->blocks),
        dim3(THREADS), arguments, few ? sizeof(token_shared<1>) : sizeof(token_shared<8>), stream);
    uint32_t barriers = t->model.layer_count * (few ? 4 : 6) + 1;
    t->barrier_base += barriers * (uint32_t)t->blocks;
    return status;
}
