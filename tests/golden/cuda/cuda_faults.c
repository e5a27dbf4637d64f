/* Linked into a copy of the GPU's module, in which each call of CUDA's runtime goes through
 * here first (the linker's --wrap): call number `cuda_faults_at` fails, or with
 * `cuda_faults_last` greater all up to that one. The test reaches both by dlsym. */
#include <cuda_runtime_api.h>
#include <stdint.h>

__attribute__((visibility("default"))) extern int64_t cuda_faults_at, cuda_faults_last;
__attribute__((visibility("default"))) extern int64_t cuda_faults_calls;
int64_t cuda_faults_at, cuda_faults_last; /* counted from 1; 0: none */
int64_t cuda_faults_calls;                /* so far */

static int fails(void)
{
    int64_t now = ++cuda_faults_calls;
    return now == cuda_faults_at || (now > cuda_faults_at && now <= cuda_faults_last);
}

/* NAME(PARAMETERS) fails with STATUS or goes on to the real one with (ARGUMENTS). */
#define WRAP(NAME, STATUS, PARAMETERS, ARGUMENTS)                                                  \
    cudaError_t __real_##NAME PARAMETERS;                                                          \
    cudaError_t __wrap_##NAME PARAMETERS;                                                          \
    cudaError_t __wrap_##NAME PARAMETERS                                                           \
    {                                                                                              \
        return fails() ? STATUS : __real_##NAME ARGUMENTS;                                         \
    }

WRAP(cudaMalloc, cudaErrorMemoryAllocation, (void **p, size_t size), (p, size))
WRAP(cudaHostAlloc, cudaErrorMemoryAllocation, (void **p, size_t size, unsigned flags),
     (p, size, flags))
WRAP(cudaMemcpy, cudaErrorLaunchFailure,
     (void *to, const void *from, size_t size, enum cudaMemcpyKind kind), (to, from, size, kind))
WRAP(cudaMemcpyAsync, cudaErrorLaunchFailure,
     (void *to, const void *from, size_t size, enum cudaMemcpyKind kind, cudaStream_t stream),
     (to, from, size, kind, stream))
WRAP(cudaMemset, cudaErrorLaunchFailure, (void *to, int value, size_t size), (to, value, size))
WRAP(cudaMemsetAsync, cudaErrorLaunchFailure,
     (void *to, int value, size_t size, cudaStream_t stream), (to, value, size, stream))
WRAP(cudaMemGetInfo, cudaErrorUnknown, (size_t * available, size_t *all), (available, all))
WRAP(cudaEventCreate, cudaErrorUnknown, (cudaEvent_t * event), (event))
WRAP(cudaEventCreateWithFlags, cudaErrorUnknown, (cudaEvent_t * event, unsigned flags),
     (event, flags))
WRAP(cudaEventRecord, cudaErrorLaunchFailure, (cudaEvent_t event, cudaStream_t stream),
     (event, stream))
WRAP(cudaEventSynchronize, cudaErrorLaunchFailure, (cudaEvent_t event), (event))
WRAP(cudaStreamCreateWithFlags, cudaErrorUnknown, (cudaStream_t * stream, unsigned flags),
     (stream, flags))
WRAP(cudaStreamSynchronize, cudaErrorLaunchFailure, (cudaStream_t stream), (stream))
WRAP(cudaStreamWaitEvent, cudaErrorLaunchFailure,
     (cudaStream_t stream, cudaEvent_t event, unsigned flags), (stream, event, flags))
WRAP(cudaGetDeviceCount, cudaErrorUnknown, (int *count), (count))
WRAP(cudaGetDeviceProperties, cudaErrorUnknown, (struct cudaDeviceProp * properties, int device),
     (properties, device))
WRAP(cudaGetDevice, cudaErrorUnknown, (int *device), (device))
WRAP(cudaSetDevice, cudaErrorUnknown, (int device), (device))
WRAP(cudaGetLastError, cudaErrorLaunchFailure, (void), ())
WRAP(cudaLaunchCooperativeKernel, cudaErrorLaunchFailure,
     (const void *function, dim3 grid, dim3 block, void **arguments, size_t shared,
      cudaStream_t stream),
     (function, grid, block, arguments, shared, stream))
WRAP(cudaLaunchKernelExC, cudaErrorLaunchFailure,
     (const cudaLaunchConfig_t *config, const void *function, void **arguments),
     (config, function, arguments))

/* --- memory that really runs out --------------------------------------------------- */

enum { PIECES = 256 };

static void *pieces[PIECES];
static int piece_count;

__attribute__((visibility("default"))) int cuda_faults_fill(size_t leave);
__attribute__((visibility("default"))) void cuda_faults_empty(void);

/* Takes the device's memory but for about `leave` bytes. 0: it could not. */
int cuda_faults_fill(size_t leave)
{
    size_t available, all;
    for (size_t size = (size_t)16 << 30; size >= (size_t)16 << 20; size /= 2)
        while (piece_count < PIECES && __real_cudaMemGetInfo(&available, &all) == cudaSuccess &&
               available > leave + size &&
               __real_cudaMalloc(&pieces[piece_count], size) == cudaSuccess)
            piece_count++;
    (void)__real_cudaGetLastError();
    return __real_cudaMemGetInfo(&available, &all) == cudaSuccess &&
           available < leave + ((size_t)64 << 20);
}

void cuda_faults_empty(void)
{
    while (piece_count > 0)
        (void)cudaFree(pieces[--piece_count]);
}
