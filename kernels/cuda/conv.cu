/* conv.cu: the causal convolution of a layer, with its SiLU.
 *
 * A thread takes four channels and goes through 32 rows with the last three inputs in
 * registers; only the three rows before its own are read twice. Rows are fetched four at a
 * time, so that memory is asked for the next while these are computed. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/math.cuh"

enum { CONV_ROWS = 32, CONV_BATCH = 4, TAPS = 4, VECTOR = 4 };

template <typename T> struct alignas(VECTOR * sizeof(T)) conv_vector {
    T item[VECTOR];
};

template <typename T> __device__ __forceinline__ void load_vector(float x[VECTOR], const T *from)
{
    const conv_vector<T> v = *(const conv_vector<T> *)from;
#pragma unroll
    for (int i = 0; i < VECTOR; i++)
        x[i] = math_load(&v.item[i]);
}

/* The three inputs before the row at `place` of its segment: from rows before it, or from
 * the tail that the segment's lane brought. */
template <typename T>
__device__ void load_window(float window[TAPS - 1][VECTOR], const T *xz, uint32_t row,
                            uint32_t channel, const struct device_segment &segment,
                            const struct device_layer_shape &s)
{
    const float *tail = segment.state + s.layer_offset + (size_t)s.states * s.inner;
    uint32_t place = row - segment.row;
    for (uint32_t back = 1; back < TAPS; back++) {
        float *to = window[TAPS - 1 - back];
        if (back <= place) {
            load_vector(to, xz + (size_t)(row - back) * s.wide_stride + channel);
            continue;
        }
        int at = (int)(s.taps - 1 + place) - (int)back; /* in the tail */
        for (int i = 0; i < VECTOR; i++)
            to[i] = at >= 0 ? tail[(size_t)at * s.inner + channel + i] : 0.0f;
    }
}

template <typename T>
__global__ void __launch_bounds__(128)
    conv(T *xc, const T *xz, const float *weight, const float *bias,
         const struct device_segment *segments, const int32_t *row_segment, uint32_t rows,
         const struct device_layer_shape s)
{
    const uint32_t channel = (blockIdx.x * blockDim.x + threadIdx.x) * VECTOR;
    if (channel >= s.inner)
        return;
    float w[TAPS][VECTOR], b[VECTOR], window[TAPS - 1][VECTOR];
    for (int j = 0; j < TAPS; j++) {
        int tap = j - (TAPS - (int)s.taps);
        for (int i = 0; i < VECTOR; i++)
            w[j][i] = tap >= 0 ? weight[(size_t)tap * s.inner + channel + i] : 0.0f;
    }
    for (int i = 0; i < VECTOR; i++)
        b[i] = bias[channel + i];
    const uint32_t first = blockIdx.y * CONV_ROWS;
    const uint32_t end = first + CONV_ROWS < rows ? first + CONV_ROWS : rows;
    int32_t current = -1;
    for (uint32_t begin = first; begin < end; begin += CONV_BATCH) {
        conv_vector<T> in[CONV_BATCH];
        int32_t segment[CONV_BATCH];
#pragma unroll
        for (uint32_t k = 0; k < CONV_BATCH; k++)
            if (begin + k < end) {
                in[k] =
                    *(const conv_vector<T> *)(xz + (size_t)(begin + k) * s.wide_stride + channel);
                segment[k] = row_segment[begin + k];
            }
#pragma unroll
        for (uint32_t k = 0; k < CONV_BATCH; k++) {
            const uint32_t row = begin + k;
            if (row >= end)
                break;
            if (segment[k] != current) {
                current = segment[k];
                load_window(window, xz, row, channel, segments[current], s);
            }
            conv_vector<T> y;
#pragma unroll
            for (int i = 0; i < VECTOR; i++) {
                const float x = math_load(&in[k].item[i]);
                float sum = __fmaf_rn(w[0][i], window[0][i], b[i]);
                sum = __fmaf_rn(w[1][i], window[1][i], sum);
                sum = __fmaf_rn(w[2][i], window[2][i], sum);
                sum = __fmaf_rn(w[3][i], x, sum);
                math_store(&y.item[i], math_straight_silu(sum));
                window[0][i] = window[1][i];
                window[1][i] = window[2][i];
                window[2][i] = x;
            }
            *(conv_vector<T> *)(xc + (size_t)row * s.inner_stride + channel) = y;
        }
    }
}

void device_conv(void *xc, const void *xz, const float *weight, const float *bias,
                 const struct device_segment *segments, const int32_t *row_segment, uint32_t rows,
                 const struct device_layer_shape *shape, cudaStream_t stream)
{
    dim3 grid((shape->inner / VECTOR + 127) / 128, (rows + CONV_ROWS - 1) / CONV_ROWS);
    if (shape->precise)
        conv<<<grid, 128, 0, stream>>>((float *)xc, (const float *)xz, weight, bias, segments,
                                       row_segment, rows, *shape);
    else
        conv<<<grid, 128, 0, stream>>>((__nv_bfloat16 *)xc, (const __nv_bfloat16 *)xz, weight, bias,
                                       segments, row_segment, rows, *shape);
}
