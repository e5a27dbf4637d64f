#include "kernels/peak.h"

#include "base/clock.h"
#include "kernels/peak_levels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

enum {
    READ_ITEM_WORDS = 128 << 10, /* 1 MiB */
    PORTABLE_LANES = 48,
};

struct peak_memory {
    uint64_t *words; /* [PEAK_MEMORY_BYTES / 8], all 1, at a huge page's start */
    void *mapping;
    size_t mapping_bytes;
};

/* --- arithmetic -------------------------------------------------------------------- */

static bool portable_runs(void)
{
    return true;
}

/* sum * one + one rather than sum + one * one: the product cannot be computed
 * once for all steps. fmaf only where it is one instruction. */
static uint64_t portable_multiply_add(size_t steps)
{
    static const volatile float hidden = 1;
    const float one = hidden;
    float sums[PORTABLE_LANES] = {0};
    for (size_t i = 0; i < steps; i++)
        for (size_t j = 0; j < PORTABLE_LANES; j++) {
#ifdef __FP_FAST_FMAF
            sums[j] = __builtin_fmaf(sums[j], one, one);
#else
            sums[j] = sums[j] * one + one;
#endif
        }
    uint64_t total = 0;
    for (size_t j = 0; j < PORTABLE_LANES; j++)
        total += (uint64_t)sums[j];
    return total;
}

const struct peak_level peak_portable = {"f32-fma", portable_runs, 60000, portable_multiply_add};

static const struct peak_level *const levels[] = {
#ifdef TIDEMARK_PEAK_AMX
    &peak_amx,
#endif
#ifdef TIDEMARK_PEAK_AVX512BF16
    &peak_avx512bf16,
#endif
#ifdef TIDEMARK_PEAK_AVX512
    &peak_avx512,
#endif
#ifdef TIDEMARK_PEAK_AVX2
    &peak_avx2,
#endif
    &peak_portable,
};

const struct peak_level *peak_level_at(size_t index)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (levels[i]->runs() && index-- == 0)
            return levels[i];
    return NULL;
}

const char *peak_flops_kind(void)
{
    return peak_level_at(0)->kind;
}

struct arithmetic {
    const struct peak_level *level;
    double begin, seconds;
    atomic_ullong rate; /* multiply-adds a second, of all items */
};

/* A thread's. Each counts up to its own end: that others are not at theirs yet is a matter of
 * the round, not of the machine; that it came late is one of the machine. */
static void multiply_item(void *context, size_t item, unsigned worker)
{
    struct arithmetic *work = context;
    double count = 0, seconds;
    (void)item;
    (void)worker;
    do {
        count += (double)work->level->multiply_add(work->level->steps);
        seconds = clock_seconds() - work->begin;
    } while (seconds < work->seconds);
    atomic_fetch_add(&work->rate, (unsigned long long)(count / seconds));
}

bool peak_flops(double *flops_per_s, struct pool *pool, double seconds, struct error *error)
{
    struct arithmetic work = {
        .level = peak_level_at(0), .begin = clock_seconds(), .seconds = seconds};
    if (!pool_run(pool, multiply_item, &work, pool_threads(pool)))
        return error_set(error, ERROR_INTERRUPTED, "interrupted");
    *flops_per_s = 2 * (double)atomic_load(&work.rate);
    return true;
}

/* --- memory ------------------------------------------------------------------------- */

/* Four streams side by side keep more lines on their way than one. */
static uint64_t portable_sum(const uint64_t *words, size_t count)
{
    uint64_t sums[4] = {0};
    for (size_t i = 0; i < count / 4; i++)
        for (size_t stream = 0; stream < 4; stream++)
            sums[stream] += words[stream * (count / 4) + i];
    return sums[0] + sums[1] + sums[2] + sums[3];
}

uint64_t peak_sum(const uint64_t *words, size_t count)
{
#ifdef TIDEMARK_PEAK_AVX512
    if (peak_avx512.runs())
        return peak_avx512_sum(words, count);
#endif
    return portable_sum(words, count);
}

struct reading {
    uint64_t *words;
    atomic_ullong done; /* words that were 1 */
};

static void write_item(void *context, size_t item, unsigned worker)
{
    struct reading *work = context;
    uint64_t *words = work->words + item * READ_ITEM_WORDS;
    (void)worker;
    for (size_t i = 0; i < READ_ITEM_WORDS; i++)
        words[i] = 1;
}

static void read_item(void *context, size_t item, unsigned worker)
{
    struct reading *work = context;
    (void)worker;
    atomic_fetch_add(&work->done, peak_sum(work->words + item * READ_ITEM_WORDS, READ_ITEM_WORDS));
}

static const size_t read_items = PEAK_MEMORY_BYTES / (READ_ITEM_WORDS * sizeof(uint64_t));

static bool map_memory(struct peak_memory *memory, struct error *error)
{
    memory->mapping_bytes = PEAK_MEMORY_BYTES + HUGE_PAGE;
    memory->mapping = mmap(NULL, memory->mapping_bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory->mapping == MAP_FAILED)
        return error_set(error, ERROR_SYSTEM,
                         "cannot allocate 1 GiB to measure how fast memory is read: close other "
                         "programs or raise the memory limit (ulimit -v)");
    size_t past = (uintptr_t)memory->mapping % HUGE_PAGE;
    memory->words = (void *)((char *)memory->mapping + (past ? HUGE_PAGE - past : 0));
    /* Advice: without huge pages the reading is a little slower, not wrong. */
    (void)madvise(memory->words, PEAK_MEMORY_BYTES, MADV_HUGEPAGE);
    return true;
}

bool peak_memory_open(struct peak_memory **memory, struct pool *pool, struct error *error)
{
    struct peak_memory *m = malloc(sizeof *m);
    if (!m)
        return error_out_of_memory(error);
    if (!map_memory(m, error)) {
        free(m);
        return false;
    }
    struct reading work = {.words = m->words};
    if (!pool_run(pool, write_item, &work, read_items)) {
        peak_memory_close(m);
        return error_set(error, ERROR_INTERRUPTED, "interrupted");
    }
    *memory = m;
    return true;
}

void peak_memory_close(struct peak_memory *memory)
{
    if (!memory)
        return;
    munmap(memory->mapping, memory->mapping_bytes);
    free(memory);
}

bool peak_read(double *bytes_per_s, const struct peak_memory *memory, struct pool *pool,
               struct error *error)
{
    struct reading work = {.words = memory->words};
    const double begin = clock_seconds();
    double seconds;
    do {
        if (!pool_run(pool, read_item, &work, read_items))
            return error_set(error, ERROR_INTERRUPTED, "interrupted");
        seconds = clock_seconds() - begin;
    } while (seconds < PEAK_SECONDS);
    *bytes_per_s = (double)(atomic_load(&work.done) * sizeof(uint64_t)) / seconds;
    return true;
}
