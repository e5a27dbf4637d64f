#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, enum error_kind kind, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->kind = kind;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool error_out_of_memory(struct error *error)
{
    return error_set(error, ERROR_SYSTEM, "out of memory: close other programs and try again");
}

bool error_context(struct error *error, const char *format, ...)
{
    if (error) {
        char old[ERROR_TEXT_SIZE];
        memcpy(old, error->text, sizeof old);
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
        size_t used = length < 0 ? 0 : (size_t)length;
        if (used + 3 > sizeof error->text)
            return false;
        size_t room = sizeof error->text - used - 3; /* ": " and the terminator */
        size_t kept = strnlen(old, room);
        memcpy(error->text + used, ": ", 2);
        memcpy(error->text + used + 2, old, kept);
        error->text[used + 2 + kept] = '\0';
    }
    return false;
}

int error_exit_code(const struct error *error)
{
    return (int)error->kind;
}
