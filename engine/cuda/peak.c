/* peak.c: what the device can do, measured by the plainest means there are. */
#include "engine/cuda/forward_cuda.h"

enum { SIDE = 8192, ROUNDS = 10 };
#define COPY_BYTES ((size_t)2 << 30)

static bool timed(struct forward *f, bool (*work)(struct forward *, unsigned char *), void *memory,
                  double *seconds, struct error *error)
{
    static const char doing[] = "measuring";
    cudaEvent_t begin = NULL, end = NULL;
    float ms = 0;
    bool ok = cuda_check(cudaEventCreate(&begin), doing, error) &&
              cuda_check(cudaEventCreate(&end), doing, error);
    for (int i = 0; ok && i < 3; i++)
        ok = work(f, memory);
    ok = ok && cuda_check(cudaEventRecord(begin, f->stream), doing, error);
    for (int i = 0; ok && i < ROUNDS; i++)
        ok = work(f, memory);
    ok = ok && cuda_check(cudaEventRecord(end, f->stream), doing, error) &&
         cuda_check(cudaEventSynchronize(end), doing, error) &&
         cuda_check(cudaEventElapsedTime(&ms, begin, end), doing, error);
    if (begin)
        cudaEventDestroy(begin);
    if (end)
        cudaEventDestroy(end);
    *seconds = (double)ms / 1e3 / ROUNDS;
    return ok || error_set(error, ERROR_SYSTEM, "the GPU's peak could not be measured");
}

static bool copy_once(struct forward *f, unsigned char *memory)
{
    return cudaMemcpyAsync(memory + COPY_BYTES, memory, COPY_BYTES, cudaMemcpyDeviceToDevice,
                           f->stream) == cudaSuccess;
}

/* Rows of the largest pass, so that the library's algorithm for the layers' kind of
 * product is what is measured. */
static struct blas_shape square(void)
{
    return (struct blas_shape){.outputs = SIDE,
                               .columns = SIDE,
                               .y_stride = SIDE,
                               .w_stride = SIDE,
                               .x_stride = SIDE,
                               .y_bf16 = true};
}

static bool multiply_once(struct forward *f, unsigned char *memory)
{
    const size_t matrix = (size_t)SIDE * SIDE * 2;
    struct blas_shape shape = square();
    if (f->blas)
        return blas_product(f->blas, &shape, memory + 4 * matrix, memory, memory + matrix,
                            blas_row_counts[BLAS_ROW_COUNTS - 1], f->stream);
    device_product_bf16(memory + 4 * matrix, true, SIDE, memory, SIDE, memory + matrix, SIDE,
                        blas_row_counts[BLAS_ROW_COUNTS - 1], SIDE, SIDE, false, f->stream);
    return cudaGetLastError() == cudaSuccess;
}

static bool measure(struct forward *f, unsigned char *memory, struct forward_peak *peak,
                    struct error *error)
{
    const size_t matrix = (size_t)SIDE * SIDE * 2;
    const uint32_t rows = blas_row_counts[BLAS_ROW_COUNTS - 1];
    struct blas_shape shape = square();
    double seconds;
    device_fill_random(memory, false, 2 * matrix, 3, f->stream);
    if (!timed(f, copy_once, memory, &seconds, error))
        return false;
    peak->copy_bytes = 2.0 * (double)COPY_BYTES / seconds;
    if (f->blas &&
        !blas_prepare(f->blas, &shape, rows, memory + 4 * matrix, memory + 6 * matrix, memory,
                      memory + matrix, memory + 2 * matrix, f->different, f->stream))
        return error_set(error, ERROR_SYSTEM, "the GPU's matrix rate could not be measured");
    if (!timed(f, multiply_once, memory, &seconds, error))
        return false;
    peak->matrix_kind = "bf16";
    peak->matrix_flops = 2.0 * rows * SIDE * (double)SIDE / seconds;
    return true;
}

bool cuda_peak(struct forward *f, struct forward_peak *peak, struct error *error)
{
    unsigned char *memory = NULL;
    if (!cuda_check(cudaMalloc((void **)&memory, 2 * COPY_BYTES), "measuring", error))
        return false;
    bool ok = measure(f, memory, peak, error);
    cudaFree(memory);
    return ok;
}
