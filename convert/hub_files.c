#include "convert/hub_files.h"

#include "base/buffer.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_SHARDS = 1000, TEMPLATE_LIMIT = 1 << 20 };

static const char index_name[] = "model.safetensors.index.json";

/* --- names ------------------------------------------------------------------------------ */

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcasecmp(text + length - tail, end) == 0;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_pickle(const char *name)
{
    static const char *const ends[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_in(name, ends[i]))
            return true;
    return false;
}

static bool refuse_pickle(const char *path, struct error *error)
{
    return error_set(error, ERROR_MODEL,
                     "%s is a pickle, which can run any program when it is loaded, and is not "
                     "read: get the model as safetensors",
                     path);
}

/* folder + name; NULL when out of memory. */
static char *joined(const char *folder, const char *name, struct error *error)
{
    struct buffer path = {0};
    if (buffer_append_text(&path, folder, error) && buffer_append_text(&path, name, error))
        return path.data;
    buffer_free(&path);
    return NULL;
}

/* A folder's path with '/' at its end, or that of a file's folder. */
static char *folder_of(const char *path, bool folder, struct error *error)
{
    size_t length = folder ? strlen(path) : (size_t)(base_of(path) - path);
    struct buffer out = {0};
    bool ok = length == 0 ? buffer_append_text(&out, "./", error)
                          : buffer_append(&out, path, length, error) &&
                                (path[length - 1] == '/' || buffer_append_byte(&out, '/', error));
    if (!ok)
        buffer_free(&out);
    return out.data;
}

/* --- shards ------------------------------------------------------------------------------ */

static bool add_shard(struct hub_files *files, const char *path, struct error *error)
{
    if (files->count == MOST_SHARDS)
        return error_set(error, ERROR_MODEL, "%s: more than %d files of weights", files->folder,
                         MOST_SHARDS);
    if (is_pickle(path))
        return refuse_pickle(path, error);
    if (ends_in(path, ".gguf"))
        return error_set(error, ERROR_MODEL,
                         "%s is a GGUF file already: use `tidemark model quantize`", path);
    struct safetensors **shards = realloc(files->shards, (files->count + 1) * sizeof *shards);
    if (!shards)
        return error_out_of_memory(error);
    files->shards = shards;
    if (!safetensors_open(&shards[files->count], path, error))
        return false;
    files->count++;
    return true;
}

/* Only a name in the same folder: a file of weights names no other places. */
static bool check_shard_name(const struct hub_files *files, const char *name, struct error *error)
{
    if (name && *name && *name != '.' && !strchr(name, '/'))
        return true;
    return error_set(error, ERROR_MODEL,
                     "%s%s names the file \"%.100s\", which is not one of its own folder: get the "
                     "model again",
                     files->folder, index_name, name ? name : "");
}

static struct safetensors *shard_named(const struct hub_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(base_of(files->shards[i]->path), name) == 0)
            return files->shards[i];
    return NULL;
}

static bool open_named_shard(struct hub_files *files, const char *name, struct error *error)
{
    if (shard_named(files, name))
        return true;
    char *path = joined(files->folder, name, error);
    if (!path)
        return false;
    bool ok = access(path, F_OK) == 0 || is_pickle(path)
                  ? add_shard(files, path, error)
                  : error_set(error, ERROR_MODEL, "%s is missing, which %s names: download it too",
                              path, index_name);
    free(path);
    return ok;
}

static bool open_index(struct hub_files *files, const char *path, struct error *error)
{
    json_t *index, *item;
    const char *tensor;
    if (!json_read_file(&index, path, error))
        return false;
    json_t *map = json_object_get(index, "weight_map");
    bool ok = json_object_size(map) > 0 ||
              error_set(error, ERROR_MODEL, "%s has no weight_map: get the model again", path);
    json_object_foreach(map, tensor, item)
    {
        const char *name = json_string_value(item);
        ok = ok && check_shard_name(files, name, error) && open_named_shard(files, name, error);
    }
    json_object_foreach(map, tensor, item)
    {
        if (ok && !safetensors_find(shard_named(files, json_string_value(item)), tensor))
            ok = error_set(error, ERROR_MODEL,
                           "%s%s lacks the tensor %.100s, which %s says is there: download it "
                           "again",
                           files->folder, json_string_value(item), tensor, index_name);
    }
    json_decref(index);
    return ok;
}

/* Without an index: every safetensors file of the folder, sorted by the tensors' own
 * names later on. */
static bool open_folder(struct hub_files *files, struct error *error)
{
    struct buffer pickle = {0};
    DIR *folder = opendir(files->folder);
    if (!folder)
        return error_set(error, ERROR_MODEL, "cannot open %s: %s", files->folder, strerror(errno));
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(folder));) {
        if (entry->d_name[0] != '.' && ends_in(entry->d_name, ".safetensors"))
            ok = open_named_shard(files, entry->d_name, error);
        else if (is_pickle(entry->d_name) && pickle.size == 0)
            ok = buffer_append_text(&pickle, files->folder, error) &&
                 buffer_append_text(&pickle, entry->d_name, error);
    }
    closedir(folder);
    if (ok && files->count == 0)
        ok = pickle.size ? refuse_pickle(pickle.data, error)
                         : error_set(error, ERROR_MODEL,
                                     "%s holds no safetensors file: give the folder of a model "
                                     "from the hub",
                                     files->folder);
    buffer_free(&pickle);
    return ok;
}

static bool open_weights(struct hub_files *files, char *const *paths, size_t count,
                         struct error *error)
{
    bool folder = count == 1 && is_folder(paths[0]);
    files->folder = folder_of(paths[0], folder, error);
    if (!files->folder)
        return false;
    if (count == 1 && ends_in(paths[0], ".index.json"))
        return open_index(files, paths[0], error);
    for (size_t i = 0; !folder && i < count; i++) {
        if (is_folder(paths[i]))
            return error_set(error, ERROR_MODEL,
                             "%s is a folder: give one folder, or files of weights", paths[i]);
        if (!add_shard(files, paths[i], error))
            return false;
    }
    if (!folder)
        return true;
    char *index = joined(files->folder, index_name, error);
    bool ok = index && (access(index, F_OK) == 0 ? open_index(files, index, error)
                                                 : open_folder(files, error));
    free(index);
    return ok;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool check_twice(const struct hub_files *files, struct error *error)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < files->count; i++)
        count += files->shards[i]->count;
    const char **names = calloc(count ? count : 1, sizeof *names);
    if (!names)
        return error_out_of_memory(error);
    for (size_t i = 0; i < files->count; i++)
        for (size_t j = 0; j < files->shards[i]->count; j++)
            names[at++] = files->shards[i]->tensors[j].name;
    qsort(names, count, sizeof *names, compare_names);
    bool ok = true;
    for (size_t i = 1; ok && i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            ok = error_set(error, ERROR_MODEL,
                           "%s: the tensor %.100s is in two files of weights: give the files of "
                           "one model only",
                           files->folder, names[i]);
    free(names);
    return ok;
}

const struct safetensors_tensor *hub_files_find(const struct hub_files *files, const char *name,
                                                const struct safetensors **shard)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct safetensors_tensor *tensor = safetensors_find(files->shards[i], name);
        *shard = files->shards[i];
        if (tensor)
            return tensor;
    }
    return NULL;
}

/* --- what lies beside the weights ---------------------------------------------------------- */

static bool open_config(struct hub_files *files, struct error *error)
{
    files->config_path = joined(files->folder, "config.json", error);
    return files->config_path && json_read_file(&files->config, files->config_path, error);
}

/* An optional file; *value stays NULL when it is not there. */
static bool open_beside(json_t **value, const char *folder, const char *name, struct error *error)
{
    char *path = joined(folder, name, error);
    bool ok = path && (access(path, F_OK) != 0 || json_read_file(value, path, error));
    free(path);
    return ok;
}

static bool open_template(struct hub_files *files, const char *folder, struct error *error)
{
    struct file_map map;
    char *path = joined(folder, "chat_template.jinja", error);
    if (!path)
        return false;
    bool ok = true;
    if (access(path, F_OK) == 0) {
        ok = file_map_open(&map, path, ERROR_MODEL, error);
        if (ok && (map.size > TEMPLATE_LIMIT || memchr(map.data, 0, map.size)))
            ok = error_set(error, ERROR_MODEL, "%s is no text of at most 1 MiB", path);
        else if (ok && !(files->chat_template = strndup((const char *)map.data, map.size)))
            ok = error_out_of_memory(error);
        file_map_close(&map);
    }
    free(path);
    return ok;
}

static bool open_tokenizer(struct hub_files *files, const char *given, struct error *error)
{
    bool named_file = given && !is_folder(given);
    char *folder = given ? folder_of(given, !named_file, error) : strdup(files->folder);
    if (!folder)
        return error_out_of_memory(error);
    files->tokenizer_path = named_file ? strdup(given) : joined(folder, "tokenizer.json", error);
    bool ok = files->tokenizer_path || error_out_of_memory(error);
    if (ok && access(files->tokenizer_path, F_OK) != 0)
        ok = error_set(error, ERROR_MODEL,
                       "there is no %s: name the tokenizer's folder or file with --tokenizer",
                       files->tokenizer_path);
    ok = ok && json_read_file(&files->tokenizer, files->tokenizer_path, error) &&
         open_beside(&files->tokenizer_config, folder, "tokenizer_config.json", error) &&
         open_template(files, folder, error);
    free(folder);
    return ok;
}

bool hub_files_open(struct hub_files *files, char *const *paths, size_t count,
                    const char *tokenizer, struct error *error)
{
    *files = (struct hub_files){0};
    if (open_weights(files, paths, count, error) && check_twice(files, error) &&
        open_config(files, error) && open_tokenizer(files, tokenizer, error))
        return true;
    hub_files_close(files);
    return false;
}

void hub_files_close(struct hub_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        safetensors_close(files->shards[i]);
    free(files->shards);
    free(files->folder);
    free(files->config_path);
    json_decref(files->config);
    free(files->tokenizer_path);
    json_decref(files->tokenizer);
    json_decref(files->tokenizer_config);
    free(files->chat_template);
    *files = (struct hub_files){0};
}
