/* configuration.h: what the user's configuration file says (place.h: where it lies).
 *
 *     struct configuration configuration;
 *     if (!configuration_read(&configuration, &error)) ...
 *     configuration_free(&configuration);
 *
 * The file is an INI file of lines `key = value`, in no section or in [tidemark].
 * docs/tidemark.1, CONFIGURATION, lists the keys. */
#ifndef TIDEMARK_APP_WORK_CONFIGURATION_H
#define TIDEMARK_APP_WORK_CONFIGURATION_H

#include "base/buffer.h"

#include <stdint.h>

struct configuration {
    struct buffer model; /* path or name of a model; empty: not set */
    int64_t budget;      /* bytes for all states; -1: not set */
};

/* All is unset when there is no file. ERROR_USAGE with file and line for a file that
 * cannot be read, a key that is not known or given twice, a value that is not fit. */
bool configuration_read(struct configuration *configuration, struct error *error) WARN_UNUSED;
void configuration_free(struct configuration *configuration);

#endif
