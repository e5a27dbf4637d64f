/* A model's file: every value and tensor in it, then a model of it, and where that is
 * small enough, two passes through it on every level of kernels. */
#include "tests/fuzz/harness.h"
#include "tests/fuzz/harness_wrap.h"

#include "engine/forward.h"

#include <string.h>

/* What a pass may cost here. */
#define WIDTH_LIMIT 2048
#define LAYER_LIMIT 8

static const char name[] = "fuzzed.gguf";
static struct error error;

static bool lies_inside(const struct gguf *file, const void *data, size_t size)
{
    const struct file_map *map = gguf_map(file);
    size_t begin = (size_t)((const unsigned char *)data - map->data);
    return begin <= map->size && size <= map->size - begin;
}

static void walk_tensors(const struct gguf *file)
{
    for (size_t i = 0; i < gguf_tensors(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        HARNESS_REQUIRE(tensor->dims >= 1 && tensor->dims <= GGUF_MAX_DIMS);
        HARNESS_REQUIRE(lies_inside(file, tensor->name.data, tensor->name.size));
        HARNESS_REQUIRE(!tensor->data || lies_inside(file, tensor->data, tensor->bytes));
        HARNESS_REQUIRE(tensor->data || tensor->bytes == 0);
    }
}

static void ask_values(const struct gguf *file)
{
    static const char *const keys[] = {"general.name", "mamba.block_count", "tokenizer.ggml.tokens",
                                       "tokenizer.ggml.token_type", "a"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint32_t number = 0;
        float real = 0;
        bool flag = false;
        struct gguf_text text = {0};
        struct gguf_array array;
        if (!gguf_get_u32(file, keys[i], &number, &error))
            harness_require_error(&error);
        if (!gguf_get_f32(file, keys[i], &real, &error))
            harness_require_error(&error);
        if (!gguf_maybe_bool(file, keys[i], &flag, &error))
            HARNESS_REQUIRE(gguf_has(file, keys[i]));
        if (gguf_get_text(file, keys[i], &text, &error))
            HARNESS_REQUIRE(lies_inside(file, text.data, text.size));
        if (!gguf_get_array(file, keys[i], GGUF_STRING, &array, &error))
            continue;
        const unsigned char *cursor = array.data;
        for (size_t j = 0; j < array.count; j++) {
            text = gguf_next_text(&cursor);
            HARNESS_REQUIRE(lies_inside(file, text.data, text.size));
        }
    }
}

/* --- a model ------------------------------------------------------------------------ */

static void check_matrix(const struct model *model, const struct matrix *matrix)
{
    HARNESS_REQUIRE(lies_inside(model->file, matrix->data, matrix->outputs * matrix->row_bytes));
}

static void check_model(const struct model *model)
{
    const struct model_shape *shape = &model->shape;
    HARNESS_REQUIRE(shape->layers > 0 && shape->embedding > 0 && shape->inner > 0);
    HARNESS_REQUIRE(tokenizer_vocabulary(model->tokenizer) <= shape->vocabulary);
    check_matrix(model, &model->embedding);
    check_matrix(model, &model->output);
    for (size_t i = 0; i < shape->layers; i++) {
        const struct model_layer *layer = &model->layers[i];
        check_matrix(model, &layer->in);
        check_matrix(model, &layer->x);
        check_matrix(model, &layer->dt);
        check_matrix(model, &layer->out);
    }
    char types[64];
    model_weight_types(model, types, sizeof types);
    HARNESS_REQUIRE(memchr(types, '\0', sizeof types) && *types);
    struct model_cost cost = model_cost(model);
    HARNESS_REQUIRE(cost.layer_bytes > 0 && cost.output_bytes > 0);
    model_fingerprint(model);
}

static bool is_small(const struct model_shape *shape)
{
    return shape->layers <= LAYER_LIMIT && shape->embedding <= WIDTH_LIMIT &&
           shape->inner <= WIDTH_LIMIT && shape->rank <= WIDTH_LIMIT &&
           shape->vocabulary <= WIDTH_LIMIT;
}

static void run_forward(const struct model *model, const struct kernels *kernels, struct pool *pool,
                        const struct tokens *tokens)
{
    struct forward *forward = forward_new(model, kernels, pool, &error);
    struct state *state = state_new(&model->shape, &error);
    HARNESS_REQUIRE(forward && state);
    struct forward_lane lane = {.state = state, .tokens = tokens->data, .count = tokens->count};
    if (!forward_prefill(forward, &lane, 1, &error))
        harness_require_error(&error);
    else if (!forward_decode(forward, &state, tokens->data, 1, &error))
        harness_require_error(&error);
    forward_free(forward);
    state_free(state);
}

static void run_model(struct model *model)
{
    static struct pool *pool;
    struct tokens tokens = {0};
    if (!pool)
        pool = pool_new(1, &error);
    HARNESS_REQUIRE(pool != NULL);
    if (!prompt_preamble(&model->prompt, model->tokenizer, &tokens, &error) ||
        !prompt_question(&model->prompt, model->tokenizer, "Who?", &tokens, &error))
        harness_require_error(&error);
    const struct kernels *kernels;
    for (size_t level = 0; tokens.count > 0 && (kernels = kernels_at(level)); level++)
        run_forward(model, kernels, pool, &tokens);
    tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct gguf *file;
    struct model *model;
    harness_wrap_file(bytes, size);
    if (!gguf_open(&file, name, &error)) {
        harness_require_error(&error);
        return 0;
    }
    walk_tensors(file);
    ask_values(file);
    gguf_close(file);
    if (!model_open(&model, name, &error)) {
        harness_require_error(&error);
        return 0;
    }
    check_model(model);
    if (is_small(&model->shape))
        run_model(model);
    model_close(model);
    return 0;
}
