#include "app/work/exporting.h"

#include "app/work/conversing.h"
#include "app/work/listing.h"
#include "app/work/noting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct exporting {
    struct session *session;
    struct listing_document document; /* with its outline */
    struct buffer *out;
    bool any; /* a summary was written */
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

/* --- the head and the outline -------------------------------------------------------------- */

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

/* --- summaries ------------------------------------------------------------------------------- */

static bool append_summary_title(struct exporting *ex, const struct library_summary *summary)
{
    struct buffer *out = ex->out;
    bool known = summary->section >= 0 && summary->section < ex->document.sections;
    if (summary->kind == LIBRARY_SUMMARY_DOCUMENT || !known)
        return buffer_append_text(out, "\n### The whole document\n\n", ex->error);
    const char *title = ex->document.outline[summary->section].title;
    const char *lead = summary->kind == LIBRARY_SUMMARY_SO_FAR    ? "The story up to "
                       : summary->kind == LIBRARY_SUMMARY_CHAPTER ? "The chapter "
                                                                  : "";
    return buffer_append_format(out, ex->error, "\n### %s%lld\\. ", lead,
                                (long long)summary->section + 1) &&
           append_inline(out, title, ex->error) && buffer_append_text(out, "\n\n", ex->error);
}

static bool append_summary(void *context, const struct library_summary *summary)
{
    struct exporting *ex = context;
    /* Of several sections together: a step on the way to that of a chapter or the whole. */
    if (summary->kind == LIBRARY_SUMMARY_PART)
        return true;
    if (!ex->any)
        ex->ok = buffer_append_text(ex->out, "\n## Summaries\n", ex->error);
    ex->any = true;
    ex->ok = ex->ok && append_summary_title(ex, summary) &&
             append_lines(ex->out, "", summary->text, ex->error);
    return ex->ok;
}

/* --- questions ------------------------------------------------------------------------------- */

static bool append_section(struct exporting *ex, int64_t section)
{
    return buffer_append_text(ex->out, "§ ", ex->error) &&
           append_inline(ex->out, ex->document.outline[section].title, ex->error);
}

static bool append_quote_place(struct exporting *ex, const struct citing *at)
{
    return at->place[0] ? append_inline(ex->out, at->place, ex->error)
                        : append_place(ex, at->page, at->line);
}

static bool append_quote(struct exporting *ex, const struct asking_quote *quote)
{
    if (!buffer_append_text(ex->out, "\n", ex->error) ||
        !append_lines(ex->out, "> ", quote->text, ex->error))
        return false;
    /* Where the library contradicts itself, or grows meanwhile. */
    if (!quote->verified || quote->section >= ex->document.sections)
        return buffer_append_text(ex->out, ">\n> — *not in the document*\n", ex->error);
    return buffer_append_text(ex->out, ">\n> — ", ex->error) &&
           append_section(ex, quote->section) && buffer_append_text(ex->out, ", ", ex->error) &&
           append_quote_place(ex, &quote->at) &&
           buffer_append_text(ex->out, " (verified)\n", ex->error);
}

static void format_day(char day[32], int64_t seconds)
{
    time_t at = (time_t)seconds;
    struct tm local;
    if (!localtime_r(&at, &local) || strftime(day, 32, "%Y-%m-%d", &local) == 0)
        snprintf(day, 32, "some day");
}

/* Its number, which `ask --after` takes, what it follows, and what it was asked of. */
static bool append_about(struct exporting *ex, const struct conversing_turn *turn)
{
    char day[32];
    format_day(day, turn->asked_at);
    if (!buffer_append_format(ex->out, ex->error, "\n*Question %lld, ", (long long)turn->id) ||
        (turn->parent > 0 && !buffer_append_format(ex->out, ex->error, "a follow-up to %lld, ",
                                                   (long long)turn->parent)) ||
        !buffer_append_format(ex->out, ex->error, "asked %s", day))
        return false;
    bool of = turn->as_of < 0 && turn->section >= 0 && turn->section < ex->document.sections;
    if ((of &&
         (!buffer_append_text(ex->out, " of ", ex->error) || !append_section(ex, turn->section))) ||
        (turn->as_of >= 0 && !buffer_append_format(ex->out, ex->error, " as of section %lld",
                                                   (long long)turn->as_of + 1)))
        return false;
    return buffer_append_text(ex->out, "*\n\n", ex->error);
}

/* Follow-ups have headings below that of what they follow, as far down as there are any. */
static bool append_question(struct exporting *ex, const struct conversing_turn *turn, size_t depth)
{
    int marks = depth < 3 ? 3 + (int)depth : 6;
    const char *answer = turn->answer ? turn->answer : "The document does not say.";
    bool ok = buffer_append_format(ex->out, ex->error, "\n%.*s ", marks, "######") &&
              append_inline(ex->out, turn->question, ex->error) &&
              buffer_append_text(ex->out, "\n", ex->error) && append_about(ex, turn) &&
              append_lines(ex->out, "", answer, ex->error);
    for (size_t i = 0; ok && i < turn->quote_count; i++)
        ok = append_quote(ex, &turn->quotes[i]);
    return ok;
}

static bool append_questions(struct exporting *ex)
{
    struct conversing conversation = {0};
    if (!conversing_list(ex->session, ex->document.id, &conversation, ex->error))
        return false;
    size_t count = conversation.count;
    size_t *order = calloc(count + 1, sizeof *order);
    size_t *depth = calloc(count + 1, sizeof *depth);
    bool ok = order && depth ? conversing_tree(&conversation, order, depth, ex->error)
                             : error_out_of_memory(ex->error);
    if (ok && count > 0)
        ok = buffer_append_text(ex->out, "\n## Questions\n", ex->error);
    for (size_t i = 0; ok && i < count; i++)
        ok = append_question(ex, &conversation.turns[order[i]], depth[i]);
    free(order);
    free(depth);
    conversing_free(&conversation);
    return ok;
}

/* --- notes ----------------------------------------------------------------------------------- */

static bool append_note_title(struct exporting *ex, const struct noting_note *note)
{
    const struct library_note *n = &note->note;
    struct buffer *out = ex->out;
    bool ok = buffer_append_text(out, "\n### ", ex->error);
    if (n->kind == LIBRARY_NOTE_MARK)
        ok = ok && buffer_append_text(out, "Mark ", ex->error) &&
             append_inline(out, n->name, ex->error);
    else
        ok = ok && buffer_append_text(out, n->kind == LIBRARY_NOTE_BOOKMARK ? "Bookmark" : "Note",
                                      ex->error);
    if (n->section >= 0 && n->section < ex->document.sections)
        ok = ok && buffer_append_text(out, ", ", ex->error) && append_section(ex, n->section);
    return ok && buffer_append_text(out, "\n", ex->error);
}

static bool append_note(struct exporting *ex, const struct noting_note *note)
{
    const struct library_note *n = &note->note;
    struct buffer *out = ex->out;
    bool ok = append_note_title(ex, note);
    if (ok && *n->passage)
        ok = buffer_append_text(out, "\n", ex->error) &&
             append_lines(out, "> ", n->passage, ex->error);
    if (ok && note->lost)
        ok = buffer_append_text(out, "\n*No longer in the document.*\n", ex->error);
    if (ok && *n->text)
        ok = buffer_append_text(out, "\n", ex->error) && append_lines(out, "", n->text, ex->error);
    return ok;
}

static bool append_notes(struct exporting *ex)
{
    struct noting notes = {0};
    if (!noting_list(ex->session, ex->document.id, &notes, ex->error))
        return false;
    bool ok = notes.count == 0 || buffer_append_text(ex->out, "\n## Marks and notes\n", ex->error);
    for (size_t i = 0; ok && i < notes.count; i++)
        ok = append_note(ex, &notes.items[i]);
    noting_free(&notes);
    return ok;
}

bool exporting_run(struct session *session, int64_t document, struct buffer *out,
                   struct error *error)
{
    struct exporting ex = {.session = session, .out = out, .error = error, .ok = true};
    struct library *library = session->library;
    bool ok = listing_document(session, document, true, &ex.document, error) && append_head(&ex) &&
              append_outline(&ex) &&
              library_each_summary(library, document, append_summary, &ex, error) && ex.ok &&
              append_questions(&ex) && append_notes(&ex);
    listing_document_free(&ex.document);
    return ok;
}
