#include "app/work/configuration.h"

#include "app/work/place.h"
#include "base/size.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* inih cuts a longer line in two without a word; its reader is told to refuse. */
#define LINE_MOST 198

struct parser {
    FILE *file;
    const char *path;
    char *line; /* the one being parsed */
    size_t capacity;
    int number; /* of that line, from 1 */
    struct configuration *into;
    bool failed; /* error says why */
    struct error error;
};

static int refuse(struct parser *parser, const char *what)
{
    if (!parser->failed)
        error_set(&parser->error, ERROR_USAGE, "%s, line %d: %s", parser->path, parser->number,
                  what);
    parser->failed = true;
    return 0;
}

/* As fgets, but a line that does not fit is refused instead of cut. */
static char *read_line(char *line, int size, void *context)
{
    struct parser *parser = context;
    if (parser->failed)
        return NULL;
    ssize_t length = getline(&parser->line, &parser->capacity, parser->file);
    if (length < 0) {
        if (ferror(parser->file)) {
            error_set(&parser->error, ERROR_USAGE, "cannot read %s: %s", parser->path,
                      strerror(errno));
            parser->failed = true;
        }
        return NULL;
    }
    parser->number++;
    if (length >= size || length > LINE_MOST) {
        refuse(parser, "the line is too long");
        return NULL;
    }
    if (strlen(parser->line) != (size_t)length) {
        refuse(parser, "the line holds a NUL byte");
        return NULL;
    }
    memcpy(line, parser->line, (size_t)length + 1);
    return line;
}

/* A path: "~/" is the home folder, what else holds a slash is relative to the file's
 * own folder. */
static bool take_model(struct parser *parser, const char *value, struct error *error)
{
    struct buffer *path = &parser->into->model;
    if (value[0] == '~' && value[1] == '/' && place_home())
        return buffer_append_format(path, error, "%s/%s", place_home(), value + 2);
    if (*value == '/' || !strchr(value, '/'))
        return buffer_append_text(path, value, error);
    size_t folder = (size_t)(strrchr(parser->path, '/') - parser->path) + 1;
    return buffer_append(path, parser->path, folder, error) &&
           buffer_append_text(path, value, error);
}

/* --- keys ------------------------------------------------------------------------------ */

static int refuse_unknown(struct parser *parser, const char *section, const char *name,
                          const char *known)
{
    char what[256];
    snprintf(what, sizeof what, "unknown key \"%.80s%s%.80s\" (known are: %s)", section,
             *section ? "." : "", name, known);
    return refuse(parser, what);
}

/* A value that is there, and for the first time. */
static int check_value(struct parser *parser, const char *name, const char *value, bool before)
{
    char what[128];
    if (!before && *value)
        return 1;
    snprintf(what, sizeof what, before ? "%.80s is given twice" : "%.80s has no value", name);
    return refuse(parser, what);
}

static int take_general(struct parser *parser, const char *section, const char *name,
                        const char *value)
{
    struct configuration *into = parser->into;
    bool model = strcmp(name, "model") == 0, budget = strcmp(name, "budget") == 0;
    if (!model && !budget)
        return refuse_unknown(parser, section, name, "model, budget");
    if (!check_value(parser, name, value, model ? into->model.size > 0 : into->budget >= 0))
        return 0;
    if (budget)
        return size_parse(&into->budget, value)
                   ? 1
                   : refuse(parser, "budget needs a size, such as 500M or 8G");
    return take_model(parser, value, NULL) ? 1 : refuse(parser, "out of memory");
}

static int take_reader(struct parser *parser, const char *section, const char *name,
                       const char *value)
{
    struct configuration *into = parser->into;
    bool theme = strcmp(name, "theme") == 0, mouse = strcmp(name, "mouse") == 0;
    if (!theme && !mouse)
        return refuse_unknown(parser, section, name, "theme, mouse");
    if (!check_value(parser, name, value, theme ? into->theme.size > 0 : into->mouse >= 0))
        return 0;
    if (theme)
        return buffer_append_text(&into->theme, value, NULL) ? 1 : refuse(parser, "out of memory");
    into->mouse = strcmp(value, "yes") == 0;
    return into->mouse || strcmp(value, "no") == 0 ? 1 : refuse(parser, "mouse is yes or no");
}

/* What stands behind the first = or : of the line, to its end: a semicolon is a key here,
 * and begins no comment. */
static char *raw_value(const char *line)
{
    const char *value = line + strcspn(line, "=:");
    value += *value ? 1 : 0;
    value += strspn(value, " \t");
    size_t size = strlen(value);
    while (size > 0 && strchr(" \t\r\n", value[size - 1]))
        size--;
    return strndup(value, size);
}

static int take_binding(struct parser *parser, const char *name)
{
    struct configuration *into = parser->into;
    if (parser->line[0] == ' ' || parser->line[0] == '\t')
        return refuse(parser, "a line of [keys] begins with a blank");
    struct configuration_binding *bindings =
        reallocarray(into->bindings, into->binding_count + 1, sizeof *bindings);
    if (!bindings)
        return refuse(parser, "out of memory");
    into->bindings = bindings;
    struct configuration_binding *binding = &bindings[into->binding_count];
    *binding =
        (struct configuration_binding){strdup(name), raw_value(parser->line), parser->number};
    into->binding_count++;
    return binding->action && binding->keys ? 1 : refuse(parser, "out of memory");
}

static int take_key(void *context, const char *section, const char *name, const char *value)
{
    struct parser *parser = context;
    if (!*section || strcmp(section, "tidemark") == 0)
        return take_general(parser, section, name, value);
    if (strcmp(section, "reader") == 0)
        return take_reader(parser, section, name, value);
    if (strcmp(section, "keys") == 0)
        return take_binding(parser, name);
    return refuse_unknown(parser, section, name, "model, budget and what [reader] and [keys] hold");
}

/* --- the file -------------------------------------------------------------------------- */

static bool parse(struct parser *parser, struct error *error)
{
    /* The first line that is not as it must be; inih goes on behind one of its own. */
    int line = ini_parse_stream(read_line, parser, take_key, parser);
    if (parser->failed && (line <= 0 || line >= parser->number)) {
        *error = parser->error;
        return false;
    }
    if (line == 0)
        return true;
    if (line < 0)
        return error_out_of_memory(error);
    return error_set(error, ERROR_USAGE, "%s, line %d: neither [section] nor key = value",
                     parser->path, line);
}

/* *file NULL when there is none. */
static bool open_file(FILE **file, const char *path, struct error *error)
{
    *file = fopen(path, "re");
    if (*file || errno == ENOENT || errno == ENOTDIR)
        return true;
    return errno == ENOMEM
               ? error_out_of_memory(error)
               : error_set(error, ERROR_USAGE, "cannot read %s: %s", path, strerror(errno));
}

bool configuration_read(struct configuration *configuration, struct error *error)
{
    *configuration = (struct configuration){.budget = -1, .mouse = -1};
    struct buffer path = {0};
    struct error no_home;
    struct parser parser = {.into = configuration};
    if (!place_configuration(&path, &no_home)) {
        buffer_free(&path);
        return true;
    }
    bool ok = open_file(&parser.file, path.data, error);
    if (parser.file) {
        parser.path = configuration->path = path.data;
        path = (struct buffer){0};
        ok = parse(&parser, error);
        fclose(parser.file);
    }
    free(parser.line);
    buffer_free(&path);
    if (!ok)
        configuration_free(configuration);
    return ok;
}

void configuration_free(struct configuration *configuration)
{
    for (size_t i = 0; i < configuration->binding_count; i++) {
        free(configuration->bindings[i].action);
        free(configuration->bindings[i].keys);
    }
    free(configuration->bindings);
    free(configuration->path);
    buffer_free(&configuration->theme);
    buffer_free(&configuration->model);
    *configuration = (struct configuration){.budget = -1, .mouse = -1};
}
