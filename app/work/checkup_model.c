/* Whether a model will be found, opened and have room. */
#include "app/work/checkup_private.h"

#include "app/work/configuration.h"
#include "app/work/place.h"
#include "engine/model.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_configuration(struct checkup *checkup)
{
    static const char check[] = "configuration";
    struct buffer path = {0};
    struct configuration configuration = {0};
    struct error error = {0};
    if (!place_configuration(&path, &error))
        checkup_note(checkup, check, "export HOME=/path/to/your/folder", "%s", error.text);
    else if (!configuration_read(&configuration, &error))
        checkup_problem(checkup, check, error.kind, "Correct the file, or move it away", "%s",
                        error.text);
    else if (access(path.data, F_OK) != 0)
        checkup_ok(checkup, check, "no %s: what is not set otherwise is as it comes", path.data);
    else
        checkup_ok(checkup, check, "%s", path.data);
    configuration_free(&configuration);
    buffer_free(&path);
}

/* --- memory ----------------------------------------------------------------------- */

/* A line of the kernel's "Name:   1234 kB" in bytes; 0: not known. */
static int64_t memory_available(void)
{
    char line[128];
    long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && kilobytes == 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lld kB", &kilobytes) != 1)
            kilobytes = 0;
    if (file)
        fclose(file);
    return kilobytes > 0 && kilobytes < INT64_MAX / 1024 ? (int64_t)kilobytes * 1024 : 0;
}

/* What the control group that a container is may take; INT64_MAX: as much as there is. */
static int64_t memory_limit(void)
{
    long long limit = 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (!file)
        return INT64_MAX;
    bool set = fscanf(file, "%lld", &limit) == 1 && limit > 0;
    fclose(file);
    return set ? (int64_t)limit : INT64_MAX;
}

static double mebibytes(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void check_memory(struct checkup *checkup, int64_t size)
{
    int64_t available = memory_available(), limit = memory_limit();
    if (available == 0) {
        checkup_ok(checkup, "memory", "not known how much is free; the model takes %.0f MiB",
                   mebibytes(size));
        return;
    }
    if (available > limit)
        available = limit;
    if (size > available)
        checkup_note(checkup, "memory",
                     "Close other programs, or name a smaller model by --model: one that does not"
                     " stay in memory is read from disk for every token",
                     "the model takes %.0f MiB, but only %.0f MiB are free", mebibytes(size),
                     mebibytes(available));
    else
        checkup_ok(checkup, "memory", "%.0f MiB free; the model takes %.0f MiB",
                   mebibytes(available), mebibytes(size));
}

/* --- the model -------------------------------------------------------------------- */

static void check_prompt(struct checkup *checkup, const struct model *model)
{
    const char *warning = tokenizer_warning(model->tokenizer);
    if (warning)
        checkup_note(checkup, "tokenizer", "Get a newer conversion of the model", "%s", warning);
    if (model->prompt.shape == PROMPT_PLAIN)
        checkup_note(checkup, "prompt",
                     "Use a model that was taught to answer (an \"instruct\" one) for asking",
                     "%s: the model has no ChatML template", prompt_name(&model->prompt));
    else
        checkup_ok(checkup, "prompt", "%s", prompt_name(&model->prompt));
}

static const char *remedy_for_place(const struct error *error)
{
    return error->kind == ERROR_MODEL
               ? "Put a Mamba GGUF file into the models folder, or name one by --model"
               : "Correct what names the model";
}

void checkup_model(struct checkup *checkup, const struct checkup_options *options)
{
    static const char check[] = "model";
    struct buffer path = {0};
    struct error error = {0};
    struct model *model = NULL;
    enum place_source source;
    check_configuration(checkup);
    if (!place_model(&path, &source, options->model, &error)) {
        checkup_problem(checkup, check, error.kind, remedy_for_place(&error), "%s", error.text);
    } else if (!model_open(&model, path.data, &error)) {
        checkup_problem(checkup, check, error.kind, "Get the file anew, or name another by --model",
                        "%s", error.text);
    } else {
        char types[32];
        model_weight_types(model, types, sizeof types);
        checkup_ok(checkup, check, "%s, %s, %s (%s)", model->name, types, path.data,
                   place_source_name(source));
        check_prompt(checkup, model);
        check_memory(checkup, (int64_t)gguf_map(model->file)->size);
    }
    model_close(model);
    buffer_free(&path);
}
