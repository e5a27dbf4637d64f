/* What tidemark runs on, and in. */
#include "app/work/checkup_private.h"

#include "base/buffer.h"
#include "document/decoder.h"
#include "document/program.h"
#include "kernels/kernels.h"

#include <langinfo.h>
#include <locale.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The value of a variable that is set and not empty, else NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* --- terminal --------------------------------------------------------------------- */

enum { COLUMNS_LEAST = 20, ROWS_LEAST = 5 };

static void check_size(struct checkup *checkup, int terminal, const char *kind)
{
    struct winsize size = {0};
    const char *colors = variable("COLORTERM");
    if (ioctl(terminal, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        checkup_note(checkup, "terminal", "stty cols 80 rows 24", "%s, of unknown size", kind);
    else if (size.ws_col < COLUMNS_LEAST || size.ws_row < ROWS_LEAST)
        checkup_note(checkup, "terminal", "Make the window larger",
                     "%s, %u columns and %u rows: fewer than %d and %d", kind, size.ws_col,
                     size.ws_row, COLUMNS_LEAST, ROWS_LEAST);
    else
        checkup_ok(checkup, "terminal", "%s, %u columns, %u rows%s%s%s", kind, size.ws_col,
                   size.ws_row, colors ? ", COLORTERM=" : "", colors ? colors : "",
                   isatty(STDOUT_FILENO) ? "" : "; standard output goes elsewhere");
}

static void check_terminal(struct checkup *checkup)
{
    const char *kind = variable("TERM");
    int terminal = isatty(STDOUT_FILENO)   ? STDOUT_FILENO
                   : isatty(STDERR_FILENO) ? STDERR_FILENO
                                           : -1;
    if (terminal < 0)
        checkup_ok(checkup, "terminal", "none: what is printed goes elsewhere, plain");
    else if (!kind)
        checkup_note(checkup, "terminal", "export TERM=xterm-256color",
                     "TERM is not set: what is printed is plain");
    else
        check_size(checkup, terminal, kind);
}

/* --- locale ----------------------------------------------------------------------- */

/* The variable that decides, in POSIX's order. */
static const char *locale_variable(void)
{
    return variable("LC_ALL") ? "LC_ALL" : variable("LC_CTYPE") ? "LC_CTYPE" : "LANG";
}

static void check_locale(struct checkup *checkup)
{
    static const char remedy[] = "export LC_ALL=C.UTF-8";
    const char *name = locale_variable();
    const char *value = variable(name);
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (locale == (locale_t)0) {
        checkup_note(checkup, "locale", remedy, "%s is %s, which is not installed here", name,
                     value ? value : "not set");
        return;
    }
    const char *charset = nl_langinfo_l(CODESET, locale);
    if (strcmp(charset, "UTF-8") == 0)
        checkup_ok(checkup, "locale", "UTF-8, by %s=%s", name, value ? value : "");
    else
        checkup_note(checkup, "locale", remedy,
                     "%s by %s%s, but what is printed is UTF-8: a terminal may show it wrongly",
                     charset, name, value ? "" : ", which is not set");
    freelocale(locale);
}

/* --- encodings -------------------------------------------------------------------- */

static const char *const encodings[] = {
    "UTF-8",        "UTF-16LE",     "UTF-16BE",     "UTF-32LE",     "UTF-32BE",     "WINDOWS-1250",
    "WINDOWS-1251", "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255", "WINDOWS-1256",
    "WINDOWS-1257", "WINDOWS-1258", "ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",   "ISO-8859-4",
    "ISO-8859-5",   "ISO-8859-6",   "ISO-8859-7",   "ISO-8859-8",   "ISO-8859-9",   "ISO-8859-10",
    "ISO-8859-11",  "ISO-8859-13",  "ISO-8859-14",  "ISO-8859-15",  "ISO-8859-16",  "KOI8-R",
    "KOI8-U",       "SHIFT_JIS",    "EUC-JP",       "ISO-2022-JP",  "GB18030",      "BIG5",
    "EUC-KR",
};

enum { ENCODINGS = sizeof encodings / sizeof encodings[0] };

static void check_encodings(struct checkup *checkup)
{
    char missing[512] = "";
    size_t used = 0, count = 0;
    for (size_t i = 0; i < ENCODINGS; i++) {
        if (decoder_knows(encodings[i]))
            continue;
        used += (size_t)snprintf(missing + used, sizeof missing - used, "%s%s", count ? ", " : "",
                                 encodings[i]);
        count++;
    }
    if (count == 0)
        checkup_ok(checkup, "encodings", "iconv knows all %d that are looked for", ENCODINGS);
    else
        checkup_note(checkup, "encodings",
                     "Install the C library's converters (libc-gconv-modules-extra or"
                     " glibc-gconv-extra), or convert such files to UTF-8 elsewhere",
                     "iconv lacks %zu of %d: %s", count, ENCODINGS, missing);
}

/* --- programs beside this one ------------------------------------------------------ */

static void check_formats(struct checkup *checkup)
{
    struct buffer path = {0};
    struct error missing;
    if (!program_find(&path, PROGRAM_EXTRACT, &missing))
        checkup_problem(checkup, "formats", ERROR_INPUT, "Build and install tidemark again",
                        "Markdown, EPUB, DOCX, ODT and HTML cannot be read: %s", missing.text);
    else if (!program_find(&path, PROGRAM_PDF, &missing))
        checkup_note(checkup, "formats",
                     "Install libpoppler-glib-dev, and build and install tidemark again",
                     "EPUB, DOCX, ODT and HTML; PDF not, since tidemark-pdf is not there");
    else if (!program_may_open_tables())
        checkup_note(checkup, "formats", "Start a kernel with Landlock, which is in 5.13 and later",
                     "PDF, EPUB, DOCX, ODT and HTML, but no PDF whose fonts need poppler's tables,"
                     " such as some in Chinese, Japanese and Korean: without Landlock"
                     " tidemark-pdf opens no file");
    else
        checkup_ok(checkup, "formats", "PDF, EPUB, DOCX, ODT and HTML");
    buffer_free(&path);
}

/* --- processor -------------------------------------------------------------------- */

/* Names as Linux lists them, and as people know them. */
static const struct feature {
    const char *flag, *name;
} features[] = {
    {"avx2", "AVX2"},
    {"fma", "FMA"},
    {"f16c", "F16C"},
    {"avx512f", "AVX-512"},
    {"avx_vnni", "VNNI"},
    {"avx512_vnni", "AVX-512 VNNI"},
    {"avx512_bf16", "AVX-512 BF16"},
    {"amx_tile", "AMX"},
    {"amx_int8", "AMX INT8"},
    {"amx_bf16", "AMX BF16"},
    {"asimd", "NEON"},
    {"sve", "SVE"},
};

enum { FEATURES = sizeof features / sizeof features[0] };

static bool holds_word(const char *line, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = line; (at = strstr(at, word)); at += size)
        if (at > line && at[-1] == ' ' && (at[size] == ' ' || at[size] == '\n' || !at[size]))
            return true;
    return false;
}

/* What the kernel says of the first processor: what it does not save for a process is
 * not in it, unlike in the processor's own word. */
static void list_features(char *text, size_t size)
{
    char *line = NULL;
    size_t capacity = 0, used = 0;
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(text, size, "%s", file ? "none" : "not known");
    bool found = false;
    while (file && !found && getline(&line, &capacity, file) > 0)
        found = strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0;
    for (size_t i = 0; found && i < FEATURES; i++)
        if (holds_word(line, features[i].flag) && used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     features[i].name);
    free(line);
    if (file)
        fclose(file);
}

static void list_levels(char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; kernels_at(i) && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", kernels_at(i)->name);
}

static void check_processor(struct checkup *checkup, const char *given)
{
    static const char check[] = "processor";
    const char *mask = variable("TIDEMARK_CPU");
    const struct kernels *best = kernels_best(), *fastest = best;
    char present[256], levels[256];
    for (size_t i = 0; kernels_at(i); i++)
        fastest = kernels_at(i);
    list_features(present, sizeof present);
    list_levels(levels, sizeof levels);
    if (given && !kernels_by_name(given))
        checkup_problem(checkup, check, ERROR_USAGE, "Leave --kernels away, or name one of these",
                        "no kernels named %s run here; there are: %s", given, levels);
    else if (given)
        checkup_ok(checkup, check, "kernels %s, by --kernels; instruction sets: %s", given,
                   present);
    else if (mask && !kernels_by_name(mask))
        checkup_note(checkup, check, "unset TIDEMARK_CPU",
                     "TIDEMARK_CPU is %s, no kernels that run here (%s), and changes nothing;"
                     " kernels %s",
                     mask, levels, best->name);
    else if (best != fastest)
        checkup_note(checkup, check, "unset TIDEMARK_CPU",
                     "kernels %s; %s would run here, too, and faster, but TIDEMARK_CPU hides them",
                     best->name, fastest->name);
    else
        checkup_ok(checkup, check, "kernels %s; instruction sets: %s", best->name, present);
}

static void check_cores(struct checkup *checkup)
{
    cpu_set_t set;
    long present = sysconf(_SC_NPROCESSORS_CONF);
    int usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    if (present > usable)
        checkup_note(checkup, "cores",
                     "Start tidemark without taskset, or widen the container's processors, to use"
                     " more",
                     "%d of %ld may be used", usable, present);
    else
        checkup_ok(checkup, "cores", "%d, all usable", usable);
}

void checkup_machine(struct checkup *checkup, const struct checkup_options *options)
{
    check_terminal(checkup);
    check_locale(checkup);
    check_encodings(checkup);
    check_formats(checkup);
    check_processor(checkup, options->kernels);
    check_cores(checkup);
}
