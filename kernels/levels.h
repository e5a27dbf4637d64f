/* levels.h: what each level hands to dispatch.c. Private to kernels/. */
#ifndef TIDEMARK_KERNELS_LEVELS_H
#define TIDEMARK_KERNELS_LEVELS_H

#include "kernels/kernels.h"

/* Outputs and columns of a float panel of weights that is decoded at once in a prefill
 * product, at most. */
#define LEVELS_PANEL_OUTPUTS 32
#define LEVELS_PANEL_COLUMNS 1024

/* The same of a bf16 panel, and the rows whose sums are kept at once. */
#define LEVELS_BF16_OUTPUTS 256
#define LEVELS_BF16_COLUMNS 512
#define LEVELS_BF16_ROWS 512

/* Work memory of a decode product of several lanes. */
#define LEVELS_LANES_FLOATS 11264

extern const struct kernels levels_reference;
extern const struct kernels levels_avx2;
extern const struct kernels levels_avx2_int8;
extern const struct kernels levels_avx512;
extern const struct kernels levels_vnni;
extern const struct kernels levels_amx;

/* Where a processor has the instructions: whether they round as where the level was
 * made. How products of bf16 are added up is the processor's affair, and a state's bits
 * must not depend on whose it is. */
bool levels_vnni_run(void);
bool levels_amx_run(void);

#endif
