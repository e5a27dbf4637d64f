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

/* The same with weights from 0 to 255. */
__device__ __forceinline__ void fragment_add_unsigned(int c[4], const uint32_t a[4], uint2 b)
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 "
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

__device__ __forceinline__ uint32_t fragment_word(const uint4 &words, int i)
{
    return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w;
}

/* A byte of a word, with a sign or without. */
__device__ __forceinline__ int fragment_byte(uint32_t word, int byte, bool sign)
{
    return sign ? (int)(word << (24 - 8 * byte)) >> 24
                : (int)__byte_perm(word, 0, 0x4440u + (uint32_t)byte);
}

/* What one lane's products take for columns of activations. A product's eight columns would be
 * high and low bytes of the lane and six of nothing. So columns 2j and 2j + 1, those of
 * threads 8j .. 8j + 7, get them for chunks of their own, where the others have zeros, and
 * four chunks go into one set of sums: thread t gets those of its chunks, and each is scaled
 * once by somebody. Threads fetch their own, and the zeros come from multiplying, for which
 * there is a pipe that has little else to do. */
template <int UNITS> struct fragment_columns {
    uint4 x[UNITS];    /* pairs of chunks: of one unit pair j; of two, j % 2 and j % 2 + 2 */
    uint32_t times[4]; /* 1 in the threads of columns 2j and 2j + 1, 0 in others */

    /* Unit j / 2 of two is in record `b` where that is 1. */
    __device__ __forceinline__ fragment_columns(const uint8_t *a, const uint8_t *b)
    {
        const uint32_t slot = threadIdx.x % 32 / 8;
        const uint8_t *from = (UNITS == 2 && slot >= 2 ? b : a) + slot % (4 / UNITS) * 64 +
                              threadIdx.x / 4 % 2 * RECORD_LOW + threadIdx.x % 4 * 16;
#pragma unroll
        for (int k = 0; k < UNITS; k++)
            x[k] = *(const uint4 *)(from + k * 128);
#pragma unroll
        for (uint32_t j = 0; j < 4; j++) {
            times[j] = slot == j ? 1 : 0;
            asm("" : "+r"(times[j])); /* or it would be selecting again */
        }
    }

    /* Chunk c of a pair for columns 2j and 2j + 1. */
    __device__ __forceinline__ uint2 of(int j, int k, int c) const
    {
        return make_uint2((c ? x[k].z : x[k].x) * times[j], (c ? x[k].w : x[k].y) * times[j]);
    }
};

/* One tile of quantized weights, seen by a thread: lane 4 g + t holds rows g and g + 8,
 * columns 4t .. 4t + 3 and 16 + 4t .. 19 + 4t of each chunk of 32. */
template <int TYPE> struct fragment {
    using layout = packed<TYPE>;
    /* Whether a unit's sum is made of integers, whose order does not matter. */
    static constexpr bool integers = layout::k || layout::six;
    /* Whether nibbles may stay where they are: 16 times the weights of chunks 4 .. 7. */
    static constexpr bool sixteen = TYPE == BLOCKS_Q4_K;
    const uint8_t *tile;

    /* --- quants ----------------------------------------------------------------------------- */

    /* As they are stored, of one pair of chunks; and the fifth bits of all. */
    struct quants {
        uint4 words[layout::bytes ? 2 : 1];
        uint2 more;
    };

    __device__ __forceinline__ uint4 fifth() const
    {
        return layout::five ? ((const uint4 *)(tile + layout::quants))[threadIdx.x % 32]
                            : make_uint4(0, 0, 0, 0);
    }

    __device__ __forceinline__ void read(quants &q, int pair) const
    {
        const uint32_t lane = threadIdx.x % 32;
        q.words[0] = ((const uint4 *)tile)[pair * 32 + lane];
        if constexpr (layout::bytes)
            q.words[1] = ((const uint4 *)tile)[(pair + 4) * 32 + lane];
        if constexpr (layout::six)
            q.more = ((const uint2 *)(tile + layout::quants))[pair * 32 + lane];
    }

    /* As bytes for the tensor cores, both chunks, words in their order. Signed nibbles stand at
     * the top of their byte, for the sign's sake; what they are multiplied by there, unit()
     * takes back. */
    __device__ static __forceinline__ void unpack(uint32_t a[2][4], const quants &q, uint32_t fifth,
                                                  bool in_place)
    {
        const uint4 &w = q.words[0];
        if constexpr (layout::bytes) {
            const uint4 &v = q.words[1];
            a[0][0] = w.x, a[0][1] = w.y, a[0][2] = w.z, a[0][3] = w.w;
            a[1][0] = v.x, a[1][1] = v.y, a[1][2] = v.z, a[1][3] = v.w;
        } else if constexpr (layout::six) {
            three_words(a[0], w.x, w.y, w.z);
            three_words(a[1], w.w, q.more.x, q.more.y);
        } else {
            const uint32_t word[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
            for (int r = 0; r < 4; r++) {
                a[0][r] = bytes_of(word[r], fifth, 0, r);
                a[1][r] = in_place ? word[r] & 0xF0F0F0F0u : bytes_of(word[r], fifth, 1, r);
            }
        }
    }

    __device__ static __forceinline__ void three_words(uint32_t a[4], uint32_t x, uint32_t y,
                                                       uint32_t z)
    {
        a[0] = x & 0xFCFCFCFCu;
        a[1] = y & 0xFCFCFCFCu;
        a[2] = z & 0xFCFCFCFCu;
        a[3] = (x << 6 & 0xC0C0C0C0u) | (y << 4 & 0x30303030u) | (z << 2 & 0x0C0C0C0Cu);
    }

    /* Word r of a chunk, which is the second of its pair or not. */
    __device__ static __forceinline__ uint32_t bytes_of(uint32_t w, uint32_t h, int second, int r)
    {
        const int bit = second * 4 + r;
        if constexpr (TYPE == BLOCKS_Q4_0)
            return (second ? w : w << 4) & 0xF0F0F0F0u;
        else if constexpr (TYPE == BLOCKS_Q5_0)
            return ((second ? w >> 1 : w << 3) & 0x78787878u) | (h << (7 - bit) & 0x80808080u);
        else if constexpr (layout::five)
            return ((second ? w >> 4 : w) & 0x0F0F0F0Fu) |
                   ((bit < 4 ? h << (4 - bit) : h >> (bit - 4)) & 0x10101010u);
        else
            return (second ? w >> 4 : w) & 0x0F0F0F0Fu;
    }

    __device__ static constexpr float unit()
    {
        return TYPE == BLOCKS_Q4_0   ? 1.0f / 16
               : TYPE == BLOCKS_Q5_0 ? 1.0f / 8
               : TYPE == BLOCKS_Q6_K ? 1.0f / 4
                                     : 1.0f;
    }

    /* --- scales ----------------------------------------------------------------------------- */

    /* As they are stored, of pairs h and h + 2 (packed.cuh): scales of row g + 8 h, of the
     * other row, and the same of minima. Words of bytes, four chunks each; pairs of words
     * otherwise, whose y is of the second pair. */
    struct scales {
        uint2 scale[2], least[2];

        /* Of the first or second row, pair and chunk of it; Q6_K has two bytes a chunk. */
        __device__ __forceinline__ int scale_byte(int second, int pair, int c, int i) const
        {
            if constexpr (layout::k)
                return fragment_byte(scale[second].x, pair * 2 + c, false);
            return fragment_byte(pair ? scale[second].y : scale[second].x, c * 2 + i, true);
        }
        __device__ __forceinline__ uint32_t scale_half(int second, int pair, int c) const
        {
            return (pair ? scale[second].y : scale[second].x) >> 16 * c & 0xFFFF;
        }
        __device__ __forceinline__ uint32_t least_half(int second, int pair, int c) const
        {
            return (pair ? least[second].y : least[second].x) >> 16 * c & 0xFFFF;
        }
    };

    __device__ __forceinline__ void read(scales &s, uint32_t h) const
    {
        const uint4 *from = (const uint4 *)(tile + layout::scales) + threadIdx.x % 32 / 4 * 2 + h;
        const uint4 a = from[0];
        if constexpr (layout::k) {
            s.scale[0].x = a.x, s.scale[1].x = a.y;
            s.least[0].x = a.z, s.least[1].x = a.w;
        } else {
            s.scale[0] = make_uint2(a.x, a.y), s.scale[1] = make_uint2(a.z, a.w);
        }
        if constexpr (TYPE == BLOCKS_Q5_1) {
            const uint4 b = from[16];
            s.least[0] = make_uint2(b.x, b.y), s.least[1] = make_uint2(b.z, b.w);
        }
    }

    /* The last scale of row g + 8 i: half d (and dmin) of the K types. */
    __device__ __forceinline__ uint32_t whole(uint32_t i) const
    {
        const uint8_t *s = tile + layout::scales + 256;
        const uint32_t row = threadIdx.x % 32 / 4 + 8 * i;
        return layout::k ? ((const uint32_t *)s)[row] : ((const uint16_t *)s)[row];
    }

    /* --- sums ------------------------------------------------------------------------------- */

    __device__ static __forceinline__ float joined(int high, int low)
    {
        return __fmaf_rn(256.0f, (float)high, (float)low);
    }

    /* The sum of a unit of a K type, but for the activations' scale. */
    __device__ static __forceinline__ float with_whole(uint32_t whole, int high, int low, int least)
    {
        if constexpr (layout::six)
            return __fmul_rn(__fmul_rn(packed_half(whole), unit()), joined(high, low));
        return __fsub_rn(__fmul_rn(packed_half(whole & 0xFFFF), joined(high, low)),
                         __fmul_rn(packed_half(whole >> 16), (float)least));
    }

    /* Scale and minimum of a chunk times its sums. */
    __device__ static __forceinline__ float with_block(float part, bool first, uint32_t scale,
                                                       uint32_t least, int high, int low, int chunk)
    {
        const float d = packed_half(scale), q = (float)(high * 256 + low);
        part = first ? __fmul_rn(d, q) : __fmaf_rn(d, q, part);
        return TYPE == BLOCKS_Q5_1 ? __fmaf_rn(packed_half(least), (float)chunk, part) : part;
    }

    /* Sum of the activations of a chunk of a pair. */
    __device__ static __forceinline__ int chunk_sum(uint2 sums, int c)
    {
        return ((int)(sums.x << (16 - 16 * c)) >> 16) * 256 +
               ((int)(sums.y << (16 - 16 * c)) >> 16);
    }

    /* --- several lanes ----------------------------------------------------------------------- */

    /* What a thread reads of a pair of chunks. */
    template <int PRODUCTS> struct pair_of_chunks {
        quants q;
        uint4 x[PRODUCTS];
        uint2 sums[PRODUCTS];
    };

    template <int PRODUCTS>
    __device__ __forceinline__ void read(pair_of_chunks<PRODUCTS> &p, int pair,
                                         const uint8_t *const *b, const uint8_t *const *mine) const
    {
        read(p.q, pair);
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            p.x[n] = *(const uint4 *)(b[n] + pair * 64);
            if constexpr (layout::k || TYPE == BLOCKS_Q5_1)
                p.sums[n] = *(const uint2 *)(mine[n] + record_sums(pair));
        }
    }

    /* acc[2 n + i] += rows g + 8 i times lane 4 (n0 + n) + t. */
    template <int PRODUCTS>
    __device__ __forceinline__ void multiply(float *acc, const fragment_records &records,
                                             uint32_t n0) const
    {
        const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
        const uint8_t *b[PRODUCTS], *mine[PRODUCTS];
        int all[PRODUCTS][4] = {}, least[PRODUCTS][2][2] = {};
        float part[integers ? 1 : PRODUCTS][4][2];
        const uint4 five = fifth();
        pair_of_chunks<PRODUCTS> next;
        scales s;
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            b[n] = records.of(4 * (n0 + n) + g / 2) + g % 2 * RECORD_LOW + t * 16;
            mine[n] = records.of(4 * (n0 + n) + t);
        }
        read(next, 0, b, mine);
#pragma unroll
        for (int step = 0; step < 4; step++) {
            const int h = step / 2, second = step % 2, pair = h + 2 * second;
            const pair_of_chunks<PRODUCTS> p = next;
            if (step < 3)
                read(next, (step + 1) / 2 + (step + 1) % 2 * 2, b, mine);
            if (second == 0)
                read(s, h);
            uint32_t a[2][4];
            unpack(a, p.q, fragment_word(five, pair), false);
#pragma unroll
            for (int n = 0; n < PRODUCTS; n++)
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    const uint2 x =
                        c ? make_uint2(p.x[n].z, p.x[n].w) : make_uint2(p.x[n].x, p.x[n].y);
                    if constexpr (layout::six)
                        add_six(all[n], a[c], x, s, h, second, c);
                    else if constexpr (layout::k)
                        add_k(all[n], a[c], x, s, h, second, c);
                    else
                        add_block(part[n][pair], a[c], x, s, h, second, c, p.sums[n]);
                }
            if constexpr (layout::k)
#pragma unroll
                for (int n = 0; n < PRODUCTS; n++)
                    for (int i = 0; i < 2; i++)
                        add_least(least[n][i], s.least[i ^ h].x, second, p.sums[n]);
        }
#pragma unroll
        for (int n = 0; n < PRODUCTS; n++) {
            const float x_scale = *(const float *)(mine[n] + RECORD_SCALE);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                float sum;
                if constexpr (integers)
                    sum = with_whole(whole(i), all[n][2 * i], all[n][2 * i + 1],
                                     least[n][i][0] * 256 + least[n][i][1]);
                else
                    sum = __fmul_rn(unit(), __fadd_rn(__fadd_rn(part[n][0][i], part[n][1][i]),
                                                      __fadd_rn(part[n][2][i], part[n][3][i])));
                acc[2 * n + i] = __fmaf_rn(x_scale, sum, acc[2 * n + i]);
            }
        }
    }

    /* One chunk, the second of its pair or not, of the first or second pair of h; row g + 8 i
     * is row i ^ h there. */
    __device__ static __forceinline__ void add_k(int all[4], const uint32_t a[4], uint2 x,
                                                 const scales &s, int h, int pair, int c)
    {
        int part[4];
        fragment_mma_bytes(part, a, x);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int scale = s.scale_byte(i ^ h, pair, c, 0);
            all[2 * i] += scale * part[2 * i];
            all[2 * i + 1] += scale * part[2 * i + 1];
        }
    }

    /* Minima of a pair of chunks times its sums of high and low bytes, which 16 bits hold. */
    __device__ static __forceinline__ void add_least(int least[2], uint32_t minima, int pair,
                                                     uint2 sums)
    {
        const int m = (int)minima;
        least[0] = pair ? __dp2a_hi((int)sums.x, m, least[0]) : __dp2a_lo((int)sums.x, m, least[0]);
        least[1] = pair ? __dp2a_hi((int)sums.y, m, least[1]) : __dp2a_lo((int)sums.y, m, least[1]);
    }

    __device__ static __forceinline__ void add_six(int all[4], const uint32_t a[4], uint2 x,
                                                   const scales &s, int h, int pair, int c)
    {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int part[4];
            fragment_mma_half(part, a[2 * half], a[2 * half + 1], half ? x.y : x.x);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int scale = s.scale_byte(i ^ h, pair, c, half);
                all[2 * i] += scale * part[2 * i];
                all[2 * i + 1] += scale * part[2 * i + 1];
            }
        }
    }

    /* Chunks of a pair share a part. */
    __device__ static __forceinline__ void add_block(float part[2], const uint32_t a[4], uint2 x,
                                                     const scales &s, int h, int pair, int c,
                                                     uint2 sums)
    {
        const int swapped = layout::bytes ? h : 0;
        int product[4];
        fragment_mma_bytes(product, a, x);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int at = 2 * (i ^ swapped);
            part[i] =
                with_block(part[i], c == 0, s.scale_half(i ^ h, pair, c),
                           TYPE == BLOCKS_Q5_1 ? s.least_half(i ^ h, pair, c) : 0, product[at],
                           product[at + 1], TYPE == BLOCKS_Q5_1 ? chunk_sum(sums, c) : 0);
        }
    }

    /* --- one lane ----------------------------------------------------------------------------- */

    /* acc + row g + 8 (t % 2) times the lane, with multiply()'s bits. */
    __device__ __forceinline__ float one(float acc, const uint8_t *record) const
    {
        const float sum = product<1>(*this, *this, record, {record, record});
        return __fmaf_rn(scale_of(record), sum, acc);
    }

    /* The same twice, in threads with t < 2; the others' results mean nothing. */
    __device__ static __forceinline__ float two(float acc, const fragment a, const uint8_t *for_a,
                                                const fragment b, const uint8_t *for_b)
    {
        const bool second = threadIdx.x % 4 >= 2;
        const float sum = product<2>(a, b, second ? for_b : for_a, {for_a, for_b});
        const float other = __shfl_xor_sync(0xFFFFFFFFu, sum, 2);
        return __fmaf_rn(scale_of(for_b), other, __fmaf_rn(scale_of(for_a), sum, acc));
    }

    /* The same apart. */
    __device__ static __forceinline__ void both(float &for_one, float &for_other, const fragment a,
                                                const uint8_t *for_a, const fragment b,
                                                const uint8_t *for_b)
    {
        const bool second = threadIdx.x % 4 >= 2;
        const float sum = product<2>(a, b, second ? for_b : for_a, {for_a, for_b});
        const float other = __shfl_xor_sync(0xFFFFFFFFu, sum, 2);
        for_one = __fmaf_rn(scale_of(for_a), sum, 0.0f);
        for_other = __fmaf_rn(scale_of(for_b), other, 0.0f);
    }

    __device__ static __forceinline__ float scale_of(const uint8_t *record)
    {
        return *(const float *)(record + RECORD_SCALE);
    }

    /* Sums of a thread's chunks: of rows g + 8 h, h = t % 2, and the other, high and low. Pair
     * h + 2 j is set j of UNITS, where thread t has unit t / 2; or, of one unit, it has pair
     * h + 2 (t / 2) in the only set. Where h is 1, rows have changed places all the way, so
     * that a thread's own come first without selecting. */
    static constexpr int halves = layout::six ? 2 : 1;

    template <int UNITS>
    __device__ static __forceinline__ void sums_of(int c[UNITS][2][halves][4], const fragment a,
                                                   const fragment b,
                                                   const fragment_columns<UNITS> &columns)
    {
        const uint4 five[2] = {a.fifth(), UNITS == 2 ? b.fifth() : make_uint4(0, 0, 0, 0)};
#pragma unroll
        for (int j = 0; j < 2; j++)
#pragma unroll
            for (int u = 0; u < UNITS; u++)
#pragma unroll
                for (int h = 0; h < 2; h++) {
                    const int pair = h + 2 * j;
                    quants q;
                    uint32_t w[2][4];
                    (u ? b : a).read(q, pair);
                    unpack(w, q, fragment_word(five[u], pair), sixteen);
                    const int slot = UNITS == 2 ? 2 * u + h : pair, k = UNITS == 2 ? j : 0;
                    add_chunk(c[k][0], w[0], columns.of(slot, k, 0), h);
                    add_chunk(c[k][1], w[1], columns.of(slot, k, 1), h);
                }
    }

    __device__ static __forceinline__ void add_chunk(int c[halves][4], const uint32_t w[4], uint2 x,
                                                     int h)
    {
        const int first = layout::bytes ? 0 : h; /* Q8_0's lie so */
        const uint32_t a[4] = {w[first], w[1 - first], w[2 + first], w[3 - first]};
        if constexpr (layout::six) {
            fragment_add_half(c[0], a[0], a[1], x.x);
            fragment_add_half(c[halves - 1], a[2], a[3], x.y);
        } else if constexpr (sixteen) {
            fragment_add_unsigned(c[0], a, x);
        } else {
            fragment_add_bytes(c[0], a, x);
        }
    }

    /* The sum of row g + 8 (t % 2) of unit t / 2 (of two), but for the activations' scale;
     * `record` is the unit's. */
    template <int UNITS>
    __device__ static __forceinline__ float product(const fragment a, const fragment b,
                                                    const uint8_t *record,
                                                    const fragment_columns<UNITS> &columns)
    {
        const uint32_t t = threadIdx.x % 4, h = t % 2;
        const fragment mine = {UNITS == 2 && t >= 2 ? b.tile : a.tile};
        int c[UNITS][2][halves][4] = {};
        scales s;
        sums_of<UNITS>(c, a, b, columns);
        mine.read(s, h);
        if (UNITS == 1) /* the thread's pair becomes the first */
#pragma unroll
            for (int i = 0; i < 2; i++) {
                s.scale[i].x = layout::k ? s.scale[i].x >> t / 2 * 16
                               : t < 2   ? s.scale[i].x
                                         : s.scale[i].y;
                if (layout::k)
                    s.least[i].x >>= t / 2 * 16;
                if (TYPE == BLOCKS_Q5_1)
                    s.least[i].x = t < 2 ? s.least[i].x : s.least[i].y;
            }
        uint2 sums[UNITS];
#pragma unroll
        for (int j = 0; j < UNITS; j++)
            sums[j] =
                *(const uint2 *)(record + RECORD_SUMS + h * 16 + (UNITS == 2 ? j : t / 2) * 8);
        if constexpr (integers)
            return whole_sum<UNITS>(c, s, sums, mine.whole(h));
        else
            return block_sum<UNITS>(c, s, sums);
    }

    /* A thread's own row's number and the other row's become the unit's sum of its own row, as
     * (0 + 1) + (2 + 3). */
    template <int UNITS> __device__ static __forceinline__ int across(int own, int other)
    {
        own += __shfl_xor_sync(0xFFFFFFFFu, other, 1);
        return UNITS == 2 ? own : own + __shfl_xor_sync(0xFFFFFFFFu, own, 2);
    }

    template <int UNITS>
    __device__ static __forceinline__ float whole_sum(const int c[UNITS][2][halves][4],
                                                      const scales &s, const uint2 sums[UNITS],
                                                      uint32_t whole)
    {
        int all[2][2] = {}, least[2] = {}; /* [row][high, low] */
#pragma unroll
        for (int i = 0; i < 2; i++) {
#pragma unroll
            for (int e = 0; e < 2; e++) {
                int part[2] = {};
#pragma unroll
                for (int chunk = 0; chunk < 2; chunk++)
#pragma unroll
                    for (int j = 0; j < UNITS; j++)
#pragma unroll
                        for (int half = 0; half < halves; half++)
                            part[chunk] +=
                                s.scale_byte(i, j, chunk, half) * c[j][chunk][half][2 * i + e];
                all[i][e] = part[0] + (sixteen ? part[1] >> 4 : part[1]);
            }
            if constexpr (layout::k) {
                int both[2] = {};
#pragma unroll
                for (int j = 0; j < UNITS; j++)
                    add_least(both, s.least[i].x, j, sums[j]);
                least[i] = both[0] * 256 + both[1];
            }
        }
        const int high = across<UNITS>(all[0][0], all[1][0]);
        const int low = across<UNITS>(all[0][1], all[1][1]);
        return with_whole(whole, high, low, layout::k ? across<UNITS>(least[0], least[1]) : 0);
    }

    template <int UNITS>
    __device__ static __forceinline__ float block_sum(const int c[UNITS][2][halves][4],
                                                      const scales &s, const uint2 sums[UNITS])
    {
        float sum[UNITS];
#pragma unroll
        for (int j = 0; j < UNITS; j++) {
            float part[2] = {};
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int chunk = 0; chunk < 2; chunk++)
                    part[i] = with_block(part[i], chunk == 0, s.scale_half(i, j, chunk),
                                         TYPE == BLOCKS_Q5_1 ? s.least_half(i, j, chunk) : 0,
                                         c[j][chunk][0][2 * i], c[j][chunk][0][2 * i + 1],
                                         TYPE == BLOCKS_Q5_1 ? chunk_sum(sums[j], chunk) : 0);
            sum[j] = __fadd_rn(part[0], __shfl_xor_sync(0xFFFFFFFFu, part[1], 1));
        }
        const float rest = UNITS == 2 ? sum[UNITS - 1] : __shfl_xor_sync(0xFFFFFFFFu, sum[0], 2);
        return __fmul_rn(unit(), __fadd_rn(sum[0], rest));
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
