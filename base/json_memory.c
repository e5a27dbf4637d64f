#include "base/json_memory.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_bool exhausted;

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory)
        json_memory_lack();
    return memory;
}

void json_memory_prepare(void)
{
    json_set_alloc_funcs(allocate, free);
}

void json_memory_lack(void)
{
    atomic_store(&exhausted, true);
}

bool json_memory_exhausted(void)
{
    return atomic_exchange(&exhausted, false);
}
