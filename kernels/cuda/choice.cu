/* choice.cu: the likeliest token of each row of logits, which need not leave the device. */
#include "kernels/cuda/device.h"
#include "kernels/cuda/math.cuh"

enum { THREADS = 256 };
enum : uint32_t { NO_TOKEN = ~0u };

/* The largest logit that is a number, and the first token that has it. */
struct likeliest {
    float top;
    uint32_t token;
};

__device__ __forceinline__ likeliest likelier(likeliest a, likeliest b)
{
    const bool second = b.token != NO_TOKEN && (a.token == NO_TOKEN || b.top > a.top ||
                                                (b.top == a.top && b.token < a.token));
    return second ? b : a;
}

/* Of a warp, for every thread of it. */
__device__ __forceinline__ likeliest likeliest_of(likeliest mine)
{
#pragma unroll
    for (int step = 16; step; step /= 2)
        mine = likelier(mine, {__shfl_xor_sync(0xFFFFFFFFu, mine.top, step),
                               __shfl_xor_sync(0xFFFFFFFFu, mine.token, step)});
    return mine;
}

/* Infinities become the largest numbers, so that differences stay defined. */
__device__ __forceinline__ float clamped(float logit)
{
    return fminf(fmaxf(logit, -3.402823466e38f), 3.402823466e38f);
}

/* A row's parts, a thread each. In double: shown to people, no state depends on it. */
__device__ __forceinline__ struct device_choice choice_of(const struct device_choice_part *parts)
{
    const struct device_choice_part *at = &parts[threadIdx.x];
    const struct device_choice_part part = {__ldcg(&at->top), __ldcg(&at->sum), __ldcg(&at->token)};
    const likeliest best = likeliest_of({part.top, part.token});
    double sum =
        part.token == NO_TOKEN
            ? 0.0
            : (double)part.sum * exp((double)clamped(part.top) - (double)clamped(best.top));
#pragma unroll
    for (int step = 16; step; step /= 2)
        sum += __shfl_xor_sync(0xFFFFFFFFu, sum, step);
    return {(int32_t)best.token, best.token == NO_TOKEN ? 0.0f : (float)(0.0 - log(sum))};
}

/* A part of a row: its likeliest token, and the sum of exp(logit - top). The block that is the
 * last of a row's to be done brings the parts together. */
__global__ void __launch_bounds__(THREADS)
    choose(struct device_choice *out, struct device_choice_work *work,
           const __grid_constant__ struct device_choice_rows rows, uint32_t vocabulary)
{
    __shared__ bool last;
    __shared__ likeliest warps[THREADS / 32];
    __shared__ float scratch[33];
    const float *x = rows.logits[blockIdx.y];
    const uint32_t each = (vocabulary + DEVICE_CHOICE_PARTS - 1) / DEVICE_CHOICE_PARTS;
    const uint32_t first = min(blockIdx.x * each, vocabulary), end = min(first + each, vocabulary);
    likeliest best = {-INFINITY, NO_TOKEN};
    for (uint32_t i = first + threadIdx.x; i < end; i += THREADS) {
        const float logit = x[i];
        if (logit == logit)
            best = likelier(best, {logit, i});
    }
    best = likeliest_of(best);
    if (threadIdx.x % 32 == 0)
        warps[threadIdx.x / 32] = best;
    __syncthreads();
    best = likeliest_of(warps[threadIdx.x % (THREADS / 32)]);
    float sum = 0;
    for (uint32_t i = first + threadIdx.x; i < end; i += THREADS) {
        const float logit = x[i];
        if (logit == logit)
            sum = __fadd_rn(sum, math_exp(__fsub_rn(clamped(logit), clamped(best.top))));
    }
    sum = math_block_sum(sum, scratch);
    if (threadIdx.x == 0) {
        work->parts[blockIdx.y][blockIdx.x] = {best.top, sum, best.token};
        __threadfence();
        last = atomicInc(&work->done[blockIdx.y], DEVICE_CHOICE_PARTS - 1) ==
               DEVICE_CHOICE_PARTS - 1; /* and the count is 0 again */
    }
    __syncthreads();
    if (!last || threadIdx.x >= DEVICE_CHOICE_PARTS)
        return;
    __threadfence();
    const struct device_choice choice = choice_of(work->parts[blockIdx.y]);
    if (threadIdx.x == 0)
        out[blockIdx.y] = choice;
}

static_assert(DEVICE_CHOICE_PARTS == 32, "a warp has a part a thread");

void device_choose(struct device_choice *out, struct device_choice_work *work,
                   const struct device_choice_rows *rows, uint32_t vocabulary, uint32_t count,
                   cudaStream_t stream)
{
    if (count > 0)
        choose<<<dim3(DEVICE_CHOICE_PARTS, count), THREADS, 0, stream>>>(out, work, *rows,
                                                                         vocabulary);
}
