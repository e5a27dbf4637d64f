#include "app/work/pace.h"

#include "app/work/json.h"
#include "base/file.h"
#include "convert/json_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_MODELS = 1000 };

static bool pace_path(const struct session *session, struct buffer *path, const char *end,
                      struct error *error)
{
    return buffer_append_text(path, session->folder, error) &&
           buffer_append_text(path, "/pace.json", error) && buffer_append_text(path, end, error);
}

/* NULL where there is none that can be read: then it is begun anew. */
static json_t *load(const char *path)
{
    struct error ignored;
    json_t *all;
    return json_read_file(&all, path, &ignored) ? all : NULL;
}

static bool take(struct pace *pace, const json_t *entry)
{
    struct error ignored;
    const char *kernels = json_read_string(entry, "kernels");
    *pace = (struct pace){0};
    if (!kernels || !json_read_real(entry, "prefill", &pace->prefill_tokens_per_s, "", &ignored) ||
        !json_read_real(entry, "decode", &pace->decode_tokens_per_s, "", &ignored) ||
        !json_read_count(entry, "threads", 1 << 20, &pace->threads, "", &ignored) ||
        !json_read_count(entry, "time", INT64_MAX, &pace->time, "", &ignored))
        return false;
    snprintf(pace->kernels, sizeof pace->kernels, "%s", kernels);
    return pace->prefill_tokens_per_s > 0 && pace->decode_tokens_per_s > 0;
}

bool pace_get(const struct session *session, struct pace *pace, bool *known, struct error *error)
{
    struct buffer path = {0};
    char hex[HASH_HEX_SIZE];
    *known = false;
    bool ok = pace_path(session, &path, "", error);
    if (ok) {
        json_t *all = load(path.data);
        hash_to_hex(hex, &session->fingerprint);
        *known = take(pace, json_read_object(all, hex));
        json_decref(all);
    }
    buffer_free(&path);
    return ok;
}

static json_t *entry_of(const struct pace *pace)
{
    return json_pack("{s:f, s:f, s:s, s:I, s:I}", "prefill", pace->prefill_tokens_per_s, "decode",
                     pace->decode_tokens_per_s, "kernels", pace->kernels, "threads",
                     (json_int_t)pace->threads, "time", (json_int_t)pace->time);
}

/* Beside, then under its name: a reader sees the old file or the new one. */
static bool replace(const char *path, const char *beside, const struct buffer *text,
                    struct error *error)
{
    unlink(beside);
    if (!file_write_new(beside, text->data, text->size, error))
        return false;
    if (rename(beside, path) == 0)
        return true;
    error_set(error, ERROR_SYSTEM, "cannot rename %s: %s", beside, strerror(errno));
    unlink(beside);
    return false;
}

bool pace_put(const struct session *session, const struct pace *pace, struct error *error)
{
    struct buffer path = {0}, beside = {0}, text = {0};
    char hex[HASH_HEX_SIZE];
    bool ok = pace_path(session, &path, "", error) && pace_path(session, &beside, ".new", error);
    if (ok) {
        json_t *all = load(path.data);
        if (!all || json_object_size(all) >= MOST_MODELS) {
            json_decref(all);
            all = json_object();
        }
        hash_to_hex(hex, &session->fingerprint);
        if (all)
            json_put(all, hex, entry_of(pace));
        ok = json_text(&text, all, error) && replace(path.data, beside.data, &text, error);
    }
    buffer_free(&path);
    buffer_free(&beside);
    buffer_free(&text);
    return ok;
}
