/* weights.cu: weights on their way into the device, and out of their tiles again. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/packed.cuh"

#include <cassert>
#include <cstring>

/* Calls f<TYPE>(...) for the type of a packed matrix. */
#define FOR_TYPE(type, call)                                                                       \
    switch (type) {                                                                                \
    case BLOCKS_Q4_0:                                                                              \
        call(BLOCKS_Q4_0);                                                                         \
        break;                                                                                     \
    case BLOCKS_Q5_0:                                                                              \
        call(BLOCKS_Q5_0);                                                                         \
        break;                                                                                     \
    case BLOCKS_Q5_1:                                                                              \
        call(BLOCKS_Q5_1);                                                                         \
        break;                                                                                     \
    case BLOCKS_Q8_0:                                                                              \
        call(BLOCKS_Q8_0);                                                                         \
        break;                                                                                     \
    case BLOCKS_Q4_K:                                                                              \
        call(BLOCKS_Q4_K);                                                                         \
        break;                                                                                     \
    case BLOCKS_Q5_K:                                                                              \
        call(BLOCKS_Q5_K);                                                                         \
        break;                                                                                     \
    case BLOCKS_Q6_K:                                                                              \
        call(BLOCKS_Q6_K);                                                                         \
        break;                                                                                     \
    default:                                                                                       \
        assert(!"a type that is not packed");                                                      \
    }

uint32_t device_round_up(uint32_t value, uint32_t multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

static size_t tile_bytes(int type)
{
#define TILE(TYPE) return packed<TYPE>::tile
    switch (type) {
    case BLOCKS_Q4_0:
        TILE(BLOCKS_Q4_0);
    case BLOCKS_Q5_0:
        TILE(BLOCKS_Q5_0);
    case BLOCKS_Q5_1:
        TILE(BLOCKS_Q5_1);
    case BLOCKS_Q8_0:
        TILE(BLOCKS_Q8_0);
    case BLOCKS_Q4_K:
        TILE(BLOCKS_Q4_K);
    case BLOCKS_Q5_K:
        TILE(BLOCKS_Q5_K);
    case BLOCKS_Q6_K:
        TILE(BLOCKS_Q6_K);
    default:
        return 0;
    }
#undef TILE
}

size_t device_matrix_bytes(int form, int type, uint32_t outputs, uint32_t columns)
{
    size_t rows = device_round_up(outputs, 16), padded = device_round_up(columns, 256);
    if (form == DEVICE_PACKED)
        return rows / 16 * (padded / 256) * tile_bytes(type);
    return rows * padded * (form == DEVICE_F32 ? sizeof(float) : sizeof(__nv_bfloat16));
}

/* --- from the file's blocks ------------------------------------------------------- */

/* The quant of a column as the file stores it. */
template <int TYPE> __device__ int raw_quant(const uint8_t *row, uint32_t column)
{
    if constexpr (packed<TYPE>::k) {
        constexpr int bytes = TYPE == BLOCKS_Q4_K ? 144 : 176, at = TYPE == BLOCKS_Q4_K ? 16 : 48;
        const uint8_t *block = row + (size_t)(column / 256) * bytes;
        int group = column % 256 / 32, i = column % 32;
        int byte = block[at + group / 2 * 32 + i];
        int q = group % 2 ? byte >> 4 : byte & 15;
        return TYPE == BLOCKS_Q5_K ? q | (block[16 + i] >> group & 1) << 4 : q;
    } else if constexpr (packed<TYPE>::six) {
        const uint8_t *block = row + (size_t)(column / 256) * 210;
        int group = column % 256 / 32, i = column % 32, half = group / 4, quarter = group % 4;
        int byte = block[64 * half + 32 * (quarter % 2) + i];
        int low = quarter < 2 ? byte & 15 : byte >> 4;
        return low | (block[128 + 32 * half + i] >> 2 * quarter & 3) << 4;
    } else if constexpr (packed<TYPE>::bytes) {
        return *(const int8_t *)(row + (size_t)(column / 32) * 34 + 2 + column % 32);
    } else {
        constexpr int bytes = TYPE == BLOCKS_Q4_0 ? 18 : TYPE == BLOCKS_Q5_0 ? 22 : 24;
        constexpr int at = bytes - 16;
        const uint8_t *block = row + (size_t)(column / 32) * bytes;
        int i = column % 32, byte = block[at + i % 16];
        int q = i < 16 ? byte & 15 : byte >> 4;
        return packed<TYPE>::five ? q | (block[at - 4 + i / 8] >> i % 8 & 1) << 4 : q;
    }
}

/* The scales of one row of a tile. */
template <int TYPE>
__device__ void pack_scales(uint8_t *tile, const uint8_t *row, uint32_t column, int r,
                            uint32_t columns)
{
    uint8_t *s = tile + packed<TYPE>::scales;
    if constexpr (packed<TYPE>::k) {
        const uint8_t *block = row + (size_t)(column / 256) * (TYPE == BLOCKS_Q4_K ? 144 : 176);
        const uint8_t *p = block + 4;
        for (int i = 0; i < 4; i++) {
            uint8_t *low = s + packed_byte_place(r, i), *high = s + packed_byte_place(r, i + 4);
            low[0] = p[i] & 63;
            low[8] = p[i + 4] & 63;
            high[0] = (p[i + 8] & 15) | p[i] >> 6 << 4;
            high[8] = p[i + 8] >> 4 | p[i + 4] >> 6 << 4;
        }
        for (int i = 0; i < 4; i++)
            s[256 + r * 4 + i] = block[i];
    } else if constexpr (packed<TYPE>::six) {
        const uint8_t *block = row + (size_t)(column / 256) * 210;
        for (int i = 0; i < 16; i++)
            s[packed_place(r, i / 2, 2) + i % 2] = block[192 + i];
        s[256 + r * 2] = block[208];
        s[256 + r * 2 + 1] = block[209];
    } else {
        constexpr int bytes = TYPE == BLOCKS_Q8_0   ? 34
                              : TYPE == BLOCKS_Q4_0 ? 18
                              : TYPE == BLOCKS_Q5_0 ? 22
                                                    : 24;
        constexpr int numbers = TYPE == BLOCKS_Q5_1 ? 2 : 1;
        for (uint32_t group = 0; group < 8 && column + group * 32 < columns; group++)
            for (int i = 0; i < numbers * 2; i++)
                s[i / 2 * 256 + packed_place(r, (int)group, 1) * 2 + i % 2] =
                    row[(size_t)(column / 32 + group) * bytes + i];
    }
}

/* One tile a block of 512 threads; the tile was filled with zeros before. */
template <int TYPE>
__global__ void pack(uint8_t *out, const uint8_t *raw, size_t row_bytes, uint32_t outputs,
                     uint32_t columns, uint32_t column_tiles)
{
    __shared__ int8_t quants[16][256];
    const uint32_t row0 = blockIdx.y * 16, column0 = blockIdx.x * 256;
    uint8_t *tile = out + ((size_t)blockIdx.y * column_tiles + blockIdx.x) * packed<TYPE>::tile;
    for (uint32_t i = threadIdx.x; i < 16 * 256; i += blockDim.x) {
        uint32_t r = row0 + i / 256, c = column0 + i % 256;
        quants[i / 256][i % 256] =
            r < outputs && c < columns
                ? (int8_t)(raw_quant<TYPE>(raw + r * row_bytes, c) ^ packed_middle<TYPE>::value)
                : (int8_t)0;
    }
    if (threadIdx.x < 16 && row0 + threadIdx.x < outputs)
        pack_scales<TYPE>(tile, raw + (row0 + threadIdx.x) * row_bytes, column0, threadIdx.x,
                          columns);
    __syncthreads();
    /* Byte i of what would be word r of a chunk. */
    const int lane = threadIdx.x % 32;
    auto quant = [&](int chunk, int r, int i) {
        const int column = packed_column(lane % 4, r / 2 * 4 + i);
        return (uint32_t)(uint8_t)quants[lane / 4 + r % 2 * 8][chunk * 32 + column];
    };
    uint32_t *words = (uint32_t *)tile, *high = (uint32_t *)(tile + packed<TYPE>::quants);
    if constexpr (packed<TYPE>::bytes) {
        const int chunk = threadIdx.x / 32 % 8, r = threadIdx.x / 256;
        for (int k = r; k < 4; k += 2) {
            uint32_t w = 0;
            for (int i = 0; i < 4; i++)
                w |= quant(chunk, k, i) << i * 8;
            words[(chunk * 32 + lane) * 4 + (k ^ chunk % 2)] = w;
        }
    } else if constexpr (packed<TYPE>::six) {
        const int chunk = threadIdx.x / 32 % 8, at = chunk % 4 * 32 + lane;
        if (threadIdx.x >= 256)
            return;
        for (int k = 0; k < 3; k++) {
            const int index = chunk / 4 * 3 + k;
            uint32_t w = 0;
            for (int i = 0; i < 4; i++)
                w |= (quant(chunk, k, i) << 2 | (quant(chunk, 3, i) >> (4 - 2 * k) & 3)) << i * 8;
            (index < 4 ? words + at * 4 : high + at * 2 - 4)[index] = w;
        }
    } else {
        const int pair = threadIdx.x / 32 % 4, r = threadIdx.x / 128;
        uint32_t w = 0;
        for (int i = 0; i < 4; i++)
            w |= ((quant(pair, r, i) & 15) | (quant(pair + 4, r, i) & 15) << 4) << i * 8;
        words[(pair * 32 + lane) * 4 + r] = w;
        if (packed<TYPE>::five && r == 0) {
            w = 0;
            for (int k = 0; k < 4; k++)
                for (int i = 0; i < 4; i++)
                    w |= (quant(pair, k, i) >> 4 << k | quant(pair + 4, k, i) >> 4 << (4 + k))
                         << i * 8;
            high[lane * 4 + pair] = w;
        }
    }
}

__device__ float plain_weight(const uint8_t *row, int type, uint32_t column)
{
    if (type == BLOCKS_F32)
        return ((const float *)row)[column];
    uint16_t bits = ((const uint16_t *)row)[column];
    return type == BLOCKS_F16 ? packed_half(bits) : __uint_as_float((uint32_t)bits << 16);
}

__global__ void convert_plain(void *out, bool precise, const uint8_t *raw, int type,
                              size_t row_bytes, uint32_t outputs, uint32_t columns, uint32_t padded)
{
    size_t row = blockIdx.y;
    for (uint32_t c = blockIdx.x * blockDim.x + threadIdx.x; c < padded;
         c += gridDim.x * blockDim.x) {
        float w = row < outputs && c < columns ? plain_weight(raw + row * row_bytes, type, c) : 0;
        if (precise)
            ((float *)out)[row * padded + c] = w;
        else
            ((__nv_bfloat16 *)out)[row * padded + c] = __float2bfloat16_rn(w);
    }
}

void device_matrix_load(const struct device_matrix *m, const void *raw, int raw_type,
                        size_t raw_row_bytes, uint32_t first, uint32_t count, cudaStream_t stream)
{
    const uint8_t *bytes = (const uint8_t *)raw;
    uint32_t rows = device_round_up(count, 16), tiles = m->padded / 256;
    if (m->form != DEVICE_PACKED) {
        bool precise = m->form == DEVICE_F32;
        uint8_t *out = (uint8_t *)m->data + (size_t)first * m->padded * (precise ? 4 : 2);
        for (uint32_t at = 0; at < rows; at += 32768) { /* of a grid's y at most */
            uint32_t some = rows - at < 32768 ? rows - at : 32768;
            convert_plain<<<dim3((m->padded + 255) / 256, some), 256, 0, stream>>>(
                out + (size_t)at * m->padded * (precise ? 4 : 2), precise,
                bytes + at * raw_row_bytes, raw_type, raw_row_bytes, count > at ? count - at : 0,
                m->columns, m->padded);
        }
        return;
    }
    uint8_t *out = (uint8_t *)m->data + (size_t)(first / 16) * tiles * tile_bytes(m->type);
    cudaMemsetAsync(out, 0, (size_t)(rows / 16) * tiles * tile_bytes(m->type), stream);
#define PACK(TYPE)                                                                                 \
    pack<TYPE><<<dim3(tiles, rows / 16), 512, 0, stream>>>(out, bytes, raw_row_bytes, count,       \
                                                           m->columns, tiles)
    FOR_TYPE(m->type, PACK)
#undef PACK
}

/* --- out of the tiles -------------------------------------------------------------- */

/* A block of 8 warps takes one tile, a warp one chunk. */
template <int TYPE, typename T>
__global__ void unpack(T *out, const uint8_t *tiles, uint32_t column_tiles, uint32_t padded)
{
    const uint8_t *tile =
        tiles + ((size_t)blockIdx.y * column_tiles + blockIdx.x) * packed<TYPE>::tile;
    const int lane = threadIdx.x % 32, chunk = threadIdx.x / 32;
    uint32_t bytes[4];
    packed_bytes<TYPE>(bytes, tile, lane, chunk);
#pragma unroll
    for (int upper = 0; upper < 2; upper++) {
        float w[8];
        packed_weights<TYPE>(w, bytes, tile, lane, chunk, upper);
        size_t row = (size_t)blockIdx.y * 16 + lane / 4 + 8 * upper;
        T *at = out + row * padded + blockIdx.x * 256 + chunk * 32 + lane % 4 * 4;
        if constexpr (sizeof(T) == 2) {
            __nv_bfloat162 pairs[4];
            for (int i = 0; i < 4; i++)
                pairs[i] = __floats2bfloat162_rn(w[2 * i], w[2 * i + 1]);
            ((uint2 *)at)[0] = ((const uint2 *)pairs)[0];
            ((uint2 *)at)[4] = ((const uint2 *)pairs)[1];
        } else {
            ((float4 *)at)[0] = make_float4(w[0], w[1], w[2], w[3]);
            ((float4 *)at)[4] = make_float4(w[4], w[5], w[6], w[7]);
        }
    }
}

void device_unpack(void *out, bool precise, const struct device_matrix *m, uint32_t first,
                   uint32_t count, cudaStream_t stream)
{
    uint32_t tiles = m->padded / 256;
    dim3 grid(tiles, device_round_up(count, 16) / 16);
    const uint8_t *from =
        (const uint8_t *)m->data + (size_t)(first / 16) * tiles * tile_bytes(m->type);
#define UNPACK(TYPE)                                                                               \
    if (precise)                                                                                   \
        unpack<TYPE><<<grid, 256, 0, stream>>>((float *)out, from, tiles, m->padded);              \
    else                                                                                           \
        unpack<TYPE><<<grid, 256, 0, stream>>>((__nv_bfloat16 *)out, from, tiles, m->padded)
    FOR_TYPE(m->type, UNPACK)
#undef UNPACK
}

/* Tokens that come with the launch. */
struct few_tokens {
    int32_t at[DEVICE_FEW];

    __device__ __forceinline__ int32_t operator[](uint32_t i) const
    {
        return at[i];
    }
};

template <int TYPE, typename TOKENS>
__global__ void embed_packed(float *x, uint32_t x_stride, const uint8_t *tiles,
                             uint32_t column_tiles, uint32_t columns,
                             const __grid_constant__ TOKENS tokens)
{
    uint32_t row = (uint32_t)tokens[blockIdx.x];
    for (uint32_t k = threadIdx.x; k / 4 * 32 < columns; k += blockDim.x) {
        const uint8_t *tile =
            tiles + ((size_t)(row / 16) * column_tiles + k / 32) * packed<TYPE>::tile;
        const int lane = (int)(row % 8 * 4 + k % 4), chunk = (int)(k % 32 / 4);
        uint32_t bytes[4];
        float w[8];
        packed_bytes<TYPE>(bytes, tile, lane, chunk);
        packed_weights<TYPE>(w, bytes, tile, lane, chunk, row % 16 >= 8);
        for (int i = 0; i < 8; i++) {
            uint32_t column = k / 4 * 32 + (uint32_t)packed_column((int)(k % 4), i);
            if (column < columns)
                x[(size_t)blockIdx.x * x_stride + column] = w[i];
        }
    }
}

template <typename TOKENS>
__global__ void embed_plain(float *x, uint32_t x_stride, const void *data, bool precise,
                            uint32_t padded, uint32_t columns,
                            const __grid_constant__ TOKENS tokens)
{
    size_t row = (size_t)tokens[blockIdx.x] * padded;
    for (uint32_t c = threadIdx.x; c < columns; c += blockDim.x)
        x[(size_t)blockIdx.x * x_stride + c] =
            precise ? ((const float *)data)[row + c]
                    : __bfloat162float(((const __nv_bfloat16 *)data)[row + c]);
}

template <typename TOKENS>
static void embed(float *x, uint32_t x_stride, const struct device_matrix *m, TOKENS tokens,
                  uint32_t rows, cudaStream_t stream)
{
    if (m->form != DEVICE_PACKED) {
        embed_plain<TOKENS><<<rows, 256, 0, stream>>>(x, x_stride, m->data, m->form == DEVICE_F32,
                                                      m->padded, m->columns, tokens);
        return;
    }
#define EMBED(TYPE)                                                                                \
    embed_packed<TYPE, TOKENS><<<rows, 128, 0, stream>>>(x, x_stride, (const uint8_t *)m->data,    \
                                                         m->padded / 256, m->columns, tokens)
    FOR_TYPE(m->type, EMBED)
#undef EMBED
}

void device_embed(float *x, uint32_t x_stride, const struct device_matrix *m, const int32_t *tokens,
                  uint32_t rows, cudaStream_t stream)
{
    embed(x, x_stride, m, tokens, rows, stream);
}

void device_embed_few(float *x, uint32_t x_stride, const struct device_matrix *m,
                      const int32_t *tokens, uint32_t rows, cudaStream_t stream)
{
    struct few_tokens few = {};
    memcpy(few.at, tokens, rows * sizeof *tokens);
    embed(x, x_stride, m, few, rows, stream);
}
