/* random.h: reproducible random inputs for tests. The seed comes from TEST_SEED
 * in the environment or from the clock, and is printed when a test begins. */
#ifndef TIDEMARK_TESTS_SUPPORT_RANDOM_H
#define TIDEMARK_TESTS_SUPPORT_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* 0 to below - 1. */
static inline size_t random_below(struct random *random, size_t below)
{
    return (size_t)(random_next(random) % below);
}

static inline float random_uniform(struct random *random)
{
    return (float)(random_next(random) >> 40) * 0x1p-24f;
}

static inline float random_normal(struct random *random)
{
    double u = ((double)(random_next(random) >> 11) + 1) * 0x1p-53;
    double v = (double)(random_next(random) >> 11) * 0x1p-53;
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

static inline struct random random_seeded(void)
{
    const char *given = getenv("TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return (struct random){seed};
}

#endif
