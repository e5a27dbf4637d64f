#include "app/work/importing.h"

#include "app/work/calibrating.h"
#include "base/clock.h"
#include "convert/hub.h"
#include "convert/requantize.h"
#include "convert/stream.h"
#include "kernels/quantize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_AFTER 0.5 /* seconds: what takes less needs no word */

struct import {
    struct session *session;
    const struct importing_options *options;
    struct importing_result *result;
    struct pool *pool;
    const char *doing;
    double began; /* the writing that goes on */

    struct model *model; /* calibrated with */
    struct importance *importance;
};

/* --- what both do ------------------------------------------------------------------------ */

static void report(void *context, uint64_t done, uint64_t all)
{
    struct import *import = context;
    double seconds = clock_seconds() - import->began;
    if (seconds < REPORT_AFTER)
        return;
    struct event_progress progress = {
        .doing = import->doing,
        .bytes = (int64_t)done,
        .bytes_expected = (int64_t)all,
        .seconds_left = done > 0 ? seconds / (double)done * (double)(all - done) : -1,
    };
    session_progress(import->session, &progress);
}

static bool begin(struct import *import, struct session *session,
                  const struct importing_options *options, struct importing_result *result,
                  const struct types_file **types, struct error *error)
{
    *import = (struct import){.session = session, .options = options, .result = result};
    *result = (struct importing_result){0};
    const char *type = options->type ? options->type : IMPORTING_DEFAULT_TYPE;
    *types = types_find(type);
    if (!*types)
        return error_set(error, ERROR_USAGE, "--type %.40s is not known; there are: %s", type,
                         TYPES_NAMES);
    if (!options->output || !*options->output)
        return error_set(error, ERROR_USAGE, "name the file to be written with --output FILE");
    if (!stream_may_write(options->output, options->replace, error))
        return false;
    import->pool = pool_new(session->options.threads, error);
    if (!import->pool)
        return false;
    pool_set_cancel(import->pool, session->cancel);
    result->type = (*types)->name;
    return true;
}

static void end(struct import *import)
{
    importance_free(import->importance);
    model_close(import->model);
    pool_free(import->pool);
}

static bool write_plan(struct import *import, const struct plan *plan, const char *path,
                       bool replace, const char *doing, struct error *error)
{
    const struct stream_options options = {
        .replace = replace,
        .pool = import->pool,
        .report = report,
        .context = import,
    };
    import->doing = doing;
    import->began = clock_seconds();
    return stream_write(plan, path, &options, error);
}

static void count(struct importing_result *result, const struct plan *plan)
{
    result->bytes = (int64_t)plan->size;
    result->tensors = (int64_t)plan->count;
    for (size_t i = 0; i < plan->count; i++)
        result->weights += (int64_t)(plan_rows(&plan->tensors[i]) * plan->tensors[i].ne[0]);
}

static bool calibrate(struct import *import, struct error *error)
{
    const struct calibrating_text text = {import->options->calibrate, import->options->encoding};
    return calibrating_run(import->session, import->model, import->pool, &text, &import->importance,
                           &import->result->calibrated_tokens, error);
}

/* --- import -------------------------------------------------------------------------------- */

/* The model is needed to read with before there is one. Its file loses its name as soon
 * as it is open. */
static bool open_for_calibration(struct import *import, struct hub *hub, struct error *error)
{
    struct plan plan = {0};
    struct buffer path = {0};
    bool ok = buffer_append_text(&path, import->options->output, error) &&
              buffer_append_text(&path, ".calibration", error) &&
              hub_plan(hub, &plan, types_find("q8_0"), error) &&
              write_plan(import, &plan, path.data, true, "preparing", error);
    if (ok) {
        ok = model_open(&import->model, path.data, error);
        unlink(path.data);
    }
    plan_free(&plan);
    buffer_free(&path);
    return ok;
}

static bool import_hub(struct import *import, struct hub *hub, const struct types_file *types,
                       struct error *error)
{
    struct plan plan = {0};
    bool ok = hub_plan(hub, &plan, types, error);
    if (ok && hub_note(hub))
        session_note(import->session, "%s", hub_note(hub));
    if (ok && import->options->calibrate) {
        ok = open_for_calibration(import, hub, error) && calibrate(import, error);
        if (ok)
            importance_apply(import->importance, &plan);
    }
    ok = ok && write_plan(import, &plan, import->options->output, import->options->replace,
                          "importing", error);
    count(import->result, &plan);
    plan_free(&plan);
    return ok;
}

bool importing_import(struct session *session, const struct importing_options *options,
                      struct importing_result *result, struct error *error)
{
    struct import import;
    struct hub *hub = NULL;
    const struct types_file *types;
    double began = clock_seconds();
    bool ok = begin(&import, session, options, result, &types, error) &&
              hub_open(&hub, options->paths, options->count, options->tokenizer, error) &&
              import_hub(&import, hub, types, error);
    result->seconds = clock_seconds() - began;
    end(&import);
    hub_close(hub);
    return ok;
}

/* --- quantize -------------------------------------------------------------------------------- */

static bool check_not_itself(const char *source, const char *output, struct error *error)
{
    struct stat from, to;
    if (stat(source, &from) != 0 || stat(output, &to) != 0 || from.st_dev != to.st_dev ||
        from.st_ino != to.st_ino)
        return true;
    return error_set(error, ERROR_INPUT, "%s is the source itself: name another file with --output",
                     output);
}

static bool quantize_file(struct import *import, const struct gguf *file,
                          const struct types_file *types, struct error *error)
{
    struct plan plan = {0};
    int descriptor = open(gguf_path(file), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set(error, ERROR_MODEL, "cannot open %s: %s", gguf_path(file),
                         strerror(errno));
    bool ok = requantize_plan(&plan, file, descriptor, types, error);
    if (ok && import->options->calibrate) {
        ok = calibrate(import, error);
        if (ok)
            importance_apply(import->importance, &plan);
    }
    ok = ok && write_plan(import, &plan, import->options->output, import->options->replace,
                          "quantizing", error);
    count(import->result, &plan);
    plan_free(&plan);
    close(descriptor);
    return ok;
}

bool importing_quantize(struct session *session, const struct importing_options *options,
                        struct importing_result *result, struct error *error)
{
    struct import import;
    const struct types_file *types;
    double began = clock_seconds();
    bool ok = begin(&import, session, options, result, &types, error) &&
              check_not_itself(options->paths[0], options->output, error) &&
              model_open(&import.model, options->paths[0], error) &&
              quantize_file(&import, import.model->file, types, error);
    result->seconds = clock_seconds() - began;
    end(&import);
    return ok;
}

/* --- verify ------------------------------------------------------------------------------------
 */

enum { VERIFY_ROWS = 256 };

struct check {
    const struct gguf_tensor *tensor;
    size_t columns, rows;
    _Atomic size_t bad; /* the first row that is; `rows`: none */
};

static void check_rows(void *context, size_t item, unsigned worker)
{
    struct check *check = context;
    enum blocks_type type = (enum blocks_type)check->tensor->type;
    size_t bytes = blocks_row_bytes(type, check->columns), last = (item + 1) * VERIFY_ROWS;
    (void)worker;
    for (size_t row = item * VERIFY_ROWS; row < last && row < check->rows; row++)
        if (!quantize_row_is_finite(type, check->tensor->data + row * bytes, check->columns)) {
            size_t known = atomic_load(&check->bad);
            while (row < known && !atomic_compare_exchange_weak(&check->bad, &known, row))
                continue;
            return;
        }
}

static bool check_tensor(struct pool *pool, const struct gguf *file,
                         const struct gguf_tensor *tensor, struct importing_result *result,
                         struct error *error)
{
    int shown = tensor->name.size < 80 ? (int)tensor->name.size : 80;
    if (!tensor->data)
        return error_set(error, ERROR_MODEL, "%s: tensor %.*s has type %u, which is not supported",
                         gguf_path(file), shown, tensor->name.data, tensor->type);
    struct check check = {
        .tensor = tensor,
        .columns = (size_t)tensor->ne[0],
        .rows = (size_t)(tensor->ne[1] * tensor->ne[2] * tensor->ne[3]),
    };
    atomic_init(&check.bad, check.rows);
    if (!pool_run(pool, check_rows, &check, (check.rows + VERIFY_ROWS - 1) / VERIFY_ROWS))
        return error_set(error, ERROR_INTERRUPTED, "interrupted");
    result->weights += (int64_t)(check.columns * check.rows);
    return check.bad == check.rows ||
           error_set(error, ERROR_MODEL,
                     "%s is damaged: row %zu of %.*s holds a scale or weight that is not a finite "
                     "number: get the file again",
                     gguf_path(file), (size_t)check.bad, shown, tensor->name.data);
}

static bool check_file(struct session *session, struct pool *pool, const struct gguf *file,
                       struct importing_result *result, struct error *error)
{
    struct import import = {.session = session, .doing = "verifying", .began = clock_seconds()};
    uint64_t done = 0;
    result->bytes = (int64_t)gguf_map(file)->size;
    for (size_t i = 0; i < gguf_tensors(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        if (!check_tensor(pool, file, tensor, result, error))
            return false;
        result->tensors++;
        done += tensor->bytes;
        report(&import, done, gguf_map(file)->size);
    }
    return true;
}

bool importing_verify(struct session *session, const char *path, struct buffer *verified,
                      struct importing_result *result, struct error *error)
{
    enum place_source source;
    struct model *model = NULL;
    struct pool *pool = NULL;
    double began = clock_seconds();
    *result = (struct importing_result){0};
    bool ok = (path ? buffer_append_text(verified, path, error)
                    : place_model(verified, &source, session->options.model, error)) &&
              model_open(&model, verified->data, error);
    if (ok)
        pool = pool_new(session->options.threads, error);
    ok = ok && pool;
    if (ok) {
        pool_set_cancel(pool, session->cancel);
        ok = check_file(session, pool, model->file, result, error);
    }
    result->seconds = clock_seconds() - began;
    pool_free(pool);
    model_close(model);
    return ok;
}
