/* The device's elementary functions at all 2^32 floats: within the errors that the kernels'
 * bounds are derived from, and, where the GPU is of a kind that is known here, to the bit.
 * The base-2 exponential is the special function unit's, so that its error is measured, not
 * derived, and its bits are the GPU's own. */
#include "tests/kernels/cuda/cuda_rig.h"
#include "tests/kernels/cuda/every_float.h"

#include <inttypes.h>

/* underflow: what is below 2^-126 may be lost. The bounds are those of exact_scan.h. */
static const struct known {
    const char *name;
    int function;
    struct every_range range;
    uint64_t checksum; /* on compute capability 9.0 */
} functions[] = {
    {"exp2", EVERY_EXP2, {-1e38f, 127.99f, 0x1p-22, 0, 0x1p-126}, 0x3758ca507d88f20e},
    {"exp", EVERY_EXP, {-1e38f, 88, 2 * 0x1p-23, 0x1p-23, 0x1p-125}, 0xe48e3f70b5c12339},
    {"silu", EVERY_SILU, {-1e38f, 3e38f, 6 * 0x1p-23, 0x1p-23, 0x1p-118}, 0x6ded47d7f91a9ab9},
    {"softplus",
     EVERY_SOFTPLUS,
     {-1e38f, 3e38f, 8 * 0x1p-23, 0x1p-23, 0x1p-125},
     0x49f6fb1fc64c34b9},
    {"silu without a branch",
     EVERY_STRAIGHT_SILU,
     {-1e38f, 3e38f, 6 * 0x1p-23, 0x1p-23, 0x1p-118},
     0x205a617d3bb8a689},
    {"softplus without a branch", /* the same bits */
     EVERY_STRAIGHT_SOFTPLUS,
     {-1e38f, 3e38f, 8 * 0x1p-23, 0x1p-23, 0x1p-125},
     0x49f6fb1fc64c34b9},
    {"log(1 + y)", EVERY_LOG_ONE_PLUS, {0, 1, 0x1p-21, 0, 0x1p-126}, 0x905e620c4f1d41fc},
};

static void test_every_float(void **context)
{
    struct cudaDeviceProp properties;
    (void)context;
    cuda_require(cudaGetDeviceProperties(&properties, 0), "properties");
    bool is_known = properties.major == 9 && properties.minor == 0;
    size_t wrong = 0, different = 0;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const struct known *f = &functions[i];
        double worst;
        uint64_t checksum;
        cuda_require(every_float_run(f->function, &f->range, &worst, &checksum), f->name);
        printf("  %s: %.3f of the bound, checksum 0x%016" PRIx64 "\n", f->name, worst, checksum);
        wrong += !(worst <= 1);
        different += is_known && checksum != f->checksum;
    }
    if (wrong)
        fail_msg("%zu functions are not within their bounds", wrong);
    if (different)
        fail_msg("%zu functions give other bits than those known of compute capability 9.0: if "
                 "they were changed, raise DEVICE_REVISION and store the checksums above",
                 different);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_float)};
    return cuda_rig_main(tests);
}
