/* forward_cpu.h: the forward pass on the processor's own cores. Private to engine/cpu.
 *
 * A pass is a number of runs of the pool, whose items take what they need from the pass in
 * progress. Prefill and decode have layers of their own: with many tokens what one step makes
 * is taken by the next while it is in a cache (prefill.c), with one token a lane steps are
 * short and each is shared out as suits it (decode.c). */
#ifndef TIDEMARK_ENGINE_CPU_FORWARD_CPU_H
#define TIDEMARK_ENGINE_CPU_FORWARD_CPU_H

#include "engine/forward_backend.h"
#include "kernels/kernels.h"

enum {
    CPU_MOST_ROWS = KERNELS_PASS_ROWS,
    CPU_DECODE_ROWS = 256,                   /* of a decode pass, at most */
    CPU_ROW_BLOCK = KERNELS_PACK_ROWS,       /* rows of one work item where rows are independent */
    CPU_TILE_OUTPUTS = 256,                  /* what one item makes of each row, at most */
    CPU_TILE_STRIDE = CPU_TILE_OUTPUTS + 16, /* rows of a tile, so that they do not fall into
                                                the same cache sets */
    CPU_ARRAYS = 14,                         /* of work memory */
    CPU_LINE_OUTPUTS = 16,                   /* a cache line, so that no two threads write one */
};

/* A stretch of consecutive tokens of one lane within a pass. */
struct cpu_segment {
    struct state *state;
    size_t row, count; /* first row, rows */
};

/* What is wanted of a row's logits. */
struct cpu_logit_row {
    size_t row;       /* in the pass */
    int32_t target;   /* token whose surprise is wanted, or -1 */
    float *bits;      /* where it goes */
    float *copies[2]; /* full logits go here; NULL: nowhere */
};

struct forward {
    const struct forward_operations *operations; /* first: forward.c looks here */
    struct forward_operations own;               /* with the kernels' passes */
    const struct model *model;
    const struct kernels *kernels;
    struct pool *pool;

    /* Strides: E, D, 2D, R + 2S and a cache line, for the same reason as in a tile. */
    size_t embedding, inner, wide, mixer, vocabulary;

    size_t most_rows; /* of a prefill pass: kernels->pass_rows */
    float *x;         /* [most_rows][embedding]: the residual stream */
    float *u;         /* [most_rows][embedding]: normalized */
    float *xc;        /* [most_rows][inner]: after the convolution, then the scan's y */
    float *dbc;       /* [most_rows][mixer]: dt, B, C */

    /* Of prefill. */
    float *gate;       /* [most_rows][inner] */
    float *rounded[2]; /* what pack_pass() makes: of u, then of dt; of xc, then of y. Or NULL */

    /* Of decode. */
    float *xz;     /* [CPU_DECODE_ROWS][wide]: x and gate */
    float *delta;  /* [CPU_DECODE_ROWS][inner] */
    float *packed; /* [CPU_DECODE_ROWS][in's stride]: what pack() makes, or NULL */

    /* Of each thread. */
    float *scratch; /* [threads][scratch_floats]: the kernels' */
    float *tile;    /* [threads][tile_floats]: a block's rows [.][CPU_TILE_STRIDE], or a few rows */
    size_t scratch_floats, tile_floats;

    float *arrays[CPU_ARRAYS]; /* all that is allocated, to be freed; or NULL */

    forward_watcher *watcher; /* NULL: none */
    void *watcher_context;

    forward_between *between; /* NULL: none */
    void *between_context;
    struct forward_progress progress; /* of the call of prefill in progress */
    double output_layers;             /* weights of the output matrix, in layers' */

    /* The pass in progress. */
    size_t rows;
    bool decoding;
    const int32_t *tokens[CPU_MOST_ROWS];
    struct cpu_segment segments[CPU_MOST_ROWS];
    size_t segment_count;
    const struct model_layer *layer;
    size_t layer_index;
    size_t channel_block;           /* of the step over time in progress */
    const struct matrix *packs_for; /* the product that a step of decode rounds for, or NULL */

    struct cpu_logit_row logit_rows[CPU_MOST_ROWS];
    size_t logit_count;
    float *tile_top; /* [tiles][most_rows] */
    float *tile_sum; /* [tiles][most_rows] */
    float target_logit[CPU_MOST_ROWS];

    /* The norm in progress. */
    struct {
        const float *weight;
        const struct matrix *next;      /* the product that follows */
        const struct cpu_logit_row *of; /* rows of x, or NULL: in their order */
        size_t rows;
    } norm;

    /* The product in progress. */
    const struct matrix *matrix;
    float *out;
    const float *in;
    size_t out_stride, in_stride, in_rows, outputs_per_item;
    size_t pack_columns; /* of one work item when rows are rounded */
    bool add;
};

static inline size_t cpu_divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static inline size_t cpu_larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline size_t cpu_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The least multiple of `unit` that is not smaller. */
static inline size_t cpu_next_multiple(size_t count, size_t unit)
{
    return cpu_divide_up(count, unit) * unit;
}

static inline size_t cpu_padded(size_t floats)
{
    return cpu_next_multiple(floats, 16) + 16;
}

static inline float *cpu_tile(const struct forward *f, unsigned worker)
{
    return f->tile + worker * f->tile_floats;
}

/* --- rows.c: what works on one row at a time ------------------------------------------- */

bool cpu_embed(struct forward *f);

/* Rows of x, normalized, become the input of the product `next`. of: which rows, `rows` of
 * them; NULL: all of the pass in their order. */
bool cpu_norm(struct forward *f, const float *weight, const struct matrix *next,
              const struct cpu_logit_row *of, size_t rows);

/* The norms of dt, B and C where the model has them; in prefill, dt is rounded for ssm_dt. */
bool cpu_mixer_norms(struct forward *f);

/* --- products.c --------------------------------------------------------------------------- */

/* Whether the product takes what the kernels make of its rows. */
bool cpu_takes_packed(const struct forward *f, const struct matrix *matrix);

/* Of prefill: whether the rows themselves are wanted, by the product or by who watches. */
bool cpu_keeps(const struct forward *f, const struct matrix *matrix);

/* Rows [first, first + count) of columns [begin, end) are rounded where the product takes that.
 * x: the first of them. */
void cpu_round(const struct forward *f, const struct matrix *matrix, float *rounded, const float *x,
               size_t x_stride, size_t first, size_t count, size_t begin, size_t end);

/* Sets the next product's input: `rows` rows of `in`. Prefill: which have been rounded, where the
 * product takes that. Decode: they are rounded now, unless the step before did it. */
bool cpu_take(struct forward *f, const struct matrix *matrix, const float *in, size_t in_stride,
              size_t rows, const float *rounded);

/* Of how many outputs an item is, where so many are shared out to all threads. */
size_t cpu_item_outputs(const struct forward *f, size_t outputs);

/* out = (add ? out : 0) + the matrix times what cpu_take() was given. */
bool cpu_product(struct forward *f, float *out, size_t out_stride, const struct matrix *matrix,
                 bool add);

/* Outputs [first, first + count) of rows [row, row + rows). */
struct cpu_block {
    size_t first, count, row, rows;
};

/* A piece of it, as part of an item: the block's first output of its first row goes to out[0]. */
void cpu_multiply(const struct forward *f, float *out, size_t out_stride,
                  const struct matrix *matrix, const struct cpu_block *block, bool add,
                  unsigned worker);

/* How many rows of the product are taken at a time: in prefill as many as its kernels multiply
 * with weights that they have decoded, so that they can stay in a cache. */
size_t cpu_block_rows(const struct forward *f);

/* Shares out `outputs` of all rows in such blocks, of `each` outputs (0: as suits their number):
 * how many work items these are. Those with the same rows follow each other, so that these stay in
 * a thread's cache. */
size_t cpu_share_blocks(struct forward *f, size_t outputs, size_t each);
struct cpu_block cpu_block_of(const struct forward *f, size_t outputs, size_t item);

/* --- over_time.c: what runs in order of time ----------------------------------------------- */

/* Tokens [token, token + count) of a segment. */
struct cpu_stretch {
    const struct cpu_segment *segment;
    size_t token, count;
    size_t channel, channels;
    const struct cpu_segment *next; /* whose same channels follow; or NULL */
};

/* x: the stretch's first. Goes to xc. */
void cpu_convolve(const struct forward *f, const struct cpu_stretch *s, const float *x,
                  size_t x_stride);

/* Each array's first is the stretch's; y and delta may be one memory. */
struct cpu_scan_rows {
    float *y;
    const float *delta, *gate;
    size_t y_stride, delta_stride, gate_stride;
};
void cpu_scan(const struct forward *f, const struct cpu_stretch *s,
              const struct cpu_scan_rows *rows);

/* --- prefill.c, decode.c, logits.c ----------------------------------------------------------- */

bool cpu_prefill_layer(struct forward *f);
bool cpu_decode_layer(struct forward *f);
bool cpu_logits(struct forward *f);

/* The surprise of the lane's first token, from its state's logits. */
void cpu_first_bits(struct forward *f, const struct forward_lane *lane);

#endif
