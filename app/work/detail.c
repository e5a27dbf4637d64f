#include "app/work/detail.h"

#include "app/work/json.h"
#include "base/json_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_QUOTES = 256, MOST_TOKENS = 1 << 20 };

/* The ordinal that a number counted from 1 stands for; -1: none. */
static int64_t ordinal_of(const json_t *number)
{
    json_int_t value = json_is_integer(number) ? json_integer_value(number) : 0;
    return value >= 1 ? (int64_t)value - 1 : -1;
}

static int64_t scoped(const char *scope, const char *lead)
{
    size_t size = strlen(lead);
    char *end;
    if (strncmp(scope, lead, size) != 0 || scope[size] < '1' || scope[size] > '9')
        return -1;
    errno = 0;
    long long number = strtoll(scope + size, &end, 10);
    return errno == 0 && *end == '\0' ? (int64_t)number - 1 : -1;
}

void detail_scope(const struct library_question *question, int64_t *section, int64_t *as_of)
{
    *section = scoped(question->scope, "section ");
    *as_of = scoped(question->scope, "as of ");
}

static bool take_quotes(struct detail *detail, const json_t *quotes, struct error *error)
{
    size_t count = json_array_size(quotes);
    if (count > MOST_QUOTES)
        count = MOST_QUOTES;
    detail->quotes = calloc(count ? count : 1, sizeof *detail->quotes);
    if (!detail->quotes)
        return error_out_of_memory(error);
    for (size_t i = 0; i < count; i++) {
        const json_t *json = json_array_get(quotes, i);
        const char *text = json_string_value(json_object_get(json, "text"));
        if (!text || !*text)
            continue;
        struct asking_quote *quote = &detail->quotes[detail->quote_count];
        quote->section = ordinal_of(json_object_get(json_object_get(json, "section"), "number"));
        quote->text = strdup(text);
        if (!quote->text)
            return error_out_of_memory(error);
        detail->quote_count++;
    }
    return true;
}

/* All or none: a part of an answer is another answer. */
static bool take_tokens(struct detail *detail, const json_t *tokens, struct error *error)
{
    size_t count = json_array_size(tokens);
    if (count > MOST_TOKENS)
        return true;
    for (size_t i = 0; i < count; i++) {
        const json_t *token = json_array_get(tokens, i);
        json_int_t value = json_is_integer(token) ? json_integer_value(token) : -1;
        if (value < 0 || value > INT32_MAX) {
            detail->tokens.count = 0;
            return true;
        }
        if (!tokens_append(&detail->tokens, (int32_t)value, error))
            return false;
    }
    return true;
}

static bool take(struct detail *detail, const json_t *json, struct error *error)
{
    int64_t as_of = ordinal_of(json_object_get(json, "as_of"));
    int64_t section = ordinal_of(json_object_get(json_object_get(json, "section"), "number"));
    double confidence = json_number_value(json_object_get(json, "confidence"));
    if (as_of >= 0)
        detail->as_of = as_of;
    if (section >= 0)
        detail->section = section;
    const char *ground = json_string_value(json_object_get(json, "ground"));
    detail->ground_known = ground && hash_from_hex(&detail->ground, ground);
    detail->reread = json_is_true(json_object_get(json, "reread"));
    detail->confidence = confidence > 0 && confidence <= 1 ? confidence : 0;
    return take_quotes(detail, json_object_get(json, "quotes"), error) &&
           take_tokens(detail, json_object_get(json, "answer_tokens"), error);
}

bool detail_read(struct detail *detail, const struct library_question *question,
                 struct error *error)
{
    *detail = (struct detail){0};
    detail_scope(question, &detail->section, &detail->as_of);
    if (detail->section < 0)
        detail->section = detail->as_of;
    json_t *json = json_loads(question->detail, 0, NULL);
    bool ok = !json_memory_exhausted() || error_out_of_memory(error);
    ok = ok && take(detail, json, error);
    json_decref(json);
    if (!ok)
        detail_free(detail);
    return ok;
}

void detail_free(struct detail *detail)
{
    for (size_t i = 0; detail->quotes && i < detail->quote_count; i++)
        free(detail->quotes[i].text);
    free(detail->quotes);
    tokens_free(&detail->tokens);
    *detail = (struct detail){0};
}
