/* saved_model.h: a tiny model in a temporary file, for as long as a group of tests runs.
 *
 *     return cmocka_run_group_tests(tests, saved_model_mamba, saved_model_remove); */
#ifndef TIDEMARK_TESTS_SAVED_MODEL_H
#define TIDEMARK_TESTS_SAVED_MODEL_H

#include "tests/support/tiny_model.h"

#include <unistd.h>

static char saved_model[GGUF_WRITER_PATH_SIZE];

static inline int saved_model_of(enum tiny_model_kind kind)
{
    gguf_writer_temporary(saved_model);
    tiny_model_save(saved_model, kind);
    return 0;
}

static inline int saved_model_falcon(void **state)
{
    (void)state;
    return saved_model_of(TINY_MODEL_FALCON);
}

static inline int saved_model_mamba(void **state)
{
    (void)state;
    return saved_model_of(TINY_MODEL_MAMBA);
}

static inline int saved_model_remove(void **state)
{
    (void)state;
    return unlink(saved_model);
}

#endif
