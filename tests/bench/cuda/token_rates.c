/* token_rates: what generating costs on a GPU, without a file.
 *
 *     token_rates [--layers N] [--rounds N] [--lanes N,N,...] [--check] TYPE...
 *
 * Makes random weights of the Falcon-Mamba-7B shape in TYPE (bf16, q8_0, q4_k_m, ...) on the
 * device and runs the kernel that generates tokens (kernels/cuda/token.h): tokens a second,
 * and the bytes of weights over the copy bandwidth measured in the same run. --check
 * compares, instead, its logits and those of the prefill kernels with a pass in double on the
 * same weights, and the bits of lanes among each other. */
#include "base/pool.h"
#include "kernels/blocks.h"
#include "kernels/cuda/token.h"

#include <cuda_runtime_api.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EMBEDDING = 4096, INNER = 8192, STATES = 16, TAPS = 4, RANK = 256, VOCABULARY = 65024 };
enum { PAD_ROWS = 64, PART = 8192, MOST_LAYERS = 64, CHECKED = 3 };
enum { MIXER = RANK + 2 * STATES, WIDE = 2 * INNER + 256 };

static void must(cudaError_t status, const char *doing)
{
    if (status == cudaSuccess)
        return;
    fprintf(stderr, "token_rates: %s: %s\n", doing, cudaGetErrorString(status));
    exit(1);
}

static void *device_bytes(size_t bytes)
{
    void *at;
    must(cudaMalloc(&at, bytes), "asking for memory");
    must(cudaMemset(at, 0, bytes), "clearing memory");
    return at;
}

/* --- random weights ------------------------------------------------------------------- */

static uint64_t random_state = 0x9E3779B97F4A7C15u;

static uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static float random_unit(void)
{
    return (float)(random_word() >> 40) / (float)(1 << 23) - 1.0f;
}

/* A positive normal half. */
static uint16_t half_of(double value)
{
    int exponent;
    double mantissa = frexp(value, &exponent);
    int bits = (int)((mantissa * 2 - 1) * 1024);
    return exponent + 14 > 0 ? (uint16_t)((exponent + 14) << 10 | bits)
                             : (uint16_t)(value * 0x1p24);
}

/* Rows of a file's blocks with random quants, and scales for weights of `rms`. */
static unsigned char *random_rows(enum blocks_type type, size_t rows, size_t columns, double rms)
{
    size_t row_bytes = blocks_row_bytes(type, columns), bytes = rows * row_bytes;
    size_t weights = blocks_layout((uint32_t)type)->weights, size = row_bytes / (columns / weights);
    unsigned char *raw = malloc(bytes + 8);
    if (!raw)
        exit(1);
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = random_word();
        memcpy(raw + i, &word, 8);
    }
    for (size_t at = 0; at < bytes; at += size) {
        uint16_t d, m;
        switch (type) {
        case BLOCKS_BF16: {
            float value = random_unit() * (float)(rms * 1.7);
            memcpy(&d, (unsigned char *)&value + 2, 2);
            memcpy(raw + at, &d, 2);
            break;
        }
        case BLOCKS_Q6_K:
            d = half_of(rms / 1360);
            memcpy(raw + at + size - 2, &d, 2);
            break;
        case BLOCKS_Q4_K:
        case BLOCKS_Q5_K:
            d = half_of(rms / (type == BLOCKS_Q4_K ? 230 : 460));
            m = half_of(rms / 230 * 7.5);
            memcpy(raw + at, &d, 2);
            memcpy(raw + at + 2, &m, 2);
            break;
        case BLOCKS_Q5_1:
            d = half_of(rms / 9);
            m = (uint16_t)(half_of(rms / 9 * 15.5) | 0x8000);
            memcpy(raw + at, &d, 2);
            memcpy(raw + at + 2, &m, 2);
            break;
        default:
            d = half_of(rms / (type == BLOCKS_Q8_0 ? 74 : type == BLOCKS_Q5_0 ? 9 : 4.6));
            memcpy(raw + at, &d, 2);
        }
    }
    return raw;
}

static struct pool *pool;

/* The weights as the file's floats, a layer's four matrices (all layers have the same) and the
 * last; and what a lane remembers, as in a state. Only to check with. */
struct exact {
    float *weights[5];
    double *state;
};

struct bench {
    bool checking;
    struct exact exact;
    struct token_model model;
    struct token_layer layers[MOST_LAYERS];
    struct token *token;
    size_t weight_bytes, state_floats;
    float *states[TOKEN_LANES];
    struct token_lanes lanes;
};

static struct device_matrix new_matrix(struct bench *b, enum blocks_type type, uint32_t outputs,
                                       uint32_t columns)
{
    struct device_matrix m = {.form = type == BLOCKS_BF16 ? DEVICE_BF16 : DEVICE_PACKED,
                              .type = (int)type,
                              .outputs = outputs,
                              .rows = device_round_up(outputs, 16),
                              .columns = columns,
                              .padded = device_round_up(columns, 256)};
    size_t bytes = device_matrix_bytes(m.form, m.type, outputs, columns);
    m.data = device_bytes(bytes);
    b->weight_bytes += outputs * blocks_row_bytes(type, columns);
    return m;
}

static void *host_bytes(size_t bytes)
{
    void *at = calloc(1, bytes);
    if (!at)
        exit(1);
    return at;
}

struct decoded {
    float *to;
    const unsigned char *raw;
    enum blocks_type type;
    size_t columns;
};

static void decode_row(void *context, size_t row, unsigned worker)
{
    const struct decoded *d = context;
    (void)worker;
    blocks_to_float(d->to + row * d->columns, d->type,
                    d->raw + row * blocks_row_bytes(d->type, d->columns), d->columns);
}

/* The same numbers in each of `count` matrices, which lie apart; as floats too, unless NULL. */
static void fill(struct device_matrix **all, size_t count, enum blocks_type type, float **floats)
{
    const struct device_matrix *m = all[0];
    size_t row_bytes = blocks_row_bytes(type, m->columns);
    unsigned char *raw = random_rows(type, m->outputs, m->columns, 1 / sqrt(m->columns));
    void *device = device_bytes(m->outputs * row_bytes);
    must(cudaMemcpy(device, raw, m->outputs * row_bytes, cudaMemcpyHostToDevice), "copying");
    for (size_t i = 0; i < count; i++)
        device_matrix_load(all[i], device, (int)type, row_bytes, 0, m->outputs, NULL);
    must(cudaDeviceSynchronize(), "loading weights");
    if (floats) {
        *floats = host_bytes(sizeof **floats * m->outputs * m->columns);
        struct decoded decoded = {*floats, raw, type, m->columns};
        if (!pool_run(pool, decode_row, &decoded, m->outputs))
            exit(1);
    }
    cudaFree(device);
    free(raw);
}

static const float *new_floats(size_t count, float base, float spread)
{
    float *host = malloc(count * sizeof *host), *device = device_bytes(count * sizeof *host);
    if (!host)
        exit(1);
    for (size_t i = 0; i < count; i++)
        host[i] = base + spread * random_unit();
    must(cudaMemcpy(device, host, count * sizeof *host, cudaMemcpyHostToDevice), "copying");
    free(host);
    return device;
}

static void make_model(struct bench *b, enum blocks_type type, enum blocks_type output,
                       uint32_t layers)
{
    struct device_matrix *all[4][MOST_LAYERS];
    struct token_model *m = &b->model;
    *m = (struct token_model){.layer_count = layers,
                              .embedding = EMBEDDING,
                              .vocabulary = VOCABULARY,
                              .epsilon = 1e-5f,
                              .shape = {.inner = INNER,
                                        .states = STATES,
                                        .taps = TAPS,
                                        .rank = RANK,
                                        .wide_stride = WIDE,
                                        .inner_stride = INNER,
                                        .mixer_stride = MIXER,
                                        .rank_stride = RANK,
                                        .mixer_epsilon = 1e-5f,
                                        .mixer_norm = true}};
    for (uint32_t i = 0; i < layers; i++) {
        struct token_layer *l = &b->layers[i];
        l->in = new_matrix(b, type, 2 * INNER, EMBEDDING);
        l->x = new_matrix(b, type, MIXER, INNER);
        l->dt = new_matrix(b, type, INNER, RANK);
        l->out = new_matrix(b, type, EMBEDDING, INNER);
        all[0][i] = &l->in;
        all[1][i] = &l->x;
        all[2][i] = &l->dt;
        all[3][i] = &l->out;
        l->norm = new_floats(EMBEDDING, 1, 0.1f);
        l->conv_weight = new_floats(TAPS * INNER, 0, 1);
        l->conv_bias = new_floats(INNER, 0, 0.1f);
        l->dt_bias = new_floats(INNER, -2, 1);
        l->a = new_floats((size_t)STATES * INNER, -8, 7);
        l->skip = new_floats(INNER, 1, 0.1f);
    }
    for (int i = 0; i < 4; i++)
        fill(all[i], layers, type, b->checking ? &b->exact.weights[i] : NULL);
    m->output = new_matrix(b, output, VOCABULARY, EMBEDDING);
    fill((struct device_matrix *[]){&m->output}, 1, output,
         b->checking ? &b->exact.weights[4] : NULL);
    m->embedding_matrix = m->output;
    m->output_norm = new_floats(EMBEDDING, 1, 0.1f);
    m->state_logits = (size_t)layers * (STATES + TAPS - 1) * INNER;
    b->state_floats = m->state_logits + VOCABULARY;
    struct token_layer *table = device_bytes(sizeof b->layers);
    must(cudaMemcpy(table, b->layers, sizeof b->layers, cudaMemcpyHostToDevice), "copying");
    m->layers = table;
    char why[256];
    b->token = token_new(m, why);
    if (!b->token) {
        fprintf(stderr, "token_rates: %s\n", why);
        exit(1);
    }
    for (int i = 0; i < TOKEN_LANES; i++)
        b->states[i] = device_bytes(b->state_floats * sizeof(float));
}

static void free_model(struct bench *b)
{
    for (uint32_t i = 0; i < b->model.layer_count; i++) {
        const struct token_layer *l = &b->layers[i];
        const void *all[] = {l->in.data,     l->x.data,    l->dt.data, l->out.data, l->norm,
                             l->conv_weight, l->conv_bias, l->dt_bias, l->a,        l->skip};
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
            cudaFree((void *)(uintptr_t)all[k]);
    }
    cudaFree((void *)(uintptr_t)b->model.output.data);
    cudaFree((void *)(uintptr_t)b->model.output_norm);
    cudaFree((void *)(uintptr_t)b->model.layers);
    for (int i = 0; i < TOKEN_LANES; i++)
        cudaFree(b->states[i]);
    for (size_t i = 0; i < 5; i++)
        free(b->exact.weights[i]);
    free(b->exact.state);
    token_free(b->token);
}

/* --- in double ------------------------------------------------------------------------------ */

struct multiplied {
    double *y;
    const float *weights;
    const double *x;
    size_t columns;
};

static void multiply_row(void *context, size_t row, unsigned worker)
{
    const struct multiplied *m = context;
    const float *weights = m->weights + row * m->columns;
    double sums[4] = {0};
    (void)worker;
    for (size_t k = 0; k < m->columns; k += 4)
        for (size_t i = 0; i < 4; i++)
            sums[i] += (double)weights[k + i] * m->x[k + i];
    m->y[row] = sums[0] + sums[1] + (sums[2] + sums[3]);
}

static void multiply(double *y, const float *weights, const double *x, size_t rows, size_t columns)
{
    struct multiplied m = {y, weights, x, columns};
    if (!pool_run(pool, multiply_row, &m, rows))
        exit(1);
}

static void normalize(double *y, const double *x, const float *weight, size_t size)
{
    double squares = 0;
    for (size_t i = 0; i < size; i++)
        squares += x[i] * x[i];
    double scale = 1 / sqrt(squares / (double)size + 1e-5);
    for (size_t i = 0; i < size; i++)
        y[i] = x[i] * scale * (weight ? (double)weight[i] : 1);
}

static float *host_floats(const float *device, size_t count)
{
    float *host = host_bytes(count * sizeof *host);
    must(cudaMemcpy(host, device, count * sizeof *host, cudaMemcpyDeviceToHost), "copying");
    return host;
}

static double exact_silu(double x)
{
    return x / (1 + exp(-x));
}

/* Of all channels: their tails move on. */
static void exact_conv(const struct token_layer *l, double *tail, double *x)
{
    float *weight = host_floats(l->conv_weight, (size_t)TAPS * INNER);
    float *bias = host_floats(l->conv_bias, INNER);
    for (size_t d = 0; d < INNER; d++) {
        double sum = (double)bias[d] + (double)weight[(TAPS - 1) * INNER + d] * x[d];
        for (size_t j = 0; j + 1 < TAPS; j++) {
            sum += (double)weight[j * INNER + d] * tail[j * INNER + d];
            tail[j * INNER + d] = j + 2 < TAPS ? tail[(j + 1) * INNER + d] : x[d];
        }
        x[d] = exact_silu(sum);
    }
    free(weight);
    free(bias);
}

/* y [INNER] = the scan's outputs, gated by z. */
static void exact_scan(const struct token_layer *l, double *h, double *y, const double *raw,
                       const double *bc, const double *x, const double *z)
{
    float *a = host_floats(l->a, (size_t)STATES * INNER);
    float *bias = host_floats(l->dt_bias, INNER), *skip = host_floats(l->skip, INNER);
    for (size_t d = 0; d < INNER; d++) {
        double v = raw[d] + (double)bias[d], delta = v > 20 ? v : log1p(exp(v));
        double sum = (double)skip[d] * x[d];
        for (size_t n = 0; n < STATES; n++) {
            double *state = &h[n * INNER + d];
            *state = exp(delta * (double)a[n * INNER + d]) * *state + delta * x[d] * bc[n];
            sum += bc[STATES + n] * *state;
        }
        y[d] = sum * exact_silu(z[d]);
    }
    free(a);
    free(bias);
    free(skip);
}

static void exact_layer(const struct bench *b, const struct token_layer *l, double *state,
                        double *x)
{
    double *xz = host_bytes(2 * INNER * sizeof *xz), *y = host_bytes(INNER * sizeof *y);
    double *dbc = host_bytes(MIXER * sizeof *dbc), *raw = host_bytes(INNER * sizeof *raw);
    float *norm = host_floats(l->norm, EMBEDDING);
    normalize(y, x, norm, EMBEDDING);
    multiply(xz, b->exact.weights[0], y, 2 * INNER, EMBEDDING);
    exact_conv(l, state + STATES * INNER, xz);
    multiply(dbc, b->exact.weights[1], xz, MIXER, INNER);
    normalize(dbc, dbc, NULL, RANK);
    normalize(dbc + RANK, dbc + RANK, NULL, STATES);
    normalize(dbc + RANK + STATES, dbc + RANK + STATES, NULL, STATES);
    multiply(raw, b->exact.weights[2], dbc, INNER, RANK);
    exact_scan(l, state, y, raw, dbc + RANK, xz, xz + INNER);
    multiply(raw, b->exact.weights[3], y, EMBEDDING, INNER);
    for (size_t k = 0; k < EMBEDDING; k++)
        x[k] += raw[k];
    free(xz);
    free(y);
    free(dbc);
    free(raw);
    free(norm);
}

static void exact_token(struct bench *b, int32_t token, double *logits)
{
    const size_t of_layer = (size_t)(STATES + TAPS - 1) * INNER;
    double *x = host_bytes(EMBEDDING * sizeof *x);
    float *norm = host_floats(b->model.output_norm, EMBEDDING);
    if (!b->exact.state)
        b->exact.state = host_bytes(b->model.layer_count * of_layer * sizeof *b->exact.state);
    for (size_t k = 0; k < EMBEDDING; k++)
        x[k] = (double)b->exact.weights[4][(size_t)token * EMBEDDING + k];
    for (uint32_t i = 0; i < b->model.layer_count; i++)
        exact_layer(b, &b->layers[i], b->exact.state + i * of_layer, x);
    normalize(x, x, norm, EMBEDDING);
    multiply(logits, b->exact.weights[4], x, VOCABULARY, EMBEDDING);
    free(x);
    free(norm);
}

/* --- against the prefill kernels ---------------------------------------------------------- */

struct reference {
    float *x, *dbc, *delta, *bc, *logits;
    void *u, *xz, *xc, *dt, *panel;
    struct device_segment *segment;
    int32_t *zero;
};

static void reference_product(const struct reference *r, void *y, bool y_bf16, size_t y_stride,
                              const struct device_matrix *m, uint32_t first, uint32_t rows,
                              const void *x, size_t x_stride, bool add)
{
    const void *w = (const unsigned char *)m->data + (size_t)first * m->padded * 2;
    if (m->form == DEVICE_PACKED) {
        device_unpack(r->panel, false, m, first, rows, NULL);
        w = r->panel;
    }
    device_product_bf16(y, y_bf16, y_stride, w, m->padded, x, x_stride, PAD_ROWS, rows, m->padded,
                        add, NULL);
}

static void reference_token(const struct bench *b, const struct reference *r, float *state,
                            const int32_t *token, float *logits)
{
    struct device_layer_shape s = b->model.shape;
    struct device_segment segment = {state, 0, 1};
    must(cudaMemcpy(r->segment, &segment, sizeof segment, cudaMemcpyHostToDevice), "copying");
    device_embed(r->x, EMBEDDING, &b->model.embedding_matrix, token, 1, NULL);
    for (uint32_t i = 0; i < b->model.layer_count; i++) {
        const struct token_layer *l = &b->layers[i];
        s.layer_offset = (size_t)i * (STATES + TAPS - 1) * INNER;
        device_norm(r->u, false, EMBEDDING, r->x, EMBEDDING, NULL, l->norm, b->model.epsilon,
                    EMBEDDING, 1, NULL);
        reference_product(r, r->xz, true, WIDE, &l->in, 0, 2 * INNER, r->u, EMBEDDING, false);
        device_conv(r->xc, r->xz, l->conv_weight, l->conv_bias, r->segment, r->zero, 1, &s, NULL);
        reference_product(r, r->dbc, false, MIXER, &l->x, 0, MIXER, r->xc, INNER, false);
        device_mixer(r->dt, r->bc, r->dbc, 1, &s, NULL);
        reference_product(r, r->delta, false, INNER, &l->dt, 0, INNER, r->dt, RANK, false);
        struct device_scan scan = {.y = r->xc,
                                   .delta = r->delta,
                                   .xc = r->xc,
                                   .xz = r->xz,
                                   .bc = r->bc,
                                   .a = l->a,
                                   .bias = l->dt_bias,
                                   .skip = l->skip};
        device_scan(&scan, r->segment, 1, &s, NULL);
        reference_product(r, r->x, false, EMBEDDING, &l->out, 0, EMBEDDING, r->xc, INNER, true);
    }
    device_norm(r->u, false, EMBEDDING, r->x, EMBEDDING, NULL, b->model.output_norm,
                b->model.epsilon, EMBEDDING, 1, NULL);
    for (uint32_t at = 0; at < VOCABULARY; at += PART) {
        uint32_t rows = VOCABULARY - at < PART ? VOCABULARY - at : PART;
        reference_product(r, r->logits, false, PART, &b->model.output, at, rows, r->u, EMBEDDING,
                          false);
        must(cudaMemcpy(logits + at, r->logits, rows * sizeof *logits, cudaMemcpyDeviceToHost),
             "reading logits");
    }
}

static struct reference new_reference(void)
{
    return (struct reference){
        .x = device_bytes((size_t)PAD_ROWS * EMBEDDING * 4),
        .dbc = device_bytes((size_t)PAD_ROWS * MIXER * 4),
        .delta = device_bytes((size_t)PAD_ROWS * INNER * 4),
        .bc = device_bytes((size_t)PAD_ROWS * 2 * STATES * 4),
        .logits = device_bytes((size_t)PAD_ROWS * PART * 4),
        .u = device_bytes((size_t)PAD_ROWS * EMBEDDING * 2),
        .xz = device_bytes((size_t)PAD_ROWS * WIDE * 2),
        .xc = device_bytes((size_t)PAD_ROWS * INNER * 2),
        .dt = device_bytes((size_t)PAD_ROWS * RANK * 2),
        .panel = device_bytes((size_t)2 * INNER * EMBEDDING * 2),
        .segment = device_bytes(sizeof(struct device_segment)),
        .zero = device_bytes(sizeof(int32_t)),
    };
}

/* Lane i of n gets the tokens 1000 i + k. */
static void run_tokens(struct bench *b, uint32_t lanes, int32_t k)
{
    for (uint32_t i = 0; i < lanes; i++) {
        b->lanes.states.of[i] = b->states[i];
        b->lanes.tokens[i] = (int32_t)(1000 * i) + k;
    }
    must(token_run(b->token, &b->lanes, lanes, NULL), "launching");
}

static void reset(struct bench *b)
{
    for (int i = 0; i < TOKEN_LANES; i++)
        must(cudaMemset(b->states[i], 0, b->state_floats * sizeof(float)), "resetting");
}

static double distance(const float *have, const double *want, size_t count)
{
    double above = 0, below = 0;
    for (size_t i = 0; i < count; i++) {
        above += ((double)have[i] - want[i]) * ((double)have[i] - want[i]);
        below += want[i] * want[i];
    }
    return sqrt(above / below);
}

/* How far from exact the k-th token's logits may be: each activation is rounded to BF16, and by
 * the prefill kernels the weights are, too: see check_vector() in
 * tests/kernels/cuda/test_cuda_token.c. */
static double allowed(const struct bench *b, int32_t k)
{
    return 4 * 0x1p-9 * sqrt(7.0 * b->model.layer_count + 2) * (k + 1);
}

static bool check(struct bench *b, const char *name)
{
    static const uint32_t groups[] = {1, 2, 5, 8, 9, 33, 64};
    const size_t floats = b->state_floats;
    float *mine = malloc(floats * sizeof *mine), *theirs = malloc(floats * sizeof *theirs);
    float *first = malloc(2 * floats * sizeof *first);
    double *exact = host_bytes(VOCABULARY * sizeof *exact);
    struct reference r = new_reference();
    float *state = device_bytes(floats * sizeof(float));
    int32_t *token = device_bytes(sizeof *token);
    bool good = mine && theirs && first;
    reset(b);
    for (int32_t k = 0; good && k < CHECKED; k++) {
        run_tokens(b, 1, k);
        must(cudaMemcpy(mine, token_logits(b->token), VOCABULARY * sizeof *mine,
                        cudaMemcpyDeviceToHost),
             "reading logits");
        must(cudaMemcpy(token, &k, sizeof k, cudaMemcpyHostToDevice), "copying");
        reference_token(b, &r, state, token, theirs);
        exact_token(b, k, exact);
        double apart = distance(mine, exact, VOCABULARY);
        double prefill = distance(theirs, exact, VOCABULARY), most = allowed(b, k);
        printf("%s: token %d: %.2e from exact logits, the prefill kernels' %.2e, at most %.2e\n",
               name, k, apart, prefill, most);
        good = good && apart <= most && prefill <= most;
    }
    for (size_t g = 0; good && g < sizeof groups / sizeof groups[0]; g++) {
        reset(b);
        for (int32_t k = 0; k < CHECKED; k++)
            run_tokens(b, groups[g], k);
        for (uint32_t lane = 0; lane < 2 && lane < groups[g]; lane++) {
            uint32_t at = lane == 0 ? 0 : groups[g] - 1;
            must(cudaMemcpy(mine, b->states[at], floats * sizeof *mine, cudaMemcpyDeviceToHost),
                 "reading a state");
            /* Alone: as lane 0 with that lane's tokens. */
            reset(b);
            for (int32_t k = 0; k < CHECKED; k++)
                run_tokens(b, 1, (int32_t)(1000 * at) + k);
            must(cudaMemcpy(first, b->states[0], floats * sizeof *mine, cudaMemcpyDeviceToHost),
                 "reading a state");
            if (memcmp(mine, first, floats * sizeof *mine) != 0) {
                size_t i = 0, different = 0;
                for (size_t j = floats; j-- > 0;)
                    if (memcmp(&mine[j], &first[j], 4) != 0)
                        i = j, different++;
                printf("%s: lane %u of %u differs from the lane alone: %zu floats of %zu, the "
                       "first %zu: %g, alone %g\n",
                       name, at, groups[g], different, floats, i, mine[i], first[i]);
                good = false;
            }
            reset(b);
            for (int32_t k = 0; k < CHECKED; k++)
                run_tokens(b, groups[g], k);
        }
    }
    printf("%s: %s\n", name, good ? "good" : "BAD");
    free(mine);
    free(theirs);
    free(first);
    free(exact);
    return good;
}

/* --- rates ------------------------------------------------------------------------------- */

static double milliseconds(cudaEvent_t from, cudaEvent_t to)
{
    float ms;
    must(cudaEventSynchronize(to), "running");
    must(cudaEventElapsedTime(&ms, from, to), "timing");
    return ms;
}

static double copy_bandwidth(void)
{
    const size_t bytes = (size_t)2 << 30;
    void *a = device_bytes(bytes), *b = device_bytes(bytes);
    cudaEvent_t from, to;
    double best = 1e30;
    must(cudaEventCreate(&from), "timing");
    must(cudaEventCreate(&to), "timing");
    for (int i = 0; i < 5; i++) {
        must(cudaEventRecord(from, NULL), "timing");
        must(cudaMemcpyAsync(a, b, bytes, cudaMemcpyDeviceToDevice, NULL), "copying");
        must(cudaEventRecord(to, NULL), "timing");
        double ms = milliseconds(from, to);
        best = ms < best ? ms : best;
    }
    cudaFree(a);
    cudaFree(b);
    return 2 * (double)bytes / best * 1e3;
}

static void measure(struct bench *b, const char *name, uint32_t lanes, int rounds, double bandwidth)
{
    cudaEvent_t from, to;
    must(cudaEventCreate(&from), "timing");
    must(cudaEventCreate(&to), "timing");
    for (int32_t k = 0; k < 3; k++)
        run_tokens(b, lanes, k);
    must(cudaEventRecord(from, NULL), "timing");
    for (int k = 0; k < rounds; k++)
        must(token_run(b->token, &b->lanes, lanes, NULL), "launching");
    must(cudaEventRecord(to, NULL), "timing");
    double ms = milliseconds(from, to) / rounds;
    printf("%-8s %2u lanes: %8.3f ms, %8.1f tokens/s, %.2f of the copy bandwidth\n", name, lanes,
           ms, lanes * 1e3 / ms, (double)b->weight_bytes / ms * 1e3 / bandwidth);
}

static const struct {
    const char *name;
    enum blocks_type matrices, output;
} types[] = {
    {"bf16", BLOCKS_BF16, BLOCKS_BF16},   {"q8_0", BLOCKS_Q8_0, BLOCKS_Q8_0},
    {"q6_k", BLOCKS_Q6_K, BLOCKS_Q6_K},   {"q5_k_m", BLOCKS_Q5_K, BLOCKS_Q6_K},
    {"q4_k_m", BLOCKS_Q4_K, BLOCKS_Q6_K}, {"q5_1", BLOCKS_Q5_1, BLOCKS_Q6_K},
    {"q5_0", BLOCKS_Q5_0, BLOCKS_Q6_K},   {"q4_0", BLOCKS_Q4_0, BLOCKS_Q6_K},
};

int main(int argc, char **argv)
{
    uint32_t layers = MOST_LAYERS;
    int rounds = 20, status = 0;
    bool checking = false;
    const char *lanes = "1,64";
    struct error error = {0};
    double bandwidth = copy_bandwidth();
    if (!(pool = pool_new(0, &error)))
        return 1;
    printf("copy: %.0f GB/s\n", bandwidth / 1e9);
    for (int i = 1; i < argc; i++) {
        size_t t = 0, count = sizeof types / sizeof types[0];
        if (strcmp(argv[i], "--check") == 0) {
            checking = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--layers") == 0) {
            layers = (uint32_t)atoi(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0) {
            rounds = atoi(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--lanes") == 0) {
            lanes = argv[++i];
        } else {
            while (t < count && strcmp(argv[i], types[t].name) != 0)
                t++;
            if (t == count || layers < 1 || layers > MOST_LAYERS) {
                fprintf(stderr, "token_rates: %s is no type\n", argv[i]);
                return 2;
            }
            struct bench *b = calloc(1, sizeof *b);
            if (!b)
                return 1;
            b->checking = checking;
            make_model(b, types[t].matrices, types[t].output, layers);
            if (checking && !check(b, types[t].name))
                status = 1;
            for (const char *at = lanes; !checking && at;
                 at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
                int n = atoi(at);
                if (n >= 1 && n <= TOKEN_LANES)
                    measure(b, types[t].name, (uint32_t)n, rounds, bandwidth);
            }
            free_model(b);
            free(b);
        }
        fflush(stdout);
    }
    pool_free(pool);
    return status;
}
