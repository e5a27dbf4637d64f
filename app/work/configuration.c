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

static int take_key(void *context, const char *section, const char *name, const char *value)
{
    struct parser *parser = context;
    struct configuration *into = parser->into;
    bool ours = !*section || strcmp(section, "tidemark") == 0;
    bool model = ours && strcmp(name, "model") == 0, budget = ours && strcmp(name, "budget") == 0;
    char what[256];
    if (!model && !budget) {
        snprintf(what, sizeof what, "unknown key \"%.80s%s%.80s\" (known are: model, budget)",
                 section, *section ? "." : "", name);
        return refuse(parser, what);
    }
    if (model ? into->model.size > 0 : into->budget >= 0) {
        snprintf(what, sizeof what, "%s is given twice", name);
        return refuse(parser, what);
    }
    if (!*value) {
        snprintf(what, sizeof what, "%s has no value", name);
        return refuse(parser, what);
    }
    if (budget)
        return size_parse(&into->budget, value)
                   ? 1
                   : refuse(parser, "budget needs a size, such as 500M or 8G");
    return take_model(parser, value, NULL) ? 1 : refuse(parser, "out of memory");
}

static bool parse(struct parser *parser, struct error *error)
{
    int line = ini_parse_stream(read_line, parser, take_key, parser);
    if (parser->failed) {
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

bool configuration_read(struct configuration *configuration, struct error *error)
{
    *configuration = (struct configuration){.budget = -1};
    struct buffer path = {0};
    struct error no_home;
    if (!place_configuration(&path, &no_home)) {
        buffer_free(&path);
        return true;
    }
    bool ok = true;
    struct parser parser = {
        .file = fopen(path.data, "re"), .path = path.data, .into = configuration};
    if (parser.file) {
        ok = parse(&parser, error);
        fclose(parser.file);
    } else if (errno == ENOMEM) {
        ok = error_out_of_memory(error);
    } else if (errno != ENOENT && errno != ENOTDIR) {
        ok = error_set(error, ERROR_USAGE, "cannot read %s: %s", path.data, strerror(errno));
    }
    free(parser.line);
    buffer_free(&path);
    if (!ok)
        configuration_free(configuration);
    return ok;
}

void configuration_free(struct configuration *configuration)
{
    buffer_free(&configuration->model);
}
