/* entry.cuh: what a token's kernel does at its beginning, and from layer to layer; private to
 * token.cu. */
#ifndef TIDEMARK_KERNELS_CUDA_ENTRY_CUH
#define TIDEMARK_KERNELS_CUDA_ENTRY_CUH

#include "kernels/cuda/finish.cuh"

/* A layer's struct from memory, which would be waited for again and again; a word by each thread
 * i. */
template <int LANES>
__device__ __forceinline__ void
load_layer(token_shared<LANES> &shared, const struct token_model &model, uint32_t index, uint32_t i)
{
    if (index < model.layer_count && i < sizeof(struct token_layer) / 4)
        stash_copy((uint32_t *)&shared.layers[index % shared.LAYERS] + i,
                   (const uint32_t *)&model.layers[index] + i);
}

/* Norms' weights are the same for all blocks: one line each to L2, before they are wanted, by
 * threads i < `threads`. */
template <int LANES>
__device__ __forceinline__ void fetch_norm(const token_run_state<LANES> &c, uint32_t next,
                                           uint32_t i, uint32_t threads)
{
    const float *weight = next < c.model.layer_count ? c.shared.layers[next % c.shared.LAYERS].norm
                                                     : c.model.output_norm;
    for (uint32_t at = (i * gridDim.x + blockIdx.x) * 32; at < c.model.embedding;
         at += threads * gridDim.x * 32)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(weight + at));
}

template <int LANES>
__device__ __forceinline__ void enter_layer(token_run_state<LANES> &c, uint32_t index)
{
    c.layer = &c.shared.layers[index % c.shared.LAYERS];
    c.s.layer_offset = (size_t)index * (c.s.states + c.s.taps - 1) * c.s.inner;
}

/* --- the token ------------------------------------------------------------------------------ */

__device__ __forceinline__ void list_matrices(shared_matrix *to, const struct token_model &model)
{
    for (uint32_t i = threadIdx.x; i <= model.layer_count * 4; i += blockDim.x) {
        const struct device_matrix *m = &model.output;
        if (i < model.layer_count * 4) {
            const struct token_layer *layer = &model.layers[i / 4];
            m = i % 4 == 0   ? &layer->in
                : i % 4 == 1 ? &layer->x
                : i % 4 == 2 ? &layer->dt
                             : &layer->out;
        }
        to[i].data = (const uint8_t *)m->data;
        to[i].type = m->form == DEVICE_PACKED ? (uint32_t)m->type : (uint32_t)FRAGMENT_PLAIN;
    }
}

/* Shared memory as all its threads find it. */
template <int LANES>
__device__ __forceinline__ void enter_token(token_shared<LANES> &shared, shared_matrix *matrices,
                                            const struct token_model &model, const token_work &w,
                                            const token_places &places,
                                            const struct token_states &states, uint32_t lanes)
{
    list_matrices(matrices, model);
    load_layer(shared, model, 0, threadIdx.x);
    stash_wait();
    if (threadIdx.x < STAGES)
        shared.shares[threadIdx.x] = share_of(w.shapes[threadIdx.x], threadIdx.x == STAGE_X);
    for (uint32_t n = threadIdx.x; n < lanes; n += blockDim.x)
        shared.states[n] = states.of[n];
    if (threadIdx.x == 0) {
        for (uint32_t i = 0; i < FULLS; i++)
            ring_init(&shared.full[i], 1);
        for (uint32_t i = 0; i < places.slots; i++)
            ring_init(&shared.empty[i], THREADS);
        for (uint32_t i = 0; i < PIECE_FULLS; i++)
            ring_init(&shared.piece_full[i], 1);
        for (uint32_t i = 0; i < PIECES; i++)
            ring_init(&shared.piece_empty[i], THREADS);
        ring_init(&shared.go, THREADS);
        ring_init(&shared.come, LANES == ONE ? ASIDE : 1);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
}

#endif
