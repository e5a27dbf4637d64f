#include "convert/hub.h"

#include "convert/hub_files.h"
#include "convert/hub_tokenizer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LAYERS = 1024, COMPARE_BYTES = 1 << 20 };

struct hub {
    struct hub_files files;
    bool falcon; /* dt, B and C are normalized */
    double epsilon, mixer_epsilon;
    int64_t layers_said; /* by config.json; -1: nothing */

    /* From the tensors. */
    size_t layers;
    uint64_t vocabulary, embedding, inner, states, rank, taps;
    bool tied;
    const char *note;
};

/* --- config.json --------------------------------------------------------------------------- */

static bool refuse(const struct hub *hub, struct error *error, const char *what, const char *name)
{
    return error_set(error, ERROR_MODEL,
                     "%s: %s \"%.60s\", which is not supported: use a Mamba or Falcon-Mamba model",
                     hub->files.config_path, what, name);
}

static bool read_kind(struct hub *hub, struct error *error)
{
    const json_t *config = hub->files.config;
    const char *type = json_read_string(config, "model_type");
    if (!type && json_object_get(config, "d_model") && json_object_get(config, "n_layer")) {
        const char *layer = json_read_string(json_read_object(config, "ssm_cfg"), "layer");
        if (layer && strcmp(layer, "Mamba1") != 0)
            return refuse(hub, error, "its layers are of the kind", layer);
        if (json_array_size(json_object_get(config, "attn_layer_idx")) > 0)
            return refuse(hub, error, "it has", "attn_layer_idx");
        return true;
    }
    if (!type)
        return error_set(error, ERROR_MODEL,
                         "%s says neither model_type nor d_model and n_layer: it is not the "
                         "config.json of a Mamba model",
                         hub->files.config_path);
    hub->falcon = strcmp(type, "falcon_mamba") == 0;
    return hub->falcon || strcmp(type, "mamba") == 0 ||
           refuse(hub, error, "the model is of the type", type);
}

static bool check_features(struct hub *hub, struct error *error)
{
    const json_t *config = hub->files.config;
    const char *path = hub->files.config_path, *activation = json_read_string(config, "hidden_act");
    bool rms = true, bias = false;
    if (!json_read_flag(config, "rms_norm", &rms, path, error) ||
        !json_read_flag(config, "use_bias", &bias, path, error))
        return false;
    if (!rms)
        return refuse(hub, error, "it has the norm", "LayerNorm");
    if (bias)
        return refuse(hub, error, "it has", "use_bias");
    if (activation && strcmp(activation, "silu") != 0)
        return refuse(hub, error, "it has the activation", activation);
    return true;
}

static bool is_epsilon(double value)
{
    return value >= 0 && value < 1;
}

static bool read_config(struct hub *hub, struct error *error)
{
    const json_t *config = hub->files.config;
    const char *path = hub->files.config_path;
    hub->epsilon = 1e-5;
    hub->mixer_epsilon = 1e-6;
    hub->layers_said = -1;
    if (!read_kind(hub, error) || !check_features(hub, error) ||
        !json_read_real(config, "layer_norm_epsilon", &hub->epsilon, path, error) ||
        !json_read_real(config, "mixer_rms_eps", &hub->mixer_epsilon, path, error) ||
        !json_read_count(config, "n_layer", MOST_LAYERS, &hub->layers_said, path, error) ||
        !json_read_count(config, "num_hidden_layers", MOST_LAYERS, &hub->layers_said, path, error))
        return false;
    return (is_epsilon(hub->epsilon) && is_epsilon(hub->mixer_epsilon)) ||
           error_set(error, ERROR_MODEL, "%s: a norm's epsilon is not between 0 and 1", path);
}

/* --- names ------------------------------------------------------------------------------------ */

enum part {
    PART_NORM,
    PART_IN,
    PART_CONV,
    PART_CONV_BIAS,
    PART_X,
    PART_DT,
    PART_DT_BIAS,
    PART_A,
    PART_SKIP,
    PART_OUT,
};

/* A tensor of a layer, after "backbone.layers.N." and after "blk.N.". */
static const struct {
    const char *name, *written;
} parts[] = {
    [PART_NORM] = {"norm.weight", "attn_norm.weight"},
    [PART_IN] = {"mixer.in_proj.weight", "ssm_in.weight"},
    [PART_CONV] = {"mixer.conv1d.weight", "ssm_conv1d.weight"},
    [PART_CONV_BIAS] = {"mixer.conv1d.bias", "ssm_conv1d.bias"},
    [PART_X] = {"mixer.x_proj.weight", "ssm_x.weight"},
    [PART_DT] = {"mixer.dt_proj.weight", "ssm_dt.weight"},
    [PART_DT_BIAS] = {"mixer.dt_proj.bias", "ssm_dt.bias"},
    [PART_A] = {"mixer.A_log", "ssm_a"},
    [PART_SKIP] = {"mixer.D", "ssm_d"},
    [PART_OUT] = {"mixer.out_proj.weight", "ssm_out.weight"},
};
enum { PARTS = sizeof parts / sizeof *parts };

static const char embedding_name[] = "backbone.embeddings.weight";
static const char original_embedding_name[] = "backbone.embedding.weight";
static const char norm_name[] = "backbone.norm_f.weight";
static const char head_name[] = "lm_head.weight";
static const char layers_name[] = "backbone.layers.";

/* Whether the architecture has a place for this name; *layer is -1 outside the layers. */
static bool is_known(const char *name, long *layer)
{
    *layer = -1;
    if (strncmp(name, layers_name, strlen(layers_name)) != 0)
        return strcmp(name, embedding_name) == 0 || strcmp(name, original_embedding_name) == 0 ||
               strcmp(name, norm_name) == 0 || strcmp(name, head_name) == 0;
    const char *digits = name + strlen(layers_name);
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || length > 4 || (*digits == '0' && length > 1) || digits[length] != '.')
        return false;
    *layer = strtol(digits, NULL, 10);
    for (size_t i = 0; i < PARTS; i++)
        if (strcmp(digits + length + 1, parts[i].name) == 0)
            return *layer < MOST_LAYERS;
    return false;
}

static bool count_layers(struct hub *hub, struct error *error)
{
    long most = -1, layer;
    for (size_t i = 0; i < hub->files.count; i++) {
        const struct safetensors *shard = hub->files.shards[i];
        for (size_t j = 0; j < shard->count; j++) {
            if (!is_known(shard->tensors[j].name, &layer))
                return error_set(error, ERROR_MODEL,
                                 "%s: the tensor %.100s has no place in a Mamba model: is it "
                                 "another architecture?",
                                 shard->path, shard->tensors[j].name);
            most = layer > most ? layer : most;
        }
    }
    hub->layers = (size_t)(most + 1);
    if (hub->layers == 0)
        return error_set(error, ERROR_MODEL, "%s: the weights hold no layer: get the model again",
                         hub->files.folder);
    if (hub->layers_said >= 0 && (size_t)hub->layers_said != hub->layers)
        return error_set(error, ERROR_MODEL,
                         "%s says %lld layers, but the weights hold %zu: is a file missing?",
                         hub->files.config_path, (long long)hub->layers_said, hub->layers);
    return true;
}

/* --- tensors -------------------------------------------------------------------------------------
 */

static bool source_type(enum blocks_type *type, const char *dtype)
{
    if (strcmp(dtype, "F32") == 0)
        *type = BLOCKS_F32;
    else if (strcmp(dtype, "F16") == 0)
        *type = BLOCKS_F16;
    else if (strcmp(dtype, "BF16") == 0)
        *type = BLOCKS_BF16;
    else
        return false;
    return true;
}

/* Rows and columns of a tensor of one to three dimensions; the middle one of three is 1. */
static bool shape_of(const struct safetensors_tensor *tensor, uint64_t *rows, uint64_t *columns)
{
    *rows = 1;
    if (tensor->dims < 1 || tensor->dims > 3 || (tensor->dims == 3 && tensor->shape[1] != 1))
        return false;
    *columns = tensor->shape[tensor->dims - 1];
    if (tensor->dims > 1)
        *rows = tensor->shape[0];
    return *rows > 0 && *columns > 0;
}

static bool need(const struct hub *hub, const char *name, const struct safetensors_tensor **tensor,
                 const struct safetensors **shard, struct error *error)
{
    *tensor = hub_files_find(&hub->files, name, shard);
    return *tensor ||
           error_set(error, ERROR_MODEL, "%s: the weights lack the tensor %s: is a file missing?",
                     hub->files.folder, name);
}

static bool measure(const struct hub *hub, const char *name, uint64_t *rows, uint64_t *columns,
                    struct error *error)
{
    const struct safetensors_tensor *tensor;
    const struct safetensors *shard;
    if (!need(hub, name, &tensor, &shard, error))
        return false;
    return shape_of(tensor, rows, columns) ||
           error_set(error, ERROR_MODEL, "%s: the tensor %s has no shape that fits: get it again",
                     shard->path, name);
}

static const char *embedding_of(const struct hub *hub)
{
    const struct safetensors *shard;
    return hub_files_find(&hub->files, embedding_name, &shard) ? embedding_name
                                                               : original_embedding_name;
}

/* What the first layer and the embedding say; every other tensor is held to it. */
static bool measure_all(struct hub *hub, struct error *error)
{
    uint64_t rows, columns;
    if (!measure(hub, embedding_of(hub), &hub->vocabulary, &hub->embedding, error) ||
        !measure(hub, "backbone.layers.0.mixer.A_log", &hub->inner, &hub->states, error) ||
        !measure(hub, "backbone.layers.0.mixer.dt_proj.weight", &rows, &hub->rank, error) ||
        !measure(hub, "backbone.layers.0.mixer.conv1d.weight", &rows, &hub->taps, error) ||
        !measure(hub, norm_name, &rows, &columns, error))
        return false;
    const uint64_t wide = 1 << 18;
    if (hub->vocabulary > 1 << 24 || hub->embedding > wide || hub->inner > wide ||
        hub->states > 256 || hub->rank > wide || hub->taps > 16)
        return error_set(error, ERROR_MODEL, "%s: the weights are of a size that no model has",
                         hub->files.folder);
    return true;
}

/* Rows and columns that a part of a layer must have. */
static void shape_of_part(const struct hub *hub, enum part part, uint64_t *rows, uint64_t *columns)
{
    const uint64_t E = hub->embedding, D = hub->inner, R = hub->rank, S = hub->states;
    const uint64_t shapes[PARTS][2] = {
        [PART_NORM] = {1, E},      [PART_IN] = {2 * D, E},    [PART_CONV] = {D, hub->taps},
        [PART_CONV_BIAS] = {1, D}, [PART_X] = {R + 2 * S, D}, [PART_DT] = {D, R},
        [PART_DT_BIAS] = {1, D},   [PART_A] = {D, S},         [PART_SKIP] = {1, D},
        [PART_OUT] = {E, D},
    };
    *rows = shapes[part][0];
    *columns = shapes[part][1];
}

static bool add(const struct hub *hub, struct plan *plan, const char *name, const char *written,
                uint64_t rows, uint64_t columns, struct error *error)
{
    const struct safetensors_tensor *tensor;
    const struct safetensors *shard;
    uint64_t actual_rows = 0, actual_columns = 0;
    enum blocks_type type;
    if (!need(hub, name, &tensor, &shard, error))
        return false;
    if (!shape_of(tensor, &actual_rows, &actual_columns) || actual_rows != rows ||
        actual_columns != columns)
        return error_set(error, ERROR_MODEL,
                         "%s: the tensor %s is not %llu x %llu, as the others ask for: get it "
                         "again",
                         shard->path, name, (unsigned long long)rows, (unsigned long long)columns);
    if (!source_type(&type, tensor->dtype))
        return error_set(error, ERROR_MODEL,
                         "%s: the tensor %s is of the type %s: only F32, F16 and BF16 are weights",
                         shard->path, name, tensor->dtype);
    struct plan_tensor *planned = plan_add(plan, written, error);
    if (!planned)
        return false;
    planned->dims = tensor->dims > 1 ? 2 : 1;
    planned->ne[0] = columns;
    planned->ne[1] = rows;
    planned->source = (struct plan_source){shard->descriptor, shard->path, tensor->offset, type};
    return true;
}

/* A model without a bias of the convolution has one of zeros here. */
static bool add_zeros(struct plan *plan, const char *written, uint64_t columns, struct error *error)
{
    struct plan_tensor *planned = plan_add(plan, written, error);
    if (!planned)
        return false;
    planned->ne[0] = columns;
    planned->change = PLAN_ZERO;
    planned->source.path = written;
    return true;
}

static bool add_layer(const struct hub *hub, struct plan *plan, size_t layer, struct error *error)
{
    bool no_bias = json_is_false(json_object_get(hub->files.config, "use_conv_bias"));
    for (size_t i = 0; i < PARTS; i++) {
        char name[128], written[PLAN_NAME_SIZE];
        uint64_t rows, columns;
        snprintf(name, sizeof name, "%s%zu.%s", layers_name, layer, parts[i].name);
        snprintf(written, sizeof written, "blk.%zu.%s", layer, parts[i].written);
        shape_of_part(hub, (enum part)i, &rows, &columns);
        bool zeros = i == PART_CONV_BIAS && no_bias;
        if (!(zeros ? add_zeros(plan, written, columns, error)
                    : add(hub, plan, name, written, rows, columns, error)))
            return false;
        if (i == PART_A)
            plan->tensors[plan->count - 1].change = PLAN_NEGATIVE_EXP;
    }
    return true;
}

/* --- tied or not
 * ------------------------------------------------------------------------------------ */

static bool same_bytes(bool *same, const struct safetensors *a, uint64_t a_offset,
                       const struct safetensors *b, uint64_t b_offset, uint64_t size,
                       struct error *error)
{
    char *buffers = malloc((size_t)2 * COMPARE_BYTES);
    if (!buffers)
        return error_out_of_memory(error);
    bool ok = true;
    *same = true;
    for (uint64_t at = 0; ok && *same && at < size; at += COMPARE_BYTES) {
        size_t part = size - at < COMPARE_BYTES ? (size_t)(size - at) : COMPARE_BYTES;
        char *other = buffers + COMPARE_BYTES;
        errno = 0;
        if (pread(a->descriptor, buffers, part, (off_t)(a_offset + at)) != (ssize_t)part ||
            pread(b->descriptor, other, part, (off_t)(b_offset + at)) != (ssize_t)part)
            ok = error_set(error, ERROR_MODEL, "cannot read %s: %s", a->path,
                           errno ? strerror(errno) : "it has become shorter");
        *same = ok && memcmp(buffers, other, part) == 0;
    }
    free(buffers);
    return ok;
}

/* An output matrix that is absent or equal to the embedding is the embedding. */
static bool find_tie(struct hub *hub, struct error *error)
{
    const struct safetensors *shard, *other;
    const struct safetensors_tensor *head = hub_files_find(&hub->files, head_name, &shard);
    const struct safetensors_tensor *embedding =
        hub_files_find(&hub->files, embedding_of(hub), &other);
    hub->tied = !head;
    if (!head || head->bytes != embedding->bytes || strcmp(head->dtype, embedding->dtype) != 0)
        return true;
    return same_bytes(&hub->tied, shard, head->offset, other, embedding->offset, head->bytes,
                      error);
}

/* --- opening
 * -------------------------------------------------------------------------------------------- */

bool hub_open(struct hub **hub, char *const *paths, size_t count, const char *tokenizer,
              struct error *error)
{
    *hub = NULL;
    struct hub *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_out_of_memory(error);
    if (!hub_files_open(&opened->files, paths, count, tokenizer, error) ||
        !read_config(opened, error) || !count_layers(opened, error) ||
        !measure_all(opened, error) || !find_tie(opened, error)) {
        hub_close(opened);
        return false;
    }
    *hub = opened;
    return true;
}

void hub_close(struct hub *hub)
{
    if (!hub)
        return;
    hub_files_close(&hub->files);
    free(hub);
}

const char *hub_note(const struct hub *hub)
{
    return hub->note;
}

/* --- the plan
 * --------------------------------------------------------------------------------------------- */

static bool add_tensors(const struct hub *hub, struct plan *plan, struct error *error)
{
    if (!add(hub, plan, embedding_of(hub), "token_embd.weight", hub->vocabulary, hub->embedding,
             error) ||
        !add(hub, plan, norm_name, "output_norm.weight", 1, hub->embedding, error))
        return false;
    if (!hub->tied &&
        !add(hub, plan, head_name, "output.weight", hub->vocabulary, hub->embedding, error))
        return false;
    for (size_t i = 0; i < hub->layers; i++)
        if (!add_layer(hub, plan, i, error))
            return false;
    return true;
}

/* The name of the folder that the weights are in. */
static bool write_name(const struct hub *hub, struct plan *plan, struct error *error)
{
    char *whole = realpath(hub->files.folder, NULL);
    if (!whole && errno == ENOMEM)
        return error_out_of_memory(error);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    const char *name = slash && slash[1] ? slash + 1 : "mamba";
    bool ok = plan_text(plan, "general.name", name, strlen(name), error);
    free(whole);
    return ok;
}

static bool write_keys(struct hub *hub, struct plan *plan, const struct types_file *types,
                       struct error *error)
{
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        /* Zero heads and the length are there because other programs ask for them. */
        {"mamba.context_length", 1 << 20},       {"mamba.embedding_length", hub->embedding},
        {"mamba.feed_forward_length", 0},        {"mamba.attention.head_count", 0},
        {"mamba.block_count", hub->layers},      {"mamba.ssm.conv_kernel", hub->taps},
        {"mamba.ssm.inner_size", hub->inner},    {"mamba.ssm.state_size", hub->states},
        {"mamba.ssm.time_step_rank", hub->rank},
    };
    if (!plan_text(plan, "general.architecture", "mamba", 5, error) ||
        !write_name(hub, plan, error))
        return false;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!plan_u32(plan, numbers[i].key, (uint32_t)numbers[i].value, error))
            return false;
    return plan_f32(plan, "mamba.attention.layer_norm_rms_epsilon", (float)hub->epsilon, error) &&
           (!hub->falcon ||
            (plan_bool(plan, "mamba.ssm.dt_b_c_rms", true, error) &&
             plan_f32(plan, "mamba.ssm.dt_b_c_rms_epsilon", (float)hub->mixer_epsilon, error))) &&
           plan_u32(plan, "general.file_type", types->file_type, error) &&
           plan_u32(plan, "general.quantization_version", 2, error);
}

bool hub_plan(struct hub *hub, struct plan *plan, const struct types_file *types,
              struct error *error)
{
    const struct hub_tokenizer tokenizer = {
        .tokenizer = hub->files.tokenizer,
        .configuration = hub->files.tokenizer_config,
        .model = hub->files.config,
        .chat_template = hub->files.chat_template,
        .path = hub->files.tokenizer_path,
    };
    if (!write_keys(hub, plan, types, error) ||
        !hub_tokenizer_write(plan, &tokenizer, (size_t)hub->vocabulary, &hub->note, error) ||
        !add_tensors(hub, plan, error))
        return false;
    types_choose(plan, types);
    plan_finish(plan);
    return true;
}
