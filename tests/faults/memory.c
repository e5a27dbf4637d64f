/* Allocations that fail, and files that cannot be mapped. */
#include "tests/faults/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* dlsym() may allocate before there is anything to allocate with. */
static _Alignas(64) char early[1 << 16];
static size_t early_used;

static bool is_early(const void *pointer)
{
    uintptr_t at = (uintptr_t)pointer, begin = (uintptr_t)early;
    return at >= begin && at < begin + sizeof early;
}

static void *take_early(size_t size)
{
    size_t whole = (size + 63) & ~(size_t)63;
    if (size > sizeof early || whole > sizeof early - early_used)
        abort();
    void *taken = early + early_used;
    early_used += whole;
    return taken;
}

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void (*free)(void *);
} real;

/* True once there is something to allocate with. */
static bool is_found(void)
{
    static bool finding;
    if (!real.malloc && !finding) {
        finding = true;
        fault_find(&real.calloc, "calloc");
        fault_find(&real.realloc, "realloc");
        fault_find(&real.aligned_alloc, "aligned_alloc");
        fault_find(&real.free, "free");
        fault_find(&real.malloc, "malloc");
    }
    return real.malloc != NULL;
}

FAULT_EXPORT void *malloc(size_t size)
{
    if (!is_found())
        return take_early(size);
    return fault_hits(FAULT_ALLOCATION) ? NULL : real.malloc(size);
}

FAULT_EXPORT void *calloc(size_t count, size_t size)
{
    if (!is_found())
        return take_early(count * size);
    return fault_hits(FAULT_ALLOCATION) ? NULL : real.calloc(count, size);
}

FAULT_EXPORT void *realloc(void *old, size_t size)
{
    if (!is_found() || is_early(old))
        abort();
    return fault_hits(FAULT_ALLOCATION) ? NULL : real.realloc(old, size);
}

FAULT_EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, count * size);
}

FAULT_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    if (!is_found())
        abort();
    return fault_hits(FAULT_ALLOCATION) ? NULL : real.aligned_alloc(alignment, size);
}

FAULT_EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *taken = aligned_alloc(alignment, size);
    if (!taken)
        return ENOMEM;
    *out = taken;
    return 0;
}

FAULT_EXPORT void free(void *pointer)
{
    if (pointer && is_found() && !is_early(pointer))
        real.free(pointer);
}

FAULT_EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int descriptor,
                          off64_t offset)
{
    static void *(*real_mmap)(void *, size_t, int, int, int, off64_t);
    fault_find(&real_mmap, "mmap64");
    if (descriptor >= 0 && fault_hits(FAULT_MAP))
        return MAP_FAILED;
    return real_mmap(address, size, protection, flags, descriptor, offset);
}

FAULT_EXPORT void *mmap(void *address, size_t size, int protection, int flags, int descriptor,
                        off_t offset)
{
    return mmap64(address, size, protection, flags, descriptor, offset);
}
