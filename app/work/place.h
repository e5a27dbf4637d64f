/* place.h: where things lie: the library, the configuration, the models.
 *
 * Folders follow the XDG Base Directory Specification: the library is
 * $XDG_DATA_HOME/tidemark (~/.local/share/tidemark), the configuration file
 * $XDG_CONFIG_HOME/tidemark/config (~/.config/tidemark/config). What is installed
 * with the program is found from the program's own place (../share/tidemark), and
 * from the source tree when it runs from a build folder. */
#ifndef TIDEMARK_APP_WORK_PLACE_H
#define TIDEMARK_APP_WORK_PLACE_H

#include "base/buffer.h"

/* The folder of library.db and states.db: `given` when not NULL. */
bool place_library(struct buffer *path, const char *given, struct error *error) WARN_UNUSED;

/* The configuration file, which may be absent. ERROR_USAGE without a home folder. */
bool place_configuration(struct buffer *path, struct error *error) WARN_UNUSED;

/* The user's home folder, or NULL when it cannot be told. */
const char *place_home(void);

/* How a model was found. */
enum place_source {
    PLACE_OPTION,        /* --model */
    PLACE_ENVIRONMENT,   /* TIDEMARK_MODEL */
    PLACE_CONFIGURATION, /* model = ... in the configuration file */
    PLACE_USER,          /* the first *.gguf in $XDG_DATA_HOME/tidemark/models */
    PLACE_BUNDLED,       /* the model that comes with the program */
};
const char *place_source_name(enum place_source source);

/* The model file to use, the first found in the order above. `given` (may be
 * NULL) is the value of --model: a path, or the name of a file in the user's or
 * the bundled models folder, with or without ".gguf". ERROR_MODEL when there is
 * none, saying where it was looked for. */
bool place_model(struct buffer *path, enum place_source *source, const char *given,
                 struct error *error) WARN_UNUSED;

/* The sample document; ERROR_INPUT when it is not installed. */
bool place_sample(struct buffer *path, struct error *error) WARN_UNUSED;

#endif
