#include "app/work/checkup_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *checkup_status_name(enum checkup_status status)
{
    switch (status) {
    case CHECKUP_OK:
        return "ok";
    case CHECKUP_NOTE:
        return "note";
    case CHECKUP_PROBLEM:
        return "problem";
    }
    return "unknown";
}

/* --- items ------------------------------------------------------------------------ */

static void add(struct checkup *checkup, struct checkup_item item, const char *remedy,
                const char *found, va_list arguments) PRINTF_LIKE(4, 0);

static void add(struct checkup *checkup, struct checkup_item item, const char *remedy,
                const char *found, va_list arguments)
{
    assert(checkup->count < CHECKUP_ITEMS_MAX);
    item.remedy = remedy ? strdup(remedy) : NULL;
    if (vasprintf(&item.found, found, arguments) < 0)
        item.found = NULL;
    if (item.found && (item.remedy || !remedy)) {
        checkup->items[checkup->count++] = item;
        return;
    }
    checkup->out_of_memory = true;
    free(item.found);
    free(item.remedy);
}

void checkup_ok(struct checkup *checkup, const char *check, const char *found, ...)
{
    va_list arguments;
    va_start(arguments, found);
    add(checkup, (struct checkup_item){.check = check}, NULL, found, arguments);
    va_end(arguments);
}

void checkup_note(struct checkup *checkup, const char *check, const char *remedy, const char *found,
                  ...)
{
    va_list arguments;
    va_start(arguments, found);
    add(checkup, (struct checkup_item){.check = check, .status = CHECKUP_NOTE}, remedy, found,
        arguments);
    va_end(arguments);
}

void checkup_problem(struct checkup *checkup, const char *check, enum error_kind kind,
                     const char *remedy, const char *found, ...)
{
    va_list arguments;
    va_start(arguments, found);
    add(checkup, (struct checkup_item){.check = check, .status = CHECKUP_PROBLEM, .kind = kind},
        remedy, found, arguments);
    va_end(arguments);
}

/* --- the whole -------------------------------------------------------------------- */

bool checkup_run(struct checkup *checkup, const struct checkup_options *options,
                 struct error *error)
{
    *checkup = (struct checkup){0};
    checkup_machine(checkup, options);
    checkup_model(checkup, options);
    checkup_library(checkup, options);
    return !checkup->out_of_memory || error_out_of_memory(error);
}

void checkup_free(struct checkup *checkup)
{
    for (size_t i = 0; i < checkup->count; i++) {
        free(checkup->items[i].found);
        free(checkup->items[i].remedy);
    }
    *checkup = (struct checkup){0};
}
