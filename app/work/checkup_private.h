/* checkup_private.h: the parts of a checkup; private to checkup*.c. Each adds its
 * items. */
#ifndef TIDEMARK_APP_WORK_CHECKUP_PRIVATE_H
#define TIDEMARK_APP_WORK_CHECKUP_PRIVATE_H

#include "app/work/checkup.h"

#include <stdint.h>

void checkup_ok(struct checkup *checkup, const char *check, const char *found, ...)
    PRINTF_LIKE(3, 4);
void checkup_note(struct checkup *checkup, const char *check, const char *remedy, const char *found,
                  ...) PRINTF_LIKE(4, 5);
void checkup_problem(struct checkup *checkup, const char *check, enum error_kind kind,
                     const char *remedy, const char *found, ...) PRINTF_LIKE(5, 6);

/* Terminal, locale, encodings, formats, processor, cores. */
void checkup_machine(struct checkup *checkup, const struct checkup_options *options);

/* Configuration file, model, prompt, memory. */
void checkup_model(struct checkup *checkup, const struct checkup_options *options);

/* Folder, permissions, disk, both databases, clock. */
void checkup_library(struct checkup *checkup, const struct checkup_options *options);

/* One of the two databases; *latest is raised to the latest date in it. */
enum checkup_database { CHECKUP_LIBRARY_DB, CHECKUP_STATES_DB };
void checkup_look_into(struct checkup *checkup, const char *folder, enum checkup_database which,
                       int64_t *latest);

#endif
