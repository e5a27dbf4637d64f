/* library_loss.h: what one library holds that another lacks; private to this folder. */
#ifndef TIDEMARK_STORE_LIBRARY_LOSS_H
#define TIDEMARK_STORE_LIBRARY_LOSS_H

#include "store/db.h"
#include "store/library.h"

/* Documents are the same by name, date, paths and text; what hangs on them does so by
 * the same, but for the text. Both databases have the newest layout. */
bool library_loss_find(struct library_loss *loss, struct db *present, struct db *backup,
                       struct error *error) WARN_UNUSED;

#endif
