/* tokenize: writes the token ids of a text, one a line, nothing prepended.
 *
 *     tokenize MODEL.gguf TEXT OUT.ids
 *
 * The model file may hold a vocabulary only and be of any architecture. Exits
 * with the codes of base/error.h: 2 for a wrong command line, 3 for a text that
 * cannot be read or an output that cannot be written, 4 for a model that cannot
 * be used. */
#include "base/visible.h"
#include "engine/tokenizer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Paths and names from the model may hold anything: none of it reaches the
 * terminal raw. */
static void say(const char *text)
{
    struct buffer line = {0};
    if (visible_append(&line, text, strlen(text), VISIBLE_LINE, NULL))
        fprintf(stderr, "tokenize: %s\n", line.data);
    buffer_free(&line);
}

static bool read_stream(struct buffer *text, FILE *stream, const char *path, struct error *error)
{
    size_t got;
    do {
        if (!buffer_reserve(text, 1 << 16, error))
            return false;
        got = fread(text->data + text->size, 1, 1 << 16, stream);
        text->size += got;
    } while (got > 0);
    return !ferror(stream) ||
           error_set(error, ERROR_INPUT, "cannot read %s: %s", path, strerror(errno));
}

static bool read_text(struct buffer *text, const char *path, struct error *error)
{
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return error_set(error, ERROR_INPUT, "cannot open %s: %s", path, strerror(errno));
    bool ok = read_stream(text, stream, path, error);
    fclose(stream);
    return ok;
}

static bool write_ids(const struct tokens *tokens, const char *path, struct error *error)
{
    FILE *stream = fopen(path, "wb");
    if (!stream)
        return error_set(error, ERROR_INPUT, "cannot create %s: %s", path, strerror(errno));
    for (size_t i = 0; i < tokens->count; i++)
        fprintf(stream, "%d\n", (int)tokens->data[i]);
    bool ok = !ferror(stream);
    ok = fclose(stream) == 0 && ok;
    return ok || error_set(error, ERROR_INPUT, "cannot write %s: %s", path, strerror(errno));
}

static bool tokenize(struct tokens *tokens, const char *model, const struct buffer *text,
                     struct error *error)
{
    struct gguf *file;
    struct tokenizer *tokenizer;
    if (!gguf_open(&file, model, error))
        return false;
    bool ok = tokenizer_new(&tokenizer, file, error);
    gguf_close(file);
    if (!ok)
        return false;
    if (tokenizer_warning(tokenizer))
        say(tokenizer_warning(tokenizer));
    ok = tokenizer_encode(tokenizer, text->data, text->size, tokens, error);
    tokenizer_free(tokenizer);
    return ok;
}

int main(int count, char **arguments)
{
    if (count != 4) {
        say("usage: tokenize MODEL.gguf TEXT OUT.ids");
        return ERROR_USAGE;
    }
    struct error error = {0};
    struct buffer text = {0};
    struct tokens tokens = {0};
    bool ok = read_text(&text, arguments[2], &error) &&
              tokenize(&tokens, arguments[1], &text, &error) &&
              write_ids(&tokens, arguments[3], &error);
    buffer_free(&text);
    tokens_free(&tokens);
    if (ok)
        return 0;
    say(error.text);
    return error_exit_code(&error);
}
