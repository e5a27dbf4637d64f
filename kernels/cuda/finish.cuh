/* finish.cuh: a warp's part of a product, and what becomes of the sums; private to token.cu,
 * which explains the whole. */
#ifndef TIDEMARK_KERNELS_CUDA_FINISH_CUH
#define TIDEMARK_KERNELS_CUDA_FINISH_CUH

#include "kernels/cuda/share.cuh"

/* --- warps that compute ----------------------------------------------------------------- */

/* Sums that a thread carries for a tile. */
__host__ __device__ constexpr int sums_of(int lanes)
{
    return lanes < FEW ? 4 : lanes / 2;
}

/* What the computing threads carry along. */
template <int LANES> struct token_run_state {
    const struct token_model &model;
    const token_work &w;
    token_shared<LANES> &shared;
    token_ring ring;
    uint8_t *activations, *records; /* of few lanes; of the product at hand */
    float *parts;
    struct stash stash;
    struct late_stores late;
    uint32_t pitch, x_records, lanes;
    uint32_t turn, piece, parity; /* of the ring, of the pieces, of the parts' two halves */
    struct device_layer_shape s;
    const struct token_layer *layer;
};

/* This warp's slice of a tile of the round, turn by turn. */
template <int TYPE, int LANES>
__device__ __forceinline__ void slice(float *acc, const token_run_state<LANES> &c,
                                      const round_share &r, uint32_t tile, uint32_t first,
                                      uint32_t slices)
{
    constexpr bool many = LANES > FEW, plain = TYPE == FRAGMENT_PLAIN;
    constexpr uint32_t bytes = tile_bytes<TYPE>::value;
    const uint32_t shift = turn_shift<LANES>(plain, bytes, c.ring.plain_shift);
    const ring_turns piece_turns = {PIECES, (uint32_t)(((1ull << 32) + PIECES - 1) / PIECES)};
    uint32_t unit = first;
#pragma unroll 1
    while (unit < r.units) {
        uint32_t phase;
        const uint32_t turn = c.turn + (unit >> shift) * r.tiles + tile;
        const uint32_t slot = c.ring.turns.slot(turn, phase);
        const uint8_t *from = c.ring.slots + slot * c.ring.slot_bytes;
        const uint32_t end = min(r.units, ((unit >> shift) + 1) << shift);
        ring_wait(&c.ring.full[turn % FULLS], turn / FULLS & 1);
        if constexpr (LANES == ONE && !plain) {
            const uint32_t within = unit & ((1u << shift) - 1);
            const uint8_t *tile = from + within * bytes, *record = c.records + unit * RECORD;
#pragma unroll 1
            for (; unit + slices < end; unit += 2 * slices) {
                acc[0] = fragment<TYPE>::two(acc[0], {tile}, record, {tile + slices * bytes},
                                             record + slices * RECORD);
                tile += 2 * slices * bytes;
                record += 2 * slices * RECORD;
            }
        }
#pragma unroll 1
        for (; unit < end; unit += slices) {
            fragment_records records = {c.records + unit * RECORD, c.pitch, c.lanes};
            uint32_t piece = 0;
            if (many) {
                const uint32_t number = c.piece + unit;
                piece = piece_turns.slot(number, phase);
                records = {c.activations + piece * PIECE, RECORD, TOKEN_LANES};
                ring_wait(&c.shared.piece_full[number % PIECE_FULLS], number / PIECE_FULLS & 1);
            }
            const uint32_t within = unit & ((1u << shift) - 1);
            if constexpr (plain) {
                fragment_plain<(LANES + 7) / 8>(acc, from + within * 512, row_pitch(shift),
                                                records);
            } else if constexpr (LANES == ONE) {
                acc[0] = fragment<TYPE>{from + within * bytes}.one(acc[0], records.base);
            } else {
                constexpr int at_once = !many ? 1 : fragment<TYPE>::integers ? 4 : 2;
                const fragment<TYPE> f = {from + within * bytes};
#pragma unroll
                for (uint32_t n = 0; n < LANES / 4; n += at_once)
                    if (n == 0 || n * 4 < c.lanes)
                        f.template multiply<at_once>(acc + 2 * n, records, n);
            }
            if (many)
                ring_arrive(&c.shared.piece_empty[piece], 1);
        }
        ring_arrive(&c.ring.empty[slot], 1);
    }
}

template <int TYPE> struct type_tag {
    static constexpr int value = TYPE;
};

/* What `call` does for a type that is known when the kernel runs. */
template <typename CALL> __device__ __forceinline__ void by_type(uint32_t type, CALL call)
{
    switch (type) {
    case BLOCKS_Q4_0:
        call(type_tag<BLOCKS_Q4_0>());
        break;
    case BLOCKS_Q5_0:
        call(type_tag<BLOCKS_Q5_0>());
        break;
    case BLOCKS_Q5_1:
        call(type_tag<BLOCKS_Q5_1>());
        break;
    case BLOCKS_Q8_0:
        call(type_tag<BLOCKS_Q8_0>());
        break;
    case BLOCKS_Q4_K:
        call(type_tag<BLOCKS_Q4_K>());
        break;
    case BLOCKS_Q5_K:
        call(type_tag<BLOCKS_Q5_K>());
        break;
    case BLOCKS_Q6_K:
        call(type_tag<BLOCKS_Q6_K>());
        break;
    default:
        call(type_tag<FRAGMENT_PLAIN>());
        break;
    }
}

template <int LANES>
__device__ __forceinline__ void slice_by_type(float *acc, const token_run_state<LANES> &c,
                                              uint32_t type, const round_share &r, uint32_t tile,
                                              uint32_t first, uint32_t slices)
{
    by_type(type, [&](auto tag) { slice<decltype(tag)::value>(acc, c, r, tile, first, slices); });
}

/* Where a thread's acc[i] belongs: lane n and row of the tile. */
__device__ __forceinline__ void place_of(uint32_t i, bool plain, uint32_t &n, uint32_t &row)
{
    const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    n = plain ? i / 4 * 8 + 2 * t + i % 2 : i / 2 * 4 + t;
    row = g + (plain ? i / 2 : i) % 2 * 8;
}

/* One lane: a slice's sums [16] to shared memory. */
__device__ __forceinline__ void put_parts(float *to, const float acc[sums_of(ONE)], bool plain)
{
    const uint32_t lane = threadIdx.x % 32, t = lane % 4;
    to += lane / 4;
    if (plain ? t == 0 : t < 2)
        to[plain ? 0 : t * 8] = acc[0];
    if (plain && t == 0)
        to[8] = acc[2];
}

/* Few lanes: every warp's sums [WARPS][16][lanes] to shared memory. */
__device__ __forceinline__ void put_parts(float *parts, const float acc[sums_of(FEW)], bool plain,
                                          uint32_t lanes)
{
#pragma unroll
    for (uint32_t i = 0; i < sums_of(FEW); i++) {
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

__device__ __forceinline__ __nv_bfloat16 *record_at(uint8_t *records, uint32_t n, uint32_t column)
{
    return (__nv_bfloat16 *)(records + (size_t)(column / 256) * PIECE + n * RECORD) + column % 256;
}

/* --- what becomes of a product's sums ---------------------------------------------------- */

/* Results [rows][lanes] of a round. */
template <int LANES> struct results {
    const float *parts;
    uint32_t slices, rows, inverse; /* 2^32 / rows, rounded up */
    uint32_t tile, lanes, outputs;  /* the first row's tile of the matrix */
    bool stashed;                   /* the thread's first result is what the stash is for */

    /* Result i is row r of the round and lane n. */
    __device__ __forceinline__ void place(uint32_t i, uint32_t &r, uint32_t &n) const
    {
        n = lanes == 1 ? 0 : __umulhi(i, inverse);
        r = i - n * rows;
    }
    /* The matrix's row. */
    __device__ __forceinline__ uint32_t row(uint32_t r) const
    {
        return tile * 16 + r;
    }

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
__device__ __forceinline__ void finish_in(token_run_state<LANES> &c, const results<LANES> &p)
{
    constexpr uint32_t batch = LANES > FEW ? 4 : 1;
    const uint32_t total = p.rows * p.lanes, inner = c.s.inner;
    for (uint32_t i0 = threadIdx.x; i0 < total; i0 += THREADS * batch) {
        conv_numbers numbers[batch];
#pragma unroll
        for (uint32_t b = 0; b < batch; b++) {
            const uint32_t i = i0 + b * THREADS;
            uint32_t r, n;
            p.place(i, r, n);
            const uint32_t row = p.row(r);
            if (i >= total || row >= inner)
                continue;
            const float *tail =
                c.shared.states[n] + c.s.layer_offset + (size_t)c.s.states * inner + row;
            if constexpr (LANES > FEW) {
                conv_load(numbers[b], tail, *c.layer, row, c.s);
            } else {
                if (!p.from_stash(i)) {
                    conv_fetch(c.stash, tail, *c.layer, row, c.s);
                    stash_wait();
                }
                conv_take(numbers[b], c.stash, c.s);
            }
        }
#pragma unroll
        for (uint32_t b = 0; b < batch; b++) {
            const uint32_t i = i0 + b * THREADS;
            uint32_t r, n;
            p.place(i, r, n);
            const uint32_t row = p.row(r);
            if (i >= total || row >= p.outputs)
                continue;
            const float value = p.sum(r, n);
            float *tail = c.shared.states[n] + c.s.layer_offset + (size_t)c.s.states * inner + row;
            if (row >= inner)
                c.w.z[(size_t)n * c.w.inner_stride + row - inner] = math_silu(value);
            else
                *record_at(c.w.xc, n, row) =
                    __float2bfloat16_rn(conv_step(numbers[b], tail, value, c.late, c.s));
        }
    }
}

/* Few lanes: four threads a channel, thread 8 q + r of a warp has quarter q of channel r. */
__device__ __forceinline__ uint32_t scan_row(uint32_t i)
{
    return i / 32 * 8 + i % 8;
}

template <int LANES>
__device__ __forceinline__ void finish_dt(token_run_state<LANES> &c, const results<LANES> &p)
{
    const uint32_t each = p.rows * 4, total = each * p.lanes, quarter = threadIdx.x / 8 % 4;
    for (uint32_t i = threadIdx.x; i < total; i += THREADS) { /* whole warps */
        const uint32_t n = p.lanes == 1 ? 0 : i / each, r = scan_row(i - n * each), d = p.row(r);
        float *h = c.shared.states[n] + c.s.layer_offset, sum = 0, z = 0;
        scan_numbers numbers = {};
        if (d < p.outputs) {
            if (!p.from_stash(i)) {
                scan_fetch(c.stash, h, *c.layer, d, quarter, c.s);
                scan_fetch_made(c.stash, record_at(c.w.xc, n, d),
                                c.w.z + (size_t)n * c.w.inner_stride + d);
                stash_wait();
            }
            scan_take(numbers, c.stash, c.s);
            scan_take_made(numbers.x, z, c.stash, d);
            const float delta = math_softplus(__fadd_rn(p.sum(r, n), numbers.bias));
            sum = scan_step(numbers, h, c.shared.bc[n], delta, __fmul_rn(delta, numbers.x), d,
                            quarter, c.late, c.s);
        }
        sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 8));
        sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 16));
        if (quarter == 0 && d < p.outputs)
            *record_at(c.w.y, n, d) =
                __float2bfloat16_rn(__fmul_rn(__fmaf_rn(numbers.skip, numbers.x, sum), z));
    }
}

/* Many lanes: a thread a channel and lane, whose quarters are added as above. */
__device__ __forceinline__ void finish_dt(token_run_state<TOKEN_LANES> &c,
                                          const results<TOKEN_LANES> &p)
{
    const uint32_t total = p.rows * p.lanes;
    for (uint32_t i = threadIdx.x; i < total; i += THREADS) {
        uint32_t r, n;
        p.place(i, r, n);
        const uint32_t d = p.row(r);
        if (d >= p.outputs)
            continue;
        float *h = c.shared.states[n] + c.s.layer_offset, sum[4];
        scan_numbers numbers[4];
#pragma unroll
        for (uint32_t q = 0; q < 4; q++)
            scan_load(numbers[q], h, *c.layer, d, q, c.s);
        const float x = math_load(record_at(c.w.xc, n, d));
        const float z = __ldcg(c.w.z + (size_t)n * c.w.inner_stride + d);
        const float delta = math_softplus(__fadd_rn(p.sum(r, n), numbers[0].bias));
#pragma unroll
        for (uint32_t q = 0; q < 4; q++)
            sum[q] = scan_step(numbers[q], h, c.shared.bc[n], delta, __fmul_rn(delta, x), d, q,
                               c.late, c.s);
        const float all = __fadd_rn(__fadd_rn(sum[0], sum[1]), __fadd_rn(sum[2], sum[3]));
        *record_at(c.w.y, n, d) =
            __float2bfloat16_rn(__fmul_rn(__fmaf_rn(numbers[0].skip, x, all), z));
    }
}

template <int LANES>
__device__ __forceinline__ void finish_plain(const token_run_state<LANES> &c,
                                             const results<LANES> &p, uint32_t stage, uint32_t cut)
{
    const uint32_t total = p.rows * p.lanes;
    for (uint32_t i = threadIdx.x; i < total; i += THREADS) {
        uint32_t r, n;
        p.place(i, r, n);
        const uint32_t row = p.row(r);
        if (row >= p.outputs)
            continue;
        const float value = p.sum(r, n);
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
__device__ __forceinline__ void finish(token_run_state<LANES> &c, const results<LANES> &p,
                                       uint32_t stage, uint32_t cut)
{
    if (stage == STAGE_IN || stage == STAGE_GATE || stage == STAGE_GATE_REST)
        finish_in(c, p);
    else if (stage == STAGE_DT)
        finish_dt(c, p);
    else
        finish_plain(c, p, stage, cut);
}

#endif
