/* grid.cuh: how the blocks of a token's kernel come together; private to token.cu and
 * lanes.cu.
 *
 * In token.cu a warp of its own brings the blocks together: so those that compute need not stand
 * while what they wrote finds its way to memory, and a barrier costs nothing if they come to ask
 * late. */
#ifndef TIDEMARK_KERNELS_CUDA_GRID_CUH
#define TIDEMARK_KERNELS_CUDA_GRID_CUH

#include "kernels/cuda/share.cuh"

/* One arrival, by one thread, and waiting for so many. */
__device__ __forceinline__ void grid_count(uint32_t *counter)
{
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
}

__device__ __forceinline__ void grid_until(const uint32_t *counter, uint32_t target)
{
    uint32_t seen;
    do {
        asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(counter) : "memory");
    } while (seen < target);
}

/* Says that this thread is here: what it wrote before is seen by whoever has waited, by bulk
 * copies too if `bulk`. */
__device__ __forceinline__ void grid_arrive(bool bulk)
{
    if (bulk)
        asm volatile("fence.proxy.async;" ::: "memory");
    asm volatile("bar.arrive 2, %0;" ::"r"((int)THREADS + 32) : "memory");
}

/* Waits for all blocks' threads. */
__device__ __forceinline__ void grid_wait(uint64_t *come, uint32_t &passed)
{
    ring_wait(come, passed++ & 1);
}

__device__ __forceinline__ void grid_pass(uint32_t *counter, uint32_t &target, uint64_t *come)
{
    asm volatile("bar.sync 2, %0;" ::"r"((int)THREADS + 32) : "memory");
    if (threadIdx.x % 32 == 0) {
        target += gridDim.x;
        grid_count(counter);
        grid_until(counter, target);
        ring_arrive(come, 1);
    }
    __syncwarp();
}

/* Whether prepare() brings the grid together before a stage. */
__device__ __forceinline__ bool grid_prepares(bool many, uint32_t stage, bool integers)
{
    const bool made = stage == STAGE_X || stage == STAGE_OUT;
    return many && stage != STAGE_GATE && stage != STAGE_GATE_REST && (integers || !made);
}

/* The last block that is done leaves the counters as the next launch wants them; by one
 * thread. */
__device__ __forceinline__ void grid_leave(uint32_t *counter)
{
    if (atomicAdd(counter + 1, 1) == gridDim.x - 1) {
        counter[0] = 0;
        counter[1] = 0;
    }
}

/* What that warp does for the whole token. */
__device__ __forceinline__ void grid_run(const token_work &w, uint64_t *come,
                                         const shared_matrix *matrices, uint32_t steps, bool many)
{
    uint32_t target = 0;
    for (uint32_t step = 0; step < steps; step++) {
        const uint32_t stage = stage_of(step, steps);
        const bool integers = matrices[matrix_of(step, stage)].type != FRAGMENT_PLAIN;
        if (grid_prepares(many, stage, integers))
            grid_pass(w.barrier, target, come);
        if (stage != STAGE_GATE && stage != STAGE_GATE_REST && stage != STAGE_LOGITS)
            grid_pass(w.barrier, target, come);
    }
    if (threadIdx.x % 32 == 0)
        grid_leave(w.barrier);
}

#endif
