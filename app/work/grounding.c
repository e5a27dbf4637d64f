#include "app/work/grounding.h"

#include "app/work/passage.h"
#include "document/quote.h"

#include <stdlib.h>
#include <string.h>

struct search {
    struct session *session;
    struct asking_quote *quotes;
    size_t count;
    int64_t skip; /* section that was searched first */
    size_t open;  /* quotes not found yet */
    struct error error;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Lines that begin with '>' are quotes, the rest is the answer. An answer that is
 * nothing but a quote is the quote. */
static bool split_answer(struct asking_result *result, const char *text, struct error *error)
{
    struct buffer answer = {0};
    bool ok = buffer_append(&answer, "", 0, error);
    for (const char *line = text; ok && *line;) {
        size_t size = strcspn(line, "\n");
        if (line[0] != '>')
            ok = buffer_append(&answer, line, size + (line[size] == '\n'), error);
        line += size + (line[size] == '\n');
    }
    while (ok && answer.size && is_blank(answer.data[answer.size - 1]))
        answer.data[--answer.size] = '\0';
    size_t begin = 0;
    while (ok && is_blank(answer.data[begin]))
        begin++;
    if (ok && answer.data[begin] == '\0')
        result->answer = strdup(text + strspn(text, "> \n"));
    else if (ok)
        result->answer = strdup(answer.data + begin);
    buffer_free(&answer);
    return ok && (result->answer || error_out_of_memory(error));
}

static bool copy_quotes(struct asking_result *result, const char *text, struct error *error)
{
    struct quote_list list = {0};
    bool ok = quote_scan(&list, text, strlen(text), error);
    result->quotes = ok ? calloc(list.count ? list.count : 1, sizeof *result->quotes) : NULL;
    if (ok && !result->quotes)
        ok = error_out_of_memory(error);
    for (size_t i = 0; ok && i < list.count; i++) {
        struct asking_quote *quote = &result->quotes[i];
        quote->text = strndup(text + list.items[i].begin, list.items[i].end - list.items[i].begin);
        quote->section = -1;
        if (!quote->text)
            ok = error_out_of_memory(error);
        else
            result->quote_count++;
    }
    quote_list_free(&list);
    return ok;
}

/* Looks for the open quotes in one section. False stops the walk. */
static bool search_section(void *context, const struct library_section *section)
{
    struct search *search = context;
    if (section->ordinal == search->skip)
        return true;
    if (session_cancelled(search->session)) {
        error_set(&search->error, ERROR_INTERRUPTED, "interrupted while looking for quotes");
        return false;
    }
    for (size_t i = 0; i < search->count; i++) {
        struct asking_quote *quote = &search->quotes[i];
        size_t begin, end;
        struct citing at;
        search->error.kind = ERROR_NONE;
        if (quote->verified)
            continue;
        if (!quote_find(&begin, &end, section->text, section->text_size, quote->text,
                        strlen(quote->text), &search->error)) {
            if (search->error.kind != ERROR_NONE)
                return false;
            continue;
        }
        if (!citing_find(&at, section->map, section->map_size, begin, &search->error))
            return false;
        quote->verified = true;
        quote->section = section->ordinal;
        quote->at = at;
        quote->begin = begin;
        quote->end = end;
        search->open--;
    }
    return search->open > 0;
}

bool grounding_look(struct session *session, int64_t document, int64_t first,
                    struct asking_quote *quotes, size_t count, struct error *error)
{
    struct search search = {.session = session, .quotes = quotes, .count = count, .skip = -1};
    struct library_section section;
    for (size_t i = 0; i < count; i++)
        search.open += !quotes[i].verified;
    if (search.open == 0)
        return true;
    if (!library_get_section(session->library, document, first, LIBRARY_TEXT | LIBRARY_MAP,
                             &section, error))
        return false;
    bool go_on = search_section(&search, &section);
    library_section_free(&section);
    search.skip = first;
    if (go_on && !library_each_section(session->library, document, LIBRARY_TEXT | LIBRARY_MAP,
                                       search_section, &search, error))
        return false;
    if (search.error.kind == ERROR_NONE)
        return true;
    *error = search.error;
    return false;
}

/* Words that are too few to be looked for anywhere serve where they were taken from, as
 * they are. */
static bool find_as_it_was(const struct library_section *section, struct asking_quote *quote,
                           struct error *error)
{
    struct citing at;
    const char *found = strstr(section->text, quote->text);
    if (!found)
        return true;
    size_t begin = (size_t)(found - section->text);
    if (!citing_find(&at, section->map, section->map_size, begin, error))
        return false;
    quote->verified = true;
    quote->section = section->ordinal;
    quote->at = at;
    quote->begin = begin;
    quote->end = begin + strlen(quote->text);
    return true;
}

static bool look_in(struct session *session, int64_t document, int64_t ordinal, bool as_it_was,
                    struct asking_quote *quote, struct error *error)
{
    struct library_section section;
    struct search search = {.session = session, .quotes = quote, .count = 1, .skip = -1, .open = 1};
    if (!library_get_section(session->library, document, ordinal, LIBRARY_TEXT | LIBRARY_MAP,
                             &section, error))
        return false;
    bool ok = !as_it_was || find_as_it_was(&section, quote, error);
    if (ok && !quote->verified)
        search_section(&search, &section);
    library_section_free(&section);
    if (ok && search.error.kind != ERROR_NONE) {
        *error = search.error;
        ok = false;
    }
    return ok;
}

/* Where it was, else in the sections that hold its words. */
static bool look_once_more(struct session *session, int64_t document, int64_t sections,
                           struct asking_quote *quote, struct error *error)
{
    int64_t others[PASSAGE_SECTIONS];
    size_t count;
    if (quote->section < sections &&
        !look_in(session, document, quote->section, true, quote, error))
        return false;
    if (quote->verified)
        return true;
    if (!passage_sections(session, document, quote->text, others, &count, error))
        return false;
    for (size_t i = 0; i < count && !quote->verified; i++)
        if (!look_in(session, document, others[i], false, quote, error))
            return false;
    return true;
}

bool grounding_look_again(struct session *session, int64_t document, struct asking_quote *quotes,
                          size_t count, struct error *error)
{
    struct library_document known;
    if (!library_get_document(session->library, document, &known, error))
        return false;
    int64_t sections = known.sections;
    library_document_free(&known);
    for (size_t i = 0; i < count; i++) {
        struct asking_quote *quote = &quotes[i];
        if (quote->section >= 0 && !look_once_more(session, document, sections, quote, error))
            return false;
        if (!quote->verified)
            quote->section = -1;
    }
    return true;
}

bool grounding_run(struct session *session, int64_t document, int64_t first, const char *text,
                   struct asking_result *result, struct error *error)
{
    return split_answer(result, text, error) && copy_quotes(result, text, error) &&
           grounding_look(session, document, first, result->quotes, result->quote_count, error);
}

bool grounding_add(struct asking_result *result, const struct library_section *section,
                   size_t begin, size_t end, struct error *error)
{
    struct citing at;
    for (size_t i = 0; i < result->quote_count; i++)
        if (strlen(result->quotes[i].text) == end - begin &&
            memcmp(result->quotes[i].text, section->text + begin, end - begin) == 0)
            return true;
    if (!citing_find(&at, section->map, section->map_size, begin, error))
        return false;
    struct asking_quote *quotes =
        realloc(result->quotes, (result->quote_count + 1) * sizeof *quotes);
    if (!quotes)
        return error_out_of_memory(error);
    result->quotes = quotes;
    struct asking_quote *quote = &quotes[result->quote_count];
    *quote = (struct asking_quote){.text = strndup(section->text + begin, end - begin),
                                   .verified = true,
                                   .section = section->ordinal,
                                   .at = at,
                                   .begin = begin,
                                   .end = end};
    if (!quote->text)
        return error_out_of_memory(error);
    result->quote_count++;
    return true;
}
