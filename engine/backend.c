#include "engine/backend.h"

#include "engine/forward_backend.h"

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "tidemark-cuda.so"

bool backend_by_name(enum backend *backend, const char *name)
{
    static const char *const names[] = {
        [BACKEND_AUTO] = "auto", [BACKEND_CPU] = "cpu", [BACKEND_CUDA] = "cuda"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) {
            *backend = (enum backend)i;
            return true;
        }
    return false;
}

/* --- the module ------------------------------------------------------------------ */

/* The first place where a module lies; an empty path where none does. True: somebody
 * named it. */
static bool find_module(char path[PATH_MAX + 64])
{
    static const char *const beside[] = {".", TIDEMARK_MODULE_FROM_PROGRAM};
    const char *given = getenv("TIDEMARK_CUDA_MODULE");
    char self[PATH_MAX];
    if (given && *given) {
        snprintf(path, PATH_MAX + 64, "%.4000s", given);
        return true;
    }
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;
    if (size > 0) {
        self[size] = '\0';
        slash = strrchr(self, '/');
    }
    for (size_t i = 0; slash && i < sizeof beside / sizeof beside[0]; i++) {
        *slash = '\0';
        int length = snprintf(path, PATH_MAX + 64, "%s/%s/" MODULE, self, beside[i]);
        if (length < PATH_MAX + 64 && access(path, R_OK) == 0)
            return false;
    }
    *path = '\0';
    return false;
}

/* What NVIDIA's drivers for Linux, for Windows' Linux and for their small computers show. */
static bool device_may_be_there(void)
{
    static const char *const nodes[] = {"/dev/nvidiactl", "/dev/dxg", "/dev/nvmap"};
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
        if (access(nodes[i], F_OK) == 0)
            return true;
    return false;
}

static void refuse_to_load(const char *path, struct error *error)
{
    const char *why = dlerror();
    size_t length = strlen(path);
    if (why && strncmp(why, path, length) == 0 && why[length] == ':')
        why += length + 1 + (why[length + 1] == ' ');
    error_set(error, ERROR_SYSTEM, "cannot load %.300s: %.400s", path, why ? why : "it is broken");
}

/* Loading a library that was cut off, by a full disk or a broken copy, ends in a fault: the
 * loader maps what the headers promise. False only for one of those; what is no library at
 * all, the loader says itself. */
static bool is_whole(FILE *file)
{
    Elf64_Ehdr header;
    Elf64_Phdr part;
    if (fseeko(file, 0, SEEK_END) != 0)
        return true;
    uint64_t size = (uint64_t)ftello(file);
    rewind(file);
    if (fread(&header, sizeof header, 1, file) != 1 ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof part)
        return true;
    for (size_t i = 0; i < header.e_phnum; i++) {
        if (header.e_phoff > INT64_MAX / 2 ||
            fseeko(file, (off_t)(header.e_phoff + i * sizeof part), SEEK_SET) != 0 ||
            fread(&part, sizeof part, 1, file) != 1 || part.p_filesz > size ||
            part.p_offset > size - part.p_filesz)
            return false;
    }
    return true;
}

static void *load_library(const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    bool whole = !file || is_whole(file);
    if (file)
        fclose(file);
    if (!whole) {
        error_set(error, ERROR_SYSTEM, "cannot load %.300s: it is cut off: install it anew", path);
        return NULL;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        refuse_to_load(path, error);
    return library;
}

/* NULL and an error unless it is one of this very program. */
static forward_module_open *entry_of(void *module, const char *path, struct error *error)
{
    const char *version = dlsym(module, FORWARD_MODULE_VERSION_SYMBOL);
    /* POSIX has a pointer from dlsym be fit for a function. */
    union {
        void *object;
        forward_module_open *function;
    } symbol = {.object = dlsym(module, FORWARD_MODULE_SYMBOL)};
    if (!version || !symbol.object) {
        error_set(error, ERROR_SYSTEM, "%.300s is not a module of this program", path);
        return NULL;
    }
    if (strcmp(version, FORWARD_MODULE_VERSION) != 0) {
        error_set(error, ERROR_SYSTEM,
                  "%.300s belongs to another version of this program: install both anew", path);
        return NULL;
    }
    return symbol.function;
}

/* Without a device the module is not loaded unless it is asked for or named: its libraries
 * are large, and what they do where something fails is not in our hands.
 * ERROR_NOT_FOUND: there is no module, or surely no device. */
static forward_module_open *load_module(enum backend backend, struct error *error)
{
    char path[PATH_MAX + 64];
    bool named = find_module(path);
    if (!*path) {
        error_set(error, ERROR_NOT_FOUND,
                  "this program was installed without " MODULE ", which a GPU needs");
        return NULL;
    }
    if (backend == BACKEND_AUTO && !named && !device_may_be_there()) {
        error_set(error, ERROR_NOT_FOUND, "there is no NVIDIA GPU");
        return NULL;
    }
    void *module = load_library(path, error);
    if (!module)
        return NULL;
    forward_module_open *open = entry_of(module, path, error);
    if (!open)
        dlclose(module);
    return open; /* the module stays loaded: its device's memory hangs on it */
}

/* --- opening --------------------------------------------------------------------- */

static struct forward *open_cuda(enum backend backend, const struct model *model, struct pool *pool,
                                 char note[BACKEND_NOTE_SIZE], struct error *error)
{
    forward_module_open *open = load_module(backend, error);
    struct forward *forward = open ? open(model, pool, error) : NULL;
    struct forward_device device;
    if (forward && forward_device(forward, &device, NULL))
        snprintf(note, BACKEND_NOTE_SIZE, "computing on the GPU (%s)", device.name);
    return forward;
}

struct forward *backend_open(enum backend backend, const struct model *model,
                             const struct kernels *kernels, struct pool *pool,
                             char note[BACKEND_NOTE_SIZE], bool *plain, struct error *error)
{
    struct error refusal = {0};
    *plain = backend == BACKEND_CPU;
    snprintf(note, BACKEND_NOTE_SIZE, "computing on the processor");
    if (backend != BACKEND_CPU) {
        struct forward *forward = open_cuda(backend, model, pool, note, &refusal);
        if (forward)
            return forward;
        if (backend == BACKEND_CUDA || refusal.kind == ERROR_INTERRUPTED) {
            *error = refusal;
            if (error->kind == ERROR_NOT_FOUND)
                error->kind = ERROR_SYSTEM;
            return NULL;
        }
        *plain = refusal.kind == ERROR_NOT_FOUND;
        snprintf(note, BACKEND_NOTE_SIZE, "computing on the processor: %.440s", refusal.text);
    }
    return forward_cpu_new(model, kernels, pool, error);
}
