#include "app/invocation.h"

#include "base/visible.h"

#include <stddef.h>
#include <string.h>

static bool is_one_of(size_t offset, const size_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (offsets[i] == offset)
            return true;
    return false;
}

static bool matters(const struct options_entry *entry, enum options_command command,
                    const struct options *options)
{
    static const size_t printing[] = {
        offsetof(struct options, json), offsetof(struct options, quiet),
        offsetof(struct options, help), offsetof(struct options, version)};
    static const size_t session[] = {
        offsetof(struct options, library), offsetof(struct options, model),
        offsetof(struct options, kernels), offsetof(struct options, backend)};
    if (!(entry->commands >> command & 1))
        return false;
    if (options->command != command)
        return is_one_of(entry->offset, session, sizeof session / sizeof *session);
    return !is_one_of(entry->offset, printing, sizeof printing / sizeof *printing);
}

static void append_option(struct output *out, const struct options_entry *entry,
                          const struct options *options)
{
    const void *value = (const char *)options + entry->offset;
    const void *usual = (const char *)&options_defaults + entry->offset;
    switch (entry->kind) {
    case OPTIONS_FLAG:
        if (*(const bool *)value)
            output_format(out, " --%s", entry->name);
        break;
    case OPTIONS_STRING:
        if (*(const char *const *)value) {
            output_format(out, " --%s ", entry->name);
            output_word(out, *(const char *const *)value);
        }
        break;
    case OPTIONS_COUNT:
    case OPTIONS_BYTES:
        if (*(const int64_t *)value != *(const int64_t *)usual)
            output_format(out, " --%s %lld", entry->name, (long long)*(const int64_t *)value);
        break;
    case OPTIONS_REAL:
        if (*(const double *)value < *(const double *)usual ||
            *(const double *)value > *(const double *)usual)
            output_format(out, " --%s %.17g", entry->name, *(const double *)value);
        break;
    }
}

void invocation_append(struct output *out, enum options_command command,
                       const struct options *options)
{
    output_format(out, "tidemark %s", options_commands[command].name);
    for (const struct options_entry *entry = options_table; entry->name; entry++)
        if (matters(entry, command, options))
            append_option(out, entry, options);
}

void invocation_arguments(struct output *out, const char *const *words)
{
    bool dashes = false;
    for (size_t i = 0; words[i]; i++)
        dashes = dashes || (words[i][0] == '-' && words[i][1] != '\0');
    output_format(out, "%s", dashes ? "-- " : "");
    for (size_t i = 0; words[i]; i++) {
        output_format(out, "%s", i > 0 ? " " : "");
        output_word(out, words[i]);
    }
}

/* False also without memory to tell: the number is right for any name. */
static bool is_shown_as_it_is(const char *text)
{
    struct buffer shown = {0};
    bool same = visible_append(&shown, text, strlen(text), VISIBLE_LINE, NULL) &&
                shown.size == strlen(text) && memcmp(shown.data, text, shown.size) == 0;
    buffer_free(&shown);
    return same;
}

void invocation_document(struct output *out, int64_t id, const char *name)
{
    const bool number = name[strspn(name, "0123456789")] == '\0';
    if (number || *name == '-' || !is_shown_as_it_is(name))
        output_format(out, "%lld", (long long)id);
    else
        output_word(out, name);
}
