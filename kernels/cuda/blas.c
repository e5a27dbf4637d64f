#include "kernels/cuda/blas.h"

#include "kernels/cuda/device.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So close together that little is computed for nothing, since a pass ends where a section
 * or a stretch between two states does. */
const uint32_t blas_row_counts[BLAS_ROW_COUNTS] = {
    64,   128,  256,  384,  512,  640,  768,  896,  1024, 1152, 1280,
    1408, 1536, 1664, 1792, 1920, 2048, 2176, 2304, 2432, 2560, 2688,
    2816, 2944, 3072, 3200, 3328, 3456, 3584, 3712, 3840, 3968, 4096,
};

enum { CANDIDATES = 16 };
#define WORKSPACE ((size_t)32 << 20)

/* The functions of the library that are used. */
#define FUNCTIONS(F)                                                                               \
    F(cublasLtCreate)                                                                              \
    F(cublasLtDestroy)                                                                             \
    F(cublasLtMatmul)                                                                              \
    F(cublasLtMatmulAlgoCheck)                                                                     \
    F(cublasLtMatmulAlgoGetHeuristic)                                                              \
    F(cublasLtMatmulAlgoConfigGetAttribute)                                                        \
    F(cublasLtMatmulDescCreate)                                                                    \
    F(cublasLtMatmulDescDestroy)                                                                   \
    F(cublasLtMatmulDescSetAttribute)                                                              \
    F(cublasLtMatrixLayoutCreate)                                                                  \
    F(cublasLtMatrixLayoutDestroy)                                                                 \
    F(cublasLtMatmulPreferenceCreate)                                                              \
    F(cublasLtMatmulPreferenceDestroy)                                                             \
    F(cublasLtMatmulPreferenceSetAttribute)

struct entry {
    struct blas_shape shape;
    cublasLtMatmulAlgo_t algorithm;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t w;
    cublasLtMatrixLayout_t x[BLAS_ROW_COUNTS], y[BLAS_ROW_COUNTS];
};

struct blas {
    void *library;
    cublasLtHandle_t handle;
    size_t version;
    void *workspace;
    struct entry *entries;
    size_t count, capacity;
#define FIELD(name) __typeof__(&name) name;
    FUNCTIONS(FIELD)
#undef FIELD
};

static bool load(struct blas *blas, char why[256])
{
    static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
    static const size_t majors[] = {13, 12};
    /* What a struct holds may change with the major version that this was compiled for. */
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !blas->library; i++)
        if (majors[i] == CUBLAS_VER_MAJOR)
            blas->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!blas->library) {
        snprintf(why, 256, "libcublasLt.so.%d cannot be loaded", CUBLAS_VER_MAJOR);
        return false;
    }
    bool whole = true;
#define FIND(name)                                                                                 \
    *(void **)(void *)&blas->name = dlsym(blas->library, #name);                                   \
    whole = whole && blas->name;
    FUNCTIONS(FIND)
#undef FIND
    union {
        void *object;
        size_t (*function)(void);
    } version = {.object = dlsym(blas->library, "cublasLtGetVersion")};
    if (!whole || !version.object) {
        snprintf(why, 256, "libcublasLt lacks a function");
        return false;
    }
    blas->version = version.function();
    return true;
}

struct blas *blas_new(size_t shapes, char why[256])
{
    struct blas *blas = calloc(1, sizeof *blas);
    snprintf(why, 256, "out of memory");
    if (!blas)
        return NULL;
    blas->capacity = shapes;
    blas->entries = calloc(shapes, sizeof *blas->entries);
    if (blas->entries && load(blas, why)) {
        if (blas->cublasLtCreate(&blas->handle) == CUBLAS_STATUS_SUCCESS &&
            cudaMalloc(&blas->workspace, WORKSPACE) == cudaSuccess)
            return blas;
        snprintf(why, 256, "libcublasLt cannot be started on this device");
    }
    blas_free(blas);
    return NULL;
}

static void free_entry(struct blas *blas, struct entry *e)
{
    if (e->operation)
        blas->cublasLtMatmulDescDestroy(e->operation);
    if (e->w)
        blas->cublasLtMatrixLayoutDestroy(e->w);
    for (size_t i = 0; i < BLAS_ROW_COUNTS; i++) {
        if (e->x[i])
            blas->cublasLtMatrixLayoutDestroy(e->x[i]);
        if (e->y[i])
            blas->cublasLtMatrixLayoutDestroy(e->y[i]);
    }
}

void blas_free(struct blas *blas)
{
    if (!blas)
        return;
    for (size_t i = 0; i < blas->count; i++)
        free_entry(blas, &blas->entries[i]);
    if (blas->handle)
        blas->cublasLtDestroy(blas->handle);
    cudaFree(blas->workspace);
    free(blas->entries);
    /* The library stays: taking it away while a context lives is asking for trouble. */
    free(blas);
}

unsigned blas_version(const struct blas *blas)
{
    return (unsigned)blas->version;
}

/* --- shapes ------------------------------------------------------------------------- */

static bool same_shape(const struct blas_shape *a, const struct blas_shape *b)
{
    return a->outputs == b->outputs && a->columns == b->columns && a->y_stride == b->y_stride &&
           a->w_stride == b->w_stride && a->x_stride == b->x_stride && a->y_bf16 == b->y_bf16 &&
           a->add == b->add;
}

static struct entry *find(const struct blas *blas, const struct blas_shape *shape)
{
    for (size_t i = 0; i < blas->count; i++)
        if (same_shape(&blas->entries[i].shape, shape))
            return &blas->entries[i];
    return NULL;
}

/* The library counts columns first, so that y^T = w x^T with w transposed. */
static bool describe(struct blas *blas, struct entry *e)
{
    const struct blas_shape *s = &e->shape;
    cublasOperation_t transposed = CUBLAS_OP_T;
    bool ok =
        blas->cublasLtMatmulDescCreate(&e->operation, CUBLAS_COMPUTE_32F, CUDA_R_32F) ==
            CUBLAS_STATUS_SUCCESS &&
        blas->cublasLtMatmulDescSetAttribute(e->operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                             sizeof transposed) == CUBLAS_STATUS_SUCCESS &&
        blas->cublasLtMatrixLayoutCreate(&e->w, CUDA_R_16BF, s->columns, s->outputs,
                                         (int64_t)s->w_stride) == CUBLAS_STATUS_SUCCESS;
    for (size_t i = 0; ok && i < BLAS_ROW_COUNTS; i++)
        ok = blas->cublasLtMatrixLayoutCreate(&e->x[i], CUDA_R_16BF, s->columns, blas_row_counts[i],
                                              (int64_t)s->x_stride) == CUBLAS_STATUS_SUCCESS &&
             blas->cublasLtMatrixLayoutCreate(&e->y[i], s->y_bf16 ? CUDA_R_16BF : CUDA_R_32F,
                                              s->outputs, blas_row_counts[i],
                                              (int64_t)s->y_stride) == CUBLAS_STATUS_SUCCESS;
    return ok;
}

static size_t row_index(uint32_t rows)
{
    for (size_t i = 0; i < BLAS_ROW_COUNTS; i++)
        if (blas_row_counts[i] == rows)
            return i;
    return BLAS_ROW_COUNTS;
}

static bool run(struct blas *blas, const struct entry *e, void *y, const void *w, const void *x,
                size_t rows, bool add, cudaStream_t stream)
{
    float one = 1, beta = add ? 1 : 0;
    return blas->cublasLtMatmul(blas->handle, e->operation, &one, w, e->w, x, e->x[rows], &beta, y,
                                e->y[rows], y, e->y[rows], &e->algorithm, blas->workspace,
                                WORKSPACE, stream) == CUBLAS_STATUS_SUCCESS;
}

bool blas_product(struct blas *blas, const struct blas_shape *shape, void *y, const void *w,
                  const void *x, uint32_t rows, cudaStream_t stream)
{
    const struct entry *e = find(blas, shape);
    size_t index = row_index(rows);
    return e && index < BLAS_ROW_COUNTS && run(blas, e, y, w, x, index, shape->add, stream);
}

/* --- choosing -------------------------------------------------------------------------- */

static size_t candidates(struct blas *blas, const struct entry *e, size_t most,
                         cublasLtMatmulHeuristicResult_t results[CANDIDATES])
{
    cublasLtMatmulPreference_t preference;
    uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
    size_t workspace = WORKSPACE;
    int found = 0;
    if (blas->cublasLtMatmulPreferenceCreate(&preference) != CUBLAS_STATUS_SUCCESS)
        return 0;
    if (blas->cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace) !=
            CUBLAS_STATUS_SUCCESS ||
        blas->cublasLtMatmulPreferenceSetAttribute(
            preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof reduction) !=
            CUBLAS_STATUS_SUCCESS ||
        blas->cublasLtMatmulAlgoGetHeuristic(blas->handle, e->operation, e->w, e->x[most],
                                             e->y[most], e->y[most], preference, CANDIDATES,
                                             results, &found) != CUBLAS_STATUS_SUCCESS)
        found = 0;
    blas->cublasLtMatmulPreferenceDestroy(preference);
    return (size_t)found;
}

/* Whether the library takes the algorithm for every number of rows, with whole sums. */
static bool is_fit(struct blas *blas, const struct entry *e, size_t most)
{
    int32_t parts = 1;
    size_t written;
    if (blas->cublasLtMatmulAlgoConfigGetAttribute(&e->algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM,
                                                   &parts, sizeof parts,
                                                   &written) != CUBLAS_STATUS_SUCCESS ||
        parts > 1 || parts < 0)
        return false;
    for (size_t i = 0; i <= most; i++) {
        cublasLtMatmulHeuristicResult_t result;
        if (blas->cublasLtMatmulAlgoCheck(blas->handle, e->operation, e->w, e->x[i], e->y[i],
                                          e->y[i], &e->algorithm,
                                          &result) != CUBLAS_STATUS_SUCCESS ||
            result.workspaceSize > WORKSPACE)
            return false;
    }
    return true;
}

/* Rows first .. first + n of x, backwards and alone, must give what they gave among all. */
static bool keeps_bits(struct blas *blas, const struct entry *e, size_t most, void *y, void *y2,
                       const void *w, const void *x, void *x2, int *different, cudaStream_t stream)
{
    const struct blas_shape *s = &e->shape;
    const size_t size = s->y_bf16 ? 2 : 4;
    int apart = 0;
    cudaMemsetAsync(different, 0, sizeof *different, stream);
    if (!run(blas, e, y, w, x, most, false, stream))
        return false;
    for (size_t i = 0; i <= most; i++) {
        uint32_t rows = blas_row_counts[i];
        uint32_t first = (blas_row_counts[most] - rows) / 3 | 1;
        if (first + rows > blas_row_counts[most])
            first = 0;
        device_reverse_rows(x2, x, s->x_stride * 2, first, rows, stream);
        if (!run(blas, e, y2, w, x2, i, false, stream))
            return false;
        device_compare_rows(different, y, y2, s->outputs * size, s->y_stride * size, first, rows,
                            stream);
    }
    return cudaMemcpyAsync(&apart, different, sizeof apart, cudaMemcpyDeviceToHost, stream) ==
               cudaSuccess &&
           cudaStreamSynchronize(stream) == cudaSuccess && apart == 0;
}

bool blas_prepare(struct blas *blas, const struct blas_shape *shape, uint32_t most_rows, void *y,
                  void *y2, const void *w, const void *x, void *x2, int *different,
                  cudaStream_t stream)
{
    cublasLtMatmulHeuristicResult_t results[CANDIDATES];
    if (find(blas, shape))
        return true;
    size_t most = row_index(most_rows);
    if (blas->count == blas->capacity || most == BLAS_ROW_COUNTS)
        return false;
    struct entry *e = &blas->entries[blas->count];
    *e = (struct entry){.shape = *shape};
    size_t found = describe(blas, e) ? candidates(blas, e, most, results) : 0;
    for (size_t i = 0; i < found; i++) {
        e->algorithm = results[i].algo;
        if (results[i].state == CUBLAS_STATUS_SUCCESS && is_fit(blas, e, most) &&
            keeps_bits(blas, e, most, y, y2, w, x, x2, different, stream)) {
            blas->count++;
            return true;
        }
    }
    free_entry(blas, e);
    return false;
}
