/* kernel_rates [--rounds N] [LEVEL...]
 *
 * How fast each kernel of the levels (default: all that run here) works on one thread, in
 * ratios to that thread's own ceilings, measured in the same rounds: multiply-adds in
 * registers, and reading memory. Times are the thread's own processor time and the best
 * of the rounds counts, so that a busy machine tells much the same as an idle one; what
 * threads take from each other is left to `tidemark bench`.
 *
 *     prefill   256 rows; of the f32 peak
 *     cached    decode, one lane, a matrix of 4 MiB; weight bytes, of the read peak
 *     memory    the same on 256 MiB
 *     lanes     eight lanes on that: how many times the tokens of one
 *     scan, conv, norm: nanoseconds for a channel of a token */
#include "base/error.h"
#include "kernels/kernels.h"
#include "kernels/peak_levels.h"
#include "tests/support/random.h"

#include <getopt.h>
#include <string.h>

enum {
    ROWS = 256,
    COLUMNS = 4096,
    OUTPUTS = 128,
    LANES = 8,
    CHANNELS = 128,
    STATES = 16,
    TAPS = 4,
    CACHED = 4 << 20,
    MEMORY = 256 << 20,
};

static const enum blocks_type types[] = {
    BLOCKS_F32,  BLOCKS_F16,  BLOCKS_BF16, BLOCKS_Q8_0, BLOCKS_Q4_0,
    BLOCKS_Q5_0, BLOCKS_Q5_1, BLOCKS_Q4_K, BLOCKS_Q5_K, BLOCKS_Q6_K,
};
enum { TYPES = sizeof types / sizeof types[0] };

struct bench {
    size_t rounds;
    float *x, *packed, *y, *scratch;
    unsigned char *weights; /* [MEMORY] */
    double flops, bytes;    /* ceilings of a thread, a second */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *memory(size_t size)
{
    void *bytes = aligned_alloc(64, (size + 63) / 64 * 64);
    if (!bytes) {
        perror("kernel_rates");
        exit(ERROR_SYSTEM);
    }
    return bytes;
}

static void prepare(struct bench *b)
{
    struct random random = {1};
    b->x = memory((ROWS * (COLUMNS + 16)) * sizeof *b->x);
    b->packed = memory((ROWS * (COLUMNS + 16)) * sizeof *b->packed);
    b->y = memory((ROWS * (COLUMNS + 16)) * sizeof *b->y);
    b->scratch = memory(kernels_scratch_floats(COLUMNS) * sizeof *b->scratch);
    b->weights = memory(MEMORY);
    for (size_t i = 0; i < ROWS * (COLUMNS + 16); i++)
        b->x[i] = b->y[i] = random_uniform(&random) - 0.5f;
    /* Small as halves and as floats alike: what is no number would be slow. */
    for (size_t i = 0; i < MEMORY; i += 2) {
        uint16_t bits = (uint16_t)((random_next(&random) & 0x83FF) | 0x2400);
        memcpy(b->weights + i, &bits, sizeof bits);
    }
}

/* --- what is timed ------------------------------------------------------------------------ */

struct job {
    const struct kernels *kernels;
    struct bench *bench;
    struct matrix matrix;
    const float *x; /* the rows, as the level wants them */
    size_t rows;
};

/* Sets the rows of a product; a level that rounds them does so here, untimed. */
static void set_rows(struct job *job, bool decode, size_t rows)
{
    struct bench *b = job->bench;
    job->rows = rows;
    job->x = b->x;
    if (!job->kernels->packs || !job->kernels->packs(&job->matrix, decode))
        return;
    for (size_t r = 0; r < rows; r += KERNELS_PACK_ROWS) {
        const size_t stride = COLUMNS + 16;
        const size_t count = rows - r < KERNELS_PACK_ROWS ? rows - r : KERNELS_PACK_ROWS;
        if (decode)
            job->kernels->pack(b->packed, &job->matrix, b->x, stride, r, count, 0, COLUMNS);
        else
            job->kernels->pack_pass(b->packed, &job->matrix, b->x + r * stride, stride, r, count, 0,
                                    COLUMNS);
    }
    job->x = b->packed;
}

typedef void timed(const struct job *job);

static void multiply_add(const struct job *job)
{
    static volatile uint64_t sink;
    (void)job;
    const struct peak_level *level = NULL;
    for (size_t i = 0; (level = peak_level_at(i)) && strcmp(level->kind, "f32-fma");)
        i++;
    sink = level->multiply_add(1 << 20);
    (void)sink;
}

static void read_memory(const struct job *job)
{
    static volatile uint64_t sink;
    sink = peak_sum((const uint64_t *)(const void *)job->bench->weights, MEMORY / 8);
    (void)sink;
}

static void prefill(const struct job *job)
{
    struct bench *b = job->bench;
    job->kernels->prefill_matmul(b->y, COLUMNS + 16, &job->matrix, 0, job->matrix.outputs, job->x,
                                 COLUMNS + 16, job->rows, false, b->scratch);
}

/* In items of 128 outputs, as the forward pass hands them out. */
static void decode(const struct job *job)
{
    struct bench *b = job->bench;
    for (size_t j = 0; j < job->matrix.outputs; j += OUTPUTS) {
        struct matrix part = job->matrix;
        part.data += j * part.row_bytes;
        part.outputs = part.outputs - j < OUTPUTS ? part.outputs - j : OUTPUTS;
        job->kernels->decode_matmul(b->y, COLUMNS + 16, &part, 0, part.outputs, job->x,
                                    COLUMNS + 16, job->rows, false, b->scratch);
    }
}

static void scan(const struct job *job)
{
    struct bench *b = job->bench;
    const size_t stride = COLUMNS + 16;
    struct scan scan = {
        .y = b->y,
        .h = b->y + 256,
        .delta = b->x,
        .bias = b->x + 256,
        .a = b->x + 512,
        .b = b->x + 1024,
        .c = b->x + 1040,
        .x = b->x + 1280,
        .skip = b->x + 1536,
        .gate = b->x + 2048,
        .y_stride = stride,
        .h_stride = stride,
        .delta_stride = stride,
        .bc_stride = stride,
        .x_stride = stride,
        .gate_stride = stride,
        .tokens = ROWS,
        .channels = CHANNELS,
        .states = STATES,
    };
    memset(scan.h, 0, CHANNELS * sizeof(float));
    job->kernels->scan(&scan);
}

static void conv(const struct job *job)
{
    struct bench *b = job->bench;
    const size_t stride = COLUMNS + 16;
    struct conv conv = {
        .y = b->y,
        .tail = b->y + 256,
        .x = b->x,
        .weight = b->x + 512,
        .bias = b->x + 1024,
        .y_stride = stride,
        .tail_stride = stride,
        .x_stride = stride,
        .tokens = ROWS,
        .channels = CHANNELS,
        .width = TAPS,
    };
    job->kernels->conv_silu(&conv);
}

static void norm(const struct job *job)
{
    struct bench *b = job->bench;
    job->kernels->rms_norm(b->y, b->x, b->x + COLUMNS, 1e-5f, COLUMNS);
}

/* Seconds of one call: the best of the rounds, each long enough for the clock. */
static double best(timed *work, const struct job *job)
{
    double least = 1e30;
    for (size_t round = 0; round < job->bench->rounds; round++) {
        size_t calls = 0;
        double begin = now(), seconds;
        do {
            work(job);
            calls++;
            seconds = now() - begin;
        } while (seconds < 0.004);
        if (seconds / (double)calls < least)
            least = seconds / (double)calls;
    }
    return least;
}

/* --- the table ----------------------------------------------------------------------------- */

static struct matrix matrix_of(const struct bench *b, enum blocks_type type, size_t bytes)
{
    struct matrix matrix = {.type = type, .columns = COLUMNS, .data = b->weights};
    matrix.row_bytes = blocks_row_bytes(type, COLUMNS);
    matrix.outputs = bytes / matrix.row_bytes;
    return matrix;
}

static double decode_rate(struct job *job, size_t bytes, size_t lanes)
{
    job->matrix = matrix_of(job->bench, job->matrix.type, bytes);
    set_rows(job, true, lanes);
    return (double)job->matrix.outputs * (double)job->matrix.row_bytes / best(decode, job);
}

static void print_level(struct bench *b, const struct kernels *kernels)
{
    struct job job = {.kernels = kernels, .bench = b};
    printf("%s\n        prefill  cached  memory   lanes\n", kernels->name);
    for (size_t i = 0; i < TYPES; i++) {
        job.matrix = matrix_of(b, types[i], MEMORY);
        job.matrix.outputs = OUTPUTS;
        set_rows(&job, false, ROWS);
        double flops = 2.0 * ROWS * OUTPUTS * COLUMNS / best(prefill, &job);
        double cached = decode_rate(&job, CACHED, 1), one = decode_rate(&job, MEMORY, 1);
        double lanes = decode_rate(&job, MEMORY / 4, LANES);
        printf("%-6s  %7.2f %7.2f %7.2f %7.2f   %6.1f GFLOP/s %6.1f %6.1f GB/s\n",
               blocks_layout(types[i])->name, flops / b->flops, cached / b->bytes, one / b->bytes,
               lanes * LANES / one, flops / 1e9, cached / 1e9, one / 1e9);
        fflush(stdout);
    }
    printf("scan %.2f ns, conv %.2f ns, norm %.3f ns\n", 1e9 * best(scan, &job) / (ROWS * CHANNELS),
           1e9 * best(conv, &job) / (ROWS * CHANNELS), 1e9 * best(norm, &job) / COLUMNS);
}

int main(int count, char **arguments)
{
    static const struct option options[] = {{"rounds", required_argument, NULL, 'r'}, {0}};
    struct bench b = {.rounds = 20};
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
        if (option != 'r' || atoi(optarg) < 1) {
            fputs("usage: kernel_rates [--rounds N] [LEVEL...]\n", stderr);
            return ERROR_USAGE;
        }
        b.rounds = (size_t)atoi(optarg);
    }
    for (int i = optind; i < count; i++)
        if (!kernels_by_name(arguments[i])) {
            fprintf(stderr, "kernel_rates: no level %s here\n", arguments[i]);
            return ERROR_USAGE;
        }
    prepare(&b);
    const struct job job = {.bench = &b};
    uint64_t done = 0;
    for (size_t i = 0; peak_level_at(i); i++)
        if (!strcmp(peak_level_at(i)->kind, "f32-fma") && !done)
            done = peak_level_at(i)->multiply_add(1 << 20);
    b.flops = 2.0 * (double)done / best(multiply_add, &job);
    b.bytes = MEMORY / best(read_memory, &job);
    printf("one thread: %.1f GFLOP/s in f32, reads %.1f GB/s\n", b.flops / 1e9, b.bytes / 1e9);
    for (size_t i = 0; kernels_at(i); i++) {
        bool wanted = optind == count;
        for (int j = optind; j < count; j++)
            wanted = wanted || !strcmp(arguments[j], kernels_at(i)->name);
        if (wanted)
            print_level(&b, kernels_at(i));
    }
    free(b.x);
    free(b.packed);
    free(b.y);
    free(b.scratch);
    free(b.weights);
    return 0;
}
