/* amx_product.h: one product of a long pass: up to 32 outputs and 32 rows, a panel's columns.
 * Private to the AMX level.
 *
 * A panel has AMX_PANEL_COLUMNS: 16 tiles of bf16, 8 of bytes, whose 32 rows leave room in the
 * first-level cache for dot products and sums. What differs between the two is how the factors
 * are made and what a step of tiles is; amx_prefill.c leads both through outputs, rows and
 * columns. */
#ifndef TIDEMARK_KERNELS_X86_AMX_PRODUCT_H
#define TIDEMARK_KERNELS_X86_AMX_PRODUCT_H

#include "kernels/x86/amx.h"
#include "kernels/x86/amx_tiles.h"

enum {
    AMX_PANEL_COLUMNS = 512,
    AMX_TILE_BYTES = 1024,
};

/* Tiles of 16 outputs and of 16 rows, one after the other for each step. */
struct amx_factors {
    const unsigned char *w[2], *x[2];
    const float *w_scale[2], *x_scale[2]; /* of bytes: 16 for each block of columns */
    size_t steps, outputs, rows;
    float *sums;
    bool resume; /* what `sums` holds is added to */

    /* What is fetched meanwhile. */
    const unsigned char *next_x[2]; /* what will be x[]: of each tile, lines [begin, end) */
    size_t begin, end;
};

/* Bytes between groups of 16 packed rows of w's columns. */
size_t amx_apart(const struct matrix *w);

AMX_INLINE void amx_fetch_next(const struct amx_factors *f, size_t step)
{
    for (size_t line = f->begin; line < f->end; line++) {
        _mm_prefetch(f->next_x[0] + step * AMX_TILE_BYTES + line * AMX_ROW_BYTES, _MM_HINT_T1);
        _mm_prefetch(f->next_x[1] + step * AMX_TILE_BYTES + line * AMX_ROW_BYTES, _MM_HINT_T1);
    }
}

/* --- amx_bytes.c: products of bytes ---------------------------------------------------- */

enum {
    AMX_BYTES_COLUMNS = 64, /* of a tile */
    AMX_BYTES_BLOCK = 256,  /* columns with one scale, of a row as of an output */
    AMX_BYTES_STEPS = AMX_BYTES_BLOCK / AMX_BYTES_COLUMNS,
    AMX_BYTES_SCALES = AMX_SIDE * AMX_PANEL_COLUMNS / AMX_BYTES_BLOCK, /* 16 outputs' in a panel */
};

/* Dot products, and whether they wait to be added to their sums. */
struct amx_dots {
    int32_t *at; /* [4][16][16] */
    bool wait;
    const float *w_scale[2], *x_scale[2];
    size_t outputs, rows;
    float *sums;
    bool resume;
};

/* Whether the product is one of bytes. */
bool amx_takes_bytes(const struct matrix *w);

/* Bytes between groups of 16 packed rows: their tiles, then [columns / 256][16] scales. */
static inline size_t amx_bytes_apart(size_t columns)
{
    return columns * AMX_SIDE + columns / AMX_BYTES_BLOCK * AMX_SIDE * sizeof(float);
}

void amx_bytes_pack(unsigned char *group, const struct matrix *w, const float *x, size_t x_stride,
                    size_t count, size_t begin, size_t end);

/* Columns [begin, end), both multiples of 256, of outputs [first, first + count): `steps` tiles
 * for each 16 of them, and AMX_BYTES_SCALES scales. What is left of the last 16 is not written. */
void amx_bytes_panel(unsigned char *panel, float *scales, size_t steps, const struct matrix *w,
                     size_t first, size_t count, size_t begin, size_t end);

/* The tiles have the product's shape. Its last dot products are left in dots, where those of the
 * product before may wait. */
void amx_bytes_product(const struct amx_factors *f, struct amx_dots *dots);

/* Adds what waits to its sums. */
void amx_bytes_finish(struct amx_dots *dots);

#endif
