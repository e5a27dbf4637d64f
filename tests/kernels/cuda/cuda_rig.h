/* cuda_rig.h: memory on a device with guard words around each piece, for tests of its
 * kernels.
 *
 *     int main(void) { return cuda_rig_main(tests); }     77 where no device is
 *     float *x = cuda_put(host, bytes);
 *     kernel(x, ...);
 *     float *back = cuda_take(x, bytes);                  waits; free() it
 *     cuda_clear();                                       guards whole? all freed
 *
 * What fails stops the program with one line. */
#ifndef TIDEMARK_TESTS_KERNELS_CUDA_RIG_H
#define TIDEMARK_TESTS_KERNELS_CUDA_RIG_H

#include "tests/support/random.h"

#include <cuda_runtime_api.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { CUDA_GUARD = 1024, CUDA_PIECES = 48, CUDA_GUARD_BYTE = 0xA5 };

static struct cuda_piece {
    unsigned char *memory; /* [CUDA_GUARD + bytes + CUDA_GUARD], the size rounded up */
    size_t bytes;
} cuda_pieces[CUDA_PIECES];
static size_t cuda_piece_count;

static inline void cuda_require(cudaError_t status, const char *what)
{
    if (status != cudaSuccess) {
        fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(status));
        abort();
    }
}

static inline void *host_memory(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        abort();
    return memory;
}

/* A copy on the device, 1024-byte aligned; data NULL: every byte is CUDA_GUARD_BYTE. */
static inline void *cuda_put(const void *data, size_t bytes)
{
    assert_true(cuda_piece_count < CUDA_PIECES);
    struct cuda_piece *piece = &cuda_pieces[cuda_piece_count++];
    piece->bytes = bytes;
    cuda_require(cudaMalloc((void **)&piece->memory, bytes + 2 * CUDA_GUARD), "memory");
    cuda_require(cudaMemset(piece->memory, CUDA_GUARD_BYTE, bytes + 2 * CUDA_GUARD), "guards");
    if (data)
        cuda_require(cudaMemcpy(piece->memory + CUDA_GUARD, data, bytes, cudaMemcpyHostToDevice),
                     "copy");
    return piece->memory + CUDA_GUARD;
}

static inline void cuda_wait(const char *what)
{
    cuda_require(cudaGetLastError(), what);
    cuda_require(cudaDeviceSynchronize(), what);
}

static inline void *cuda_take(const void *device, size_t bytes)
{
    void *host = host_memory(bytes);
    cuda_wait("kernels");
    cuda_require(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), "copy back");
    return host;
}

static inline void cuda_clear(void)
{
    unsigned char guard[CUDA_GUARD];
    cuda_wait("kernels");
    for (size_t i = 0; i < cuda_piece_count; i++) {
        struct cuda_piece *piece = &cuda_pieces[i];
        for (size_t end = 0; end < 2; end++) {
            const unsigned char *from = piece->memory + end * (CUDA_GUARD + piece->bytes);
            cuda_require(cudaMemcpy(guard, from, CUDA_GUARD, cudaMemcpyDeviceToHost), "guards");
            for (size_t k = 0; k < CUDA_GUARD; k++)
                if (guard[k] != CUDA_GUARD_BYTE)
                    fail_msg("piece %zu of %zu bytes: byte %zu %s it was written", i, piece->bytes,
                             k, end ? "behind" : "of the 1024 before");
        }
        cuda_require(cudaFree(piece->memory), "freeing");
    }
    cuda_piece_count = 0;
}

/* --- BF16 ---------------------------------------------------------------------------- */

/* To the nearest, ties to even; finite numbers only. */
static inline uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static inline float bf16_value(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Activations as the kernels take them, F32 or BF16; `values` become what was stored. */
static inline void *cuda_put_activations(float *values, size_t count, bool precise)
{
    if (precise)
        return cuda_put(values, count * sizeof *values);
    uint16_t *halves = host_memory(count * sizeof *halves);
    for (size_t i = 0; i < count; i++) {
        halves[i] = bf16_of(values[i]);
        values[i] = bf16_value(halves[i]);
    }
    void *device = cuda_put(halves, count * sizeof *halves);
    free(halves);
    return device;
}

static inline float *cuda_take_activations(const void *device, size_t count, bool precise)
{
    if (precise)
        return cuda_take(device, count * sizeof(float));
    uint16_t *halves = cuda_take(device, count * sizeof *halves);
    float *values = host_memory(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = bf16_value(halves[i]);
    free(halves);
    return values;
}

/* What a byte of CUDA_GUARD_BYTE left untouched reads as. */
static inline float cuda_untouched(bool precise)
{
    uint32_t bits = 0xA5A5A5A5u;
    float x;
    if (!precise)
        return bf16_value(0xA5A5u);
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* How far rounding an activation of this size for storing may be off. */
static inline double stored_error(double value, bool precise)
{
    return precise ? 0 : 0x1p-8 * fabs(value) + 0x1p-133;
}

static inline float *random_values(struct random *random, size_t count, float scale)
{
    float *values = host_memory(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = scale * random_normal(random);
    return values;
}

/* Rounds of a random test: few under a sanitizer, with TEST_BRIEF in the environment. */
static inline size_t cuda_rounds(size_t all)
{
    return getenv("TEST_BRIEF") && all > 3 ? 3 : all;
}

/* --- running ---------------------------------------------------------------------------- */

static inline bool cuda_is_there(void)
{
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    struct cudaDeviceProp properties;
    if (status == cudaSuccess && count > 0 &&
        cudaGetDeviceProperties(&properties, 0) == cudaSuccess && properties.major >= 8)
        return true;
    printf("skipped: no GPU of compute capability 8.0 or later (%s)\n",
           status == cudaSuccess ? "none that fits" : cudaGetErrorString(status));
    return false;
}

#define cuda_rig_main(tests) (cuda_is_there() ? cmocka_run_group_tests(tests, NULL, NULL) : 77)

#endif
