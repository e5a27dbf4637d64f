/* kernels.h: the arithmetic of a Mamba model, as one table of functions.
 *
 * kernels_best() or kernels_by_name() gives a table; each level (the plain C
 * reference, AVX-512, ...) fills it with its own functions. Kernels know shapes
 * and rows, never layers or files.
 *
 * Exactness, the rule all levels obey: a row's result depends on that row's
 * input and on the weights alone, not on the number of rows, on how a range of
 * outputs or channels is split into calls, nor on where a chunk of tokens begins.
 * Sums over K run in one order that the weight's shape and type fix; the scan
 * runs in order of time. A change of bits needs a new `revision`.
 *
 * All arrays are float32, row-major, borrowed. Rows of activations are `stride`
 * floats apart. `rows` may be 0. */
#ifndef TIDEMARK_KERNELS_KERNELS_H
#define TIDEMARK_KERNELS_KERNELS_H

#include "kernels/blocks.h"

/* A weight matrix as the file holds it: `outputs` rows of `columns` weights. */
struct matrix {
    enum blocks_type type;
    size_t outputs, columns;
    size_t row_bytes;
    const unsigned char *data;
    bool normalized; /* the rows that it is for are rms_norm()'s: sizes of one order, so that a
                        level may round them, and it, to few bits a number */
};

/* One lane's stretch of tokens in the selective scan of Mamba-1 (Gu and Dao,
 * 2023, section 3), for `channels` of the inner dimension D. Pointers of
 * [.][D] arrays point at the first of these channels; t counts tokens. */
struct scan {
    float *y;           /* out [tokens][y_stride]; may be x or delta, whose stride it has then */
    float *h;           /* in, out [states][h_stride]: h[s][d] */
    const float *delta; /* [tokens][delta_stride] before bias and softplus */
    const float *bias;  /* [D] */
    const float *a;     /* [states][h_stride], -exp(A_log) transposed */
    const float *b;     /* [tokens][bc_stride], states of them used */
    const float *c;     /* [tokens][bc_stride] */
    const float *x;     /* [tokens][x_stride] */
    const float *skip;  /* [D], the model's D */
    const float *gate;  /* [tokens][gate_stride], z */
    const float *next;  /* as h, of the scan that will follow: may be fetched; or NULL */
    size_t y_stride, h_stride, delta_stride, bc_stride, x_stride, gate_stride;
    size_t tokens, channels, states;
};

/* Depthwise causal convolution of `width` taps, bias and SiLU, one lane.
 *   y[t][d] = silu(bias[d] + sum_j weight[j][d] x[t - width + 1 + j][d]) */
struct conv {
    float *y;            /* out [tokens][y_stride] */
    float *tail;         /* in, out [width - 1][tail_stride]: the last inputs, oldest first */
    const float *x;      /* [tokens][x_stride] */
    const float *weight; /* [width][tail_stride]: transposed to taps first */
    const float *bias;   /* [D] */
    size_t y_stride, tail_stride, x_stride;
    size_t tokens, channels, width;
};

/* Memory that will be read soon. */
struct kernels_memory {
    const void *at;
    size_t bytes;
};

struct kernels {
    const char *name;  /* "reference", "avx512", ... */
    unsigned revision; /* raised when any function's bits change */
    bool rounds;       /* activations are rounded before a product */
    unsigned
        pass_rows; /* tokens of a prefill pass that suit the level; at most KERNELS_PASS_ROWS */
    unsigned product_rows; /* of these, how many prefill_matmul() multiplies with weights that it
                              has decoded; a multiple of 2 KERNELS_PACK_ROWS */

    /* Levels that round activations do so once a row, before the product; others have NULL in
     * all of these, and one that rounds in decode alone in those of prefill. Where packs() says so,
     * w's product takes, in place of x, what the functions after it made of x: packed rows in the
     * level's own form, 64-byte aligned, of rows [first, first + count), count at most
     * KERNELS_PACK_ROWS and first a multiple of it. */
    bool (*packs)(const struct matrix *w, bool decode);

    /* For prefill_matmul(): columns [begin, end) of these rows; the others' are made by other
     * calls, in any order. x: the first row's column `begin`. begin is a multiple of
     * KERNELS_PACK_UNIT (where w->normalized, KERNELS_PACK_COLUMNS), and so is end unless it is
     * w->columns. They lie somewhere within the first (first + KERNELS_PACK_ROWS) *
     * kernels_packed_floats(w->columns) floats. NULL where no such product takes packed rows. */
    void (*pack_pass)(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                      size_t first, size_t count, size_t begin, size_t end);

    /* Where row `row`, a multiple of KERNELS_PACK_ROWS, of what pack_pass() made lies: those from
     * there on may be multiplied by themselves. NULL where pack_pass() is. */
    const float *(*packed_from)(const float *packed, const struct matrix *w, size_t row);

    /* For decode_matmul(): the same, but of x: [.][x_stride] all rows, at a place of their own
     * within packed[0] to packed[(first + KERNELS_PACK_ROWS) * x_stride - 1], where x_stride is
     * at least w->columns + 16 and a multiple of 16; begin and end are multiples of
     * KERNELS_PACK_COLUMNS. */
    void (*pack)(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                 size_t first, size_t count, size_t begin, size_t end);

    /* What pack() makes of all columns of rows [first, first + count), by one call a row: row
     * first + row of x, in any order and by several threads. */
    void (*pack_row)(float *packed, const struct matrix *w, const float *x, size_t x_stride,
                     size_t first, size_t count, size_t row);

    /* Many tokens at once: for outputs j in [first, first + count) and all rows r
     *   y[r][j] = (add ? y[r][j] : 0) + sum_k w[j][k] x[r][k]
     * x: the rows, or what pack_pass() made of them.
     * scratch: kernels_scratch_floats(w->columns) floats, one piece a thread. */
    void (*prefill_matmul)(float *y, size_t y_stride, const struct matrix *w, size_t first,
                           size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                           float *scratch);

    /* One generated token for each of `rows` lanes: the same product, in an
     * order of its own that suits reading the weights once. */
    void (*decode_matmul)(float *y, size_t y_stride, const struct matrix *w, size_t first,
                          size_t count, const float *x, size_t x_stride, size_t rows, bool add,
                          float *scratch);

    /* The same, and meanwhile `ahead` is fetched into the second-level cache, a few lines at a
     * time, if there are lanes enough that memory has time for it. NULL where it never has. */
    void (*decode_matmul_ahead)(float *y, size_t y_stride, const struct matrix *w, size_t first,
                                size_t count, const float *x, size_t x_stride, size_t rows,
                                bool add, struct kernels_memory ahead, float *scratch);

    /* y = x / sqrt(mean(x^2) + epsilon) * weight; weight NULL: 1. y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *weight, float epsilon, size_t size);

    void (*conv_silu)(const struct conv *conv);

    /* delta = softplus(delta + bias); h = exp(delta a) h + delta b x;
     * y = (c . h + skip x) * silu(gate). */
    void (*scan)(const struct scan *scan);

    /* One row of a [outputs][columns] matrix as floats: the embedding. */
    void (*row)(float *out, const struct matrix *w, size_t index);

    /* The largest of x[0..size) into *top, and sum_i exp(x[i] - *top). size > 0. */
    float (*sum_exp)(float *top, const float *x, size_t size);
};

#define KERNELS_PACK_ROWS 16
#define KERNELS_PACK_UNIT 32
#define KERNELS_PACK_COLUMNS 256
#define KERNELS_PASS_ROWS 1024

size_t kernels_scratch_floats(size_t columns);

/* Floats of a row that pack_pass() made, at most. */
size_t kernels_packed_floats(size_t columns);

/* The fastest level that this processor has. TIDEMARK_CPU=NAME in the
 * environment hides every level above NAME, for tests. */
const struct kernels *kernels_best(void);

/* NULL when the name is unknown or the processor cannot run it. */
const struct kernels *kernels_by_name(const char *name);

/* Walks the levels that run here, slowest first; NULL ends the walk. */
const struct kernels *kernels_at(size_t index);

#endif
