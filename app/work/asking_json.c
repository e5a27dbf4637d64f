/* The answer as JSON, for `ask --json` and for the library. */
#include "app/work/asking.h"

#include "app/work/json.h"

static json_t *section_json(struct session *session, int64_t document, int64_t ordinal)
{
    struct library_section section;
    struct error failure = {0};
    if (ordinal < 0)
        return json_null();
    if (!library_get_section(session->library, document, ordinal, LIBRARY_OUTLINE, &section,
                             &failure))
        return failure.kind == ERROR_SYSTEM ? NULL : json_null();
    json_t *json =
        json_pack("{s:I, s:s}", "number", (json_int_t)ordinal + 1, "title", section.title);
    library_section_free(&section);
    return json;
}

/* "p. 214, §7.3" */
static json_t *cite_json(const json_t *quote, const struct citing *at)
{
    struct buffer cite = {0};
    struct error error;
    const char *title =
        json_string_value(json_object_get(json_object_get(quote, "section"), "title"));
    bool ok = citing_append(&cite, at, title ? title : "", &error);
    json_t *json = ok ? json_string(cite.data) : NULL;
    buffer_free(&cite);
    return json;
}

static json_t *quotes_json(struct session *session, const struct asking_options *options,
                           const struct asking_result *result)
{
    json_t *quotes = json_array();
    for (size_t i = 0; i < result->quote_count; i++) {
        const struct asking_quote *quote = &result->quotes[i];
        json_t *json =
            json_pack("{s:s, s:b, s:o}", "text", quote->text, "verified", (int)quote->verified,
                      "section", section_json(session, options->document, quote->section));
        if (quote->verified) {
            json_put(json, "page", json_integer((json_int_t)quote->at.page));
            json_put(json, "line", json_integer((json_int_t)quote->at.line));
            json_put(json, "cite", cite_json(json, &quote->at));
        }
        json_append(quotes, json);
    }
    return quotes;
}

static const char *kind_name(enum states_kind kind)
{
    return kind == STATES_PREFIX ? "prefix" : kind == STATES_ANSWER ? "answer" : "section";
}

static json_t *sources_json(const struct asking_result *result, bool saved)
{
    json_t *sources = json_array();
    for (size_t i = 0; i < result->source_count; i++) {
        const struct asking_source *source = &result->sources[i];
        if (source->saved != saved || source->token == 0) /* 0: read for this question only */
            continue;
        char hex[HASH_HEX_SIZE];
        hash_to_hex(hex, &source->hash);
        json_t *json =
            json_pack("{s:I, s:s, s:I, s:s}", "section", (json_int_t)source->section + 1, "kind",
                      kind_name(source->kind), "token", (json_int_t)source->token, "hash", hex);
        if (json && source->question > 0)
            json_put(json, "question", json_integer((json_int_t)source->question));
        json_append(sources, json);
    }
    return sources;
}

json_t *asking_json(struct session *session, const struct asking_options *options,
                    const struct asking_result *result)
{
    json_t *json = json_pack(
        "{s:I, s:s, s:b, s:s?, s:o, s:f, s:o, s:o, s:o, s:I, s:I, s:f, s:f}", "document",
        (json_int_t)options->document, "question", options->question, "found", (int)result->found,
        "answer", result->answer, "section",
        section_json(session, options->document, result->section), "confidence", result->confidence,
        "quotes", quotes_json(session, options, result), "from_states", sources_json(result, true),
        "states_made", sources_json(result, false), "tokens_reread",
        (json_int_t)result->tokens_reread, "tokens_generated", (json_int_t)result->tokens_generated,
        "seconds", result->seconds, "first_token_seconds", result->first_token_seconds);
    if (json && result->question > 0)
        json_put(json, "id", json_integer((json_int_t)result->question));
    if (json && options->after > 0)
        json_put(json, "after", json_integer((json_int_t)options->after));
    if (json && result->as_of >= 0)
        json_put(json, "as_of", json_integer((json_int_t)result->as_of + 1));
    if (json && options->reread)
        json_put(json, "reread", json_true());
    return json;
}
