#include "app/work/searching.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    MOST_PATTERN = 1000,    /* bytes */
    MATCH_LIMIT = 5000000,  /* steps from one place of the text */
    DEPTH_LIMIT = 100000,   /* backtracking points at a time */
    HEAP_LIMIT = 32 << 10,  /* KiB */
    STACK_LEAST = 32 << 10, /* bytes for compiled patterns */
    STACK_MOST = 1 << 20,
    CALLS_BETWEEN_LOOKS = 32, /* at the clock: each may pass over the whole text */
};

#define SLICE_SECONDS 0.02
#define TEXT_SECONDS 0.05 /* of the processor's time for one section */

/* The limits of PCRE2 hold for each place where a match may begin, and a step may take
 * long: what bounds the time is a callout before every item of the pattern, which looks
 * at the clock. */
struct searching {
    pcre2_code *code;
    pcre2_match_context *limits;
    pcre2_match_data *match;
    pcre2_jit_stack *stack; /* NULL: the pattern is interpreted */
    unsigned calls;
    double deadline; /* of the text being searched, by processor_seconds() */
};

/* --- the pattern --------------------------------------------------------------------- */

static bool is_upper(uint32_t rune)
{
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)rune);
    return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LT;
}

static size_t past(const char *text, char end)
{
    const char *found = strchr(text, end);
    return found ? (size_t)(found - text) + 1 : strlen(text);
}

/* Bytes of an escape sequence, a verb or a group's opening at `text`, whose letters are
 * no text to be found; 0: there is none. */
static size_t syntax(const char *text)
{
    if (text[0] == '\\' && text[1]) {
        if (strchr("pPxoNkg", text[1]) && text[2] == '{')
            return past(text, '}');
        return text[1] == 'p' || text[1] == 'P' ? (text[2] ? 3 : 2) : 2;
    }
    if (text[0] != '(')
        return 0;
    if (text[1] == '*')
        return past(text, ')');
    if (text[1] != '?')
        return 0;
    size_t name = text[2] == 'P' ? 3 : 2;
    if (text[name] == '<' && text[name + 1] != '=' && text[name + 1] != '!')
        return past(text, '>');
    return text[name] == '\'' ? name + 1 + past(text + name + 1, '\'') : name;
}

static bool holds_upper_case(const char *pattern, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint32_t rune;
        size_t length = syntax(pattern + at);
        if (length == 0) {
            utf8_decode(&rune, &length, pattern + at, size - at);
            if (is_upper(rune))
                return true;
        }
        at += length;
    }
    return false;
}

static bool check_pattern(const char *pattern, size_t size, struct error *error)
{
    if (size == 0)
        return error_set(error, ERROR_USAGE, "there is no pattern to look for");
    if (size > MOST_PATTERN)
        return error_set(error, ERROR_USAGE,
                         "the pattern has %zu bytes: the longest that is looked for has %d", size,
                         MOST_PATTERN);
    for (size_t at = 0, number = 1; at < size; number++) {
        uint32_t rune;
        size_t length;
        if (utf8_decode(&rune, &length, pattern + at, size - at) != UTF8_VALID)
            return error_set(error, ERROR_USAGE, "the pattern is not UTF-8 at character %zu",
                             number);
        at += length;
    }
    return true;
}

/* Where PCRE2 stopped is behind the character that it stumbled over. */
static bool refuse(const char *pattern, size_t size, int number, size_t offset, struct error *error)
{
    char what[160];
    size_t at = utf8_floor(pattern, size, offset < size ? offset : size);
    size_t character = utf8_count(pattern, at);
    if (number == PCRE2_ERROR_NOMEMORY || number == PCRE2_ERROR_HEAP_FAILED)
        return error_out_of_memory(error);
    if (pcre2_get_error_message(number, (PCRE2_UCHAR *)what, sizeof what) < 0)
        snprintf(what, sizeof what, "error %d", number);
    return error_set(error, ERROR_USAGE, "the pattern is wrong at character %zu: %s",
                     character ? character : 1, what);
}

static bool compile(struct searching *search, const char *pattern, size_t size, struct error *error)
{
    uint32_t options =
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
    if (!holds_upper_case(pattern, size))
        options |= PCRE2_CASELESS;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return error_out_of_memory(error);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int number;
    PCRE2_SIZE offset;
    search->code = pcre2_compile((PCRE2_SPTR)pattern, size, options, &number, &offset, context);
    pcre2_compile_context_free(context);
    return search->code || refuse(pattern, size, number, offset, error);
}

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int look_at_clock(pcre2_callout_block *block, void *context)
{
    struct searching *search = context;
    (void)block;
    if (++search->calls % CALLS_BETWEEN_LOOKS != 0)
        return 0;
    return processor_seconds() < search->deadline ? 0 : PCRE2_ERROR_CALLOUT;
}

static bool prepare(struct searching *search, struct error *error)
{
    search->limits = pcre2_match_context_create(NULL);
    search->match = pcre2_match_data_create(1, NULL);
    if (!search->limits || !search->match)
        return error_out_of_memory(error);
    pcre2_set_match_limit(search->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(search->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(search->limits, HEAP_LIMIT);
    pcre2_set_callout(search->limits, look_at_clock, search);
    /* Where no code can be made at run time, the pattern is interpreted. */
    if (pcre2_jit_compile(search->code, PCRE2_JIT_COMPLETE) == 0)
        search->stack = pcre2_jit_stack_create(STACK_LEAST, STACK_MOST, NULL);
    if (search->stack)
        pcre2_jit_stack_assign(search->limits, NULL, search->stack);
    return true;
}

struct searching *searching_new(const char *pattern, struct error *error)
{
    size_t size = strlen(pattern);
    if (!check_pattern(pattern, size, error))
        return NULL;
    struct searching *search = calloc(1, sizeof *search);
    if (!search) {
        error_out_of_memory(error);
        return NULL;
    }
    if (compile(search, pattern, size, error) && prepare(search, error))
        return search;
    searching_free(search);
    return NULL;
}

void searching_free(struct searching *search)
{
    if (!search)
        return;
    pcre2_jit_stack_free(search->stack);
    pcre2_match_data_free(search->match);
    pcre2_match_context_free(search->limits);
    pcre2_code_free(search->code);
    free(search);
}

/* --- one text ------------------------------------------------------------------------ */

void searching_hits_free(struct searching_hits *hits)
{
    free(hits->items);
    *hits = (struct searching_hits){0};
}

static bool add_hit(struct searching_hits *hits, struct searching_hit hit, struct error *error)
{
    if (hits->count == hits->capacity) {
        size_t capacity = hits->capacity ? 2 * hits->capacity : 64;
        struct searching_hit *items = reallocarray(hits->items, capacity, sizeof *items);
        if (!items)
            return error_out_of_memory(error);
        hits->items = items;
        hits->capacity = capacity;
    }
    hits->items[hits->count++] = hit;
    return true;
}

/* *status as pcre2_match's; the place of a match in *hit. */
static bool match_at(struct searching *search, const char *text, size_t size, size_t at,
                     int *status, struct searching_hit *hit, struct error *error)
{
    *status = pcre2_match(search->code, (PCRE2_SPTR)text, size, at,
                          PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, search->match, search->limits);
    if (*status == PCRE2_ERROR_NOMEMORY)
        return error_out_of_memory(error);
    if (*status >= 0) {
        const PCRE2_SIZE *place = pcre2_get_ovector_pointer(search->match);
        hit->begin = place[0];
        hit->end = place[1];
    }
    return true;
}

static size_t next_character(const char *text, size_t size, size_t at)
{
    uint32_t rune;
    size_t length;
    utf8_decode(&rune, &length, text + at, size - at);
    return at + length;
}

bool searching_text(struct searching *search, int64_t section, const char *text, size_t size,
                    struct searching_hits *hits, struct error *error)
{
    struct searching_hit hit = {.section = section};
    if (!utf8_is_valid(text, size))
        return error_set(error, ERROR_STORE,
                         "the text of section %lld is not UTF-8: read its file again",
                         (long long)section + 1);
    search->deadline = processor_seconds() + TEXT_SECONDS;
    for (size_t at = 0; at < size;) {
        int status;
        if (!match_at(search, text, size, at, &status, &hit, error))
            return false;
        if (status == PCRE2_ERROR_NOMATCH)
            return true;
        if (status < 0 || hits->count >= SEARCHING_MOST_HITS) {
            hits->cut = true;
            return true;
        }
        /* \K may move the beginning to anywhere; what goes on is never behind itself. */
        if (hit.begin >= at && hit.begin < hit.end && !add_hit(hits, hit, error))
            return false;
        at = hit.end > at ? hit.end : next_character(text, size, at);
    }
    return true;
}

/* --- a document ------------------------------------------------------------------------ */

static bool search_section(struct searching *search, struct session *session, int64_t document,
                           int64_t ordinal, struct searching_hits *hits, struct error *error)
{
    struct library_section section;
    if (!library_get_section(session->library, document, ordinal, LIBRARY_TEXT, &section, error))
        return false;
    bool ok = searching_text(search, ordinal, section.text, section.text_size, hits, error);
    library_section_free(&section);
    return ok;
}

bool searching_run(struct searching *search, struct session *session, int64_t document,
                   int64_t from, struct searching_hits *hits, int64_t *next, struct error *error)
{
    struct library_document facts;
    double begin = clock_seconds();
    if (!library_get_document(session->library, document, &facts, error))
        return false;
    const int64_t sections = facts.sections;
    library_document_free(&facts);
    for (*next = from; *next < sections; ++*next) {
        if (session_cancelled(session))
            return error_set(error, ERROR_INTERRUPTED, "the search was interrupted");
        if (*next > from && clock_seconds() - begin >= SLICE_SECONDS)
            return true;
        if (!search_section(search, session, document, *next, hits, error))
            return false;
        if (hits->cut && hits->count >= SEARCHING_MOST_HITS) {
            *next = sections;
            return true;
        }
    }
    return true;
}
