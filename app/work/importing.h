/* importing.h: files of models are made from other files, and checked. */
#ifndef TIDEMARK_APP_WORK_IMPORTING_H
#define TIDEMARK_APP_WORK_IMPORTING_H

#include "app/work/session.h"

struct importing_options {
    char *const *paths; /* [count]; of the source */
    size_t count;
    const char *output;
    const char *type;      /* NULL: IMPORTING_DEFAULT_TYPE */
    const char *tokenizer; /* folder or file; NULL: beside the weights */
    const char *calibrate; /* a text, or NULL */
    const char *encoding;  /* of that text; NULL: found out */
    bool replace;          /* a file that is there already */
};
#define IMPORTING_DEFAULT_TYPE "q4_k_m"

struct importing_result {
    const char *type; /* static */
    int64_t bytes;    /* of the file */
    int64_t tensors;
    int64_t weights;           /* in all tensors */
    int64_t calibrated_tokens; /* 0: without a text */
    double seconds;
};

/* From safetensors as the model hub lays them out (convert/hub.h). With a text to
 * calibrate by, a Q8_0 file is made beside the output first, read with, and removed. */
bool importing_import(struct session *session, const struct importing_options *options,
                      struct importing_result *result, struct error *error) WARN_UNUSED;

/* From one GGUF file. */
bool importing_quantize(struct session *session, const struct importing_options *options,
                        struct importing_result *result, struct error *error) WARN_UNUSED;

/* Opens a model's file as for reading, and looks at every block. `path` NULL: the model
 * in use. *result: type is NULL. */
bool importing_verify(struct session *session, const char *path, struct buffer *verified,
                      struct importing_result *result, struct error *error) WARN_UNUSED;

#endif
