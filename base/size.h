/* size.h: sizes in bytes as people write them: 500000, 64K, 500M, 4GiB, 1.5T. */
#ifndef TIDEMARK_BASE_SIZE_H
#define TIDEMARK_BASE_SIZE_H

#include "base/error.h"

#include <stdint.h>

/* Digits with at most one decimal point, then nothing or one of K, M, G, T (powers of
 * 1024) in either case, then nothing, "B" or "iB". False for anything else and for
 * what does not fit. */
bool size_parse(int64_t *bytes, const char *text) WARN_UNUSED;

#endif
