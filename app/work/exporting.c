#include "app/work/exporting.h"

#include "app/work/grounding.h"
#include "app/work/json.h"
#include "app/work/listing.h"
#include "document/position.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct exporting {
    struct session *session;
    struct listing_document document; /* with its outline */
    struct buffer *out;
    bool any; /* of what is being listed, one was written */
    struct error *error;
    bool ok;
};

/* --- Markdown ----------------------------------------------------------------------------- */

/* At the beginning of a line these would make it something else than text. */
static bool begins_block(const char *line, size_t size)
{
    size_t digits = strspn(line, "0123456789");
    if (digits > 0)
        return digits < size && (line[digits] == '.' || line[digits] == ')');
    return size > 0 && strchr("#>+-=~|:", line[0]);
}

static bool append_escaped(struct buffer *out, const char *line, size_t size, struct error *error)
{
    size_t indent = strspn(line, " \t");
    if (indent > size)
        indent = size;
    line += indent; /* four blanks would make it code */
    size -= indent;
    size_t number = begins_block(line, size) ? strspn(line, "0123456789") : size;
    for (size_t i = 0; i < size; i++) {
        if ((i == number || strchr("\\`*_[]<&", line[i])) && !buffer_append_byte(out, '\\', error))
            return false;
        if (!buffer_append_byte(out, line[i], error))
            return false;
    }
    return true;
}

/* One line: line ends become spaces. */
static bool append_inline(struct buffer *out, const char *text, struct error *error)
{
    for (bool begun = false; *text; begun = true) {
        size_t size = strcspn(text, "\n");
        if ((begun && !buffer_append_byte(out, ' ', error)) ||
            !append_escaped(out, text, size, error))
            return false;
        text += size;
        text += strspn(text, "\n");
    }
    return true;
}

/* Every line with `mark` before it; lines stay lines. */
static bool append_lines(struct buffer *out, const char *mark, const char *text,
                         struct error *error)
{
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' '))
        end--;
    for (size_t at = 0; at < end;) {
        size_t size = strcspn(text + at, "\n");
        if (size > end - at)
            size = end - at;
        if (!buffer_append_text(out, mark, error) || !append_escaped(out, text + at, size, error) ||
            !buffer_append_byte(out, '\n', error))
            return false;
        at += size + 1;
    }
    return true;
}

/* --- the head and the outline ------------------------------------------------------------------
 */

static bool append_place(struct exporting *ex, int64_t page, int64_t line)
{
    return ex->document.pages > 1
               ? buffer_append_format(ex->out, ex->error, "p. %lld", (long long)page)
               : buffer_append_format(ex->out, ex->error, "line %lld", (long long)line);
}

static bool append_head(struct exporting *ex)
{
    const struct listing_document *document = &ex->document;
    struct buffer *out = ex->out;
    if (!buffer_append_text(out, "# ", ex->error) ||
        !append_inline(out, document->name, ex->error) ||
        !buffer_append_text(out, "\n\nSource: ", ex->error) ||
        !append_inline(out, document->path, ex->error))
        return false;
    if (document->sources > 1 && !buffer_append_format(out, ex->error, " and %lld more files",
                                                       (long long)document->sources - 1))
        return false;
    return buffer_append_format(out, ex->error, "  \nSections: %lld, of which %lld were read\n",
                                (long long)document->sections, (long long)document->sections_read);
}

static bool append_outline(struct exporting *ex)
{
    if (!buffer_append_text(ex->out, "\n## Outline\n\n", ex->error))
        return false;
    int64_t depth = 0; /* of the item before: a list may go only one level down at a time */
    for (int64_t i = 0; i < ex->document.sections; i++) {
        const struct listing_section *section = &ex->document.outline[i];
        depth = section->level > depth ? depth + 1 : section->level;
        if (!buffer_append_format(ex->out, ex->error, "%*s- %lld\\. ", (int)(depth - 1) * 2, "",
                                  (long long)i + 1) ||
            !append_inline(ex->out, section->title, ex->error) ||
            !buffer_append_text(ex->out, " (", ex->error) ||
            !append_place(ex, section->page, section->line) ||
            !buffer_append_text(ex->out, ")\n", ex->error))
            return false;
    }
    return true;
}

/* --- summaries
 * ------------------------------------------------------------------------------------ */

static bool append_summary_title(struct exporting *ex, const struct library_summary *summary)
{
    struct buffer *out = ex->out;
    bool known = summary->section >= 0 && summary->section < ex->document.sections;
    if (summary->kind == LIBRARY_SUMMARY_DOCUMENT || !known)
        return buffer_append_text(out, "\n### The whole document\n\n", ex->error);
    const char *title = ex->document.outline[summary->section].title;
    const char *lead = summary->kind == LIBRARY_SUMMARY_SO_FAR ? "The story up to " : "";
    return buffer_append_format(out, ex->error, "\n### %s%lld\\. ", lead,
                                (long long)summary->section + 1) &&
           append_inline(out, title, ex->error) && buffer_append_text(out, "\n\n", ex->error);
}

static bool append_summary(void *context, const struct library_summary *summary)
{
    struct exporting *ex = context;
    /* Of several sections together: a step on the way to that of the document. */
    if (summary->kind == LIBRARY_SUMMARY_PART)
        return true;
    if (!ex->any)
        ex->ok = buffer_append_text(ex->out, "\n## Summaries\n", ex->error);
    ex->any = true;
    ex->ok = ex->ok && append_summary_title(ex, summary) &&
             append_lines(ex->out, "", summary->text, ex->error);
    return ex->ok;
}

/* --- questions
 * -------------------------------------------------------------------------------------- */

/* Where the quote stands in the section that it was taken from; a sentence of less
 * than four words is found only there, and only as it is. */
static bool find_in_section(struct exporting *ex, int64_t ordinal, struct asking_quote *quote)
{
    struct library_section section;
    struct position position;
    if (ordinal < 0 || ordinal >= ex->document.sections)
        return true;
    if (!library_get_section(ex->session->library, ex->document.id, ordinal,
                             LIBRARY_TEXT | LIBRARY_MAP, &section, ex->error))
        return false;
    const char *at = strstr(section.text, quote->text);
    bool ok = !at || position_find(&position, section.map, section.map_size,
                                   (size_t)(at - section.text), ex->error);
    if (ok && at) {
        quote->verified = true;
        quote->section = ordinal;
        quote->page = (int64_t)position.page;
        quote->line = (int64_t)position.line;
    }
    library_section_free(&section);
    return ok;
}

static bool append_quote(struct exporting *ex, const json_t *json)
{
    json_int_t number = 0;
    const char *text = json_string_value(json_object_get(json, "text"));
    json_t *section = json_object_get(json, "section");
    if (!text || !*text)
        return true;
    if (json_is_object(section))
        number = json_integer_value(json_object_get(section, "number"));
    bool inside = number >= 1 && number <= ex->document.sections;
    struct asking_quote quote = {.text = (char *)(uintptr_t)text, .section = -1};
    if (!find_in_section(ex, inside ? number - 1 : -1, &quote) ||
        (ex->document.sections > 0 &&
         !grounding_look(ex->session, ex->document.id, inside ? number - 1 : 0, &quote, 1,
                         ex->error)) ||
        !buffer_append_text(ex->out, "\n", ex->error) ||
        !append_lines(ex->out, "> ", text, ex->error))
        return false;
    /* Where the library contradicts itself, or grows meanwhile. */
    if (!quote.verified || quote.section >= ex->document.sections)
        return buffer_append_text(ex->out, ">\n> — *not in the document*\n", ex->error);
    return buffer_append_text(ex->out, ">\n> — § ", ex->error) &&
           append_inline(ex->out, ex->document.outline[quote.section].title, ex->error) &&
           buffer_append_text(ex->out, ", ", ex->error) &&
           append_place(ex, quote.page, quote.line) &&
           buffer_append_text(ex->out, " (verified)\n", ex->error);
}

static bool append_quotes(struct exporting *ex, const char *detail)
{
    json_t *json = json_loads(detail, 0, NULL);
    json_t *quotes = json_object_get(json, "quotes");
    bool ok = !json_exhausted() || error_out_of_memory(ex->error);
    for (size_t i = 0; ok && i < json_array_size(quotes); i++)
        ok = append_quote(ex, json_array_get(quotes, i));
    json_decref(json);
    return ok;
}

static bool append_when(struct exporting *ex, const struct library_question *question)
{
    char day[32] = "";
    time_t at = (time_t)question->asked_at;
    struct tm local;
    if (!localtime_r(&at, &local) || strftime(day, sizeof day, "%Y-%m-%d", &local) == 0)
        snprintf(day, sizeof day, "some day");
    if (!buffer_append_format(ex->out, ex->error, "\n*Asked %s", day))
        return false;
    if (*question->scope && (!buffer_append_text(ex->out, " of ", ex->error) ||
                             !append_inline(ex->out, question->scope, ex->error)))
        return false;
    return buffer_append_text(ex->out, "*\n\n", ex->error);
}

static bool append_question(void *context, const struct library_question *question)
{
    struct exporting *ex = context;
    if (!ex->any)
        ex->ok = buffer_append_text(ex->out, "\n## Questions\n", ex->error);
    ex->any = true;
    const char *answer = question->answer ? question->answer : "The document does not say.";
    ex->ok = ex->ok && buffer_append_text(ex->out, "\n### ", ex->error) &&
             append_inline(ex->out, question->question, ex->error) &&
             buffer_append_text(ex->out, "\n", ex->error) && append_when(ex, question) &&
             append_lines(ex->out, "", answer, ex->error) && append_quotes(ex, question->detail);
    return ex->ok;
}

bool exporting_run(struct session *session, int64_t document, struct buffer *out,
                   struct error *error)
{
    struct exporting ex = {.session = session, .out = out, .error = error, .ok = true};
    struct library *library = session->library;
    bool ok = listing_document(session, document, true, &ex.document, error) && append_head(&ex) &&
              append_outline(&ex) &&
              library_each_summary(library, document, append_summary, &ex, error) && ex.ok;
    ex.any = false;
    ok = ok && library_each_question(library, document, append_question, &ex, error) && ex.ok;
    listing_document_free(&ex.document);
    return ok;
}
