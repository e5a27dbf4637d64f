/* token.cu: a generated token as one kernel that stays on all multiprocessors: for one lane
 * (one.cuh says what is different there), for few, and for many.
 *
 * A token reads every weight once, so that memory's bandwidth is the floor and everything
 * else has to hide behind it. One block sits on each multiprocessor for the whole token. A
 * layer is four stages with a barrier over the grid after each:
 *
 *   IN    norm, the channels' half of `in`, convolution and SiLU
 *   X     `x`, cut over rows and K, in parts
 *   DT    the parts' sum, norms of dt, B, C; `dt`; from a block's own channels the scan
 *   OUT   `out`, added to the residual
 *
 * The other half of `in`, the gates, is made in two pieces between arriving at the first two
 * barriers and waiting there, so that these cost next to nothing.
 *
 * Weights depend on nothing. So a warp of each block does nothing but copy the block's
 * share of them into a ring in shared memory, in the order of use, through all stages and
 * layers, ahead of the barriers: memory goes on while the grid comes together. Eight warps
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
#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/lanes.h"
#include "kernels/cuda/layout.cuh"

#include <cstdio>
#include <cstdlib>

/* --- fetched ahead ------------------------------------------------------------------------ */

/* What the thread's first result of a stage needs, by the conditions of finish_...(). */
template <int LANES>
__device__ __forceinline__ void stash_for(const token_run_state<LANES> &c, uint32_t stage,
                                          bool made_here)
{
    if (LANES > FEW || threadIdx.x >= STASH)
        return;
    const product_shape &p = c.w.shapes[stage];
    const block_share s = c.shared.shares[stage];
    const uint32_t rows = min(WARPS, s.count) * 16, i = threadIdx.x; /* of the first round */
    const uint32_t each = stage == STAGE_DT ? rows * 4 : rows;
    if (i >= each * c.lanes)
        return;
    const uint32_t n = c.lanes == 1 ? 0 : i / each, at = i - n * each;
    const uint32_t r = stage == STAGE_DT ? scan_row(at) : at;
    const uint32_t row = (p.base + s.first) * 16 + r;
    const float *state = c.shared.states[n] + c.s.layer_offset;
    if (stage == STAGE_OUT && row < p.outputs)
        c.stash.fetch(0, c.w.x + (size_t)n * c.w.embedding_stride + row);
    else if (stage == STAGE_IN && row < c.s.inner)
        conv_fetch(c.stash, state + (size_t)c.s.states * c.s.inner + row, *c.layer, row, c.s);
    else if (stage == STAGE_DT && row < p.outputs && !made_here)
        scan_fetch(c.stash, state, *c.layer, row, i / 8 % 4, c.s);
    else if (stage == STAGE_DT && row < p.outputs) {
        scan_fetch_made(c.stash, record_at(c.w.xc, n, row),
                        c.w.z + (size_t)n * c.w.inner_stride + row);
    }
}

/* Records [lanes][units] from memory, where they are BF16; few lanes. */
__device__ __forceinline__ void load_records(uint8_t *to, uint32_t to_pitch, const uint8_t *from,
                                             uint32_t begin, uint32_t units, uint32_t lanes)
{
    const uint32_t warp = threadIdx.x / 32, at = threadIdx.x % 32 * 16;
    for (uint32_t n = 0; n < lanes; n++)
        for (uint32_t unit = warp; unit < units; unit += WARPS)
            stash_copy_row(to + n * to_pitch + unit * RECORD + at,
                           from + (size_t)(begin + unit) * PIECE + n * RECORD + at);
    stash_wait();
}

/* They become integers: one piece of code for all stages. */
__device__ __forceinline__ void convert_here(uint8_t *records, size_t unit_pitch, uint32_t units)
{
#pragma unroll 1
    for (uint32_t unit = threadIdx.x / 32; unit < units; unit += WARPS)
        record_convert(records + unit * unit_pitch);
}

/* The grid makes integers of all lanes' records. */
__device__ __forceinline__ void convert_records(uint8_t *to, const uint8_t *from, uint32_t units,
                                                uint32_t lanes)
{
    const uint32_t lane = threadIdx.x % 32;
    for (uint32_t i = threadIdx.x / 32 * gridDim.x + blockIdx.x; i < units * lanes;
         i += WARPS * gridDim.x) {
        const uint32_t unit = i / lanes;
        const size_t at = (size_t)unit * PIECE + (i - unit * lanes) * RECORD;
        record_integers(to + at, __ldcg((const uint4 *)(from + at) + lane));
    }
}

/* Activations for a stage's product, up to where they can be waited for. */
template <int LANES>
__device__ __forceinline__ void prepare(const token_run_state<LANES> &c, uint32_t stage,
                                        bool integers, uint32_t &passed)
{
    constexpr bool many = LANES > FEW;
    const token_work &w = c.w;
    const uint32_t units = w.shapes[stage].units, step = many ? gridDim.x : 1;
    if (stage == STAGE_GATE || stage == STAGE_GATE_REST) /* as for the channels */
        return;
    if (stage == STAGE_IN || stage == STAGE_LOGITS) {
        const float *weight = stage == STAGE_IN ? c.layer->norm : c.model.output_norm;
        for (uint32_t n = many ? blockIdx.x : 0; n < c.lanes; n += step) {
            uint8_t *to = many ? w.u + n * RECORD : c.activations + n * c.pitch;
            const plain_source x = {w.x + (size_t)n * w.embedding_stride};
            normalize(to, many ? PIECE : RECORD, x, weight, c.model.epsilon, c.model.embedding,
                      units, c.shared.scratch[n / step % 2], false);
        }
    } else if (stage == STAGE_DT) {
        const product_shape &x = w.shapes[STAGE_X];
        const size_t stride = (size_t)TOKEN_LANES * w.mixer_stride;
        for (uint32_t n = many ? blockIdx.x : 0; n < c.lanes; n += step)
            mix(many ? w.dt + n * RECORD : c.activations + n * c.pitch, many ? PIECE : RECORD,
                many ? w.bc + n * 32 : c.shared.bc[n], w.part + (size_t)n * w.mixer_stride, stride,
                x.cuts, c.s, units, c.parts);
    } else if (many) {
        if (!integers)
            return;
        convert_records(w.integers, stage == STAGE_X ? w.xc : w.y, units, c.lanes);
    }
    if (!many)
        return;
    if (integers && (stage == STAGE_IN || stage == STAGE_LOGITS || stage == STAGE_DT)) {
        block_wait();
        for (uint32_t n = blockIdx.x; n < c.lanes; n += step)
            convert_here((stage == STAGE_DT ? w.dt : w.u) + n * RECORD, PIECE, units);
    }
    grid_arrive(true);
    grid_wait(&c.shared.come, passed);
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
    const product_shape &p = c.w.shapes[stage];
    const block_share s = c.shared.shares[stage];
    const bool plain = type == FRAGMENT_PLAIN;
    const uint32_t slice_shift = p.slice_shift[plain], group = group_of(p, plain);
    const uint32_t warp = threadIdx.x / 32, tile = warp >> slice_shift;
    const uint32_t slices = 1u << slice_shift, first = warp & (slices - 1);
    const uint32_t shift = turn_shift<LANES>(plain, tile_bytes_of(type), c.ring.plain_shift);
    const bool gates = stage == STAGE_GATE || stage == STAGE_GATE_REST;
    const bool loads = !many && (stage == STAGE_X || stage == STAGE_OUT);
    c.records = c.activations + (stage == STAGE_X ? c.x_records : 0);
    for (uint32_t at = 0; at < s.count; at += group) {
        const round_share r = round_of(p, s, at, group);
        if (many)
            ring_arrive(&c.shared.go, 1);
        if (loads && (at == 0 || stage == STAGE_X)) {
            if (at > 0)
                block_wait();
            load_records(c.records, c.pitch, stage == STAGE_X ? c.w.xc : c.w.y, r.begin, r.units,
                         c.lanes);
        }
        if (!many && !gates && (at == 0 || stage == STAGE_X)) {
            if (!plain) {
                block_wait();
                for (uint32_t n = 0; n < c.lanes; n++)
                    convert_here(c.records + n * c.pitch, RECORD, r.units);
            }
            block_wait();
        }
        float acc[sums_of(LANES)];
#pragma unroll
        for (int i = 0; i < sums_of(LANES); i++)
            acc[i] = 0;
        if (tile < r.tiles)
            slice_by_type(acc, c, type, r, tile, first, slices);
        c.turn += ((r.units + (1u << shift) - 1) >> shift) * r.tiles;
        c.piece += r.units;
        float *parts = c.parts;
        stash_wait();
        if constexpr (many) {
            block_wait(); /* the sums lie where the pieces were */
            for (uint32_t k = 0; k < slices; k++) {
                if (first == k && tile < r.tiles)
                    add_parts(parts, acc, plain, tile, k == 0);
                block_wait();
            }
        } else {
            c.parity ^= 1;
            parts += c.parity * WARPS * 16 * c.lanes;
            put_parts(parts, acc, plain, c.lanes);
            block_wait();
        }
        const uint32_t rows = r.tiles * 16;
        const results<LANES> out = {
            parts,           slices,  rows,      c.lanes == 1 ? 0 : ~0u / rows + 1,
            p.base + r.item, c.lanes, p.outputs, at == 0 && !gates};
        finish(c, out, stage, r.cut);
        if (many) {
            asm volatile("fence.proxy.async;" ::: "memory");
            block_wait();
        }
    }
}

template <int LANES>
__device__ __forceinline__ void compute(token_run_state<LANES> &c, const shared_matrix *matrices,
                                        uint32_t steps)
{
    constexpr bool many = LANES > FEW;
    uint32_t passed = 0;
    enter_layer(c, 0);
    stash_for(c, STAGE_IN, false);
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t index = step / STAGES_OF_LAYER, stage = stage_of(step, steps);
        const uint32_t type = matrices[matrix_of(step, stage)].type;
        const bool gates = stage == STAGE_GATE || stage == STAGE_GATE_REST;

        if (step > 0 && !gates)
            grid_wait(&c.shared.come, passed);
        prepare(c, stage, type != FRAGMENT_PLAIN, passed);
        product(c, stage, type);
        stash_wait(); /* where there were no rows, too */
        if (stage == STAGE_LOGITS)
            break;
        if (!gates)
            grid_arrive(many);
        /* While others are on their way. */
        c.late.flush(c.s.inner);
        if (stage == STAGE_IN) {
            stash_for(c, STAGE_DT, false);
            load_layer(c.shared, c.model, index + 1, threadIdx.x);
        } else if (stage == STAGE_GATE_REST) {
            block_wait(); /* for the gates, and the next layer's struct */
            stash_for(c, STAGE_DT, true);
            fetch_norm(c, index + 1, threadIdx.x, THREADS);
        } else if (stage == STAGE_DT) {
            stash_for(c, STAGE_OUT, false);
        } else if (stage == STAGE_OUT && index + 1 < c.model.layer_count) {
            enter_layer(c, index + 1);
            stash_for(c, STAGE_IN, false);
        }
    }
}

/* --- the kernel --------------------------------------------------------------------------- */

template <int LANES> struct token_threads {
    static constexpr int value = THREADS + (LANES > FEW ? 96 : 64);
};

template <int LANES>
__global__ void __launch_bounds__(token_threads<LANES>::value, 1)
    token_kernel(const __grid_constant__ struct token_model model,
                 const __grid_constant__ token_work w, const __grid_constant__ token_places places,
                 const __grid_constant__ struct token_states states, uint32_t lanes)
{
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) uint8_t memory[];
    token_shared<LANES> &shared = *(token_shared<LANES> *)memory;
    shared_matrix *matrices = (shared_matrix *)(memory + places.matrices);
    const uint32_t steps = model.layer_count * STAGES_OF_LAYER + 1;
    const token_ring ring = {
        memory + places.ring, shared.full,        shared.empty, {places.slots, places.inverse},
        places.slot_bytes,    places.plain_shift, places.ahead};

    enter_token(shared, matrices, model, w, places, states, lanes);
    if (threadIdx.x / 32 == WARPS) {
        fetch_weights<LANES>(w, ring, matrices, shared.shares, steps);
    } else if (threadIdx.x / 32 == WARPS + 1) {
        grid_run(w, &shared.come, matrices, steps, LANES > FEW);
    } else if (LANES > FEW && threadIdx.x / 32 > WARPS) {
        fetch_records(w, memory + places.activations, shared.piece_full, shared.piece_empty,
                      &shared.go, matrices, shared.shares, steps, lanes);
    } else {
        float *stash = (float *)(memory + places.stash) + threadIdx.x % STASH;
        token_run_state<LANES> c = {model,
                                    w,
                                    shared,
                                    ring,
                                    memory + places.activations,
                                    NULL,
                                    (float *)(memory + places.parts),
                                    {stash},
                                    {LANES <= FEW},
                                    places.pitch,
                                    places.x_records,
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

__global__ void __launch_bounds__(ONE_THREADS, 1)
    one_kernel(const __grid_constant__ struct token_model model,
               const __grid_constant__ token_work w, const __grid_constant__ token_places places,
               const __grid_constant__ struct token_states states, uint32_t epoch)
{
#if __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) uint8_t memory[];
    token_shared<ONE> &shared = *(token_shared<ONE> *)memory;
    shared_matrix *matrices = (shared_matrix *)(memory + places.matrices);
    const uint32_t steps = model.layer_count * STAGES_OF_LAYER + 1;
    const token_ring ring = {
        memory + places.ring, shared.full,        shared.empty, {places.slots, places.inverse},
        places.slot_bytes,    places.plain_shift, places.ahead};

    enter_token(shared, matrices, model, w, places, states, 1);
    one_step *plan = (one_step *)(memory + places.plan);
    one_plan(plan, w, shared.shares, matrices, places.plain_shift, steps);
    __syncthreads();
    float *own = (float *)(memory + places.own);
    const uint32_t channels = w.shapes[STAGE_IN].each * 16;
    one_state c = {{model,
                    w,
                    shared,
                    ring,
                    memory + places.activations,
                    NULL,
                    (float *)(memory + places.parts),
                    {NULL},
                    {false},
                    RECORD,
                    0,
                    1,
                    0,
                    0,
                    0,
                    model.shape,
                    NULL},
                   memory + places.x_records,
                   memory + places.dt_records,
                   own,
                   own + channels,
                   own + 2 * channels,
                   (float *)(memory + places.aside),
                   (float *)(memory + places.stash),
                   epoch};
    if (threadIdx.x < THREADS)
        one_compute(c, plan, steps);
    else if (threadIdx.x < THREADS + ASIDE)
        aside_run(c, plan, steps);
    else
        fetch_weights<ONE>(w, ring, matrices, shared.shares, steps);
#endif
}

/* --- the host's side ---------------------------------------------------------------------- */

struct kernel {
    const void *code;
    int threads;
};

static struct kernel kernel_for(const struct token *t, uint32_t lanes)
{
    if (t->one && lanes == ONE)
        return {(const void *)one_kernel, ONE_THREADS};
    if (lanes <= FEW)
        return {(const void *)token_kernel<FEW>, token_threads<FEW>::value};
    return {(const void *)token_kernel<TOKEN_LANES>, token_threads<TOKEN_LANES>::value};
}

static bool fits(const struct token *t, uint32_t lanes)
{
    struct token_places p;
    struct kernel k = kernel_for(t, lanes);
    int blocks = 0;
    return place(&p, t, lanes) &&
           cudaFuncSetAttribute(k.code, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                t->shared_bytes) == cudaSuccess &&
           cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, k.code, k.threads, p.bytes) ==
               cudaSuccess &&
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

/* Of plain weights. */
static struct lanes_order order_of(const struct product_shape *p)
{
    return {p->units, p->cut, p->cuts, 1u << p->slice_shift[1]};
}

/* NULL where token_kernel<TOKEN_LANES> has to do. */
static struct lanes *new_lanes(const struct token *t)
{
    const size_t bytes = t->model.layer_count * sizeof(struct token_layer);
    struct token_layer *layers = (struct token_layer *)malloc(bytes);
    const struct product_shape *p = t->work.shapes;
    const struct lanes_request request = {&t->model,
                                          layers,
                                          order_of(&p[STAGE_IN]),
                                          order_of(&p[STAGE_X]),
                                          order_of(&p[STAGE_DT]),
                                          order_of(&p[STAGE_OUT]),
                                          order_of(&p[STAGE_LOGITS]),
                                          t->work.x,
                                          t->work.logits,
                                          t->work.embedding_stride};
    struct lanes *lanes = NULL;
    if (layers && cudaMemcpy(layers, t->model.layers, bytes, cudaMemcpyDeviceToHost) == cudaSuccess)
        lanes = lanes_new(&request);
    if (!lanes)
        (void)cudaGetLastError();
    free(layers);
    return lanes;
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
        const bool known = model->layer_count <= MOST_LAYERS && model->shape.states <= 16 &&
                           model->embedding % 8 == 0 && size_slots(t);
        t->one = known && t->one && fits(t, ONE);
        if (!known || !fits(t, FEW) || !fits(t, TOKEN_LANES)) {
            snprintf(why, 256, "the model does not fit the kernel");
        } else if (cudaMalloc(&t->memory, bytes) == cudaSuccess &&
                   cudaMemset(t->memory, 0, bytes) == cudaSuccess) {
            lay_out(t, (uint8_t *)t->memory);
            t->lanes = new_lanes(t);
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
    lanes_free(t->lanes);
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
    const struct kernel kernel = kernel_for(t, count);
    if (!place(&places, t, count))
        return cudaErrorInvalidValue;
    device_embed_few(t->work.x, t->work.embedding_stride, &t->model.embedding_matrix, lanes->tokens,
                     count, stream);
    if (count >= LANES_LEAST && t->lanes)
        return lanes_run(t->lanes, &lanes->states, count, stream);
    const bool one = t->one && count == ONE;
    uint32_t last = one ? t->epoch : count;
    struct token_states states = lanes->states;
    void *arguments[] = {&t->model, &t->work, &places, &states, &last};
    if (one)
        t->epoch += t->model.layer_count;
    return cudaLaunchCooperativeKernel(kernel.code, dim3((uint32_t)t->blocks),
                                       dim3((uint32_t)kernel.threads), arguments, places.bytes,
                                       stream);
}
