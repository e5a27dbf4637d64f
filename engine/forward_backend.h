/* forward_backend.h: what a backend gives forward.c. Private to engine/ and to the
 * modules that are loaded into it.
 *
 * Each backend defines a struct forward of its own, whose first member is a pointer
 * to its operations; everybody else sees the struct through forward.h alone. */
#ifndef TIDEMARK_ENGINE_FORWARD_BACKEND_H
#define TIDEMARK_ENGINE_FORWARD_BACKEND_H

#include "engine/forward.h"

/* The contracts are those of the functions in forward.h. */
struct forward_operations {
    const char *backend; /* "cpu", "cuda" */
    size_t pass_tokens;  /* of a full pass */
    bool (*prefill)(struct forward *forward, const struct forward_lane *lanes, size_t count,
                    struct error *error);
    bool (*decode)(struct forward *forward, struct state *const *states, const int32_t *tokens,
                   size_t lanes, struct error *error);
    bool (*choose)(struct forward *forward, struct state *const *states, size_t lanes,
                   struct forward_choice *choices, struct error *error);
    void (*tag)(const struct forward *forward, char tag[FORWARD_TAG_SIZE]);
    void (*free)(struct forward *forward);

    /* NULL where the state lies in the processor's own memory. */
    bool (*snapshot)(struct forward *forward, struct state *state,
                     struct forward_snapshot **snapshot, struct error *error);
    bool (*snapshot_wait)(struct forward_snapshot *snapshot, const float **data,
                          struct error *error);
    void (*snapshot_free)(struct forward_snapshot *snapshot);

    /* NULL: the processor's own, kernels/peak.h. */
    bool (*device)(struct forward *forward, struct forward_device *device, struct error *error);
    bool (*peak)(struct forward *forward, struct forward_peak *peak, struct error *error);

    /* NULL where activations are not in the processor's own memory. */
    void (*watch)(struct forward *forward, forward_watcher *watcher, void *context);

    /* NULL where the processor does not work the layers itself. */
    void (*between_layers)(struct forward *forward, forward_between *between, void *context);
};

/* The pass on the processor's own cores (cpu/). */
struct forward *forward_cpu_new(const struct model *model, const struct kernels *kernels,
                                struct pool *pool, struct error *error);

/* The entry of a backend's module. NULL and an error, one line, when its device is missing
 * or not fit for this model. */
typedef struct forward *forward_module_open(const struct model *model, struct pool *pool,
                                            struct error *error);
#define FORWARD_MODULE_SYMBOL "tidemark_module_open"

/* A text that must equal the program's own: structs cross the border between the two. */
#define FORWARD_MODULE_VERSION_SYMBOL "tidemark_module_version"
#define FORWARD_MODULE_VERSION TIDEMARK_VERSION "/3"

#endif
