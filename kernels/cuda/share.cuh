/* share.cuh: how the blocks of a token's kernel share its products, and the warps that
 * fetch what they need; private to token.cu, which explains the whole. */
#ifndef TIDEMARK_KERNELS_CUDA_SHARE_CUH
#define TIDEMARK_KERNELS_CUDA_SHARE_CUH

#include "kernels/cuda/fragment.cuh"
#include "kernels/cuda/ring.cuh"
#include "kernels/cuda/stages.cuh"

/* A layer's products in their order; then the logits. The gates, which are the second half of
 * `in`, are wanted only in the scan: they are made where the grid would be waited for. */
enum stage {
    STAGE_IN,
    STAGE_GATE,
    STAGE_X,
    STAGE_GATE_REST,
    STAGE_DT,
    STAGE_OUT,
    STAGE_LOGITS,
    STAGES,
    STAGES_OF_LAYER = STAGE_LOGITS
};

enum {
    ONE = 1,    /* lane, for which products use the tensor cores' columns otherwise */
    ASIDE = 96, /* threads of one lane's kernel that stand aside */
    FEW = 8,    /* lanes whose activations a block keeps */
    PIECES = 3, /* of 256 columns of all lanes */
    PIECE = TOKEN_LANES * RECORD,
    SLOT = 18944,   /* bytes that a turn of packed weights may have: 8 tiles of Q4_K */
    MANY_SHIFT = 1, /* units of a turn with many lanes, as a power of 2; PIECES at most */
    MOST_SLOTS = 32,
    /* Bytes that a block asks for at once, in two turns at least: what is beyond memory's
     * latency times its rate only makes everybody's other requests wait in line. */
    AHEAD = 32 << 10,
    FULLS = 64,       /* barriers of the ring's turns, */
    PIECE_FULLS = 32, /* and of the pieces' (ring.cuh) */

    SUMS_PITCH = 65, /* floats of a row of many lanes' sums */
    MOST_LAYERS = 128,
};

static inline uint32_t divided_up(uint32_t value, uint32_t by)
{
    return (value + by - 1) / by;
}

/* How the blocks share one of the products. An item is a tile of rows; of X a tile's `cut`
 * units of columns, all tiles of the first cut before those of the next. */
struct product_shape {
    uint32_t outputs, tiles, units; /* rows of the matrix; tiles of 16; units of 256 columns */
    uint32_t base;                  /* the matrix's tile that is item 0 */
    uint32_t cut, cuts;             /* units of an item, items of a tile */
    uint32_t each, pitch, offset;   /* a block's items, and where they begin: block * pitch + */
    uint32_t slice_shift[2];        /* warps that share an item, as a power of 2; of plain ones */
};

struct token_work {
    float *x, *z, *part, *bc, *logits;
    uint8_t *u, *xc, *dt, *y, *integers; /* records [units][TOKEN_LANES] */
    uint32_t *barrier;                   /* arrivals; blocks that are done */
    uint64_t *flagged_x, *flagged_xc, *flagged_parts, *flagged_y; /* of one lane (flagged.cuh) */
    uint32_t embedding_stride, inner_stride, mixer_stride;        /* floats */

    struct product_shape shapes[STAGES];
};

/* Where things lie in a block's shared memory. */
struct token_places {
    uint32_t activations, pitch, x_records, parts, stash, matrices, ring;
    uint32_t dt_records, aside, own, plan; /* of one lane (one.cuh) */
    uint32_t slots, slot_bytes, inverse, plain_shift, ahead, bytes;
};

struct block_share {
    uint32_t first, count; /* items */
};

struct shared_matrix {
    const uint8_t *data;
    uint32_t type;
};

/* What has a fixed place, at the beginning. */
template <int LANES> struct token_shared {
    uint64_t full[FULLS], empty[MOST_SLOTS];
    uint64_t piece_full[PIECE_FULLS], piece_empty[PIECES], go, come;
    float bc[LANES][32];
    float scratch[2][WARPS];
    struct block_share shares[STAGES];
    static constexpr uint32_t LAYERS = LANES == ONE ? 4 : 2; /* this one and those to come */
    struct token_layer layers[LAYERS];
    float *states[LANES];
};

/* --- a block's share ------------------------------------------------------------------- */

/* A round: as many of the block's items as its warps take at once. */
struct round_share {
    uint32_t item, tiles; /* the first one's number; tiles side by side */
    uint32_t cut, begin, units;
};

__device__ __forceinline__ block_share share_of(const product_shape &p, bool is_x)
{
    const uint32_t items = p.tiles * p.cuts;
    /* The last blocks often have no rows of other products. */
    const uint32_t block = is_x ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
    block_share s;
    s.first = block * p.pitch + p.offset;
    s.count = s.first >= items ? 0 : min(p.each, items - s.first);
    return s;
}

/* Items that a block's warps take at once. */
__device__ __forceinline__ uint32_t group_of(const product_shape &p, bool plain)
{
    return p.cuts > 1 ? 1 : WARPS >> p.slice_shift[plain];
}

__device__ __forceinline__ round_share round_of(const product_shape &p, const block_share &s,
                                                uint32_t at, uint32_t group)
{
    round_share r = {s.first + at, min(group, s.count - at), 0, 0, p.units};
    if (p.cuts > 1) {
        r.cut = r.item / p.tiles;
        r.item -= r.cut * p.tiles;
        r.begin = r.cut * p.cut;
        r.units = min(p.cut, p.units - r.begin);
    }
    return r;
}

/* A step is a stage of a layer, or the last one. */
__device__ __forceinline__ uint32_t stage_of(uint32_t step, uint32_t steps)
{
    return step + 1 == steps ? (uint32_t)STAGE_LOGITS : step % STAGES_OF_LAYER;
}

/* Of a list of a layer's four matrices after the other's. */
__device__ __forceinline__ uint32_t matrix_of(uint32_t step, uint32_t stage)
{
    const uint32_t which = stage == STAGE_X     ? 1
                           : stage == STAGE_DT  ? 2
                           : stage == STAGE_OUT ? 3
                                                : 0;
    return step / STAGES_OF_LAYER * 4 + which;
}

template <int TYPE> struct tile_bytes {
    static constexpr uint32_t value = packed<TYPE>::tile;
};
template <> struct tile_bytes<FRAGMENT_PLAIN> {
    static constexpr uint32_t value = 16 * 512;
};

__host__ __device__ __forceinline__ uint32_t tile_bytes_of(uint32_t type)
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

/* Units of a turn, as a power of 2. With many lanes few: the order of loading must not run
 * ahead of the activations' pieces. BF16 comes in rows, each a copy, which had better be
 * long, where there is room: `plain_shift`. */
template <int LANES>
__host__ __device__ __forceinline__ constexpr uint32_t turn_shift(bool plain, uint32_t bytes,
                                                                  uint32_t plain_shift)
{
    return LANES > FEW         ? MANY_SHIFT
           : plain             ? plain_shift
           : bytes * 8 <= SLOT ? 3
           : bytes * 4 <= SLOT ? 2
                               : 1;
}

/* Bytes between the rows of BF16 in a slot: 64 more than a multiple of 128. */
__host__ __device__ __forceinline__ constexpr uint32_t row_pitch(uint32_t shift)
{
    return (512u << shift) + 64;
}

/* --- warps that fetch --------------------------------------------------------------------- */

struct token_ring {
    uint8_t *slots;
    uint64_t *full, *empty;
    struct ring_turns turns;
    uint32_t slot_bytes, plain_shift;
    uint32_t ahead; /* turns on their way at once */
};

template <int LANES>
__device__ void fetch_weights(const token_work &w, const token_ring &ring,
                              const shared_matrix *matrices, const block_share *shares,
                              uint32_t steps)
{
    const uint32_t lane = threadIdx.x % 32;
    const uint64_t policy = ring_passing_policy();
    uint32_t turn = 0, slot = 0, phase = 1;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t stage = stage_of(step, steps);
        const product_shape &p = w.shapes[stage];
        const block_share s = shares[stage];
        const shared_matrix m = matrices[matrix_of(step, stage)];
        const bool plain = m.type == FRAGMENT_PLAIN;
        const uint32_t bytes = tile_bytes_of(m.type);
        const uint32_t shift = turn_shift<LANES>(plain, bytes, ring.plain_shift);
        /* Of a row of BF16, or a row of tiles; a thread's own part of a tile. */
        const uint32_t row_bytes = p.units * (plain ? 512 : bytes);
        const uint32_t mine = plain ? lane * row_bytes : 0,
                       to = plain ? lane * row_pitch(shift) : 0;
        const uint32_t tile_stride = plain ? 16 * row_bytes : row_bytes;
        const uint32_t group = group_of(p, plain), slices = 1u << p.slice_shift[plain];
        for (uint32_t at = 0; at < s.count; at += group) {
            const round_share r = round_of(p, s, at, group);
            for (uint32_t unit = 0; unit < r.units; unit += 1u << shift) {
                const uint32_t units = min(1u << shift, r.units - unit);
                const uint32_t idle = WARPS - min(units, slices);
                const uint8_t *from = m.data + mine + (r.begin + unit) * (plain ? 512 : bytes);
                for (uint32_t t = 0; t < r.tiles; t++, turn++) {
                    uint64_t *full = &ring.full[turn % FULLS];
                    ring_wait(&ring.empty[slot], phase);
                    if (turn >= ring.ahead)
                        ring_wait(&ring.full[(turn - ring.ahead) % FULLS],
                                  (turn - ring.ahead) / FULLS & 1);
                    if (lane == 0) {
                        ring_expect(full, units * bytes);
                        if (idle > 0) /* warps that have nothing to read there */
                            ring_arrive(&ring.empty[slot], 32 * idle);
                    }
                    __syncwarp();
                    if (lane < (plain ? 16 : 1))
                        ring_copy_passing(ring.slots + slot * ring.slot_bytes + to,
                                          from + (size_t)(p.base + r.item + t) * tile_stride,
                                          units * (plain ? 512 : bytes), full, policy);
                    if (++slot == ring.turns.slots) {
                        slot = 0;
                        phase ^= 1;
                    }
                }
            }
        }
    }
}

/* Records of all lanes, 256 columns at a time, each time that `go` says that they are made
 * and that there is room. */
inline __device__ void fetch_records(const token_work &w, uint8_t *pieces, uint64_t *full,
                                     uint64_t *empty, uint64_t *go, const shared_matrix *matrices,
                                     const block_share *shares, uint32_t steps, uint32_t lanes)
{
    const ring_turns turns = {PIECES, (uint32_t)(((1ull << 32) + PIECES - 1) / PIECES)};
    uint32_t turn = 0, rounds = 0;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t stage = stage_of(step, steps);
        const product_shape &p = w.shapes[stage];
        const block_share s = shares[stage];
        const bool integers = matrices[matrix_of(step, stage)].type != FRAGMENT_PLAIN;
        const uint8_t *from = stage == STAGE_DT    ? w.dt
                              : stage == STAGE_X   ? integers ? w.integers : w.xc
                              : stage == STAGE_OUT ? integers ? w.integers : w.y
                                                   : w.u;
        const uint32_t group = group_of(p, !integers);
        for (uint32_t at = 0; at < s.count; at += group, rounds++) {
            const round_share r = round_of(p, s, at, group);
            ring_wait(go, rounds & 1);
            asm volatile("fence.proxy.async;" ::: "memory");
            for (uint32_t unit = r.begin; unit < r.begin + r.units; unit++, turn++) {
                uint32_t phase;
                const uint32_t slot = turns.slot(turn, phase);
                uint64_t *come = &full[turn % PIECE_FULLS];
                ring_wait(&empty[slot], phase ^ 1);
                if (threadIdx.x % 32 == 0) {
                    ring_expect(come, lanes * RECORD);
                    if (WARPS > r.tiles)
                        ring_arrive(&empty[slot], 32 * (WARPS - r.tiles));
                    ring_copy(pieces + slot * PIECE, from + (size_t)unit * PIECE, lanes * RECORD,
                              come);
                }
                __syncwarp();
            }
        }
    }
}

#endif
