/* listing.h: what the library holds, as plain facts for showing.
 *
 *     struct listing list = {0};
 *     if (!listing_documents(session, &list, &error)) ...
 *     listing_free(&list);
 *
 * Nothing here needs a model to be loaded, save listing_model. Texts are owned by
 * the struct that they sit in; they come from documents and databases and are not
 * fit for a terminal before visible_append(). Sections count from 0. */
#ifndef TIDEMARK_APP_WORK_LISTING_H
#define TIDEMARK_APP_WORK_LISTING_H

#include "app/work/pace.h"
#include "app/work/session.h"
#include "app/work/tensor_groups.h"

struct listing_checkpoint {
    enum states_kind kind;
    int64_t token; /* tokens in the state, preamble included */
    char hash[HASH_HEX_SIZE];
};

struct listing_section {
    char *title;
    int64_t level, part;
    int64_t source; /* ordinal of its file */
    int64_t begin_byte, end_byte, line, page;
    int64_t tokens;                           /* -1: not read */
    double bits;                              /* sum of the tokens' surprise; 0: not read */
    struct listing_checkpoint checkpoints[2]; /* a prefix state, a section state */
    size_t checkpoint_count;
};

struct listing_document {
    int64_t id;
    char *name, *path;
    int64_t sections;
    int64_t sections_read; /* by the reading chosen, see below */
    int64_t tokens_read;   /* of that reading, preamble included */
    double bits;           /* of that reading, sum */
    bool mixed;            /* it was read under more than one numerics tag */
    int64_t characters, bytes;
    int64_t sources;                 /* files */
    int64_t pages;                   /* the most that one of its files has */
    char *encoding;                  /* of its first file; NULL: not noted */
    bool guessed;                    /* that encoding is a guess ... */
    int64_t confidence;              /* ... of so many percent */
    int64_t invalid_bytes;           /* of all files, that became U+FFFD */
    int64_t state_bytes;             /* on disk, of all models */
    bool complete;                   /* text and outline are stored to the end */
    struct listing_section *outline; /* [sections]; NULL unless asked for */
};

struct listing {
    struct listing_document *documents;
    size_t count, capacity;
};

/* Which reading is shown: that of the model which would be used, when it is known
 * without loading it and has begun the document or was named by --model; else the
 * most recent one by any model. Checkpoints are those of that reading's model. */
bool listing_documents(struct session *session, struct listing *listing,
                       struct error *error) WARN_UNUSED;
void listing_free(struct listing *listing);

/* One document; with `outline` its sections too. */
bool listing_document(struct session *session, int64_t id, bool outline,
                      struct listing_document *document, struct error *error) WARN_UNUSED;
void listing_document_free(struct listing_document *document);

/* The reading that is shown of a document; *found false when nothing of it was read. */
bool listing_reading(struct session *session, int64_t document, struct library_reading *reading,
                     bool *found, struct error *error) WARN_UNUSED;

/* What is meant by DOC or DOC[:SECTION]. The whole key is tried as a document
 * first, then every colon from the last on, so that names and paths may hold
 * colons. `section` NULL: no section is looked for; else -1 when none was given. */
bool listing_find(struct session *session, const char *key, int64_t *document, int64_t *section,
                  struct error *error) WARN_UNUSED;
bool listing_find_section(struct session *session, int64_t document, const char *key,
                          int64_t *section, struct error *error) WARN_UNUSED;

/* Appends a section's title. */
bool listing_title(struct session *session, int64_t document, int64_t section, struct buffer *title,
                   struct error *error) WARN_UNUSED;

/* What there is to know of the model in use. */
struct listing_model {
    char *name, *path;
    enum place_source source;
    char fingerprint[HASH_HEX_SIZE];
    struct model_shape shape;
    char weights[64];    /* types of the matrices */
    double weight_count; /* multiplied for one token */
    int64_t bytes;       /* of the file */
    int64_t state_bytes; /* of one state, logits included */
    const char *prompt;  /* "ChatML" or "plain"; static */
    const char *kernels; /* level in use; static */
    char tag[FORWARD_TAG_SIZE];
    struct tensor_group groups[TENSOR_GROUPS];
    bool pace_known; /* `bench` has measured this file here */
    struct pace pace;
};

/* Loads the model. */
bool listing_model(struct session *session, struct listing_model *model,
                   struct error *error) WARN_UNUSED;
void listing_model_free(struct listing_model *model);

#endif
