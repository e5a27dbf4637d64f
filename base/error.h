/* error.h: how a function says why it could not do its work.
 *
 * What can fail returns bool and takes a struct error * as its last argument:
 *
 *     struct error error = {0};
 *     if (!thing_open(&thing, path, &error)) {
 *         fprintf(stderr, "tidemark: %s\n", error.text);
 *         return error_exit_code(&error);
 *     }
 *
 * The text is one line that says what was being done, to which file, and what
 * to do next. It may quote bytes of a hostile file: whoever prints it to a
 * terminal passes it through visible_append() (visible.h) first. */
#ifndef TIDEMARK_BASE_ERROR_H
#define TIDEMARK_BASE_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT_SIZE 1024
#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

/* The values are the program's exit codes; they are documented in tidemark(1). */
enum error_kind {
    ERROR_NONE = 0,
    ERROR_SYSTEM = 1, /* out of memory, a failed thread: nobody's input is at fault */
    ERROR_USAGE = 2,
    ERROR_INPUT = 3,
    ERROR_MODEL = 4,
    ERROR_STORE = 5,
    ERROR_NOT_FOUND = 6,
    ERROR_INTERRUPTED = 130,
};

struct error {
    enum error_kind kind;
    char text[ERROR_TEXT_SIZE];
};

/* Fills *error (which may be NULL) and returns false, so that a failing
 * function can end in `return error_set(...)`. A text that does not fit is cut. */
bool error_set(struct error *error, enum error_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* As error_set with kind ERROR_SYSTEM and a text for a failed allocation. */
bool error_out_of_memory(struct error *error);

/* Puts "context: " before the text that *error holds already; returns false. */
bool error_context(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

int error_exit_code(const struct error *error);

#endif
