/* The layout of library.db. An existing file must hold exactly these
 * statements (db.h): a change of any kind is a new version with its own list of
 * statements that leads there. */
#include "store/library_private.h"

/* A document: one or more source files, cut into sections. The numbers are never
 * given twice, because states.db refers to documents by them.
 *   name        shown, and accepted as DOC
 *   path        absolute path of the first source
 *   added_at    unix seconds
 *   normalizer  version of the text normalizer that made the text
 *   sections    sections stored so far
 *   characters  characters of these sections
 *   complete    1 once the text is stored to its end */
static const char document_table[] = "CREATE TABLE document ("
                                     " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                     " name TEXT NOT NULL UNIQUE,"
                                     " path TEXT NOT NULL,"
                                     " added_at INTEGER NOT NULL,"
                                     " normalizer INTEGER NOT NULL,"
                                     " sections INTEGER NOT NULL DEFAULT 0,"
                                     " characters INTEGER NOT NULL DEFAULT 0,"
                                     " complete INTEGER NOT NULL DEFAULT 0"
                                     ") STRICT";

/* A source file of a document.
 *   ordinal        from 0
 *   path           absolute
 *   size           bytes
 *   lines, pages   as the text counts them
 *   invalid_bytes  that were not UTF-8
 *   modified_ns    mtime when it was read, nanoseconds since 1970
 *   hash           XXH3-128 of its bytes */
static const char source_table[] = "CREATE TABLE source ("
                                   " document INTEGER NOT NULL"
                                   " REFERENCES document(id) ON DELETE CASCADE,"
                                   " ordinal INTEGER NOT NULL,"
                                   " path TEXT NOT NULL,"
                                   " size INTEGER NOT NULL,"
                                   " lines INTEGER NOT NULL,"
                                   " pages INTEGER NOT NULL,"
                                   " invalid_bytes INTEGER NOT NULL,"
                                   " modified_ns INTEGER NOT NULL,"
                                   " hash BLOB NOT NULL,"
                                   " PRIMARY KEY (document, ordinal)"
                                   ") STRICT, WITHOUT ROWID";

static const char source_by_path[] = "CREATE INDEX source_by_path ON source (path)";

/* A section of a document's text.
 *   ordinal     from 0, through all sources
 *   source      ordinal of its source
 *   title       heading
 *   level       depth in the outline, from 1
 *   part        1, or 2, 3 ... for the continuation of a long section
 *   begin_byte, end_byte, line, page   where it lies in the source
 *   characters  of text
 *   text_hash   XXH3-128 of text
 *   text        normalized UTF-8
 *   map         encoded position map, or NULL
 * The long columns come last, so that the outline is read without them. */
static const char section_table[] = "CREATE TABLE section ("
                                    " id INTEGER PRIMARY KEY,"
                                    " document INTEGER NOT NULL"
                                    " REFERENCES document(id) ON DELETE CASCADE,"
                                    " ordinal INTEGER NOT NULL,"
                                    " source INTEGER NOT NULL,"
                                    " title TEXT NOT NULL,"
                                    " level INTEGER NOT NULL,"
                                    " part INTEGER NOT NULL,"
                                    " begin_byte INTEGER NOT NULL,"
                                    " end_byte INTEGER NOT NULL,"
                                    " line INTEGER NOT NULL,"
                                    " page INTEGER NOT NULL,"
                                    " characters INTEGER NOT NULL,"
                                    " text_hash BLOB NOT NULL,"
                                    " text TEXT NOT NULL,"
                                    " map BLOB,"
                                    " UNIQUE (document, ordinal)"
                                    ") STRICT";

/* The full-text index of title and text. The words are stored once, in section:
 * who adds or removes a section there does the same here. */
static const char search_table[] = "CREATE VIRTUAL TABLE search USING fts5("
                                   "title, text, content='section', content_rowid='id',"
                                   " tokenize='porter unicode61 remove_diacritics 2')";

/* The fingerprint of a model's file, with all that tells its version apart.
 * Unsigned 64-bit numbers are kept as the signed ones of the same bits. */
static const char fingerprint_table[] = "CREATE TABLE fingerprint ("
                                        " device INTEGER NOT NULL,"
                                        " inode INTEGER NOT NULL,"
                                        " size INTEGER NOT NULL,"
                                        " modified_ns INTEGER NOT NULL,"
                                        " changed_ns INTEGER NOT NULL,"
                                        " fingerprint BLOB NOT NULL,"
                                        " PRIMARY KEY (device, inode)"
                                        ") STRICT, WITHOUT ROWID";

/* A model that was used: name and path as they were last. What hangs on a model is
 * not lost with it: its row cannot be removed while anything refers to it.
 *   fingerprint  XXH3-128 of the whole file
 *   used_at      unix seconds of the last use */
static const char model_table[] = "CREATE TABLE model ("
                                  " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                  " fingerprint BLOB NOT NULL UNIQUE,"
                                  " name TEXT NOT NULL,"
                                  " path TEXT NOT NULL,"
                                  " used_at INTEGER NOT NULL"
                                  ") STRICT";

/* How far a model has read a document.
 *   sections, tokens  read so far; tokens with the preamble
 *   bits              sum of the tokens' surprise
 *   numerics          tag of the arithmetic of the last stretch
 *   mixed             1: read under more than one tag
 *   updated_at        unix seconds */
static const char reading_table[] = "CREATE TABLE reading ("
                                    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                    " document INTEGER NOT NULL"
                                    " REFERENCES document(id) ON DELETE CASCADE,"
                                    " model INTEGER NOT NULL REFERENCES model(id),"
                                    " sections INTEGER NOT NULL,"
                                    " tokens INTEGER NOT NULL,"
                                    " bits REAL NOT NULL,"
                                    " numerics TEXT NOT NULL,"
                                    " mixed INTEGER NOT NULL,"
                                    " updated_at INTEGER NOT NULL,"
                                    " UNIQUE (document, model)"
                                    ") STRICT";

/* What reading one section gave.
 *   section    ordinal
 *   tokens     of this section
 *   end_token  tokens of the stream up to its end, preamble included
 *   bits       sum of the tokens' surprise
 *   surprise   bits of each token, encoded, or NULL */
static const char section_reading_table[] = "CREATE TABLE section_reading ("
                                            " reading INTEGER NOT NULL"
                                            " REFERENCES reading(id) ON DELETE CASCADE,"
                                            " section INTEGER NOT NULL,"
                                            " tokens INTEGER NOT NULL,"
                                            " end_token INTEGER NOT NULL,"
                                            " bits REAL NOT NULL,"
                                            " surprise BLOB,"
                                            " PRIMARY KEY (reading, section)"
                                            ") STRICT";

/* A question that was asked.
 *   asked_at  unix seconds
 *   scope     '' for the whole document, else as it was given
 *   answer    NULL: the document does not say
 *   detail    JSON object, as `tidemark ask --json` prints it */
static const char question_table[] = "CREATE TABLE question ("
                                     " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                     " document INTEGER NOT NULL"
                                     " REFERENCES document(id) ON DELETE CASCADE,"
                                     " model INTEGER NOT NULL REFERENCES model(id),"
                                     " asked_at INTEGER NOT NULL,"
                                     " scope TEXT NOT NULL,"
                                     " question TEXT NOT NULL,"
                                     " answer TEXT,"
                                     " detail TEXT NOT NULL"
                                     ") STRICT";

static const char question_by_document[] =
    "CREATE INDEX question_by_document ON question (document)";

/* A summary.
 *   kind       1 of a section, 2 of several, 3 of the document, 4 the story so far,
 *              5 of a section and all below it in the outline
 *   section    ordinal, or -1
 *   made_from  XXH3-128 of everything that it was made from
 *   made_at    unix seconds */
static const char summary_table[] = "CREATE TABLE summary ("
                                    " document INTEGER NOT NULL"
                                    " REFERENCES document(id) ON DELETE CASCADE,"
                                    " model INTEGER NOT NULL REFERENCES model(id),"
                                    " kind INTEGER NOT NULL,"
                                    " section INTEGER NOT NULL,"
                                    " made_from BLOB NOT NULL,"
                                    " text TEXT NOT NULL,"
                                    " made_at INTEGER NOT NULL,"
                                    " PRIMARY KEY (document, model, kind, section, made_from)"
                                    ") STRICT";

static const char *const version_1[] = {
    document_table,       source_table,  source_by_path, section_table,         search_table,
    fingerprint_table,    model_table,   reading_table,  section_reading_table, question_table,
    question_by_document, summary_table, NULL,
};

/* Version 2: how a source file's bytes were understood.
 *   encoding    name for iconv; NULL: not known, or not noted yet
 *   evidence    for the encoding: enum document_evidence (document.h)
 *   confidence  in the encoding, percent */
static const char source_encoding[] = "ALTER TABLE source ADD COLUMN encoding TEXT";
static const char source_evidence[] =
    "ALTER TABLE source ADD COLUMN evidence INTEGER NOT NULL DEFAULT 0";
static const char source_confidence[] =
    "ALTER TABLE source ADD COLUMN confidence INTEGER NOT NULL DEFAULT 0";

static const char *const version_2[] = {source_encoding, source_evidence, source_confidence, NULL};

/* Version 3: conversations, and what a person leaves in a document.
 *   parent  the question whose answer this one follows up, an earlier one of the same
 *           document, or NULL */
static const char question_parent[] = "ALTER TABLE question ADD COLUMN parent INTEGER"
                                      " REFERENCES question(id) ON DELETE SET NULL";

static const char question_by_parent[] = "CREATE INDEX question_by_parent ON question (parent)";

/* A mark, a bookmark or a note. It refers to no row of section, so that it outlives a
 * change of the text.
 *   kind        1 mark, 2 bookmark, 3 note
 *   name        of a mark its letter, else ''
 *   section     ordinal
 *   begin, end  bytes of the section's text, end not included
 *   passage     what stood there
 *   text        what the person wrote, or ''
 *   made_at     unix seconds of the last change */
static const char note_table[] = "CREATE TABLE note ("
                                 " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                 " document INTEGER NOT NULL"
                                 " REFERENCES document(id) ON DELETE CASCADE,"
                                 " kind INTEGER NOT NULL,"
                                 " name TEXT NOT NULL,"
                                 " section INTEGER NOT NULL,"
                                 " begin INTEGER NOT NULL,"
                                 " end INTEGER NOT NULL,"
                                 " passage TEXT NOT NULL,"
                                 " text TEXT NOT NULL,"
                                 " made_at INTEGER NOT NULL"
                                 ") STRICT";

static const char note_by_place[] = "CREATE INDEX note_by_place ON note (document, section, begin)";

/* A document has each mark once. */
static const char note_mark[] =
    "CREATE UNIQUE INDEX note_mark ON note (document, name) WHERE kind = 1";

/* Where the person was in a document.
 *   section  ordinal
 *   byte     of the section's text
 *   at       unix seconds */
static const char place_table[] = "CREATE TABLE place ("
                                  " document INTEGER PRIMARY KEY"
                                  " REFERENCES document(id) ON DELETE CASCADE,"
                                  " section INTEGER NOT NULL,"
                                  " byte INTEGER NOT NULL,"
                                  " at INTEGER NOT NULL"
                                  ") STRICT";

static const char *const version_3[] = {
    question_parent, question_by_parent, note_table, note_by_place, note_mark, place_table, NULL,
};

static const char *const *const upgrades[LIBRARY_SCHEMA] = {version_1, version_2, version_3};

static const char *const before_creation[] = {NULL};

/* What a person removes is overwritten in the file. */
static const char *const for_connection[] = {"PRAGMA secure_delete = ON", NULL};

const struct db_kind library_schema_kind = {
    .file = "library.db",
    .advice = "restore a backup, or move the file away to begin anew",
    .application_id = LIBRARY_APPLICATION_ID,
    .precious = true,
    .schema = LIBRARY_SCHEMA,
    .upgrades = upgrades,
    .before_creation = before_creation,
    .for_connection = for_connection,
    .forgetting = "INSERT INTO search (search, rowid, title, text)"
                  " SELECT 'delete', id, title, text FROM section WHERE 0",
};
