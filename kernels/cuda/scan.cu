/* scan.cu: the selective scan (Gu and Dao, 2023, section 3) with all around it: bias and
 * softplus of delta, decay, skip and gate.
 *
 * Time is serial, D x S recurrences are not: 131,072 for Falcon-Mamba-7B. A block takes
 * CH channels of one segment, four threads a channel, S / 4 states in each one's registers
 * for the whole stretch, and as many threads that feed them. It goes through time in tiles
 * of 32 rows, in two buffers:
 *
 *   - a feeding thread makes delta, delta x, skip x and the gate of eight neighbouring
 *     channels of a row of the next tile, from 16-byte loads that were begun a tile
 *     earlier, and writes y times gate of the last one;
 *   - a walking thread steps its states through the 32 rows: a product, a 2^x, a product
 *     and two fused multiply-adds a state; of these only h = decay h + ... waits for the
 *     step before. The partial sums of four steps are put together in one go: three
 *     shuffles for four rows.
 *
 * The one half waits for memory and divides while the other keeps the special function
 * units busy.
 *
 * A row's sums run over its states in one order, wherever the row lies in a tile. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/math.cuh"

enum { TILE = 32, QUADS = 4 };

template <typename T> struct alignas(16) eight {
    T item[8];
};

/* What a thread has fetched for the next tile. */
template <typename T, int BC> struct fetched {
    eight<float> delta;
    eight<T> x, z;
    float4 bc[BC];
};

template <int CH, int SPT> struct scan_shared {
    float2 step[TILE][CH]; /* delta, delta x */
    float y[TILE][CH];     /* skip x, then plus the states' sum */
    float gate[TILE][CH];
    float bc[TILE][2 * SPT * QUADS];
};

template <typename T, int CH, int SPT> struct scanner {
    static constexpr int S = SPT * QUADS, THREADS = CH * QUADS;
    static constexpr int BC = TILE * 2 * S / 4 / THREADS > 0 ? TILE * 2 * S / 4 / THREADS : 1;
    using fetch_type = fetched<T, BC>;

    const struct device_scan &p;
    const struct device_layer_shape &s;
    const struct device_segment segment;
    scan_shared<CH, SPT> *buffers; /* [2] */
    uint32_t first;                /* channel of the block */

    /* The row in a tile and the eight channels that this thread prepares. */
    __device__ uint32_t own_row() const
    {
        return threadIdx.x % THREADS / (CH / 8);
    }
    __device__ uint32_t own_channel() const
    {
        return threadIdx.x % (CH / 8) * 8;
    }

    __device__ void fetch(fetch_type &f, uint32_t t0) const
    {
        uint32_t t = t0 + own_row(), channel = first + own_channel();
        if (t < segment.count && channel < s.inner) {
            size_t row = segment.row + t;
            f.delta = *(const eight<float> *)(p.delta + row * s.inner_stride + channel);
            f.x = *(const eight<T> *)((const T *)p.xc + row * s.inner_stride + channel);
            f.z = *(const eight<T> *)((const T *)p.xz + row * s.wide_stride + s.inner + channel);
        }
#pragma unroll
        for (int i = 0; i < BC; i++) {
            uint32_t at = threadIdx.x % THREADS + i * THREADS; /* float4 of the tile's B and C */
            uint32_t row = at / (2 * S / 4);
            if (row < TILE && t0 + row < segment.count)
                f.bc[i] = ((const float4 *)p.bc)[(size_t)(segment.row + t0) * (2 * S / 4) + at];
        }
    }

    __device__ void prepare(scan_shared<CH, SPT> &shared, const fetch_type &f, const float bias[8],
                            const float skip[8])
    {
        uint32_t row = own_row(), column = own_channel();
#pragma unroll
        for (int i = 0; i < 8; i++) {
            float x = math_load(&f.x.item[i]);
            float delta = math_softplus(__fadd_rn(f.delta.item[i], bias[i]));
            shared.step[row][column + i] = make_float2(delta, __fmul_rn(delta, x));
            shared.y[row][column + i] = __fmul_rn(skip[i], x);
            shared.gate[row][column + i] = math_silu(math_load(&f.z.item[i]));
        }
#pragma unroll
        for (int i = 0; i < BC; i++) {
            uint32_t at = threadIdx.x % THREADS + i * THREADS;
            if (at < TILE * (2 * S / 4))
                ((float4 *)shared.bc)[at] = f.bc[i];
        }
    }

    __device__ __forceinline__ float step(const scan_shared<CH, SPT> &shared, float h[SPT],
                                          const float a[SPT], uint32_t t, uint32_t channel,
                                          uint32_t quad) const
    {
        const float2 step = shared.step[t][channel];
        float b[SPT], c[SPT], sum = 0;
#pragma unroll
        for (int i = 0; i < SPT; i++) {
            b[i] = shared.bc[t][quad * SPT + i];
            c[i] = shared.bc[t][S + quad * SPT + i];
        }
#pragma unroll
        for (int i = 0; i < SPT; i++) {
            float decay = math_exp2(__fmul_rn(step.x, a[i]));
            h[i] = __fmaf_rn(decay, h[i], __fmul_rn(step.y, b[i]));
            sum = __fmaf_rn(c[i], h[i], sum);
        }
        return sum;
    }

    /* Rows t .. t + 3 of which `rows` are there. */
    template <bool WHOLE>
    __device__ __forceinline__ void four(scan_shared<CH, SPT> &shared, float h[SPT],
                                         const float a[SPT], uint32_t t, uint32_t rows,
                                         uint32_t channel, uint32_t quad)
    {
        float sum[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (WHOLE || i < rows)
                sum[i] = step(shared, h, a, t + i, channel, quad);
        /* Quad q ends with the whole sum of row t + q: (q0 + q1) + (q2 + q3). */
        bool odd = quad & 1, upper = quad & 2;
        float keep0 = odd ? sum[1] : sum[0], keep1 = odd ? sum[3] : sum[2];
        float give0 = odd ? sum[0] : sum[1], give1 = odd ? sum[2] : sum[3];
        keep0 = __fadd_rn(keep0, __shfl_xor_sync(0xFFFFFFFFu, give0, 1));
        keep1 = __fadd_rn(keep1, __shfl_xor_sync(0xFFFFFFFFu, give1, 1));
        float keep = upper ? keep1 : keep0, give = upper ? keep0 : keep1;
        keep = __fadd_rn(keep, __shfl_xor_sync(0xFFFFFFFFu, give, 2));
        if (WHOLE || quad < rows)
            shared.y[t + quad][channel] = __fadd_rn(keep, shared.y[t + quad][channel]);
    }

    __device__ void write(const scan_shared<CH, SPT> &shared, uint32_t t0) const
    {
        uint32_t row = own_row(), column = own_channel(), channel = first + column;
        if (t0 + row >= segment.count || channel >= s.inner)
            return;
        eight<T> y;
#pragma unroll
        for (int i = 0; i < 8; i++)
            math_store(&y.item[i],
                       __fmul_rn(shared.y[row][column + i], shared.gate[row][column + i]));
        *(eight<T> *)((T *)p.y + (size_t)(segment.row + t0 + row) * s.inner_stride + channel) = y;
    }

    /* The last inputs of the convolution, which ran before. */
    __device__ void update_tail() const
    {
        uint32_t channel = first + threadIdx.x;
        if (threadIdx.x >= CH || channel >= s.inner)
            return;
        float *tail = segment.state + s.layer_offset + (size_t)s.states * s.inner + channel;
        uint32_t size = s.taps - 1;
        for (uint32_t j = 0; j < size; j++) {
            uint32_t from = j + segment.count; /* in tail and rows, one after the other */
            tail[(size_t)j * s.inner] =
                from < size
                    ? tail[(size_t)from * s.inner]
                    : math_load((const T *)p.xz +
                                (size_t)(segment.row + from - size) * s.wide_stride + channel);
        }
    }

    /* The upper half of the block: makes tile k + 1 and writes tile k - 1, which lie in the
     * same buffer, each thread its own rows and channels, while the lower half steps
     * through tile k. */
    __device__ void feed()
    {
        float bias[8], skip[8];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            uint32_t d = first + own_channel() + i;
            bias[i] = d < s.inner ? p.bias[d] : 0.0f;
            skip[i] = d < s.inner ? p.skip[d] : 0.0f;
        }
        fetch_type next = {};
        fetch(next, 0);
        prepare(buffers[0], next, bias, skip);
        fetch(next, TILE);
        uint32_t tile = 0;
        for (uint32_t t0 = 0; t0 < segment.count; t0 += TILE, tile++) {
            __syncthreads();
            scan_shared<CH, SPT> &other = buffers[(tile + 1) % 2];
            if (t0 > 0)
                write(other, t0 - TILE);
            if (t0 + TILE < segment.count)
                prepare(other, next, bias, skip);
            fetch(next, t0 + 2 * TILE);
        }
        __syncthreads();
        write(buffers[(tile + 1) % 2], (tile - 1) * TILE);
    }

    __device__ void walk()
    {
        const uint32_t channel = threadIdx.x / QUADS, quad = threadIdx.x % QUADS;
        const bool mine = first + channel < s.inner;
        float *state = segment.state + s.layer_offset + first + channel;
        float h[SPT], a[SPT];
#pragma unroll
        for (int i = 0; i < SPT; i++) {
            size_t at = (size_t)(quad * SPT + i) * s.inner;
            h[i] = mine ? state[at] : 0.0f;
            a[i] = mine ? __fmul_rn(p.a[at + first + channel], MATH_LOG2_E) : 0.0f;
        }
        update_tail();
        uint32_t tile = 0;
        for (uint32_t t0 = 0; t0 < segment.count; t0 += TILE, tile++) {
            __syncthreads();
            scan_shared<CH, SPT> &shared = buffers[tile % 2];
            uint32_t rows = segment.count - t0 < TILE ? segment.count - t0 : TILE;
            uint32_t t = 0;
            for (; t + 4 <= rows; t += 4)
                four<true>(shared, h, a, t, 4, channel, quad);
            if (t < rows)
                four<false>(shared, h, a, t, rows - t, channel, quad);
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < SPT; i++)
            if (mine)
                state[(size_t)(quad * SPT + i) * s.inner] = h[i];
    }
};

template <typename T, int CH, int SPT>
__global__ void __launch_bounds__(2 * CH * QUADS)
    scan(const __grid_constant__ struct device_scan p, const struct device_segment *segments,
         const __grid_constant__ struct device_layer_shape s)
{
    extern __shared__ __align__(16) unsigned char memory[];
    scanner<T, CH, SPT> scanner = {p, s, segments[blockIdx.y], (scan_shared<CH, SPT> *)memory,
                                   blockIdx.x * CH};
    if (threadIdx.x < CH * QUADS)
        scanner.walk();
    else
        scanner.feed();
}

template <typename T, int CH, int SPT>
static void launch_channels(const struct device_scan *p, const struct device_segment *segments,
                            uint32_t count, const struct device_layer_shape *s, cudaStream_t stream)
{
    const size_t bytes = 2 * sizeof(scan_shared<CH, SPT>);
    cudaFuncSetAttribute(scan<T, CH, SPT>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes);
    scan<T, CH, SPT><<<dim3((s->inner + CH - 1) / CH, count), 2 * CH * QUADS, bytes, stream>>>(
        *p, segments, *s);
}

template <typename T, int SPT>
static void launch(const struct device_scan *p, const struct device_segment *segments,
                   uint32_t count, const struct device_layer_shape *s, cudaStream_t stream)
{
    /* Few channels: smaller blocks, so that more multiprocessors have one. */
    if ((size_t)s->inner * count >= 64 * 100)
        launch_channels<T, 64, SPT>(p, segments, count, s, stream);
    else
        launch_channels<T, 16, SPT>(p, segments, count, s, stream);
}

template <typename T>
static void launch_states(const struct device_scan *p, const struct device_segment *segments,
                          uint32_t count, const struct device_layer_shape *s, cudaStream_t stream)
{
    switch (s->states) {
    case 4:
        launch<T, 1>(p, segments, count, s, stream);
        break;
    case 8:
        launch<T, 2>(p, segments, count, s, stream);
        break;
    case 12:
        launch<T, 3>(p, segments, count, s, stream);
        break;
    case 16:
        launch<T, 4>(p, segments, count, s, stream);
        break;
    }
}

bool device_scan_fits(const struct device_layer_shape *shape)
{
    return (shape->states == 4 || shape->states == 8 || shape->states == 12 ||
            shape->states == 16) &&
           shape->taps >= 2 && shape->taps <= 4 && shape->inner % 8 == 0;
}

void device_scan(const struct device_scan *p, const struct device_segment *segments,
                 uint32_t segment_count, const struct device_layer_shape *shape,
                 cudaStream_t stream)
{
    if (shape->precise)
        launch_states<float>(p, segments, segment_count, shape, stream);
    else
        launch_states<__nv_bfloat16>(p, segments, segment_count, shape, stream);
}
