/* libcuda.so.1 as far as CUDA's runtime asks it before there is a device: a driver of the
 * version FAKE_DRIVER (12040: 12.4), whose start gives the status FAKE_START (0 for success,
 * 100 for no device), with no device. Everything else fails. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NEWEST = 99000, UNKNOWN = 999 };

#define VISIBLE __attribute__((visibility("default")))

VISIBLE int cuInit(unsigned flags);
VISIBLE int cuDriverGetVersion(int *version);
VISIBLE int cuDeviceGetCount(int *count);
VISIBLE int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags);
VISIBLE int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
                                int *status);

static int number(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int cuInit(unsigned flags)
{
    (void)flags;
    return number("FAKE_START", 0);
}

int cuDriverGetVersion(int *version)
{
    *version = number("FAKE_DRIVER", NEWEST);
    return 0;
}

int cuDeviceGetCount(int *count)
{
    *count = 0;
    return 0;
}

static int fail(void)
{
    return UNKNOWN;
}

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status)
{
    const struct {
        const char *name;
        void *function;
    } known[] = {
        {"cuInit", (void *)(uintptr_t)cuInit},
        {"cuDriverGetVersion", (void *)(uintptr_t)cuDriverGetVersion},
        {"cuDeviceGetCount", (void *)(uintptr_t)cuDeviceGetCount},
        {"cuGetProcAddress", (void *)(uintptr_t)cuGetProcAddress_v2},
    };
    (void)version;
    (void)flags;
    if (status)
        *status = 0;
    *function = (void *)(uintptr_t)fail;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0)
            *function = known[i].function;
    return 0;
}

int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags)
{
    return cuGetProcAddress_v2(name, function, version, flags, NULL);
}
