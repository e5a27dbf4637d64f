#include "kernels/levels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#ifdef TIDEMARK_X86
#include "kernels/x86/tiles.h"

#include <cpuid.h>
#endif

static bool reference_runs(void)
{
    return true;
}

#ifdef TIDEMARK_X86
/* Not every compiler's __builtin_cpu_supports knows "f16c". */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool avx2_runs(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static bool avx512_runs(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("fma") && has_f16c();
}
#endif

#ifdef TIDEMARK_VNNI
static bool vnni_runs(void)
{
    return avx512_runs() && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512bf16") && levels_vnni_run();
}
#endif

#ifdef TIDEMARK_AMX
static bool amx_runs(void)
{
    return vnni_runs() && tiles_allowed() && levels_amx_run();
}
#endif

/* Slowest first. */
static const struct level {
    const struct kernels *kernels;
    bool (*runs)(void);
} levels[] = {
    {&levels_reference, reference_runs},
#ifdef TIDEMARK_X86
    {&levels_avx2, avx2_runs},
    {&levels_avx2_int8, avx2_runs},
    {&levels_avx512, avx512_runs},
#ifdef TIDEMARK_VNNI
    {&levels_vnni, vnni_runs},
#endif
#ifdef TIDEMARK_AMX
    {&levels_amx, amx_runs},
#endif
#endif
};

enum { LEVELS = sizeof levels / sizeof levels[0] };

const struct kernels *kernels_at(size_t index)
{
    for (size_t i = 0; i < LEVELS; i++)
        if (levels[i].runs() && index-- == 0)
            return levels[i].kernels;
    return NULL;
}

const struct kernels *kernels_by_name(const char *name)
{
    for (size_t i = 0; i < LEVELS; i++)
        if (strcmp(levels[i].kernels->name, name) == 0)
            return levels[i].runs() ? levels[i].kernels : NULL;
    return NULL;
}

const struct kernels *kernels_best(void)
{
    const char *mask = getenv("TIDEMARK_CPU");
    const struct kernels *best = &levels_reference;
    for (size_t i = 0; i < LEVELS; i++) {
        if (levels[i].runs())
            best = levels[i].kernels;
        if (mask && strcmp(mask, levels[i].kernels->name) == 0)
            break;
    }
    return best;
}

size_t kernels_scratch_floats(size_t columns)
{
    /* Eight rows of activations laid out anew, which is more than two decoded rows; a
     * float panel of LEVELS_PANEL_OUTPUTS outputs and the rows that are being transposed
     * into it; a bf16 panel, such rows and the sums of as many rows as are kept; the same with a
     * panel of bytes, its scales and dot products; or what lanes need. */
    const size_t sizes[] = {
        8 * columns,
        (size_t)LEVELS_PANEL_OUTPUTS * LEVELS_PANEL_COLUMNS + 16 * 256,
        ((size_t)LEVELS_BF16_OUTPUTS * LEVELS_BF16_COLUMNS + 16 * 256) / 2 +
            (size_t)LEVELS_BF16_OUTPUTS * LEVELS_BF16_ROWS,
        (size_t)LEVELS_BF16_OUTPUTS * (LEVELS_BF16_COLUMNS / 2 + 2 + LEVELS_BF16_ROWS) + 1024,
        LEVELS_LANES_FLOATS,
    };
    size_t most = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i] > most)
            most = sizes[i];
    return most;
}

size_t kernels_packed_floats(size_t columns)
{
    /* bf16 tiles (x86/bf16.h): whole ones, and half a page's worth that moves groups apart. */
    const size_t rounded = (columns + KERNELS_PACK_UNIT - 1) / KERNELS_PACK_UNIT;
    return (rounded + 32) * KERNELS_PACK_UNIT / 2;
}
