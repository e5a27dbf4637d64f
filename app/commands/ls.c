#include "app/command.h"
#include "app/commands/commands.h"
#include "base/quantity.h"
#include "app/work/listing.h"

#include <stdio.h>

static bool run_job(struct session *session, void *context, struct error *error)
{
    return listing_documents(session, context, error);
}

static void print_json(struct output *out, const struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct listing_document *document = &listing->documents[i];
        output_json(
            out,
            json_pack("{s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "id",
                      (json_int_t)document->id, "name", output_json_text(document->name), "path",
                      output_json_text(document->path), "sections", (json_int_t)document->sections,
                      "sections_read", (json_int_t)document->sections_read, "tokens_read",
                      (json_int_t)document->tokens_read, "characters",
                      (json_int_t)document->characters, "bytes", (json_int_t)document->bytes,
                      "state_bytes", (json_int_t)document->state_bytes, "complete",
                      (int)document->complete));
    }
}

static void add_row(struct output_table *table, const struct listing_document *document)
{
    char text[QUANTITY_SIZE];
    snprintf(text, sizeof text, "%lld", (long long)document->id);
    output_cell(table, text);
    output_cell(table, document->name);
    output_cell(table, quantity_count(text, document->sections));
    if (!document->complete)
        snprintf(text, sizeof text, "text cut");
    else
        snprintf(text, sizeof text, "%.0f%%",
                 document->sections > 0
                     ? 100.0 * (double)document->sections_read / (double)document->sections
                     : 0.0);
    output_cell(table, text);
    output_cell(table, quantity_bytes(text, document->bytes));
    output_cell(table, quantity_bytes(text, document->state_bytes));
}

static void print_table(struct output *out, const struct listing *listing)
{
    static const char *const heads[] = {"ID", "NAME", "SECTIONS", "READ", "SIZE", "STATES"};
    struct output_table table = {.columns = 6, .right = 0x3D};
    if (listing->count == 0) {
        output_format(out, "The library is empty: `tidemark read FILE` adds a document.\n");
        return;
    }
    for (size_t i = 0; i < table.columns; i++)
        output_cell(&table, heads[i]);
    for (size_t i = 0; i < listing->count; i++)
        add_row(&table, &listing->documents[i]);
    output_rows(out, &table);
}

int ls_run(const struct options *options)
{
    struct command command;
    struct listing listing = {0};
    struct error error = {0};
    if (command_open(&command, options, &error) &&
        command_do(&command, run_job, &listing, &error)) {
        if (options->json)
            print_json(&command.out, &listing);
        else
            print_table(&command.out, &listing);
    }
    listing_free(&listing);
    return command_close(&command, &error);
}
