/* token.cu: a generated token as one kernel that stays on all multiprocessors.
 *
 * A token reads every weight once, so that memory's bandwidth is the floor and everything
 * else has to hide behind it. One block sits on each multiprocessor for the whole token. A
 * layer is four stages with a barrier over the grid after each:
 *
 *   IN    norm, `in`; from a block's own rows at once the convolution and SiLU
 *   X     `x`, cut over rows and K, in parts
 *   DT    the parts' sum, norms of dt, B, C; `dt`; from a block's own channels the scan
 *   OUT   `out`, added to the residual
 *
 * Weights depend on nothing. So a warp of each block does nothing but copy the block's
 * share of them into a ring in shared memory, in the order of use, through all stages and
 * layers, ahead of the barriers: memory goes on while the grid comes together. 16 warps
 * compute; what they will need besides (states, constants of channels) they fetch before
 * a product and use after it (stages.cuh).
 *
 * Up to 8 lanes every block makes the activations of all columns for itself and keeps
 * them. Up to 64 they do not fit: the norms are shared out over the blocks, and another
 * warp copies the records (record.cuh) of 256 columns at a time into a second ring.
 *
 * A tile's 256 columns are one warp's, in order; `slices` warps share a tile, columns dealt
 * out in turn, and their sums are added in order. So the order of a sum depends on the
 * shape and on the number of blocks, never on lanes. */
#include "kernels/cuda/fragment.cuh"
#include "kernels/cuda/ring.cuh"
#include "kernels/cuda/stages.cuh"

#include <cstdio>
#include <cstdlib>

enum stage { STAGE_IN, STAGE_X, STAGE_DT, STAGE_OUT, STAGE_LOGITS, STAGES };

enum {
    FEW = 8,                 /* lanes whose activations a block keeps */
    SLOT = 18944,            /* bytes of a ring's slot: 8 tiles of Q4_K */
    SLOT_MANY = 16 * RECORD, /* one tile of BF16 */
    PIECES = 3,              /* of 256 columns of all lanes */
    MOST_SLOTS = 32,
    FLYING = 4, /* turns on their way at a time */
    FLYING_MANY = 6,
    FULLS = 64,       /* barriers of the ring's turns, */
    PIECE_FULLS = 32, /* and of the pieces' (ring.cuh) */
    SUMS_PITCH = 65,  /* floats of a row of many lanes' sums */
    MOST_LAYERS = 128,
};

/* How the blocks share one of the five products. An item is a tile of rows, of X a tile's
 * `cut` units of columns; a block has `each` items. */
struct product_shape {
    uint32_t outputs, tiles, units; /* rows; tiles of 16; units of 256 columns */
    uint32_t cut, each, slices;
};

struct token_work {
    float *x, *z, *part, *bc, *logits;
    uint8_t *u, *xc, *dt, *y, *integers;                   /* records [lanes][units] */
    uint32_t *barrier;                                     /* arrivals; blocks that are done */
    uint32_t embedding_stride, inner_stride, mixer_stride; /* floats */
    uint32_t embedding_pitch, inner_pitch, rank_pitch;     /* bytes of a lane's records */
    struct product_shape shapes[STAGES];
};

/* Where things lie in a block's shared memory. */
struct token_places {
    uint32_t activations, pitch, parts, stash, matrices, ring;
    uint32_t slots, inverse, flying, bytes;
};

struct shared_matrix {
    const uint8_t *data;
    uint32_t type;
};

/* What has a fixed place, at the beginning. */
template <int LANES> struct token_shared {
    uint64_t full[FULLS], empty[MOST_SLOTS];
    uint64_t piece_full[PIECE_FULLS], piece_empty[PIECES], go;
    float bc[LANES][32];
    float scratch[2][WARPS];
    struct token_layer layers[2]; /* this one and the next */
    float *states[LANES];
};

/* --- the grid ------------------------------------------------------------------------- */

/* Waits for all blocks; what they wrote before is seen after, by bulk copies too if `bulk`. */
__device__ __forceinline__ void grid_barrier(uint32_t *counter, uint32_t &target, bool bulk)
{
    target += gridDim.x;
    if (bulk)
        asm volatile("fence.proxy.async;" ::: "memory");
    block_wait();
    if (threadIdx.x == 0) {
        uint32_t seen;
        asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
        do {
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                         : "=r"(seen)
                         : "l"(counter)
                         : "memory");
        } while (seen < target);
    }
    block_wait();
}

/* The last block that is done leaves the counters as the next launch wants them. */
__device__ __forceinline__ void grid_leave(uint32_t *counter)
{
    if (threadIdx.x == 0 && atomicAdd(counter + 1, 1) == gridDim.x - 1) {
        counter[0] = 0;
        counter[1] = 0;
    }
}

/* --- a block's share ------------------------------------------------------------------- */

/* A round: as many of the block's items as its warps take at once. */
struct round_share {
    uint32_t tile, tiles; /* side by side */
    uint32_t begin, units;
};

struct block_share {
    uint32_t first, count, group; /* items; at once */
};

__device__ __forceinline__ block_share share_of(const product_shape &p, bool is_x)
{
    const uint32_t items = p.tiles * ((p.units + p.cut - 1) / p.cut);
    /* The last blocks often have no rows of other products. */
    const uint32_t block = is_x ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
    block_share s;
    s.first = block * p.each;
    s.count = s.first >= items ? 0 : min(p.each, items - s.first);
    s.group = is_x ? 1 : WARPS / p.slices;
    return s;
}

__device__ __forceinline__ round_share round_of(const product_shape &p, const block_share &s,
                                                uint32_t at)
{
    round_share r;
    const uint32_t item = s.first + at, cut = item / p.tiles;
    r.tile = item - cut * p.tiles;
    r.tiles = min(s.group, s.count - at);
    r.begin = cut * p.cut;
    r.units = min(p.cut, p.units - r.begin);
    return r;
}

template <int TYPE> struct tile_bytes {
    static constexpr uint32_t value = packed<TYPE>::tile;
};
template <> struct tile_bytes<FRAGMENT_PLAIN> {
    static constexpr uint32_t value = 16 * 512;
};

__device__ __forceinline__ uint32_t tile_bytes_of(uint32_t type)
{
    switch (type) {
    case BLOCKS_Q4_0:
        return tile_bytes<BLOCKS_Q4_0>::value;
    case BLOCKS_Q5_0:
        return tile_bytes<BLOCKS_Q5_0>::value;
    case BLOCKS_Q5_1:
        return tile_bytes<BLOCKS_Q5_1>::value;
    case BLOCKS_Q8_0:
        return tile_bytes<BLOCKS_Q8_0>::value;
    case BLOCKS_Q4_K:
        return tile_bytes<BLOCKS_Q4_K>::value;
    case BLOCKS_Q5_K:
        return tile_bytes<BLOCKS_Q5_K>::value;
    case BLOCKS_Q6_K:
        return tile_bytes<BLOCKS_Q6_K>::value;
    default:
        return tile_bytes<FRAGMENT_PLAIN>::value;
    }
}

/* Units of a tile in a slot, as a power of two. With many lanes one: the order of loading
 * must not run ahead of the activations' pieces. */
template <int LANES> __device__ __forceinline__ uint32_t stage_shift(uint32_t type)
{
    if (LANES > FEW)
        return 0;
    const uint32_t bytes = tile_bytes_of(type);
    return bytes * 8 <= SLOT ? 3 : bytes * 4 <= SLOT ? 2 : 1;
}

/* Bytes between the rows of BF16 in a slot: 64 more than a multiple of 128. */
__device__ __forceinline__ uint32_t row_pitch(uint32_t shift)
{
    return (512u << shift) + 64;
}

/* --- warps that fetch --------------------------------------------------------------------- */

struct token_ring {
    uint8_t *slots;
    uint64_t *full, *empty;
    struct ring_turns turns;
    uint32_t slot_bytes, flying; /* turns on their way at most */
};

template <int LANES>
__device__ void fetch_weights(const token_work &w, const token_ring &ring,
                              const shared_matrix *matrices, uint32_t steps)
{
    const uint32_t lane = threadIdx.x % 32;
    const uint64_t policy = ring_passing_policy();
    uint32_t turn = 0, late = 0; /* the oldest turn that may still be on its way */
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t stage = step + 1 == steps ? (uint32_t)STAGE_LOGITS : step % 4;
        const product_shape &p = w.shapes[stage];
        const block_share s = share_of(p, stage == STAGE_X);
        const shared_matrix m = matrices[step];
        const bool plain = m.type == FRAGMENT_PLAIN;
        const uint32_t shift = stage_shift<LANES>(m.type), bytes = tile_bytes_of(m.type);
        for (uint32_t at = 0; at < s.count; at += s.group) {
            const round_share r = round_of(p, s, at);
            for (uint32_t unit = 0; unit < r.units; unit += 1u << shift)
                for (uint32_t t = 0; t < r.tiles; t++, turn++) {
                    const uint32_t units = min(1u << shift, r.units - unit);
                    uint32_t phase;
                    const uint32_t slot = ring.turns.slot(turn, phase);
                    uint8_t *to = ring.slots + slot * ring.slot_bytes;
                    const size_t tile = (size_t)(r.tile + t) * p.units + r.begin + unit;
                    uint64_t *full = &ring.full[turn % FULLS];
                    ring_wait(&ring.empty[slot], phase ^ 1);
                    /* What queues before memory delays everything else there. */
                    for (; turn - late >= ring.flying; late++)
                        ring_wait(&ring.full[late % FULLS], late / FULLS & 1);
                    if (lane == 0) {
                        ring_expect(full, units * bytes);
                        /* For the warps that have nothing to read there. */
                        ring_arrive(&ring.empty[slot], WARPS - min(units, p.slices));
                    }
                    __syncwarp();
                    if (!plain && lane == 0)
                        ring_copy_passing(to, m.data + tile * bytes, units * bytes, full, policy);
                    if (plain && lane < 16) {
                        const size_t row = (size_t)(r.tile + t) * 16 + lane;
                        ring_copy_passing(to + lane * row_pitch(shift),
                                          m.data + (row * p.units + r.begin + unit) * 512,
                                          units * 512, full, policy);
                    }
                }
        }
    }
}

/* Records of all lanes, 256 columns at a time, each time that `go` says that they are made. */
__device__ void fetch_records(const token_work &w, uint8_t *pieces, uint64_t *full, uint64_t *empty,
                              uint64_t *go, const shared_matrix *matrices, uint32_t steps,
                              uint32_t lanes)
{
    const uint32_t lane = threadIdx.x % 32;
    const ring_turns turns = {PIECES, (uint32_t)(((1ull << 32) + PIECES - 1) / PIECES)};
    uint32_t turn = 0;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t stage = step + 1 == steps ? (uint32_t)STAGE_LOGITS : step % 4;
        const product_shape &p = w.shapes[stage];
        const block_share s = share_of(p, stage == STAGE_X);
        const bool integers = matrices[step].type != FRAGMENT_PLAIN;
        const uint8_t *from = stage == STAGE_DT    ? w.dt
                              : stage == STAGE_X   ? integers ? w.integers : w.xc
                              : stage == STAGE_OUT ? integers ? w.integers : w.y
                                                   : w.u;
        ring_wait(go, step & 1);
        asm volatile("fence.proxy.async;" ::: "memory");
        for (uint32_t at = 0; at < s.count; at += s.group) {
            const round_share r = round_of(p, s, at);
            for (uint32_t unit = r.begin; unit < r.begin + r.units; unit++, turn++) {
                uint32_t phase;
                const uint32_t slot = turns.slot(turn, phase);
                ring_wait(&empty[slot], phase ^ 1);
                uint64_t *come = &full[turn % PIECE_FULLS];
                if (lane == 0) {
                    ring_expect(come, lanes * RECORD);
                    ring_arrive(&empty[slot], WARPS - r.tiles);
                }
                __syncwarp();
                for (uint32_t n = lane; n < lanes; n += 32)
                    ring_copy(pieces + (slot * TOKEN_LANES + n) * RECORD,
                              from + ((size_t)n * p.units + unit) * RECORD, RECORD, come);
            }
        }
    }
}

/* --- warps that compute ----------------------------------------------------------------- */

/* What the computing threads carry along. */
template <int LANES> struct token_run_state {
    const struct token_model &model;
    const token_work &w;
    token_shared<LANES> &shared;
    token_ring ring;
    uint8_t *activations;
    float *parts;
    struct stash stash;
    uint32_t pitch, lanes;
    uint32_t turn, piece, parity; /* of the ring, of the pieces, of the parts' two halves */
    struct device_layer_shape s;
    const struct token_layer *layer;
};

/* This warp's slice of a tile of the round. */
template <int TYPE, int LANES>
__device__ __forceinline__ void slice(float *acc, const token_run_state<LANES> &c,
                                      const round_share &r, uint32_t tile, uint32_t first,
                                      uint32_t slices)
{
    constexpr bool many = LANES > FEW;
    constexpr uint32_t bytes = tile_bytes<TYPE>::value;
    constexpr uint32_t shift = many ? 0 : bytes * 8 <= SLOT ? 3 : bytes * 4 <= SLOT ? 2 : 1;
    const ring_turns piece_turns = {PIECES, (uint32_t)(((1ull << 32) + PIECES - 1) / PIECES)};
#pragma unroll 1
    for (uint32_t unit = first; unit < r.units; unit += slices) {
        uint32_t phase, piece = 0;
        const uint32_t turn = c.turn + (unit >> shift) * r.tiles + tile;
        const uint32_t slot = c.ring.turns.slot(turn, phase);
        fragment_records records = {c.activations + unit * RECORD, c.pitch, c.lanes};
        if (many) {
            piece = piece_turns.slot(c.piece + unit, phase);
            records.base = c.activations + piece * TOKEN_LANES * RECORD;
            records.pitch = RECORD;
            records.lanes = TOKEN_LANES;
            ring_wait(&c.shared.piece_full[(c.piece + unit) % PIECE_FULLS],
                      (c.piece + unit) / PIECE_FULLS & 1);
        }
        ring_wait(&c.ring.full[turn % FULLS], turn / FULLS & 1);
        const uint8_t *from = c.ring.slots + slot * c.ring.slot_bytes;
        const uint32_t within = unit & ((1u << shift) - 1);
        if constexpr (TYPE == FRAGMENT_PLAIN) {
            fragment_plain<LANES / 8>(acc, from + within * 512, (512u << shift) + 64, records);
        } else {
            constexpr int at_once = many ? 4 : 1;
            const fragment<TYPE> f = {from + within * bytes};
#pragma unroll
            for (uint32_t n = 0; n < LANES / 4; n += at_once)
                if (n == 0 || n * 4 < c.lanes)
                    f.template multiply<at_once>(acc + 2 * n, records, n);
        }
        if (unit + slices >= r.units || (unit + slices) >> shift != unit >> shift) {
            __syncwarp();
            if (threadIdx.x % 32 == 0)
                ring_arrive(&c.ring.empty[slot], 1);
        }
        if (many && threadIdx.x % 32 == 0)
            ring_arrive(&c.shared.piece_empty[piece], 1);
    }
}

template <int LANES>
__device__ __forceinline__ void slice_by_type(float *acc, const token_run_state<LANES> &c,
                                              uint32_t type, const round_share &r, uint32_t tile,
                                              uint32_t first, uint32_t slices)
{
    switch (type) {
    case BLOCKS_Q4_0:
        slice<BLOCKS_Q4_0>(acc, c, r, tile, first, slices);
        break;
    case BLOCKS_Q5_0:
        slice<BLOCKS_Q5_0>(acc, c, r, tile, first, slices);
        break;
    case BLOCKS_Q5_1:
        slice<BLOCKS_Q5_1>(acc, c, r, tile, first, slices);
        break;
    case BLOCKS_Q8_0:
        slice<BLOCKS_Q8_0>(acc, c, r, tile, first, slices);
        break;
    case BLOCKS_Q4_K:
        slice<BLOCKS_Q4_K>(acc, c, r, tile, first, slices);
        break;
    case BLOCKS_Q5_K:
        slice<BLOCKS_Q5_K>(acc, c, r, tile, first, slices);
        break;
    case BLOCKS_Q6_K:
        slice<BLOCKS_Q6_K>(acc, c, r, tile, first, slices);
        break;
    default:
        slice<FRAGMENT_PLAIN>(acc, c, r, tile, first, slices);
        break;
    }
}

/* Where a thread's acc[i] belongs: lane n and row of the tile. */
__device__ __forceinline__ void place_of(uint32_t i, bool plain, uint32_t &n, uint32_t &row)
{
    const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    n = plain ? i / 4 * 8 + 2 * t + i % 2 : i / 2 * 4 + t;
    row = g + (plain ? i / 2 : i) % 2 * 8;
}

/* Few lanes: every warp's sums [WARPS][16][lanes] to shared memory. */
__device__ __forceinline__ void put_parts(float *parts, const float acc[FEW / 2], bool plain,
                                          uint32_t lanes)
{
#pragma unroll
    for (uint32_t i = 0; i < FEW / 2; i++) {
        uint32_t n, row;
        place_of(i, plain, n, row);
        if (n < lanes)
            parts[(threadIdx.x / 32 * 16 + row) * lanes + n] = acc[i];
    }
}

/* Many lanes: a slice's sums are added to [tiles * 16][SUMS_PITCH], slice after slice. */
__device__ __forceinline__ void add_parts(float *sums, const float acc[TOKEN_LANES / 2], bool plain,
                                          uint32_t tile, bool first)
{
#pragma unroll
    for (uint32_t i = 0; i < TOKEN_LANES / 2; i++) {
        uint32_t n, row;
        place_of(i, plain, n, row);
        float *to = sums + (tile * 16 + row) * SUMS_PITCH + n;
        *to = first ? acc[i] : __fadd_rn(*to, acc[i]);
    }
}

__device__ __forceinline__ __nv_bfloat16 *record_at(uint8_t *records, uint32_t pitch, uint32_t n,
                                                    uint32_t column)
{
    return (__nv_bfloat16 *)(records + (size_t)n * pitch + column / 256 * RECORD) + column % 256;
}

/* --- what becomes of a product's sums ---------------------------------------------------- */

/* Results [rows][lanes] of a round. */
template <int LANES> struct results {
    const float *parts;
    uint32_t slices, rows, row0, lanes, outputs;
    bool stashed; /* the thread's first result is what the stash is for */

    /* The slices in order. */
    __device__ __forceinline__ float sum(uint32_t row, uint32_t n) const
    {
        if (LANES > FEW)
            return parts[row * SUMS_PITCH + n];
        const float *from = parts + (row / 16 * slices * 16 + row % 16) * lanes + n;
        float sum = from[0];
        for (uint32_t k = 1; k < slices; k++)
            sum = __fadd_rn(sum, from[k * 16 * lanes]);
        return sum;
    }
    __device__ __forceinline__ bool from_stash(uint32_t i) const
    {
        return LANES <= FEW && stashed && i == threadIdx.x && i < STASH;
    }
};

template <int LANES>
__device__ __forceinline__ void finish_in(const token_run_state<LANES> &c, const results<LANES> &p)
{
    constexpr uint32_t batch = LANES > FEW ? 4 : 1;
    const uint32_t total = p.rows * p.lanes, inner = c.s.inner;
    for (uint32_t i0 = threadIdx.x; i0 < total; i0 += THREADS * batch) {
        conv_numbers numbers[batch];
#pragma unroll
        for (uint32_t b = 0; b < batch; b++) {
            const uint32_t i = i0 + b * THREADS, n = i / p.rows, row = p.row0 + i % p.rows;
            if (i >= total || row >= inner)
                continue;
            const float *tail =
                c.shared.states[n] + c.s.layer_offset + (size_t)c.s.states * inner + row;
            if (p.from_stash(i))
                conv_take(numbers[b], c.stash, c.s);
            else
                conv_load(numbers[b], tail, *c.layer, row, c.s);
        }
#pragma unroll
        for (uint32_t b = 0; b < batch; b++) {
            const uint32_t i = i0 + b * THREADS, n = i / p.rows, row = p.row0 + i % p.rows;
            if (i >= total || row >= p.outputs)
                continue;
            const float value = p.sum(i % p.rows, n);
            float *tail = c.shared.states[n] + c.s.layer_offset + (size_t)c.s.states * inner + row;
            if (row >= inner)
                c.w.z[(size_t)n * c.w.inner_stride + row - inner] = math_silu(value);
            else
                *record_at(c.w.xc, c.w.inner_pitch, n, row) =
                    __float2bfloat16_rn(conv_step(numbers[b], tail, value, c.s));
        }
    }
}

/* Few lanes: four threads a channel, thread 8 q + r of a warp has quarter q of channel r. */
__device__ __forceinline__ uint32_t scan_row(uint32_t i)
{
    return i / 32 * 8 + i % 8;
}

__device__ __forceinline__ void finish_dt(const token_run_state<FEW> &c, const results<FEW> &p)
{
    const uint32_t each = p.rows * 4, total = each * p.lanes, quarter = threadIdx.x / 8 % 4;
    for (uint32_t i = threadIdx.x; i < total; i += THREADS) { /* whole warps */
        const uint32_t n = i / each, r = scan_row(i % each), d = p.row0 + r;
        float *h = c.shared.states[n] + c.s.layer_offset, sum = 0, z = 0;
        scan_numbers numbers = {};
        if (d < p.outputs) {
            const __nv_bfloat16 *xc = record_at(c.w.xc, c.w.inner_pitch, n, d);
            const float *gate = c.w.z + (size_t)n * c.w.inner_stride + d;
            if (p.from_stash(i)) {
                scan_take(numbers, z, c.stash, d, c.s);
            } else {
                scan_load(numbers, h, *c.layer, d, quarter, c.s);
                numbers.x = math_load(xc);
                z = __ldcg(gate);
            }
            const float delta = math_softplus(__fadd_rn(p.sum(r, n), numbers.bias));
            sum = scan_step(numbers, h, c.shared.bc[n], delta, __fmul_rn(delta, numbers.x), d,
                            quarter, c.s);
        }
        sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 8));
        sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 16));
        if (quarter == 0 && d < p.outputs)
            *record_at(c.w.y, c.w.inner_pitch, n, d) =
                __float2bfloat16_rn(__fmul_rn(__fmaf_rn(numbers.skip, numbers.x, sum), z));
    }
}

/* Many lanes: a thread a channel and lane, whose quarters are added as above. */
__device__ __forceinline__ void finish_dt(const token_run_state<TOKEN_LANES> &c,
                                          const results<TOKEN_LANES> &p)
{
    const uint32_t total = p.rows * p.lanes;
    for (uint32_t i = threadIdx.x; i < total; i += THREADS) {
        const uint32_t n = i / p.rows, r = i % p.rows, d = p.row0 + r;
        if (d >= p.outputs)
            continue;
        float *h = c.shared.states[n] + c.s.layer_offset, sum[4];
        scan_numbers numbers[4];
#pragma unroll
        for (uint32_t q = 0; q < 4; q++)
            scan_load(numbers[q], h, *c.layer, d, q, c.s);
        const float x = math_load(record_at(c.w.xc, c.w.inner_pitch, n, d));
        const float z = __ldcg(c.w.z + (size_t)n * c.w.inner_stride + d);
        const float delta = math_softplus(__fadd_rn(p.sum(r, n), numbers[0].bias));
#pragma unroll
        for (uint32_t q = 0; q < 4; q++)
            sum[q] =
                scan_step(numbers[q], h, c.shared.bc[n], delta, __fmul_rn(delta, x), d, q, c.s);
        const float all = __fadd_rn(__fadd_rn(sum[0], sum[1]), __fadd_rn(sum[2], sum[3]));
        *record_at(c.w.y, c.w.inner_pitch, n, d) =
            __float2bfloat16_rn(__fmul_rn(__fmaf_rn(numbers[0].skip, x, all), z));
    }
}

template <int LANES>
__device__ __forceinline__ void finish_plain(const token_run_state<LANES> &c,
                                             const results<LANES> &p, uint32_t stage, uint32_t cut)
{
    const uint32_t total = p.rows * p.lanes;
    for (uint32_t i = threadIdx.x; i < total; i += THREADS) {
        const uint32_t n = i / p.rows, row = p.row0 + i % p.rows;
        if (row >= p.outputs)
            continue;
        const float value = p.sum(i % p.rows, n);
        if (stage == STAGE_X) {
            c.w.part[((size_t)cut * TOKEN_LANES + n) * c.w.mixer_stride + row] = value;
        } else if (stage == STAGE_OUT) {
            float *x = c.w.x + (size_t)n * c.w.embedding_stride + row;
            *x = __fadd_rn(p.from_stash(i) ? *c.stash.mine : __ldcg(x), value);
        } else {
            c.w.logits[(size_t)n * c.model.vocabulary + row] = value;
            c.shared.states[n][c.model.state_logits + row] = value;
        }
    }
}

template <int LANES>
__device__ __forceinline__ void finish(const token_run_state<LANES> &c, const results<LANES> &p,
                                       uint32_t stage, uint32_t cut)
{
    if (stage == STAGE_IN)
        finish_in(c, p);
    else if (stage == STAGE_DT)
        finish_dt(c, p);
    else
        finish_plain(c, p, stage, cut);
}

/* --- fetched ahead ------------------------------------------------------------------------ */

/* What the thread's first result of a stage needs, by the conditions of finish_...(). */
template <int LANES>
__device__ __forceinline__ void stash_for(const token_run_state<LANES> &c, uint32_t stage,
                                          bool made_here)
{
    if (LANES > FEW || threadIdx.x >= STASH)
        return;
    const product_shape &p = c.w.shapes[stage];
    const block_share s = share_of(p, false);
    const uint32_t rows = min(s.group, s.count) * 16, i = threadIdx.x;
    const uint32_t each = stage == STAGE_DT ? rows * 4 : rows;
    if (i >= each * c.lanes)
        return;
    const uint32_t n = i / each;
    const uint32_t row = s.first * 16 + (stage == STAGE_DT ? scan_row(i % each) : i % each);
    const float *state = c.shared.states[n] + c.s.layer_offset;
    if (stage == STAGE_OUT && row < p.outputs)
        c.stash.fetch(0, c.w.x + (size_t)n * c.w.embedding_stride + row);
    else if (stage == STAGE_IN && row < c.s.inner)
        conv_fetch(c.stash, state + (size_t)c.s.states * c.s.inner + row, *c.layer, row, c.s);
    else if (stage == STAGE_DT && row < p.outputs && !made_here)
        scan_fetch(c.stash, state, *c.layer, row, i / 8 % 4, c.s);
    else if (stage == STAGE_DT && row < p.outputs) {
        const __nv_bfloat16 *at = record_at(c.w.xc, c.w.inner_pitch, n, row);
        c.stash.fetch(STASH_SCAN_XC, (const void *)((uintptr_t)at & ~(uintptr_t)3));
        c.stash.fetch(STASH_SCAN_Z, c.w.z + (size_t)n * c.w.inner_stride + row);
    }
}

/* Records [lanes][units] from memory, where they are BF16; few lanes. */
__device__ __forceinline__ void load_records(uint8_t *to, uint32_t to_pitch, const uint8_t *from,
                                             uint32_t from_pitch, uint32_t begin, uint32_t units,
                                             uint32_t lanes, bool integers)
{
    enum { AT_ONCE = 4 };
    const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (uint32_t i0 = warp; i0 < units * lanes; i0 += WARPS * AT_ONCE) {
        uint4 v[AT_ONCE];
#pragma unroll
        for (uint32_t b = 0; b < AT_ONCE; b++) {
            const uint32_t i = i0 + b * WARPS, n = i / units, unit = begin + i % units;
            if (i < units * lanes)
                v[b] =
                    __ldcg((const uint4 *)(from + (size_t)n * from_pitch + unit * RECORD) + lane);
        }
#pragma unroll
        for (uint32_t b = 0; b < AT_ONCE; b++) {
            const uint32_t i = i0 + b * WARPS, n = i / units;
            if (i < units * lanes)
                record_store(to + n * to_pitch + i % units * RECORD, v[b], integers);
        }
    }
}

/* The grid makes integers of all lanes' records. */
__device__ __forceinline__ void convert_records(uint8_t *to, const uint8_t *from, uint32_t pitch,
                                                uint32_t units, uint32_t lanes)
{
    const uint32_t lane = threadIdx.x % 32;
    for (uint32_t i = threadIdx.x / 32 * gridDim.x + blockIdx.x; i < units * lanes;
         i += WARPS * gridDim.x) {
        const size_t at = (size_t)(i / units) * pitch + i % units * RECORD;
        record_store(to + at, __ldcg((const uint4 *)(from + at) + lane), true);
    }
}

/* Activations for a stage's product, up to where they can be waited for. */
template <int LANES>
__device__ __forceinline__ void prepare(const token_run_state<LANES> &c, uint32_t stage,
                                        bool integers, uint32_t &target)
{
    constexpr bool many = LANES > FEW;
    const token_work &w = c.w;
    const uint32_t units = w.shapes[stage].units, step = many ? gridDim.x : 1;
    if (stage == STAGE_IN || stage == STAGE_LOGITS) {
        const float *weight = stage == STAGE_IN ? c.layer->norm : c.model.output_norm;
        for (uint32_t n = many ? blockIdx.x : 0; n < c.lanes; n += step) {
            uint8_t *to = many ? w.u + (size_t)n * w.embedding_pitch : c.activations + n * c.pitch;
            normalize(to, integers, w.x + (size_t)n * w.embedding_stride, weight, c.model.epsilon,
                      c.model.embedding, units, c.shared.scratch[n / step % 2]);
        }
    } else if (stage == STAGE_DT) {
        const product_shape &x = w.shapes[STAGE_X];
        const size_t stride = (size_t)TOKEN_LANES * w.mixer_stride;
        for (uint32_t n = many ? blockIdx.x : 0; n < c.lanes; n += step)
            mix(many ? w.dt + (size_t)n * w.rank_pitch : c.activations + n * c.pitch, integers,
                many ? w.bc + n * 32 : c.shared.bc[n], w.part + (size_t)n * w.mixer_stride, stride,
                (x.units + x.cut - 1) / x.cut, c.s, units, c.parts);
    } else if (many) {
        if (!integers)
            return;
        convert_records(w.integers, stage == STAGE_X ? w.xc : w.y, w.inner_pitch, units, c.lanes);
    } else if (stage == STAGE_OUT) {
        load_records(c.activations, c.pitch, w.y, w.inner_pitch, 0, units, c.lanes, integers);
    }
    if (!many)
        return;
    grid_barrier(w.barrier, target, true);
    if (stage == STAGE_DT) {
        for (uint32_t i = threadIdx.x; i < c.lanes * 32; i += THREADS)
            c.shared.bc[i / 32][i % 32] = __ldcg(w.bc + i);
        block_wait();
    }
}

/* The block's share of a product, and what becomes of it. */
template <int LANES>
__device__ __forceinline__ void product(token_run_state<LANES> &c, uint32_t stage, uint32_t type)
{
    constexpr bool many = LANES > FEW;
    const product_shape p = c.w.shapes[stage];
    const block_share s = share_of(p, stage == STAGE_X);
    const uint32_t warp = threadIdx.x / 32, tile = warp / p.slices, first = warp % p.slices;
    const bool plain = type == FRAGMENT_PLAIN;
    if (many && threadIdx.x == 0)
        ring_arrive(&c.shared.go, 1);
    if (!many && stage != STAGE_X)
        block_wait(); /* for the activations */
    for (uint32_t at = 0; at < s.count; at += s.group) {
        const round_share r = round_of(p, s, at);
        if (!many && stage == STAGE_X) {
            block_wait();
            load_records(c.activations, c.pitch, c.w.xc, c.w.inner_pitch, r.begin, r.units, c.lanes,
                         !plain);
            block_wait();
        }
        float acc[LANES / 2];
#pragma unroll
        for (int i = 0; i < LANES / 2; i++)
            acc[i] = 0;
        if (tile < r.tiles)
            slice_by_type(acc, c, type, r, tile, first, p.slices);
        const uint32_t shift = stage_shift<LANES>(type);
        c.turn += ((r.units + (1u << shift) - 1) >> shift) * r.tiles;
        c.piece += r.units;
        float *parts = c.parts;
        if constexpr (many) {
            for (uint32_t k = 0; k < p.slices; k++) {
                if (first == k && tile < r.tiles)
                    add_parts(parts, acc, plain, tile, k == 0);
                block_wait();
            }
        } else {
            c.parity ^= 1;
            parts += c.parity * WARPS * 16 * c.lanes;
            put_parts(parts, acc, plain, c.lanes);
            stash_wait();
            block_wait();
        }
        const results<LANES> out = {parts,   p.slices,  r.tiles * 16, r.tile * 16,
                                    c.lanes, p.outputs, at == 0};
        finish(c, out, stage, r.begin / p.cut);
        if (many)
            block_wait();
    }
}

/* A layer's struct from memory, which would be waited for again and again. */
template <int LANES>
__device__ __forceinline__ void load_layer(token_shared<LANES> &shared,
                                           const struct token_model &model, uint32_t index)
{
    if (index < model.layer_count && threadIdx.x < sizeof(struct token_layer) / 4)
        ((uint32_t *)&shared.layers[index % 2])[threadIdx.x] =
            ((const uint32_t *)&model.layers[index])[threadIdx.x];
}

/* Norms' weights are the same for all blocks: one line each to L2, before they are wanted. */
template <int LANES>
__device__ __forceinline__ void fetch_norm(const token_run_state<LANES> &c, uint32_t next)
{
    const float *weight =
        next < c.model.layer_count ? c.shared.layers[next % 2].norm : c.model.output_norm;
    for (uint32_t at = (threadIdx.x * gridDim.x + blockIdx.x) * 32; at < c.model.embedding;
         at += THREADS * gridDim.x * 32)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(weight + at));
}

template <int LANES>
__device__ __forceinline__ void compute(token_run_state<LANES> &c, const shared_matrix *matrices,
                                        uint32_t steps)
{
    constexpr bool many = LANES > FEW;
    uint32_t target = 0;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t index = step / 4;
        const uint32_t stage = step + 1 == steps ? (uint32_t)STAGE_LOGITS : step % 4;
        const uint32_t type = matrices[step].type;
        c.layer = &c.shared.layers[index % 2];
        c.s.layer_offset = (size_t)index * (c.s.states + c.s.taps - 1) * c.s.inner;
        if (stage == STAGE_IN) {
            load_layer(c.shared, c.model, index + 1);
            stash_for(c, STAGE_IN, false);
        } else if (stage == STAGE_X) {
            stash_for(c, STAGE_DT, true);
            fetch_norm(c, index + 1);
        } else if (stage == STAGE_OUT) {
            stash_for(c, STAGE_OUT, false);
        }
        prepare(c, stage, type != FRAGMENT_PLAIN, target);
        product(c, stage, type);
        if (stage == STAGE_IN)
            stash_for(c, STAGE_DT, false);
        if (stage != STAGE_LOGITS)
            grid_barrier(c.w.barrier, target, many);
    }
    grid_leave(c.w.barrier);
}

/* --- the kernel --------------------------------------------------------------------------- */

__device__ __forceinline__ void list_matrices(shared_matrix *to, const struct token_model &model)
{
    for (uint32_t i = threadIdx.x; i <= model.layer_count * 4; i += blockDim.x) {
        const struct device_matrix *m = &model.output;
        if (i < model.layer_count * 4) {
            const struct token_layer *layer = &model.layers[i / 4];
            m = i % 4 == STAGE_IN   ? &layer->in
                : i % 4 == STAGE_X  ? &layer->x
                : i % 4 == STAGE_DT ? &layer->dt
                                    : &layer->out;
        }
        to[i].data = (const uint8_t *)m->data;
        to[i].type = m->form == DEVICE_PACKED ? (uint32_t)m->type : (uint32_t)FRAGMENT_PLAIN;
    }
}

template <int LANES> struct token_threads {
    static constexpr int value = THREADS + (LANES > FEW ? 64 : 32);
};

template <int LANES>
__global__ void __launch_bounds__(token_threads<LANES>::value, 1)
    token_kernel(const __grid_constant__ struct token_model model,
                 const __grid_constant__ token_work w, const __grid_constant__ token_places places,
                 const struct token_lanes *lane_table, uint32_t lanes)
{
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) uint8_t memory[];
    token_shared<LANES> &shared = *(token_shared<LANES> *)memory;
    shared_matrix *matrices = (shared_matrix *)(memory + places.matrices);
    const uint32_t steps = model.layer_count * 4 + 1;
    const token_ring ring = {memory + places.ring,
                             shared.full,
                             shared.empty,
                             {places.slots, places.inverse},
                             LANES > FEW ? (uint32_t)SLOT_MANY : (uint32_t)SLOT,
                             places.flying};

    list_matrices(matrices, model);
    load_layer(shared, model, 0);
    for (uint32_t n = threadIdx.x; n < lanes; n += blockDim.x)
        shared.states[n] = lane_table->states[n];
    if (threadIdx.x == 0) {
        for (uint32_t i = 0; i < FULLS; i++)
            ring_init(&shared.full[i], 1);
        for (uint32_t i = 0; i < places.slots; i++)
            ring_init(&shared.empty[i], WARPS);
        for (uint32_t i = 0; i < PIECE_FULLS; i++)
            ring_init(&shared.piece_full[i], 1);
        for (uint32_t i = 0; i < PIECES; i++)
            ring_init(&shared.piece_empty[i], WARPS);
        ring_init(&shared.go, 1);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (threadIdx.x / 32 == WARPS) {
        fetch_weights<LANES>(w, ring, matrices, steps);
    } else if (threadIdx.x / 32 > WARPS) {
        fetch_records(w, memory + places.activations, shared.piece_full, shared.piece_empty,
                      &shared.go, matrices, steps, lanes);
    } else {
        float *stash = (float *)(memory + places.stash) + threadIdx.x % STASH;
        token_run_state<LANES> c = {model,
                                    w,
                                    shared,
                                    ring,
                                    memory + places.activations,
                                    (float *)(memory + places.parts),
                                    {stash},
                                    places.pitch,
                                    lanes,
                                    0,
                                    0,
                                    0,
                                    model.shape,
                                    NULL};
        compute(c, matrices, steps);
    }
#endif
}

/* --- the host's side ---------------------------------------------------------------------- */

struct token {
    struct token_model model;
    struct token_work work;
    void *memory;
    int blocks, shared_bytes;
};

static uint32_t power_from(uint32_t value)
{
    uint32_t power = 1;
    while (power < value)
        power *= 2;
    return power;
}

static uint32_t divided_up(uint32_t value, uint32_t by)
{
    return (value + by - 1) / by;
}

/* Warps that have no tile of their own share one, as far as its columns go. */
static struct product_shape shape_of(uint32_t outputs, uint32_t columns, uint32_t blocks)
{
    struct product_shape p = {};
    p.outputs = outputs;
    p.tiles = divided_up(outputs, 16);
    p.units = p.cut = divided_up(columns, 256);
    p.each = divided_up(p.tiles, blocks);
    const uint32_t tiles = power_from(p.each < 8 ? p.each : 8);
    p.slices = power_from(p.units) < WARPS / tiles ? power_from(p.units) : WARPS / tiles;
    return p;
}

/* `x` has few rows: all blocks get some of them, and some of the columns. */
static struct product_shape shape_of_x(uint32_t outputs, uint32_t columns, uint32_t blocks)
{
    struct product_shape p = shape_of(outputs, columns, blocks);
    const uint32_t cuts = p.tiles < blocks ? blocks / p.tiles : 1;
    p.cut = power_from(divided_up(p.units, cuts));
    p.each = divided_up(p.tiles * divided_up(p.units, p.cut), blocks);
    p.slices = p.cut < WARPS ? p.cut : WARPS;
    return p;
}

static size_t lay_out(struct token *t, uint8_t *base)
{
    struct token_work *w = &t->work;
    const struct token_model *m = &t->model;
    const uint32_t blocks = (uint32_t)t->blocks, inner = m->shape.inner;
    size_t used = 0;
    auto take = [&](size_t bytes) {
        uint8_t *at = base ? base + used : NULL;
        used += (bytes + 255) / 256 * 256;
        return (void *)at;
    };
    w->shapes[STAGE_IN] = shape_of(2 * inner, m->embedding, blocks);
    w->shapes[STAGE_X] = shape_of_x(m->shape.rank + 2 * m->shape.states, inner, blocks);
    w->shapes[STAGE_DT] = shape_of(inner, m->shape.rank, blocks);
    w->shapes[STAGE_OUT] = shape_of(m->embedding, inner, blocks);
    w->shapes[STAGE_LOGITS] = shape_of(m->vocabulary, m->embedding, blocks);
    const struct product_shape *x = &w->shapes[STAGE_X];
    w->embedding_stride = device_round_up(m->embedding, 256);
    w->inner_stride = device_round_up(inner, 256);
    w->mixer_stride = device_round_up(m->shape.rank + 2 * m->shape.states, 16);
    w->embedding_pitch = w->embedding_stride / 256 * RECORD;
    w->inner_pitch = w->inner_stride / 256 * RECORD;
    w->rank_pitch = device_round_up(m->shape.rank, 256) / 256 * RECORD;
    w->barrier = (uint32_t *)take(256);
    w->x = (float *)take((size_t)TOKEN_LANES * w->embedding_stride * 4);
    w->z = (float *)take((size_t)TOKEN_LANES * w->inner_stride * 4);
    w->part =
        (float *)take((size_t)divided_up(x->units, x->cut) * TOKEN_LANES * w->mixer_stride * 4);
    w->bc = (float *)take((size_t)TOKEN_LANES * 32 * 4);
    w->logits = (float *)take((size_t)TOKEN_LANES * m->vocabulary * 4);
    w->u = (uint8_t *)take((size_t)TOKEN_LANES * w->embedding_pitch);
    w->xc = (uint8_t *)take((size_t)TOKEN_LANES * w->inner_pitch);
    w->dt = (uint8_t *)take((size_t)TOKEN_LANES * w->rank_pitch);
    w->y = (uint8_t *)take((size_t)TOKEN_LANES * w->inner_pitch);
    w->integers = (uint8_t *)take((size_t)TOKEN_LANES * w->inner_pitch);
    return used;
}

/* False when fewer than two slots are left for the ring. */
static bool place(struct token_places *p, const struct token *t, uint32_t lanes)
{
    const bool few = lanes <= FEW;
    const uint32_t slot = few ? SLOT : SLOT_MANY, room = (uint32_t)t->shared_bytes;
    uint32_t used = few ? sizeof(token_shared<FEW>) : sizeof(token_shared<TOKEN_LANES>);
    auto take = [&](size_t bytes) {
        uint32_t at = device_round_up(used, 128);
        used = at + (uint32_t)bytes;
        return at;
    };
    uint32_t units = 0, values = t->work.mixer_stride * 4;
    for (int i = 0; i < STAGES; i++)
        if (t->work.shapes[i].cut > units)
            units = t->work.shapes[i].cut;
    p->pitch = few ? units * RECORD + (units % 2 ? 0 : 64) : RECORD;
    p->activations = take(few ? (size_t)lanes * p->pitch : (size_t)PIECES * TOKEN_LANES * RECORD);
    size_t parts = few ? (size_t)2 * WARPS * 16 * 4 * lanes : (size_t)8 * 16 * 4 * SUMS_PITCH;
    p->parts = take(parts > values ? parts : values);
    p->stash = take(few ? STASH * STASH_EACH * 4 : 0);
    p->matrices = take((t->model.layer_count * 4 + 1) * sizeof(struct shared_matrix));
    p->ring = take(0);
    p->slots = p->ring < room ? (room - p->ring) / slot : 0;
    if (p->slots > MOST_SLOTS)
        p->slots = MOST_SLOTS;
    p->inverse = p->slots < 2 ? 0 : (uint32_t)(((1ull << 32) + p->slots - 1) / p->slots);
    p->flying = few ? FLYING : FLYING_MANY;
    if (getenv("FLYING"))
        p->flying = (uint32_t)atoi(getenv("FLYING"));
    p->bytes = p->ring + p->slots * slot;
    return p->slots >= 2;
}

template <int LANES> static bool fits(const struct token *t)
{
    struct token_places p;
    int blocks = 0;
    return place(&p, t, LANES) &&
           cudaFuncSetAttribute(token_kernel<LANES>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                t->shared_bytes) == cudaSuccess &&
           cudaOccupancyMaxActiveBlocksPerMultiprocessor(
               &blocks, token_kernel<LANES>, token_threads<LANES>::value, p.bytes) == cudaSuccess &&
           blocks >= 1;
}

/* Bulk copies and barriers that count bytes came with compute capability 9. */
static bool able(struct token *t)
{
    int device = 0, cooperative = 0, major = 0;
    return cudaGetDevice(&device) == cudaSuccess &&
           cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) ==
               cudaSuccess &&
           cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, device) ==
               cudaSuccess &&
           cudaDeviceGetAttribute(&t->blocks, cudaDevAttrMultiProcessorCount, device) ==
               cudaSuccess &&
           cudaDeviceGetAttribute(&t->shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                  device) == cudaSuccess &&
           major >= 9 && cooperative && t->blocks > 0;
}

struct token *token_new(const struct token_model *model, char why[256])
{
    struct token *t = (struct token *)calloc(1, sizeof *t);
    snprintf(why, 256, "out of memory");
    if (!t)
        return NULL;
    t->model = *model;
    if (!able(t)) {
        snprintf(why, 256, "the device cannot keep a kernel on all its multiprocessors");
    } else {
        size_t bytes = lay_out(t, NULL);
        if (model->layer_count > MOST_LAYERS || model->shape.states > 16 || !fits<FEW>(t) ||
            !fits<TOKEN_LANES>(t)) {
            snprintf(why, 256, "the model does not fit the kernel");
        } else if (cudaMalloc(&t->memory, bytes) == cudaSuccess &&
                   cudaMemset(t->memory, 0, bytes) == cudaSuccess) {
            lay_out(t, (uint8_t *)t->memory);
            return t;
        }
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
    struct token_places places;
    const bool few = count <= FEW;
    if (!place(&places, t, count))
        return cudaErrorInvalidValue;
    device_embed(t->work.x, t->work.embedding_stride, &t->model.embedding_matrix, lanes->tokens,
                 count, stream);
    void *arguments[] = {&t->model, &t->work, &places, &lanes, &count};
    return cudaLaunchCooperativeKernel(
        few ? (const void *)token_kernel<FEW> : (const void *)token_kernel<TOKEN_LANES>,
        dim3((uint32_t)t->blocks),
        dim3((uint32_t)(few ? token_threads<FEW>::value : token_threads<TOKEN_LANES>::value)),
        arguments, places.bytes, stream);
}
