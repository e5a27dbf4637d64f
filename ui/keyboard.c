#include "ui/keyboard.h"

#include "base/utf8.h"
#include "base/visible.h"

#include <string.h>

/* Longer sequences mean nothing here. */
#define SEQUENCE_MOST 64
#define PARAMETERS 4
#define PARAMETER_MOST 65535

static const char paste_end[] = "\x1B[201~";
#define PASTE_END_SIZE (sizeof(paste_end) - 1)

/* What the first bytes are. */
enum outcome {
    STROKE,  /* a stroke */
    NOTHING, /* nothing: they are dropped */
    PARTIAL, /* the beginning of something */
};

/* A control sequence: ESC [ private parameters intermediate final. */
struct sequence {
    unsigned parameters[PARAMETERS];
    size_t count;
    char private, intermediate, final;
    size_t size; /* bytes, with ESC [ */
};

void keyboard_free(struct keyboard *keyboard)
{
    buffer_free(&keyboard->bytes);
    buffer_free(&keyboard->paste);
    *keyboard = (struct keyboard){0};
}

bool keyboard_take(struct keyboard *keyboard, const char *bytes, size_t size, struct error *error)
{
    /* What was understood makes room. */
    struct buffer *held = &keyboard->bytes;
    if (keyboard->at > 0) {
        memmove(held->data, held->data + keyboard->at, held->size - keyboard->at);
        held->size -= keyboard->at;
        keyboard->at = 0;
    }
    return buffer_append(held, bytes, size, error);
}

double keyboard_patience(const struct keyboard *keyboard)
{
    size_t waiting = keyboard->bytes.size - keyboard->at;
    if (keyboard->pasting || waiting == 0)
        return -1;
    /* From its third byte on a sequence cannot be two keys any more, and a slow line may
     * stop within it. */
    return waiting < 3 ? 0.040 : 1;
}

/* --- characters -------------------------------------------------------------------------- */

static enum outcome read_character(const struct keyboard *keyboard, const char *bytes, size_t size,
                                   uint32_t *stroke, size_t *used)
{
    unsigned char byte = (unsigned char)bytes[0];
    *used = 1;
    if (byte < 0x80) {
        *stroke = byte == keyboard->erase ? (uint32_t)STROKE_BACKSPACE : byte;
        return byte == 0 ? NOTHING : STROKE;
    }
    enum utf8_status status = utf8_decode(stroke, used, bytes, size);
    if (status == UTF8_INCOMPLETE)
        return PARTIAL;
    return status == UTF8_VALID && visible_is_safe(*stroke) ? STROKE : NOTHING;
}

/* --- control sequences ------------------------------------------------------------------- */

/* False when it is not complete. */
static bool parse_sequence(struct sequence *sequence, const char *bytes, size_t size)
{
    *sequence = (struct sequence){0};
    for (size_t i = 2; i < size; i++) {
        char byte = bytes[i];
        /* rxvt ends the keys with Shift in "$", which elsewhere comes before the end. */
        bool ends = (byte >= '@' && byte <= '~') || (byte == '$' && !sequence->private);
        if (ends) {
            sequence->final = byte;
            sequence->size = i + 1;
            return true;
        }
        if (byte >= '0' && byte <= '9') {
            if (sequence->count == 0)
                sequence->count = 1;
            unsigned *value = &sequence->parameters[sequence->count - 1];
            *value = 10 * *value + (unsigned)(byte - '0');
            if (*value > PARAMETER_MOST)
                *value = PARAMETER_MOST;
        } else if (byte == ';') {
            sequence->count += sequence->count == 0 ? 2 : 1;
            if (sequence->count > PARAMETERS)
                sequence->count = PARAMETERS;
        } else if (byte >= '<' && byte <= '?') {
            sequence->private = byte;
        } else if (byte >= ' ' && byte <= '/') {
            sequence->intermediate = byte;
        } else if (byte != ':') {
            /* Nothing of a sequence: it was none, and this byte begins anew. */
            sequence->size = i;
            return true;
        }
    }
    return false;
}

/* Shift 1, Alt 2, Ctrl 4, Meta 8; the parameter is one more. */
static unsigned modifiers_of(const struct sequence *sequence)
{
    return sequence->count >= 2 && sequence->parameters[1] > 0 ? sequence->parameters[1] - 1 : 0;
}

static uint32_t with_alt(uint32_t stroke, unsigned modifiers)
{
    return modifiers & (2 | 8) ? stroke | STROKE_ALT : stroke;
}

/* The stroke of a key that is named by a letter; 0 for none. */
static uint32_t letter_key(char letter)
{
    switch (letter) {
    case 'A':
    case 'a':
        return STROKE_UP;
    case 'B':
    case 'b':
        return STROKE_DOWN;
    case 'C':
    case 'c':
        return STROKE_RIGHT;
    case 'D':
    case 'd':
        return STROKE_LEFT;
    case 'F':
        return STROKE_END;
    case 'H':
        return STROKE_HOME;
    case 'M':
        return STROKE_ENTER;
    case 'P':
    case 'Q':
    case 'R':
    case 'S':
        return STROKE_F1 + (uint32_t)(letter - 'P');
    case 'Z':
        return STROKE_BACK_TAB;
    default:
        return 0;
    }
}

/* The stroke of a key that is named by a number; 0 for none. */
static uint32_t number_key(unsigned number)
{
    switch (number) {
    case 1:
    case 7:
        return STROKE_HOME;
    case 2:
        return STROKE_INSERT;
    case 3:
        return STROKE_DELETE;
    case 4:
    case 8:
        return STROKE_END;
    case 5:
        return STROKE_PAGE_UP;
    case 6:
        return STROKE_PAGE_DOWN;
    default:
        break;
    }
    if (number >= 11 && number <= 15)
        return STROKE_F1 + (number - 11);
    if (number >= 17 && number <= 21)
        return STROKE_F1 + (number - 12);
    if (number == 23 || number == 24)
        return STROKE_F1 + (number - 13);
    return 0;
}

/* A character by number with modifiers, as kitty's protocol and tmux send it. */
static uint32_t coded_key(const struct sequence *sequence)
{
    uint32_t rune = sequence->parameters[0];
    unsigned modifiers = modifiers_of(sequence);
    if (rune == STROKE_TAB && modifiers & 1)
        return STROKE_BACK_TAB;
    bool control = rune == STROKE_TAB || rune == STROKE_ENTER || rune == STROKE_ESCAPE ||
                   rune == STROKE_BACKSPACE;
    if (!control && !visible_is_safe(rune))
        return 0;
    if (modifiers & 4 && ((rune >= 'a' && rune <= 'z') || (rune >= '@' && rune <= '_')))
        rune = STROKE_CTRL(rune);
    return with_alt(rune, modifiers);
}

static enum outcome read_mouse(unsigned button, unsigned column, unsigned line, bool pressed,
                               struct terminal_input *input)
{
    unsigned which = button & (3 | 32 | 64 | 128);
    if (!pressed || column == 0 || line == 0)
        return NOTHING;
    if (which == 0)
        input->stroke = STROKE_CLICK;
    else if (which == 64)
        input->stroke = STROKE_WHEEL_UP;
    else if (which == 65)
        input->stroke = STROKE_WHEEL_DOWN;
    else
        return NOTHING;
    input->column = (int)column - 1;
    input->line = (int)line - 1;
    return STROKE;
}

/* ESC [ M and three bytes, from terminals that do not know SGR. */
static enum outcome read_old_mouse(const char *bytes, size_t size, struct terminal_input *input,
                                   size_t *used)
{
    if (size < 6)
        return PARTIAL;
    *used = 6;
    unsigned values[3];
    for (int i = 0; i < 3; i++) {
        unsigned char byte = (unsigned char)bytes[3 + i];
        values[i] = byte >= 32 ? byte - 32u : 0;
    }
    return read_mouse(values[0], values[1], values[2], true, input);
}

static enum outcome read_key(const struct sequence *sequence, struct terminal_input *input)
{
    uint32_t stroke = 0;
    switch (sequence->final) {
    case '~':
    case '^':
    case '$':
    case '@':
        stroke = number_key(sequence->parameters[0]);
        break;
    case 'u':
        stroke = coded_key(sequence);
        break;
    case 'R':
        /* Otherwise it says where the cursor is. */
        stroke = sequence->parameters[0] <= 1 ? letter_key('R') : 0;
        break;
    case 'M':
        break;
    default:
        stroke = letter_key(sequence->final);
    }
    if (stroke == 0)
        return NOTHING;
    input->stroke = sequence->final == 'u' ? stroke : with_alt(stroke, modifiers_of(sequence));
    return STROKE;
}

/* bytes begin with ESC [. */
static enum outcome read_sequence(struct keyboard *keyboard, const char *bytes, size_t size,
                                  struct terminal_input *input, size_t *used)
{
    if (size > 2 && bytes[2] == 'M')
        return read_old_mouse(bytes, size, input, used);
    if (size > 2 && bytes[2] == '[') { /* the Linux console's F1 to F5 */
        if (size < 4)
            return PARTIAL;
        *used = 4;
        input->stroke = STROKE_F1 + (uint32_t)(bytes[3] - 'A');
        return bytes[3] >= 'A' && bytes[3] <= 'E' ? STROKE : NOTHING;
    }
    struct sequence sequence;
    if (!parse_sequence(&sequence, bytes, size)) {
        *used = size;
        return size < SEQUENCE_MOST ? PARTIAL : NOTHING;
    }
    *used = sequence.size;
    if (sequence.private == '<' && (sequence.final == 'M' || sequence.final == 'm'))
        return sequence.count < 3
                   ? NOTHING
                   : read_mouse(sequence.parameters[0], sequence.parameters[1],
                                sequence.parameters[2], sequence.final == 'M', input);
    if (sequence.private || sequence.intermediate || sequence.final == '\0')
        return NOTHING;
    if (sequence.final == '~' && sequence.parameters[0] == 200) {
        keyboard->pasting = true;
        return NOTHING;
    }
    return read_key(&sequence, input);
}

/* bytes begin with ESC O. */
static enum outcome read_application_key(const char *bytes, size_t size,
                                         struct terminal_input *input, size_t *used)
{
    if (size < 3)
        return PARTIAL;
    input->stroke = letter_key(bytes[2]);
    *used = 3;
    if (input->stroke != 0)
        return STROKE;
    /* No such key: an Alt-O, and what comes after it. */
    input->stroke = 'O' | STROKE_ALT;
    *used = 2;
    return STROKE;
}

/* bytes begin with ESC. */
static enum outcome read_escape(struct keyboard *keyboard, const char *bytes, size_t size,
                                struct terminal_input *input, size_t *used)
{
    if (size < 2)
        return PARTIAL;
    if (bytes[1] == '[')
        return size < 3 ? PARTIAL : read_sequence(keyboard, bytes, size, input, used);
    if (bytes[1] == 'O')
        return read_application_key(bytes, size, input, used);
    if (bytes[1] == '\x1B') {
        *used = 1;
        input->stroke = STROKE_ESCAPE;
        return STROKE;
    }
    enum outcome outcome = read_character(keyboard, bytes + 1, size - 1, &input->stroke, used);
    *used += 1;
    input->stroke |= STROKE_ALT;
    return outcome;
}

/* What a beginning is when nothing follows it. */
static enum outcome read_late(const char *bytes, size_t size, struct terminal_input *input)
{
    if (bytes[0] != '\x1B' || size > 2)
        return NOTHING;
    input->stroke = STROKE_ESCAPE;
    if (size == 2)
        input->stroke = (unsigned char)bytes[1] | STROKE_ALT;
    return size == 1 || bytes[1] == '[' || bytes[1] == 'O' ? STROKE : NOTHING;
}

/* --- pasting ----------------------------------------------------------------------------- */

static void add_to_paste(struct keyboard *keyboard, size_t size)
{
    size_t room = KEYBOARD_PASTE_MOST - keyboard->paste.size;
    size_t taken = size < room ? size : room;
    struct error error;
    if (taken < size ||
        !buffer_append(&keyboard->paste, keyboard->bytes.data + keyboard->at, taken, &error))
        keyboard->cut = true;
    keyboard->at += size;
}

/* Moves what came into the paste. True at its end. */
static bool take_paste(struct keyboard *keyboard, struct terminal_input *input)
{
    const char *bytes = keyboard->bytes.data + keyboard->at;
    size_t size = keyboard->bytes.size - keyboard->at;
    const char *end = size > 0 ? memmem(bytes, size, paste_end, PASTE_END_SIZE) : NULL;
    if (!end) {
        /* The end may have begun. */
        size_t held = size < PASTE_END_SIZE - 1 ? size : PASTE_END_SIZE - 1;
        while (held > 0 && memcmp(bytes + size - held, paste_end, held) != 0)
            held--;
        if (size > held)
            add_to_paste(keyboard, size - held);
        return false;
    }
    add_to_paste(keyboard, (size_t)(end - bytes));
    keyboard->at += PASTE_END_SIZE;
    keyboard->pasting = false;
    struct buffer emptied = input->paste;
    buffer_clear(&emptied);
    input->paste = keyboard->paste;
    keyboard->paste = emptied;
    input->cut = keyboard->cut;
    keyboard->cut = false;
    input->stroke = STROKE_PASTE;
    return true;
}

bool keyboard_next(struct keyboard *keyboard, bool late, struct terminal_input *input)
{
    while (keyboard->at < keyboard->bytes.size) {
        if (keyboard->pasting)
            return take_paste(keyboard, input);
        const char *bytes = keyboard->bytes.data + keyboard->at;
        size_t size = keyboard->bytes.size - keyboard->at, used = 0;
        enum outcome outcome = bytes[0] == '\x1B'
                                   ? read_escape(keyboard, bytes, size, input, &used)
                                   : read_character(keyboard, bytes, size, &input->stroke, &used);
        if (outcome == PARTIAL) {
            if (!late)
                return false;
            outcome = read_late(bytes, size, input);
            used = size;
        }
        keyboard->at += used;
        if (outcome == STROKE)
            return true;
    }
    return false;
}
