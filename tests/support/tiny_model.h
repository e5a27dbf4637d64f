/* tiny_model.h: small models made in memory, the same on every machine.
 *
 *     char path[GGUF_WRITER_PATH_SIZE];
 *     gguf_writer_temporary(path);
 *     tiny_model_save(path, TINY_MODEL_FALCON);
 *     ... model_open(&model, path, &error) ...
 *     unlink(path);
 *
 * Every weight comes from an integer generator by operations that are exact, so the
 * file's bytes are fixed: results can be compared with stored ones. */
#ifndef TIDEMARK_TESTS_SUPPORT_TINY_MODEL_H
#define TIDEMARK_TESTS_SUPPORT_TINY_MODEL_H

#include "kernels/blocks.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/random.h"

enum tiny_model_kind {
    TINY_MODEL_FALCON, /* dt/B/C norms, untied, ChatML; all ten weight types, blocks of 256 too */
    TINY_MODEL_MAMBA,  /* no norms, tied, no template; sizes that divide by nothing much */
    TINY_MODEL_KINDS,
};

struct tiny_model_layer {
    enum blocks_type in, x, dt, out;
};

struct tiny_model_plan {
    const char *name;
    uint32_t embedding, inner, states, rank, vocabulary, layers;
    bool norms;
    enum blocks_type embedding_type, output_type; /* the latter when untied */
    bool tied;
    struct tiny_model_layer types[3];
};

static inline const struct tiny_model_plan *tiny_model_plan(enum tiny_model_kind kind)
{
    static const struct tiny_model_plan plans[TINY_MODEL_KINDS] = {
        {"tiny falcon",
         256,
         512,
         16,
         32,
         320,
         3,
         true,
         BLOCKS_Q6_K,
         BLOCKS_Q5_K,
         false,
         {{BLOCKS_Q4_K, BLOCKS_Q5_K, BLOCKS_Q8_0, BLOCKS_Q6_K},
          {BLOCKS_Q4_0, BLOCKS_F16, BLOCKS_Q5_0, BLOCKS_BF16},
          {BLOCKS_Q5_1, BLOCKS_F32, BLOCKS_Q4_0, BLOCKS_Q8_0}}},
        {"tiny mamba",
         160,
         320,
         12,
         20,
         291,
         2,
         false,
         BLOCKS_BF16,
         BLOCKS_BF16,
         true,
         {{BLOCKS_Q8_0, BLOCKS_Q4_0, BLOCKS_F16, BLOCKS_Q5_0},
          {BLOCKS_F32, BLOCKS_Q5_1, BLOCKS_F32, BLOCKS_F16}}},
    };
    return &plans[kind];
}

/* --- weights ------------------------------------------------------------------- */

static inline void tiny_model_half(unsigned char *at, unsigned bits)
{
    at[0] = (unsigned char)(bits & 0xFF);
    at[1] = (unsigned char)(bits >> 8);
}

/* A block of random bytes gets scales that make its weights about 1/16 large. `high`
 * holds sign and exponent of the half, six random bits follow. */
static inline void tiny_model_scales(unsigned char *block, enum blocks_type type, uint64_t noise)
{
    unsigned low = noise & 63, next = noise >> 6 & 63;
    switch (type) {
    case BLOCKS_Q8_0:
        tiny_model_half(block, 5u << 10 | low);
        break;
    case BLOCKS_Q4_0:
        tiny_model_half(block, 9u << 10 | low);
        break;
    case BLOCKS_Q5_0:
        tiny_model_half(block, 8u << 10 | low);
        break;
    case BLOCKS_Q5_1:
        tiny_model_half(block, 8u << 10 | low);
        tiny_model_half(block + 2, 0x8000u | 12u << 10 | next);
        break;
    case BLOCKS_Q4_K:
        tiny_model_half(block, 3u << 10 | low);
        tiny_model_half(block + 2, 6u << 10 | next);
        break;
    case BLOCKS_Q5_K:
        tiny_model_half(block, 2u << 10 | low);
        tiny_model_half(block + 2, 6u << 10 | next);
        break;
    case BLOCKS_Q6_K:
        tiny_model_half(block + 208, 0x200u | low); /* a subnormal, as real files have them */
        break;
    default:
        break;
    }
}

/* One weight that is no block: sign and mantissa random, now and then subnormal. */
static inline void tiny_model_single(unsigned char *out, enum blocks_type type, uint64_t noise)
{
    unsigned sign = noise & 1, exponent = (unsigned)(noise >> 1) % 3;
    bool subnormal = (noise >> 3) % 64 == 0;
    unsigned mantissa = (unsigned)(noise >> 16 & 0x7FFFFF);
    if (type == BLOCKS_F16) {
        tiny_model_half(out, sign << 15 | (subnormal ? 0 : 9 + exponent) << 10 | mantissa >> 13);
    } else if (type == BLOCKS_BF16) {
        tiny_model_half(out, sign << 15 | (121 + exponent) << 7 | mantissa >> 16);
    } else {
        uint32_t bits = (uint32_t)sign << 31 | (uint32_t)(121 + exponent) << 23 | mantissa;
        memcpy(out, &bits, sizeof bits);
    }
}

static inline void tiny_model_fill(unsigned char *out, enum blocks_type type, size_t weights,
                                   struct random *random)
{
    const struct blocks_layout *layout = blocks_layout(type);
    for (size_t at = 0; at < weights / layout->weights; at++, out += layout->bytes) {
        if (layout->weights == 1) {
            tiny_model_single(out, type, random_next(random));
            continue;
        }
        for (size_t i = 0; i < layout->bytes; i++)
            out[i] = (unsigned char)(random_next(random) >> 32);
        tiny_model_scales(out, type, random_next(random));
    }
}

/* A matrix of `outputs` rows of `columns` weights. */
static inline void tiny_model_matrix(struct gguf_writer *writer, const char *name, size_t columns,
                                     size_t outputs, enum blocks_type type, struct random *random)
{
    size_t size = outputs * blocks_row_bytes(type, columns);
    unsigned char *bytes = malloc(size);
    gguf_writer_require(bytes != NULL);
    tiny_model_fill(bytes, type, outputs * columns, random);
    gguf_writer_tensor(writer, name, 2, (uint64_t[]){columns, outputs}, type, bytes, size);
    free(bytes);
}

/* F32 values around `middle`, up to `spread` away on either side. Both are sums of few
 * powers of two, so that every step is exact. */
static inline void tiny_model_small(struct gguf_writer *writer, const char *name, size_t ne0,
                                    size_t ne1, float middle, float spread, struct random *random)
{
    float *values = malloc(ne0 * ne1 * sizeof *values);
    gguf_writer_require(values != NULL);
    for (size_t i = 0; i < ne0 * ne1; i++)
        values[i] = middle + spread * (float)((int)random_below(random, 513) - 256) * 0x1p-8f;
    gguf_writer_tensor(writer, name, ne1 > 1 ? 2 : 1, (uint64_t[]){ne0, ne1}, BLOCKS_F32, values,
                       ne0 * ne1 * sizeof *values);
    free(values);
}

/* -1, -2, ... down the states, a little different for each channel. */
static inline void tiny_model_decay(struct gguf_writer *writer, const char *name, size_t states,
                                    size_t channels, struct random *random)
{
    float *values = malloc(states * channels * sizeof *values);
    gguf_writer_require(values != NULL);
    for (size_t i = 0; i < states * channels; i++)
        values[i] = -(float)(i % states + 1) - (float)random_below(random, 64) * 0x1p-7f;
    gguf_writer_tensor(writer, name, 2, (uint64_t[]){states, channels}, BLOCKS_F32, values,
                       states * channels * sizeof *values);
    free(values);
}

/* --- the file -------------------------------------------------------------------- */

static inline void tiny_model_shape_keys(struct gguf_writer *writer,
                                         const struct tiny_model_plan *plan)
{
    gguf_writer_text(writer, "general.architecture", "mamba");
    gguf_writer_text(writer, "general.name", plan->name);
    gguf_writer_u32(writer, "mamba.embedding_length", plan->embedding);
    gguf_writer_u32(writer, "mamba.block_count", plan->layers);
    gguf_writer_u32(writer, "mamba.ssm.conv_kernel", 4);
    gguf_writer_u32(writer, "mamba.ssm.inner_size", plan->inner);
    gguf_writer_u32(writer, "mamba.ssm.state_size", plan->states);
    gguf_writer_u32(writer, "mamba.ssm.time_step_rank", plan->rank);
    gguf_writer_f32(writer, "mamba.attention.layer_norm_rms_epsilon", 0x1p-17f);
    gguf_writer_bool(writer, "mamba.ssm.dt_b_c_rms", plan->norms);
}

static inline void tiny_model_keys(struct gguf_writer *writer, const struct tiny_model_plan *plan)
{
    static const char *const tokens[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "th",
                                         "the"};
    static const int32_t types[] = {3, 3, 3, 1, 1};
    static const char *const merges[] = {"t h", "th e"};
    tiny_model_shape_keys(writer, plan);
    gguf_writer_vocabulary(writer, tokens, types, 5, merges, 2);
    gguf_writer_text(writer, "tokenizer.ggml.pre", "gpt-2");
    gguf_writer_u32(writer, "tokenizer.ggml.bos_token_id", 256);
    gguf_writer_u32(writer, "tokenizer.ggml.eos_token_id", 256);
    if (plan->norms)
        gguf_writer_text(writer, "tokenizer.chat_template",
                         "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
                         "<|im_end|>\n{% endfor %}");
}

static inline void tiny_model_add_layer(struct gguf_writer *writer,
                                        const struct tiny_model_plan *plan, unsigned index,
                                        struct random *random)
{
    const struct tiny_model_layer *types = &plan->types[index];
    const size_t E = plan->embedding, D = plan->inner, S = plan->states, R = plan->rank;
    char n[64];
#define NAME(rest) (snprintf(n, sizeof n, "blk.%u." rest, index), n)
    tiny_model_small(writer, NAME("attn_norm.weight"), E, 1, 1, 0.25f, random);
    tiny_model_matrix(writer, NAME("ssm_in.weight"), E, 2 * D, types->in, random);
    tiny_model_small(writer, NAME("ssm_conv1d.weight"), 4, D, 0, 0.5f, random);
    tiny_model_small(writer, NAME("ssm_conv1d.bias"), D, 1, 0, 0.125f, random);
    tiny_model_matrix(writer, NAME("ssm_x.weight"), D, R + 2 * S, types->x, random);
    tiny_model_matrix(writer, NAME("ssm_dt.weight"), R, D, types->dt, random);
    tiny_model_small(writer, NAME("ssm_dt.bias"), D, 1, -3, 1, random);
    tiny_model_decay(writer, NAME("ssm_a"), S, D, random);
    tiny_model_small(writer, NAME("ssm_d"), D, 1, 1, 0.5f, random);
    tiny_model_matrix(writer, NAME("ssm_out.weight"), D, E, types->out, random);
#undef NAME
}

static inline void tiny_model_tensors(struct gguf_writer *writer,
                                      const struct tiny_model_plan *plan, struct random *random)
{
    tiny_model_matrix(writer, "token_embd.weight", plan->embedding, plan->vocabulary,
                      plan->embedding_type, random);
    tiny_model_small(writer, "output_norm.weight", plan->embedding, 1, 1, 0.25f, random);
    if (!plan->tied)
        tiny_model_matrix(writer, "output.weight", plan->embedding, plan->vocabulary,
                          plan->output_type, random);
    for (unsigned i = 0; i < plan->layers; i++)
        tiny_model_add_layer(writer, plan, i, random);
}

/* The whole file, which the caller frees. */
static inline struct buffer tiny_model_planned(const struct tiny_model_plan *plan, uint64_t seed)
{
    struct gguf_writer writer = {0};
    struct random random = {seed};
    tiny_model_keys(&writer, plan);
    tiny_model_tensors(&writer, plan, &random);
    return gguf_writer_finish(&writer);
}

static inline struct buffer tiny_model_file(enum tiny_model_kind kind)
{
    return tiny_model_planned(tiny_model_plan(kind), (uint64_t)kind + 1);
}

static inline void tiny_model_save(const char *path, enum tiny_model_kind kind)
{
    struct buffer file = tiny_model_file(kind);
    gguf_writer_save(path, file.data, file.size);
    buffer_free(&file);
}

#endif
