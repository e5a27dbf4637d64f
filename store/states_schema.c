/* The layout of states.db, version 1. An existing file must hold exactly these
 * statements (db.h): a change of any kind is a new version with its own list of
 * statements that leads there. */
#include "store/states_private.h"

/* A state, without its bytes.
 *   document, model, kind, section   its place: the document's number in library.db,
 *                the XXH3-128 of the model's file, 1 prefix, 2 section or 3 answer,
 *                the ordinal, or the number in library.db of the answer's question
 *   format, tokenizer, normalizer, preamble, text   its key, what the bytes depend on:
 *                three versions, the XXH3-128 of the preamble's tokens and that of
 *                every normalized byte read
 *   numerics     tag of the arithmetic that made it
 *   token        tokens in the state, preamble included
 *   hash         XXH3-128 of the uncompressed payload
 *   codec        how the payload is stored (states_payload.h)
 *   raw_bytes, stored_bytes   its size uncompressed and stored
 *   created_at   unix seconds
 *   used_at      unix seconds, a day or so behind the last load */
static const char state_table[] = "CREATE TABLE state ("
                                  " id INTEGER PRIMARY KEY,"
                                  " document INTEGER NOT NULL,"
                                  " model BLOB NOT NULL,"
                                  " kind INTEGER NOT NULL,"
                                  " section INTEGER NOT NULL,"
                                  " format INTEGER NOT NULL,"
                                  " tokenizer INTEGER NOT NULL,"
                                  " normalizer INTEGER NOT NULL,"
                                  " preamble BLOB NOT NULL,"
                                  " text BLOB NOT NULL,"
                                  " numerics TEXT NOT NULL,"
                                  " token INTEGER NOT NULL,"
                                  " hash BLOB NOT NULL,"
                                  " codec INTEGER NOT NULL,"
                                  " raw_bytes INTEGER NOT NULL,"
                                  " stored_bytes INTEGER NOT NULL,"
                                  " created_at INTEGER NOT NULL,"
                                  " used_at INTEGER NOT NULL,"
                                  " UNIQUE (document, model, kind, section)"
                                  ") STRICT";

/* The bytes, apart from the rest so that states are listed and marked as used
 * without moving them. */
static const char payload_table[] = "CREATE TABLE payload ("
                                    " state INTEGER PRIMARY KEY"
                                    " REFERENCES state(id) ON DELETE CASCADE,"
                                    " bytes BLOB NOT NULL"
                                    ") STRICT";

static const char *const version_1[] = {state_table, payload_table, NULL};

static const char *const *const upgrades[STATES_SCHEMA] = {version_1};

/* Large pages suit large payloads. Pages that fall free can be given back to the
 * file system only if the file was made for it. */
static const char *const before_creation[] = {
    "PRAGMA page_size = 16384",
    "PRAGMA auto_vacuum = INCREMENTAL",
    NULL,
};

/* Overwrites what was removed only where that costs no further writing. */
static const char *const for_connection[] = {"PRAGMA secure_delete = FAST", NULL};

const struct db_kind states_schema_kind = {
    .file = "states.db",
    .advice = "states can be made again by reading: move the file away",
    .application_id = STATES_APPLICATION_ID,
    .schema = STATES_SCHEMA,
    .upgrades = upgrades,
    .before_creation = before_creation,
    .for_connection = for_connection,
};
