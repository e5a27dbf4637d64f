/* lanes.cu: a generated token of many lanes as one kernel that stays on all multiprocessors.
 *
 * The floor is memory: the weights once, and every lane's state, read and written. One block
 * sits on each multiprocessor; what it reads of the weights depends on nothing, so four warps
 * copy it into rings in shared memory, one for each of the eight warps that multiply, ahead
 * of the barriers over the grid. Another warp copies activations, which come through L2, as
 * soon as a stage's are made. A layer:
 *
 *   norm    a block a lane: x with OUT's slices added, normalized
 *   IN      64 channels and their gates a block: convolution and SiLU at once
 *   X       `x`, cut over columns, in parts
 *   mix     a block a lane: the parts' sum, norms of dt, B and C
 *   DT      the same 64 channels: `dt`, and the scan
 *   OUT     `out`, its slices of columns dealt out to blocks, in parts
 *
 * with a barrier after each. A block reads all the activations of its columns, and these come
 * to more than the weights if it has few rows: so slices of OUT and X, which token.cu gives to
 * warps that share a tile, are different blocks' here, which each have more rows.
 *
 * Products are wgmma's: 64 rows of weights from registers times 64 lanes, which the tensor
 * cores read from shared memory, once for four warps. Their bits are mma.sync's. */
#include "kernels/cuda/grid.cuh"
#include "kernels/cuda/lanes_stages.cuh"

#include <cstdlib>

/* --- the grid ------------------------------------------------------------------------- */

/* Says that the block is here: what it wrote before is seen by who has waited; by bulk copies
 * behind a fence of theirs. */
__device__ __forceinline__ void lanes_grid_arrive(uint32_t *counter)
{
    block_wait();
    if (threadIdx.x == 0)
        grid_count(counter);
}

__device__ __forceinline__ void lanes_grid_wait(uint32_t *counter, uint32_t &target)
{
    target += gridDim.x;
    if (threadIdx.x == 0)
        grid_until(counter, target);
    block_wait();
}

/* --- stages --------------------------------------------------------------------------- */

__device__ __forceinline__ void lanes_in(lanes_run_state &c)
{
    const lanes_stage &s = c.w.stages[LANES_IN];
    float *sums = (float *)c.pieces;
    for (uint32_t index = blockIdx.x; index < s.items; index += gridDim.x) {
        const lanes_item item = lanes_item_at(s, index);
        lanes_tails tails;
        float acc[32];
        lanes_load_tails(c, tails, item);
        lanes_product(acc, c, LANES_IN, item);
        block_wait(); /* the sums lie where the pieces were */
        lanes_put_sums(sums + threadIdx.x / (THREADS / 2) * LANES_SUMS, acc);
        block_wait();
        lanes_finish_in(c, tails, item, sums);
        asm volatile("fence.proxy.async;" ::: "memory");
        block_wait();
    }
}

__device__ __forceinline__ void lanes_dt(lanes_run_state &c, uint32_t &target)
{
    const lanes_stage &s = c.w.stages[LANES_DT];
    float *sums = (float *)c.pieces;
    bool waited = false;
    for (uint32_t index = blockIdx.x; index < s.items || !waited; index += gridDim.x) {
        lanes_scan scan;
        lanes_item item = {};
        if (index < s.items) {
            item = lanes_item_at(s, index);
            lanes_scan_begin(c, scan, item);
        }
        if (!waited) {
            lanes_grid_wait(c.w.barrier, target);
            for (uint32_t i = threadIdx.x; i < c.lanes * 8; i += THREADS)
                ((float4 *)c.shared.bc)[i] = __ldcg((const float4 *)c.w.bc + i);
            waited = true;
        }
        if (index >= s.items)
            return;
        float acc[32];
        lanes_product(acc, c, LANES_DT, item);
        block_wait();
        if (threadIdx.x < THREADS / 2)
            lanes_put_sums(sums, acc);
        block_wait();
        lanes_make_delta(c, scan, item, sums);
        block_wait();
        lanes_scan_all(c, scan, item, sums);
        asm volatile("fence.proxy.async;" ::: "memory");
        block_wait();
    }
}

/* X, OUT, logits: whose sums go to memory as they are. */
__device__ __forceinline__ void lanes_plain(lanes_run_state &c, uint32_t stage)
{
    const lanes_stage &s = c.w.stages[stage];
    for (uint32_t index = blockIdx.x; index < s.items; index += gridDim.x) {
        const lanes_item item = lanes_item_at(s, index);
        const uint32_t row = lanes_row(item, stage, threadIdx.x / 32, 0);
        float acc[32];
        lanes_product(acc, c, stage, item);
        if (stage == LANES_LOGITS)
            lanes_put_logits(c, row, acc);
        else
            lanes_put_part(c, item, row, stage == LANES_X ? c.w.mixer_stride : c.w.embedding_stride,
                           acc);
    }
}

__device__ __forceinline__ void lanes_norm(const lanes_run_state &c, const float *weight,
                                           bool first)
{
    const uint32_t slices = first ? 0 : c.w.stages[LANES_OUT].slices;
    for (uint32_t n = blockIdx.x; n < c.lanes; n += gridDim.x)
        lanes_normalize(c, n, weight, slices);
}

__device__ __forceinline__ void lanes_load_layer(lanes_run_state &c, uint32_t index)
{
    const uint32_t i = threadIdx.x;
    if (index < c.model.layer_count && i < sizeof(struct token_layer) / 4)
        ((uint32_t *)&c.shared.layers[index % 2])[i] =
            __ldg((const uint32_t *)&c.model.layers[index] + i);
}

/* To L2 what the scan will need of the states. */
__device__ __forceinline__ void lanes_prefetch(const lanes_run_state &c)
{
    const lanes_stage &s = c.w.stages[LANES_DT];
    if (blockIdx.x >= s.items)
        return;
    const lanes_item item = lanes_item_at(s, blockIdx.x);
    const uint32_t each = c.s.states * 2, total = c.lanes * each;
    for (uint32_t i = threadIdx.x; i < total; i += THREADS) {
        const uint32_t n = i / each, row = i % each / 2, half = i % 2;
        if (half * 2 < item.tiles)
            asm volatile("prefetch.global.L2 [%0];" ::"l"(c.shared.states[n] + c.s.layer_offset +
                                                          (size_t)row * c.s.inner + item.tile * 16 +
                                                          half * 32));
    }
}

__device__ __forceinline__ void lanes_compute(lanes_run_state &c)
{
    uint32_t target = 0;
    uint32_t *barrier = c.w.barrier;
    for (uint32_t index = 0; index < c.model.layer_count; index++) {
        c.layer = &c.shared.layers[index % 2];
        c.s.layer_offset = (size_t)index * (c.s.states + c.s.taps - 1) * c.s.inner;
        lanes_norm(c, c.layer->norm, index == 0);
        lanes_grid_arrive(barrier);
        lanes_grid_wait(barrier, target);
        lanes_in(c);
        lanes_grid_arrive(barrier);
        lanes_prefetch(c);
        lanes_load_layer(c, index + 1);
        lanes_grid_wait(barrier, target);
        lanes_plain(c, LANES_X);
        lanes_grid_arrive(barrier);
        lanes_grid_wait(barrier, target);
        for (uint32_t n = blockIdx.x; n < c.lanes; n += gridDim.x)
            lanes_mix(c, n, (float *)c.pieces);
        asm volatile("fence.proxy.async;" ::: "memory"); /* for the pieces' sake */
        lanes_grid_arrive(barrier);
        lanes_dt(c, target);
        lanes_grid_arrive(barrier);
        lanes_grid_wait(barrier, target);
        lanes_plain(c, LANES_OUT);
        lanes_grid_arrive(barrier);
        lanes_grid_wait(barrier, target);
    }
    lanes_norm(c, c.model.output_norm, false);
    lanes_grid_arrive(barrier);
    lanes_grid_wait(barrier, target);
    lanes_plain(c, LANES_LOGITS);
    if (threadIdx.x == 0)
        grid_leave(barrier);
}

/* --- the kernel ------------------------------------------------------------------------- */

__device__ __forceinline__ void lanes_set_up(lanes_shared &shared, const struct token_model &model,
                                             const struct token_states &states, uint32_t lanes)
{
    const uint32_t i = threadIdx.x;
    for (uint32_t k = i; k <= model.layer_count * 4; k += LANES_THREADS) {
        const struct token_layer *l = &model.layers[k / 4];
        shared.matrices[k] = (const uint8_t *)(k == model.layer_count * 4 ? model.output.data
                                               : k % 4 == LANES_IN        ? l->in.data
                                               : k % 4 == LANES_X         ? l->x.data
                                               : k % 4 == LANES_DT        ? l->dt.data
                                                                          : l->out.data);
    }
    if (i < sizeof(struct token_layer) / 4)
        ((uint32_t *)&shared.layers[0])[i] = ((const uint32_t *)model.layers)[i];
    if (i < lanes)
        shared.states[i] = states.of[i];
    if (i < sizeof shared.zero / 4)
        ((uint32_t *)shared.zero)[i] = 0;
    if (i == 0) {
        for (uint32_t k = 0; k < WARPS * LANES_SLOTS; k++) {
            ring_init(&shared.full[0][0] + k, 1);
            ring_init(&shared.empty[0][0] + k, 32);
        }
        for (uint32_t k = 0; k < LANES_PIECES; k++) {
            ring_init(&shared.piece_full[k], 1);
            ring_init(&shared.piece_empty[k], WARPS * LANES_CLUSTER);
        }
        ring_init(&shared.go, LANES_CLUSTER * THREADS);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    lanes_cluster_wait();
}

/* Shared memory: pieces, slots, the rest. */
enum {
    LANES_PIECES_END = LANES_PIECES * LANES_PIECE,
    LANES_SLOTS_END = LANES_PIECES_END + WARPS * LANES_SLOTS * LANES_SLOT,
    LANES_BYTES = LANES_SLOTS_END + (int)sizeof(lanes_shared),
};

__global__ void __launch_bounds__(LANES_THREADS, 1)
    lanes_kernel(const __grid_constant__ struct token_model model,
                 const __grid_constant__ lanes_work w,
                 const __grid_constant__ struct token_states states, uint32_t lanes)
{
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
    extern __shared__ __align__(128) uint8_t memory[];
    lanes_shared &shared = *(lanes_shared *)(memory + LANES_SLOTS_END);
    const uint32_t steps = model.layer_count * 4 + 1, warp = threadIdx.x / 32;
    uint8_t *slots = memory + LANES_PIECES_END;
    lanes_set_up(shared, model, states, lanes);
    if (warp < WARPS) {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 208;");
        lanes_run_state c = {model,  w,     shared,      slots + warp * LANES_SLOTS * LANES_SLOT,
                             memory, lanes, 0,           0,
                             0,      0,     model.shape, NULL};
        lanes_compute(c);
    } else {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (warp < WARPS + LANES_FETCHERS)
            lanes_fetch_weights(w, shared, slots, warp - WARPS, steps, model.shape.inner);
        else if (warp == WARPS + LANES_FETCHERS)
            lanes_fetch_pieces(w, shared, memory, steps);
    }
    __syncwarp();
    lanes_cluster_wait(); /* none leaves while another writes to its shared memory */
#endif
}

/* --- the host's side ---------------------------------------------------------------------- */

struct lanes {
    struct token_model model;
    struct lanes_work work;
    void *memory;
    uint32_t blocks;
};

/* Rows of a product all of whose columns are in one sum: a block's in one item or more. */
static struct lanes_stage whole_stage(const struct lanes_order *o, uint32_t outputs, uint32_t tiles,
                                      uint32_t most, uint32_t blocks)
{
    const uint32_t each = divided_up(tiles, blocks);
    struct lanes_stage s = {};
    s.outputs = outputs;
    s.tiles = tiles;
    s.units = s.cut = o->units;
    s.row_bytes = o->units * 512;
    s.slices = 1;
    s.each = each < most ? each : most;
    s.across = s.items = device_round_up(divided_up(tiles, s.each), LANES_CLUSTER);
    return s;
}

/* Groups of columns dealt out, too. */
static struct lanes_stage split_stage(const struct lanes_order *o, uint32_t outputs,
                                      uint32_t blocks)
{
    const uint32_t groups = o->cuts * o->slices;
    struct lanes_stage s = whole_stage(o, outputs, divided_up(outputs, 16), WARPS,
                                       groups < blocks ? blocks / groups : 1);
    s.cut = o->cut;
    s.slices = o->slices;
    s.items = groups * s.across;
    return s;
}

static bool plain(const struct device_matrix *m)
{
    return m->form == DEVICE_BF16;
}

/* Plain weights, sums of IN, DT and the logits that token.cu does not slice, and what divides by
 * what a thread takes at once. */
static bool suits(const struct lanes_request *r)
{
    const struct device_layer_shape *s = &r->model->shape;
    const uint32_t outputs = s->rank + 2 * s->states;
    bool ok = plain(&r->model->output) && r->model->layer_count <= MOST_LAYERS && s->states == 16 &&
              s->taps == 4 && s->inner % 16 == 0 && r->model->embedding % 8 == 0 &&
              r->in.slices == 1 && r->dt.slices == 1 && r->output.slices == 1 &&
              outputs * r->x_parts.cuts * 4 <= LANES_PIECES * LANES_PIECE &&
              r->model->state_logits % 4 == 0;
    for (uint32_t i = 0; ok && i < r->model->layer_count; i++) {
        const struct token_layer *l = &r->layers[i];
        ok = plain(&l->in) && plain(&l->x) && plain(&l->dt) && plain(&l->out);
    }
    return ok;
}

/* How the kernel is launched: in clusters, all blocks at once. */
struct launch {
    cudaLaunchConfig_t config;
    cudaLaunchAttribute attributes[2];
};

static void set_launch(struct launch *l, uint32_t blocks, cudaStream_t stream)
{
    *l = {};
    l->attributes[0].id = cudaLaunchAttributeClusterDimension;
    l->attributes[0].val.clusterDim.x = LANES_CLUSTER;
    l->attributes[0].val.clusterDim.y = l->attributes[0].val.clusterDim.z = 1;
    l->attributes[1].id = cudaLaunchAttributeCooperative;
    l->attributes[1].val.cooperative = 1;
    l->config.gridDim = dim3(blocks);
    l->config.blockDim = dim3((uint32_t)LANES_THREADS);
    l->config.dynamicSmemBytes = LANES_BYTES;
    l->config.stream = stream;
    l->config.attrs = l->attributes;
    l->config.numAttrs = 2;
}

static bool able(uint32_t *blocks)
{
    int device = 0, major = 0, minor = 0, count = 0, clusters = 0;
    struct launch launch;
    if (cudaGetDevice(&device) != cudaSuccess ||
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device) != cudaSuccess ||
        major != 9 || minor != 0)
        return false;
    set_launch(&launch, (uint32_t)count / LANES_CLUSTER * LANES_CLUSTER, 0);
    if (cudaFuncSetAttribute(lanes_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             LANES_BYTES) != cudaSuccess ||
        cudaOccupancyMaxActiveClusters(&clusters, lanes_kernel, &launch.config) != cudaSuccess)
        return false;
    *blocks = (uint32_t)clusters * LANES_CLUSTER;
    return clusters > 0;
}

static size_t lay_out(struct lanes *t, const struct lanes_request *r, uint8_t *base)
{
    struct lanes_work *w = &t->work;
    const struct token_model *m = r->model;
    const uint32_t blocks = t->blocks, inner = m->shape.inner, units = divided_up(inner, 256);
    size_t used = 0;
    auto take = [&](size_t bytes) {
        uint8_t *at = base ? base + used : NULL;
        used += (bytes + 255) / 256 * 256;
        return at;
    };
    const uint32_t outputs = m->shape.rank + 2 * m->shape.states;
    w->stages[LANES_IN] = whole_stage(&r->in, 2 * inner, inner / 16, WARPS / 2, blocks);
    w->stages[LANES_X] = split_stage(&r->x_parts, outputs, blocks);
    w->stages[LANES_DT] = whole_stage(&r->dt, inner, inner / 16, WARPS / 2, blocks);
    w->stages[LANES_OUT] = split_stage(&r->out, m->embedding, blocks);
    w->stages[LANES_LOGITS] = split_stage(&r->output, m->vocabulary, blocks);
    w->x = r->x;
    w->logits = r->logits;
    w->embedding_stride = r->embedding_stride;
    w->inner_stride = units * 256;
    w->mixer_stride = device_round_up(outputs, 16);
    auto parts = [&](int stage, size_t stride) {
        const struct lanes_stage *s = &w->stages[stage];
        return (size_t)(s->items / s->across) * TOKEN_LANES * stride * sizeof(float);
    };
    const size_t x = parts(LANES_X, w->mixer_stride), out = parts(LANES_OUT, w->embedding_stride);
    w->barrier = (uint32_t *)take(256);
    w->z = (float *)take((size_t)TOKEN_LANES * w->inner_stride * sizeof(float));
    w->part = (float *)take(x > out ? x : out);
    w->bc = (float *)take((size_t)TOKEN_LANES * 32 * sizeof(float));
    w->u = take((size_t)divided_up(m->embedding, 256) * LANES_UNIT);
    w->xc = take((size_t)units * LANES_UNIT);
    w->dt = take((size_t)divided_up(m->shape.rank, 256) * LANES_UNIT);
    w->y = take((size_t)units * LANES_UNIT);
    return used;
}

struct lanes *lanes_new(const struct lanes_request *request)
{
    uint32_t blocks = 0;
    if (!suits(request) || !able(&blocks))
        return NULL;
    struct lanes *t = (struct lanes *)calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->model = *request->model;
    t->blocks = blocks;
    const size_t bytes = lay_out(t, request, NULL);
    if (cudaMalloc(&t->memory, bytes) == cudaSuccess &&
        cudaMemset(t->memory, 0, bytes) == cudaSuccess) {
        lay_out(t, request, (uint8_t *)t->memory);
        return t;
    }
    lanes_free(t);
    return NULL;
}

void lanes_free(struct lanes *t)
{
    if (!t)
        return;
    cudaFree(t->memory);
    free(t);
}

cudaError_t lanes_run(struct lanes *t, const struct token_states *states, uint32_t count,
                      cudaStream_t stream)
{
    struct launch launch;
    set_launch(&launch, t->blocks, stream);
    return cudaLaunchKernelEx(&launch.config, lanes_kernel, t->model, t->work, *states, count);
}
