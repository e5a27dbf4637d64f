/* peak_levels.h: what each instruction set hands to peak.c. Private to kernels/. */
#ifndef TIDEMARK_KERNELS_PEAK_LEVELS_H
#define TIDEMARK_KERNELS_PEAK_LEVELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peak_level {
    const char *kind; /* peak_flops_kind() */
    bool (*runs)(void);
    size_t steps; /* of one work item: some tenths of a millisecond */

    /* Runs `steps` steps of multiply-adds that are independent enough to hide
     * each other's latency, and returns how many were done. All operands are 1,
     * so that each accumulator counts its own: exact below 2^24 each. The ones
     * come out of a volatile, else the compiler would count in our stead. */
    uint64_t (*multiply_add)(size_t steps);
};

extern const struct peak_level peak_amx, peak_avx512bf16, peak_avx512, peak_avx2, peak_portable;

/* Walks the levels that run here, fastest first; NULL ends the walk. */
const struct peak_level *peak_level_at(size_t index);

/* The sum of `count` words, a multiple of 32, at a multiple of 64 bytes. */
uint64_t peak_avx512_sum(const uint64_t *words, size_t count);
uint64_t peak_sum(const uint64_t *words, size_t count); /* the fastest here */

#endif
