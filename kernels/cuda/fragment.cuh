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
    const uint8_t *tile;

    /* Chunks 2 pair and 2 pair + 1 as bytes for the tensor cores. */
    __device__ __forceinline__ void load(uint32_t a[2][4], int pair) const
    {
        const uint32_t lane = threadIdx.x % 32;
        if constexpr (layout::bytes) {
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const uint4 q = ((const uint4 *)tile)[(2 * pair + i) * 32 + lane];
                a[i][0] = q.x, a[i][1] = q.z, a[i][2] = q.y, a[i][3] = q.w;
            }
            return;
        }
        const uint4 q = ((const uint4 *)tile)[pair * 32 + lane];
        uint32_t high[2] = {0, 0};
        if constexpr (layout::five)
            high[0] = high[1] = ((const uint32_t *)(tile + layout::quants))[lane * 4 + pair];
        if constexpr (layout::six) {
            const uint2 h =
                ((const uint2 *)(tile + layout::quants))[(pair / 2 * 32 + lane) * 2 + pair % 2];
            high[0] = h.x, high[1] = h.y;
        }
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int r = 0; r < 4; r++)
                a[i][r] = bytes_of(i ? (r % 2 ? q.w : q.z) : (r % 2 ? q.y : q.x), high[i], i, r);
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

    /* acc[2 n + i] += rows g + 8 i times lane 4 (n0 + n) + t. */
    template <int PRODUCTS>
    __device__ __forceinline__ void multiply(float *acc, const fragment_records &records,
                                             uint32_t n0) const
    {
        const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
        const uint8_t *b[PRODUCTS], *mine[PRODUCTS];
        int all[PRODUCTS][4] = {}, least[PRODUCTS][2] = {};
        float sum[PRODUCTS][2] = {};
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            b[n] = records.of(4 * (n0 + n) + g / 2) + g % 2 * RECORD_LOW + t * 8;
            mine[n] = records.of(4 * (n0 + n) + t);
        }
#pragma unroll
        for (int pair = 0; pair < 4; pair++) {
            uint32_t a[2][4];
            load(a, pair);
            const uint2 scale[2] = {scales(0, pair), scales(1, pair)};
#pragma unroll
            for (int n = 0; n < PRODUCTS; n++) {
                int2 chunks = {};
                if constexpr (layout::k || TYPE == BLOCKS_Q5_1)
                    chunks = ((const int2 *)(mine[n] + RECORD_SUMS))[pair];
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    const uint2 x = *(const uint2 *)(b[n] + (2 * pair + c) * 32);
                    const int chunk = c ? chunks.y : chunks.x;
                    if constexpr (layout::k)
                        add_k(all[n], least[n], a[c], x, scale, chunk, c);
                    else if constexpr (layout::six)
                        add_six(all[n], a[c], x, scale, c);
                    else
                        add_blocks(sum[n], a[c], x, scale, chunk, c);
                }
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
                    sum[n][i] = __fmul_rn(unit(), sum[n][i]);
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

    __device__ static __forceinline__ void add_blocks(float sum[2], const uint32_t a[4], uint2 x,
                                                      const uint2 scale[2], int chunk, int second)
    {
        int part[4];
        fragment_mma_bytes(part, a, x);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float q = (float)(part[2 * i] * 256 + part[2 * i + 1]);
            if constexpr (TYPE == BLOCKS_Q5_1) {
                const uint32_t word = second ? scale[i].y : scale[i].x;
                sum[i] = __fmaf_rn(packed_half(word & 0xFFFF), q, sum[i]);
                sum[i] = __fmaf_rn(packed_half(word >> 16), (float)chunk, sum[i]);
            } else {
                const uint32_t word = scale[i].x >> second * 16;
                sum[i] = __fmaf_rn(packed_half(word & 0xFFFF), q, sum[i]);
            }
        }
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
