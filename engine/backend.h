/* backend.h: which device computes.
 *
 *     struct forward *forward = backend_open(BACKEND_AUTO, model, kernels, pool, note, &error);
 *
 * A GPU's code lies in a module of its own, tidemark-cuda.so, which is loaded when it is
 * first asked for and stays: the program runs where neither CUDA nor a device is. It is
 * looked for at $TIDEMARK_CUDA_MODULE, beside the program, and where it is installed;
 * BACKEND_AUTO loads it only where there is a sign of a device, or somebody named it. */
#ifndef TIDEMARK_ENGINE_BACKEND_H
#define TIDEMARK_ENGINE_BACKEND_H

#include "engine/forward.h"

enum backend {
    BACKEND_AUTO, /* a GPU where one is there and takes the model, else the processor */
    BACKEND_CPU,
    BACKEND_CUDA,
};

#define BACKEND_NOTE_SIZE 512

/* False for a name that is none. */
bool backend_by_name(enum backend *backend, const char *name);

/* What is borrowed is what forward_new borrows. note: one line that says what was chosen
 * and why; *plain: BACKEND_AUTO found nothing to choose from, no device and no sign of one. */
struct forward *backend_open(enum backend backend, const struct model *model,
                             const struct kernels *kernels, struct pool *pool,
                             char note[BACKEND_NOTE_SIZE], bool *plain, struct error *error);

#endif
