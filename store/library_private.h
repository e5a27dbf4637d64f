/* library_private.h: what the files of the library share; private to this folder. */
#ifndef TIDEMARK_STORE_LIBRARY_PRIVATE_H
#define TIDEMARK_STORE_LIBRARY_PRIVATE_H

#include "store/db.h"
#include "store/library.h"

struct library {
    struct db db;
};

extern const struct db_kind library_schema_kind;

/* The columns that library_read_document takes, in order. */
#define LIBRARY_DOCUMENT_COLUMNS                                                                   \
    "document.id, document.name, document.path, document.added_at, document.sections,"             \
    " document.characters,"                                                                        \
    " (SELECT coalesce(sum(size), 0) FROM source WHERE source.document = document.id),"            \
    " document.normalizer, document.complete"

/* Reads the row that the query stands on; false (freed) when the query has failed. */
bool library_read_document(struct db_query *query, struct library_document *document) WARN_UNUSED;

#endif
