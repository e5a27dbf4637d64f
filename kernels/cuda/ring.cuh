/* ring.cuh: memory that flows into shared memory on its own.
 *
 * A ring is a number of slots that are filled in turns. `full` completes when the bytes of a
 * turn's bulk copies have come, `empty` when all who read them are done. One warp fills,
 * waiting on nothing but `empty`; so what comes next is on its way while others wait for
 * each other. Every thread that has read says so for itself: one for its warp, behind
 * __syncwarp(), orders as much and costs as much, but racecheck does not follow it.
 *
 * Slots have one `empty` each, whose phase is turn / slots. A reader skips turns, and copies
 * complete in any order: it may come to a turn while the slot's last one is still to
 * come, where a phase's parity says nothing. So there are more `full` barriers than slots,
 * turn % FULLS, as many as that the last turn of each must be over: a reader that has got
 * turn T knows that turns up to T - slots are, and asks for none beyond T + FULLS - slots. */
#ifndef TIDEMARK_KERNELS_CUDA_RING_CUH
#define TIDEMARK_KERNELS_CUDA_RING_CUH

#include <stdint.h>

__device__ __forceinline__ uint32_t ring_address(const void *shared)
{
    return (uint32_t)__cvta_generic_to_shared(shared);
}

__device__ __forceinline__ void ring_init(uint64_t *barrier, uint32_t arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(ring_address(barrier)),
                 "r"(arrivals)
                 : "memory");
}

__device__ __forceinline__ void ring_arrive(uint64_t *barrier, uint32_t arrivals)
{
    asm volatile(
        "mbarrier.arrive.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(ring_address(barrier)),
        "r"(arrivals)
        : "memory");
}

/* One arrival, and `bytes` that are still to come. */
__device__ __forceinline__ void ring_expect(uint64_t *barrier, uint32_t bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(
                     ring_address(barrier)),
                 "r"(bytes)
                 : "memory");
}

__device__ __forceinline__ void ring_wait(uint64_t *barrier, uint32_t parity)
{
    uint32_t done;
    do {
        asm volatile("{\n"
                     ".reg .pred p;\n"
                     "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%1], %2;\n"
                     "selp.u32 %0, 1, 0, p;\n"
                     "}"
                     : "=r"(done)
                     : "r"(ring_address(barrier)), "r"(parity)
                     : "memory");
    } while (!done);
}

/* Weights are read once a token: they had better not push out what is read more often. */
__device__ __forceinline__ uint64_t ring_passing_policy()
{
    uint64_t policy;
    asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
    return policy;
}

/* Multiples of 16 bytes at addresses that are, too. */
__device__ __forceinline__ void ring_copy_passing(void *shared, const void *global, uint32_t bytes,
                                                  uint64_t *barrier, uint64_t policy)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"
                 ".L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(ring_address(shared)),
                 "l"(global), "r"(bytes), "r"(ring_address(barrier)), "l"(policy)
                 : "memory");
}

__device__ __forceinline__ void ring_copy(void *shared, const void *global, uint32_t bytes,
                                          uint64_t *barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1], %2, [%3];" ::"r"(ring_address(shared)),
                 "l"(global), "r"(bytes), "r"(ring_address(barrier))
                 : "memory");
}

/* Slots' turns without a division; `inverse` is 2^32 / slots, rounded up. */
struct ring_turns {
    uint32_t slots, inverse;

    __device__ __forceinline__ uint32_t slot(uint32_t turn, uint32_t &phase) const
    {
        uint32_t round = __umulhi(turn, inverse);
        phase = round & 1;
        return turn - round * slots;
    }
};

#endif
