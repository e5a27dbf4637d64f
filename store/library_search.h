/* library_search.h: what the full-text search adds to a connection; private to this
 * folder. */
#ifndef TIDEMARK_STORE_LIBRARY_SEARCH_H
#define TIDEMARK_STORE_LIBRARY_SEARCH_H

#include "store/db.h"

/* FTS5's own interface on this connection. */
bool library_search_api(struct db *db, fts5_api **api, struct error *error) WARN_UNUSED;

/* Makes the functions known that searching uses. Once a connection. */
bool library_search_register(struct db *db, struct error *error) WARN_UNUSED;

#endif
