/* hub_files.h: the files of a model as the hub lays them out: config.json, one
 * safetensors file or shards with an index, tokenizer.json and its configuration. */
#ifndef TIDEMARK_CONVERT_HUB_FILES_H
#define TIDEMARK_CONVERT_HUB_FILES_H

#include "convert/json_read.h"
#include "convert/safetensors.h"

struct hub_files {
    char *folder;                /* of the weights, with '/' at its end */
    char *config_path;           /* for errors */
    json_t *config;              /* config.json */
    struct safetensors **shards; /* [count] */
    size_t count;

    char *tokenizer_path;
    json_t *tokenizer;        /* tokenizer.json */
    json_t *tokenizer_config; /* tokenizer_config.json, or NULL */
    char *chat_template;      /* of chat_template.jinja, or NULL */
};

/* `paths`: one folder, or files of weights of one folder. `tokenizer`: the folder or file
 * of the tokenizer, or NULL for where the weights are. Every tensor is in one shard only,
 * and where there is an index, in the one that it names. What could run code when it is
 * loaded (pickle) is refused by name. Errors are ERROR_MODEL. */
bool hub_files_open(struct hub_files *files, char *const *paths, size_t count,
                    const char *tokenizer, struct error *error) WARN_UNUSED;
void hub_files_close(struct hub_files *files);

/* NULL when no shard has it. *shard is the one that does. */
const struct safetensors_tensor *hub_files_find(const struct hub_files *files, const char *name,
                                                const struct safetensors **shard);

#endif
