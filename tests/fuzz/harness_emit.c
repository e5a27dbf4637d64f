#include "tests/fuzz/harness_emit.h"

#include "extract/emit.h"
#include "tests/fuzz/harness.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static jmp_buf refused;

/* In the place of emit.c's (linked with --wrap). */
_Noreturn void __wrap_emit_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn void __wrap_emit_fail(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    HARNESS_REQUIRE(size > 0);
    longjmp(refused, 1);
}

/* What was allocated when a document is refused goes with the program's process. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

bool harness_emit(void (*read)(void *context), void *context)
{
    int out = dup(STDOUT_FILENO), nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    HARNESS_REQUIRE(out >= 0 && nothing >= 0);
    dup2(nothing, STDOUT_FILENO);
    close(nothing);
    volatile bool whole = false;
    if (setjmp(refused) == 0) {
        emit_begin(&(struct emit_limits){.text = UINT64_MAX >> 1, .headings = UINT64_MAX});
        read(context);
        emit_finish();
        whole = true;
    }
    dup2(out, STDOUT_FILENO);
    close(out);
    return whole;
}
