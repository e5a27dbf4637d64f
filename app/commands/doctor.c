#include "app/command.h"
#include "app/commands/commands.h"
#include "app/work/checkup.h"

#include <signal.h>

static void print_json(struct output *out, const struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->count; i++) {
        const struct checkup_item *item = &checkup->items[i];
        output_json(out, json_pack("{s:s, s:s, s:o, s:o}", "check", item->check, "status",
                                   checkup_status_name(item->status), "found",
                                   output_json_text(item->found), "remedy",
                                   output_json_text(item->remedy)));
    }
}

static void print_item(struct output *out, const struct checkup_item *item)
{
    output_format(out, "%-8s %-15s ", checkup_status_name(item->status), item->check);
    output_line(out, item->found);
    output_format(out, "\n");
    if (!item->remedy)
        return;
    output_format(out, "%-24s -> ", "");
    output_line(out, item->remedy);
    output_format(out, "\n");
}

static size_t count_of(const struct checkup *checkup, enum checkup_status status)
{
    size_t count = 0;
    for (size_t i = 0; i < checkup->count; i++)
        count += checkup->items[i].status == status;
    return count;
}

static void print_text(struct output *out, const struct checkup *checkup)
{
    size_t problems = count_of(checkup, CHECKUP_PROBLEM), notes = count_of(checkup, CHECKUP_NOTE);
    for (size_t i = 0; i < checkup->count; i++)
        print_item(out, &checkup->items[i]);
    output_format(out, "\n%zu problem%s, %zu note%s\n", problems, problems == 1 ? "" : "s", notes,
                  notes == 1 ? "" : "s");
}

/* As the first problem will make commands end. */
static int exit_code(const struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->count; i++)
        if (checkup->items[i].status == CHECKUP_PROBLEM)
            return (int)checkup->items[i].kind;
    return 0;
}

/* There is no job that could be cancelled, and nothing to be lost by ending at once. */
static void let_signals_end_it(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

int doctor_run(const struct options *options)
{
    struct checkup_options where = {
        .model = options->model, .library = options->library, .kernels = options->kernels};
    struct checkup checkup;
    struct output out = {0};
    struct error error = {0};
    int code;
    let_signals_end_it();
    bool ok = checkup_run(&checkup, &where, &error);
    if (ok && options->json)
        print_json(&out, &checkup);
    else if (ok)
        print_text(&out, &checkup);
    ok = ok && output_flush(&out, &error);
    code = ok ? exit_code(&checkup) : command_print_error(&error);
    output_free(&out);
    checkup_free(&checkup);
    return code;
}
