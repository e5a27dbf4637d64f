/* Run while tidemark is built: writes the files that come from the tables of options.h.
 *
 *     generate manual TEMPLATE OUT
 *     generate bash|zsh|fish OUT */
#include "app/completions.h"
#include "app/manual.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool write_manual(FILE *out, const char *path, struct error *error)
{
    FILE *page = fopen(path, "re");
    if (!page)
        return error_set(error, ERROR_INPUT, "cannot read %s: %s", path, strerror(errno));
    bool ok = manual_write(out, page, error);
    fclose(page);
    return ok;
}

static bool generate(const char *what, const char *page, const char *path, struct error *error)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return error_set(error, ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    bool ok = page ? write_manual(out, page, error) : completions_print(out, what, error);
    if (fclose(out) != 0 && ok)
        ok = error_set(error, ERROR_SYSTEM, "cannot write %s: %s", path, strerror(errno));
    if (!ok)
        remove(path);
    return ok;
}

int main(int argc, char **argv)
{
    struct error error = {0};
    bool manual = argc == 4 && strcmp(argv[1], "manual") == 0;
    if (!manual && argc != 3) {
        fputs("usage: generate manual TEMPLATE OUT | generate bash|zsh|fish OUT\n", stderr);
        return ERROR_USAGE;
    }
    if (generate(argv[1], manual ? argv[2] : NULL, argv[argc - 1], &error))
        return 0;
    fprintf(stderr, "generate: %s\n", error.text);
    return error_exit_code(&error);
}
