#include "app/completions.h"

#include "app/completions_private.h"

#include <string.h>

void completions_quote(FILE *out, const char *text, const char *escapes, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs(quote, out);
            continue;
        }
        if (strchr(escapes, *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

bool completions_print(FILE *out, const char *shell, struct error *error)
{
    static const struct {
        const char *name;
        void (*print)(FILE *out);
    } shells[] = {{"bash", completions_bash}, {"zsh", completions_zsh}, {"fish", completions_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].print(out);
            return true;
        }
    return error_set(error, ERROR_USAGE, "no completions for \"%s\": there are bash, zsh and fish",
                     shell);
}
