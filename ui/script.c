#include "ui/script.h"

#include "base/file.h"
#include "base/utf8.h"
#include "ui/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_MOST (1u << 20) /* bytes of a script */
#define NUMBER_MOST 1000       /* lines and columns */

enum verb { SIZE, KEYS, TYPE, PASTE, CLICK, WHEEL, WAIT, WAIT_READING, SCREEN };

struct command {
    enum verb verb;
    const char *text; /* what follows the name: a line of script->text */
    int column, line; /* of SIZE, CLICK and WHEEL */
    uint32_t stroke;  /* of CLICK and WHEEL */
};

struct script {
    struct buffer text; /* lines ended by NUL */
    struct command *commands;
    size_t count, capacity, at;
};

/* --- parsing ----------------------------------------------------------------------------- */

static bool read_file(struct buffer *text, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, ERROR_INPUT, "cannot open the script %s: %s", path,
                         strerror(errno));
    char bytes[4096];
    size_t got;
    bool ok = true;
    while (ok && (got = fread(bytes, 1, sizeof(bytes), file)) > 0) {
        ok = buffer_append(text, bytes, got, error);
        if (ok && text->size > SCRIPT_MOST)
            ok = error_set(error, ERROR_INPUT, "the script %s has more than %u bytes", path,
                           SCRIPT_MOST);
    }
    if (ok && ferror(file))
        ok = error_set(error, ERROR_INPUT, "cannot read the script %s: %s", path, strerror(errno));
    fclose(file);
    return ok;
}

/* Skips `word` and the blanks after it. */
static bool skip_word(const char **text, const char *word)
{
    size_t size = strlen(word);
    if (strncmp(*text, word, size) != 0 || ((*text)[size] != ' ' && (*text)[size] != '\0'))
        return false;
    *text += size;
    while (**text == ' ')
        (*text)++;
    return true;
}

/* A number from `least` on at *text, and the blanks after it. */
static bool parse_number(int *number, const char **text, int least)
{
    const char *at = *text;
    *number = 0;
    while (*at >= '0' && *at <= '9' && *number <= NUMBER_MOST)
        *number = 10 * *number + (*at++ - '0');
    if (at == *text || *number < least || *number > NUMBER_MOST || (*at != ' ' && *at != '\0'))
        return false;
    while (*at == ' ')
        at++;
    *text = at;
    return true;
}

/* Two numbers and nothing after them. */
static bool parse_place(struct command *command, const char *text, int least)
{
    return parse_number(&command->column, &text, least) &&
           parse_number(&command->line, &text, least) && *text == '\0';
}

static bool are_strokes(const char *text)
{
    uint32_t stroke;
    size_t count = 0;
    while (*text != '\0' && stroke_next(&stroke, &text))
        count++;
    return count > 0 && *text == '\0';
}

/* "type" and "paste" keep every blank but the one after their name. */
static bool takes_text(struct command *command, const char *line)
{
    const char *text = line;
    if (skip_word(&text, "type")) {
        command->verb = TYPE;
        text = line + strlen("type");
    } else if (skip_word(&text, "paste")) {
        command->verb = PASTE;
        text = line + strlen("paste");
    } else {
        return false;
    }
    command->text = *text == ' ' ? text + 1 : text;
    return *command->text != '\0' &&
           (command->verb == PASTE || utf8_is_valid(command->text, strlen(command->text)));
}

static bool parse_line(struct command *command, const char *line)
{
    if (takes_text(command, line))
        return true;
    if (skip_word(&line, "size")) {
        command->verb = SIZE;
        return parse_place(command, line, 1);
    }
    if (skip_word(&line, "click")) {
        command->verb = CLICK;
        command->stroke = STROKE_CLICK;
        return parse_place(command, line, 0);
    }
    if (skip_word(&line, "wheel")) {
        command->verb = WHEEL;
        command->stroke = strncmp(line, "up", 2) == 0 ? STROKE_WHEEL_UP : STROKE_WHEEL_DOWN;
        return (skip_word(&line, "up") || skip_word(&line, "down")) &&
               parse_place(command, line, 0);
    }
    command->text = line;
    if (skip_word(&command->text, "keys")) {
        command->verb = KEYS;
        return are_strokes(command->text);
    }
    if (skip_word(&command->text, "screen")) {
        command->verb = SCREEN;
        return *command->text != '\0';
    }
    if (skip_word(&command->text, "wait")) {
        command->verb = *command->text == '\0' ? WAIT : WAIT_READING;
        return *command->text == '\0' || strcmp(command->text, "reading") == 0;
    }
    return false;
}

static bool add_command(struct script *script, const struct command *command, struct error *error)
{
    if (script->count == script->capacity) {
        size_t capacity = script->capacity == 0 ? 64 : 2 * script->capacity;
        struct command *commands = realloc(script->commands, capacity * sizeof(*commands));
        if (!commands)
            return error_out_of_memory(error);
        script->commands = commands;
        script->capacity = capacity;
    }
    script->commands[script->count++] = *command;
    return true;
}

static bool parse(struct script *script, const char *path, struct error *error)
{
    char *line = script->text.data, *end = line + script->text.size;
    for (unsigned number = 1; line < end; number++) {
        char *line_end = memchr(line, '\n', (size_t)(end - line));
        if (!line_end)
            line_end = end; /* the buffer ends with NUL */
        *line_end = '\0';
        struct command command = {0};
        bool counts = line[strspn(line, " ")] != '\0' && *line != '#';
        if (strlen(line) != (size_t)(line_end - line) || (counts && !parse_line(&command, line)))
            return error_set(error, ERROR_USAGE,
                             "%s:%u: not a line of a script: \"%.80s\" (size, keys, type, paste, "
                             "click, wheel, wait, screen)",
                             path, number, line);
        if (counts && !add_command(script, &command, error))
            return false;
        line = line_end + 1;
    }
    return true;
}

struct script *script_new(const char *path, struct error *error)
{
    struct script *script = calloc(1, sizeof(*script));
    if (!script) {
        error_out_of_memory(error);
        return NULL;
    }
    if (!read_file(&script->text, path, error) || !parse(script, path, error)) {
        script_free(script);
        return NULL;
    }
    return script;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    buffer_free(&script->text);
    free(script->commands);
    free(script);
}

/* --- doing ------------------------------------------------------------------------------- */

static bool feed_stroke(uint32_t stroke, struct error *error)
{
    struct terminal_input input = {.stroke = stroke};
    return terminal_feed(&input, error);
}

static bool feed_keys(const char *text, struct error *error)
{
    uint32_t stroke;
    while (stroke_next(&stroke, &text))
        if (!feed_stroke(stroke, error))
            return false;
    return true;
}

static bool feed_text(const char *text, struct error *error)
{
    size_t size = strlen(text), length;
    for (size_t at = 0; at < size; at += length) {
        uint32_t rune;
        if (utf8_decode(&rune, &length, text + at, size - at) == UTF8_VALID &&
            !feed_stroke(rune, error))
            return false;
    }
    return true;
}

static bool feed_paste(const char *text, struct error *error)
{
    struct terminal_input input = {.stroke = STROKE_PASTE};
    bool ok = buffer_append_text(&input.paste, text, error) && terminal_feed(&input, error);
    terminal_input_free(&input);
    return ok;
}

/* Screens hold what documents say: nobody else may read them, whoever could before. */
static bool save(const char *path, const struct buffer *screen, struct error *error)
{
    struct stat status;
    if (lstat(path, &status) == 0 && (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)))
        unlink(path);
    return file_write_new(path, screen->data, screen->size, error);
}

static bool save_screen(const char *path, struct error *error)
{
    struct buffer screen = {0};
    bool ok = terminal_dump(&screen, error) && save(path, &screen, error);
    buffer_free(&screen);
    return ok;
}

bool script_next(struct script *script, enum script_step *step, struct error *error)
{
    *step = SCRIPT_END;
    if (script->at == script->count)
        return true;
    const struct command *command = &script->commands[script->at++];
    struct terminal_input place = {
        .stroke = command->stroke,
        .line = command->line,
        .column = command->column,
    };
    *step = SCRIPT_FED;
    switch (command->verb) {
    case SIZE:
        terminal_resize(command->line, command->column);
        return true;
    case KEYS:
        return feed_keys(command->text, error);
    case TYPE:
        return feed_text(command->text, error);
    case PASTE:
        return feed_paste(command->text, error);
    case CLICK:
    case WHEEL:
        return terminal_feed(&place, error);
    case WAIT:
        *step = SCRIPT_WAIT;
        return true;
    case WAIT_READING:
        *step = SCRIPT_WAIT_READING;
        return true;
    case SCREEN:
        *step = SCRIPT_SAVED;
        return save_screen(command->text, error);
    }
    return true;
}
