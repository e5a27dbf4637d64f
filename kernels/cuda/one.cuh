/* one.cuh: the kernel for one lane; private to token.cu, which explains the whole.
 *
 * With one lane little is computed beside reading the weights, and what is left to win is the
 * time in which blocks wait for each other. So there are no barriers over the grid: x, the
 * channels, the parts of `x` and y go from block to block as words with a flag (flagged.cuh),
 * and a block goes on as soon as it has what it needs itself. What only the block's own rows
 * need, gates, channels and the residual's rows, stays in its shared memory.
 *
 * Eight warps multiply by `in`, `dt` and `out`. Three others stand aside: while the gates are
 * made, they multiply the block's share of `x`, gather its parts from all blocks and make of
 * them what `dt` and the scan want; and they fetch what the eight will need of memory. So the
 * way from the channels over two exchanges to the scan goes beside a third of the weights.
 *
 * No word is written again before all have read it, because of what comes from what: who writes
 * x has got all of y, whose makers have got the parts, whose makers have got channels, whose
 * makers had got the last x; and likewise around for each of the four. In the same way those
 * aside know that the eight are done with what they write over: who has a layer's parts knows
 * that its block's channels are made. For this each block's gates and scan must be those of its
 * channels: the channels are a multiple of 16.
 *
 * Sums are those of few lanes, bit for bit. */
#ifndef TIDEMARK_KERNELS_CUDA_ONE_CUH
#define TIDEMARK_KERNELS_CUDA_ONE_CUH

#include "kernels/cuda/entry.cuh"
#include "kernels/cuda/flagged.cuh"

enum {
    ONE_THREADS = THREADS + ASIDE + 32,
    ONE_ROWS = WARPS * 16, /* of a round at most */
    ONE_PARTS = 4,         /* rounds whose sums have a place of their own; the last two of gates */
    ONE_SUMS = WARPS * 16,
    ONE_SCAN = 10, /* numbers of a thread's first result */
    ONE_CONV = 8,
};

/* What a block has to do in a step: worked out once, and read in one piece. */
struct __align__(16) one_step
{
    uint8_t stage, type, slice_shift, group; /* of a round: warps a tile, as a power of 2; tiles */
    uint8_t shift, unused;                   /* units of a turn, as a power of 2 */
    uint16_t units;                          /* of a row */
    uint32_t count, turns;                   /* items, and turns of the ring in all */
};

struct one_state : token_run_state<ONE> {
    uint8_t *x_records, *dt_records;
    float *xc, *gate, *x; /* of the block's own rows: channels, and of the residual */
    float *aside;         /* sums of `x`, then values of mix */
    float *stashes;       /* for the scan; for two layers' convolutions, side by side */
    uint32_t flag;        /* of the layer */

    __device__ __forceinline__ struct stash for_scan(uint32_t i) const
    {
        return {stashes + i};
    }
    __device__ __forceinline__ struct stash for_conv(uint32_t index, uint32_t i) const
    {
        return {stashes + ONE_SCAN * STASH + index % 2 * ONE_ROWS + i};
    }
};

static_assert(2 * ONE_ROWS <= STASH, "two layers' rows lie beside each other");

__device__ __forceinline__ void aside_wait()
{
    asm volatile("bar.sync 3, %0;" ::"r"((int)ASIDE) : "memory");
}

/* --- what comes from other blocks --------------------------------------------------------- */

/* The residual, written by the layer before; the first layer's is the embedding's row. */
struct flagged_source {
    const float *first;
    const uint64_t *words;
    uint32_t flag;

    template <int N>
    __device__ __forceinline__ void load(float out[N][8], uint32_t at, uint32_t stride,
                                         uint32_t size) const
    {
        if (first) {
            plain_source{first}.load<N>(out, at, stride, size);
            return;
        }
        uint32_t payload[4 * N][2], wanted = 0;
#pragma unroll
        for (uint32_t k = 0; k < N; k++)
            wanted |= at + k * stride < size ? 15u << 4 * k : 0;
        const uint64_t *from = words + flagged_float(at);
        flagged_wait<4 * N, 2>(payload, wanted, flag,
                               [=](int k) { return from + k / 4 * stride + k % 4 * 64; });
#pragma unroll
        for (int k = 0; k < N; k++)
#pragma unroll
            for (int i = 0; i < 8; i++)
                out[k][i] = __uint_as_float(payload[4 * k + i / 2][i % 2]);
    }
};

/* Records [units] of BF16 from unit `begin` on, by `warps` of which this is number `warp`; there
 * are `size` columns in all. */
template <uint32_t warps, uint32_t AT_ONCE>
__device__ __forceinline__ void one_records(uint8_t *records, const uint64_t *words, uint32_t begin,
                                            uint32_t units, uint32_t size, uint32_t flag,
                                            bool integers, uint32_t warp)
{
    const uint32_t lane = threadIdx.x % 32;
#pragma unroll 1
    for (uint32_t unit = warp; unit < units; unit += warps * AT_ONCE) {
        uint32_t payload[2 * AT_ONCE][2], wanted = 0;
#pragma unroll
        for (uint32_t k = 0; k < AT_ONCE; k++) {
            const uint32_t u = unit + k * warps;
            wanted |= u < units && (begin + u) * 256 + lane * 8 < size ? 3u << 2 * k : 0;
        }
        const uint64_t *from = words + (begin + unit) * FLAGGED_PAIRS + lane * 2;
        flagged_wait<2 * AT_ONCE, 2>(payload, wanted, flag, [=](int k) {
            return from + k / 2 * (warps * FLAGGED_PAIRS) + k % 2 * 64;
        });
#pragma unroll
        for (uint32_t k = 0; k < AT_ONCE; k++)
            if (unit + k * warps < units)
                put_record(records + (unit + k * warps) * RECORD,
                           make_uint4(payload[2 * k][0], payload[2 * k][1], payload[2 * k + 1][0],
                                      payload[2 * k + 1][1]),
                           integers);
    }
}

/* A stage's activations. */
__device__ __forceinline__ void one_prepare(one_state &c, const one_step &step, uint32_t &passed)
{
    const uint32_t stage = step.stage, units = step.units;
    const bool integers = step.type != FRAGMENT_PLAIN;
    if (stage == STAGE_OUT) /* the scan is over */
        ring_arrive(&c.shared.go, 1);
    if (step.count == 0)
        return;
    c.records = stage == STAGE_DT ? c.dt_records : c.activations;
    if (stage == STAGE_IN || stage == STAGE_LOGITS) {
        const float *weight = stage == STAGE_IN ? c.layer->norm : c.model.output_norm;
        const flagged_source x = {c.s.layer_offset == 0 && stage == STAGE_IN ? c.w.x : NULL,
                                  c.w.flagged_x, stage == STAGE_IN ? c.flag - 1 : c.flag};
        normalize(c.records, RECORD, x, weight, c.model.epsilon, c.model.embedding, units,
                  c.shared.scratch[0], integers);
        block_wait();
    } else if (stage == STAGE_DT) {
        ring_wait(&c.shared.come, passed++ & 1);
    } else if (stage == STAGE_OUT) {
        one_records<WARPS, 4>(c.records, c.w.flagged_y, 0, units, c.s.inner, c.flag, integers,
                              threadIdx.x / 32);
        block_wait();
    }
}

/* --- what becomes of a product's sums ------------------------------------------------------ */

/* A round's sums, rows of `tile` and of those after it; `own` is the first row's number among
 * the block's own of that matrix. */
struct one_sums {
    const float *parts;
    uint32_t slices, rows, tile, own, outputs;
    uint32_t index; /* of the layer */
    bool stashed;   /* numbers were fetched ahead */

    /* The slices in order. */
    __device__ __forceinline__ float of(uint32_t row) const
    {
        const float *from = parts + row / 16 * slices * 16 + row % 16;
        float part[WARPS], sum;
#pragma unroll
        for (uint32_t k = 0; k < WARPS; k++)
            part[k] = from[k < slices ? k * 16 : 0];
        sum = part[0];
#pragma unroll
        for (uint32_t k = 1; k < WARPS; k++)
            sum = k < slices ? __fadd_rn(sum, part[k]) : sum;
        return sum;
    }
};

/* A pair's word goes out from the even one of two neighbouring threads, `there` or not. */
__device__ __forceinline__ void one_send(uint64_t *words, uint32_t column, __nv_bfloat16 value,
                                         bool there, uint32_t flag)
{
    const uint32_t mine = __bfloat16_as_ushort(value);
    const uint32_t other = __shfl_xor_sync(0xFFFFFFFFu, mine, 1);
    if (there && threadIdx.x % 2 == 0)
        flagged_store(words + flagged_pair(column), other << 16 | mine, flag);
}

__device__ __forceinline__ void one_finish_in(one_state &c, const one_sums &p)
{
    const uint32_t end = (p.rows + 31) / 32 * 32; /* whole warps */
    for (uint32_t i = threadIdx.x; i < end; i += THREADS) {
        const uint32_t row = p.tile * 16 + i;
        __nv_bfloat16 value = __float2bfloat16_rn(0);
        if (i < p.rows) {
            float *tail =
                c.shared.states[0] + c.s.layer_offset + (size_t)c.s.states * c.s.inner + row;
            conv_numbers numbers;
            if (p.stashed)
                conv_take(numbers, c.for_conv(p.index, i), c.s);
            else
                conv_load(numbers, tail, *c.layer, row, c.s);
            value = __float2bfloat16_rn(conv_step(numbers, tail, p.of(i), c.late, c.s));
            c.xc[p.own + i] = __bfloat162float(value);
        }
        one_send(c.w.flagged_xc, row, value, i < p.rows, c.flag);
    }
}

__device__ __forceinline__ void one_finish_dt(one_state &c, const one_sums &p)
{
    const uint32_t quarter = threadIdx.x / 8 % 4;
    for (uint32_t i = threadIdx.x; i < p.rows * 4; i += THREADS) { /* whole warps */
        const uint32_t r = scan_row(i), d = p.tile * 16 + r;
        float *h = c.shared.states[0] + c.s.layer_offset;
        scan_numbers numbers;
        if (p.stashed && i < STASH)
            scan_take(numbers, c.for_scan(i), c.s);
        else
            scan_load(numbers, h, *c.layer, d, quarter, c.s);
        const float x = c.xc[p.own + r];
        const float delta = math_softplus(__fadd_rn(p.of(r), numbers.bias));
        float sum = scan_step(numbers, h, c.shared.bc[0], delta, __fmul_rn(delta, x), d, quarter,
                              c.late, c.s);
        sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 8));
        sum = __fadd_rn(sum, __shfl_xor_sync(0xFFFFFFFFu, sum, 16));
        const float y = __fmul_rn(__fmaf_rn(numbers.skip, x, sum), c.gate[p.own + r]);
        one_send(c.w.flagged_y, d, __float2bfloat16_rn(y), quarter == 0, c.flag);
    }
}

/* Gates by threads from `first` on. */
__device__ __forceinline__ void one_finish_gates(const one_state &c, const one_sums &p,
                                                 uint32_t first)
{
    for (uint32_t i = threadIdx.x - first; i < p.rows; i += THREADS)
        c.gate[p.own + i] = math_silu(p.of(i));
}

__device__ __forceinline__ void one_finish_plain(const one_state &c, const one_sums &p,
                                                 uint32_t stage)
{
    for (uint32_t i = threadIdx.x; i < p.rows; i += THREADS) {
        const uint32_t row = p.tile * 16 + i;
        if (row >= p.outputs)
            continue;
        const float value = p.of(i);
        if (stage == STAGE_OUT) {
            const float x = __fadd_rn(c.x[p.own + i], value);
            c.x[p.own + i] = x;
            flagged_store(c.w.flagged_x + flagged_float(row), __float_as_uint(x), c.flag);
        } else {
            c.w.logits[row] = value;
            c.shared.states[0][c.model.state_logits + row] = value;
        }
    }
}

/* --- the warps that multiply --------------------------------------------------------------- */

/* Turns of the ring that a round takes. */
__device__ __forceinline__ uint32_t one_turns(const round_share &r, uint32_t shift)
{
    return ((r.units + (1u << shift) - 1) >> shift) * r.tiles;
}

/* By all threads, each some of the steps. */
__device__ __forceinline__ void one_plan(one_step *plan, const token_work &w,
                                         const block_share *shares, const shared_matrix *matrices,
                                         uint32_t plain_shift, uint32_t steps)
{
    for (uint32_t step = threadIdx.x; step < steps; step += blockDim.x) {
        const uint32_t stage = stage_of(step, steps), type = matrices[matrix_of(step, stage)].type;
        const bool plain = type == FRAGMENT_PLAIN;
        const product_shape &p = w.shapes[stage];
        const block_share s = shares[stage];
        one_step o = {(uint8_t)stage,
                      (uint8_t)type,
                      (uint8_t)p.slice_shift[plain],
                      (uint8_t)group_of(p, plain),
                      (uint8_t)turn_shift<ONE>(plain, tile_bytes_of(type), plain_shift),
                      0,
                      (uint16_t)p.units,
                      s.count,
                      0};
        for (uint32_t at = 0; at < s.count; at += o.group)
            o.turns += one_turns(round_of(p, s, at, o.group), o.shift);
        plan[step] = o;
    }
}

/* A round's sums as they are found in the place number `place`. */
__device__ __forceinline__ one_sums one_round(const one_state &c, const one_step &step, uint32_t at,
                                              uint32_t place, uint32_t index)
{
    const product_shape &p = c.w.shapes[step.stage];
    const uint32_t first = c.shared.shares[step.stage].first;
    return {c.parts + place * ONE_SUMS,
            1u << step.slice_shift,
            min((uint32_t)step.group, step.count - at) * 16,
            p.base + first + at,
            (p.offset + at) * 16,
            p.outputs,
            index,
            at == 0};
}

/* The block's share of a product, and what becomes of it; `planned` is the step in the plan. */
__device__ __forceinline__ void one_product(one_state &c, const one_step &step,
                                            const one_step *planned, uint32_t index)
{
    const uint32_t stage = step.stage, warp = threadIdx.x / 32, tile = warp >> step.slice_shift;
    const uint32_t slices = 1u << step.slice_shift, first = warp & (slices - 1);
    const bool gates = stage == STAGE_GATE || stage == STAGE_GATE_REST;
    /* If a round is all that there is of the first gates, the others' sums are waited for with
     * theirs. */
    const one_step *gate = stage == STAGE_GATE ? planned : planned - 2;
    const bool both = gates && gate->count <= gate->group && gate[2].count > 0;
    const bool later = both && stage == STAGE_GATE;
    for (uint32_t at = 0; at < step.count; at += step.group) {
        const round_share r = {0, min((uint32_t)step.group, step.count - at), 0, 0, step.units};
        float acc[sums_of(ONE)];
#pragma unroll
        for (int i = 0; i < sums_of(ONE); i++)
            acc[i] = 0;
        if (tile < r.tiles)
            slice_by_type<ONE>(acc, c, step.type, r, tile, first, slices);
        c.turn += one_turns(r, step.shift);
        c.parity ^= 1;
        const uint32_t place = (gates ? 2 : 0) + (later ? 0 : both ? 1 : c.parity);
        put_parts(c.parts + place * ONE_SUMS + warp * 16, acc, step.type == FRAGMENT_PLAIN);
        if (later)
            break;
        block_wait();
        const one_sums sums = one_round(c, step, at, place, index);
        if (stage == STAGE_IN) {
            one_finish_in(c, sums);
        } else if (stage == STAGE_DT) {
            one_finish_dt(c, sums);
        } else if (gates) {
            if (both)
                one_finish_gates(c, one_round(c, *gate, 0, 2, index), 0);
            one_finish_gates(c, sums, both ? ONE_ROWS : 0);
        } else {
            one_finish_plain(c, sums, stage);
        }
    }
}

__device__ __forceinline__ void one_compute(one_state &c, const one_step *plan, uint32_t steps)
{
    const block_share own = c.shared.shares[STAGE_OUT];
    uint32_t passed = 0, index = 0;
    for (uint32_t i = threadIdx.x; i < own.count * 16; i += THREADS)
        if (own.first * 16 + i < c.model.embedding)
            c.x[i] = __ldcg(c.w.x + own.first * 16 + i);
    if (c.shared.shares[STAGE_DT].count > 0) /* else nothing holds back those who tell */
        ring_wait(&c.shared.come, passed++ & 1);
    enter_layer(c, 0);
#pragma unroll 1
    for (uint32_t i = 0; i < steps; i++) {
        const one_step step = plan[i];
        if (step.stage == STAGE_X) {
            c.turn += step.turns;
            continue;
        }
        if (step.stage == STAGE_IN)
            c.flag++;
        one_prepare(c, step, passed);
        one_product(c, step, plan + i, index);
        if (step.stage == STAGE_OUT && index + 1 < c.model.layer_count)
            enter_layer(c, ++index);
    }
}

/* --- the warps aside ------------------------------------------------------------------------- */

/* Numbers of a layer's scan, or of its convolution, for the first results of all threads. */
__device__ __forceinline__ void aside_fetch(const one_state &c, uint32_t stage, uint32_t index)
{
    const block_share s = c.shared.shares[stage];
    const struct token_layer &layer = c.shared.layers[index % c.shared.LAYERS];
    const uint32_t rows = min(WARPS, s.count) * 16, first = s.first * 16;
    const float *state =
        c.shared.states[0] + (size_t)index * (c.s.states + c.s.taps - 1) * c.s.inner;
    const float *tail = state + (size_t)c.s.states * c.s.inner;
    if (stage == STAGE_IN)
        for (uint32_t i = threadIdx.x - THREADS; i < rows; i += ASIDE)
            conv_fetch(c.for_conv(index, i), tail + first + i, layer, first + i, c.s);
    else
        for (uint32_t i = threadIdx.x - THREADS; i < rows * 4 && i < STASH; i += ASIDE)
            scan_fetch(c.for_scan(i), state, layer, first + scan_row(i), i / 8 % 4, c.s);
}

/* This warp's units of a tile, each a slice of its own: two of them at a time, which in slices
 * would wait for each other. */
template <int TYPE>
__device__ __forceinline__ void aside_units(const one_state &c, const round_share &r, uint32_t warp)
{
    enum { STRIDE = ASIDE / 32 };
    constexpr bool plain = TYPE == FRAGMENT_PLAIN;
    constexpr uint32_t bytes = plain ? 512 : tile_bytes<TYPE>::value;
    const uint32_t shift = turn_shift<ONE>(plain, tile_bytes<TYPE>::value, c.ring.plain_shift);
    uint32_t unit = warp;
    float acc[sums_of(ONE)];
#pragma unroll 1
    while (unit < r.units) {
        uint32_t phase, done = 0;
        const uint32_t turn = c.turn + (unit >> shift), slot = c.ring.turns.slot(turn, phase);
        const uint32_t begin = unit >> shift << shift, end = min(r.units, begin + (1u << shift));
        const uint8_t *from = c.ring.slots + slot * c.ring.slot_bytes;
        ring_wait(&c.ring.full[turn % FULLS], turn / FULLS & 1);
        if constexpr (!plain) {
#pragma unroll 1
            for (; unit + STRIDE < end; unit += 2 * STRIDE, done += 2) {
                const uint8_t *record = c.records + unit * RECORD;
                fragment<TYPE>::both(acc[0], acc[1], {from + (unit - begin) * bytes}, record,
                                     {from + (unit + STRIDE - begin) * bytes},
                                     record + STRIDE * RECORD);
                put_parts(c.aside + unit * 16, acc, false);
                put_parts(c.aside + (unit + STRIDE) * 16, acc + 1, false);
            }
        }
#pragma unroll 1
        for (; unit < end; unit += STRIDE, done++) {
#pragma unroll
            for (int i = 0; i < sums_of(ONE); i++)
                acc[i] = 0;
            if constexpr (plain)
                fragment_plain<1>(acc, from + (unit - begin) * bytes, row_pitch(shift),
                                  {c.records + unit * RECORD, RECORD, 1});
            else
                acc[0] =
                    fragment<TYPE>{from + (unit - begin) * bytes}.one(0, c.records + unit * RECORD);
            put_parts(c.aside + unit * 16, acc, plain);
        }
        ring_arrive(&c.ring.empty[slot], done);
    }
}

/* A round of the block's share of `x`: its slices' sums. */
__device__ __forceinline__ void aside_round(const one_state &c, const one_step &step,
                                            const round_share &r, uint32_t warp)
{
    const uint32_t slices = 1u << step.slice_shift;
    if (r.tiles == 1 && r.units == slices) {
        by_type(step.type, [&](auto tag) { aside_units<decltype(tag)::value>(c, r, warp); });
        return;
    }
#pragma unroll 1
    for (uint32_t k = warp; k < r.tiles << step.slice_shift; k += ASIDE / 32) {
        float acc[sums_of(ONE)];
#pragma unroll
        for (int i = 0; i < sums_of(ONE); i++)
            acc[i] = 0;
        slice_by_type<ONE>(acc, c, step.type, r, k >> step.slice_shift, k & (slices - 1), slices);
        put_parts(c.aside + k * 16, acc, step.type == FRAGMENT_PLAIN);
    }
}

/* The block's share of `x`. */
__device__ __forceinline__ void aside_multiply(one_state &c, const one_step &step)
{
    const product_shape &p = c.w.shapes[STAGE_X];
    const uint32_t warp = threadIdx.x / 32 - WARPS, slices = 1u << step.slice_shift;
    const bool plain = step.type == FRAGMENT_PLAIN;
    c.records = c.x_records;
    for (uint32_t at = 0; at < step.count; at += step.group) {
        const round_share r = round_of(p, c.shared.shares[STAGE_X], at, step.group);
        one_records<ASIDE / 32, 2>(c.x_records, c.w.flagged_xc, r.begin, r.units, c.s.inner, c.flag,
                                   !plain, warp);
        aside_wait();
        aside_round(c, step, r, warp);
        c.turn += one_turns(r, step.shift);
        aside_wait();
        const one_sums sums = {c.aside, slices, r.tiles * 16, r.item, 0, p.outputs, 0, false};
        for (uint32_t i = threadIdx.x - THREADS; i < sums.rows; i += ASIDE)
            if (r.item * 16 + i < p.outputs)
                flagged_store(c.w.flagged_parts + r.cut * c.w.mixer_stride + r.item * 16 + i,
                              __float_as_uint(sums.of(i)), c.flag);
    }
}

/* dt's records, B and C, as mix() makes them. */
__device__ __forceinline__ void aside_mix(const one_state &c, bool integers)
{
    enum { AT_ONCE = 3, PARTS = 4 };
    const struct device_layer_shape &s = c.s;
    const uint32_t outputs = s.rank + 2 * s.states, cuts = c.w.shapes[STAGE_X].cuts;
    float *values = c.aside + ONE_SUMS;
    for (uint32_t i = threadIdx.x - THREADS; i < outputs; i += AT_ONCE * ASIDE) {
        float sum[AT_ONCE] = {};
        for (uint32_t k = 0; k < cuts; k += PARTS) {
            uint32_t payload[AT_ONCE * PARTS][1], wanted = 0;
#pragma unroll
            for (uint32_t e = 0; e < AT_ONCE * PARTS; e++)
                wanted |= k + e % PARTS < cuts && i + e / PARTS * ASIDE < outputs ? 1u << e : 0;
            const uint64_t *from = c.w.flagged_parts + k * c.w.mixer_stride + i;
            flagged_wait<AT_ONCE * PARTS, 1>(payload, wanted, c.flag, [=](uint32_t e) {
                return from + e % PARTS * c.w.mixer_stride + e / PARTS * ASIDE;
            });
#pragma unroll
            for (uint32_t e = 0; e < AT_ONCE * PARTS; e++)
                sum[e / PARTS] = __fadd_rn(sum[e / PARTS], __uint_as_float(payload[e][0]));
        }
#pragma unroll
        for (uint32_t e = 0; e < AT_ONCE; e++)
            if (i + e * ASIDE < outputs)
                values[i + e * ASIDE] = sum[e];
    }
    aside_wait();
    mix_norms(c.dt_records, RECORD, c.shared.bc[0], values, s, c.w.shapes[STAGE_DT].units, integers,
              threadIdx.x / 32 - WARPS, ASIDE / 32);
}

/* Tells the eight that what they need is there. */
__device__ __forceinline__ void aside_tell(const one_state &c)
{
    stash_wait();
    aside_wait(); /* for the layers' structs */
    ring_arrive(&c.shared.come, 1);
}

__device__ __forceinline__ void aside_run(one_state &c, const one_step *plan, uint32_t steps)
{
    const uint32_t mine = threadIdx.x - THREADS;
    uint32_t index = 0;
    aside_fetch(c, STAGE_IN, 0);
    load_layer(c.shared, c.model, 1, mine);
    aside_tell(c);
#pragma unroll 1
    for (uint32_t i = 0; i + 1 < steps; i++) {
        const one_step step = plan[i];
        if (step.stage == STAGE_X)
            aside_multiply(c, step);
        else
            c.turn += step.turns;
        if (step.stage == STAGE_IN) {
            c.flag++;
            if (index > 0 && c.shared.shares[STAGE_DT].count > 0)
                ring_wait(&c.shared.go, (index - 1) & 1);
            aside_fetch(c, STAGE_DT, index);
            if (index + 1 < c.model.layer_count)
                aside_fetch(c, STAGE_IN, index + 1);
            load_layer(c.shared, c.model, index + 2, mine);
            fetch_norm(c, index + 1, mine, ASIDE);
            index++;
        } else if (step.stage == STAGE_GATE_REST) {
            if (plan[i + 1].count > 0)
                aside_mix(c, plan[i + 1].type != FRAGMENT_PLAIN);
            aside_tell(c);
        }
    }
}

#endif
