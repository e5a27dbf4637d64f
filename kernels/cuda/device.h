/* device.h: the kernels that run on an NVIDIA GPU, behind a C interface.
 *
 * Every function enqueues work on a stream and returns; what goes wrong shows in
 * cudaGetLastError() or when the stream is waited for. All pointers are the device's
 * unless said otherwise; arrays are row-major. The rules of kernels.h hold: a row's
 * result depends on that row and the weights alone, sums run in an order that shapes
 * fix, and the scan runs in order of time.
 *
 * Activations are BF16, or F32 where the model's own weights are F32 (`precise`).
 * Columns between a matrix's own and its padded number are zero in weights and
 * activations alike. */
#ifndef TIDEMARK_KERNELS_CUDA_DEVICE_H
#define TIDEMARK_KERNELS_CUDA_DEVICE_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when any kernel's bits change. */
#define DEVICE_REVISION 3

enum device_form {
    DEVICE_F32,    /* [rows][padded] float */
    DEVICE_BF16,   /* [rows][padded] BF16 */
    DEVICE_PACKED, /* tiles of 16 rows x 256 columns (packed.cuh) */
};

/* A weight matrix on the device. */
struct device_matrix {
    int form;         /* enum device_form */
    int type;         /* of a packed one: enum blocks_type */
    uint32_t outputs; /* rows that mean something */
    uint32_t rows;    /* outputs, rounded up to 16 */
    uint32_t columns; /* that mean something */
    uint32_t padded;  /* columns, rounded up to 256 */
    const void *data;
};

uint32_t device_round_up(uint32_t value, uint32_t multiple);

/* Bytes of a matrix in a form; 0 for a type that is not packed. */
size_t device_matrix_bytes(int form, int type, uint32_t outputs, uint32_t columns);

/* Rows [first, first + count) of the file's bytes, `raw` on the device, into m->data.
 * first is a multiple of 16, and count too, except at the matrix's end. */
void device_matrix_load(const struct device_matrix *m, const void *raw, int raw_type,
                        size_t raw_row_bytes, uint32_t first, uint32_t count, cudaStream_t stream);

/* Rows [first, first + count) of a packed matrix as BF16 or F32 [count][padded]. */
void device_unpack(void *out, bool precise, const struct device_matrix *m, uint32_t first,
                   uint32_t count, cudaStream_t stream);

/* x[r][0..columns) = row tokens[r] of the embedding. */
void device_embed(float *x, uint32_t x_stride, const struct device_matrix *embedding,
                  const int32_t *tokens, uint32_t rows, cudaStream_t stream);

/* The same of at most DEVICE_FEW rows with the tokens on the host, read before it returns. */
enum { DEVICE_FEW = 64 };
void device_embed_few(float *x, uint32_t x_stride, const struct device_matrix *embedding,
                      const int32_t *tokens, uint32_t rows, cudaStream_t stream);

/* out[r] = x[index ? index[r] : r] normalized and weighted. */
void device_norm(void *out, bool precise, uint32_t out_stride, const float *x, uint32_t x_stride,
                 const int32_t *index, const float *weight, float epsilon, uint32_t size,
                 uint32_t rows, cudaStream_t stream);

/* A stretch of rows of one lane, and the lane's state (engine/state.h's layout). */
struct device_segment {
    float *state;
    uint32_t row, count;
};

struct device_layer_shape {
    uint32_t inner, states, taps, rank;
    uint32_t wide_stride;  /* of xz: x, then the gate from column `inner` on */
    uint32_t inner_stride; /* of xc, delta, y */
    uint32_t mixer_stride; /* of dbc: dt, B, C as the product gives them */
    uint32_t rank_stride;  /* of dt */
    size_t layer_offset;   /* floats from a state's begin to the layer's h; the tail follows it */
    float mixer_epsilon;
    bool mixer_norm;
    bool precise;
};

/* xc = silu(conv(x) + bias). The tails are read, not written: device_scan does that.
 * row_segment [rows]: the index of each row's segment. taps <= 4. */
void device_conv(void *xc, const void *xz, const float *weight, const float *bias,
                 const struct device_segment *segments, const int32_t *row_segment, uint32_t rows,
                 const struct device_layer_shape *shape, cudaStream_t stream);

/* dt [rows][rank_stride] and bc [rows][2 states], normalized when the model does that. */
void device_mixer(void *dt, float *bc, const float *dbc, uint32_t rows,
                  const struct device_layer_shape *shape, cudaStream_t stream);

struct device_scan {
    void *y;            /* out [rows][inner_stride]; may be the memory of xc */
    const float *delta; /* [rows][inner_stride] before bias and softplus */
    const void *xc, *xz;
    const float *bc;
    const float *a, *bias, *skip; /* [states][inner], [inner], [inner] */
};
void device_scan(const struct device_scan *scan, const struct device_segment *segments,
                 uint32_t segment_count, const struct device_layer_shape *shape,
                 cudaStream_t stream);
bool device_scan_fits(const struct device_layer_shape *shape); /* states and taps it knows */

/* y[r][j] = (add ? y[r][j] : 0) + sum_k w[j][k] x[r][k] for `rows` (a multiple of 64) rows
 * and `outputs` (of 16) outputs, K (of 256) columns. Plain kernels, always there. */
void device_product_bf16(void *y, bool y_bf16, size_t y_stride, const void *w, size_t w_stride,
                         const void *x, size_t x_stride, uint32_t rows, uint32_t outputs,
                         uint32_t columns, bool add, cudaStream_t stream);
void device_product_f32(float *y, size_t y_stride, const float *w, size_t w_stride, const float *x,
                        size_t x_stride, uint32_t rows, uint32_t outputs, uint32_t columns,
                        bool add, cudaStream_t stream);

/* What is wanted of a row's logits. */
struct device_logit_row {
    int32_t target; /* token whose surprise is wanted, or -1 */
    float *copy;    /* the row of logits goes here; NULL: nowhere */
    float *copy2;
};

/* One stretch of the vocabulary, logits [rows][stride] of tokens [first, first + count). */
void device_logits_part(const float *logits, size_t stride, uint32_t first, uint32_t count,
                        const struct device_logit_row *rows, uint32_t row_count, float *top,
                        float *sum, float *target, cudaStream_t stream);

/* bits[r] from the parts [parts][row_stride]. */
void device_surprise(float *bits, const float *top, const float *sum, const float *target,
                     uint32_t parts, uint32_t row_stride, uint32_t rows, cudaStream_t stream);

/* The largest logit of a row, the smaller token of equal ones; NaN is never chosen, and
 * -infinity only where there is nothing else. */
struct device_choice {
    int32_t token;         /* -1: no logit is a number */
    float log_probability; /* natural */
};

enum { DEVICE_CHOICE_ROWS = 64, DEVICE_CHOICE_PARTS = 32 };

struct device_choice_rows {
    const float *logits[DEVICE_CHOICE_ROWS]; /* [vocabulary] each, on the device */
};

struct device_choice_part {
    float top, sum;
    uint32_t token;
};

/* Zero at first; left so that it can be used again. */
struct device_choice_work {
    struct device_choice_part parts[DEVICE_CHOICE_ROWS][DEVICE_CHOICE_PARTS];
    uint32_t done[DEVICE_CHOICE_ROWS]; /* parts of each row */
};

/* out [count] where the device can write, work on the device; rows on the host, read before
 * this returns. */
void device_choose(struct device_choice *out, struct device_choice_work *work,
                   const struct device_choice_rows *rows, uint32_t vocabulary, uint32_t count,
                   cudaStream_t stream);

/* Numbers without a pattern, from -1 to 1, for trying out and measuring. */
void device_fill_random(void *out, bool precise, size_t count, uint32_t seed, cudaStream_t stream);

/* *different becomes 1 when a[row_a(i)][0..columns) and b[i] differ in a bit, where
 * row_a(i) = first + (count - 1 - i). */
void device_compare_rows(int *different, const void *a, const void *b, size_t row_bytes,
                         size_t stride_bytes, uint32_t first, uint32_t count, cudaStream_t stream);
void device_reverse_rows(void *out, const void *in, size_t stride_bytes, uint32_t first,
                         uint32_t count, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
