/* scan.cu: the selective scan (Gu and Dao, 2023, section 3) with all around it: bias and
 * softplus of delta, decay, skip and gate.
 *
 * Time is serial, D x S recurrences are not: 131,072 for Falcon-Mamba-7B. A block takes
 * CH channels of one segment, L threads a channel, S / L states in each one's registers
 * for the whole stretch. It goes through time in tiles of 32 rows, which are copied to
 * shared memory two tiles ahead, and in groups of L rows. A warp has 32 / L channels, so
 * that a group is 32 pairs of row and channel, one for each thread. While a warp goes
 * through a group, a thread
 *
 *   - makes delta, delta x, skip x and the gate of its own pair of the group after the
 *     next; the first two reach the L threads of the channel by way of shared memory;
 *   - steps its states through the rows: a product, a 2^x, a product and two fused
 *     multiply-adds a state; of these only h = decay h + ... waits for the row before;
 *   - puts the partial sums of the group before together, L - 1 shuffles for L rows, which
 *     leaves it with the sum of its own pair, and writes y.
 *
 * The three need nothing of each other, and no branch stands between them, so that the
 * compiler mixes their instructions.
 *
 * A row's sums run over its states in one order, wherever the row lies in a group. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/math.cuh"

enum { TILE = 32, STAGES = 3 };

/* 16 bytes (or 8, or 4) to shared memory, or zeros. */
template <int BYTES>
__device__ __forceinline__ void scan_copy(void *to, const void *from, bool there)
{
    uint32_t at = (uint32_t)__cvta_generic_to_shared(to);
    if constexpr (BYTES == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from),
                     "r"(there ? 16 : 0)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(at), "l"(from),
                     "n"(BYTES), "r"(there ? BYTES : 0)
                     : "memory");
}

/* A block's channels, threads a channel and states a thread. */
template <typename T, int CH, int L, int SPT> struct scanner {
    static constexpr int S = SPT * L, THREADS = CH * L, GROUP = L, GROUPS = TILE / GROUP;
    static constexpr int WARP_CHANNELS = 32 / L;
    /* So far apart do rows lie that a warp's pairs are in different banks. */
    static constexpr int PAD = 16 / sizeof(T), DELTA_PAD = L == 8 ? 4 : 8;
    /* B and C are copied by pieces, so that a thread's own of both lie side by side. */
    static constexpr int PIECE = SPT % 4 == 0 ? 4 : SPT % 2 == 0 ? 2 : 1;

    struct alignas(16) tile {
        float delta[TILE][CH + DELTA_PAD];
        T x[TILE][CH + PAD], z[TILE][CH + PAD];
        float bc[TILE][L][2 * SPT];
    };
    struct alignas(16) memory {
        tile tiles[STAGES];
        /* delta and delta x of a group's rows, for this group and the next. */
        float2 steps[CH / WARP_CHANNELS][2][WARP_CHANNELS][GROUP];
    };
    /* What a thread has of its own pair. */
    struct pair {
        float skip, gate;
    };
    /* What it carries from group to group. */
    struct passing {
        float h[SPT], a[SPT], bias, skip;
        pair own, next, before;
        float4 steps[GROUP / 2]; /* delta, delta x, of two rows each */
        float sum[GROUP];        /* of the group before */
        T *y;                    /* of the own pair in the group before */
        bool mine, there;        /* a channel; that, and a group before */
        /* The next tile to be fetched: the thread's first copy of each kind, rows left. */
        const float *delta, *bc;
        const T *x, *z;
        uint32_t left, stage;
    };

    const struct device_scan &p;
    const struct device_layer_shape &s;
    const struct device_segment segment;
    memory &shared;
    uint32_t first; /* channel of the block */

    /* Neighbours have the same states of two channels, and every second thread has the same
     * channel, so that reads of either are merged. */
    __device__ static uint32_t lane()
    {
        return threadIdx.x / 2 % L;
    }
    __device__ static uint32_t place()
    {
        return threadIdx.x % 2 + threadIdx.x % 32 / (2 * L) * 2;
    }
    __device__ static uint32_t channel()
    {
        return threadIdx.x / 32 * WARP_CHANNELS + place();
    }

    /* A tile's rows of CH columns are copied by 16 bytes, those of a thread THREADS apart;
     * the first is thread BEGIN's. */
    template <typename V, uint32_t BEGIN> struct copies {
        static constexpr uint32_t EACH = 16 / sizeof(V), ACROSS = CH / EACH, ALL = TILE * ACROSS;
        static constexpr uint32_t COUNT = (ALL + THREADS - 1) / THREADS, DOWN = THREADS / ACROSS;
        static_assert(THREADS % ACROSS == 0, "a thread keeps to its columns");

        __device__ static uint32_t own()
        {
            return (threadIdx.x + THREADS - BEGIN % THREADS) % THREADS;
        }
        __device__ static uint32_t row()
        {
            return own() / ACROSS;
        }
        __device__ static uint32_t column()
        {
            return own() % ACROSS * EACH;
        }
        /* `at`: of the first copy; rows past `left` become zeros. */
        template <int COLUMNS>
        __device__ __forceinline__ static void make(V (*to)[COLUMNS], const V *at, size_t stride,
                                                    uint32_t left)
        {
#pragma unroll
            for (uint32_t k = 0; k < COUNT; k++)
                if (ALL % THREADS == 0 || k * THREADS + own() < ALL)
                    scan_copy<16>(&to[row() + k * DOWN][column()], at + k * DOWN * stride,
                                  row() + k * DOWN < left);
        }
    };
    using deltas = copies<float, 0>;
    using xs = copies<T, 0>;
    using zs = copies<T, TILE * CH * sizeof(T) / 16>;

    __device__ void begin_fetching(passing &f) const
    {
        const size_t row = segment.row;
        /* Blocks may have channels that are not there: they read those of the last eight. */
        const uint32_t most = s.inner - 8 - first;
        auto column = [most](uint32_t c) { return c < most ? c : most + c % 8; };
        f.delta = p.delta + (row + deltas::row()) * s.inner_stride + first;
        f.x = (const T *)p.xc + (row + xs::row()) * s.inner_stride + first;
        f.z = (const T *)p.xz + (row + zs::row()) * s.wide_stride + s.inner + first;
        f.delta += column(deltas::column());
        f.x += column(xs::column());
        f.z += column(zs::column());
        f.bc = p.bc + row * (2 * S) + threadIdx.x * PIECE;
        f.left = segment.count;
        f.stage = 0;
    }

    /* Begins the copy of the next tile. */
    __device__ __forceinline__ void fetch(passing &f)
    {
        constexpr uint32_t PIECES = 2 * S / PIECE, OWN = SPT / PIECE, ALL = TILE * PIECES;
        tile &to = shared.tiles[f.stage];
        deltas::make(to.delta, f.delta, s.inner_stride, f.left);
        xs::make(to.x, f.x, s.inner_stride, f.left);
        zs::make(to.z, f.z, s.wide_stride, f.left);
#pragma unroll
        for (uint32_t k = 0; k < (ALL + THREADS - 1) / THREADS; k++) {
            const uint32_t i = k * THREADS + threadIdx.x;
            const uint32_t row = i / PIECES, piece = i % PIECES, of = piece % (PIECES / 2);
            float *own = to.bc[row][of / OWN] + piece / (PIECES / 2) * SPT + of % OWN * PIECE;
            if (ALL % THREADS == 0 || i < ALL)
                scan_copy<PIECE * 4>(own, f.bc + k * THREADS * PIECE, row < f.left);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
        f.delta += TILE * (size_t)s.inner_stride;
        f.x += TILE * (size_t)s.inner_stride;
        f.z += TILE * (size_t)s.wide_stride;
        f.bc += TILE * 2 * S;
        f.left = f.left > TILE ? f.left - TILE : 0;
        f.stage = f.stage + 1 < STAGES ? f.stage + 1 : 0;
    }

    __device__ static void arrive()
    {
        asm volatile("cp.async.wait_group 0;" ::: "memory");
        __syncthreads();
    }

    /* Makes what is needed of the own pair, in a group that begins at `row` of `from`. */
    __device__ __forceinline__ pair prepare(const tile &from, uint32_t row, uint32_t parity,
                                            const passing &f)
    {
        const uint32_t d = channel();
        row += lane();
        const float x = math_load(&from.x[row][d]), z = math_load(&from.z[row][d]);
        const float delta = math_straight_softplus(__fadd_rn(from.delta[row][d], f.bias));
        shared.steps[threadIdx.x / 32][parity][place()][lane()] =
            make_float2(delta, __fmul_rn(delta, x));
        return {__fmul_rn(f.skip, x), math_straight_silu(z)};
    }

    __device__ __forceinline__ void take_steps(float4 steps[GROUP / 2], uint32_t parity) const
    {
        const float4 *from = (const float4 *)shared.steps[threadIdx.x / 32][parity][place()];
#pragma unroll
        for (int i = 0; i < GROUP / 2; i++)
            steps[i] = from[i];
    }

    /* A row: one of L partial sums. */
    __device__ __forceinline__ static float step(passing &f, const float *own, float delta,
                                                 float delta_x)
    {
        float bc[2 * SPT], sum = 0;
        if constexpr (SPT % 2 == 0) {
#pragma unroll
            for (int i = 0; i < SPT / 2; i++)
                ((float4 *)bc)[i] = ((const float4 *)own)[i];
        } else {
#pragma unroll
            for (int i = 0; i < 2 * SPT; i++)
                bc[i] = own[i];
        }
#pragma unroll
        for (int i = 0; i < SPT; i++) {
            float decay = math_exp2(__fmul_rn(delta, f.a[i]));
            f.h[i] = __fmaf_rn(decay, f.h[i], __fmul_rn(delta_x, bc[i]));
            sum = __fmaf_rn(bc[SPT + i], f.h[i], sum);
        }
        return sum;
    }

    /* The first `rows` rows of the group that begins at `row` of `from`. */
    __device__ __forceinline__ static void walk(float sum[GROUP], passing &f, const tile &from,
                                                uint32_t row, uint32_t rows)
    {
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const float4 two = f.steps[i / 2];
            sum[i] = i < rows ? step(f, from.bc[row + i][lane()], i % 2 ? two.z : two.x,
                                     i % 2 ? two.w : two.y)
                              : 0.0f;
        }
    }

    /* Lane l ends with the whole sum of row l, a tree over lanes: ((0 1) (2 3)) ... */
    __device__ __forceinline__ static void finish(T *y, bool there, float sum[GROUP],
                                                  const pair &own)
    {
#pragma unroll
        for (int n = L / 2, bit = 1; n > 0; n /= 2, bit *= 2) {
            const bool upper = lane() & bit;
#pragma unroll
            for (int i = 0; i < n; i++) {
                float keep = upper ? sum[2 * i + 1] : sum[2 * i];
                float give = upper ? sum[2 * i] : sum[2 * i + 1];
                sum[i] = __fadd_rn(keep, __shfl_xor_sync(0xFFFFFFFFu, give, 2 * bit));
            }
        }
        T value;
        math_store(&value, __fmul_rn(__fadd_rn(sum[0], own.skip), own.gate));
        if (there)
            *y = value;
    }

    __device__ __forceinline__ void group(passing &f, const tile &here, const tile &ahead,
                                          uint32_t number)
    {
        float sum[GROUP];
        float4 steps[GROUP / 2];
        take_steps(steps, (number + 1) % 2);
        pair after = prepare(number + 2 < GROUPS ? here : ahead, (number + 2) % GROUPS * GROUP,
                             number % 2, f);
        walk(sum, f, here, number * GROUP, GROUP);
        finish(f.y, f.there, f.sum, f.before);
        f.y += GROUP * (size_t)s.inner_stride;
        f.there = f.mine;
#pragma unroll
        for (int i = 0; i < GROUP; i++)
            f.sum[i] = sum[i];
#pragma unroll
        for (int i = 0; i < GROUP / 2; i++)
            f.steps[i] = steps[i];
        f.before = f.own;
        f.own = f.next;
        f.next = after;
        __syncwarp();
    }

    __device__ __forceinline__ void begin(passing &f)
    {
        begin_fetching(f);
        fetch(f);
        fetch(f);
        arrive();
        f.own = prepare(shared.tiles[0], 0, 0, f);
        f.next = prepare(shared.tiles[0], GROUP, 1, f);
        __syncwarp();
        take_steps(f.steps, 0);
        __syncwarp();
    }

    __device__ __forceinline__ void through(passing &f)
    {
        const uint32_t whole = segment.count / TILE, rows = segment.count % TILE;
        tile *here = &shared.tiles[0], *ahead = &shared.tiles[1];
        begin(f);
        for (uint32_t at = 0; at < whole; at++) {
            tile *next = &shared.tiles[f.stage];
            fetch(f);
#pragma unroll
            for (uint32_t number = 0; number < GROUPS; number++)
                group(f, *here, *ahead, number);
            here = ahead;
            ahead = next;
            arrive();
        }
#pragma unroll 1
        for (uint32_t number = 0; number < rows / GROUP; number++)
            group(f, *here, *ahead, number);
        finish(f.y, f.there, f.sum, f.before);
        const uint32_t rest = rows % GROUP;
        if (rest > 0) {
            float sum[GROUP];
            walk(sum, f, *here, rows - rest, rest);
            finish(f.y + GROUP * (size_t)s.inner_stride, f.mine && lane() < rest, sum, f.own);
        }
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

    __device__ void run()
    {
        const uint32_t d = first + channel();
        float *state = segment.state + s.layer_offset + d;
        passing f = {};
        f.mine = d < s.inner;
#pragma unroll
        for (int i = 0; i < SPT; i++) {
            size_t at = (size_t)(lane() * SPT + i) * s.inner;
            f.h[i] = f.mine ? state[at] : 0.0f;
            f.a[i] = f.mine ? __fmul_rn(p.a[at + d], MATH_LOG2_E) : 0.0f;
        }
        f.bias = f.mine ? p.bias[d] : 0.0f;
        f.skip = f.mine ? p.skip[d] : 0.0f;
        f.y = (T *)p.y + ((ptrdiff_t)segment.row + lane() - GROUP) * (ptrdiff_t)s.inner_stride + d;
        update_tail();
        through(f);
#pragma unroll
        for (int i = 0; i < SPT; i++)
            if (f.mine)
                state[(size_t)(lane() * SPT + i) * s.inner] = f.h[i];
    }
};

template <typename T, int CH, int L, int SPT>
__global__ void __launch_bounds__(CH *L)
    scan(const __grid_constant__ struct device_scan p, const struct device_segment *segments,
         const __grid_constant__ struct device_layer_shape s)
{
    extern __shared__ __align__(16) unsigned char memory[];
    using kind = scanner<T, CH, L, SPT>;
    kind scanner = {p, s, segments[blockIdx.y], *(typename kind::memory *)memory, blockIdx.x * CH};
    scanner.run();
}

template <typename T, int CH, int L, int SPT>
static void launch(const struct device_scan *p, const struct device_segment *segments,
                   uint32_t count, const struct device_layer_shape *s, cudaStream_t stream)
{
    const size_t bytes = sizeof(typename scanner<T, CH, L, SPT>::memory);
    cudaFuncSetAttribute(scan<T, CH, L, SPT>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                         (int)bytes);
    scan<T, CH, L, SPT>
        <<<dim3((s->inner + CH - 1) / CH, count), CH * L, bytes, stream>>>(*p, segments, *s);
}

template <typename T, int L, int SPT>
static void launch_channels(const struct device_scan *p, const struct device_segment *segments,
                            uint32_t count, const struct device_layer_shape *s, cudaStream_t stream)
{
    /* Few channels: smaller blocks, so that more multiprocessors have one. */
    if ((size_t)s->inner * count >= 64 * 100)
        launch<T, 32, L, SPT>(p, segments, count, s, stream);
    else
        launch<T, 16, L, SPT>(p, segments, count, s, stream);
}

template <typename T>
static void launch_states(const struct device_scan *p, const struct device_segment *segments,
                          uint32_t count, const struct device_layer_shape *s, cudaStream_t stream)
{
    switch (s->states) {
    case 4:
        launch_channels<T, 4, 1>(p, segments, count, s, stream);
        break;
    case 8:
        launch_channels<T, 4, 2>(p, segments, count, s, stream);
        break;
    case 12:
        launch_channels<T, 4, 3>(p, segments, count, s, stream);
        break;
    case 16: /* four threads give a scheduler two warps of one lane, which wait too often */
        launch_channels<T, 8, 2>(p, segments, count, s, stream);
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
