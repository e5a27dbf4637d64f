#include "store/states_payload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* The upper bytes of floats (sign, exponent, first bits of the fraction) shrink and
 * the lower ones are noise; a higher level finds no more in either. */
#define LEVEL 1

enum { TABLE_ENTRY = 4 };

static void group(unsigned char *restrict grouped, const unsigned char *restrict bytes, size_t size)
{
    size_t floats = size / 4;
    for (size_t i = 0; i < floats; i++)
        for (size_t byte = 0; byte < 4; byte++)
            grouped[byte * floats + i] = bytes[4 * i + byte];
    memcpy(grouped + 4 * floats, bytes + 4 * floats, size % 4);
}

static void ungroup(unsigned char *restrict bytes, const unsigned char *restrict grouped,
                    size_t size)
{
    size_t floats = size / 4;
    for (size_t i = 0; i < floats; i++)
        for (size_t byte = 0; byte < 4; byte++)
            bytes[4 * i + byte] = grouped[byte * floats + i];
    memcpy(bytes + 4 * floats, grouped + 4 * floats, size % 4);
}

/* --- stretches and threads ------------------------------------------------------- */

/* What a thread has to itself. */
struct helper {
    ZSTD_CCtx *packer;
    ZSTD_DCtx *unpacker;
    unsigned char *grouped; /* [stretch] */
    unsigned char *frame;   /* [room], unpacking */
};

struct work {
    unsigned char *payload; /* only read when packing */
    size_t size, stretch, count;
    size_t room;           /* of a frame, at most */
    unsigned char *frames; /* packing: `room` bytes apart, behind the table */
    size_t *begins;        /* [count] unpacking: where the frames lie in the source */
    size_t *sizes;         /* [count] of the frames; packing: 0 where it could not be made */
    struct helper *helpers;
    size_t helper_count;

    /* Unpacking. */
    const struct states_payload_source *source;
    pthread_mutex_t reading;
    bool unread; /* the source failed, as `error` says; under the lock */
    struct error error;
    atomic_bool unsound;
};

static size_t stretch_size(const struct work *w, size_t item)
{
    size_t left = w->size - item * w->stretch;
    return left < w->stretch ? left : w->stretch;
}

static bool begin_work(struct work *w, struct pool *pool, struct error *error)
{
    w->count = (w->size + w->stretch - 1) / w->stretch;
    w->helper_count = pool && w->count > 1 ? pool_threads(pool) : 1;
    w->begins = calloc(w->count, sizeof *w->begins);
    w->sizes = calloc(w->count, sizeof *w->sizes);
    return (w->begins && w->sizes) || error_out_of_memory(error);
}

static bool make_helpers(struct work *w, bool packing, struct error *error)
{
    w->helpers = calloc(w->helper_count, sizeof *w->helpers);
    bool ok = w->helpers != NULL;
    for (size_t i = 0; ok && i < w->helper_count; i++) {
        struct helper *helper = &w->helpers[i];
        helper->grouped = malloc(stretch_size(w, 0));
        if (packing)
            helper->packer = ZSTD_createCCtx();
        else if ((helper->frame = malloc(w->room)))
            helper->unpacker = ZSTD_createDCtx();
        ok = helper->grouped && (helper->packer || helper->unpacker);
    }
    return ok || error_out_of_memory(error);
}

static void end_work(struct work *w)
{
    for (size_t i = 0; w->helpers && i < w->helper_count; i++) {
        ZSTD_freeCCtx(w->helpers[i].packer);
        ZSTD_freeDCtx(w->helpers[i].unpacker);
        free(w->helpers[i].grouped);
        free(w->helpers[i].frame);
    }
    free(w->helpers);
    free(w->begins);
    free(w->sizes);
}

/* All of it, also where the pool was cancelled: a state that is half packed is none. */
static void work_all(struct work *w, struct pool *pool, pool_work *item)
{
    if (w->helper_count > 1 && pool_run(pool, item, w, w->count))
        return;
    for (size_t i = 0; i < w->count; i++)
        item(w, i, 0);
}

/* Of several stretches. */
static size_t table_size(const struct work *w)
{
    return w->count > 1 ? w->count * TABLE_ENTRY : 0;
}

/* --- packing ------------------------------------------------------------------------ */

/* Room for frames that are worth keeping. */
static size_t worthwhile(size_t size)
{
    return size - size / 16 - (size % 16 != 0);
}

static void pack_item(void *context, size_t item, unsigned worker)
{
    struct work *w = context;
    struct helper *helper = &w->helpers[worker];
    size_t size = stretch_size(w, item);
    group(helper->grouped, w->payload + item * w->stretch, size);
    size_t used = ZSTD_compressCCtx(helper->packer, w->frames + table_size(w) + item * w->room,
                                    w->room, helper->grouped, size, LEVEL);
    w->sizes[item] = ZSTD_isError(used) ? 0 : used;
}

/* Moves the frames together, behind their table; 0 when they are not worth keeping. */
static size_t join_frames(struct work *w)
{
    const unsigned char *from = w->frames + table_size(w);
    size_t used = table_size(w);
    for (size_t i = 0; i < w->count; i++, from += w->room) {
        if (w->sizes[i] == 0)
            return 0;
        for (size_t byte = 0; w->count > 1 && byte < TABLE_ENTRY; byte++)
            w->frames[i * TABLE_ENTRY + byte] = (unsigned char)(w->sizes[i] >> 8 * byte);
        memmove(w->frames + used, from, w->sizes[i]);
        used += w->sizes[i];
    }
    return used <= worthwhile(w->size) ? used : 0;
}

bool states_payload_pack(struct states_payload *packed, const void *payload, size_t size,
                         struct pool *pool, struct error *error)
{
    *packed = (struct states_payload){
        .codec = STATES_PAYLOAD_RAW,
        .bytes = payload,
        .size = size,
    };
    if (worthwhile(size) == 0)
        return true;
    struct work w = {
        .payload = (unsigned char *)(uintptr_t)payload,
        .size = size,
        .stretch = STATES_PAYLOAD_STRETCH,
    };
    bool ok = begin_work(&w, pool, error) && make_helpers(&w, true, error);
    w.room = ZSTD_compressBound(stretch_size(&w, 0));
    if (ok) {
        w.frames = malloc(table_size(&w) + w.count * w.room);
        ok = w.frames || error_out_of_memory(error);
    }
    if (ok)
        work_all(&w, pool, pack_item);
    size_t used = ok ? join_frames(&w) : 0;
    if (used > 0)
        *packed = (struct states_payload){
            .codec = w.count == 1 ? STATES_PAYLOAD_ZSTD : STATES_PAYLOAD_FRAMES,
            .bytes = w.frames,
            .size = used,
            .memory = w.frames,
        };
    else
        free(w.frames);
    end_work(&w);
    return ok;
}

void states_payload_free(struct states_payload *packed)
{
    free(packed->memory);
    *packed = (struct states_payload){0};
}

/* --- unpacking ---------------------------------------------------------------------- */

/* Where each stretch's frame lies. *sound false unless they fill the source and none is larger
 * than a frame that is worth keeping can be. False: the source failed. */
static bool find_frames(struct work *w, bool *sound, struct error *error)
{
    size_t at = table_size(w);
    *sound = false;
    if (w->count == 1) {
        w->sizes[0] = w->room = w->source->size;
        *sound = w->room <= ZSTD_compressBound(w->size);
        return true;
    }
    if (w->source->size < at)
        return true;
    unsigned char *table = malloc(at);
    if (!table)
        return error_out_of_memory(error);
    bool ok = w->source->read(w->source->context, table, 0, at, error);
    w->room = ZSTD_compressBound(w->stretch);
    *sound = ok;
    for (size_t i = 0; *sound && i < w->count; i++) {
        for (size_t byte = 0; byte < TABLE_ENTRY; byte++)
            w->sizes[i] |= (size_t)table[i * TABLE_ENTRY + byte] << 8 * byte;
        w->begins[i] = at;
        *sound = w->sizes[i] <= w->room && w->sizes[i] <= w->source->size - at;
        at += w->sizes[i];
    }
    *sound = *sound && at == w->source->size;
    free(table);
    return ok;
}

/* Once the source has failed nobody asks it again. */
static bool read_frame(struct work *w, size_t item, unsigned char *frame)
{
    pthread_mutex_lock(&w->reading);
    if (!w->unread)
        w->unread =
            !w->source->read(w->source->context, frame, w->begins[item], w->sizes[item], &w->error);
    bool ok = !w->unread;
    pthread_mutex_unlock(&w->reading);
    return ok;
}

static void unpack_item(void *context, size_t item, unsigned worker)
{
    struct work *w = context;
    struct helper *helper = &w->helpers[worker];
    size_t size = stretch_size(w, item);
    if (atomic_load_explicit(&w->unsound, memory_order_relaxed) ||
        !read_frame(w, item, helper->frame))
        return;
    if (ZSTD_getFrameContentSize(helper->frame, w->sizes[item]) == size &&
        ZSTD_findFrameCompressedSize(helper->frame, w->sizes[item]) == w->sizes[item] &&
        ZSTD_decompressDCtx(helper->unpacker, helper->grouped, size, helper->frame,
                            w->sizes[item]) == size)
        ungroup(w->payload + item * w->stretch, helper->grouped, size);
    else
        atomic_store_explicit(&w->unsound, true, memory_order_relaxed);
}

static bool unpack_frames(struct work *w, struct pool *pool, bool *sound, struct error *error)
{
    bool ok = begin_work(w, pool, error) && find_frames(w, sound, error);
    if (ok && *sound) {
        ok = make_helpers(w, false, error);
        if (ok) {
            pthread_mutex_init(&w->reading, NULL);
            work_all(w, pool, unpack_item);
            pthread_mutex_destroy(&w->reading);
        }
        if (w->unread) {
            *error = w->error;
            ok = false;
        }
        *sound = ok && !w->unsound;
    }
    end_work(w);
    return ok;
}

bool states_payload_unpack(void *payload, size_t raw_size, int codec,
                           const struct states_payload_source *source, struct pool *pool,
                           bool *sound, struct error *error)
{
    *sound = false;
    if (codec == STATES_PAYLOAD_RAW) {
        bool fits = source->size == raw_size;
        bool ok = !fits || source->read(source->context, payload, 0, raw_size, error);
        *sound = fits && ok;
        return ok;
    }
    bool one = codec == STATES_PAYLOAD_ZSTD;
    if ((!one && codec != STATES_PAYLOAD_FRAMES) || raw_size == 0 || source->size == 0 ||
        (!one && raw_size <= STATES_PAYLOAD_STRETCH))
        return true;
    struct work w = {
        .payload = payload,
        .size = raw_size,
        .stretch = one ? raw_size : STATES_PAYLOAD_STRETCH,
        .source = source,
    };
    return unpack_frames(&w, pool, sound, error);
}

static bool copy_bytes(void *context, void *to, size_t at, size_t size, struct error *error)
{
    const unsigned char *stored = context;
    (void)error;
    if (size > 0)
        memcpy(to, stored + at, size);
    return true;
}

struct states_payload_source states_payload_bytes(const void *stored, size_t size)
{
    return (struct states_payload_source){copy_bytes, (void *)(uintptr_t)stored, size};
}
