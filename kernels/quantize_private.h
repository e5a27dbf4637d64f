/* quantize_private.h: what the search for scales is made of, one table of functions a
 * level. Private to kernels/quantize*.c. All levels give the same bits: sums run in eight
 * partial sums over the elements in order, folded by one tree, without fused
 * multiply-adds. */
#ifndef TIDEMARK_KERNELS_QUANTIZE_PRIVATE_H
#define TIDEMARK_KERNELS_QUANTIZE_PRIVATE_H

#include "kernels/quantize.h"

#define QUANTIZE_LANES 8
#define QUANTIZE_MOST 32 /* elements of a group */

/* Weights that share a scale, and the integers that can stand for them. */
struct quantize_group {
    const float *x;  /* [count] */
    const float *w;  /* [count], how much the error of each counts */
    size_t count;    /* a multiple of QUANTIZE_LANES, at most QUANTIZE_MOST */
    float low, high; /* the integers' range */
};

/* With q = round((x - offset) * inverse), clamped to the range; ties go to even. */
struct quantize_sums {
    float wq, wqq, wqx;
};

struct quantize_level {
    const char *name;
    void (*range)(float *least, float *most, const float *x, size_t count);
    void (*sums)(struct quantize_sums *sums, const struct quantize_group *group, float offset,
                 float inverse);
    /* sum w (scale q + offset - x)^2 */
    float (*error)(const struct quantize_group *group, float scale, float offset, float inverse);
    void (*round)(int8_t *q, const struct quantize_group *group, float offset, float inverse);
};

extern const struct quantize_level quantize_reference;
extern const struct quantize_level quantize_avx2;

/* 1 / scale; 0 for a scale too small to divide by. */
float quantize_inverse(float scale);

/* The best scale found for w = scale q + offset. */
struct quantize_fit {
    float scale, offset;
};

/* Sums of a group that no choice of integers changes. */
struct quantize_fixed {
    double w, wx, wxx;
};
struct quantize_fixed quantize_fixed_sums(const struct quantize_group *group);

/* The offset that suits a scale best, given the integers that come from `offset`. */
float quantize_offset(const struct quantize_level *level, const struct quantize_group *group,
                      const struct quantize_fixed *fixed, float scale, float offset);

/* `free_offset`: the offset may be above 0; otherwise it is at most 0. scale >= 0. */
struct quantize_fit quantize_fit_range(const struct quantize_level *level,
                                       const struct quantize_group *group,
                                       const struct quantize_fixed *fixed, bool free_offset);

/* The offset is 0; the scale may be negative. */
float quantize_fit_symmetric(const struct quantize_level *level,
                             const struct quantize_group *group);

void quantize_put16(unsigned char *bytes, uint16_t value);

/* One block of 256; w: [256]. */
bool quantize_q4_k(const struct quantize_level *level, unsigned char *block, const float *x,
                   const float *w);
bool quantize_q5_k(const struct quantize_level *level, unsigned char *block, const float *x,
                   const float *w);
bool quantize_q6_k(const struct quantize_level *level, unsigned char *block, const float *x,
                   const float *w);

#endif
