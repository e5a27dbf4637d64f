#include "app/command.h"
#include "app/commands/commands.h"
#include "base/quantity.h"
#include "app/work/upkeep.h"

static bool run_job(struct session *session, void *context, struct error *error)
{
    return upkeep_collect(session, context, error);
}

static void print_json(struct output *out, const struct upkeep_collection *collection)
{
    output_json(out,
                json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "orphans",
                          (json_int_t)collection->orphans.states, "orphan_bytes",
                          (json_int_t)collection->orphans.bytes, "thinned",
                          (json_int_t)collection->thinned.states, "thinned_bytes",
                          (json_int_t)collection->thinned.bytes, "state_bytes",
                          (json_int_t)collection->left, "budget", (json_int_t)collection->budget));
}

static void print_freed(struct output *out, const struct states_freed *freed, const char *what)
{
    char count[QUANTITY_SIZE], bytes[QUANTITY_SIZE];
    if (freed->states > 0)
        output_format(out, "removed %s state%s %s (%s)\n", quantity_count(count, freed->states),
                      freed->states == 1 ? "" : "s", what, quantity_bytes(bytes, freed->bytes));
}

static void print_text(struct output *out, const struct upkeep_collection *collection)
{
    char left[QUANTITY_SIZE], budget[QUANTITY_SIZE];
    print_freed(out, &collection->orphans, "that fitted nothing any more");
    print_freed(out, &collection->thinned, "that saved the least reading");
    output_format(
        out, "the states take %s of the %s that they may%s\n",
        quantity_bytes(left, collection->left), quantity_bytes(budget, collection->budget),
        collection->left > collection->budget ? ": the last one of each reading is always kept"
                                              : "");
}

int gc_run(const struct options *options)
{
    struct command command;
    struct upkeep_collection collection;
    struct error error = {0};
    if (command_open(&command, options, &error) &&
        command_do(&command, run_job, &collection, &error)) {
        if (options->json)
            print_json(&command.out, &collection);
        else
            print_text(&command.out, &collection);
    }
    return command_close(&command, &error);
}
