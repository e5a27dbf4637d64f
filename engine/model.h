/* model.h: a GGUF file bound to the Mamba architecture.
 *
 *     struct model *model;
 *     if (!model_open(&model, "falcon-mamba-7b-instruct-q4_k_m.gguf", &error)) ...
 *     model_close(model);
 *
 * Matrices stay where they lie in the mapped file, in the file's own types; only
 * what is small (norms, biases, convolution, A, D) is copied as float32, with the
 * convolution and A transposed so that channels lie side by side. Everything in a
 * struct model is read-only after model_open and may be used by many threads,
 * except the tokenizer. Architecture: Gu and Dao, 2023 ("Mamba"), and Zuo et al.,
 * 2024 ("Falcon Mamba"), which adds the norms of dt, B and C. */
#ifndef TIDEMARK_ENGINE_MODEL_H
#define TIDEMARK_ENGINE_MODEL_H

#include "base/hash.h"
#include "engine/gguf.h"
#include "engine/prompt.h"
#include "engine/tokenizer.h"
#include "kernels/kernels.h"

struct model_shape {
    size_t layers;
    size_t embedding;    /* E */
    size_t inner;        /* D */
    size_t states;       /* S, per channel */
    size_t rank;         /* R, of dt */
    size_t taps;         /* width of the convolution */
    size_t vocabulary;   /* rows of the embedding */
    float epsilon;       /* of the layer norms */
    float mixer_epsilon; /* of the dt/B/C norms */
    bool mixer_norm;     /* Falcon-Mamba: dt, B and C are normalized */
};

struct model_layer {
    const float *norm;        /* [E] */
    struct matrix in;         /* [2D, E]: x, then the gate z */
    const float *conv_weight; /* [taps][D] */
    const float *conv_bias;   /* [D] */
    struct matrix x;          /* [R + 2S, D]: dt, B, C */
    struct matrix dt;         /* [D, R] */
    const float *dt_bias;     /* [D] */
    const float *a;           /* [S][D], -exp(A_log) */
    const float *skip;        /* [D], the paper's D */
    struct matrix out;        /* [E, D] */
};

struct model {
    struct gguf *file;
    struct model_shape shape;
    struct model_layer *layers; /* [shape.layers] */
    struct matrix embedding;    /* [V, E] */
    struct matrix output;       /* [V, E]; the embedding itself when tied */
    const float *output_norm;   /* [E] */
    struct tokenizer *tokenizer;
    struct prompt prompt;
    char *name;   /* general.name, made visible; never NULL */
    float *small; /* owns every const float * above */
};

/* ERROR_MODEL, one line naming the file and what is wrong with it. */
bool model_open(struct model **model, const char *path, struct error *error) WARN_UNUSED;
void model_close(struct model *model);

/* XXH3-128 of the whole file: reads it once. */
struct hash model_fingerprint(const struct model *model);

/* "Q4_K" when one type holds all matrices, "Q4_K+Q6_K" for the two most common
 * by bytes. Owned by the caller's buffer. */
void model_weight_types(const struct model *model, char *text, size_t size);

/* Weights that are multiplied for one token, with and without the output
 * matrix, and the bytes that hold them. */
struct model_cost {
    double layer_weights, output_weights;
    double layer_bytes, output_bytes;
};
struct model_cost model_cost(const struct model *model);

#endif
