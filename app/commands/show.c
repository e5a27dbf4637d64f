#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/listing.h"
#include "base/quantity.h"

#include <stdio.h>

#define INDENT_MOST 8 /* levels */

struct show_job {
    const char *key;
    struct listing_document document;
};

static bool run_job(struct session *session, void *context, struct error *error)
{
    struct show_job *job = context;
    int64_t id;
    return listing_find(session, job->key, &id, NULL, error) &&
           listing_document(session, id, true, &job->document, error);
}

/* --- JSON -------------------------------------------------------------------------- */

static json_t *checkpoints_json(const struct listing_section *section)
{
    json_t *array = json_array();
    for (size_t i = 0; i < section->checkpoint_count; i++) {
        const struct listing_checkpoint *checkpoint = &section->checkpoints[i];
        json_append(array,
                    json_pack("{s:s, s:I, s:s}", "kind",
                              checkpoint->kind == STATES_PREFIX ? "prefix" : "section", "token",
                              (json_int_t)checkpoint->token, "hash", checkpoint->hash));
    }
    return array;
}

static json_t *section_json(const struct listing_section *section, bool several)
{
    json_t *json =
        json_pack("{s:o, s:I, s:[I, I], s:I, s:I, s:o, s:o}", "title",
                  output_json_text(section->title), "level", (json_int_t)section->level, "bytes",
                  (json_int_t)section->begin_byte, (json_int_t)section->end_byte, "page",
                  (json_int_t)section->page, "line", (json_int_t)section->line, "tokens",
                  section->tokens < 0 ? json_null() : json_integer(section->tokens), "checkpoints",
                  checkpoints_json(section));
    if (json && several)
        json_put(json, "source", json_integer(section->source));
    return json;
}

static void print_json(struct output *out, const struct listing_document *document)
{
    json_t *sections = json_array();
    for (int64_t i = 0; i < document->sections; i++)
        json_append(sections, section_json(&document->outline[i], document->sources > 1));
    output_json(
        out,
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:I, s:o}", "id", (json_int_t)document->id, "name",
                  output_json_text(document->name), "path", output_json_text(document->path),
                  "encoding", output_json_text(document->encoding), "confidence",
                  document->encoding ? json_integer(document->confidence) : json_null(),
                  "invalid_bytes", (json_int_t)document->invalid_bytes, "sections", sections));
}

/* --- text -------------------------------------------------------------------------- */

static void add_title(struct output_table *table, const struct listing_section *section)
{
    struct buffer title = {0};
    int64_t depth = section->level < INDENT_MOST ? section->level : INDENT_MOST;
    if (buffer_append_format(&title, &table->text.error, "%*s%s",
                             depth > 1 ? (int)(depth - 1) * 2 : 0, "", section->title))
        output_cell(table, title.data);
    buffer_free(&title);
}

static bool has_state(const struct listing_section *section, enum states_kind kind)
{
    for (size_t i = 0; i < section->checkpoint_count; i++)
        if (section->checkpoints[i].kind == kind)
            return true;
    return false;
}

static void add_row(struct output_table *table, const struct listing_document *document,
                    int64_t number)
{
    const struct listing_section *section = &document->outline[number];
    char text[QUANTITY_SIZE];
    snprintf(text, sizeof text, "%lld", (long long)number + 1);
    output_cell(table, text);
    add_title(table, section);
    output_cell(table, quantity_count(text, document->pages > 1 ? section->page : section->line));
    output_cell(table, section->tokens < 0 ? "-" : quantity_count(text, section->tokens));
    if (section->tokens > 0)
        snprintf(text, sizeof text, "%.2f", section->bits / (double)section->tokens);
    output_cell(table, section->tokens > 0 ? text : "-");
    snprintf(text, sizeof text, "%s%s", has_state(section, STATES_PREFIX) ? "P" : "-",
             has_state(section, STATES_SECTION) ? "S" : "-");
    output_cell(table, text);
}

static void print_encoding(struct output *out, const struct listing_document *document)
{
    char count[QUANTITY_SIZE];
    if (!document->encoding)
        return;
    output_line(out, document->encoding);
    if (document->guessed)
        output_format(out, " (a guess, %lld %% sure)", (long long)document->confidence);
    if (document->invalid_bytes > 0)
        output_format(out, ", %s byte%s broken and shown as U+FFFD",
                      quantity_count(count, document->invalid_bytes),
                      document->invalid_bytes == 1 ? " is" : "s are");
    output_format(out, "\n");
}

static void print_head(struct output *out, const struct listing_document *document)
{
    char text[QUANTITY_SIZE];
    output_line(out, document->name);
    output_format(out, "  (%lld)\n", (long long)document->id);
    output_line(out, document->path);
    if (document->sources > 1)
        output_format(out, " and %lld more", (long long)document->sources - 1);
    output_format(out, "\n");
    print_encoding(out, document);
    output_format(out, "%s, %lld section%s, ", quantity_bytes(text, document->bytes),
                  (long long)document->sections, document->sections == 1 ? "" : "s");
    if (document->sections_read == 0)
        output_format(out, "not read by this model");
    else
        output_format(out, "%lld of them read (%s tokens)", (long long)document->sections_read,
                      quantity_count(text, document->tokens_read));
    output_format(out, "%s, states take %s\n", document->mixed ? " by mixed kernels" : "",
                  quantity_bytes(text, document->state_bytes));
    if (!document->complete)
        output_format(out, "Its text was not stored to the end: read it again.\n");
    output_format(out, "\n");
}

static void print_outline(struct output *out, const struct listing_document *document)
{
    struct output_table table = {.columns = 6, .right = 0x1D};
    const char *heads[] = {"#",      "TITLE",      document->pages > 1 ? "PAGE" : "LINE",
                           "TOKENS", "BITS/TOKEN", "STATES"};
    print_head(out, document);
    for (size_t i = 0; i < table.columns; i++)
        output_cell(&table, heads[i]);
    for (int64_t i = 0; i < document->sections; i++)
        add_row(&table, document, i);
    output_rows(out, &table);
    output_dim(out, true);
    output_format(out, "States: P of everything up to here, S of this section alone.");
    output_dim(out, false);
    output_format(out, "\n");
}

int show_run(const struct options *options)
{
    struct command command;
    struct show_job job = {.key = options->arguments[0]};
    struct error error = {0};
    if (command_open(&command, options, &error) && command_do(&command, run_job, &job, &error)) {
        if (options->json)
            print_json(&command.out, &job.document);
        else
            print_outline(&command.out, &job.document);
    }
    listing_document_free(&job.document);
    return command_close(&command, &error);
}
