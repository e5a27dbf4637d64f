/* conv.cu: the causal convolution of a layer, with its SiLU.
 *
 * A thread takes V channels and goes through 32 rows with the last three inputs in
 * registers; only the three rows before its own are read twice. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/math.cuh"

enum { CONV_ROWS = 32, TAPS = 4 };

template <int V, typename T> struct alignas(V * sizeof(T)) conv_vector {
    T item[V];
};

template <int V, typename T> __device__ __forceinline__ void load_vector(float x[V], const T *from)
{
    const conv_vector<V, T> v = *(const conv_vector<V, T> *)from;
#pragma unroll
    for (int i = 0; i < V; i++)
        x[i] = math_load(&v.item[i]);
}

/* The three inputs before the row at `place` of its segment: from rows before it, or from
 * the tail that the segment's lane brought. */
template <int V, typename T>
__device__ void load_window(float window[TAPS - 1][V], const T *xz, uint32_t row, uint32_t channel,
                            const struct device_segment &segment,
                            const struct device_layer_shape &s)
{
    const float *tail = segment.state + s.layer_offset + (size_t)s.states * s.inner;
    uint32_t place = row - segment.row;
    for (uint32_t back = 1; back < TAPS; back++) {
        float *to = window[TAPS - 1 - back];
        if (back <= place) {
            load_vector<V>(to, xz + (size_t)(row - back) * s.wide_stride + channel);
            continue;
        }
        int at = (int)(s.taps - 1 + place) - (int)back; /* in the tail */
        for (int i = 0; i < V; i++)
            to[i] = at >= 0 ? tail[(size_t)at * s.inner + channel + i] : 0.0f;
    }
}

template <int V, typename T>
__global__ void __launch_bounds__(128)
    conv(T *xc, const T *xz, const float *weight, const float *bias,
         const struct device_segment *segments, const int32_t *row_segment, uint32_t rows,
         const struct device_layer_shape s)
{
    const uint32_t channel = (blockIdx.x * blockDim.x + threadIdx.x) * V;
    if (channel >= s.inner)
        return;
    float w[TAPS][V], b[V], window[TAPS - 1][V];
    for (int j = 0; j < TAPS; j++) {
        int tap = j - (TAPS - (int)s.taps);
        for (int i = 0; i < V; i++)
            w[j][i] = tap >= 0 ? weight[(size_t)tap * s.inner + channel + i] : 0.0f;
    }
    for (int i = 0; i < V; i++)
        b[i] = bias[channel + i];
    const uint32_t first = blockIdx.y * CONV_ROWS;
    const uint32_t end = first + CONV_ROWS < rows ? first + CONV_ROWS : rows;
    int32_t current = -1;
    for (uint32_t row = first; row < end; row++) {
        if (row_segment[row] != current) {
            current = row_segment[row];
            load_window<V>(window, xz, row, channel, segments[current], s);
        }
        float x[V];
        conv_vector<V, T> y;
        load_vector<V>(x, xz + (size_t)row * s.wide_stride + channel);
#pragma unroll
        for (int i = 0; i < V; i++) {
            float sum = __fmaf_rn(w[0][i], window[0][i], b[i]);
            sum = __fmaf_rn(w[1][i], window[1][i], sum);
            sum = __fmaf_rn(w[2][i], window[2][i], sum);
            sum = __fmaf_rn(w[3][i], x[i], sum);
            math_store(&y.item[i], math_silu(sum));
            window[0][i] = window[1][i];
            window[1][i] = window[2][i];
            window[2][i] = x[i];
        }
        *(conv_vector<V, T> *)(xc + (size_t)row * s.inner_stride + channel) = y;
    }
}

void device_conv(void *xc, const void *xz, const float *weight, const float *bias,
                 const struct device_segment *segments, const int32_t *row_segment, uint32_t rows,
                 const struct device_layer_shape *shape, cudaStream_t stream)
{
    uint32_t down = (rows + CONV_ROWS - 1) / CONV_ROWS;
    if (shape->precise) {
        dim3 grid((shape->inner / 4 + 127) / 128, down);
        conv<4><<<grid, 128, 0, stream>>>((float *)xc, (const float *)xz, weight, bias, segments,
                                          row_segment, rows, *shape);
    } else {
        dim3 grid((shape->inner / 8 + 127) / 128, down);
        conv<8><<<grid, 128, 0, stream>>>((__nv_bfloat16 *)xc, (const __nv_bfloat16 *)xz, weight,
                                          bias, segments, row_segment, rows, *shape);
    }
}
