#include "document/named.h"

#include "document/rune.h"

#include <string.h>
#include <strings.h>

#define WORD_MAX 24
#define ROMAN_MAX 16 /* CCCLXXXVIII has eleven */

static const struct keyword {
    const char *name;
    unsigned rank;
    bool numbered; /* stands only with a number */
} keywords[] = {
    {"volume", 1, true},
    {"book", 1, true},
    {"part", 1, true},
    {"chapter", 2, true},
    {"letter", 2, true},
    {"act", 2, true},
    {"canto", 2, true},
    {"stave", 2, true},
    {"appendix", 2, false},
    {"annex", 2, true},
    {"section", 3, true},
    {"scene", 3, true},
    {"prologue", 2, false},
    {"epilogue", 2, false},
    {"preface", 2, false},
    {"introduction", 2, false},
    {"foreword", 2, false},
    {"afterword", 2, false},
    {"interlude", 2, false},
    {"conclusion", 2, false},
    {"conclusions", 2, false},
    {"postscript", 2, false},
    {"dedication", 2, false},
    {"contents", 2, false},
    {"acknowledgments", 2, false},
    {"acknowledgements", 2, false},
    {"abstract", 2, false},
    {"references", 2, false},
    {"bibliography", 2, false},
    {"glossary", 2, false},
    {"index", 2, false},
};

static const char *const numerals[] = {
    "one",        "two",       "three",     "four",        "five",       "six",        "seven",
    "eight",      "nine",      "ten",       "eleven",      "twelve",     "thirteen",   "fourteen",
    "fifteen",    "sixteen",   "seventeen", "eighteen",    "nineteen",   "twenty",     "thirty",
    "forty",      "fifty",     "sixty",     "seventy",     "eighty",     "ninety",     "hundred",
    "first",      "second",    "third",     "fourth",      "fifth",      "sixth",      "seventh",
    "eighth",     "ninth",     "tenth",     "eleventh",    "twelfth",    "last",       "thirteenth",
    "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth",
};

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
    return is_upper(c) || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t letters(const char *text, size_t size)
{
    size_t length = 0;
    while (length < size && is_letter(text[length]))
        length++;
    return length;
}

/* "CHAPTER" or "Chapter", not "chapter" */
static bool is_capitalized(const char *word, size_t size)
{
    bool upper = true, lower = true;
    for (size_t i = 1; i < size; i++) {
        upper = upper && is_upper(word[i]);
        lower = lower && !is_upper(word[i]);
    }
    return size > 0 && is_upper(word[0]) && (upper || lower);
}

static const struct keyword *find_keyword(const char *word, size_t size)
{
    if (!is_capitalized(word, size))
        return NULL;
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (strlen(keywords[i].name) == size && strncasecmp(keywords[i].name, word, size) == 0)
            return &keywords[i];
    }
    return NULL;
}

static unsigned roman_digit(char c)
{
    switch (c) {
    case 'I':
        return 1;
    case 'V':
        return 5;
    case 'X':
        return 10;
    case 'L':
        return 50;
    case 'C':
        return 100;
    default:
        return 0;
    }
}

/* The usual form of a value: the one spelling of it that counts. */
static size_t write_roman(char *text, unsigned value)
{
    static const struct {
        const char *digits;
        unsigned value;
    } parts[] = {{"C", 100}, {"XC", 90}, {"L", 50}, {"XL", 40}, {"X", 10},
                 {"IX", 9},  {"V", 5},   {"IV", 4}, {"I", 1}};
    size_t size = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (; value >= parts[i].value; value -= parts[i].value) {
            size_t length = strlen(parts[i].digits);
            memcpy(text + size, parts[i].digits, length);
            size += length;
        }
    }
    return size;
}

unsigned named_roman(const char *text, size_t size, size_t *length)
{
    char usual[ROMAN_MAX];
    unsigned value = 0;
    size_t at = 0;
    while (at < size && at < ROMAN_MAX && roman_digit(text[at])) {
        unsigned digit = roman_digit(text[at++]);
        bool less = at < size && roman_digit(text[at]) > digit;
        value = less ? value - digit : value + digit;
    }
    *length = at;
    if (at < size && (is_letter(text[at]) || is_digit(text[at])))
        return 0;
    if (value == 0 || value > 399)
        return 0;
    return write_roman(usual, value) == at && memcmp(usual, text, at) == 0 ? value : 0;
}

static bool is_numeral(const char *word, size_t size)
{
    for (size_t i = 0; i < sizeof numerals / sizeof *numerals; i++) {
        if (strlen(numerals[i]) == size && strncasecmp(numerals[i], word, size) == 0)
            return true;
    }
    return false;
}

/* "one", "Twenty-One", "THE LAST" */
static size_t spelled(const char *text, size_t size)
{
    size_t at = 0, word = letters(text, size);
    if (word == 3 && strncasecmp(text, "the", 3) == 0 && size > 4 && text[3] == ' ') {
        at = 4;
        word = letters(text + at, size - at);
    }
    if (!is_numeral(text + at, word))
        return 0;
    at += word;
    if (at + 1 < size && (text[at] == '-' || text[at] == ' ')) {
        size_t second = letters(text + at + 1, size - at - 1);
        if (second > 0 && is_numeral(text + at + 1, second))
            at += 1 + second;
    }
    return at;
}

static size_t roman_in_any_case(const char *text, size_t size)
{
    char upper[WORD_MAX];
    size_t word = letters(text, size), length;
    if (word == 0 || word > sizeof upper)
        return 0;
    bool small = !is_upper(text[0]);
    for (size_t i = 0; i < word; i++) {
        if (is_upper(text[i]) == small)
            return 0;
        upper[i] = small ? (char)(text[i] - 'a' + 'A') : text[i];
    }
    return named_roman(upper, word, &length) && length == word ? word : 0;
}

/* Bytes of a number after the name, 0 when none stands there. */
static size_t number_length(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size && (is_digit(text[at]) ||
                         (at > 0 && text[at] == '.' && at + 1 < size && is_digit(text[at + 1]))))
        at++;
    if (at > 8)
        return 0;
    if (at == 0)
        at = roman_in_any_case(text, size);
    if (at == 0)
        at = spelled(text, size);
    if (at == 0 && size > 0 && is_upper(text[0]))
        at = 1; /* Appendix B */
    /* The whole of a word only. */
    return at < size && (is_letter(text[at]) || is_digit(text[at]) ||
                         (text[at] & 0x80 && text[at] != '\xE2'))
               ? 0
               : at;
}

static size_t separator_length(const char *text, size_t size)
{
    if (size == 0)
        return 0;
    if (strchr(".:-)", text[0])) {
        size_t at = 0;
        while (at < size && text[at] == text[0])
            at++;
        return at;
    }
    bool dash =
        size >= 3 && (memcmp(text, "\xE2\x80\x93", 3) == 0 || memcmp(text, "\xE2\x80\x94", 3) == 0);
    return dash ? 3 : 0;
}

/* May `title` stand after name and number without a mark between? */
static bool begins_title(const char *title, size_t size)
{
    size_t length;
    uint32_t rune = rune_at(title, size, 0, &length);
    if (rune_is_closing(rune))
        rune = rune_at(title, size, length, &length);
    return rune_is_digit(rune) || (rune_is_letter(rune) && !rune_is_lower(rune));
}

bool named_parse(struct named *named, const char *line, size_t size)
{
    size_t word = letters(line, size);
    const struct keyword *keyword = find_keyword(line, word);
    if (!keyword)
        return false;
    size_t at = word + rune_skip_blanks(line + word, size - word);
    size_t number = at > word ? number_length(line + at, size - at) : 0;
    if (number == 0 && keyword->numbered)
        return false;
    if (number > 0)
        at += number;
    size_t blanks = rune_skip_blanks(line + at, size - at);
    size_t mark = separator_length(line + at + blanks, size - at - blanks);
    bool dot = mark > 0 && line[at + blanks] == '.';
    size_t title = at + blanks + mark;
    title += rune_skip_blanks(line + title, size - title);
    named->rank = keyword->rank;
    named->numbered = number > 0;
    named->bare = title == size;
    named->marked = mark > 0;
    if (named->bare)
        return true;
    if (number == 0)
        return mark > 0 && !dot && begins_title(line + title, size - title);
    /* "Part 2 The man went home." is a sentence, "Chapter 2. He goes home." is not. */
    char last = line[size - 1];
    return (mark > 0 || (blanks > 0 && last != '.')) && begins_title(line + title, size - title);
}
