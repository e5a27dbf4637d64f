/* library_verify.h: the parts of library_verify; private to this folder. */
#ifndef TIDEMARK_STORE_LIBRARY_VERIFY_H
#define TIDEMARK_STORE_LIBRARY_VERIFY_H

#include "store/db.h"

/* All that library_verify looks at, in a database with the newest layout. */
bool library_verify_all(struct db *db, struct db_report *report, struct error *error) WARN_UNUSED;

/* Whether the full-text index holds the words of the sections and no others. */
bool library_verify_index(struct db *db, struct db_report *report, struct error *error) WARN_UNUSED;

#endif
