#include "engine/floats.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, LINE = 64 };

float *floats_new(size_t count)
{
    size_t size = count * sizeof(float), unit = size < HUGE_PAGE / 2 ? LINE : HUGE_PAGE;
    size = (size + unit - 1) / unit * unit;
    float *floats = aligned_alloc(unit, size);
    if (floats && unit == HUGE_PAGE)
        madvise(floats, size, MADV_HUGEPAGE); /* advice: no matter if it is not taken */
    return floats;
}
