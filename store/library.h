/* library.h: library.db, the precious half of the store: documents, their text
 * and outline, what was read, asked, summarized and noted.
 *
 *     struct library *library;
 *     if (!library_open(&library, folder, &error)) ...
 *     ...
 *     library_close(library);
 *
 * SQLite in WAL mode, STRICT tables, application_id LIBRARY_APPLICATION_ID,
 * user_version LIBRARY_SCHEMA; files 0600 in a folder 0700. The database may come
 * from anywhere: it is opened defensively (SQLITE_DBCONFIG_DEFENSIVE,
 * trusted_schema off, cell_size_check on), a foreign or damaged one is refused
 * with ERROR_STORE and one clear line and left untouched. A library of an earlier
 * schema is upgraded, whole or not at all; a copy of the file as it was is kept
 * beside it as `library-2.db` (the old schema's number). A library of one process
 * serves one thread; several processes may share the file (busy timeout).
 *
 * Texts and blobs that a getter returns are owned by the struct they sit in and
 * released by its _free function. Ids are SQLite row ids, from 1. */
#ifndef TIDEMARK_STORE_LIBRARY_H
#define TIDEMARK_STORE_LIBRARY_H

#include "base/buffer.h"
#include "base/file.h"
#include "base/hash.h"

#include <stdatomic.h>
#include <stdint.h>

#define LIBRARY_APPLICATION_ID 0x7469646Du /* "tidm" */
#define LIBRARY_SCHEMA 3

struct library;

bool library_open(struct library **library, const char *folder, struct error *error) WARN_UNUSED;
void library_close(struct library *library);

/* Everything between begin and commit happens whole or not at all; begin takes
 * the write lock. */
bool library_begin(struct library *library, struct error *error) WARN_UNUSED;
bool library_commit(struct library *library, struct error *error) WARN_UNUSED;
void library_rollback(struct library *library);

/* --- the whole library ---------------------------------------------------- */

/* Calls back with one line for each thing that is not as it must be, for the first 100
 * of each kind: the pages and indexes of the file, every text, the full-text index, and
 * every number that another table repeats. Position maps, `surprise` and `detail` are
 * the business of who encoded them. The lines may quote hostile text. *problems counts
 * them all; false only when checking itself failed or `cancel` (may be NULL) was raised
 * (ERROR_INTERRUPTED). Nothing is written, and other processes may write meanwhile. Not
 * inside a transaction. */
typedef void library_problem(void *context, const char *line);
bool library_verify(struct library *library, const atomic_bool *cancel, library_problem *report,
                    void *context, int64_t *problems, struct error *error) WARN_UNUSED;

/* What a library holds that a backup lacks; dates are unix seconds, 0: none. A note is
 * lacking, too, that is there at another place or in other words. Where a person was in a
 * document does not count. */
struct library_loss {
    int64_t documents, questions, summaries, notes;
    int64_t sections_read;         /* by readings that the backup has less far, or not at all */
    int64_t backup_at, library_at; /* the latest date in each */
};

/* Copies the library as it is at one moment, while others may use it, into a new
 * file of mode 0600, whole without a log: written beside as `path`.part, checked,
 * synced, renamed. ERROR_STORE when `path` exists; nothing is left after a failure.
 * Not inside a transaction, as the two below. */
bool library_backup(struct library *library, const char *path, struct error *error) WARN_UNUSED;

/* Puts a backup's contents in place of the library's, whole or not at all; other
 * processes see the one or the other. The file is opened as defensively as any
 * library, checked in full in a copy (`library.db.restore`), left as it is, and may
 * have an earlier schema. When the library holds what the backup lacks and `force` is
 * false, nothing is done: *refused is set, *loss filled, and the result is true. A
 * library too damaged to be compared takes force, and *loss is then empty. ERROR_INPUT
 * when the file cannot be opened, ERROR_STORE when it is no sound library.
 *
 * A document whose text has changed since counts as one that the backup lacks. Its
 * states may then fit no document any more; no number of a document or a question is
 * given twice, and their keys keep them from being loaded. A model that the library knows
 * keeps its number, whatever it has in the backup; another gets one that no model had. */
bool library_restore(struct library *library, const char *path, bool force,
                     struct library_loss *loss, bool *refused, struct error *error) WARN_UNUSED;

/* After documents were removed: overwrites every byte of them that the database and
 * its log may still hold, the full-text index's too, and removes the copies that
 * upgrades kept (`library-1.db`, `library-2.db`). Writes the whole file anew, which takes as much
 * room again. ERROR_STORE when another process, or another handle of this one, has the library
 * open: the removal stays done, and this may be called again. What a file system or a disk keeps of
 * earlier versions is beyond its reach. */
bool library_shred(struct library *library, struct error *error) WARN_UNUSED;

/* --- documents ------------------------------------------------------------ */

struct library_document {
    int64_t id;
    char *name;       /* shown and accepted as DOC; unique */
    char *path;       /* absolute path of the first source */
    int64_t added_at; /* unix seconds */
    int64_t sections;
    int64_t characters;
    int64_t bytes;
    int normalizer; /* DOCUMENT_NORMALIZER that made the text */
    bool complete;  /* text and outline stored to the end */
};
void library_document_free(struct library_document *document);

/* One file of a document; most documents have one. */
struct library_source {
    int64_t ordinal; /* from 0 */
    char *path;      /* absolute */
    int64_t size, lines, pages, invalid_bytes;
    int64_t modified_ns;
    struct hash hash;   /* of the bytes */
    char *encoding;     /* name for iconv; NULL: not known, or not noted yet */
    int64_t evidence;   /* for the encoding: a number of the caller's, 0 and more */
    int64_t confidence; /* in the encoding, percent */
};
void library_source_free(struct library_source *source);

/* One section: the unit of states, questions and summaries. */
struct library_section {
    int64_t ordinal; /* from 0, through all sources */
    int64_t source;  /* ordinal of its source */
    char *title;
    int64_t level, part;
    int64_t begin_byte, end_byte, line, page; /* in the source */
    int64_t characters;
    struct hash text_hash; /* of the normalized text */
    char *text;            /* NUL-terminated; NULL unless asked for */
    size_t text_size;
    void *map; /* encoded position map; NULL unless asked for */
    size_t map_size;
};
void library_section_free(struct library_section *section);

/* Adds a document without sections; name made unique by " (2)" ... *id is set. */
bool library_add_document(struct library *library, const char *name, const char *path,
                          int normalizer, int64_t *id, struct error *error) WARN_UNUSED;
bool library_add_source(struct library *library, int64_t document,
                        const struct library_source *source, struct error *error) WARN_UNUSED;
/* Fills the counts of a source that was added before its end was known. */
bool library_finish_source(struct library *library, int64_t document,
                           const struct library_source *source, struct error *error) WARN_UNUSED;
/* Sections are added in order, from 0 and before library_finish_document, else
 * ERROR_STORE; title and text go into the full-text index. */
bool library_add_section(struct library *library, int64_t document,
                         const struct library_section *section, struct error *error) WARN_UNUSED;
bool library_finish_document(struct library *library, int64_t document,
                             struct error *error) WARN_UNUSED;
/* Drops the sections from `section` on, what was read of them, their summaries and those
 * of the whole and of chapters that reach to the cut, and opens the document for new
 * ones; the normalizer is noted anew. Notes and the place stay: the text may have moved. */
bool library_cut_document(struct library *library, int64_t document, int64_t section,
                          int normalizer, struct error *error) WARN_UNUSED;
/* Removes the document and all that hangs on it; its states are the caller's. */
bool library_remove_document(struct library *library, int64_t document,
                             struct error *error) WARN_UNUSED;

/* ERROR_INPUT when there is none. */
bool library_get_document(struct library *library, int64_t id, struct library_document *document,
                          struct error *error) WARN_UNUSED;
/* By id, name or absolute source path, in this order; a name without its
 * extension or with other case also serves when it is the only such one.
 * ERROR_INPUT, naming what `tidemark ls` would show, when absent or ambiguous. */
bool library_find_document(struct library *library, const char *key,
                           struct library_document *document, struct error *error) WARN_UNUSED;
/* *found false and no error when no document has exactly these sources in order; the
 * one added last when several have. */
bool library_find_by_paths(struct library *library, const char *const *paths, size_t count,
                           struct library_document *document, bool *found,
                           struct error *error) WARN_UNUSED;

/* Calls back for each document, oldest first; a false from the callback stops. */
typedef bool library_document_visit(void *context, const struct library_document *document);
bool library_each_document(struct library *library, library_document_visit *visit, void *context,
                           struct error *error) WARN_UNUSED;

bool library_get_source(struct library *library, int64_t document, int64_t ordinal,
                        struct library_source *source, struct error *error) WARN_UNUSED;
bool library_count_sources(struct library *library, int64_t document, int64_t *count,
                           struct error *error) WARN_UNUSED;

enum library_parts {
    LIBRARY_OUTLINE = 0,
    LIBRARY_TEXT = 1, /* with text */
    LIBRARY_MAP = 2,  /* with position map */
};
/* ERROR_INPUT when there is none. A text is checked against text_hash and for being
 * UTF-8, in library_each_section too: what differs is ERROR_STORE. */
bool library_get_section(struct library *library, int64_t document, int64_t ordinal, unsigned parts,
                         struct library_section *section, struct error *error) WARN_UNUSED;
typedef bool library_section_visit(void *context, const struct library_section *section);
bool library_each_section(struct library *library, int64_t document, unsigned parts,
                          library_section_visit *visit, void *context,
                          struct error *error) WARN_UNUSED;

/* A section by number (from 1, as people count) or by title: exact, then without
 * regard to case, then as the only title that contains it. ERROR_INPUT otherwise. */
bool library_find_section(struct library *library, int64_t document, const char *key,
                          int64_t *ordinal, struct error *error) WARN_UNUSED;

/* Full-text ranking. `words` are plain words, matched as any-of with porter
 * stemming; best first by BM25 with the statistics of this document. */
struct library_hit {
    int64_t section;
    double score; /* larger is better */
    double share; /* of the words, weighed by their rarity, that it holds: 0 to 1 */
};
bool library_search(struct library *library, int64_t document, const char *const *words,
                    size_t word_count, struct library_hit *hits, size_t capacity, size_t *count,
                    struct error *error) WARN_UNUSED;

/* The same in all documents together, also in those that are not complete, by SQLite's
 * own bm25(); best first, equal ones by document and section. */
struct library_shelf_hit {
    int64_t document, section;
    double score; /* larger is better */
};
bool library_search_all(struct library *library, const char *const *words, size_t word_count,
                        struct library_shelf_hit *hits, size_t capacity, size_t *count,
                        struct error *error) WARN_UNUSED;

/* --- models and readings -------------------------------------------------- */

/* The fingerprint of a file, kept beside what tells its version apart. */
bool library_get_fingerprint(struct library *library, const struct file_identity *identity,
                             struct hash *fingerprint, bool *found,
                             struct error *error) WARN_UNUSED;
bool library_put_fingerprint(struct library *library, const struct file_identity *identity,
                             const struct hash *fingerprint, struct error *error) WARN_UNUSED;

/* A model that was used: *id of the row with this fingerprint, made when new. */
bool library_touch_model(struct library *library, const struct hash *fingerprint, const char *name,
                         const char *path, int64_t *id, struct error *error) WARN_UNUSED;
/* *found false when this library never met the model. */
bool library_find_model(struct library *library, const struct hash *fingerprint, int64_t *id,
                        bool *found, struct error *error) WARN_UNUSED;

/* How far a model has read a document. */
struct library_reading {
    int64_t id;
    int64_t document, model;
    int64_t sections; /* read so far */
    int64_t tokens;   /* read so far, preamble included */
    double bits;      /* sum of the tokens' surprise */
    char *numerics;   /* tag of the last stretch */
    bool mixed;       /* read under more than one tag */
    int64_t updated_at;
};
void library_reading_free(struct library_reading *reading);

/* *found false when the model has not begun this document. */
bool library_get_reading(struct library *library, int64_t document, int64_t model,
                         struct library_reading *reading, bool *found,
                         struct error *error) WARN_UNUSED;
/* The most recent reading of the document by any model. */
bool library_last_reading(struct library *library, int64_t document,
                          struct library_reading *reading, bool *found,
                          struct error *error) WARN_UNUSED;
/* Inserts (id 0, *id set; in place of the row that this document and model may have)
 * or updates. Sets updated_at to now; ERROR_STORE when the row of `id` is gone. */
bool library_put_reading(struct library *library, struct library_reading *reading,
                         struct error *error) WARN_UNUSED;

/* What reading one section gave. */
struct library_section_reading {
    int64_t section;
    int64_t tokens;    /* of this section */
    int64_t end_token; /* tokens of the stream up to its end, preamble included */
    double bits;       /* sum */
    void *surprise;    /* bits per token, encoded by the caller; NULL unless asked for */
    size_t surprise_size;
};
void library_section_reading_free(struct library_section_reading *reading);
/* Replaces what was there for this section. */
bool library_put_section_reading(struct library *library, int64_t reading,
                                 const struct library_section_reading *section,
                                 struct error *error) WARN_UNUSED;
bool library_get_section_reading(struct library *library, int64_t reading, int64_t section,
                                 struct library_section_reading *result, bool *found,
                                 struct error *error) WARN_UNUSED;
/* Forgets what was read at and after this section, as before reading it again. */
bool library_cut_reading(struct library *library, int64_t reading, int64_t section,
                         struct error *error) WARN_UNUSED;

/* --- questions and summaries ---------------------------------------------- */

struct library_question {
    int64_t id;
    int64_t document, model;
    int64_t parent; /* the question whose answer it follows up, an earlier one of the same
                       document; 0: none */
    int64_t asked_at;
    char *scope; /* "", "section 3", "as of 5" ... */
    char *question;
    char *answer; /* NULL: the document does not say */
    char *detail; /* JSON object as `ask --json` prints it */
};
void library_question_free(struct library_question *question);
/* Its id is given to no other question, ever. A parent that was removed meanwhile, or is
 * of another document, counts as none. */
bool library_add_question(struct library *library, const struct library_question *question,
                          int64_t *id, struct error *error) WARN_UNUSED;
/* ERROR_INPUT when there is none. */
bool library_get_question(struct library *library, int64_t id, struct library_question *question,
                          struct error *error) WARN_UNUSED;
/* Those that follow it up stay, without a parent; its state is the caller's
 * (states_remove_answer). ERROR_INPUT when there is none. */
bool library_remove_question(struct library *library, int64_t id, struct error *error) WARN_UNUSED;
/* The one of the document that was asked last; *found false when none was. */
bool library_last_question(struct library *library, int64_t document,
                           struct library_question *question, bool *found,
                           struct error *error) WARN_UNUSED;
typedef bool library_question_visit(void *context, const struct library_question *question);
bool library_each_question(struct library *library, int64_t document, library_question_visit *visit,
                           void *context, struct error *error) WARN_UNUSED;

enum library_summary_kind {
    LIBRARY_SUMMARY_SECTION = 1,
    LIBRARY_SUMMARY_PART = 2, /* of several sections together; key names them */
    LIBRARY_SUMMARY_DOCUMENT = 3,
    LIBRARY_SUMMARY_SO_FAR = 4,
    LIBRARY_SUMMARY_CHAPTER = 5, /* of a section and all below it in the outline */
};
/* Summaries are kept by document, model, kind, section (-1: none) and the hash of
 * everything they were made from (text, prompt, options). */
bool library_get_summary(struct library *library, int64_t document, int64_t model,
                         enum library_summary_kind kind, int64_t section,
                         const struct hash *made_from, struct buffer *text, bool *found,
                         struct error *error) WARN_UNUSED;
bool library_put_summary(struct library *library, int64_t document, int64_t model,
                         enum library_summary_kind kind, int64_t section,
                         const struct hash *made_from, const char *text,
                         struct error *error) WARN_UNUSED;

struct library_summary {
    int64_t model;
    enum library_summary_kind kind;
    int64_t section; /* -1: none */
    int64_t made_at; /* unix seconds */
    char *text;
};
void library_summary_free(struct library_summary *summary);
/* The latest of each kind and section, by kind and section. */
typedef bool library_summary_visit(void *context, const struct library_summary *summary);
bool library_each_summary(struct library *library, int64_t document, library_summary_visit *visit,
                          void *context, struct error *error) WARN_UNUSED;

/* --- what a person leaves in a document ------------------------------------ */

enum library_note_kind {
    LIBRARY_NOTE_MARK = 1,     /* named by one letter; setting it again moves it */
    LIBRARY_NOTE_BOOKMARK = 2, /* a place, with or without a few words */
    LIBRARY_NOTE_NOTE = 3,     /* what was written about a passage */
};

/* A place of a document and what was left there. It outlives changes of the text, by
 * which section and offsets may become wrong: `passage` is what stood there. */
struct library_note {
    int64_t id;
    int64_t document;
    enum library_note_kind kind;
    char *name;         /* of a mark its letter, else ""; NULL counts as "", as below */
    int64_t section;    /* ordinal */
    int64_t begin, end; /* bytes of the section's text; may be equal */
    char *passage;      /* these bytes as they were */
    char *text;         /* what the person wrote; may be "" */
    int64_t made_at;    /* unix seconds; set by library_put_note */
};
void library_note_free(struct library_note *note);
/* Inserts (id 0, *id set; a mark in place of the document's mark of that name) or
 * replaces the one of that id and document (ERROR_STORE when it is gone), and with it
 * another mark of the document that has the name already. */
bool library_put_note(struct library *library, struct library_note *note,
                      struct error *error) WARN_UNUSED;
/* ERROR_INPUT when there is none. */
bool library_remove_note(struct library *library, int64_t id, struct error *error) WARN_UNUSED;
/* By section, begin, id. */
typedef bool library_note_visit(void *context, const struct library_note *note);
bool library_each_note(struct library *library, int64_t document, library_note_visit *visit,
                       void *context, struct error *error) WARN_UNUSED;

/* Where the person was in the document: section ordinal and byte of its text, which may
 * lie beyond the end of a text that has changed since. *found false: never noted. */
bool library_put_place(struct library *library, int64_t document, int64_t section, int64_t byte,
                       struct error *error) WARN_UNUSED;
bool library_get_place(struct library *library, int64_t document, int64_t *section, int64_t *byte,
                       bool *found, struct error *error) WARN_UNUSED;

#endif
