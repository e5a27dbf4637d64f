#include "engine/model.h"

#include "base/visible.h"
#include "engine/floats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far above any model we know; what is larger is a damaged file. */
enum {
    MAX_LAYERS = 1024,
    MAX_WIDTH = 1 << 18,
    MAX_STATES = 256,
    MAX_TAPS = 16,
    MAX_VOCABULARY = 1 << 24,
};

/* --- shape ------------------------------------------------------------------- */

static bool get_size(const struct gguf *file, const char *key, size_t most, size_t *value,
                     struct error *error)
{
    uint32_t number;
    if (!gguf_get_u32(file, key, &number, error))
        return false;
    if (number == 0 || number > most)
        return error_set(error, ERROR_MODEL, "%s: %s is %u, but 1 to %zu are possible",
                         gguf_path(file), key, number, most);
    *value = number;
    return true;
}

static bool text_is(struct gguf_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

static bool check_architecture(const struct gguf *file, struct error *error)
{
    struct gguf_text text;
    if (!gguf_get_text(file, "general.architecture", &text, error))
        return false;
    if (text_is(text, "mamba"))
        return true;
    if (text_is(text, "mamba2"))
        return error_set(error, ERROR_MODEL,
                         "%s is a Mamba-2 model, which is not supported yet: use a Mamba or "
                         "Falcon-Mamba file",
                         gguf_path(file));
    return error_set(error, ERROR_MODEL,
                     "%s has the architecture \"%.*s\": tidemark runs \"mamba\" only, such as "
                     "Falcon-Mamba-7B",
                     gguf_path(file), (int)(text.size < 40 ? text.size : 40), text.data);
}

static bool read_shape(struct model_shape *shape, const struct gguf *file, struct error *error)
{
    if (!get_size(file, "mamba.block_count", MAX_LAYERS, &shape->layers, error) ||
        !get_size(file, "mamba.embedding_length", MAX_WIDTH, &shape->embedding, error) ||
        !get_size(file, "mamba.ssm.inner_size", MAX_WIDTH, &shape->inner, error) ||
        !get_size(file, "mamba.ssm.state_size", MAX_STATES, &shape->states, error) ||
        !get_size(file, "mamba.ssm.time_step_rank", MAX_WIDTH, &shape->rank, error) ||
        !get_size(file, "mamba.ssm.conv_kernel", MAX_TAPS, &shape->taps, error) ||
        !gguf_get_f32(file, "mamba.attention.layer_norm_rms_epsilon", &shape->epsilon, error) ||
        !gguf_maybe_bool(file, "mamba.ssm.dt_b_c_rms", &shape->mixer_norm, error))
        return false;
    shape->mixer_epsilon = shape->epsilon;
    if (!gguf_maybe_f32(file, "mamba.ssm.dt_b_c_rms_epsilon", &shape->mixer_epsilon, error))
        return false;
    if (!(shape->epsilon >= 0 && shape->epsilon < 1) ||
        !(shape->mixer_epsilon >= 0 && shape->mixer_epsilon < 1))
        return error_set(error, ERROR_MODEL, "%s: a norm's epsilon is not between 0 and 1",
                         gguf_path(file));
    return true;
}

/* --- tensors ----------------------------------------------------------------- */

static bool find_tensor(const struct gguf *file, const char *name, uint64_t ne0, uint64_t ne1,
                        const struct gguf_tensor **tensor, struct error *error)
{
    const struct gguf_tensor *t = gguf_find_tensor(file, name);
    if (!t)
        return error_set(error, ERROR_MODEL,
                         "%s lacks the tensor %s: the file is incomplete, download it again",
                         gguf_path(file), name);
    if (!t->data)
        return error_set(error, ERROR_MODEL,
                         "%s: tensor %s has type %u, which is not supported: use a file of type "
                         "F32, F16, BF16, Q8_0, Q6_K, Q5_K, Q4_K, Q5_0, Q5_1 or Q4_0",
                         gguf_path(file), name, t->type);
    if (t->ne[0] != ne0 || t->ne[1] != ne1 || t->ne[2] != 1 || t->ne[3] != 1)
        return error_set(error, ERROR_MODEL,
                         "%s: tensor %s is %llu x %llu, but the model's shape asks for %llu x %llu",
                         gguf_path(file), name, (unsigned long long)t->ne[0],
                         (unsigned long long)t->ne[1], (unsigned long long)ne0,
                         (unsigned long long)ne1);
    *tensor = t;
    return true;
}

static bool bind_matrix(struct matrix *matrix, const struct gguf *file, const char *name,
                        size_t outputs, size_t columns, struct error *error)
{
    const struct gguf_tensor *tensor;
    if (!find_tensor(file, name, columns, outputs, &tensor, error))
        return false;
    *matrix = (struct matrix){
        .type = (enum blocks_type)tensor->type,
        .outputs = outputs,
        .columns = columns,
        .row_bytes = blocks_row_bytes((enum blocks_type)tensor->type, columns),
        .data = tensor->data,
    };
    return true;
}

/* From [ne1][ne0] to [ne0][ne1], a cache line at a time: the new rows lie pages apart. */
static void copy_transposed(float *out, const struct gguf_tensor *tensor, size_t ne0, size_t ne1)
{
    enum { TOGETHER = 16 };
    const enum blocks_type type = (enum blocks_type)tensor->type;
    const size_t row_bytes = blocks_row_bytes(type, ne0);
    float rows[TOGETHER][MAX_STATES];
    for (size_t i = 0; i < ne1; i += TOGETHER) {
        const size_t count = ne1 - i < TOGETHER ? ne1 - i : TOGETHER;
        for (size_t r = 0; r < count; r++)
            blocks_to_float(rows[r], type, tensor->data + (i + r) * row_bytes, ne0);
        for (size_t j = 0; j < ne0; j++)
            for (size_t r = 0; r < count; r++)
                out[j * ne1 + i + r] = rows[r][j];
    }
}

/* Copies a small tensor of ne0 x ne1 weights as floats to *next and moves it on;
 * transposed when `transpose`: from [ne1][ne0] to [ne0][ne1]. */
static bool copy_small(const float **place, float **next, const struct gguf *file, const char *name,
                       size_t ne0, size_t ne1, bool transpose, struct error *error)
{
    const struct gguf_tensor *tensor;
    if (!find_tensor(file, name, ne0, ne1, &tensor, error))
        return false;
    if (transpose)
        copy_transposed(*next, tensor, ne0, ne1);
    else
        blocks_to_float(*next, (enum blocks_type)tensor->type, tensor->data, ne0);
    *place = *next;
    *next += ne0 * ne1;
    return true;
}

static const char *layer_name(char name[64], size_t layer, const char *rest)
{
    snprintf(name, 64, "blk.%zu.%s", layer, rest);
    return name;
}

static bool bind_layer(struct model_layer *layer, const struct gguf *file,
                       const struct model_shape *shape, size_t index, float **next,
                       struct error *error)
{
    const size_t E = shape->embedding, D = shape->inner, S = shape->states, R = shape->rank;
    char n[64];
    return copy_small(&layer->norm, next, file, layer_name(n, index, "attn_norm.weight"), E, 1,
                      false, error) &&
           bind_matrix(&layer->in, file, layer_name(n, index, "ssm_in.weight"), 2 * D, E, error) &&
           copy_small(&layer->conv_weight, next, file, layer_name(n, index, "ssm_conv1d.weight"),
                      shape->taps, D, true, error) &&
           copy_small(&layer->conv_bias, next, file, layer_name(n, index, "ssm_conv1d.bias"), D, 1,
                      false, error) &&
           bind_matrix(&layer->x, file, layer_name(n, index, "ssm_x.weight"), R + 2 * S, D,
                       error) &&
           bind_matrix(&layer->dt, file, layer_name(n, index, "ssm_dt.weight"), D, R, error) &&
           copy_small(&layer->dt_bias, next, file, layer_name(n, index, "ssm_dt.bias"), D, 1, false,
                      error) &&
           copy_small(&layer->a, next, file, layer_name(n, index, "ssm_a"), S, D, true, error) &&
           copy_small(&layer->skip, next, file, layer_name(n, index, "ssm_d"), D, 1, false,
                      error) &&
           bind_matrix(&layer->out, file, layer_name(n, index, "ssm_out.weight"), E, D, error);
}

static size_t small_floats(const struct model_shape *shape)
{
    size_t layer = shape->embedding + (shape->taps + shape->states + 3) * shape->inner;
    return shape->layers * layer + shape->embedding;
}

static bool find_vocabulary(struct model *model, struct error *error)
{
    const struct gguf_tensor *tensor = gguf_find_tensor(model->file, "token_embd.weight");
    if (!tensor)
        return error_set(error, ERROR_MODEL,
                         "%s lacks the tensor token_embd.weight: the file holds no weights, or is "
                         "incomplete",
                         gguf_path(model->file));
    size_t known = tokenizer_vocabulary(model->tokenizer);
    if (tensor->ne[1] > MAX_VOCABULARY || tensor->ne[1] < known)
        return error_set(error, ERROR_MODEL,
                         "%s: the embedding has %llu rows, but the vocabulary %zu tokens",
                         gguf_path(model->file), (unsigned long long)tensor->ne[1], known);
    model->shape.vocabulary = (size_t)tensor->ne[1];
    return true;
}

static bool bind_tensors(struct model *model, struct error *error)
{
    const struct model_shape *shape = &model->shape;
    const size_t E = shape->embedding, V = shape->vocabulary;
    if (!bind_matrix(&model->embedding, model->file, "token_embd.weight", V, E, error))
        return false;
    model->output = model->embedding;
    if (gguf_find_tensor(model->file, "output.weight") &&
        !bind_matrix(&model->output, model->file, "output.weight", V, E, error))
        return false;
    /* Each of these numbers is to come from the file. */
    if (small_floats(shape) > gguf_map(model->file)->size)
        return error_set(error, ERROR_MODEL,
                         "%s is too small for the shape that it claims: get it again",
                         gguf_path(model->file));
    model->layers = calloc(shape->layers, sizeof *model->layers);
    model->small = floats_new(small_floats(shape));
    if (!model->layers || !model->small)
        return error_out_of_memory(error);
    float *next = model->small;
    if (!copy_small(&model->output_norm, &next, model->file, "output_norm.weight", E, 1, false,
                    error))
        return false;
    for (size_t i = 0; i < shape->layers; i++) {
        if (!bind_layer(&model->layers[i], model->file, shape, i, &next, error))
            return false;
        model->layers[i].in.normalized = true;
    }
    return true;
}

/* --- opening ------------------------------------------------------------------- */

static bool copy_name(struct model *model, struct error *error)
{
    struct gguf_text name = {"unnamed model", 13};
    if (!gguf_maybe_text(model->file, "general.name", &name, error))
        return false;
    struct buffer visible = {0};
    if (!visible_append(&visible, name.data, name.size < 200 ? name.size : 200, VISIBLE_LINE,
                        error) ||
        !buffer_append(&visible, "", 0, error)) {
        buffer_free(&visible);
        return false;
    }
    model->name = visible.data;
    return true;
}

static bool build(struct model *model, const char *path, struct error *error)
{
    return gguf_open(&model->file, path, error) && check_architecture(model->file, error) &&
           read_shape(&model->shape, model->file, error) && copy_name(model, error) &&
           tokenizer_new(&model->tokenizer, model->file, error) &&
           prompt_new(&model->prompt, model->file, model->tokenizer, error) &&
           find_vocabulary(model, error) && bind_tensors(model, error);
}

bool model_open(struct model **model, const char *path, struct error *error)
{
    *model = NULL;
    struct model *built = calloc(1, sizeof *built);
    if (!built)
        return error_out_of_memory(error);
    if (!build(built, path, error)) {
        model_close(built);
        return false;
    }
    *model = built;
    return true;
}

void model_close(struct model *model)
{
    if (!model)
        return;
    tokenizer_free(model->tokenizer);
    free(model->name);
    free(model->layers);
    free(model->small);
    gguf_close(model->file);
    free(model);
}

/* --- facts ----------------------------------------------------------------------- */

struct hash model_fingerprint(const struct model *model)
{
    const struct file_map *map = gguf_map(model->file);
    return hash_of(map->data, map->size);
}

static void add_matrix(double *weights, double *bytes, double by_type[BLOCKS_TYPES],
                       const struct matrix *matrix)
{
    double size = (double)matrix->outputs * (double)matrix->row_bytes;
    *weights += (double)matrix->outputs * (double)matrix->columns;
    *bytes += size;
    by_type[matrix->type] += size;
}

static struct model_cost cost_by_type(const struct model *model, double by_type[BLOCKS_TYPES])
{
    struct model_cost cost = {0};
    for (size_t i = 0; i < model->shape.layers; i++) {
        const struct model_layer *layer = &model->layers[i];
        const struct matrix *all[] = {&layer->in, &layer->x, &layer->dt, &layer->out};
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++)
            add_matrix(&cost.layer_weights, &cost.layer_bytes, by_type, all[j]);
    }
    add_matrix(&cost.output_weights, &cost.output_bytes, by_type, &model->output);
    return cost;
}

struct model_cost model_cost(const struct model *model)
{
    double by_type[BLOCKS_TYPES] = {0};
    return cost_by_type(model, by_type);
}

void model_weight_types(const struct model *model, char *text, size_t size)
{
    double by_type[BLOCKS_TYPES] = {0};
    cost_by_type(model, by_type);
    size_t first = 0, second = BLOCKS_TYPES;
    for (size_t i = 1; i < BLOCKS_TYPES; i++)
        if (by_type[i] > by_type[first])
            first = i;
    for (size_t i = 0; i < BLOCKS_TYPES; i++)
        if (i != first && by_type[i] > 0 &&
            (second == BLOCKS_TYPES || by_type[i] > by_type[second]))
            second = i;
    const char *name = blocks_layout((uint32_t)first)->name;
    if (second == BLOCKS_TYPES)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s+%s", name, blocks_layout((uint32_t)second)->name);
}
