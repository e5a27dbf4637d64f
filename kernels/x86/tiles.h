/* tiles.h: whether the tile registers may be used. Private to kernels/. */
#ifndef TIDEMARK_KERNELS_X86_TILES_H
#define TIDEMARK_KERNELS_X86_TILES_H

#include <stdbool.h>

/* Whether the processor has tiles with products of bf16 and of bytes, the system saves
 * them when it switches threads, and lets this process use them. Asks the system for
 * that; the answer holds for all threads, and asking again is harmless. */
bool tiles_allowed(void);

#endif
