/* states_private.h: the layout of states.db; private to this folder. */
#ifndef TIDEMARK_STORE_STATES_PRIVATE_H
#define TIDEMARK_STORE_STATES_PRIVATE_H

#include "store/db.h"
#include "store/states.h"

extern const struct db_kind states_schema_kind;

#endif
