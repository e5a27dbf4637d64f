#include "engine/pretokenizer.h"

#include "base/utf8.h"

#include <string.h>

/* What ends every run: the end of the text and, under falcon's rule, a run of
 * punctuation, because the pieces beside it are cut each for itself. */
#define BREAK UNICODE_CLASS_PUNCTUATION

bool pretokenizer_init(struct pretokenizer *pretokenizer, enum pretokenizer_rule rule,
                       struct error *error)
{
    if (!unicode_class_build(&pretokenizer->classes, error))
        return false;
    pretokenizer->rule = rule;
    for (unsigned c = 0; c < 128; c++) {
        enum unicode_class class = unicode_class_of(&pretokenizer->classes, c);
        if (rule == PRETOKENIZER_GPT2 && class == UNICODE_CLASS_PUNCTUATION)
            class = UNICODE_CLASS_OTHER;
        if (rule == PRETOKENIZER_FALCON && c && strchr("$+<=>^~|`", (int)c))
            class = UNICODE_CLASS_PUNCTUATION;
        pretokenizer->ascii[c] = (unsigned char)class;
    }
    return true;
}

void pretokenizer_free(struct pretokenizer *pretokenizer)
{
    unicode_class_free(&pretokenizer->classes);
}

/* The class of the character at `at` < size that takes more than one byte, or of
 * bytes that are no character. */
static enum unicode_class wide_class(const struct pretokenizer *pretokenizer, const char *text,
                                     size_t size, size_t at, size_t *length)
{
    uint32_t rune;
    if (utf8_decode(&rune, length, text + at, size - at) != UTF8_VALID)
        return UNICODE_CLASS_OTHER;
    enum unicode_class class = unicode_class_of(&pretokenizer->classes, rune);
    if (class == UNICODE_CLASS_PUNCTUATION && pretokenizer->rule == PRETOKENIZER_GPT2)
        return UNICODE_CLASS_OTHER;
    return class;
}

static inline enum unicode_class class_at(const struct pretokenizer *pretokenizer,
                                          const struct pretokenizer_cursor *cursor, size_t at,
                                          size_t *length)
{
    *length = 0;
    if (at >= cursor->size)
        return BREAK;
    unsigned char byte = (unsigned char)cursor->text[at];
    if (byte >= 0x80)
        return wide_class(pretokenizer, cursor->text, cursor->size, at, length);
    *length = 1;
    return (enum unicode_class)pretokenizer->ascii[byte];
}

/* The end of the run of one class that goes through `at`. */
static size_t run_end(const struct pretokenizer *pretokenizer,
                      const struct pretokenizer_cursor *cursor, size_t at, enum unicode_class class)
{
    size_t length;
    while (at < cursor->size && class_at(pretokenizer, cursor, at, &length) == class)
        at += length;
    return at;
}

/* \s+(?!\S): all of the white space at the end of a piece; before other text all
 * but its last character, which stays for the next word (or, being alone, is the
 * run between two matches). */
static size_t space_end(const struct pretokenizer *pretokenizer,
                        const struct pretokenizer_cursor *cursor, size_t start)
{
    size_t at = start, last = start, length;
    enum unicode_class class;
    while ((class = class_at(pretokenizer, cursor, at, &length)) == UNICODE_CLASS_SPACE) {
        last = at;
        at += length;
    }
    return class == BREAK || last == start ? at : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d: bytes of the match at an apostrophe, or 0. */
static size_t contraction(const char *text, size_t size)
{
    char second = size > 1 ? text[1] : '\0', third = size > 2 ? text[2] : '\0';
    if (second == 's' || second == 't' || second == 'm' || second == 'd')
        return 2;
    if ((second == 'r' && third == 'e') || (second == 'v' && third == 'e') ||
        (second == 'l' && third == 'l'))
        return 3;
    return 0;
}

/* The end of the match of R that begins at `start` < size; the text is not a
 * BREAK there. *class is what the word is made of. */
static size_t word_end(const struct pretokenizer *pretokenizer,
                       const struct pretokenizer_cursor *cursor, size_t start,
                       enum unicode_class *class)
{
    size_t length, at = start;
    *class = class_at(pretokenizer, cursor, start, &length);
    if (cursor->text[start] == '\'') {
        size_t end = contraction(cursor->text + start, cursor->size - start);
        if (end)
            return start + end;
    }
    if (cursor->text[start] == ' ') {
        enum unicode_class next = class_at(pretokenizer, cursor, start + 1, &length);
        if (next != BREAK && next != UNICODE_CLASS_SPACE) {
            *class = next;
            at = start + 1;
        }
    }
    if (*class == UNICODE_CLASS_SPACE)
        return space_end(pretokenizer, cursor, start);
    return run_end(pretokenizer, cursor, at, *class);
}

static bool is_three_digits(const char *text, size_t size)
{
    if (size < 3)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

/* The end of the next part of a number: three digits, or what lies before them. */
static size_t digits_end(const char *text, size_t at, size_t end)
{
    if (is_three_digits(text + at, end - at))
        return at + 3;
    while (at < end && !is_three_digits(text + at, end - at))
        at++;
    return at;
}

bool pretokenizer_next(const struct pretokenizer *pretokenizer, struct pretokenizer_cursor *cursor,
                       struct gguf_text *word)
{
    size_t start = cursor->at, length;
    if (start >= cursor->size)
        return false;
    size_t end;
    if (start < cursor->digits_to) {
        end = digits_end(cursor->text, start, cursor->digits_to);
    } else if (class_at(pretokenizer, cursor, start, &length) == BREAK) {
        end = run_end(pretokenizer, cursor, start, BREAK);
    } else {
        enum unicode_class class;
        end = word_end(pretokenizer, cursor, start, &class);
        if (class == UNICODE_CLASS_NUMBER && pretokenizer->rule == PRETOKENIZER_FALCON) {
            cursor->digits_to = end;
            end = digits_end(cursor->text, start, end);
        }
    }
    *word = (struct gguf_text){cursor->text + start, end - start};
    cursor->at = end;
    return true;
}
