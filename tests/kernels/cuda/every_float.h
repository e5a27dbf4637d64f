/* every_float.h: the device's elementary functions at every float there is. */
#ifndef TIDEMARK_TESTS_KERNELS_CUDA_EVERY_FLOAT_H
#define TIDEMARK_TESTS_KERNELS_CUDA_EVERY_FLOAT_H

#include <cuda_runtime_api.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EVERY_EXP2,
    EVERY_EXP,
    EVERY_SILU,
    EVERY_SOFTPLUS,
    EVERY_LOG_ONE_PLUS,
    EVERY_STRAIGHT_SILU,
    EVERY_STRAIGHT_SOFTPLUS
};

struct every_range {
    float low, high;         /* arguments */
    double relative, growth; /* the bound: (relative + growth |x|) |f(x)| */
    double underflow;        /* and this, for what is flushed to zero */
};

/* *worst: the largest error as a fraction of the bound. *checksum: of all arguments and
 * results, in any order. */
cudaError_t every_float_run(int function, const struct every_range *range, double *worst,
                            uint64_t *checksum);

#ifdef __cplusplus
}
#endif

#endif
