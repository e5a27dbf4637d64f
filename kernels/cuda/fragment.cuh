/* fragment.cuh: weights on their way from memory to the tensor cores, for one token.
 *
 * A warp multiplies 16 rows of weights with up to 8 lanes a product. A unit is 128 columns
 * of a row tile: four chunks of 32 (packed.cuh). Quants become BF16 integers, which is
 * exact, are multiplied, and the sum of a chunk is scaled in F32; Q6_K, whose scales change
 * within a product, is rounded to BF16 weights first. */
#ifndef TIDEMARK_KERNELS_CUDA_FRAGMENT_CUH
#define TIDEMARK_KERNELS_CUDA_FRAGMENT_CUH

#include "kernels/cuda/device.h"
#include "kernels/cuda/packed.cuh"

#define FRAGMENT_PLAIN BLOCKS_BF16
enum { UNIT = 128, UNIT_CHUNKS = 4 };

__device__ __forceinline__ uint4 stream_load(const void *p)
{
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(p));
    return v;
}

__device__ __forceinline__ uint2 stream_load2(const void *p)
{
    uint2 v;
    asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];"
                 : "=r"(v.x), "=r"(v.y)
                 : "l"(p));
    return v;
}

__device__ __forceinline__ void fragment_mma(float c[4], const uint32_t a[4], uint32_t b0,
                                             uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* What a thread loads of a unit. */
template <int TYPE> struct fragment {
    using layout = packed<TYPE>;
    static constexpr bool grouped = TYPE != BLOCKS_Q6_K; /* chunk sums are scaled */
    static constexpr bool minimum = layout::k || TYPE == BLOCKS_Q5_1;
    static constexpr int words = layout::bytes ? 4 : 2;
    uint4 quants[words];
    uint4 high; /* 5 bits: x, y; 6 bits: all */
    uint4 scale[2];
    uint32_t d[2];

    __device__ __forceinline__ void load(const struct device_matrix &m, uint32_t tile,
                                         uint32_t unit)
    {
        const int lane = threadIdx.x % 32, half = unit % 2;
        const uint8_t *t =
            (const uint8_t *)m.data + ((size_t)tile * (m.padded / 256) + unit / 2) * layout::tile;
#pragma unroll
        for (int i = 0; i < words; i++)
            quants[i] = stream_load(t + ((half * words + i) * 32 + lane) * 16);
        if constexpr (layout::five) {
            uint2 w = stream_load2(t + layout::quants + lane * 16 + half * 8);
            high.x = w.x;
            high.y = w.y;
        }
        if constexpr (layout::six)
            high = stream_load(t + layout::quants + (half * 32 + lane) * 16);
        const uint8_t *s = t + layout::scales;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int row = lane / 4 + 8 * i;
            if constexpr (TYPE == BLOCKS_Q5_1) {
                scale[i] = stream_load(s + row * 32 + half * 16);
            } else {
                uint2 w = stream_load2(s + row * 16 + half * 8);
                scale[i].x = w.x;
                scale[i].y = w.y;
            }
            if constexpr (layout::k)
                d[i] = __ldg((const uint32_t *)(s + 256 + row * 4));
            if constexpr (layout::six)
                d[i] = __ldg((const uint16_t *)(s + 256 + row * 2));
        }
    }

    /* Scale and minimum of row g (+ 8 i) in chunk c, which the compiler knows. */
    __device__ __forceinline__ void scales(int i, int c, float &s, float &m) const
    {
        uint32_t word = c < 2 ? scale[i].x : scale[i].y, pair = c % 2 ? word >> 16 : word & 0xFFFF;
        m = 0;
        if constexpr (layout::k) {
            s = __fmul_rn(packed_half(d[i] & 0xFFFF), (float)(pair & 255));
            m = __fmul_rn(packed_half(d[i] >> 16), (float)(pair >> 8));
        } else if constexpr (TYPE == BLOCKS_Q5_1) {
            uint32_t w = c == 0   ? scale[i].x
                         : c == 1 ? scale[i].y
                         : c == 2 ? scale[i].z
                                  : scale[i].w;
            s = packed_half(w & 0xFFFF);
            m = -packed_half(w >> 16);
        } else if constexpr (layout::six) {
            int shift = c % 2 * 16 + (threadIdx.x % 4 / 2) * 8;
            s = __fmul_rn(packed_half(d[i]), (float)(int8_t)(word >> shift & 255));
        } else {
            s = packed_half(pair);
        }
    }

    /* Pairs 0 .. 3 of the row's columns in chunk c as BF16. */
    __device__ __forceinline__ void pairs(uint32_t out[4], int i, int c) const
    {
        if constexpr (layout::bytes) {
            uint32_t w[2] = {i ? quants[c].z : quants[c].x, i ? quants[c].w : quants[c].y};
#pragma unroll
            for (int p = 0; p < 4; p++) {
                uint32_t flipped = w[p / 2] ^ 0x80808080u;
                float a = __uint_as_float(__byte_perm(flipped, 0x4B000000u, 0x7440 + p % 2 * 2));
                float b = __uint_as_float(__byte_perm(flipped, 0x4B000000u, 0x7441 + p % 2 * 2));
                __nv_bfloat162 pair =
                    __floats2bfloat162_rn(__fsub_rn(a, 8388736.0f), __fsub_rn(b, 8388736.0f));
                out[p] = *(uint32_t *)&pair;
            }
        } else {
            const uint4 &q = quants[c / 2];
            uint32_t w = c % 2 ? (i ? q.w : q.z) : (i ? q.y : q.x);
            uint32_t h = 0;
            if constexpr (layout::five)
                h = (c < 2 ? high.x : high.y) >> (c % 2 * 8 + i * 4);
            if constexpr (layout::six)
                h = (c == 0 ? high.x : c == 1 ? high.y : c == 2 ? high.z : high.w) >> (i * 8);
            const __nv_bfloat162 off = __float2bfloat162_rn(128.0f + packed_middle<TYPE>::value);
#pragma unroll
            for (int p = 0; p < 4; p++) {
                uint32_t v = (w >> 4 * p & 0x000F000Fu) | 0x43004300u;
                if constexpr (layout::five)
                    v |= (h >> p & 0x00010001u) << 4;
                if constexpr (layout::six)
                    v |= (h >> 2 * p & 0x00030003u) << 4;
                __nv_bfloat162 pair = __hsub2(*(__nv_bfloat162 *)&v, off);
                out[p] = *(uint32_t *)&pair;
            }
        }
    }

    /* acc[n] += the unit times what B gives: b(c, n, x) returns the lanes' columns of chunk c
     * and sets x to the sums of lanes 8 n + 2 t and + 1 over it. */
    template <int NT, typename B>
    __device__ __forceinline__ void multiply(float acc[NT][4], const B &b) const
    {
#pragma unroll
        for (int c = 0; c < UNIT_CHUNKS; c++) {
            uint32_t low[4], up[4];
            float s[2], m[2];
            pairs(low, 0, c);
            pairs(up, 1, c);
            scales(0, c, s[0], m[0]);
            scales(1, c, s[1], m[1]);
            if constexpr (!grouped) {
#pragma unroll
                for (int p = 0; p < 4; p++) {
                    low[p] = scaled(low[p], s[0]);
                    up[p] = scaled(up[p], s[1]);
                }
            }
            const uint32_t first[4] = {low[0], up[0], low[1], up[1]};
            const uint32_t second[4] = {low[2], up[2], low[3], up[3]};
#pragma unroll
            for (int n = 0; n < NT; n++) {
                float2 x;
                const uint4 v = b.template get<minimum>(c, n, x);
                if constexpr (!grouped) {
                    fragment_mma(acc[n], first, v.x, v.y);
                    fragment_mma(acc[n], second, v.z, v.w);
                } else {
                    float sum[4] = {0, 0, 0, 0};
                    fragment_mma(sum, first, v.x, v.y);
                    fragment_mma(sum, second, v.z, v.w);
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        acc[n][e] = __fmaf_rn(s[e / 2], sum[e], acc[n][e]);
                        if constexpr (minimum)
                            acc[n][e] = __fmaf_rn(-m[e / 2], e % 2 ? x.y : x.x, acc[n][e]);
                    }
                }
            }
        }
    }

    __device__ static __forceinline__ uint32_t scaled(uint32_t pair, float s)
    {
        float a = __uint_as_float(pair << 16), b = __uint_as_float(pair & 0xFFFF0000u);
        __nv_bfloat162 w = __floats2bfloat162_rn(__fmul_rn(a, s), __fmul_rn(b, s));
        return *(uint32_t *)&w;
    }
};

template <> struct fragment<FRAGMENT_PLAIN> {
    static constexpr bool minimum = false;
    uint4 low[UNIT_CHUNKS], up[UNIT_CHUNKS];

    __device__ __forceinline__ void load(const struct device_matrix &m, uint32_t tile,
                                         uint32_t unit)
    {
        const int lane = threadIdx.x % 32;
        const __nv_bfloat16 *row = (const __nv_bfloat16 *)m.data +
                                   ((size_t)tile * 16 + lane / 4) * m.padded + unit * UNIT +
                                   lane % 4 * 8;
#pragma unroll
        for (int c = 0; c < UNIT_CHUNKS; c++) {
            low[c] = stream_load(row + c * 32);
            up[c] = stream_load(row + (size_t)8 * m.padded + c * 32);
        }
    }

    template <int NT, typename B>
    __device__ __forceinline__ void multiply(float acc[NT][4], const B &b) const
    {
#pragma unroll
        for (int c = 0; c < UNIT_CHUNKS; c++) {
            const uint32_t first[4] = {low[c].x, up[c].x, low[c].y, up[c].y};
            const uint32_t second[4] = {low[c].z, up[c].z, low[c].w, up[c].w};
#pragma unroll
            for (int n = 0; n < NT; n++) {
                float2 x;
                const uint4 v = b.template get<false>(c, n, x);
                fragment_mma(acc[n], first, v.x, v.y);
                fragment_mma(acc[n], second, v.z, v.w);
            }
        }
    }
};

/* Units in flight a warp: with many lanes the registers are wanted for sums. */
template <int TYPE, int NT> struct fragment_depth {
    static constexpr int value = NT > 1 ? 1 : TYPE == FRAGMENT_PLAIN ? 2 : 3;
};

#endif
