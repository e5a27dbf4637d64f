/* plan.h: a GGUF file that is to be written: its keys, its tensors, and where their
 * weights come from.
 *
 *     struct plan plan = {0};
 *     plan_text(&plan, "general.architecture", "mamba", 5, &error) && ...
 *     struct plan_tensor *tensor = plan_add(&plan, "output_norm.weight", &error);
 *     tensor->dims = 1; tensor->ne[0] = 4096; tensor->source = ...
 *     plan_finish(&plan, &error) && stream_write(&plan, ...)   (stream.h)
 *     plan_free(&plan);
 *
 * Nothing of the weights is read before stream_write. Format: docs/FORMAT.md. */
#ifndef TIDEMARK_CONVERT_PLAN_H
#define TIDEMARK_CONVERT_PLAN_H

#include "base/buffer.h"
#include "engine/gguf.h"
#include "kernels/blocks.h"

#define PLAN_NAME_SIZE 64
#define PLAN_ALIGNMENT 32

/* Rows of weights in an open file. */
struct plan_source {
    int descriptor;   /* borrowed */
    const char *path; /* borrowed, for errors */
    uint64_t offset;  /* of the first row */
    enum blocks_type type;
};

enum plan_change {
    PLAN_AS_IT_IS,
    PLAN_NEGATIVE_EXP, /* -exp(weight), what A_log means */
    PLAN_ZERO,         /* there is no source */
};

struct plan_tensor {
    char name[PLAN_NAME_SIZE];
    unsigned dims;
    uint64_t ne[GGUF_MAX_DIMS]; /* fastest first; unused ones are 1 */
    enum blocks_type type;      /* to be written */
    enum plan_change change;
    struct plan_source source;
    const float *importance; /* [ne[0]] of the columns (quantize.h), borrowed; or NULL */
    uint64_t offset, bytes;  /* in the file; set by plan_finish */
};

struct plan {
    struct buffer entries; /* key-values as in the file */
    uint64_t entry_count;
    struct plan_tensor *tensors; /* [count], in the order of the file after plan_finish */
    size_t count, room;
    uint64_t size; /* of the file; set by plan_finish */
};

bool plan_u32(struct plan *plan, const char *key, uint32_t value, struct error *error) WARN_UNUSED;
bool plan_f32(struct plan *plan, const char *key, float value, struct error *error) WARN_UNUSED;
bool plan_bool(struct plan *plan, const char *key, bool value, struct error *error) WARN_UNUSED;
bool plan_text(struct plan *plan, const char *key, const char *text, size_t size,
               struct error *error) WARN_UNUSED;

/* Begins an array; plan_item_text or plan_item_i32 is then called `count` times. */
bool plan_array(struct plan *plan, const char *key, enum gguf_kind kind, uint64_t count,
                struct error *error) WARN_UNUSED;
bool plan_item_text(struct plan *plan, const char *text, size_t size,
                    struct error *error) WARN_UNUSED;
bool plan_item_i32(struct plan *plan, int32_t value, struct error *error) WARN_UNUSED;

/* A key-value as another file has it. */
bool plan_entry(struct plan *plan, const unsigned char *bytes, size_t size,
                struct error *error) WARN_UNUSED;

/* A tensor of one row of nothing, to be filled; valid until the next call. NULL when out
 * of memory. The name is shorter than PLAN_NAME_SIZE. */
struct plan_tensor *plan_add(struct plan *plan, const char *name, struct error *error);
struct plan_tensor *plan_find(const struct plan *plan, const char *name);

/* Rows of ne[0] weights. */
uint64_t plan_rows(const struct plan_tensor *tensor);

/* Orders the tensors as public files do (those outside the layers, then layer by layer,
 * by name) and gives each its place. */
void plan_finish(struct plan *plan);

/* All that comes before the weights, padding included. After plan_finish. */
bool plan_header(const struct plan *plan, struct buffer *header, struct error *error) WARN_UNUSED;

void plan_free(struct plan *plan);

#endif
