/* A generated token on the device, whole, through token.h: models of ragged shapes with
 * matrices of every type, against the same pass in double on the reference's weights, and
 * that a lane's bits do not depend on the lanes beside it. */
#include "kernels/cuda/token.h"
#include "tests/kernels/cuda/cuda_rig.h"
#include "tests/support/tiny_model.h"

#include "kernels/kernels.h"

enum { ROUNDS = 18, LAYERS = 2, LANES = 64, STEPS = 2, SPARE = 16 };

static struct random random_source;

/* A matrix in the file's form, on the device, and as the device's kernels round it. */
struct both {
    struct matrix file;
    struct device_matrix device;
    float *weights; /* [outputs][columns] */
};

struct floats {
    float *host, *device;
};

struct test_layer {
    struct both in, x, dt, out;
    struct floats norm, conv_weight, conv_bias, dt_bias, a, skip;
};

struct test_model {
    uint32_t embedding, inner, states, taps, rank, vocabulary;
    size_t lanes; /* at once */
    bool plain;   /* weights of 16 and 32 bits only */
    struct test_layer layers[LAYERS];
    struct both table, output;
    struct floats output_norm;
    struct token_model token;
    size_t state_floats, stride; /* of a state; from one to the next, aligned as cudaMalloc does */
};

/* --- models ------------------------------------------------------------------------------ */

static enum blocks_type random_type(uint32_t columns, bool plain)
{
    static const enum blocks_type types[] = {
        BLOCKS_Q4_K, BLOCKS_Q5_K, BLOCKS_Q6_K, BLOCKS_Q8_0, BLOCKS_Q4_0,
        BLOCKS_Q5_0, BLOCKS_Q5_1, BLOCKS_F16,  BLOCKS_BF16, BLOCKS_F32,
    };
    for (;;) {
        enum blocks_type type = types[random_below(&random_source, sizeof types / sizeof types[0])];
        if (columns % blocks_layout(type)->weights == 0 &&
            (!plain || blocks_layout(type)->weights == 1))
            return type;
    }
}

static struct both random_both(const struct test_model *m, uint32_t outputs, uint32_t columns)
{
    enum blocks_type type = random_type(columns, m->plain);
    struct both b = {.file = {type, outputs, columns, blocks_row_bytes(type, columns), NULL}};
    unsigned char *data = host_memory(outputs * b.file.row_bytes);
    tiny_model_fill(data, type, (size_t)outputs * columns, &random_source);
    b.file.data = data;
    bool plain = blocks_layout(type)->weights == 1;
    b.device = (struct device_matrix){
        .form = plain ? DEVICE_BF16 : DEVICE_PACKED,
        .type = (int)type,
        .outputs = outputs,
        .rows = device_round_up(outputs, 16),
        .columns = columns,
        .padded = device_round_up(columns, 256),
    };
    b.device.data = cuda_put(NULL, device_matrix_bytes(b.device.form, (int)type, outputs, columns));
    void *raw = cuda_put(data, outputs * b.file.row_bytes);
    device_matrix_load(&b.device, raw, (int)type, b.file.row_bytes, 0, outputs, 0);
    b.weights = host_memory((size_t)outputs * columns * sizeof *b.weights);
    for (size_t j = 0; j < outputs; j++)
        blocks_to_float(b.weights + j * columns, type, data + j * b.file.row_bytes, columns);
    for (size_t i = 0; plain && i < (size_t)outputs * columns; i++)
        b.weights[i] = bf16_value(bf16_of(b.weights[i]));
    return b;
}

static void free_both(struct both *b)
{
    free((void *)(uintptr_t)b->file.data);
    free(b->weights);
}

static struct floats random_floats(size_t count, float middle, float scale)
{
    struct floats f = {.host = random_values(&random_source, count, scale)};
    for (size_t i = 0; i < count; i++)
        f.host[i] += middle;
    f.device = cuda_put(f.host, count * sizeof *f.host);
    return f;
}

static struct test_layer random_layer(const struct test_model *m)
{
    struct test_layer l = {
        .in = random_both(m, 2 * m->inner, m->embedding),
        .x = random_both(m, m->rank + 2 * m->states, m->inner),
        .dt = random_both(m, m->inner, m->rank),
        .out = random_both(m, m->embedding, m->inner),
        .norm = random_floats(m->embedding, 1, 0.1f),
        .conv_weight = random_floats((size_t)m->taps * m->inner, 0, 0.5f),
        .conv_bias = random_floats(m->inner, 0, 0.1f),
        .dt_bias = random_floats(m->inner, -2, 1),
        .skip = random_floats(m->inner, 1, 0.1f),
    };
    l.a.host = random_values(&random_source, (size_t)m->states * m->inner, 2);
    for (size_t i = 0; i < (size_t)m->states * m->inner; i++)
        l.a.host[i] = -fabsf(l.a.host[i]) - 0.01f;
    l.a.device = cuda_put(l.a.host, (size_t)m->states * m->inner * sizeof *l.a.host);
    return l;
}

/* `plain`: a model that 4 lanes and more run through lanes.cu, whatever the GPU's number of
 * multiprocessors: no product but those of inner columns is sliced. */
static struct test_model random_model(bool norms, bool plain)
{
    bool blocks = random_below(&random_source, 2); /* columns that divide by 256 */
    struct test_model m = {
        .embedding = blocks ? 256 : 32 * (1 + (uint32_t)random_below(&random_source, 12)),
        .inner = blocks ? 512 : 32 * (1 + (uint32_t)random_below(&random_source, 20)),
        .states = 4 * (1 + (uint32_t)random_below(&random_source, 4)),
        .taps = 2 + (uint32_t)random_below(&random_source, 3),
        .rank = 1 + (uint32_t)random_below(&random_source, 90),
        .vocabulary = 17 + (uint32_t)random_below(&random_source, 400),
        .lanes = 11,
        .plain = plain,
    };
    if (blocks)
        m.rank = 32;
    else if (random_below(&random_source, 4) == 0) /* channels and gates share a tile of 16 rows */
        m.inner += 8;
    if (plain) {
        m.embedding = 8 * (1 + (uint32_t)random_below(&random_source, 32));
        m.inner = 16 * (1 + (uint32_t)random_below(&random_source, 150));
        m.states = 16;
        m.taps = 4;
        m.lanes = 4 + (size_t)random_below(&random_source, LANES - 3);
    }
    struct token_layer layers[LAYERS];
    for (size_t i = 0; i < LAYERS; i++) {
        m.layers[i] = random_layer(&m);
        const struct test_layer *l = &m.layers[i];
        layers[i] = (struct token_layer){
            l->in.device,   l->x.device,           l->dt.device,        l->out.device,
            l->norm.device, l->conv_weight.device, l->conv_bias.device, l->dt_bias.device,
            l->a.device,    l->skip.device};
    }
    m.table = random_both(&m, m.vocabulary, m.embedding);
    m.output = random_both(&m, m.vocabulary, m.embedding);
    m.output_norm = random_floats(m.embedding, 1, 0.1f);
    size_t of_layer = (size_t)(m.states + m.taps - 1) * m.inner;
    m.state_floats = LAYERS * of_layer + m.vocabulary;
    m.stride = (m.state_floats + SPARE + 63) / 64 * 64;
    m.token = (struct token_model){
        .layers = cuda_put(layers, sizeof layers),
        .layer_count = LAYERS,
        .embedding = m.embedding,
        .vocabulary = m.vocabulary,
        .shape = {.inner = m.inner,
                  .states = m.states,
                  .taps = m.taps,
                  .rank = m.rank,
                  .wide_stride = device_round_up(2 * m.inner, 256) + 256,
                  .inner_stride = device_round_up(m.inner, 256),
                  .mixer_stride = device_round_up(m.rank + 2 * m.states, 16),
                  .rank_stride = device_round_up(m.rank, 256),
                  .mixer_epsilon = 1e-5f,
                  .mixer_norm = norms},
        .embedding_matrix = m.table.device,
        .output = m.output.device,
        .output_norm = m.output_norm.device,
        .epsilon = 1e-5f,
        .state_logits = LAYERS * of_layer,
    };
    return m;
}

static void free_model(struct test_model *m)
{
    for (size_t i = 0; i < LAYERS; i++) {
        struct test_layer *l = &m->layers[i];
        struct both *matrices[] = {&l->in, &l->x, &l->dt, &l->out};
        float *arrays[] = {l->norm.host,    l->conv_weight.host, l->conv_bias.host,
                           l->dt_bias.host, l->a.host,           l->skip.host};
        for (size_t k = 0; k < 4; k++)
            free_both(matrices[k]);
        for (size_t k = 0; k < 6; k++)
            free(arrays[k]);
    }
    free_both(&m->table);
    free_both(&m->output);
    free(m->output_norm.host);
    cuda_clear();
}

/* --- in double ----------------------------------------------------------------------------- */

static void multiply(double *y, const struct both *w, const double *x)
{
    for (size_t j = 0; j < w->file.outputs; j++) {
        double sum = 0;
        for (size_t k = 0; k < w->file.columns; k++)
            sum += (double)w->weights[j * w->file.columns + k] * x[k];
        y[j] = sum;
    }
}

static void normalize(double *y, const double *x, const float *weight, size_t size, bool norm)
{
    double squares = 0;
    for (size_t i = 0; i < size; i++)
        squares += x[i] * x[i];
    double scale = norm ? 1 / sqrt(squares / (double)size + (double)1e-5f) : 1;
    for (size_t i = 0; i < size; i++)
        y[i] = x[i] * scale * (weight ? (double)weight[i] : 1);
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

/* xc of a channel, whose tail moves on. */
static double convolve(const struct test_model *m, const struct test_layer *l, double *tail,
                       double x, size_t d)
{
    double sum = (double)l->conv_bias.host[d];
    for (size_t j = 0; j < m->taps; j++) {
        double in = j + 1 < m->taps ? tail[j * m->inner + d] : x;
        sum += (double)l->conv_weight.host[j * m->inner + d] * in;
    }
    for (size_t j = 0; j + 1 < m->taps; j++)
        tail[j * m->inner + d] = j + 2 < m->taps ? tail[(j + 1) * m->inner + d] : x;
    return silu(sum);
}

static double scan(const struct test_model *m, const struct test_layer *l, double *h,
                   const double *bc, double raw, double x, size_t d)
{
    double v = raw + (double)l->dt_bias.host[d], delta = v > 20 ? v : log1p(exp(v));
    double sum = (double)l->skip.host[d] * x;
    for (size_t n = 0; n < m->states; n++) {
        double *state = &h[n * m->inner + d];
        *state = exp(delta * (double)l->a.host[n * m->inner + d]) * *state + delta * x * bc[n];
        sum += bc[m->states + n] * *state;
    }
    return sum;
}

static void run_layer(const struct test_model *m, const struct test_layer *l, double *h,
                      double *tail, double *x)
{
    size_t inner = m->inner, outputs = m->rank + 2 * m->states;
    size_t most = 2 * inner + m->embedding + outputs;
    double *u = host_memory(most * sizeof *u), *xz = host_memory(most * sizeof *xz);
    double *dbc = host_memory(most * sizeof *dbc), *delta = host_memory(most * sizeof *delta);
    bool norms = m->token.shape.mixer_norm;
    normalize(u, x, l->norm.host, m->embedding, true);
    multiply(xz, &l->in, u);
    for (size_t d = 0; d < inner; d++)
        xz[d] = convolve(m, l, tail, xz[d], d);
    multiply(dbc, &l->x, xz);
    normalize(dbc, dbc, NULL, m->rank, norms);
    for (size_t part = 0; part < 2; part++)
        normalize(dbc + m->rank + part * m->states, dbc + m->rank + part * m->states, NULL,
                  m->states, norms);
    multiply(delta, &l->dt, dbc);
    for (size_t d = 0; d < inner; d++)
        u[d] = scan(m, l, h, dbc + m->rank, delta[d], xz[d], d) * silu(xz[inner + d]);
    multiply(dbc, &l->out, u);
    for (size_t k = 0; k < m->embedding; k++)
        x[k] += dbc[k];
    free(u);
    free(xz);
    free(dbc);
    free(delta);
}

/* The whole state moves on, logits too. */
static void run_token(const struct test_model *m, double *state, int32_t token)
{
    double *x = host_memory(m->embedding * sizeof *x), *at = state;
    for (size_t k = 0; k < m->embedding; k++)
        x[k] = (double)m->table.weights[(size_t)token * m->embedding + k];
    for (size_t i = 0; i < LAYERS; i++) {
        run_layer(m, &m->layers[i], at, at + (size_t)m->states * m->inner, x);
        at += (size_t)(m->states + m->taps - 1) * m->inner;
    }
    normalize(x, x, m->output_norm.host, m->embedding, true);
    multiply(at, &m->output, x);
    free(x);
}

/* Activations are rounded to BF16, 2^-9 of themselves, up to seven times a layer (and twice
 * at the end), Q6_K's weights once; uncorrelated, so that they add up as squares, and what
 * they do to a decay counts for more: four times 2^-9 sqrt(7 x 2 + 2). A single number may
 * be off by eight times as much of what the vector's numbers are like. */
static void check_vector(const char *what, size_t lane, const float *have, const double *want,
                         size_t count)
{
    const double most = 4 * 0x1p-9 * sqrt(7 * LAYERS + 2) * STEPS;
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        apart += ((double)have[i] - want[i]) * ((double)have[i] - want[i]);
        size += want[i] * want[i];
    }
    double typical = sqrt(size / (double)count);
    if (!(sqrt(apart) <= most * sqrt(size)))
        fail_msg("%s of lane %zu: relative error %g, more than %g", what, lane, sqrt(apart / size),
                 most);
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)have[i] - want[i]) <= 8 * most * (typical + fabs(want[i]))))
            fail_msg("%s of lane %zu: number %zu of %zu is %g, not %g", what, lane, i, count,
                     (double)have[i], want[i]);
}

static void check_lane(const struct test_model *m, size_t lane, const float *have,
                       const double *want)
{
    size_t h = (size_t)m->states * m->inner, tail = (size_t)(m->taps - 1) * m->inner, at = 0;
    for (size_t i = 0; i < LAYERS; i++, at += h + tail) {
        check_vector("h", lane, have + at, want + at, h);
        check_vector("the tail", lane, have + at + h, want + at + h, tail);
    }
    check_vector("logits", lane, have + at, want + at, m->vocabulary);
    for (size_t i = m->state_floats; i < m->state_floats + SPARE; i++)
        if (have[i] != cuda_untouched(true))
            fail_msg("lane %zu: float %zu behind its state was written", lane, i - m->state_floats);
}

/* --- on the device ------------------------------------------------------------------------ */

/* Lanes first .. first + count, `STEPS` tokens. *states: [LANES][stride]. */
static void generate(struct token *token, const struct test_model *m, float *states,
                     int32_t tokens[LANES][STEPS], size_t first, size_t count)
{
    struct token_lanes lanes = {0};
    for (size_t i = 0; i < count; i++)
        lanes.states.of[i] = states + (first + i) * m->stride;
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < count; i++)
            lanes.tokens[i] = tokens[first + i][step];
        cuda_require(token_run(token, &lanes, (uint32_t)count, 0), "a token");
        cuda_wait("a token");
    }
    for (size_t i = 0; i < count; i++) { /* the logits that came out are the state's */
        size_t bytes = m->vocabulary * sizeof(float);
        float *out = cuda_take(token_logits(token) + i * m->vocabulary, bytes);
        float *kept = cuda_take(lanes.states.of[i] + m->token.state_logits, bytes);
        assert_memory_equal(out, kept, bytes);
        free(out);
        free(kept);
    }
}

static float *random_states(const struct test_model *m)
{
    size_t stride = m->stride;
    float *states = random_values(&random_source, m->lanes * stride, 0.5f);
    for (size_t i = 0; i < m->lanes; i++)
        for (size_t k = 0; k < SPARE; k++)
            states[i * stride + m->state_floats + k] = cuda_untouched(true);
    states[random_below(&random_source, m->state_floats)] = 1e-40f;
    return states;
}

static void check_model(struct test_model *m)
{
    char why[256] = "";
    int32_t tokens[LANES][STEPS];
    size_t stride = m->stride, bytes = m->lanes * stride * sizeof(float);
    struct token *token = token_new(&m->token, why);
    if (!token)
        fail_msg("no kernel for this model: %s", why);
    for (size_t i = 0; i < m->lanes; i++)
        for (size_t k = 0; k < STEPS; k++)
            tokens[i][k] = (int32_t)random_below(&random_source, m->vocabulary);
    float *begin = random_states(m);
    float *together = cuda_put(begin, bytes), *apart = cuda_put(begin, bytes);
    generate(token, m, together, tokens, 0, m->lanes);
    size_t few = 1 + random_below(&random_source, m->plain ? 3 : 8);
    for (size_t i = 0; i < m->lanes; i += few)
        generate(token, m, apart, tokens, i, i + few < m->lanes ? few : m->lanes - i);
    float *have = cuda_take(together, bytes), *other = cuda_take(apart, bytes);
    if (memcmp(have, other, bytes) != 0)
        fail_msg("%zu lanes at once give other bits than %zu at a time", m->lanes, few);
    double *state = host_memory(m->state_floats * sizeof *state);
    for (size_t lane = 0; lane < m->lanes; lane += 1 + random_below(&random_source, m->lanes / 3)) {
        for (size_t k = 0; k < m->state_floats; k++)
            state[k] = (double)begin[lane * stride + k];
        for (size_t step = 0; step < STEPS; step++)
            run_token(m, state, tokens[lane][step]);
        check_lane(m, lane, have + lane * stride, state);
    }
    free(state);
    free(begin);
    free(have);
    free(other);
    token_free(token);
}

static void test_token(void **context)
{
    (void)context;
    for (size_t i = 0; i < cuda_rounds(ROUNDS); i++) {
        struct test_model m = random_model(i % 2, i % 3 == 2);
        check_model(&m);
        free_model(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_token)};
    random_source = random_seeded();
    return cuda_rig_main(tests);
}
