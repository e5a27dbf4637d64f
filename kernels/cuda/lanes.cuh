/* lanes.cuh: how lanes.cu shares out its products, fetches what they need and multiplies;
 * private to lanes.cu, which explains the whole.
 *
 * Activations lie in units of 256 columns of all lanes, as the tensor cores read them from
 * shared memory: [32 groups of 8 columns][TOKEN_LANES][8] BF16. They are fetched in pieces of
 * half a unit; each block of a cluster fetches a part of a piece for all of them. Columns are
 * numbered within their chunk of 32 as fragment_plain takes them: group 2 p + h of a chunk holds
 * columns 8t + 4p + 2h and the next one, t = 0 .. 3. */
#ifndef TIDEMARK_KERNELS_CUDA_LANES_CUH
#define TIDEMARK_KERNELS_CUDA_LANES_CUH

#include "kernels/cuda/lanes.h"
#include "kernels/cuda/share.cuh"

/* A layer's products in order, then the logits. */
enum { LANES_IN, LANES_X, LANES_DT, LANES_OUT, LANES_LOGITS, LANES_STAGES };

enum {
    LANES_CLUSTER = 2,    /* blocks that share what they fetch of activations */
    LANES_SLOTS = 2,      /* of a warp's weights */
    LANES_ROW = 512 + 64, /* bytes from row to row in a slot: 64 more than a multiple of 128 */
    LANES_SLOT = 16 * LANES_ROW,
    LANES_PIECES = 4,
    LANES_PIECE = 128 * TOKEN_LANES * 2,
    LANES_UNIT = 2 * LANES_PIECE,
    LANES_GROUP = TOKEN_LANES * 16, /* bytes of 8 columns of all lanes */
    LANES_FETCHERS = 4,             /* warps that fetch weights, each for two others */
    LANES_THREADS = 2 * THREADS,    /* whole warpgroups, for the registers' sake */
    LANES_PITCH = 64 + 4,           /* floats of a lane's sums of 64 rows in shared memory */
    LANES_SUMS = TOKEN_LANES * LANES_PITCH,
};

static_assert(3 * LANES_SUMS * 4 <= LANES_PIECES * LANES_PIECE, "sums lie where the pieces were");
static_assert(LANES_PIECES % 2 == 0, "a unit's pieces are side by side");

/* One of the five products. An item is `each` tiles of rows and a group of the units of 256
 * columns: slice k of cut c, the sums of slices and of cuts being added by who reads them.
 * Of IN, tiles are those of the channels, whose gates a block makes, too. */
struct lanes_stage {
    uint32_t outputs, tiles, units, row_bytes;
    /* `across` items a group, some of the last perhaps without rows: a cluster's blocks have
     * items of one group, always. */
    uint32_t cut, slices, each, across, items;
};

struct lanes_item {
    uint32_t tile, tiles, group;
    uint32_t unit, step, count; /* the first unit, from one to the next, how many */
};

__device__ __forceinline__ lanes_item lanes_item_at(const lanes_stage &s, uint32_t index)
{
    lanes_item item;
    item.group = index / s.across;
    item.tile = (index - item.group * s.across) * s.each;
    item.tiles = item.tile < s.tiles ? min(s.each, s.tiles - item.tile) : 0;
    const uint32_t cut = item.group / s.slices, end = min((cut + 1) * s.cut, s.units);
    item.unit = cut * s.cut + item.group % s.slices;
    item.step = s.slices;
    item.count = item.unit < end ? (end - item.unit + s.slices - 1) / s.slices : 0;
    return item;
}

/* The first of the 16 rows that a warp multiplies, or none. */
enum : uint32_t { LANES_NO_ROW = ~0u };

__device__ __forceinline__ uint32_t lanes_row(const lanes_item &item, uint32_t stage, uint32_t warp,
                                              uint32_t inner)
{
    const uint32_t upper = stage == LANES_IN && warp >= WARPS / 2;
    const uint32_t tile = upper ? warp - WARPS / 2 : warp;
    return tile < item.tiles ? (item.tile + tile) * 16 + (upper ? inner : 0) : LANES_NO_ROW;
}

struct lanes_work {
    float *x, *z, *part, *bc, *logits;                     /* part: [groups][TOKEN_LANES][rows] */
    uint8_t *u, *xc, *dt, *y;                              /* units */
    uint32_t *barrier;                                     /* arrivals; blocks that are done */
    uint32_t embedding_stride, inner_stride, mixer_stride; /* floats */
    struct lanes_stage stages[LANES_STAGES];
};

struct lanes_shared {
    uint64_t full[WARPS][LANES_SLOTS], empty[WARPS][LANES_SLOTS];
    uint64_t piece_full[LANES_PIECES], piece_empty[LANES_PIECES], go;
    __align__(16) float bc[TOKEN_LANES][32];
    __align__(16) uint8_t zero[512]; /* a row of no weights */
    float scratch[WARPS];
    struct token_layer layers[2]; /* this one and the next */
    float *states[TOKEN_LANES];
    const uint8_t *matrices[4 * MOST_LAYERS + 1];
};

/* Where a column of a lane lies in its units; columns d and d + 1 of an even d are side by
 * side. */
__device__ __forceinline__ uint8_t *lanes_at(uint8_t *units, uint32_t n, uint32_t d)
{
    const uint32_t group = d % 256 / 32 * 4 + d % 8 / 2;
    return units + (size_t)(d / 256) * LANES_UNIT + group * LANES_GROUP + n * 16 + d % 32 / 8 * 4;
}

__device__ __forceinline__ void lanes_put(uint8_t *units, uint32_t n, uint32_t d, float a, float b)
{
    *(__nv_bfloat162 *)lanes_at(units, n, d) = __floats2bfloat162_rn(a, b);
}

/* --- clusters ----------------------------------------------------------------------------- */

__device__ __forceinline__ uint32_t lanes_rank()
{
    uint32_t rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

/* All threads of all blocks of the cluster. */
__device__ __forceinline__ void lanes_cluster_wait()
{
    asm volatile("barrier.cluster.arrive.release.aligned;\n"
                 "barrier.cluster.wait.acquire.aligned;" ::
                     : "memory");
}

/* One arrival at block `rank`'s barrier in the place of this block's. What it stands for is
 * that shared memory has been read, which needs no fence: one for the cluster waits for all
 * that the block has written to memory. */
__device__ __forceinline__ void lanes_arrive(uint64_t *barrier, uint32_t rank)
{
    asm volatile("{\n"
                 ".reg .b32 there;\n"
                 "mapa.shared::cluster.u32 there, %0, %1;\n"
                 "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
                 "}" ::"r"(ring_address(barrier)),
                 "r"(rank)
                 : "memory");
}

/* To the same place in all blocks of the cluster, which each count the bytes. */
__device__ __forceinline__ void lanes_copy(void *shared, const void *global, uint32_t bytes,
                                           uint64_t *barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
                 ".multicast::cluster [%0], [%1], %2, [%3], %4;" ::"r"(ring_address(shared)),
                 "l"(global), "r"(bytes), "r"(ring_address(barrier)),
                 "h"((uint16_t)((1 << LANES_CLUSTER) - 1))
                 : "memory");
}

/* --- warps that fetch ------------------------------------------------------------------- */

__device__ __forceinline__ uint32_t lanes_stage_of(uint32_t step, uint32_t steps)
{
    return step + 1 == steps ? (uint32_t)LANES_LOGITS : step % 4;
}

/* A copy costs the warp that asks for it some 90 clocks, whatever its size: so there are
 * several, each for two of those that compute. */
__device__ __forceinline__ void lanes_fetch_weights(const lanes_work &w, lanes_shared &shared,
                                                    uint8_t *slots, uint32_t fetcher,
                                                    uint32_t steps, uint32_t inner)
{
    const uint32_t lane = threadIdx.x % 32, warp = 2 * fetcher + lane / 16;
    const uint64_t policy = ring_passing_policy();
    slots += warp * LANES_SLOTS * LANES_SLOT + lane % 16 * LANES_ROW;
    uint32_t slot = 0, phase = 1;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t stage = lanes_stage_of(step, steps);
        const lanes_stage &s = w.stages[stage];
        for (uint32_t index = blockIdx.x; index < s.items; index += gridDim.x) {
            const lanes_item item = lanes_item_at(s, index);
            const uint32_t row = lanes_row(item, stage, warp, inner);
            const bool mine = row != LANES_NO_ROW;
            const uint8_t *from =
                shared.matrices[step] + (size_t)(row + lane % 16) * s.row_bytes + item.unit * 512;
            for (uint32_t i = 0; i < item.count; i++) {
                if (mine) {
                    ring_wait(&shared.empty[warp][slot], phase);
                    if (lane % 16 == 0)
                        ring_expect(&shared.full[warp][slot], 16 * 512);
                }
                __syncwarp();
                if (mine) {
                    ring_copy_passing(slots + slot * LANES_SLOT, from + i * item.step * 512, 512,
                                      &shared.full[warp][slot], policy);
                    if (++slot == LANES_SLOTS) {
                        slot = 0;
                        phase ^= 1;
                    }
                }
            }
        }
    }
}

/* Pieces of an item, when `go` says that the whole cluster wants them, and that there is
 * room. */
__device__ __forceinline__ void lanes_fetch_pieces(const lanes_work &w, lanes_shared &shared,
                                                   uint8_t *pieces, uint32_t steps)
{
    enum { PART = LANES_PIECE / LANES_CLUSTER };
    const uint32_t mine = lanes_rank() * PART;
    uint32_t slot = 0, phase = 1, rounds = 0;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t stage = lanes_stage_of(step, steps);
        const lanes_stage &s = w.stages[stage];
        const uint8_t *from = stage == LANES_X     ? w.xc
                              : stage == LANES_DT  ? w.dt
                              : stage == LANES_OUT ? w.y
                                                   : w.u;
        for (uint32_t index = blockIdx.x; index < s.items; index += gridDim.x) {
            const lanes_item item = lanes_item_at(s, index);
            if (item.count == 0)
                continue;
            ring_wait(&shared.go, rounds++ & 1);
            asm volatile("fence.proxy.async;" ::: "memory");
            for (uint32_t i = 0; i < 2 * item.count; i++) {
                ring_wait(&shared.piece_empty[slot], phase);
                if (threadIdx.x % 32 == 0) {
                    const size_t at = (size_t)(item.unit + i / 2 * item.step) * LANES_UNIT;
                    ring_expect(&shared.piece_full[slot], LANES_PIECE);
                    lanes_copy(pieces + slot * LANES_PIECE + mine,
                               from + at + i % 2 * LANES_PIECE + mine, PART,
                               &shared.piece_full[slot]);
                }
                __syncwarp();
                if (++slot == LANES_PIECES) {
                    slot = 0;
                    phase ^= 1;
                }
            }
        }
    }
}

/* --- warps that compute ----------------------------------------------------------------- */

/* What the computing threads carry along. */
struct lanes_run_state {
    const struct token_model &model;
    const lanes_work &w;
    lanes_shared &shared;
    const uint8_t *slots; /* of this warp */
    uint8_t *pieces;
    uint32_t lanes, slot, phase, piece, piece_phase;
    struct device_layer_shape s;
    const struct token_layer *layer;
};

/* 16 columns of all lanes in shared memory, without a swizzle. */
__device__ __forceinline__ uint64_t lanes_descriptor(const void *columns)
{
    return (uint64_t)((ring_address(columns) & 0x3FFFF) >> 4) | (uint64_t)(LANES_GROUP >> 4) << 16 |
           (uint64_t)(128 >> 4) << 32;
}

/* acc[32] += 64 rows of a warpgroup, 16 columns in registers, times 64 lanes. */
__device__ __forceinline__ void lanes_wgmma(float (&d)[32], uint32_t a0, uint32_t a1, uint32_t a2,
                                            uint32_t a3, uint64_t b)
{
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
                 "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                 "{%32, %33, %34, %35}, %36, 1, 1, 1, 0;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]),
                   "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),
                   "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]),
                   "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                   "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]),
                   "+f"(d[30]), "+f"(d[31])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b));
}

/* A piece that a warp is done with, as all of the cluster hear. */
__device__ __forceinline__ void lanes_piece_done(const lanes_run_state &c, uint32_t piece)
{
    __syncwarp();
    if (threadIdx.x % 32 < LANES_CLUSTER)
        lanes_arrive(&c.shared.piece_empty[piece], threadIdx.x % 32);
}

/* A unit: weights of 16 rows a warp, rows 8 .. 15 from `up` on. A chunk of 32 columns is
 * loaded while the one before is multiplied. */
__device__ __forceinline__ void lanes_unit(float (&acc)[32], lanes_run_state &c, const uint8_t *low,
                                           const uint8_t *up)
{
    const uint8_t *piece = c.pieces + c.piece * LANES_PIECE;
    uint4 l[2], u[2];
    l[0] = *(const uint4 *)low, u[0] = *(const uint4 *)up;
#pragma unroll
    for (int k = 0; k < 8; k++) {
        const uint4 &lo = l[k % 2], &hi = u[k % 2];
        const uint64_t b = lanes_descriptor(piece + k * 4 * LANES_GROUP);
        if (k % 4 == 0)
            ring_wait(&c.shared.piece_full[c.piece + k / 4], c.piece_phase);
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
        lanes_wgmma(acc, lo.x, hi.x, lo.y, hi.y, b);
        lanes_wgmma(acc, lo.z, hi.z, lo.w, hi.w, b + (2 * LANES_GROUP >> 4));
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        if (k + 1 < 8) {
            asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
            l[(k + 1) % 2] = *(const uint4 *)(low + (k + 1) * 64);
            u[(k + 1) % 2] = *(const uint4 *)(up + (k + 1) * 64);
        }
        if (k == 4)
            lanes_piece_done(c, c.piece);
    }
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    lanes_piece_done(c, c.piece + 1);
}

/* An item's product: acc as a tensor core gives it, lanes_acc_...() say where. */
__device__ __forceinline__ void lanes_product(float (&acc)[32], lanes_run_state &c, uint32_t stage,
                                              const lanes_item &item)
{
    const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const bool mine = lanes_row(item, stage, warp, 0) != LANES_NO_ROW;
    const bool busy = lanes_row(item, stage, warp & ~3u, 0) != LANES_NO_ROW;
    const uint8_t *low = c.shared.zero, *up = low;
#pragma unroll
    for (int i = 0; i < 32; i++)
        acc[i] = 0;
    for (uint32_t k = 0; item.count > 0 && k < LANES_CLUSTER; k++)
        lanes_arrive(&c.shared.go, k);
#pragma unroll 1
    for (uint32_t i = 0; i < item.count; i++) {
        if (mine) {
            ring_wait(&c.shared.full[warp][c.slot], c.phase);
            low = c.slots + c.slot * LANES_SLOT + lane / 4 * LANES_ROW + lane % 4 * 16;
            up = low + 8 * LANES_ROW;
        }
        if (busy) {
            lanes_unit(acc, c, low, up);
        } else {
            for (uint32_t k = c.piece; k < c.piece + 2; k++) {
                ring_wait(&c.shared.piece_full[k], c.piece_phase);
                lanes_piece_done(c, k);
            }
        }
        if (mine) {
            ring_arrive(&c.shared.empty[warp][c.slot], 1);
            if (++c.slot == LANES_SLOTS) {
                c.slot = 0;
                c.phase ^= 1;
            }
        }
        c.piece += 2;
        if (c.piece == LANES_PIECES) {
            c.piece = 0;
            c.piece_phase ^= 1;
        }
    }
}

/* threadIdx.x, of which the compiler does not know that it never changes: else it makes all
 * addresses of all stages once, and has no registers left. */
__device__ __forceinline__ uint32_t lanes_thread()
{
    uint32_t thread = threadIdx.x;
    asm volatile("" : "+r"(thread));
    return thread;
}

/* Lane and row of acc[i]: the row within the warp's tile. */
__device__ __forceinline__ uint32_t lanes_acc_lane(uint32_t thread, int i)
{
    return (uint32_t)(i / 4 * 8 + i % 2) + thread % 4 * 2;
}

__device__ __forceinline__ uint32_t lanes_acc_row(uint32_t thread, int i)
{
    return thread % 32 / 4 + (uint32_t)(i / 2 % 2 * 8);
}

/* A warpgroup's sums to [TOKEN_LANES][LANES_PITCH]. */
__device__ __forceinline__ void lanes_put_sums(float *sums, const float (&acc)[32])
{
    const uint32_t thread = lanes_thread(), tile = thread / 32 % 4 * 16;
#pragma unroll
    for (int i = 0; i < 32; i++)
        sums[lanes_acc_lane(thread, i) * LANES_PITCH + tile + lanes_acc_row(thread, i)] = acc[i];
}

#endif
