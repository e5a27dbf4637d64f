/* product.cu: matrix products of our own: F32 for models whose weights are F32, and BF16
 * for where cuBLASLt is missing or gives no algorithm that keeps its bits. Every output is
 * one sum over K in order, by the same instructions in every tile. */
#include "kernels/cuda/device.h"

#include <cuda_bf16.h>

/* --- F32 ------------------------------------------------------------------------------ */

/* 64 rows x 64 outputs a block, 4 x 4 a thread. */
__global__ void __launch_bounds__(256)
    product_f32(float *y, size_t y_stride, const float *w, size_t w_stride, const float *x,
                size_t x_stride, uint32_t outputs, uint32_t columns, bool add)
{
    __shared__ float xs[16][64 + 4], ws[16][64 + 4];
    const uint32_t row0 = blockIdx.y * 64, out0 = blockIdx.x * 64;
    const uint32_t tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    float sum[4][4] = {};
    for (uint32_t k0 = 0; k0 < columns; k0 += 16) {
        for (uint32_t i = threadIdx.x; i < 64 * 16; i += 256) {
            uint32_t r = i / 16, k = i % 16;
            xs[k][r] = x[(row0 + r) * x_stride + k0 + k];
            ws[k][r] = out0 + r < outputs ? w[(out0 + r) * w_stride + k0 + k] : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < 16; k++)
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    sum[i][j] = __fmaf_rn(xs[k][ty * 4 + i], ws[k][tx * 4 + j], sum[i][j]);
        __syncthreads();
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            uint32_t out = out0 + tx * 4 + j;
            float *at = y + (row0 + ty * 4 + i) * y_stride + out;
            if (out < outputs)
                *at = add ? __fadd_rn(*at, sum[i][j]) : sum[i][j];
        }
}

void device_product_f32(float *y, size_t y_stride, const float *w, size_t w_stride, const float *x,
                        size_t x_stride, uint32_t rows, uint32_t outputs, uint32_t columns,
                        bool add, cudaStream_t stream)
{
    product_f32<<<dim3((outputs + 63) / 64, rows / 64), 256, 0, stream>>>(
        y, y_stride, w, w_stride, x, x_stride, outputs, columns, add);
}

/* --- BF16 ------------------------------------------------------------------------------ */

__device__ __forceinline__ void mma(float c[4], const uint32_t a[4], const uint32_t b[2])
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

enum { BM = 64, BN = 128, BK = 32, PAD = 8 };

/* 64 rows x 128 outputs a block of 8 warps, 32 x 32 a warp. */
template <typename T>
__global__ void __launch_bounds__(256)
    product_bf16(T *y, size_t y_stride, const __nv_bfloat16 *w, size_t w_stride,
                 const __nv_bfloat16 *x, size_t x_stride, uint32_t outputs, uint32_t columns,
                 bool add)
{
    __shared__ __nv_bfloat16 xs[BM][BK + PAD], ws[BN][BK + PAD];
    const uint32_t row0 = blockIdx.y * BM, out0 = blockIdx.x * BN;
    const uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    const uint32_t row_warp = warp / 4 * 32, out_warp = warp % 4 * 32;
    float sum[2][4][4] = {};
    for (uint32_t k0 = 0; k0 < columns; k0 += BK) {
        for (uint32_t i = threadIdx.x; i < BM * BK / 8; i += 256)
            *(uint4 *)&xs[i / 4][i % 4 * 8] =
                *(const uint4 *)(x + (row0 + i / 4) * x_stride + k0 + i % 4 * 8);
        for (uint32_t i = threadIdx.x; i < BN * BK / 8; i += 256)
            *(uint4 *)&ws[i / 4][i % 4 * 8] =
                out0 + i / 4 < outputs
                    ? *(const uint4 *)(w + (out0 + i / 4) * w_stride + k0 + i % 4 * 8)
                    : make_uint4(0, 0, 0, 0);
        __syncthreads();
#pragma unroll
        for (uint32_t k = 0; k < BK; k += 16) {
            uint32_t a[2][4], b[4][2];
            for (int i = 0; i < 2; i++) {
                uint32_t r = row_warp + i * 16 + g;
                a[i][0] = *(const uint32_t *)&xs[r][k + 2 * t];
                a[i][1] = *(const uint32_t *)&xs[r + 8][k + 2 * t];
                a[i][2] = *(const uint32_t *)&xs[r][k + 2 * t + 8];
                a[i][3] = *(const uint32_t *)&xs[r + 8][k + 2 * t + 8];
            }
            for (int j = 0; j < 4; j++) {
                uint32_t o = out_warp + j * 8 + g;
                b[j][0] = *(const uint32_t *)&ws[o][k + 2 * t];
                b[j][1] = *(const uint32_t *)&ws[o][k + 2 * t + 8];
            }
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++)
                    mma(sum[i][j], a[i], b[j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int e = 0; e < 4; e++) {
                uint32_t row = row0 + row_warp + i * 16 + g + e / 2 * 8;
                uint32_t out = out0 + out_warp + j * 8 + t * 2 + e % 2;
                T *at = y + row * y_stride + out;
                if (out >= outputs)
                    continue;
                if constexpr (sizeof(T) == 2)
                    *at = __float2bfloat16_rn(sum[i][j][e]);
                else
                    *at = add ? __fadd_rn(*at, sum[i][j][e]) : sum[i][j][e];
            }
}

void device_product_bf16(void *y, bool y_bf16, size_t y_stride, const void *w, size_t w_stride,
                         const void *x, size_t x_stride, uint32_t rows, uint32_t outputs,
                         uint32_t columns, bool add, cudaStream_t stream)
{
    dim3 grid((outputs + BN - 1) / BN, rows / BM);
    const __nv_bfloat16 *a = (const __nv_bfloat16 *)x, *b = (const __nv_bfloat16 *)w;
    if (y_bf16)
        product_bf16<<<grid, 256, 0, stream>>>((__nv_bfloat16 *)y, y_stride, b, w_stride, a,
                                               x_stride, outputs, columns, false);
    else
        product_bf16<<<grid, 256, 0, stream>>>((float *)y, y_stride, b, w_stride, a, x_stride,
                                               outputs, columns, add);
}
