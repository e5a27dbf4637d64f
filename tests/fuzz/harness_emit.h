/* harness_emit.h: for targets whose code sends blocks (extract/emit.h): what is sent goes
 * nowhere, and a document that is refused ends the input, not the process. */
#ifndef TIDEMARK_TESTS_FUZZ_HARNESS_EMIT_H
#define TIDEMARK_TESTS_FUZZ_HARNESS_EMIT_H

#include <stdbool.h>

/* Runs `read`; true when it came to its end, false when it refused the document. */
bool harness_emit(void (*read)(void *context), void *context);

#endif
