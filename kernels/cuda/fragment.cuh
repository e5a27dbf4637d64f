/* fragment.cuh: weights on their way from shared memory to the tensor cores, for one token.
 *
 * A warp multiplies a tile of 16 rows x 256 columns with records of activations
 * (record.cuh), 8 columns of a tensor core's product at a time: 8 lanes of BF16, or 4 lanes
 * of high and low bytes. Quants become bytes, their products with bytes are summed as
 * integers, which loses nothing; the K types' scales, integers themselves, are multiplied
 * in before floats come in, once for 256 columns. */
#ifndef TIDEMARK_KERNELS_CUDA_FRAGMENT_CUH
#define TIDEMARK_KERNELS_CUDA_FRAGMENT_CUH

#include "kernels/cuda/packed.cuh"
#include "kernels/cuda/record.cuh"

#define FRAGMENT_PLAIN BLOCKS_BF16

__device__ __forceinline__ void fragment_mma(float c[4], const uint32_t a[4], uint32_t b0,
                                             uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void fragment_mma_bytes(int c[4], const uint32_t a[4], uint2 b)
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"
        : "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y), "r"(0));
}

/* The same, added to what is there. */
__device__ __forceinline__ void fragment_add_bytes(int c[4], const uint32_t a[4], uint2 b)
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b.x), "r"(b.y));
}

__device__ __forceinline__ void fragment_add_half(int c[4], uint32_t a0, uint32_t a1, uint32_t b)
{
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(b));
}

__device__ __forceinline__ void fragment_mma_half(int c[4], uint32_t a0, uint32_t a1, uint32_t b)
{
    asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %7, %7, %7};"
        : "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3])
        : "r"(a0), "r"(a1), "r"(b), "r"(0));
}

/* Where a thread finds the records of its lanes for one tile: `pitch` bytes from lane to
 * lane, of which the last is `lanes` - 1. */
struct fragment_records {
    const uint8_t *base;
    uint32_t pitch, lanes;

    /* Of lane `lane`; one that is not there gets another's, and sums that nobody asks for. */
    __device__ __forceinline__ const uint8_t *of(uint32_t lane) const
    {
        return base + (lane < lanes ? lane : lanes - 1) * pitch;
    }
};

/* One tile of quantized weights, seen by a thread: lane 4 g + t holds rows g and g + 8,
 * columns 4t .. 4t + 3 and 16 + 4t .. 19 + 4t of each chunk of 32. */
template <int TYPE> struct fragment {
    using layout = packed<TYPE>;
    /* Whether a unit's sum is made of integers, whose order does not matter. */
    static constexpr bool integers = layout::k || layout::six;
    const uint8_t *tile;

    /* A pair of chunks as bytes for the tensor cores. */
    __device__ static __forceinline__ void unpack(uint32_t a[2][4], const uint4 *quants, uint2 high)
    {
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int r = 0; r < 4; r++) {
                if constexpr (layout::bytes) {
                    const uint4 &q = quants[i];
                    a[i][r] = r == 0 ? q.x : r == 1 ? q.z : r == 2 ? q.y : q.w;
                } else {
                    const uint4 &q = quants[0];
                    const uint32_t w = i ? (r % 2 ? q.w : q.z) : (r % 2 ? q.y : q.x);
                    a[i][r] = bytes_of(w, i ? high.y : high.x, i, r);
                }
            }
    }

    /* Register r of a chunk, which is the second of its pair or not: nibbles, low ones for
     * the first half of the chunk, and the bits above them. Signed quants stand at the top
     * of their byte, for the sign's sake; what they are multiplied by there, unit() takes
     * back. */
    __device__ static __forceinline__ uint32_t bytes_of(uint32_t w, uint32_t h, int second, int r)
    {
        const int half = r / 2, bit = second * 4 + r;
        if constexpr (TYPE == BLOCKS_Q4_0)
            return (half ? w : w << 4) & 0xF0F0F0F0u;
        else if constexpr (TYPE == BLOCKS_Q5_0)
            return ((half ? w >> 1 : w << 3) & 0x78787878u) | (h << (7 - bit) & 0x80808080u);
        else if constexpr (layout::six)
            return ((half ? w >> 2 : w << 2) & 0x3C3C3C3Cu) | (h << (6 - 2 * r) & 0xC0C0C0C0u);
        else if constexpr (layout::five)
            return ((half ? w >> 4 : w) & 0x0F0F0F0Fu) |
                   ((bit < 4 ? h << (4 - bit) : h >> (bit - 4)) & 0x10101010u);
        else
            return (half ? w >> 4 : w) & 0x0F0F0F0Fu;
    }

    __device__ static constexpr float unit()
    {
        return TYPE == BLOCKS_Q4_0   ? 1.0f / 16
               : TYPE == BLOCKS_Q5_0 ? 1.0f / 8
               : TYPE == BLOCKS_Q6_K ? 1.0f / 4
                                     : 1.0f;
    }

    /* What is taken from shared memory for a pair of chunks of rows g + 8 i: scales of
     * both (and minima), as they are stored. */
    __device__ __forceinline__ uint2 scales(int i, int pair) const
    {
        const uint8_t *s = tile + layout::scales +
                           (threadIdx.x % 32 / 4 + 8 * i) * (TYPE == BLOCKS_Q5_1 ? 32 : 16);
        if constexpr (TYPE == BLOCKS_Q5_1)
            return ((const uint2 *)s)[pair];
        return make_uint2(((const uint32_t *)s)[pair], 0);
    }

    /* The last scale of row g + 8 i: half d (and dmin) of the K types. */
    __device__ __forceinline__ uint32_t whole(int i) const
    {
        const uint8_t *s = tile + layout::scales + 256;
        const uint32_t row = threadIdx.x % 32 / 4 + 8 * i;
        return layout::k ? ((const uint32_t *)s)[row] : ((const uint16_t *)s)[row];
    }

    __device__ static __forceinline__ float joined(int high, int low)
    {
        return __fmaf_rn(256.0f, (float)high, (float)low);
    }

    /* What a thread reads of a pair of chunks. */
    template <int PRODUCTS> struct pair_of_chunks {
        uint4 quants[layout::bytes ? 2 : 1];
        uint2 high, scale[2];
        uint2 x[PRODUCTS][2];
        int2 sums[PRODUCTS];
    };

    template <int PRODUCTS>
    __device__ __forceinline__ void read(pair_of_chunks<PRODUCTS> &p, int pair,
                                         const uint8_t *const *b, const uint8_t *const *mine) const
    {
        read_quants(p.quants, p.high, pair);
        p.scale[0] = scales(0, pair);
        p.scale[1] = scales(1, pair);
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            p.x[n][0] = *(const uint2 *)(b[n] + 2 * pair * 32);
            p.x[n][1] = *(const uint2 *)(b[n] + 2 * pair * 32 + 32);
            if constexpr (layout::k || TYPE == BLOCKS_Q5_1)
                p.sums[n] = ((const int2 *)(mine[n] + RECORD_SUMS))[pair];
        }
    }

    /* acc[2 n + i] += rows g + 8 i times lane 4 (n0 + n) + t. A loop that stays short: code
     * has to come from somewhere, too. */
    template <int PRODUCTS>
    __device__ __forceinline__ void multiply(float *acc, const fragment_records &records,
                                             uint32_t n0) const
    {
        const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
        const uint8_t *b[PRODUCTS], *mine[PRODUCTS];
        int all[PRODUCTS][4] = {}, least[PRODUCTS][2] = {};
        float sum[PRODUCTS][2], part[integers ? 1 : PRODUCTS][4][2];
        pair_of_chunks<PRODUCTS> next;
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            b[n] = records.of(4 * (n0 + n) + g / 2) + g % 2 * RECORD_LOW + t * 8;
            mine[n] = records.of(4 * (n0 + n) + t);
        }
        read(next, 0, b, mine);
#pragma unroll
        for (int set = 0; set < 2; set++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const pair_of_chunks<PRODUCTS> p = next;
                if (set + half < 2)
                    read(next, 2 * set + half + 1, b, mine);
                uint32_t a[2][4];
                unpack(a, p.quants, p.high);
#pragma unroll
                for (int n = 0; n < PRODUCTS; n++)
#pragma unroll
                    for (int c = 0; c < 2; c++) {
                        const int chunk = c ? p.sums[n].y : p.sums[n].x;
                        if constexpr (layout::k)
                            add_k(all[n], least[n], a[c], p.x[n][c], p.scale, chunk, c);
                        else if constexpr (layout::six)
                            add_six(all[n], a[c], p.x[n][c], p.scale, c);
                        else
                            add_block(part[n][half * 2 + c], set == 0, a[c], p.x[n][c], p.scale,
                                      chunk, c);
                    }
            }
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            const float x_scale = *(const float *)(mine[n] + RECORD_SCALE);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                if constexpr (layout::k)
                    sum[n][i] =
                        __fsub_rn(__fmul_rn(packed_half(whole(i) & 0xFFFF),
                                            joined(all[n][2 * i], all[n][2 * i + 1])),
                                  __fmul_rn(packed_half(whole(i) >> 16), (float)least[n][i]));
                else if constexpr (layout::six)
                    sum[n][i] = __fmul_rn(__fmul_rn(packed_half(whole(i)), unit()),
                                          joined(all[n][2 * i], all[n][2 * i + 1]));
                else
                    sum[n][i] =
                        __fmul_rn(unit(), __fadd_rn(__fadd_rn(part[n][0][i], part[n][1][i]),
                                                    __fadd_rn(part[n][2][i], part[n][3][i])));
                acc[2 * n + i] = __fmaf_rn(x_scale, sum[n][i], acc[2 * n + i]);
            }
        }
    }

    /* One chunk, the second of its pair or not. */
    __device__ static __forceinline__ void add_k(int all[4], int least[2], const uint32_t a[4],
                                                 uint2 x, const uint2 scale[2], int chunk,
                                                 int second)
    {
        int part[4];
        fragment_mma_bytes(part, a, x);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const uint32_t word = scale[i].x >> second * 16;
            all[2 * i] += (int)(word & 255) * part[2 * i];
            all[2 * i + 1] += (int)(word & 255) * part[2 * i + 1];
            least[i] += (int)(word >> 8 & 255) * chunk;
        }
    }

    __device__ static __forceinline__ void add_six(int all[4], const uint32_t a[4], uint2 x,
                                                   const uint2 scale[2], int second)
    {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int part[4];
            fragment_mma_half(part, a[2 * half], a[2 * half + 1], half ? x.y : x.x);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int shift = (second * 2 + half) * 8;
                const int s = (int)(scale[i].x << (24 - shift)) >> 24;
                all[2 * i] += s * part[2 * i];
                all[2 * i + 1] += s * part[2 * i + 1];
            }
        }
    }

    /* Chunks c and c + 4 share a part. */
    __device__ static __forceinline__ void add_block(float part[2], bool first, const uint32_t a[4],
                                                     uint2 x, const uint2 scale[2], int chunk,
                                                     int second)
    {
        int product[4];
        fragment_mma_bytes(product, a, x);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const uint32_t words = TYPE != BLOCKS_Q5_1 ? scale[i].x >> second * 16
                                   : second            ? scale[i].y
                                                       : scale[i].x;
            part[i] = with_block(part[i], first, words, product[2 * i], product[2 * i + 1], chunk);
        }
    }

    /* Scale (and minimum, `words`' upper half) of a chunk times its sums. */
    __device__ static __forceinline__ float with_block(float part, bool first, uint32_t words,
                                                       int high, int low, int chunk)
    {
        const float d = packed_half(words & 0xFFFF), q = (float)(high * 256 + low);
        part = first ? __fmul_rn(d, q) : __fmaf_rn(d, q, part);
        return TYPE == BLOCKS_Q5_1 ? __fmaf_rn(packed_half(words >> 16), (float)chunk, part) : part;
    }

    /* --- one lane ------------------------------------------------------------------------- */

    /* A product's eight columns would be one lane's high and low bytes and six of nothing.
     * So columns 2j and 2j + 1 get them for every fourth chunk alone, where the others get
     * zeros, and four chunks (groups of 16 columns with Q6_K) go into one set of sums:
     * thread t gets chunk t's of rows g and g + 8, and each is scaled once by somebody. */
    static constexpr int sets = layout::six ? 4 : 2;

    /* x of chunk or group 4 `set` + g / 2. */
    __device__ __forceinline__ void read_one(uint2 x[sets], const uint8_t *record) const
    {
        const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
        const uint8_t *from = record + g % 2 * RECORD_LOW + t * 8;
#pragma unroll
        for (int set = 0; set < sets; set++)
            if constexpr (layout::six)
                x[set].x = *(const uint32_t *)(from + (2 * set + g / 4) * 32 + g / 2 % 2 * 4);
            else
                x[set] = *(const uint2 *)(from + (4 * set + g / 2) * 32);
    }

    __device__ __forceinline__ void read_quants(uint4 *quants, uint2 &high, int pair) const
    {
        const uint32_t lane = threadIdx.x % 32;
        if constexpr (layout::bytes) {
            quants[0] = ((const uint4 *)tile)[2 * pair * 32 + lane];
            quants[1] = ((const uint4 *)tile)[(2 * pair + 1) * 32 + lane];
        } else {
            quants[0] = ((const uint4 *)tile)[pair * 32 + lane];
        }
        if constexpr (layout::five)
            high.x = high.y = ((const uint32_t *)(tile + layout::quants))[lane * 4 + pair];
        if constexpr (layout::six)
            high = ((const uint2 *)(tile + layout::quants))[(pair / 2 * 32 + lane) * 2 + pair % 2];
    }

    __device__ static __forceinline__ int added(int a, int b)
    {
        return a + b;
    }
    __device__ static __forceinline__ float added(float a, float b)
    {
        return __fadd_rn(a, b);
    }

    /* Thread t's numbers of rows g and g + 8 become, in thread t, the four threads' sum of
     * row g + 8 (t % 2), as (0 + 1) + (2 + 3). */
    template <typename T> __device__ static __forceinline__ T across(const T mine[2])
    {
        const bool odd = threadIdx.x % 2;
        const T keep = odd ? mine[1] : mine[0], give = odd ? mine[0] : mine[1];
        const T pair = added(keep, __shfl_xor_sync(0xFFFFFFFFu, give, 1));
        return added(pair, __shfl_xor_sync(0xFFFFFFFFu, pair, 2));
    }

    /* acc + row g + 8 (t % 2) times the lane, with multiply()'s bits. */
    __device__ __forceinline__ float one(float acc, const uint8_t *record) const
    {
        return __fmaf_rn(scale_of(record), product_one(record), acc);
    }

    /* The same twice: what one product waits for, the other works in. */
    __device__ static __forceinline__ float two(float acc, const fragment a, const uint8_t *for_a,
                                                const fragment b, const uint8_t *for_b)
    {
        const float first = a.product_one(for_a), second = b.product_one(for_b);
        return __fmaf_rn(scale_of(for_b), second, __fmaf_rn(scale_of(for_a), first, acc));
    }

    __device__ static __forceinline__ float scale_of(const uint8_t *record)
    {
        return *(const float *)(record + RECORD_SCALE);
    }

    __device__ __forceinline__ float product_one(const uint8_t *record) const
    {
        const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, slot = g / 2;
        int c[sets][4] = {};
        uint2 x[sets];
        read_one(x, record);
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            uint4 quants[layout::bytes ? 2 : 1];
            uint2 high;
            uint32_t a[2][4];
            read_quants(quants, high, pair);
            unpack(a, quants, high);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const uint2 from = x[layout::six ? pair : pair / 2];
                if constexpr (layout::six) {
                    fragment_add_half(c[pair], a[i][0], a[i][1], slot == 2 * i ? from.x : 0);
                    fragment_add_half(c[pair], a[i][2], a[i][3], slot == 2 * i + 1 ? from.x : 0);
                } else {
                    const bool mine = slot == pair % 2 * 2 + i;
                    fragment_add_bytes(c[pair / 2], a[i],
                                       make_uint2(mine ? from.x : 0, mine ? from.y : 0));
                }
            }
        }
        const int *sums = (const int *)(record + RECORD_SUMS);
        if constexpr (integers) {
            return whole_one(c, sums + t, t % 2);
        } else {
            float part[2];
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int set = 0; set < sets; set++)
                    part[i] =
                        with_block(part[i], set == 0, scales_one(i, 4 * set + t), c[set][2 * i],
                                   c[set][2 * i + 1], TYPE == BLOCKS_Q5_1 ? sums[4 * set + t] : 0);
            return __fmul_rn(unit(), across(part));
        }
    }

    /* Scale (and minimum) of row g + 8 i in a chunk or group. */
    __device__ __forceinline__ uint32_t scales_one(int i, uint32_t chunk) const
    {
        const uint8_t *s = tile + layout::scales;
        const uint32_t row = threadIdx.x % 32 / 4 + 8 * i;
        if constexpr (TYPE == BLOCKS_Q5_1)
            return ((const uint32_t *)s)[row * 8 + chunk];
        else if constexpr (layout::six)
            return (uint32_t)(int)((const int8_t *)s)[row * 16 + chunk];
        else
            return ((const uint16_t *)s)[row * 8 + chunk];
    }

    /* A K type's sum of a unit, but for the activations' scale; `sums` from the thread's own
     * chunk on. */
    __device__ __forceinline__ float whole_one(const int c[sets][4], const int *sums, int row) const
    {
        int high[2] = {}, low[2] = {}, least[2] = {};
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int set = 0; set < sets; set++) {
                const uint32_t word = scales_one(i, 4 * set + threadIdx.x % 4);
                const int scale = layout::six ? (int)word : (int)(word & 255);
                high[i] += scale * c[set][2 * i];
                low[i] += scale * c[set][2 * i + 1];
                if constexpr (layout::k)
                    least[i] += (int)(word >> 8) * sums[4 * set];
            }
        const float all = joined(across(high), across(low));
        if constexpr (layout::six)
            return __fmul_rn(__fmul_rn(packed_half(whole(row)), unit()), all);
        return __fsub_rn(__fmul_rn(packed_half(whole(row) & 0xFFFF), all),
                         __fmul_rn(packed_half(whole(row) >> 16), (float)across(least)));
    }
};

/* A tile of BF16 [16][row_bytes] times 8 lanes a product: acc[4 n + e] as a tensor core
 * gives them. The columns of a chunk are numbered so that products 0 and 1 get columns
 * 8t .. 8t + 3 and 8t + 4 .. 8t + 7 from thread t. */
template <int PRODUCTS>
__device__ __forceinline__ void fragment_plain(float *acc, const uint8_t *tile, uint32_t row_bytes,
                                               const fragment_records &records)
{
    const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const uint8_t *low = tile + g * row_bytes + t * 16, *up = low + 8 * row_bytes;
    const uint8_t *b = records.of(g) + t * 16;
#pragma unroll
    for (int c = 0; c < 8; c++) {
        const uint4 l = *(const uint4 *)(low + c * 64), u = *(const uint4 *)(up + c * 64);
        const uint32_t first[4] = {l.x, u.x, l.y, u.y}, second[4] = {l.z, u.z, l.w, u.w};
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            const uint4 x = *(const uint4 *)(b + n * 8 * records.pitch + c * 64);
            fragment_mma(acc + 4 * n, first, x.x, x.y);
            fragment_mma(acc + 4 * n, second, x.z, x.w);
        }
    }
}

#endif
