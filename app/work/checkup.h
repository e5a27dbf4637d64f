/* checkup.h: what `tidemark doctor` finds out: each thing that tidemark rests on, how
 * it is, and what helps where it is not as it should be.
 *
 *     struct checkup checkup;
 *     if (!checkup_run(&checkup, &options, &error)) ...
 *     for (size_t i = 0; i < checkup.count; i++)
 *         print(&checkup.items[i]);
 *     checkup_free(&checkup);
 *
 * It needs no session, works when everything is broken, and creates and changes
 * nothing: databases are opened for reading only, without making the files that
 * SQLite keeps beside them. */
#ifndef TIDEMARK_APP_WORK_CHECKUP_H
#define TIDEMARK_APP_WORK_CHECKUP_H

#include "base/error.h"

#include <stddef.h>

enum checkup_status {
    CHECKUP_OK,
    CHECKUP_NOTE,    /* worth knowing; everything works */
    CHECKUP_PROBLEM, /* something will fail */
};

struct checkup_item {
    const char *check; /* what was looked at: "terminal" */
    enum checkup_status status;
    enum error_kind kind; /* of a problem: how commands will fail */
    char *found;          /* one line; may quote hostile text */
    char *remedy;         /* one line that begins with a verb or a command; NULL when ok */
};

#define CHECKUP_ITEMS_MAX 24

struct checkup {
    struct checkup_item items[CHECKUP_ITEMS_MAX];
    size_t count;
    bool out_of_memory;
};

/* As given on the command line, or NULL. */
struct checkup_options {
    const char *model, *library, *kernels;
};

/* Fails only for want of memory. To be freed in any case. */
bool checkup_run(struct checkup *checkup, const struct checkup_options *options,
                 struct error *error) WARN_UNUSED;
void checkup_free(struct checkup *checkup);

const char *checkup_status_name(enum checkup_status status);

#endif
