/* levels.h: what each level hands to dispatch.c. Private to kernels/. */
#ifndef TIDEMARK_KERNELS_LEVELS_H
#define TIDEMARK_KERNELS_LEVELS_H

#include "kernels/kernels.h"

/* Columns of a weight panel that is decoded at once in a prefill product. */
#define LEVELS_PANEL_COLUMNS 1024

extern const struct kernels levels_reference;
extern const struct kernels levels_avx2;
extern const struct kernels levels_avx512;

#endif
