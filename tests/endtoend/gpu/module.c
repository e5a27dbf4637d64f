/* A module as engine/backend.c loads it, that has no device: it fails as FAKE_MODULE in the
 * environment says, "memory" or "interrupted", else as one whose GPU is too old. */
#include "engine/forward_backend.h"

#include <stdlib.h>
#include <string.h>

#ifndef FAKE_VERSION
#define FAKE_VERSION FORWARD_MODULE_VERSION
#endif

__attribute__((visibility("default"))) extern const char tidemark_module_version[];
const char tidemark_module_version[] = FAKE_VERSION;

__attribute__((visibility("default"))) forward_module_open tidemark_module_open;

struct forward *tidemark_module_open(const struct model *model, struct pool *pool,
                                     struct error *error)
{
    const char *how = getenv("FAKE_MODULE");
    (void)model;
    (void)pool;
    if (how && strcmp(how, "interrupted") == 0)
        error_set(error, ERROR_INTERRUPTED, "interrupted");
    else if (how && strcmp(how, "memory") == 0)
        error_set(error, ERROR_SYSTEM,
                  "the model needs 14.0 GB of the GPU's memory, of which 3.2 GB are free");
    else
        error_set(error, ERROR_SYSTEM, "this GPU is too old");
    return NULL;
}
