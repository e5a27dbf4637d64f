#include "engine/cuda/forward_cuda.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALL_ROWS = 256 }; /* of a pass whose rows are all wanted with all their logits */

bool cuda_check(cudaError_t status, const char *doing, struct error *error)
{
    if (status == cudaSuccess)
        return true;
    (void)cudaGetLastError();
    if (status == cudaErrorMemoryAllocation)
        return error_set(
            error, ERROR_SYSTEM,
            "the GPU has not enough memory (%s): end what else uses it, or use --backend cpu",
            doing);
    return error_set(error, ERROR_SYSTEM, "the GPU failed (%s): %s", doing,
                     cudaGetErrorString(status));
}

/* --- what is wanted of a pass --------------------------------------------------------- */

static bool check_tokens(const struct forward *f, const int32_t *tokens, size_t count,
                         struct error *error)
{
    size_t vocabulary = f->model->shape.vocabulary;
    for (size_t i = 0; i < count; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= vocabulary)
            return error_set(error, ERROR_MODEL, "token %d is not in the model's vocabulary of %zu",
                             tokens[i], vocabulary);
    return true;
}

static void begin_pass(struct forward *f)
{
    f->rows = f->segment_count = f->logit_count = 0;
    f->want_all = false;
}

static void want_logits(struct forward *f, const struct forward_lane *lane, float *mirror_logits,
                        size_t at, uint32_t row)
{
    bool last = at + 1 == lane->count;
    struct device_logit_row want = {.target = -1};
    float *bits = NULL;
    if (lane->bits && !last) {
        want.target = lane->tokens[at + 1];
        bits = &lane->bits[at + 1];
    }
    if (last)
        want.copy = mirror_logits;
    if (want.target < 0 && !want.copy && !lane->logits)
        return;
    if (lane->logits) {
        f->want_all = true;
        want.copy2 = f->all_logits + (size_t)f->logit_count * f->model->shape.vocabulary;
    }
    f->copies[f->logit_count] =
        lane->logits ? lane->logits + at * f->model->shape.vocabulary : NULL;
    f->bits_to[f->logit_count] = bits;
    f->host_plan.index[f->logit_count] = (int32_t)row;
    f->host_plan.logit_rows[f->logit_count++] = want;
}

/* Adds as many of the lane's tokens from `begin` on as fit. */
static bool add_segment(struct forward *f, const struct forward_lane *lane, size_t begin,
                        uint32_t most, size_t *added, struct error *error)
{
    size_t count = lane->count - begin;
    struct cuda_mirror *mirror = cuda_mirror_of(f, lane->state, error);
    if (!mirror)
        return false;
    if (count > most - f->rows)
        count = most - f->rows;
    struct cuda_plan *plan = &f->host_plan;
    plan->segments[f->segment_count] =
        (struct device_segment){mirror->data, f->rows, (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        plan->tokens[f->rows] = lane->tokens[begin + i];
        plan->row_segment[f->rows] = (int32_t)f->segment_count;
        want_logits(f, lane, cuda_mirror_logits(mirror), begin + i, f->rows);
        f->rows++;
    }
    f->segment_count++;
    *added = count;
    return true;
}

/* --- passes --------------------------------------------------------------------------------- */

static bool bring_results(struct forward *f, struct error *error)
{
    size_t vocabulary = f->model->shape.vocabulary;
    if (!cuda_check(cudaMemcpyAsync(f->host_bits, f->bits, f->logit_count * sizeof(float),
                                    cudaMemcpyDeviceToHost, f->stream),
                    "bringing results back", error) ||
        !cuda_check(cudaStreamSynchronize(f->stream), "reading", error))
        return false;
    for (uint32_t i = 0; i < f->logit_count; i++) {
        if (f->bits_to[i])
            *f->bits_to[i] = f->host_bits[i];
        if (f->want_all && f->copies[i] &&
            !cuda_check(cudaMemcpy(f->copies[i], f->all_logits + i * vocabulary,
                                   vocabulary * sizeof(float), cudaMemcpyDeviceToHost),
                        "bringing logits back", error))
            return false;
    }
    return true;
}

static bool run_pass(struct forward *f, struct error *error)
{
    bool ok = cuda_check(cudaMemcpyAsync(f->plan_memory, f->host_plan_memory, f->plan_bytes,
                                         cudaMemcpyHostToDevice, f->stream),
                         "beginning a pass", error) &&
              cuda_layers_run(f, error) && cuda_logits_run(f, error) && bring_results(f, error);
    if (!ok)
        (void)cudaStreamSynchronize(f->stream); /* nothing may write to what is freed next */
    return ok;
}

/* The surprise of a lane's first token, from its state's logits: summed in the same parts
 * as in a pass, so that it does not matter where a call begins. */
static bool first_bits(struct forward *f, const struct forward_lane *lane, struct error *error)
{
    if (!lane->bits || lane->count == 0)
        return true;
    lane->bits[0] = 0;
    if (lane->state->tokens == 0)
        return true;
    const struct cuda_mirror *mirror = cuda_mirror_of(f, lane->state, error);
    if (!mirror)
        return false;
    f->host_plan.logit_rows[0] = (struct device_logit_row){.target = lane->tokens[0]};
    if (!cuda_check(cudaMemcpyAsync(f->plan_memory, f->host_plan_memory, f->plan_bytes,
                                    cudaMemcpyHostToDevice, f->stream),
                    "reading", error))
        return false;
    uint32_t vocabulary = (uint32_t)f->model->shape.vocabulary;
    for (uint32_t part = 0; part < f->parts; part++) {
        uint32_t first = part * f->vocabulary_part, count = vocabulary - first;
        device_logits_part(cuda_mirror_logits(mirror) + first, 0, first,
                           count < f->vocabulary_part ? count : f->vocabulary_part,
                           f->plan.logit_rows, 1, f->top + (size_t)part * f->most_rows,
                           f->sum + (size_t)part * f->most_rows, f->target, f->stream);
    }
    device_surprise(f->bits, f->top, f->sum, f->target, f->parts, f->most_rows, 1, f->stream);
    if (!cuda_check(cudaMemcpyAsync(f->host_bits, f->bits, sizeof(float), cudaMemcpyDeviceToHost,
                                    f->stream),
                    "reading", error) ||
        !cuda_check(cudaStreamSynchronize(f->stream), "reading", error))
        return false;
    lane->bits[0] = f->host_bits[0];
    return true;
}

/* --- operations ------------------------------------------------------------------------------- */

/* A failure of an earlier copy, told once. */
static bool earlier_failure(struct forward *f, struct error *error)
{
    if (f->failure.kind == ERROR_NONE)
        return false;
    *error = f->failure;
    f->failure.kind = ERROR_NONE;
    return true;
}

static bool want_room(struct forward *f, const struct forward_lane *lanes, size_t count,
                      uint32_t *most, struct error *error)
{
    bool all = false;
    for (size_t i = 0; i < count; i++)
        all = all || lanes[i].logits;
    *most = all && f->most_rows > ALL_ROWS ? ALL_ROWS : f->most_rows;
    if (!all || f->all_logits)
        return true;
    return cuda_check(
        cudaMalloc((void **)&f->all_logits, ALL_ROWS * f->model->shape.vocabulary * sizeof(float)),
        "making room for logits", error);
}

static bool prefill(struct forward *f, const struct forward_lane *lanes, size_t count,
                    struct error *error)
{
    uint32_t most;
    if (earlier_failure(f, error) || !want_room(f, lanes, count, &most, error))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!check_tokens(f, lanes[i].tokens, lanes[i].count, error))
            return false;
    for (size_t i = 0; i < count; i++)
        if (!first_bits(f, &lanes[i], error))
            return false;
    begin_pass(f);
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0, added; at < lanes[i].count; at += added) {
            if (!add_segment(f, &lanes[i], at, most, &added, error))
                return false;
            cuda_mirror_written(lanes[i].state);
            if (f->rows < most)
                continue;
            if (!run_pass(f, error))
                return false;
            begin_pass(f);
        }
    if (f->rows && !run_pass(f, error))
        return false;
    for (size_t i = 0; i < count; i++)
        lanes[i].state->tokens += lanes[i].count;
    return true;
}

static bool decode_by_passes(struct forward *f, struct state *const *states, const int32_t *tokens,
                             size_t lanes, struct error *error)
{
    for (size_t begin = 0; begin < lanes;) {
        begin_pass(f);
        for (; begin < lanes && f->rows < f->most_rows; begin++) {
            struct forward_lane lane = {
                .state = states[begin], .tokens = &tokens[begin], .count = 1};
            size_t added;
            if (!add_segment(f, &lane, 0, f->most_rows, &added, error))
                return false;
            cuda_mirror_written(states[begin]);
        }
        if (!run_pass(f, error))
            return false;
    }
    return true;
}

static bool decode(struct forward *f, struct state *const *states, const int32_t *tokens,
                   size_t lanes, struct error *error)
{
    if (earlier_failure(f, error) || !check_tokens(f, tokens, lanes, error))
        return false;
    if (!(f->token ? cuda_decode : decode_by_passes)(f, states, tokens, lanes, error))
        return false;
    for (size_t i = 0; i < lanes; i++)
        states[i]->tokens++;
    return true;
}

static bool choose(struct forward *f, struct state *const *states, size_t lanes,
                   struct forward_choice *choices, struct error *error)
{
    return !earlier_failure(f, error) && cuda_choose(f, states, lanes, choices, error);
}

static void tag(const struct forward *f, char text[FORWARD_TAG_SIZE])
{
    char name[24] = "";
    size_t used = 0;
    const char *from = f->properties.name;
    if (strncmp(from, "NVIDIA ", 7) == 0)
        from += 7;
    for (; *from && used + 1 < sizeof name; from++)
        name[used++] = *from == ' ' || *from == '/' || *from == '+' ? '-' : *from;
    name[used] = '\0';
    snprintf(text, FORWARD_TAG_SIZE, "cuda/%s.%d/%s%u", name, DEVICE_REVISION,
             f->precise ? "f32"
             : f->blas  ? "lt"
                        : "own",
             f->blas ? blas_version(f->blas) : 0);
    /* Who cannot keep a kernel on all multiprocessors decodes by other sums. */
    if (!f->token)
        strncat(text, "p", FORWARD_TAG_SIZE - strlen(text) - 1);
}

static bool device(struct forward *f, struct forward_device *device, struct error *error)
{
    size_t available, all;
    if (!cuda_check(cudaMemGetInfo(&available, &all), "asking for its memory", error))
        return false;
    snprintf(device->name, sizeof device->name, "%.100s", f->properties.name);
    device->memory_used = (double)(all - available);
    device->memory_all = (double)all;
    return true;
}

static void free_forward(struct forward *f)
{
    if (f->stream)
        (void)cudaStreamSynchronize(f->stream);
    cuda_mirrors_free(f);
    cuda_decode_free(f);
    cuda_work_free(f);
    for (size_t i = 0; i < 4; i++)
        if (f->ahead[i])
            cudaEventDestroy(f->ahead[i]);
    for (size_t i = 0; i < 2; i++)
        if (f->staged[i])
            cudaEventDestroy(f->staged[i]);
    if (f->stream)
        cudaStreamDestroy(f->stream);
    if (f->copying)
        cudaStreamDestroy(f->copying);
    free(f);
}

static const struct forward_operations operations = {
    .backend = "cuda",
    .pass_tokens = 4096,
    .prefill = prefill,
    .decode = decode,
    .choose = choose,
    .tag = tag,
    .free = free_forward,
    .snapshot = cuda_snapshot,
    .snapshot_wait = cuda_snapshot_wait,
    .snapshot_free = cuda_snapshot_free,
    .device = device,
    .peak = cuda_peak,
};

/* --- opening ------------------------------------------------------------------------------------
 */

/* One line for what a fresh machine may lack. ERROR_NOT_FOUND: no sign of a GPU. */
static bool find_device(struct forward *f, struct error *error)
{
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorInsufficientDriver) {
        int driver = 0;
        (void)cudaDriverGetVersion(&driver);
        if (driver == 0)
            return error_set(error, ERROR_NOT_FOUND, "no NVIDIA driver is installed");
        return error_set(error, ERROR_SYSTEM,
                         "the NVIDIA driver is too old (it knows CUDA %d.%d): update it",
                         driver / 1000, driver % 1000 / 10);
    }
    if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0))
        return error_set(error, ERROR_NOT_FOUND, "no NVIDIA GPU is there");
    return cuda_check(status, "looking for a GPU", error) &&
           cuda_check(cudaSetDevice(0), "taking the first GPU", error) &&
           cuda_check(cudaGetDeviceProperties(&f->properties, 0), "asking what it is", error) &&
           (f->properties.major >= 8 ||
            error_set(error, ERROR_SYSTEM,
                      "this GPU (%s) is too old: one of compute capability 8.0 is needed",
                      f->properties.name));
}

static bool set_shape(struct forward *f, struct error *error)
{
    const struct model_shape *m = &f->model->shape;
    f->precise = f->model->layers[0].in.type == BLOCKS_F32;
    f->embedding_stride = device_round_up((uint32_t)m->embedding, 256);
    f->shape = (struct device_layer_shape){
        .inner = (uint32_t)m->inner,
        .states = (uint32_t)m->states,
        .taps = (uint32_t)m->taps,
        .rank = (uint32_t)m->rank,
        .wide_stride = device_round_up(2 * (uint32_t)m->inner, 256) + 256,
        .inner_stride = device_round_up((uint32_t)m->inner, 256),
        .mixer_stride = device_round_up((uint32_t)(m->rank + 2 * m->states), 16),
        .rank_stride = device_round_up((uint32_t)m->rank, 256),
        .mixer_epsilon = m->mixer_epsilon,
        .mixer_norm = m->mixer_norm,
        .precise = f->precise,
    };
    if (!device_scan_fits(&f->shape) || m->inner > 1 << 20 || m->embedding > 1 << 20)
        return error_set(error, ERROR_MODEL,
                         "the GPU's kernels do not know this shape (%zu channels of %zu states): "
                         "the processor computes it",
                         m->inner, m->states);
    return true;
}

static bool make_streams(struct forward *f, struct error *error)
{
    static const char doing[] = "starting";
    bool ok =
        cuda_check(cudaStreamCreateWithFlags(&f->stream, cudaStreamNonBlocking), doing, error) &&
        cuda_check(cudaStreamCreateWithFlags(&f->copying, cudaStreamNonBlocking), doing, error);
    for (size_t i = 0; ok && i < 4; i++)
        ok = cuda_check(cudaEventCreateWithFlags(&f->ahead[i], cudaEventDisableTiming), doing,
                        error);
    for (size_t i = 0; ok && i < 2; i++)
        ok = cuda_check(cudaEventCreateWithFlags(&f->staged[i], cudaEventDisableTiming), doing,
                        error);
    return ok;
}

__attribute__((visibility("default"))) extern const char tidemark_module_version[];
const char tidemark_module_version[] = FORWARD_MODULE_VERSION;

__attribute__((visibility("default"))) forward_module_open tidemark_module_open;

struct forward *tidemark_module_open(const struct model *model, struct pool *pool,
                                     struct error *error)
{
    struct forward *f = calloc(1, sizeof *f);
    if (!f) {
        error_out_of_memory(error);
        return NULL;
    }
    f->operations = &operations;
    f->model = model;
    f->pool = pool;
    if (find_device(f, error) && set_shape(f, error) && make_streams(f, error) &&
        cuda_work_new(f, error) && cuda_decode_new(f, error))
        return f;
    free_forward(f);
    return NULL;
}
