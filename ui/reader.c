#include "ui/reader.h"

#include "app/work/configuration.h"
#include "base/clock.h"
#include "ui/host.h"
#include "ui/library_view.h"
#include "ui/script.h"
#include "ui/shelf.h"

#include <errno.h>
#include <poll.h>

/* Seconds at least between two redraws for keys, and between any redraw and one for an
 * event alone. So a key does not wait for what an event drew just before it; and since an
 * event is drawn only where no key was for a while, there are no more than 30 a second. */
#define FRAME (1.0 / 30)
#define EVENT_FRAME (1.0 / 12)

struct reader {
    struct host host;
    const struct reader_options *options;
    struct script *script;
    struct terminal_input input;
    double drawn_at, key_drawn_at; /* clock_seconds() */
};

/* --- the loop -------------------------------------------------------------------------- */

static void take_strokes(struct reader *reader)
{
    while (!reader->host.leaving && terminal_next(&reader->input))
        host_input(&reader->host, &reader->input);
}

static void draw(struct reader *reader)
{
    if (reader->host.leaving)
        return;
    bool keyed = reader->host.keyed;
    host_draw(&reader->host);
    reader->drawn_at = clock_seconds();
    if (keyed)
        reader->key_drawn_at = reader->drawn_at;
}

static double next_frame(const struct reader *reader)
{
    return reader->host.keyed ? reader->key_drawn_at + FRAME : reader->drawn_at + EVENT_FRAME;
}

static int sooner(int a, int b)
{
    return a < 0 ? b : b < 0 ? a : a < b ? a : b;
}

/* Waits for keys and events, no longer than until the next redraw. */
static bool wait_for_something(struct reader *reader, int most, struct error *error)
{
    struct pollfd all[3];
    int patience = sooner(terminal_patience(), most);
    if (reader->host.changed) {
        double left = next_frame(reader) - clock_seconds();
        patience = sooner(patience, left > 0 ? (int)(left * 1000) + 1 : 0);
    }
    desk_descriptors(reader->host.desk, all);
    all[2] = (struct pollfd){.fd = terminal_descriptor(), .events = POLLIN};
    if (poll(all, 3, patience) < 0 && errno != EINTR)
        return error_set(error, ERROR_SYSTEM, "cannot wait for keys and events");
    return true;
}

/* One turn: what waits is handled, and what changed is drawn when it is time. */
static bool turn(struct reader *reader, int most, struct error *error)
{
    if (!wait_for_something(reader, most, error))
        return false;
    desk_handle(reader->host.desk);
    take_strokes(reader);
    if (reader->host.changed && clock_seconds() >= next_frame(reader))
        draw(reader);
    return true;
}

/* --- scripts ----------------------------------------------------------------------------- */

static bool is_reading(const struct reader *reader)
{
    const struct shelf_reading *reading = reader->host.shelf->readings;
    return reading && reading->begun && reading->progress.section > 0;
}

/* Goes on until what the step waits for is so, and the screen shows it. */
static bool settle(struct reader *reader, enum script_step step, struct error *error)
{
    bool done = false;
    do {
        const struct desk *desk = reader->host.desk;
        desk_handle(reader->host.desk);
        take_strokes(reader);
        if (reader->host.changed) {
            draw(reader); /* drawing may ask for more */
            continue;
        }
        done = !desk_is_busy(desk, true, step == SCRIPT_WAIT) &&
               (step != SCRIPT_WAIT_READING || is_reading(reader));
        if (!done && !turn(reader, 50, error))
            return false;
    } while (!done && !reader->host.leaving);
    return true;
}

static bool run_script(struct reader *reader, struct error *error)
{
    enum script_step step = SCRIPT_FED;
    if (!settle(reader, step, error))
        return false;
    while (!reader->host.leaving) {
        if (!script_next(reader->script, &step, error))
            return false;
        if (step == SCRIPT_END)
            break;
        if (!settle(reader, step, error))
            return false;
    }
    return true;
}

/* --- beginning and end --------------------------------------------------------------------- */

static bool run(struct reader *reader, struct error *error)
{
    struct host *host = &reader->host;
    const struct reader_options *options = reader->options;
    host_push(host, library_view_new(host));
    if (!host->top)
        return error_out_of_memory(error);
    for (size_t i = 0; i < options->document_count; i++)
        shelf_open(host->shelf, options->documents[i], i == 0);
    draw(reader);
    if (reader->script)
        return run_script(reader, error);
    while (!host->leaving)
        if (!turn(reader, -1, error))
            return false;
    if (host->hung_up)
        return error_set(error, ERROR_INTERRUPTED,
                         "ended from outside; what was read is kept and goes on next time");
    return true;
}

/* What was removed goes when the person leaves, not when the reader is ended. */
static bool sweep(struct reader *reader, struct error *error)
{
    struct host *host = &reader->host;
    shelf_sweep(host->shelf, error);
    while (desk_is_busy(host->desk, false, true) && host->shelf->removed_count > 0) {
        struct pollfd all[2];
        desk_descriptors(host->desk, all);
        if (poll(all, 2, -1) < 0 && errno != EINTR)
            break;
        desk_handle(host->desk);
    }
    return error->kind == ERROR_NONE;
}

static bool open_terminal(const struct reader *reader, const struct configuration *configuration,
                          struct error *error)
{
    struct terminal_options terminal = {.theme = theme_guess(),
                                        .mouse = configuration->mouse > 0,
                                        .script = reader->script != NULL,
                                        .lines = 24,
                                        .columns = 80};
    if (configuration->theme.size > 0)
        terminal.theme = theme_named(configuration->theme.data);
    if (!terminal.theme)
        return error_set(error, ERROR_USAGE, "%s: there is no theme %.40s: dark, light or mono",
                         configuration->path, configuration->theme.data);
    return terminal_open(&terminal, error);
}

static bool prepare(struct reader *reader, struct error *error)
{
    struct configuration configuration;
    struct host *host = &reader->host;
    const struct reader_options *options = reader->options;
    if (!configuration_read(&configuration, error))
        return false;
    host->no_reading = options->no_reading;
    host->keymap = keymap_new(&configuration, error);
    bool ok = host->keymap != NULL;
    if (ok && options->script) {
        reader->script = script_new(options->script, error);
        ok = reader->script != NULL;
    }
    if (ok) {
        host->desk = desk_open(&options->session, error);
        ok = host->desk != NULL;
    }
    if (ok) {
        host->shelf = shelf_new(host);
        ok = host->shelf || error_out_of_memory(error);
    }
    ok = ok && open_terminal(reader, &configuration, error);
    configuration_free(&configuration);
    return ok;
}

bool reader_run(const struct reader_options *options, struct error *error)
{
    struct reader reader = {.options = options};
    struct error failure = {0};
    bool ok = prepare(&reader, &failure) && run(&reader, &failure);
    terminal_close();
    /* Views stop what is being answered, and leave last wishes at the desk, which does them
     * before it closes. */
    while (reader.host.top)
        host_pop(&reader.host);
    if (ok)
        ok = sweep(&reader, &failure);
    desk_finish(reader.host.desk);
    desk_close(reader.host.desk);
    host_free(&reader.host);
    shelf_free(reader.host.shelf);
    keymap_free(reader.host.keymap);
    script_free(reader.script);
    terminal_input_free(&reader.input);
    if (!ok)
        *error = failure;
    return ok;
}
